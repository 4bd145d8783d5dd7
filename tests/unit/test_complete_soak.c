/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_complete_soak.c: complete answers from a large store against a scan of an array.
 *
 * A million events (STELE_SOAK_EVENTS) of three tenants in two logs, actors by Zipf's law, 3 %
 * late, over 18 eras of the test's clock; packs of the real size, the index sealed and merged as in
 * production, in the engine of production. STELE_SOAK=1 runs it. It prints how large proofs of
 * absence are.
 *
 * The array has of each event its place, its times, and hashes of its payload and keys: what a
 * question must give is told by looking at all of them, without an index.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/question_format.h"
#include "proto/verify.h"
#include "storage/manifest.h"
#include "tests/support/event_gen.h"
#include "tests/support/query_client.h"

#define EVENTS UINT64_C(1000000)
#define QUESTIONS 500
#define ERAS 18
#define BUSY_ERA                                                                                   \
    8 /* two fifths of all events are of this one, so that whole segments merge in it */
#define DAY_US UINT64_C(86400000000)
/* Eras are months: from the 22nd of the first one on, each of 18 steps of the clock begins in
 * another, and 8 days later it is still that one. */
#define STEP_US (30 * DAY_US)
#define BUSY_US (8 * DAY_US)
#define BATCH_MAX 400
#define ACTORS 100000
#define SAMPLES 1000 /* events that questions are drawn from */
#define LARGE 20000  /* events; questions with more are asked one time in LARGE_EVERY */
#define LARGE_EVERY 16
#define ABSENT_EVERY 6

static const char *const tenants[] = {"acme", "globex", "initech"};
static const char *const logs[] = {"1y", "3y"}; /* ascending, as answers are */

struct scanned {
    uint64_t log_us, time_ns, seq, payload; /* payload: its hash */
    size_t first_key;
    uint16_t n_keys;
    uint8_t log, tenant;
};
struct world {
    struct bed bed; /* its store and its random numbers; the events are here */
    struct query_client client;
    struct stele_vkey vkey[3];
    size_t n, wanted;
    struct scanned *event; /* ascending by (log time, log, seq) */
    size_t n_keys, keys_capacity;
    uint64_t *key;
    stele_buf sample[SAMPLES];
    size_t *expected;
};

static struct stele_event_facts facts;

static uint64_t fnv(uint64_t hash, stele_view bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t key_hash(uint8_t field, stele_view value) {
    return fnv(UINT64_C(0xcbf29ce484222325) + field, value);
}

static uint8_t tenant_of(stele_view name) {
    uint8_t i = 0;
    while (i < 3 && !stele_view_is(name, tenants[i])) {
        i++;
    }
    return i; /* 3: a tenant that has nothing */
}

/* ------------------------------------------------------------------ events */

static void scan_event(struct world *w, stele_view payload, struct scanned *event) {
    assert_ok(stele_event_map_v1(NULL, payload, &facts, NULL));
    if (w->n_keys + facts.n_keys > w->keys_capacity) {
        w->keys_capacity = 2 * w->keys_capacity + STELE_EVENT_KEYS_MAX;
        w->key = stele_realloc(w->key, w->keys_capacity, sizeof *w->key);
        assert_non_null(w->key);
    }
    event->first_key = w->n_keys;
    event->n_keys = (uint16_t)facts.n_keys;
    event->tenant = tenant_of(facts.tenant);
    event->time_ns = facts.time_unix_nano;
    event->payload = key_hash(0, payload);
    for (size_t i = 0; i < facts.n_keys; i++) {
        w->key[w->n_keys++] = key_hash(facts.key[i].field, facts.key[i].value);
    }
}

static void make_event(struct world *w, stele_buf *payload) {
    struct rng *rng = &w->bed.rng;
    uint64_t now = atomic_load(&w->bed.f.now_us);
    bool late = rng_below(rng, 100) < 3;
    uint64_t ago = late ? DAY_US + 1 + rng_below(rng, 400 * DAY_US) : rng_below(rng, DAY_US / 2);
    uint64_t tenant = rng_below(rng, 10); /* 6 : 3 : 1 */
    struct stele_gen_options options = {
        .tenant = tenants[tenant < 6 ? 0 : (tenant < 9 ? 1 : 2)],
        .region = BED_REGION,
        .n_actors = ACTORS,
        .n_resources = 2000,
        .time_unix_nano = (now - ago) * 1000 + rng_below(rng, 1000),
    };
    stele_buf_clear(payload);
    stele_gen_event(rng, &options, payload);
    bed_drop_class(payload);
}

static void keep_sample(struct world *w, size_t number, stele_view payload) {
    size_t every = w->wanted / SAMPLES;
    if (number % every == 0 && number / every < SAMPLES) {
        assert_ok(stele_buf_append(&w->sample[number / every], payload, NULL));
    }
}

static void append_batch(struct world *w, size_t n) {
    static stele_buf payload[STELE_BATCH_EVENTS_MAX];
    stele_view views[STELE_BATCH_EVENTS_MAX] = {{NULL, 0}};
    struct stele_batch_place place;
    stele_err err = {0};
    uint8_t log = rng_below(&w->bed.rng, 10) < 3 ? 0 : 1;
    for (size_t i = 0; i < n; i++) {
        make_event(w, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
        scan_event(w, views[i], &w->event[w->n + i]);
        keep_sample(w, w->n + i, views[i]);
    }
    stele_status st = fixture_append(&w->bed.f, logs[log], views, n, &place, &err);
    if (st != STELE_OK) {
        fail_msg("append: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    for (size_t i = 0; i < n; i++) {
        struct scanned *event = &w->event[w->n + i];
        event->log = log;
        event->seq = place.first_seq + i;
        event->log_us = place.time_us;
    }
    w->n += n;
}

static int by_place(const void *a, const void *b) {
    const struct scanned *x = a;
    const struct scanned *y = b;
    if (x->log_us != y->log_us) {
        return x->log_us < y->log_us ? -1 : 1;
    }
    return x->log != y->log ? (x->log < y->log ? -1 : 1) : (x->seq > y->seq) - (x->seq < y->seq);
}

/* One era's events; several batches may have one log time. Batches are small enough that no log is
 * left out. */
static void fill_era(struct world *w, uint64_t start_us, size_t end) {
    size_t from = w->n;
    size_t most = (end - from) / 64 + 1;
    while (w->n < end) {
        size_t n = 1 + (size_t)rng_below(&w->bed.rng, most < BATCH_MAX ? most : BATCH_MAX);
        append_batch(w, n < end - w->n ? n : end - w->n);
        if (rng_below(&w->bed.rng, 2) == 0) {
            uint64_t share = BUSY_US / (end - from) * (w->n - from);
            atomic_store(&w->bed.f.now_us, start_us + share);
        }
    }
}

static void fill(struct world *w) {
    size_t small = w->wanted * 3 / 5 / (ERAS - 1);
    for (size_t era = 0; era < ERAS; era++) {
        size_t end = era == BUSY_ERA ? w->n + w->wanted * 2 / 5 : w->n + small;
        uint64_t start_us = FIXTURE_START_US + era * STEP_US;
        atomic_store(&w->bed.f.now_us, start_us);
        fill_era(w, start_us, era == ERAS - 1 ? w->wanted : end);
    }
    qsort(w->event, w->n, sizeof *w->event, by_place);
}

/* That the store became what this test is about: each log has all eras and some merged segments. */
static void check_shape(struct world *w) {
    for (size_t i = 0; i < 2; i++) {
        struct stele_manifest *manifest = NULL;
        size_t n_eras = 0;
        uint64_t largest = 0;
        uint32_t era = 0;
        stele_err err = {0};
        stele_status st =
            stele_log_seal(stele_store_log(w->bed.f.store, logs[i]), 0, 600000, &manifest, &err);
        if (st != STELE_OK) {
            fail_msg("seal: %s: %s (%s)", stele_status_name(st), err.text, err.where);
        }
        for (size_t k = 0; k < manifest->n; k++) {
            const struct stele_segment_info *info = &manifest->descriptor[k].info;
            n_eras += info->era != era;
            era = info->era;
            largest = info->hi - info->lo > largest ? info->hi - info->lo : largest;
        }
        (void)printf("%s: %llu entries in %zu segments of %zu eras, the largest of %llu\n", logs[i],
                     (unsigned long long)manifest->covered, manifest->n, n_eras,
                     (unsigned long long)largest);
        assert_int_equal(n_eras, ERAS);
        stele_manifest_unref(manifest);
    }
}

/* ------------------------------------------------------------------ questions */

static void add(struct stele_event_filter *filter, uint8_t field, stele_view value) {
    assert_ok(stele_event_filter__add_raw(filter, (stele_key_field)field, value, NULL));
}

/* Something that no event of the tenant has, or another tenant's key. */
static void make_absent(struct world *w, struct stele_event_filter *filter) {
    char actor[64];
    stele_gen_actor_id(ACTORS + (uint32_t)rng_below(&w->bed.rng, 1000), actor);
    if (rng_below(&w->bed.rng, 3) == 0) {
        stele_buf_clear(&filter->tenant);
        assert_ok(stele_buf_append(&filter->tenant, stele_view_str("nobody-inc"), NULL));
    } else {
        add(filter, STELE_KEY_ACTOR, stele_view_str(actor));
    }
}

static bool has_key(const struct world *w, const struct scanned *event, uint64_t key) {
    for (size_t i = 0; i < event->n_keys; i++) {
        if (w->key[event->first_key + i] == key) {
            return true;
        }
    }
    return false;
}

static size_t scan(struct world *w, const struct stele_event_filter *filter) {
    uint64_t keys[STELE_FILTER_CONDITIONS_MAX];
    uint8_t tenant = tenant_of(stele_view_buf(&filter->tenant));
    size_t n = 0;
    for (size_t k = 0; k < filter->n_conditions; k++) {
        const struct stele_event_condition *condition = &filter->condition[k];
        keys[k] = key_hash(condition->field, stele_view_buf(&condition->value));
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct scanned *event = &w->event[i];
        bool good = event->tenant == tenant && event->time_ns >= filter->since_unix_nano &&
                    event->time_ns < filter->until_unix_nano &&
                    event->log_us >= filter->logged_since_us &&
                    event->log_us < filter->logged_until_us;
        for (size_t k = 0; good && k < filter->n_conditions; k++) {
            good = has_key(w, event, keys[k]);
        }
        if (good) {
            w->expected[n++] = i;
        }
    }
    return n;
}

/* Now and then the range ends at `at` itself, or begins just behind it. */
static uint64_t beyond(struct rng *rng, uint64_t at, uint64_t far) {
    uint64_t kind = rng_below(rng, 4);
    return kind < 2 ? at + kind : at + rng_below(rng, far);
}

/* Between two events, most of the time two that meet the question so far. */
static void add_ranges(struct world *w, struct stele_event_filter *filter) {
    struct rng *rng = &w->bed.rng;
    size_t n = scan(w, filter);
    bool near = n > 0 && rng_below(rng, 4) > 0;
    const struct scanned *a =
        &w->event[near ? w->expected[rng_below(rng, n)] : rng_below(rng, w->n)];
    const struct scanned *b =
        &w->event[near ? w->expected[rng_below(rng, n)] : rng_below(rng, w->n)];
    uint64_t kind = rng_below(rng, 5); /* 0, 1: none */
    b = rng_below(rng, 3) == 0 ? a : b;
    if (kind == 2 || kind == 4) {
        bool less = a->time_ns < b->time_ns;
        filter->since_unix_nano = beyond(rng, less ? a->time_ns : b->time_ns, DAY_US);
        filter->until_unix_nano = beyond(rng, less ? b->time_ns : a->time_ns, 40 * DAY_US * 1000);
    }
    if (kind == 3 || kind == 4) {
        bool less = a->log_us < b->log_us;
        filter->logged_since_us = beyond(rng, less ? a->log_us : b->log_us, DAY_US);
        filter->logged_until_us = beyond(rng, less ? b->log_us : a->log_us, 9 * DAY_US);
    }
    if (rng_below(rng, 6) == 0) {
        filter->since_unix_nano = 0;
        filter->logged_until_us = UINT64_MAX;
    }
}

/* False: not a question that a request can ask. */
static bool draw(struct world *w, struct stele_query_question *ret,
                 struct stele_search_request *request) {
    struct rng *rng = &w->bed.rng;
    struct stele_event_filter *filter = &ret->asked.filter;
    bool exact = false;
    stele_view sample = stele_view_buf(&w->sample[rng_below(rng, SAMPLES)]);
    assert_ok(stele_event_map_v1(NULL, sample, &facts, NULL));
    assert_ok(stele_buf_append(&ret->asked.region, stele_view_str(BED_REGION), NULL));
    assert_ok(stele_buf_append(&filter->tenant, facts.tenant, NULL));
    for (uint64_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        const struct stele_event_key *key = &facts.key[rng_below(rng, facts.n_keys)];
        if (key->field != STELE_KEY_TENANT) {
            add(filter, key->field, key->value);
        }
    }
    if (rng_below(rng, ABSENT_EVERY) == 0) {
        make_absent(w, filter);
    }
    add_ranges(w, filter);
    *request = client_request_of(ret, &exact);
    request->prove = true;
    return exact;
}

/* ------------------------------------------------------------------ answers */

struct checked {
    const struct world *w;
    size_t n, at; /* of expected */
};

static stele_status check_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct checked *checked = ctx;
    (void)err;
    assert_true(checked->at < checked->n);
    const struct scanned *should = &checked->w->event[checked->w->expected[checked->at++]];
    assert_int_equal(event->entry.seq, should->seq);
    assert_int_equal(event->entry.time_us, should->log_us);
    assert_string_equal(strrchr(event->checkpoint->origin, '/') + 1, logs[should->log]);
    assert_int_equal(key_hash(0, event->payload), should->payload);
    return STELE_OK;
}

/* Returns how many events the opened histories hold, those that miss another condition too. */
static uint64_t check_answer(struct world *w, stele_view file, size_t n, bool open_end) {
    static struct stele_verify_report report;
    struct checked checked = {w, n, 0};
    struct stele_verifier *verifier = NULL;
    stele_err err = {0};
    assert_ok(stele_verifier_new(w->vkey, 3, check_event, &checked, &verifier, NULL));
    stele_status st = stele_verifier_feed(verifier, file, &err);
    if (st == STELE_OK) {
        st = stele_verifier_end(verifier, &report, &err);
    }
    if (st != STELE_OK) {
        fail_msg("verify: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    assert_int_equal(report.kind, STELE_PROOF_COMPLETE);
    assert_int_equal(checked.at, n);
    assert_int_equal(report.n_events, n);
    assert_int_equal(report.complete.n_gaps, 0);
    assert_true(report.complete.proof.whole_region);
    assert_true(!open_end || report.complete.proof.complete_until_us >= w->event[w->n - 1].log_us);
    stele_verify_report_done(&report);
    stele_verifier_free(verifier);
    return report.complete.proof.n_events;
}

struct sizes {
    size_t n;
    size_t bytes[QUESTIONS];
};

static int by_size(const void *a, const void *b) {
    const size_t *x = a;
    const size_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void print_sizes(const char *what, struct sizes *sizes) {
    if (sizes->n > 0) {
        qsort(sizes->bytes, sizes->n, sizeof sizes->bytes[0], by_size);
        (void)printf(
            "%zu proofs of absence, %s: %zu bytes the smallest, %zu the median, %zu the largest\n",
            sizes->n, what, sizes->bytes[0], sizes->bytes[sizes->n / 2],
            sizes->bytes[sizes->n - 1]);
    }
}

static bool is_open(const struct stele_event_filter *filter) {
    return filter->since_unix_nano == 0 && filter->until_unix_nano == UINT64_MAX &&
           filter->logged_since_us == 0 && filter->logged_until_us == UINT64_MAX;
}

static void test_complete__large_store_answers_equal_a_scan(void **state) {
    struct world *w = *state;
    static struct sizes open, ranged, filtered;
    struct client_answer answer = {0};
    uint64_t n_events = 0;
    for (size_t asked = 0; asked < QUESTIONS;) {
        struct stele_query_question question;
        struct stele_search_request request;
        stele_query_question_init(&question);
        if (draw(w, &question, &request)) {
            const struct stele_event_filter *filter = &question.asked.filter;
            size_t n = scan(w, filter);
            if (n <= LARGE || rng_below(&w->bed.rng, LARGE_EVERY) == 0) {
                client_search(&w->client, &peer_auditor, &request, &answer);
                if (answer.end.code != 0) {
                    fail_msg("question %zu: %s", asked, answer.end.text);
                }
                assert_int_equal(answer.search_end.not_complete.size, 0);
                assert_int_equal(answer.search_end.hits, n);
                uint64_t shown = check_answer(w, stele_view_buf(&answer.file), n,
                                              filter->logged_until_us == UINT64_MAX);
                if (n == 0) {
                    struct sizes *sizes = shown > 0 ? &filtered : is_open(filter) ? &open : &ranged;
                    sizes->bytes[sizes->n++] = answer.file.size;
                }
                n_events += n;
                asked++;
            }
        }
        stele_query_question_done(&question);
    }
    (void)printf("%d answers with %llu events\n", QUESTIONS, (unsigned long long)n_events);
    print_sizes("of all time", &open);
    print_sizes("in a range", &ranged);
    print_sizes("of several keys, each of which something has", &filtered);
    assert_true(open.n > 10 && ranged.n > 10 && n_events > 0);
    client_answer_done(&answer);
}

/* ------------------------------------------------------------------ the store */

static int set_up(void **state) {
    static struct world w;
    const char *events = getenv("STELE_SOAK_EVENTS");
    *state = &w;
    w.wanted = events == NULL ? EVENTS : (size_t)strtoull(events, NULL, 10);
    assert_true(w.wanted >= 10 * SAMPLES);
    w.event = stele_alloc(w.wanted, sizeof *w.event);
    w.expected = stele_alloc(w.wanted, sizeof *w.expected);
    assert_true(w.event != NULL && w.expected != NULL);
    w.bed.rng = rng_start("complete_soak");
    fixture_init(&w.bed.f);
    w.bed.f.pack_entries = 0; /* the sizes and times of production */
    w.bed.f.index_interval_ms = 2000;
    w.bed.f.index_spacing_ms = 1000;
    fixture_open(&w.bed.f);
    fill(&w);
    fixture_close(&w.bed.f); /* the questions are asked of a store that was started anew */
    fixture_open(&w.bed.f);
    check_shape(&w);
    for (size_t i = 0; i < 3; i++) {
        stele_log_vkey(stele_store_log_at(w.bed.f.store, i), &w.vkey[i]);
    }
    client_open(&w.client, &w.bed, &(struct stele_query_config){0});
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    client_close(&w->client);
    for (size_t i = 0; i < SAMPLES; i++) {
        stele_buf_done(&w->sample[i]);
    }
    stele_free(w->event);
    stele_free(w->expected);
    stele_free(w->key);
    fixture_done(&w->bed.f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete__large_store_answers_equal_a_scan),
    };
    if (getenv("STELE_SOAK") == NULL) {
        (void)printf("skipped: a soak test; it runs with STELE_SOAK=1\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
