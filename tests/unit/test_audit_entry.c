/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_audit_entry.c: logs whose operator signed entries that break the rules, or two
 * histories: found from any source, and proven to who has the log's key alone; an honest log is
 * not.
 */
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/audit_bed.h"
#include "tests/support/tree_model.h"

#define ENTRIES_MAX 400u

/* Entries in memory, and what their operator signs of them. */
struct lying {
    struct audit_bed bed;
    size_t n;
    stele_buf bytes[ENTRIES_MAX], beside[ENTRIES_MAX]; /* beside: tags or body */
    struct stele_audit_entry given[ENTRIES_MAX];
    uint8_t leaves[ENTRIES_MAX * STELE_HASH_BYTES];
    struct model_leaves tree;
    struct stele_signer *signer;
    struct stele_vkey key;
    stele_buf note;
    struct stele_audit_source source;
};

static stele_status read_entry(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                               size_t *ret_n, stele_err *err) {
    struct lying *lying = ctx;
    (void)err;
    assert_true(seq < lying->n);
    *ret = &lying->given[seq];
    *ret_n = lying->n - (size_t)seq;
    return STELE_OK;
}

static stele_status node(void *ctx, unsigned level, uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                         stele_err *err) {
    return model_node(&((struct lying *)ctx)->tree, level, index, ret, err);
}

static stele_status prove_nothing(void *ctx, struct stele_auditor *auditor,
                                  const struct stele_entry *index, stele_buf *out, stele_err *err) {
    (void)ctx;
    (void)auditor;
    (void)index;
    (void)out;
    return STELE_FAIL(err, NOT_FOUND, "no index is at hand");
}

/* The note of the first n entries as they are now. */
static void sign(struct lying *lying, size_t n, stele_buf *note, struct stele_checkpoint *ret) {
    for (size_t i = 0; i < n; i++) {
        stele_hash_leaf(lying->given[i].entry, lying->leaves + i * STELE_HASH_BYTES);
    }
    *ret = (struct stele_checkpoint){.size_leaves = n};
    (void)strcpy(ret->origin, stele_log_origin(audit_bed_log_of(&lying->bed)));
    assert_ok(stele_tree_root(lying->leaves, n, ret->root, NULL));
    stele_buf_clear(note);
    assert_ok(stele_checkpoint_sign(ret, lying->signer, note, NULL));
}

static void sign_all(struct lying *lying) {
    sign(lying, lying->n, &lying->note, &lying->source.checkpoint);
    lying->tree = (struct model_leaves){lying->leaves, lying->n};
    lying->source.note = stele_view_buf(&lying->note);
    lying->source.size_leaves = lying->n;
}

/* The entries of an honest store, under a key of the test's own. */
static struct lying *start(const char *test) {
    struct lying *lying = stele_alloc(1, sizeof *lying);
    struct stele_log_view *view = NULL;
    struct stele_replay *replay = NULL;
    uint8_t seed[32] = {5};
    uint8_t public_key[32];
    assert_non_null(lying);
    audit_bed_start(&lying->bed, test);
    for (size_t i = 0; i < 3; i++) {
        audit_bed_append(&lying->bed, 60);
        atomic_fetch_add(&lying->bed.f.now_us, 1000000);
        audit_bed_seal(&lying->bed);
    }
    assert_ok(stele_log_view_open(audit_bed_log_of(&lying->bed), &view, NULL));
    assert_ok(stele_replay_new(view, &replay, NULL));
    lying->n = (size_t)stele_log_view_size(view);
    assert_true(lying->n <= ENTRIES_MAX);
    for (size_t i = 0; i < lying->n; i++) {
        const struct stele_audit_entry *given = NULL;
        size_t n = 0;
        assert_ok(stele_replay_at(replay, i, &given, &n, NULL));
        bool is_event = given->tags.size > 0;
        assert_ok(stele_buf_append(&lying->bytes[i], given->entry, NULL));
        assert_ok(stele_buf_append(&lying->beside[i], is_event ? given->tags : given->body, NULL));
        lying->given[i] = *given;
        lying->given[i].leaf = NULL; /* these come from a liar */
        lying->given[i].entry = stele_view_buf(&lying->bytes[i]);
        lying->given[i].tags = is_event ? stele_view_buf(&lying->beside[i]) : given->tags;
        lying->given[i].body = is_event ? given->body : stele_view_buf(&lying->beside[i]);
    }
    stele_replay_free(replay);
    stele_log_view_close(view);
    assert_ok(stele_signer_sodium_of_seed(seed, &lying->signer, NULL));
    lying->signer->ops->public_key(lying->signer, public_key);
    const char *origin = stele_log_origin(audit_bed_log_of(&lying->bed));
    assert_ok(stele_vkey_of(origin, public_key, &lying->key, NULL));
    lying->source = (struct stele_audit_source){.ctx = lying,
                                                .log = "eu-test/3y",
                                                .origin = origin,
                                                .has_checkpoint = true,
                                                .keys = &lying->key,
                                                .n_keys = 1,
                                                .node = node,
                                                .read = read_entry,
                                                .prove = prove_nothing};
    sign_all(lying);
    return lying;
}

static void end(struct lying *lying) {
    for (size_t i = 0; i < lying->n; i++) {
        stele_buf_done(&lying->bytes[i]);
        stele_buf_done(&lying->beside[i]);
    }
    stele_buf_done(&lying->note);
    stele_signer_free(lying->signer);
    fixture_done(&lying->bed.f);
    stele_free(lying);
}

static void run(struct lying *lying, stele_view against, struct stele_audit_report *ret) {
    struct stele_audit_options options = {.against = against, .block_shift = SMALL_BLOCK_SHIFT};
    stele_err err = {.text = ""};
    memset(ret, 0, sizeof *ret);
    stele_status st = stele_audit_run(&lying->source, &options, ret, &err);
    if (st != STELE_OK) {
        fail_msg("%s: %s", stele_status_name(st), err.text);
    }
}

/* The proof holds by the log's key; with the honest log's checkpoint it proves nothing. */
static void check_proof(struct lying *lying, stele_view honest_note,
                        const struct stele_audit_report *report, stele_fraud_kind kind) {
    static struct stele_fraud fraud;
    struct stele_fraud_report judged;
    if (report->proof.size == 0) {
        fail_msg("no proof: %s", report->no_proof);
    }
    assert_ok(stele_fraud_decode(stele_view_buf(&report->proof), &fraud, NULL));
    assert_ok(stele_fraud_verify(&fraud, &lying->key, 1, &judged, NULL));
    assert_int_equal(judged.kind, kind);
    fraud.note = honest_note;
    assert_true(stele_fraud_verify(&fraud, &lying->key, 1, &judged, NULL) != STELE_OK);
}

/* The event at `seq`, or the next one, changed. */
static void lies(const char *test, size_t seq, void (*change)(uint8_t *entry),
                 stele_fraud_kind kind) {
    struct lying *lying = start(test);
    struct stele_audit_report report;
    stele_buf honest = STELE_BUF_EMPTY;
    run(lying, stele_view_of(NULL, 0), &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    assert_false(report.root_differs);
    assert_int_equal(report.proof.size, 0);
    stele_audit_report_done(&report);
    assert_ok(stele_buf_append(&honest, stele_view_buf(&lying->note), NULL));
    while (lying->given[seq].tags.size == 0) {
        seq++; /* to an event */
    }
    change(lying->bytes[seq].data);
    sign_all(lying);
    run(lying, stele_view_of(NULL, 0), &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_ENTRY);
    assert_int_equal(report.at, seq);
    check_proof(lying, stele_view_buf(&honest), &report, kind);
    stele_audit_report_done(&report);

    lying->source.node = NULL; /* a server gives no tree: what is wrong is said all the same */
    run(lying, stele_view_of(NULL, 0), &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_ENTRY);
    assert_int_equal(report.proof.size, 0);
    assert_true(strlen(report.no_proof) > 0);
    stele_audit_report_done(&report);
    stele_buf_done(&honest);
    end(lying);
}

static void flip_late(uint8_t *entry) {
    entry[3] ^= 1;
}

static void lower_time(uint8_t *entry) {
    stele_put_u64(entry + 16, stele_get_u64(entry + 16) - 1);
}

static void raise_seq(uint8_t *entry) {
    stele_put_u64(entry + 8, stele_get_u64(entry + 8) + 1);
}

static void raise_era(uint8_t *entry) {
    stele_put_u32(entry + 4, stele_get_u32(entry + 4) + 1); /* the era: no proof is of that kind */
}

static void test_audit_entry__a_late_bit_against_its_times_is_proven(void **state) {
    (void)state;
    lies("audit_late", 40, flip_late, STELE_FRAUD_ENTRY);
    lies("audit_late_last", 170, flip_late, STELE_FRAUD_ENTRY);
}

static void test_audit_entry__falling_time_is_proven(void **state) {
    (void)state;
    lies("audit_time", 40, lower_time, STELE_FRAUD_ORDER);
}

static void test_audit_entry__another_place_is_proven(void **state) {
    (void)state;
    lies("audit_seq", 100, raise_seq, STELE_FRAUD_ORDER);
}

static void test_audit_entry__what_cannot_be_proven_is_said(void **state) {
    struct lying *lying = start("audit_era");
    struct stele_audit_report report;
    (void)state;
    raise_era(lying->bytes[50].data);
    sign_all(lying);
    run(lying, stele_view_of(NULL, 0), &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_ENTRY);
    assert_int_equal(report.proof.size, 0);
    assert_non_null(strstr(report.no_proof, "only a replay shows"));
    stele_audit_report_done(&report);
    end(lying);
}

/* A checkpoint that was kept: of the same entries, of others, of more. */
static void test_audit_entry__two_histories_are_found(void **state) {
    struct lying *lying = start("audit_fork");
    struct stele_audit_report report;
    struct stele_checkpoint unused;
    stele_buf kept = STELE_BUF_EMPTY;
    stele_buf kept_small = STELE_BUF_EMPTY;
    (void)state;
    size_t all = lying->n;
    sign(lying, all, &kept, &unused);
    sign(lying, 77, &kept_small, &unused);
    sign_all(lying);
    run(lying, stele_view_buf(&kept_small), &report);
    assert_true(report.against_compared && !report.against_differs);
    stele_audit_report_done(&report);
    run(lying, stele_view_buf(&kept), &report);
    assert_true(report.against_compared && !report.against_differs);
    stele_audit_report_done(&report);

    /* The payload's commitment: an entry as good as the one before, which nobody was shown; but
     * the INDEX entries are not of it. */
    lying->bytes[60].data[40] ^= 1;
    sign_all(lying);
    run(lying, stele_view_buf(&kept), &report);
    assert_true(report.against_compared && report.against_differs);
    check_proof(lying, stele_view_buf(&kept), &report, STELE_FRAUD_FORK);
    stele_audit_report_done(&report);
    run(lying, stele_view_buf(&kept_small), &report);
    assert_true(report.against_compared && report.against_differs);
    assert_int_equal(report.proof.size, 0);
    stele_audit_report_done(&report);

    lying->n = 77; /* cut back */
    sign_all(lying);
    run(lying, stele_view_buf(&kept), &report);
    assert_true(report.has_against && !report.against_compared);
    stele_audit_report_done(&report);
    lying->n = all;
    stele_buf_done(&kept);
    stele_buf_done(&kept_small);
    end(lying);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_entry__a_late_bit_against_its_times_is_proven),
        cmocka_unit_test(test_audit_entry__falling_time_is_proven),
        cmocka_unit_test(test_audit_entry__another_place_is_proven),
        cmocka_unit_test(test_audit_entry__what_cannot_be_proven_is_said),
        cmocka_unit_test(test_audit_entry__two_histories_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
