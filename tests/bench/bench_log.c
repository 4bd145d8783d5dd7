/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/bench_log.c: a log on the embedded engine, two packs and a tail of inferences:
 * appending, reading, inclusion proofs, answer files with the hashes of their gaps, and the
 * verifier on them.
 */
#include <string.h>

#include "proto/verify.h"
#include "tests/bench/bench_parts.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define LOG "3y"
#define REGION "eu-test"
#define EVENTS (2u * 65536u + 5000u)
#define BATCH 500u
#define ANSWER_EVENTS 1000u

/* Made when first asked for; the runs share it, and append to another log than they read. */
static struct fixture store;
static bool made;

static void append_batch(const char *log, struct rng *rng, size_t n) {
    static stele_buf payload[STELE_BATCH_EVENTS_MAX];
    stele_view views[STELE_BATCH_EVENTS_MAX];
    struct stele_batch_place place;
    struct stele_gen_options options = {.region = REGION,
                                        .time_unix_nano = FIXTURE_START_US * 1000};
    for (size_t i = 0; i < n; i++) {
        stele_buf_clear(&payload[i]);
        stele_gen_inference(rng, &options, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
    }
    BENCH_OK(fixture_append(&store, log, views, n, &place, err));
}

static struct stele_log_view *view_of_store(void) {
    struct stele_log_view *view = NULL;
    if (!made) {
        struct rng rng = {17};
        fixture_init(&store);
        store.pack_entries = 65536;
        fixture_open(&store);
        for (size_t n = 0; n < EVENTS; n += STELE_BATCH_EVENTS_MAX) {
            append_batch(LOG, &rng, STELE_BATCH_EVENTS_MAX);
        }
        fixture_wait_packed(&store, LOG);
        made = true;
    }
    BENCH_OK(stele_log_view_open(stele_store_log(store.store, LOG), &view, err));
    return view;
}

void bench_end_log(void) {
    if (made) {
        fixture_done(&store);
    }
}

/* One client's batches, one after the other: each waits for its own sync. */
static void append(struct stele_bench *b, int64_t n) {
    struct rng rng = {19};
    stele_log_view_close(view_of_store());
    while (stele_bench_next(b)) {
        append_batch("1y", &rng, (size_t)n);
    }
    stele_bench_did(b, (uint64_t)n, 0);
}

static void read_entries(struct stele_bench *b, int64_t stride) {
    struct stele_log_view *view = view_of_store();
    struct stele_log_reader *reader = NULL;
    uint64_t seq = 0;
    BENCH_OK(stele_log_reader_new(view, &reader, err));
    while (stele_bench_next(b)) {
        struct stele_stored_entry stored;
        BENCH_OK(stele_log_read(reader, seq, &stored, err));
        stele_bench_keep(&stored);
        seq = (seq + (uint64_t)stride) % stele_log_view_size(view);
    }
    stele_bench_did(b, 1, 0);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

static void inclusion(struct stele_bench *b, int64_t unused) {
    struct stele_log_view *view = view_of_store();
    struct rng rng = {23};
    (void)unused;
    while (stele_bench_next(b)) {
        struct stele_tree_path path;
        struct stele_leaf_pos pos = {rng_below(&rng, stele_log_view_size(view)),
                                     stele_log_view_size(view)};
        BENCH_OK(stele_tree_prove_inclusion(pos, stele_log_view_node, view, &path, err));
        stele_bench_keep(&path);
    }
    stele_bench_did(b, 1, 0);
    stele_log_view_close(view);
}

/* ------------------------------------------------------------------ answer files */

/* An answer of ANSWER_EVENTS events, each `stride` entries after the one before, read beforehand:
 * what is measured is the proof. */
struct answer {
    struct stele_log_view *view;
    stele_buf note, question, file;
    struct stele_entry_copy {
        uint8_t entry[STELE_ENTRY_EVENT_BYTES];
        uint8_t salt[STELE_SALT_BYTES];
        stele_buf payload;
    } event[ANSWER_EVENTS];
    size_t n;
};

static void answer_read(struct answer *a, int64_t stride) {
    struct stele_log_reader *reader = NULL;
    struct stele_question question;
    a->view = view_of_store();
    stele_question_init(&question);
    BENCH_OK(stele_buf_append(&question.region, stele_view_str(REGION), err));
    BENCH_OK(stele_question_encode(&question, &a->question, err));
    stele_question_done(&question);
    BENCH_OK(stele_log_checkpoint(stele_log_view_log(a->view), stele_log_view_size(a->view),
                                  &a->note, NULL, err));
    BENCH_OK(stele_log_reader_new(a->view, &reader, err));
    for (uint64_t seq = 100; a->n < ANSWER_EVENTS && seq < stele_log_view_size(a->view);
         seq += (uint64_t)stride) {
        struct stele_stored_entry stored;
        BENCH_OK(stele_log_read(reader, seq, &stored, err));
        if (stored.entry.type != STELE_ENTRY_EVENT) {
            continue;
        }
        struct stele_entry_copy *copy = &a->event[a->n++];
        memcpy(copy->entry, stored.bytes, sizeof copy->entry);
        memcpy(copy->salt, stored.salt, sizeof copy->salt);
        BENCH_OK(stele_buf_append(&copy->payload, stored.payload, err));
    }
    stele_log_reader_free(reader);
}

static void answer_write(struct answer *a) {
    struct stele_answer_writer *w = NULL;
    uint8_t log = 0;
    stele_buf_clear(&a->file);
    BENCH_OK(stele_answer_writer_new(&w, err));
    BENCH_OK(stele_answer_write_question(w, stele_view_buf(&a->question), &a->file, err));
    BENCH_OK(stele_answer_write_log(w, stele_view_buf(&a->note), stele_log_view_size(a->view),
                                    stele_log_view_node, a->view, &log, &a->file, err));
    for (size_t i = 0; i < a->n; i++) {
        const struct stele_entry_copy *event = &a->event[i];
        BENCH_OK(stele_answer_write_event(w, log, stele_view_of(event->entry, sizeof event->entry),
                                          event->salt, stele_view_buf(&event->payload), &a->file,
                                          err));
    }
    BENCH_OK(stele_answer_write_end(w, true, &a->file, err));
    stele_answer_writer_free(w);
}

static void answer_done(struct stele_bench *b, struct answer *a) {
    uint64_t payloads = 0;
    for (size_t i = 0; i < a->n; i++) {
        payloads += a->event[i].payload.size;
        stele_buf_done(&a->event[i].payload);
    }
    stele_bench_did(b, a->n, a->file.size);
    stele_bench_note(b, "events", (double)a->n);
    stele_bench_note(b, "proof_bytes/event", (double)(a->file.size - payloads) / (double)a->n);
    stele_log_view_close(a->view);
    stele_buf_done(&a->note);
    stele_buf_done(&a->question);
    stele_buf_done(&a->file);
    stele_free(a);
}

static void answer_build(struct stele_bench *b, int64_t stride) {
    struct answer *a = stele_alloc(1, sizeof *a);
    answer_read(a, stride);
    while (stele_bench_next(b)) {
        answer_write(a);
    }
    answer_done(b, a);
}

static void answer_verify(struct stele_bench *b, int64_t stride) {
    struct answer *a = stele_alloc(1, sizeof *a);
    struct stele_vkey key;
    answer_read(a, stride);
    answer_write(a);
    stele_log_vkey(stele_log_view_log(a->view), &key);
    while (stele_bench_next(b)) {
        struct stele_verifier *v = NULL;
        struct stele_verify_report report;
        BENCH_OK(stele_verifier_new(&key, 1, NULL, NULL, &v, err));
        BENCH_OK(stele_verifier_feed(v, stele_view_buf(&a->file), err));
        BENCH_OK(stele_verifier_end(v, &report, err));
        stele_verify_report_done(&report);
        stele_verifier_free(v);
    }
    answer_done(b, a);
}

void bench_add_log(void) {
    static const int64_t batches[] = {1, BATCH};
    static const int64_t read_strides[] = {1, 1009};
    static const int64_t strides[] = {1, 16, 137, 4099};
    stele_bench_add("log/append", append, batches, BENCH_N(batches));
    stele_bench_add("log/read", read_entries, read_strides, BENCH_N(read_strides));
    stele_bench_add("log/prove_inclusion", inclusion, NULL, 0);
    stele_bench_add("answer/build", answer_build, strides, BENCH_N(strides));
    stele_bench_add("answer/verify", answer_verify, strides, BENCH_N(strides));
}
