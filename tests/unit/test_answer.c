/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer file says is what was written, whatever the pieces it arrives in. */
#include <string.h>

#include "storage/answer_format.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"
#include "tests/support/sample_answer.h"

#define LOGS_MAX 5
#define EVENTS_MAX 400

/* ------------------------------------------------------------------ random logs and answers */

struct world {
    struct rng rng;
    size_t n_logs;
    struct sample_log log[LOGS_MAX];
    struct sample_log *logs[LOGS_MAX];
    uint64_t sizes[LOGS_MAX];
    struct stele_vkey keys[LOGS_MAX + 1];
    bool wanted[LOGS_MAX][128];
};

static bool is_wanted(void *ctx, size_t log, uint64_t seq) {
    const struct world *w = ctx;
    return w->wanted[log][seq];
}

static void make_world(struct world *w) {
    memset(w->wanted, 0, sizeof w->wanted);
    w->n_logs = 1 + (size_t)rng_below(&w->rng, LOGS_MAX);
    for (size_t i = 0; i < w->n_logs; i++) {
        char origin[64];
        (void)snprintf(origin, sizeof origin, "stele.example/eu-1/log-%zu", i);
        sample_log_init(&w->log[i], origin, (uint8_t)(i + 1));
        w->logs[i] = &w->log[i];
        w->keys[w->n_logs - 1 - i] = w->log[i].key; /* keys come in any order */
        uint64_t n = rng_below(&w->rng, 70);
        uint64_t time = SAMPLE_TIME_US + rng_below(&w->rng, 20);
        uint64_t wanted = 1 + rng_below(&w->rng, 10); /* of ten */
        for (uint64_t seq = 0; seq < n; seq++) {
            uint64_t kind = rng_below(&w->rng, 10);
            time += rng_below(&w->rng, 3); /* equal times, within a log and across, are common */
            if (kind == 0 || seq == 0) {
                (void)sample_log_control(&w->log[i], time);
            } else if (kind == 1) {
                (void)sample_log_index(&w->log[i], time);
            } else {
                struct sample_event event = {.session = (kind & 1) != 0 ? "s-9" : NULL};
                (void)sample_log_event(&w->log[i], time, &event);
            }
            w->wanted[i][seq] = rng_below(&w->rng, 10) < wanted;
        }
        w->sizes[i] = n == 0 ? 0 : n - rng_below(&w->rng, n < 4 ? 1 : 4);
    }
}

static void free_world(struct world *w) {
    for (size_t i = 0; i < w->n_logs; i++) {
        sample_log_done(&w->log[i]);
    }
}

/* ------------------------------------------------------------------ what a reader gives */

struct seen {
    const struct world *world;
    stele_buf question;
    size_t n_logs;
    size_t n;
    uint8_t log[EVENTS_MAX];
    uint64_t seq[EVENTS_MAX];
};

static stele_status see_question(void *ctx, stele_view question, stele_err *err) {
    struct seen *seen = ctx;
    return stele_buf_append(&seen->question, question, err);
}

static stele_status see_log(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                            stele_err *err) {
    struct seen *seen = ctx;
    (void)err;
    assert_int_equal(log, seen->n_logs);
    assert_string_equal(checkpoint->origin, seen->world->log[log].origin);
    assert_int_equal(checkpoint->size_leaves, seen->world->sizes[log]);
    seen->n_logs++;
    return STELE_OK;
}

static stele_status see_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct seen *seen = ctx;
    (void)err;
    const struct sample_log *log = &seen->world->log[event->log];
    assert_string_equal(event->checkpoint->origin, log->origin);
    assert_true(
        stele_view_equal(event->payload, stele_view_buf(&log->entry[event->entry.seq].payload)));
    seen->log[seen->n] = event->log;
    seen->seq[seen->n++] = event->entry.seq;
    return STELE_OK;
}

static void test_answer__any_answer_in_any_pieces_reads_as_written(void **state) {
    (void)state;
    static struct world w;
    static struct seen seen;
    w.rng = rng_start("answer");
    for (int round = 0; round < 120; round++) {
        make_world(&w);
        struct sample_answer answer = {.logs = w.logs,
                                       .n_logs = w.n_logs,
                                       .sizes = w.sizes,
                                       .wants = is_wanted,
                                       .ctx = &w,
                                       .cut = (round & 1) != 0};
        uint8_t logs[EVENTS_MAX];
        uint64_t seqs[EVENTS_MAX];
        uint8_t question[300];
        size_t question_bytes = (size_t)rng_below(&w.rng, sizeof question);
        rng_bytes(&w.rng, question, sizeof question);
        size_t n = sample_answer_order(&answer, logs, seqs);
        stele_buf file = STELE_BUF_EMPTY;
        sample_answer_write(&answer, stele_view_of(question, question_bytes), &file);

        memset(&seen, 0, sizeof seen);
        seen.world = &w;
        const struct stele_answer_sink sink = {&seen, see_question, see_log, see_event};
        struct stele_answer_reader *r = NULL;
        struct stele_answer_report report;
        assert_ok(stele_answer_reader_new(w.keys, w.n_logs, &sink, &r, NULL));
        uint64_t piece_max = UINT64_C(1) << rng_below(&w.rng, 14);
        for (size_t at = 0; at < file.size;) {
            size_t piece = (size_t)rng_below(&w.rng, piece_max + 1);
            piece = piece < file.size - at ? piece : file.size - at;
            /* A block of its own size, so that the sanitizer sees a read past the piece. */
            uint8_t *copy = stele_alloc(piece, 1);
            memcpy(copy, file.data + at, piece);
            assert_ok(stele_answer_reader_feed(r, stele_view_of(copy, piece), NULL));
            stele_free(copy);
            at += piece;
        }
        assert_ok(stele_answer_reader_end(r, &report, NULL));
        assert_int_equal(report.n_events, n);
        assert_int_equal(report.n_logs, w.n_logs);
        assert_true(report.cut == answer.cut);
        assert_int_equal(seen.n, n);
        assert_int_equal(seen.n_logs, w.n_logs);
        assert_true(stele_view_equal(stele_view_buf(&seen.question),
                                     stele_view_of(question, question_bytes)));
        assert_memory_equal(seen.log, logs, n * sizeof logs[0]);
        assert_memory_equal(seen.seq, seqs, n * sizeof seqs[0]);
        stele_answer_reader_free(r);
        stele_buf_done(&seen.question);
        stele_buf_done(&file);
        free_world(&w);
    }
}

/* ------------------------------------------------------------------ the writer's refusals */

struct fixture {
    struct sample_log a;
    struct sample_log b;
    stele_buf note_a;
    stele_buf note_b;
    stele_buf out;
    struct stele_answer_writer *w;
};

static int setup(void **state) {
    static const struct sample_event event = {0};
    struct fixture *f = stele_alloc(1, sizeof *f);
    sample_log_init(&f->a, "stele.example/eu-1/a", 1);
    sample_log_init(&f->b, "stele.example/eu-1/b", 2);
    for (uint64_t i = 0; i < 6; i++) {
        /* a's last entry is no event; the clock of b goes back, from its 2 to its 3 */
        if (i == 5) {
            (void)sample_log_control(&f->a, SAMPLE_TIME_US + 10 * i);
        } else {
            (void)sample_log_event(&f->a, SAMPLE_TIME_US + 10 * i, &event);
        }
        (void)sample_log_event(&f->b, SAMPLE_TIME_US + (i == 3 ? 15 : 10 * i), &event);
    }
    sample_log_sign(&f->a, 6, &f->note_a);
    sample_log_sign(&f->b, 5, &f->note_b);
    assert_ok(stele_answer_writer_new(&f->w, NULL));
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    stele_answer_writer_free(f->w);
    sample_log_done(&f->a);
    sample_log_done(&f->b);
    stele_buf_done(&f->note_a);
    stele_buf_done(&f->note_b);
    stele_buf_done(&f->out);
    stele_free(f);
    return 0;
}

static stele_status write_question(struct fixture *f) {
    return stele_answer_write_question(f->w, stele_view_str("q"), &f->out, NULL);
}

static stele_status write_log(struct fixture *f, struct sample_log *log, const stele_buf *note,
                              uint64_t size) {
    uint8_t number = 0;
    return stele_answer_write_log(f->w, stele_view_buf(note), size, sample_log_node, log, &number,
                                  &f->out, NULL);
}

static stele_status write_event(struct fixture *f, uint8_t log, uint64_t seq) {
    const struct sample_log *from = log == 0 ? &f->a : &f->b;
    return stele_answer_write_event(f->w, log, sample_log_entry(from, seq), from->entry[seq].salt,
                                    stele_view_buf(&from->entry[seq].payload), &f->out, NULL);
}

static stele_status write_end(struct fixture *f) {
    return stele_answer_write_end(f->w, false, &f->out, NULL);
}

/* Each refusal leaves buffer and writer as they were: the file made around them all verifies. */
static void test_answer__the_writer_refuses_what_a_reader_would(void **state) {
    struct fixture *f = *state;
    stele_buf big = STELE_BUF_EMPTY;
    assert_ok(stele_buf_reserve(&big, STELE_ANSWER_EVENT_BYTES_MAX, NULL));
    memset(big.data, 0, STELE_ANSWER_EVENT_BYTES_MAX);
    assert_status(write_log(f, &f->a, &f->note_a, 6), INVALID); /* no question yet */
    assert_status(write_end(f), INVALID);
    assert_status(write_event(f, 0, 0), INVALID);
    big.size = STELE_ANSWER_QUESTION_BYTES_MAX + 1;
    assert_status(stele_answer_write_question(f->w, stele_view_buf(&big), &f->out, NULL), INVALID);
    assert_ok(write_question(f));
    assert_status(write_question(f), INVALID);
    assert_status(write_end(f), INVALID);                       /* no log */
    assert_status(write_log(f, &f->a, &f->note_a, 5), INVALID); /* not the checkpoint's size */
    stele_buf note = STELE_BUF_EMPTY;
    assert_status(write_log(f, &f->a, &note, 0), INVALID);
    assert_ok(stele_buf_append(&note, stele_view_of(f->note_a.data, f->note_a.size), NULL));
    note.size = 40; /* no empty line */
    assert_status(write_log(f, &f->a, &note, 6), INVALID);
    note.size = f->note_a.size; /* a signature line too long for a file */
    while (note.size <= STELE_CHECKPOINT_BYTES_MAX) {
        assert_ok(stele_buf_append(&note, stele_view_str("x"), NULL));
    }
    assert_status(write_log(f, &f->a, &note, 6), INVALID);
    stele_buf_done(&note);
    assert_ok(write_log(f, &f->a, &f->note_a, 6));
    assert_status(write_log(f, &f->a, &f->note_a, 6), INVALID); /* twice */
    assert_status(write_event(f, 1, 0), INVALID);               /* not declared yet */
    assert_ok(write_log(f, &f->b, &f->note_b, 5));
    assert_status(write_log(f, &f->a, &f->note_a, 6), INVALID); /* descending */
    assert_status(write_event(f, 200, 1), INVALID);
    assert_ok(write_event(f, 1, 1));
    assert_status(write_log(f, &f->b, &f->note_b, 5), INVALID); /* after an event */
    assert_status(write_event(f, 0, 1), INVALID);               /* same time, lower log */
    assert_status(write_event(f, 0, 0), INVALID);               /* earlier */
    assert_status(write_event(f, 1, 1), INVALID);               /* again */
    assert_ok(write_event(f, 1, 3));                            /* at 15 */
    assert_status(write_event(f, 1, 2), INVALID);               /* at 20, but a lower seq */
    assert_ok(write_event(f, 0, 2));
    assert_status(stele_answer_write_event(f->w, 0, sample_log_entry(&f->a, 5), f->a.entry[3].salt,
                                           stele_view_of(NULL, 0), &f->out, NULL),
                  INVALID);                       /* no event */
    assert_status(write_event(f, 1, 5), INVALID); /* not below the size */
    assert_status(stele_answer_write_event(f->w, 1, stele_view_of(big.data, 96), f->a.entry[3].salt,
                                           stele_view_of(NULL, 0), &f->out, NULL),
                  INVALID); /* no entry */
    big.size = STELE_PAYLOAD_BYTES_MAX + 1;
    assert_status(stele_answer_write_event(f->w, 0, sample_log_entry(&f->a, 3), f->a.entry[3].salt,
                                           stele_view_buf(&big), &f->out, NULL),
                  INVALID);
    assert_ok(write_end(f));
    assert_status(write_end(f), INVALID);
    assert_status(write_event(f, 0, 3), INVALID);
    assert_status(write_log(f, &f->b, &f->note_b, 5), INVALID);

    const struct stele_vkey keys[] = {f->a.key, f->b.key};
    struct stele_answer_report report;
    assert_ok(sample_answer_read(stele_view_buf(&f->out), keys, 2, NULL, &report, NULL));
    assert_int_equal(report.n_events, 3);
    stele_buf_done(&big);
}

static void test_answer__the_writer_takes_64_logs(void **state) {
    struct fixture *f = *state;
    assert_ok(write_question(f));
    for (unsigned i = 0; i <= STELE_ANSWER_LOGS_MAX; i++) {
        struct sample_log log;
        stele_buf note = STELE_BUF_EMPTY;
        char origin[64];
        (void)snprintf(origin, sizeof origin, "stele.example/eu-1/%03u", i);
        sample_log_init(&log, origin, 5);
        sample_log_sign(&log, 0, &note);
        stele_status st = write_log(f, &log, &note, 0);
        assert_string_equal(stele_status_name(st), i < STELE_ANSWER_LOGS_MAX ? "OK" : "INVALID");
        stele_buf_done(&note);
        sample_log_done(&log);
    }
}

static unsigned calls_until_failure;

static stele_status failing_node(void *ctx, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    if (calls_until_failure == 0) {
        return STELE_FAIL(err, IO, "no such node today");
    }
    calls_until_failure--;
    return sample_log_node(ctx, level, index, ret, err);
}

static void test_answer__a_failed_write_can_be_repeated(void **state) {
    struct fixture *f = *state;
    uint8_t number = 0;
    struct stele_answer_report report;
    assert_ok(write_question(f));
    assert_ok(stele_answer_write_log(f->w, stele_view_buf(&f->note_a), 6, failing_node, &f->a,
                                     &number, &f->out, NULL));
    calls_until_failure = 1; /* the gap [0, 3) has two subtrees */
    size_t before = f->out.size;
    assert_status(write_event(f, 0, 3), IO);
    assert_int_equal(f->out.size, before);
    calls_until_failure = 2;
    assert_ok(write_event(f, 0, 3));
    before = f->out.size;
    assert_status(write_end(f), IO);
    assert_int_equal(f->out.size, before);
    calls_until_failure = 10;
    assert_ok(write_end(f));
    assert_ok(sample_answer_read(stele_view_buf(&f->out), &f->a.key, 1, NULL, &report, NULL));
    assert_int_equal(report.n_events, 1);
}

static void test_answer__can_be_drained_between_calls(void **state) {
    struct fixture *f = *state;
    stele_buf file = STELE_BUF_EMPTY;
    struct stele_answer_report report;
    assert_ok(write_question(f));
    assert_ok(stele_buf_append(&file, stele_view_buf(&f->out), NULL));
    stele_buf_clear(&f->out);
    assert_ok(write_log(f, &f->a, &f->note_a, 6));
    assert_ok(write_event(f, 0, 3));
    assert_ok(stele_buf_append(&file, stele_view_buf(&f->out), NULL));
    stele_buf_clear(&f->out);
    assert_ok(write_end(f));
    assert_ok(stele_buf_append(&file, stele_view_buf(&f->out), NULL));
    assert_ok(sample_answer_read(stele_view_buf(&file), &f->a.key, 1, NULL, &report, NULL));
    stele_buf_done(&file);
}

/* ------------------------------------------------------------------ the reader's outside */

static stele_status refuse_event(void *ctx, const struct stele_answer_event *event,
                                 stele_err *err) {
    (void)event;
    (*(unsigned *)ctx)++;
    return STELE_FAIL(err, DENIED, "not this one");
}

static void test_answer__a_failure_stays(void **state) {
    struct fixture *f = *state;
    unsigned calls = 0;
    const struct stele_answer_sink sink = {&calls, NULL, NULL, refuse_event};
    struct stele_answer_reader *r = NULL;
    struct stele_answer_report report;
    stele_err err;
    assert_ok(write_question(f));
    assert_ok(write_log(f, &f->a, &f->note_a, 6));
    assert_ok(write_event(f, 0, 3));
    assert_ok(write_event(f, 0, 4));
    assert_ok(write_end(f));
    assert_ok(stele_answer_reader_new(&f->a.key, 1, &sink, &r, NULL));
    assert_status(stele_answer_reader_feed(r, stele_view_buf(&f->out), &err), DENIED);
    assert_string_equal(err.text, "not this one");
    assert_status(stele_answer_reader_feed(r, stele_view_buf(&f->out), NULL), DENIED);
    memset(&err, 0, sizeof err);
    assert_status(stele_answer_reader_end(r, &report, &err), DENIED);
    assert_string_equal(err.text, "not this one");
    assert_int_equal(calls, 1);
    stele_answer_reader_free(r);
    stele_answer_reader_free(NULL);
}

static void test_answer__logs_of_unknown_keys_are_refused(void **state) {
    struct fixture *f = *state;
    struct stele_answer_report report;
    assert_ok(write_question(f));
    assert_ok(write_log(f, &f->a, &f->note_a, 6));
    assert_ok(write_log(f, &f->b, &f->note_b, 5));
    assert_ok(write_end(f));
    struct stele_vkey keys[] = {f->a.key, f->b.key, f->b.key};
    stele_view file = stele_view_buf(&f->out);
    assert_ok(sample_answer_read(file, keys, 2, NULL, &report, NULL));
    assert_status(sample_answer_read(file, keys, 1, NULL, &report, NULL), UNVERIFIED);
    assert_status(sample_answer_read(file, NULL, 0, NULL, &report, NULL), UNVERIFIED);
    /* The right name with another log's key. */
    memcpy(keys[1].public_key, keys[0].public_key, sizeof keys[1].public_key);
    assert_status(sample_answer_read(file, keys, 2, NULL, &report, NULL), UNVERIFIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer__any_answer_in_any_pieces_reads_as_written),
        cmocka_unit_test_setup_teardown(test_answer__the_writer_refuses_what_a_reader_would, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_answer__the_writer_takes_64_logs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer__a_failed_write_can_be_repeated, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_answer__can_be_drained_between_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer__a_failure_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer__logs_of_unknown_keys_are_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
