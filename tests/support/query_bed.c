/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/query_bed.c: see the header. */
#include "tests/support/query_bed.h"

#include <stdlib.h>
#include <string.h>

#include "proto/question_format.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "proto/wire_out.h"
#include "tests/support/engine_memory.h"
#include "tests/support/event_gen.h"

#define DAY_US UINT64_C(86400000000)
#define BATCH_MAX 40

static struct stele_event_facts
    facts; /* too large for a stack; tests have one thread for questions */

static const struct stele_event_facts *facts_of(const struct bed_event *event) {
    assert_ok(stele_event_map_v1(NULL, stele_view_buf(&event->payload), &facts, NULL));
    return &facts;
}

/* ------------------------------------------------------------------ events */

static int by_place(const void *a, const void *b) {
    const struct bed_event *x = a;
    const struct bed_event *y = b;
    if (x->time_us != y->time_us) {
        return x->time_us < y->time_us ? -1 : 1;
    }
    int order = strcmp(x->log, y->log);
    return order != 0 ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

/* Mostly of the last hours, some late, by a year even. */
static uint64_t event_time_ns(struct bed *bed) {
    uint64_t now = atomic_load(&bed->f.now_us);
    uint64_t ago = rng_below(&bed->rng, 8) == 0 ? DAY_US + rng_below(&bed->rng, 400 * DAY_US)
                                                : rng_below(&bed->rng, DAY_US / 2);
    return (now - ago) * 1000 + rng_below(&bed->rng, 1000);
}

void bed_drop_class(stele_buf *payload) {
    stele_buf kept = STELE_BUF_EMPTY;
    struct stele_wire wire = stele_wire_of(stele_view_buf(payload));
    while (!stele_wire_at_end(&wire)) {
        const uint8_t *from = wire.at;
        struct stele_wire_record record = {0};
        assert_ok(stele_wire_next(&wire, &record));
        if (record.number != STELE_EVENT_RETENTION_CLASS) {
            assert_ok(stele_buf_append(&kept, stele_view_of(from, (size_t)(wire.at - from)), NULL));
        }
    }
    stele_buf_done(payload);
    *payload = kept;
}

static void pad(stele_buf *payload, size_t bytes) {
    stele_buf zeros = STELE_BUF_EMPTY;
    struct stele_wire_out w = stele_wire_out_to(payload);
    assert_ok(stele_buf_reserve(&zeros, bytes + 1, NULL));
    memset(zeros.data, 0, bytes);
    stele_wire_out_bytes(&w, 5000, stele_view_of(zeros.data, bytes));
    assert_ok(stele_wire_out_done(&w, 0, NULL));
    stele_buf_done(&zeros);
}

void bed_pad(struct bed *bed, size_t bytes) {
    bed->padding_bytes = bytes;
}

static void append_batch(struct bed *bed, const char *log, size_t n) {
    stele_view views[BATCH_MAX];
    struct stele_batch_place place;
    stele_err err = {0};
    bool system = strcmp(log, "system") == 0;
    if (bed->n + n > bed->capacity) {
        bed->capacity = bed->capacity * 2 + n;
        bed->event = stele_realloc(bed->event, bed->capacity, sizeof *bed->event);
        assert_non_null(bed->event);
    }
    for (size_t i = 0; i < n; i++) {
        struct stele_gen_options options = {
            .tenant = system ? "system" : (rng_below(&bed->rng, 3) == 0 ? "globex" : "acme"),
            .region = BED_REGION,
            .event_type = system ? 11 : 0,
            .n_actors = 20,
            .n_resources = 12,
            .time_unix_nano = event_time_ns(bed),
        };
        struct bed_event *event = &bed->event[bed->n + i];
        event->log = log;
        event->payload = STELE_BUF_EMPTY;
        stele_gen_event(&bed->rng, &options, &event->payload);
        bed_drop_class(&event->payload);
        pad(&event->payload, bed->padding_bytes);
        views[i] = stele_view_buf(&event->payload);
    }
    stele_status st = fixture_append(&bed->f, log, views, n, &place, &err);
    if (st != STELE_OK) {
        fail_msg("append: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    for (size_t i = 0; i < n; i++) {
        bed->event[bed->n + i].seq = place.first_seq + i;
        bed->event[bed->n + i].time_us = place.time_us;
    }
    bed->n += n;
}

void bed_append(struct bed *bed, const char *log, size_t n) {
    while (n > 0) {
        size_t part = n < BATCH_MAX ? n : BATCH_MAX;
        append_batch(bed, log, part);
        n -= part;
    }
    qsort(bed->event, bed->n, sizeof *bed->event, by_place);
}

static void start(struct bed *bed, const char *test) {
    memset(bed, 0, sizeof *bed);
    bed->rng = rng_start(test);
    fixture_init(&bed->f);
}

static void fill(struct bed *bed, size_t n_events) {
    fixture_open(&bed->f);
    while (bed->n < n_events) {
        uint64_t which = rng_below(&bed->rng, 40);
        const char *log = which == 0 ? "system" : (which < 15 ? "1y" : "3y");
        size_t n = 1 + (size_t)rng_below(&bed->rng, BATCH_MAX);
        append_batch(bed, log, n < n_events - bed->n ? n : n_events - bed->n);
        if (rng_below(&bed->rng, 2) == 0) { /* else the next batch has the same time, in any log */
            atomic_fetch_add(
                &bed->f.now_us,
                1 + rng_below(&bed->rng, rng_below(&bed->rng, 4) == 0 ? 3 * DAY_US : 1000000));
        }
    }
    if (bed->n > 0) {
        qsort(bed->event, bed->n, sizeof *bed->event, by_place);
    }
}

void bed_new(struct bed *bed, const char *test, size_t n_events) {
    start(bed, test);
    assert_ok(engine_memory_new(&bed->f.engine, NULL));
    fill(bed, n_events);
}

void bed_new_on_disk(struct bed *bed, const char *test, size_t n_events) {
    start(bed, test);
    fill(bed, n_events);
}

void bed_done(struct bed *bed) {
    for (size_t i = 0; i < bed->n; i++) {
        stele_buf_done(&bed->event[i].payload);
    }
    stele_free(bed->event);
    fixture_done(&bed->f);
}

/* ------------------------------------------------------------------ questions */

static void add_conditions(struct bed *bed, struct stele_event_filter *filter) {
    const struct stele_event_facts *of = facts_of(&bed->event[rng_below(&bed->rng, bed->n)]);
    uint64_t n = rng_below(&bed->rng, 4);
    for (uint64_t i = 0; i < n; i++) {
        const struct stele_event_key *key = &of->key[rng_below(&bed->rng, of->n_keys)];
        if (key->field != STELE_KEY_TENANT) {
            assert_ok(
                stele_event_filter__add_raw(filter, (stele_key_field)key->field, key->value, NULL));
        }
    }
    if (rng_below(&bed->rng, 12) == 0) {
        assert_ok(stele_event_filter_add(filter, STELE_KEY_ACTOR, stele_view_str("nobody"), NULL));
    }
    if (rng_below(&bed->rng, 8) == 0) {
        assert_ok(stele_event_filter_add_number(filter, STELE_KEY_OUTCOME, 1, NULL));
    }
    if (rng_below(&bed->rng, 5) != 0) {
        assert_ok(stele_buf_append(&filter->tenant, of->tenant, NULL));
    }
}

static void add_ranges(struct bed *bed, struct stele_event_filter *filter) {
    const struct bed_event *a = &bed->event[rng_below(&bed->rng, bed->n)];
    const struct bed_event *b = &bed->event[rng_below(&bed->rng, bed->n)];
    if (rng_below(&bed->rng, 3) == 0) {
        filter->logged_since_us = a->time_us < b->time_us ? a->time_us : b->time_us;
    }
    if (rng_below(&bed->rng, 3) == 0) {
        filter->logged_until_us =
            (a->time_us < b->time_us ? b->time_us : a->time_us) + rng_below(&bed->rng, 2);
    }
    uint64_t x = facts_of(a)->time_unix_nano;
    uint64_t y = facts_of(b)->time_unix_nano;
    if (rng_below(&bed->rng, 3) == 0) {
        filter->since_unix_nano = x < y ? x : y;
    }
    if (rng_below(&bed->rng, 3) == 0) {
        filter->until_unix_nano = (x < y ? y : x) + rng_below(&bed->rng, 2);
    }
}

void bed_question(struct bed *bed, struct stele_query_question *ret) {
    static const char *const logs[] = {"1y", "3y", "system"};
    stele_query_question_init(ret);
    assert_ok(stele_buf_append(&ret->asked.region, stele_view_str(BED_REGION), NULL));
    if (rng_below(&bed->rng, 4) == 0) {
        const char *log = logs[rng_below(&bed->rng, 3)];
        assert_ok(
            stele_buf_append(&ret->asked.log[ret->asked.n_logs++], stele_view_str(log), NULL));
    }
    add_conditions(bed, &ret->asked.filter);
    add_ranges(bed, &ret->asked.filter);
    ret->descending = rng_below(&bed->rng, 2) == 0;
}

static bool is_asked(const struct stele_query_question *question, const char *log) {
    for (size_t i = 0; i < question->asked.n_logs; i++) {
        if (stele_view_is(stele_view_buf(&question->asked.log[i]), log)) {
            return true;
        }
    }
    return question->asked.n_logs == 0 &&
           (strcmp(log, "system") != 0 || stele_query_question_wants_system(question));
}

size_t bed_expect(const struct bed *bed, const struct stele_query_question *question, size_t *ret) {
    size_t n = 0;
    for (size_t i = 0; i < bed->n; i++) {
        size_t at = question->descending ? bed->n - 1 - i : i;
        const struct bed_event *event = &bed->event[at];
        if (is_asked(question, event->log) &&
            stele_event_filter_matches(&question->asked.filter, facts_of(event), event->time_us)) {
            ret[n++] = at;
        }
    }
    return n;
}
