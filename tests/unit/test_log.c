/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_log.c: a log against a naive model: what was appended, in order, over months,
 * packs, merges and restarts. The model keeps payloads and leaf hashes in arrays and recomputes
 * everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_map.h"
#include "tests/support/event_gen.h"
#include "storage/fsck.h"
#include "tests/support/store_fixture.h"

#define MODEL_MAX 6000
#define DAY_US UINT64_C(86400000000)

struct model {
    struct fixture f;
    struct rng rng;
    stele_buf payload[MODEL_MAX]; /* by number of the event */
    uint64_t seq[MODEL_MAX];
    uint64_t time_us[MODEL_MAX];
    size_t n;
};

static uint64_t event_time_us(struct model *m) {
    uint64_t now = atomic_load(&m->f.now_us);
    switch (rng_below(&m->rng, 10)) {
    case 0:
        return now - DAY_US * (2 + rng_below(&m->rng, 400)); /* late */
    case 1:
        return now - DAY_US - 1 + rng_below(&m->rng, 3); /* at the edge */
    default:
        return now - rng_below(&m->rng, DAY_US / 2);
    }
}

static void append_some(struct model *m, const char *log, size_t n) {
    stele_view views[STELE_BATCH_EVENTS_MAX];
    struct stele_batch_place place;
    stele_err err = {0};
    for (size_t i = 0; i < n; i++) {
        struct stele_gen_options options = {.region = "eu-test",
                                            .n_actors = 40,
                                            .n_resources = 30,
                                            .time_unix_nano =
                                                event_time_us(m) * 1000 + rng_below(&m->rng, 1000)};
        options.tenant = rng_below(&m->rng, 3) == 0 ? "globex" : "acme";
        m->payload[m->n + i] = STELE_BUF_EMPTY;
        stele_gen_event(&m->rng, &options, &m->payload[m->n + i]);
        views[i] = stele_view_buf(&m->payload[m->n + i]);
    }
    stele_status st = fixture_append(&m->f, log, views, n, &place, &err);
    if (st != STELE_OK) {
        fail_msg("append: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    assert_int_equal(place.n, n);
    for (size_t i = 0; i < n; i++) {
        m->seq[m->n + i] = place.first_seq + i;
        m->time_us[m->n + i] = place.time_us;
    }
    m->n += n;
}

/* Months of traffic in batches of all sizes. */
static void live(struct model *m, size_t n_events) {
    size_t stop = m->n + n_events;
    while (m->n < stop) {
        size_t n = 1 + rng_below(&m->rng, rng_below(&m->rng, 4) == 0 ? 300 : 20);
        n = n > stop - m->n ? stop - m->n : n;
        append_some(m, "3y", n);
        atomic_fetch_add(&m->f.now_us, rng_below(&m->rng, DAY_US * 3));
    }
}

static void model_start(struct model *m, const char *test) {
    fixture_init(&m->f);
    m->rng = rng_start(test);
    m->n = 0;
    fixture_open(&m->f);
}

static void model_done(struct model *m) {
    for (size_t i = 0; i < m->n; i++) {
        stele_buf_done(&m->payload[i]);
    }
    fixture_done(&m->f);
}

/* What is read by its frame's digest alone is what was appended, too. */
static void check_event(struct stele_log_reader *reader, const struct stele_stored_entry *stored,
                        uint64_t seq) {
    struct stele_stored_entry event;
    assert_ok(stele_log_read_event(reader, seq, &event, NULL));
    assert_int_equal(event.entry.type, stored->entry.type);
    assert_int_equal(event.entry.seq, seq);
    assert_int_equal(event.entry.era, stored->entry.era);
    assert_int_equal(event.entry.time_us, stored->entry.time_us);
    assert_true(stele_view_equal(event.payload, stored->payload));
    if (stored->entry.type == STELE_ENTRY_EVENT) {
        assert_int_equal(event.entry.as.event.event_us, stored->entry.as.event.event_us);
        assert_int_equal(event.entry.as.event.late, stored->entry.as.event.late);
        assert_int_equal(event.facts->n_keys, stored->facts->n_keys);
    }
}

static void check_peek(struct stele_log_reader *reader, const struct stele_stored_entry *stored,
                       uint64_t seq) {
    struct stele_stored_frame frame;
    assert_ok(stele_log_peek(reader, seq, &frame, NULL));
    assert_int_equal(frame.time_us, stored->entry.time_us);
    if (stored->entry.type != STELE_ENTRY_EVENT) {
        assert_int_equal(frame.n, 0);
        return;
    }
    assert_in_range(seq, frame.first_seq, frame.first_seq + frame.n - 1);
    assert_true(stele_view_equal(frame.payload[seq - frame.first_seq], stored->payload));
}

/* Every event is where its acknowledgement said, byte for byte, with a proof under the checkpoint.
 */
static void check_all(struct model *m) {
    struct stele_log *log = stele_store_log(m->f.store, "3y");
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_log_reader *peeking = NULL;
    struct stele_stored_frame none;
    struct stele_stored_entry beyond;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    assert_ok(stele_log_view_open(log, &view, &err));
    uint64_t size = stele_log_view_size(view);
    assert_ok(stele_log_checkpoint(log, size, &note, &checkpoint, &err));
    assert_int_equal(checkpoint.size_leaves, size);
    assert_ok(stele_log_reader_new(view, &reader, &err));
    assert_ok(stele_log_reader_new(view, &peeking, &err));
    assert_status(stele_log_peek(peeking, size, &none, &err), NOT_FOUND);
    assert_status(stele_log_read_event(peeking, size, &beyond, &err), NOT_FOUND);
    struct stele_frontier naive;
    stele_frontier_init(&naive);
    size_t at = 0;
    for (uint64_t seq = 0; seq < size; seq++) {
        struct stele_stored_entry stored;
        uint8_t leaf[32];
        stele_status st = stele_log_read(reader, seq, &stored, &err);
        if (st != STELE_OK) {
            fail_msg("read %llu: %s (%s)", (unsigned long long)seq, err.text, err.where);
        }
        check_peek(peeking, &stored, seq);
        check_event(seq % 3 == 0 ? reader : peeking, &stored, seq);
        stele_hash_leaf(stele_view_of(stored.bytes, stored.n_bytes), leaf);
        stele_frontier_push(&naive, leaf);
        if (at < m->n && m->seq[at] == seq) {
            assert_int_equal(stored.entry.type, STELE_ENTRY_EVENT);
            assert_true(stele_view_equal(stored.payload, stele_view_buf(&m->payload[at])));
            assert_int_equal(stored.entry.time_us, m->time_us[at]);
            at++;
        } else {
            assert_int_equal(stored.entry.type, STELE_ENTRY_CONTROL);
        }
        if (seq % 37 == 0) {
            struct stele_tree_path path;
            struct stele_leaf_pos pos = {seq, size};
            assert_ok(stele_tree_prove_inclusion(pos, stele_log_view_node, view, &path, &err));
            assert_ok(
                stele_tree_check_inclusion(leaf, pos, path.node[0], path.n, checkpoint.root, &err));
        }
    }
    assert_int_equal(at, m->n);
    uint8_t root[32];
    stele_frontier_root(&naive, root);
    assert_memory_equal(root, checkpoint.root, 32);
    stele_log_reader_free(peeking);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    stele_buf_done(&note);
}

static bool has_key(const struct stele_event_facts *facts, const struct stele_index_key *key) {
    bool found = false;
    for (size_t i = 0; i < facts->n_keys; i++) {
        found |=
            facts->key[i].field == key->field && stele_view_equal(facts->key[i].value, key->value);
    }
    return found && (key->tenant.size == 0 || stele_view_equal(facts->tenant, key->tenant));
}

/* A key's stream, filtered by the range like a search does, equals a scan of the model. */
static void check_key(struct model *m, const struct stele_index_key *key,
                      const struct stele_time_range *range, bool descending) {
    static struct stele_event_facts facts;
    struct stele_log_view *view = NULL;
    struct stele_seq_stream *stream = NULL;
    struct stele_event_map map = stele_event_map_current();
    uint64_t expected[MODEL_MAX];
    size_t n = 0;
    size_t got = 0;
    uint64_t seq = 0;
    stele_err err;
    for (size_t j = 0; j < m->n; j++) {
        size_t i = descending ? m->n - 1 - j : j;
        assert_ok(map.map(map.ctx, stele_view_buf(&m->payload[i]), &facts, &err));
        if (has_key(&facts, key) && facts.event_us >= range->since_us &&
            facts.event_us < range->until_us && m->time_us[i] >= range->logged_since_us &&
            m->time_us[i] < range->logged_until_us) {
            expected[n++] = m->seq[i];
        }
    }
    assert_ok(stele_log_view_open(stele_store_log(m->f.store, "3y"), &view, &err));
    assert_ok(stele_seq_stream_open(view, key, range, descending, descending ? UINT64_MAX : 0,
                                    &stream, &err));
    stele_status st = STELE_OK;
    uint64_t last = 0;
    for (size_t k = 0; (st = stele_seq_stream_next(stream, &seq, &err)) == STELE_OK; k++) {
        assert_true(k == 0 || (descending ? seq < last : seq > last));
        last = seq;
        if (got < n && expected[got] == seq) {
            got++;
        }
    }
    assert_int_equal(st, STELE_END);
    assert_int_equal(got, n);
    stele_seq_stream_close(stream);
    stele_log_view_close(view);
}

static void check_index(struct model *m, size_t rounds) {
    static struct stele_event_facts facts;
    struct stele_event_map map = stele_event_map_current();
    for (size_t r = 0; r < rounds; r++) {
        stele_err err;
        size_t i = rng_below(&m->rng, m->n);
        assert_ok(map.map(map.ctx, stele_view_buf(&m->payload[i]), &facts, &err));
        size_t k = rng_below(&m->rng, facts.n_keys);
        stele_buf value = STELE_BUF_EMPTY;
        assert_ok(stele_buf_append(&value, facts.key[k].value, &err));
        struct stele_index_key key = {
            stele_view_str(stele_view_is(facts.tenant, "acme") ? "acme" : "globex"),
            facts.key[k].field, stele_view_buf(&value)};
        if (rng_below(&m->rng, 3) == 0) {
            key.tenant = stele_view_of(NULL, 0); /* of every tenant */
        }
        struct stele_time_range range = {0, UINT64_MAX, 0, UINT64_MAX};
        uint64_t span = atomic_load(&m->f.now_us) - FIXTURE_START_US + 1;
        if (rng_below(&m->rng, 2) == 0) {
            range.since_us =
                FIXTURE_START_US - DAY_US * 300 + rng_below(&m->rng, span + DAY_US * 300);
            range.until_us = range.since_us + rng_below(&m->rng, span + 1);
        }
        if (rng_below(&m->rng, 3) == 0) {
            range.logged_since_us = FIXTURE_START_US + rng_below(&m->rng, span);
            range.logged_until_us = range.logged_since_us + rng_below(&m->rng, span);
        }
        check_key(m, &key, &range, rng_below(&m->rng, 2) == 0);
        stele_buf_done(&value);
    }
}

static void check_fsck(struct model *m) {
    struct stele_fsck_report report;
    stele_err err = {0};
    fixture_close(&m->f);
    stele_status st = fixture_try_open(&m->f, true, &err);
    st = st == STELE_OK ? stele_fsck(m->f.store, NULL, NULL, &report, &err) : st;
    if (st != STELE_OK) {
        fail_msg("fsck: %s (%s)", err.text, err.where);
    }
    assert_int_equal(report.events, m->n);
    assert_int_equal(report.logs, 3);
    fixture_close(&m->f);
    fixture_open(&m->f);
}

static void test_log__months_of_events_equal_the_model_before_and_after_restarts(void **state) {
    struct model *m = calloc(1, sizeof *m);
    (void)state;
    model_start(m, "log model");
    live(m, 1500);
    check_all(m);
    check_index(m, 60);
    fixture_wait_packed(&m->f, "3y");
    check_all(m);
    check_index(m, 60);
    fixture_close(&m->f);
    fixture_open(&m->f);
    check_all(m);
    live(m, 2500);
    fixture_close(&m->f);
    fixture_open(&m->f);
    live(m, 10);
    fixture_wait_packed(&m->f, "3y");
    check_all(m);
    check_index(m, 150);
    check_fsck(m);
    check_index(m, 50);
    model_done(m);
    free(m);
}

static void test_log__seq_at_finds_the_first_entry_at_or_after_a_time(void **state) {
    struct model *m = calloc(1, sizeof *m);
    (void)state;
    model_start(m, "seq_at");
    live(m, 900);
    struct stele_log_view *view = NULL;
    stele_err err;
    assert_ok(stele_log_view_open(stele_store_log(m->f.store, "3y"), &view, &err));
    uint64_t seq = 0;
    for (size_t i = 1; i < m->n; i++) {
        if (m->time_us[i] == m->time_us[i - 1]) {
            continue;
        }
        /* A month's EPOCH or a tenant's listing may stand between the two, at the later time. */
        assert_ok(stele_log_view_seq_at(view, m->time_us[i - 1] + 1, &seq, &err));
        assert_in_range(seq, m->seq[i - 1] + 1, m->seq[i]);
        assert_ok(stele_log_view_seq_at(view, m->time_us[i], &seq, &err));
        assert_in_range(seq, m->seq[i - 1] + 1, m->seq[i]);
    }
    assert_ok(stele_log_view_seq_at(view, UINT64_MAX, &seq, &err));
    assert_int_equal(seq, stele_log_view_size(view));
    stele_log_view_close(view);
    model_done(m);
    free(m);
}

static void test_log__a_store_of_another_region_or_name_is_refused(void **state) {
    struct fixture f;
    stele_err err;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    fixture_close(&f);
    struct stele_engine *engine = NULL;
    assert_status(stele_engine_rocks_open(f.dir, "us-test", false, &engine, &err), DENIED);
    fixture_done(&f);
}

static void test_log__an_older_copy_refuses_to_sign(void **state) {
    struct model *m = calloc(1, sizeof *m);
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    char command[256];
    (void)state;
    model_start(m, "older copy");
    live(m, 50);
    fixture_close(&m->f);
    (void)snprintf(command, sizeof command, "cp -a %s %s.old", m->f.dir, m->f.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&m->f);
    live(m, 50);
    struct stele_log *log = stele_store_log(m->f.store, "3y");
    struct stele_log_view *view = NULL;
    assert_ok(stele_log_view_open(log, &view, &err));
    assert_ok(stele_log_checkpoint(log, stele_log_view_size(view), &note, &checkpoint, &err));
    stele_log_view_close(view);
    fixture_close(&m->f);
    (void)snprintf(command, sizeof command, "rm -rf %s && mv %s.old %s", m->f.dir, m->f.dir,
                   m->f.dir);
    assert_int_equal(system(command), 0);
    stele_view given = stele_view_buf(&note);
    m->f.not_before = &given;
    m->f.n_not_before = 1;
    assert_status(fixture_try_open(&m->f, false, &err), CORRUPT);
    assert_non_null(strstr(err.text, "older copy"));
    m->f.n_not_before = 0;
    fixture_open(&m->f);
    stele_buf_done(&note);
    model_done(m);
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__months_of_events_equal_the_model_before_and_after_restarts),
        cmocka_unit_test(test_log__seq_at_finds_the_first_entry_at_or_after_a_time),
        cmocka_unit_test(test_log__a_store_of_another_region_or_name_is_refused),
        cmocka_unit_test(test_log__an_older_copy_refuses_to_sign),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
