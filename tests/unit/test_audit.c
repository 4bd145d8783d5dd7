/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_audit.c: the full auditor over real stores: honest ones, through months, cuts,
 * merges and restarts, and dishonest ones, which sign what is false with their own keys.
 */
#include <string.h>

#include "tests/support/audit_bed.h"

static void test_audit__an_honest_log_holds(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    audit_bed_start(&bed, "audit");
    for (size_t round = 0; round < 40; round++) {
        audit_bed_live(&bed);
        audit_bed_seal(&bed);
    }
    audit_bed_audit(&bed, 0, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    assert_int_equal(report.n_unchecked, 0);
    assert_true(report.n_indexes >= 40);
    assert_int_equal(report.n_checked, report.n_indexes);
    assert_true(report.has_checkpoint);
    assert_int_equal(report.entries, report.checkpoint.size_leaves);
    assert_false(report.root_differs);
    assert_int_equal(report.proof.size, 0);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

static void test_audit__a_posting_left_out_is_proven(void **state) {
    (void)state;
    for (size_t k = 0; k < 6; k++) { /* tags that many have, and such that no other event has */
        struct audit_bed bed;
        audit_bed_start_small(&bed, "audit_omission");
        struct malicious_posting posting = audit_bed_posting_of(&bed, 100, k);
        malicious_flip_posting(audit_bed_log_of(&bed), &posting);
        audit_bed_append(&bed, 3);
        audit_bed_check_found(&bed, STELE_FRAUD_OMISSION);
        fixture_done(&bed.f);
    }
}

static void test_audit__a_posting_too_many_is_proven(void **state) {
    struct audit_bed bed;
    (void)state;
    audit_bed_start_small(&bed, "audit_phantom");
    struct malicious_posting posting = audit_bed_posting_of(&bed, 100, 0);
    uint64_t seq = 50;
    struct malicious_posting other;
    do { /* an event that does not have the tag */
        seq++;
        other = audit_bed_posting_of(&bed, seq, 0);
    } while (memcmp(other.tag, posting.tag, sizeof other.tag) == 0);
    posting.seq = other.seq;
    memset(posting.tag, 0x5a, sizeof posting.tag - 1); /* no event has this one */
    malicious_flip_posting(audit_bed_log_of(&bed), &posting);
    audit_bed_check_found(&bed, STELE_FRAUD_PHANTOM);
    fixture_done(&bed.f);
}

static void test_audit__false_bounds_are_proven(void **state) {
    struct audit_bed bed;
    (void)state;
    fixture_init(&bed.f);
    bed.rng = rng_start("audit_bounds");
    fixture_open(&bed.f);
    audit_bed_append(&bed, 100);
    atomic_fetch_add(&bed.f.now_us, 1000000);
    audit_bed_append(&bed, 300);
    fixture_wait_packed(&bed.f, "3y");
    malicious_forge_bounds(audit_bed_log_of(&bed));
    audit_bed_check_found(&bed, STELE_FRAUD_BOUNDS);
    fixture_done(&bed.f);
}

static void test_audit__keys_that_do_not_ascend_are_proven(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct disorder_plan how = {i % 2 == 0 ? DISORDER_EXCHANGED : DISORDER_TWICE,
                                          i / 2 == 1};
        struct audit_bed bed;
        audit_bed_start_small(&bed, "audit_disorder");
        malicious_disorder(audit_bed_log_of(&bed), &how);
        audit_bed_append(&bed, 3);
        audit_bed_check_found(&bed, STELE_FRAUD_KEY_ORDER);
        fixture_done(&bed.f);
    }
}

static void test_audit__one_false_index_among_honest_ones_is_found(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    audit_bed_start_small(&bed, "audit_false_index");
    audit_bed_seal(&bed);
    uint64_t seq = malicious_false_index(audit_bed_log_of(&bed));
    audit_bed_append(&bed, 30);
    audit_bed_seal(&bed);
    for (size_t i = 0; i < 2; i++) { /* all of it, and a sample of everything */
        audit_bed_audit(&bed, i == 0 ? 0 : UINT64_MAX, &report);
        assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
        assert_int_equal(report.at, seq);
        assert_int_equal(report.n_wrong, 1);
        assert_true(report.entries > seq + 30 - i); /* the replay goes on */
        assert_int_equal(report.proof.size, 0);     /* nobody has the index that was committed to */
        assert_true(strlen(report.no_proof) > 0);
        stele_audit_report_done(&report);
    }
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit__an_honest_log_holds),
        cmocka_unit_test(test_audit__a_posting_left_out_is_proven),
        cmocka_unit_test(test_audit__a_posting_too_many_is_proven),
        cmocka_unit_test(test_audit__false_bounds_are_proven),
        cmocka_unit_test(test_audit__keys_that_do_not_ascend_are_proven),
        cmocka_unit_test(test_audit__one_false_index_among_honest_ones_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
