/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_audit.c: the full auditor over real stores: honest ones, through months, cuts,
 * merges and restarts, and dishonest ones, which sign what is false with their own keys.
 */
#include <string.h>

#include "storage/audit_log.h"
#include "storage/manifest.h"
#include "tests/support/event_gen.h"
#include "tests/support/malicious_store.h"
#include "tests/support/store_fixture.h"

#define DAY_US UINT64_C(86400000000)
#define WAIT_MS 60000 /* of what comes at once, but for a machine that is busy */

struct bed {
    struct fixture f;
    struct rng rng;
};

static struct stele_log *log_of(struct bed *bed) {
    return stele_store_log(bed->f.store, "3y");
}

static void append(struct bed *bed, size_t n) {
    stele_buf payload[STELE_BATCH_EVENTS_MAX];
    stele_view views[STELE_BATCH_EVENTS_MAX] = {{NULL, 0}};
    struct stele_batch_place place;
    for (size_t i = 0; i < n; i++) {
        uint64_t now = atomic_load(&bed->f.now_us);
        bool late = rng_below(&bed->rng, 20) == 0;
        uint64_t event_us = late ? now - DAY_US * (2 + rng_below(&bed->rng, 300)) : now;
        struct stele_gen_options options = {.region = "eu-test",
                                            .n_actors = 40,
                                            .n_resources = 30,
                                            .time_unix_nano = event_us * 1000};
        payload[i] = STELE_BUF_EMPTY;
        stele_gen_event(&bed->rng, &options, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
    }
    assert_ok(fixture_append(&bed->f, "3y", views, n, &place, NULL));
    for (size_t i = 0; i < n; i++) {
        stele_buf_done(&payload[i]);
    }
}

static void seal(struct bed *bed) {
    struct stele_manifest *manifest = NULL;
    assert_ok(stele_log_seal(log_of(bed), 0, WAIT_MS, &manifest, NULL));
    stele_manifest_unref(manifest);
}

/* A checkpoint of everything. */
static void sign(struct bed *bed) {
    struct stele_log_view *view = NULL;
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(stele_log_view_open(log_of(bed), &view, NULL));
    assert_ok(stele_log_checkpoint(log_of(bed), stele_log_view_size(view), &note, NULL, NULL));
    stele_buf_done(&note);
    stele_log_view_close(view);
}

static void start(struct bed *bed, const char *test) {
    fixture_init(&bed->f);
    bed->rng = rng_start(test);
    fixture_open(&bed->f);
}

static void audit(struct bed *bed, uint64_t sample, struct stele_audit_report *ret) {
    struct stele_audit_options options = {.sample = sample, .seed = 7};
    stele_err err = {.text = ""};
    memset(ret, 0, sizeof *ret);
    sign(bed);
    stele_status st = stele_audit_log(log_of(bed), &options, ret, &err);
    if (st != STELE_OK) {
        fail_msg("audit: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    if (ret->verdict != STELE_AUDIT_HOLDS) {
        print_message("entry %" PRIu64 ": %s\n", ret->at, ret->why);
    }
}

static void test_audit__an_honest_log_holds(void **state) {
    struct bed bed;
    struct stele_audit_report report;
    uint32_t era = 0;
    (void)state;
    start(&bed, "audit");
    for (size_t round = 0; round < 40; round++) {
        append(&bed, 1 + rng_below(&bed.rng, rng_below(&bed.rng, 3) == 0 ? 900 : 60));
        switch (rng_below(&bed.rng, 8)) {
        case 0:
            atomic_fetch_add(&bed.f.now_us, DAY_US * rng_below(&bed.rng, 40));
            break;
        case 1:
            assert_ok(stele_log_cut_era(log_of(&bed), &era, NULL));
            break;
        case 2:
            fixture_close(&bed.f);
            fixture_open(&bed.f);
            break;
        case 3:
            fixture_wait_packed(&bed.f, "3y");
            break;
        default:
            break;
        }
        seal(&bed);
    }
    audit(&bed, 0, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    assert_int_equal(report.n_unchecked, 0);
    assert_true(report.n_indexes >= 40);
    assert_int_equal(report.n_checked, report.n_indexes);
    assert_true(report.has_checkpoint);
    assert_int_equal(report.entries, report.checkpoint.size_leaves);
    assert_false(report.root_differs);
    assert_int_equal(report.proof.size, 0);
    stele_audit_report_done(&report);
    audit(&bed, 5, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    assert_true(report.n_checked >= 5 && report.n_checked < report.n_indexes);
    assert_false(report.root_differs);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

/* One segment of 256 entries in its index, and a tail. */
static void start_small(struct bed *bed, const char *test) {
    start(bed, test);
    append(bed, 400);
    fixture_wait_packed(&bed->f, "3y");
}

/* The k-th tag of the first event from `from` on. */
static struct malicious_posting posting_of(struct bed *bed, uint64_t from, size_t k) {
    struct malicious_posting posting;
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    assert_ok(stele_log_view_open(log_of(bed), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    do {
        posting.seq = from;
        assert_ok(stele_log_read(reader, from++, &stored, NULL));
    } while (stored.entry.type != STELE_ENTRY_EVENT);
    assert_ok(stele_log_read_tags(reader, &tags, NULL));
    assert_true(k < tags->n);
    memcpy(posting.tag, tags->tag[k], sizeof posting.tag);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return posting;
}

/* The proof holds by this log's key, and proves nothing against another log of the same operator.
 */
static void check_proof(struct bed *bed, const struct stele_audit_report *report,
                        stele_fraud_kind kind) {
    struct stele_vkey key;
    static struct stele_fraud fraud;
    struct stele_fraud_report judged;
    stele_err err = {.text = ""};
    if (report->proof.size == 0) {
        fail_msg("no proof: %s", report->no_proof);
    }
    assert_true(stele_fraud_is(stele_view_buf(&report->proof)));
    assert_ok(stele_fraud_decode(stele_view_buf(&report->proof), &fraud, &err));
    stele_log_vkey(log_of(bed), &key);
    assert_ok(stele_fraud_verify(&fraud, &key, 1, &judged, &err));
    assert_int_equal(judged.kind, kind);
    stele_log_vkey(stele_store_log(bed->f.store, "1y"), &key);
    assert_status(stele_fraud_verify(&fraud, &key, 1, &judged, &err), UNVERIFIED);
}

static void check_found(struct bed *bed, stele_fraud_kind kind) {
    struct stele_audit_report report;
    seal(bed);
    audit(bed, 0, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
    assert_true(report.n_wrong >= 1);
    assert_false(report.root_differs);
    check_proof(bed, &report, kind);
    stele_audit_report_done(&report);
}

static void test_audit__a_posting_left_out_is_proven(void **state) {
    (void)state;
    for (size_t k = 0; k < 6; k++) { /* tags that many have, and such that no other event has */
        struct bed bed;
        start_small(&bed, "audit_omission");
        struct malicious_posting posting = posting_of(&bed, 100, k);
        malicious_flip_posting(log_of(&bed), &posting);
        append(&bed, 3);
        check_found(&bed, STELE_FRAUD_OMISSION);
        fixture_done(&bed.f);
    }
}

static void test_audit__a_posting_too_many_is_proven(void **state) {
    struct bed bed;
    (void)state;
    start_small(&bed, "audit_phantom");
    struct malicious_posting posting = posting_of(&bed, 100, 0);
    uint64_t seq = 50;
    struct malicious_posting other;
    do { /* an event that does not have the tag */
        seq++;
        other = posting_of(&bed, seq, 0);
    } while (memcmp(other.tag, posting.tag, sizeof other.tag) == 0);
    posting.seq = other.seq;
    memset(posting.tag, 0x5a, sizeof posting.tag - 1); /* no event has this one */
    malicious_flip_posting(log_of(&bed), &posting);
    check_found(&bed, STELE_FRAUD_PHANTOM);
    fixture_done(&bed.f);
}

static void test_audit__false_bounds_are_proven(void **state) {
    struct bed bed;
    (void)state;
    fixture_init(&bed.f);
    bed.rng = rng_start("audit_bounds");
    fixture_open(&bed.f);
    append(&bed, 100);
    atomic_fetch_add(&bed.f.now_us, 1000000);
    append(&bed, 300);
    fixture_wait_packed(&bed.f, "3y");
    malicious_forge_bounds(log_of(&bed));
    check_found(&bed, STELE_FRAUD_BOUNDS);
    fixture_done(&bed.f);
}

static void test_audit__one_false_index_among_honest_ones_is_found(void **state) {
    struct bed bed;
    struct stele_audit_report report;
    (void)state;
    start_small(&bed, "audit_false_index");
    seal(&bed);
    uint64_t seq = malicious_false_index(log_of(&bed));
    append(&bed, 30);
    seal(&bed);
    audit(&bed, 0, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
    assert_int_equal(report.at, seq);
    assert_int_equal(report.n_wrong, 1);
    assert_true(report.entries > seq + 30); /* the replay goes on */
    assert_int_equal(report.proof.size, 0); /* nobody has the index that was committed to */
    assert_true(strlen(report.no_proof) > 0);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit__an_honest_log_holds),
        cmocka_unit_test(test_audit__a_posting_left_out_is_proven),
        cmocka_unit_test(test_audit__a_posting_too_many_is_proven),
        cmocka_unit_test(test_audit__false_bounds_are_proven),
        cmocka_unit_test(test_audit__one_false_index_among_honest_ones_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
