/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/audit_bed.c: see audit_bed.h. */
#include "tests/support/audit_bed.h"

#include <string.h>

#include "storage/manifest.h"
#include "tests/support/event_gen.h"

#define WAIT_MS 60000 /* of what comes at once, but for a machine that is busy */

struct stele_log *audit_bed_log_of(struct audit_bed *bed) {
    return stele_store_log(bed->f.store, "3y");
}

void audit_bed_append(struct audit_bed *bed, size_t n) {
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

void audit_bed_live(struct audit_bed *bed) {
    audit_bed_append(bed, 1 + rng_below(&bed->rng, rng_below(&bed->rng, 3) == 0 ? 900 : 60));
    (void)fixture_disturb(&bed->f, "3y", &bed->rng, 8);
}

void audit_bed_seal(struct audit_bed *bed) {
    struct stele_manifest *manifest = NULL;
    assert_ok(stele_log_seal(audit_bed_log_of(bed), 0, WAIT_MS, &manifest, NULL));
    stele_manifest_unref(manifest);
}

void audit_bed_sign(struct audit_bed *bed) {
    fixture_sign(audit_bed_log_of(bed));
}

void audit_bed_start(struct audit_bed *bed, const char *test) {
    fixture_init(&bed->f);
    bed->rng = rng_start(test);
    fixture_open(&bed->f);
}

void audit_bed_audit_as(struct audit_bed *bed, const struct stele_audit_options *options,
                        struct stele_audit_report *ret) {
    stele_err err = {.text = ""};
    memset(ret, 0, sizeof *ret);
    stele_status st = stele_audit_log(audit_bed_log_of(bed), options, ret, &err);
    if (st != STELE_OK) {
        fail_msg("audit: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
}

void audit_bed_assert_same(const struct stele_audit_report *a, const struct stele_audit_report *b) {
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->at, b->at);
    assert_string_equal(a->why, b->why);
    assert_string_equal(a->no_proof, b->no_proof);
    assert_int_equal(a->entries, b->entries);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->n_indexes, b->n_indexes);
    assert_int_equal(a->n_checked, b->n_checked);
    assert_int_equal(a->n_wrong, b->n_wrong);
    assert_int_equal(a->n_unchecked, b->n_unchecked);
    assert_int_equal(a->sampled.n_segments, b->sampled.n_segments);
    assert_int_equal(a->sampled.n_made, b->sampled.n_made);
    assert_int_equal(a->sampled.n_unknown, b->sampled.n_unknown);
    assert_int_equal(a->sampled.n_single, b->sampled.n_single);
    assert_int_equal(a->root_differs, b->root_differs);
    assert_true(stele_view_equal(stele_view_buf(&a->proof), stele_view_buf(&b->proof)));
}

/* Of everything that is signed; the same with small blocks. */
void audit_bed_audit(struct audit_bed *bed, uint64_t sample, struct stele_audit_report *ret) {
    struct stele_audit_options options = {.sample = sample, .seed = 7};
    struct stele_audit_report small;
    audit_bed_sign(bed);
    audit_bed_audit_as(bed, &options, ret);
    options.block_shift = SMALL_BLOCK_SHIFT;
    audit_bed_audit_as(bed, &options, &small);
    audit_bed_assert_same(ret, &small);
    stele_audit_report_done(&small);
    if (ret->verdict != STELE_AUDIT_HOLDS) {
        print_message("entry %" PRIu64 ": %s\n", ret->at, ret->why);
    }
}

/* One segment of 256 entries in its index, and a tail. */
void audit_bed_start_small(struct audit_bed *bed, const char *test) {
    audit_bed_start(bed, test);
    audit_bed_append(bed, 400);
    fixture_wait_packed(&bed->f, "3y");
}

/* The k-th tag of the first event from `from` on. */
struct malicious_posting audit_bed_posting_of(struct audit_bed *bed, uint64_t from, size_t k) {
    struct malicious_posting posting;
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    assert_ok(stele_log_view_open(audit_bed_log_of(bed), &view, NULL));
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
void audit_bed_check_proof(struct audit_bed *bed, const struct stele_audit_report *report,
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
    stele_log_vkey(audit_bed_log_of(bed), &key);
    assert_ok(stele_fraud_verify(&fraud, &key, 1, &judged, &err));
    assert_int_equal(judged.kind, kind);
    stele_log_vkey(stele_store_log(bed->f.store, "1y"), &key);
    assert_status(stele_fraud_verify(&fraud, &key, 1, &judged, &err), UNVERIFIED);
}

void audit_bed_check_found(struct audit_bed *bed, stele_fraud_kind kind) {
    static const uint64_t samples[] = {0, UINT64_MAX};
    struct stele_audit_report report;
    audit_bed_seal(bed);
    for (size_t i = 0; i < 2; i++) {
        audit_bed_audit(bed, samples[i], &report);
        assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
        assert_true(report.n_wrong >= 1);
        assert_false(report.root_differs);
        audit_bed_check_proof(bed, &report, kind);
        stele_audit_report_done(&report);
    }
}
