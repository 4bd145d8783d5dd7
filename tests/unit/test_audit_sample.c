/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_audit_sample.c: spot checks of real stores: what they read, what they see, and
 * what they say they did not look at.
 */
#include <string.h>

#include "tests/support/audit_bed.h"

/* Many segments: of months, and of a tail. */
static void start_months(struct audit_bed *bed, const char *test, size_t months) {
    audit_bed_start(bed, test);
    for (size_t i = 0; i < months; i++) {
        audit_bed_append(bed, 300 + rng_below(&bed->rng, 60));
        atomic_fetch_add(&bed->f.now_us, DAY_US * 32);
    }
    audit_bed_append(bed, 40);
    fixture_wait_packed(&bed->f, "3y");
    audit_bed_seal(bed);
}

static void sample_as(struct audit_bed *bed, uint64_t n, uint64_t seed,
                      struct stele_audit_report *ret) {
    struct stele_audit_options options = {
        .sample = n, .seed = seed, .block_shift = SMALL_BLOCK_SHIFT};
    audit_bed_audit_as(bed, &options, ret);
}

static void check_holds(const struct stele_audit_report *report) {
    if (report->verdict != STELE_AUDIT_HOLDS || report->root_differs) {
        fail_msg("entry %" PRIu64 ": %s", report->at, report->why);
    }
    assert_int_equal(report->n_wrong, 0);
    assert_int_equal(report->proof.size, 0);
}

static void test_audit_sample__an_honest_log_holds(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    audit_bed_start(&bed, "audit_sample");
    for (size_t round = 0; round < 24; round++) {
        audit_bed_live(&bed);
        if (rng_below(&bed.rng, 3) > 0) {
            audit_bed_seal(&bed);
        }
        audit_bed_sign(&bed);
        for (uint64_t n = 1; n <= 9; n += 4) {
            sample_as(&bed, n, rng_next(&bed.rng), &report);
            check_holds(&report);
            const struct stele_audit_sampled *sampled = &report.sampled;
            uint64_t wanted = n + sampled->n_unknown;
            assert_int_equal(sampled->n_made,
                             wanted < sampled->n_segments ? wanted : sampled->n_segments);
            assert_true(report.entries <= sampled->covered);
            stele_audit_report_done(&report);
        }
    }
    fixture_done(&bed.f);
}

/* ------------------------------------------------------------------ what is read */

static struct {
    stele_status (*read)(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                         size_t *ret_n, stele_err *err);
    stele_status (*index)(void *ctx, uint64_t *ret_seq, stele_buf *descriptors, stele_err *err);
    uint64_t n_read;
    uint64_t alter;     /* this entry is shown otherwise */
    size_t alter_index; /* and this byte of the descriptors, less one */
    uint64_t part_lo;   /* where the part began that was replayed last */
    uint64_t single;    /* the entry that was read for itself last */
} tap;

/* Counts what an audit gets of a log; entries that it gets again are counted again. */
static stele_status read_tapped(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                                size_t *ret_n, stele_err *err) {
    static struct stele_audit_entry entry;
    static uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    stele_status st = tap.read(ctx, seq, ret, ret_n, err);
    if (st == STELE_OK) {
        tap.n_read += *ret_n;
    }
    if (st == STELE_OK && tap.alter >= seq && tap.alter - seq < *ret_n) {
        *ret_n = 1;
        if (seq == tap.alter) {
            entry = **ret;
            memcpy(bytes, entry.entry.data, entry.entry.size);
            bytes[40] ^= 1; /* of an event, in its payload commitment */
            entry.entry = stele_view_of(bytes, entry.entry.size);
            entry.leaf = NULL;
            *ret = &entry;
        }
    }
    return st;
}

static stele_status index_tapped(void *ctx, uint64_t *ret_seq, stele_buf *descriptors,
                                 stele_err *err) {
    stele_status st = tap.index(ctx, ret_seq, descriptors, err);
    if (st == STELE_OK && tap.alter_index > 0) {
        descriptors->data[tap.alter_index - 1] ^= 1;
    }
    return st;
}

static void want_tapped(void *ctx, uint64_t lo, uint64_t hi) {
    (void)ctx;
    *(hi - lo > 1 ? &tap.part_lo : &tap.single) = lo;
}

static stele_status run_tapped(struct audit_bed *bed, const struct stele_audit_options *options,
                               struct stele_audit_report *ret, stele_err *err) {
    struct stele_audit_stored *stored = NULL;
    assert_ok(stele_audit_stored_open(audit_bed_log_of(bed), &stored, NULL));
    struct stele_audit_source source = *stele_audit_stored_source(stored);
    tap.read = source.read;
    tap.index = source.index;
    tap.n_read = 0;
    source.read = read_tapped;
    source.index = index_tapped;
    source.want = want_tapped;
    memset(ret, 0, sizeof *ret);
    stele_status st = stele_audit_run(&source, options, ret, err);
    stele_audit_stored_close(stored);
    return st;
}

static void sample_tapped(struct audit_bed *bed, const struct stele_audit_options *options,
                          uint64_t alter, struct stele_audit_report *ret) {
    stele_err err = {.text = ""};
    tap.alter = alter;
    tap.alter_index = 0;
    stele_status st = run_tapped(bed, options, ret, &err);
    if (st != STELE_OK) {
        fail_msg("%s: %s", stele_status_name(st), err.text);
    }
}

static void test_audit_sample__one_of_many_reads_only_its_entries(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    start_months(&bed, "audit_sample_reads", 12);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 0};
    sample_tapped(&bed, &options, UINT64_MAX, &report);
    uint64_t all = tap.n_read;
    assert_true(all >= 12 * 300);
    stele_audit_report_done(&report);
    options.sample = 1;
    for (options.seed = 0; options.seed < 20; options.seed++) {
        sample_tapped(&bed, &options, UINT64_MAX, &report);
        check_holds(&report);
        assert_true(report.is_sample);
        assert_int_equal(report.sampled.n_made, 1);
        assert_int_equal(report.sampled.n_unknown, 0);
        assert_true(report.sampled.n_segments >= 12);
        assert_true(report.entries > 0 && report.entries <= 400);
        /* Where a read begins or ends inside a frame, the rest of it comes along. */
        assert_true(tap.n_read <=
                    report.entries + (report.sampled.n_single + 2) * STELE_REPLAY_ENTRIES_MAX);
        assert_true(tap.n_read * 3 < all);
        stele_audit_report_done(&report);
    }
    fixture_done(&bed.f);
}

static void test_audit_sample__entries_that_are_not_signed_are_found(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    start_months(&bed, "audit_sample_unsigned", 3);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 1};
    size_t n_found = 0;
    for (options.seed = 0; options.seed < 24; options.seed++) {
        uint64_t alter = audit_bed_posting_of(&bed, rng_below(&bed.rng, 900), 0).seq;
        sample_tapped(&bed, &options, alter, &report);
        assert_int_equal(report.proof.size, 0);
        n_found += report.root_differs;
        stele_audit_report_done(&report);
    }
    assert_true(n_found > 0 && n_found < 24);
    fixture_done(&bed.f);
}

/* The INDEX, and the EPOCH that the part goes on from, are entries of the log, or nothing is said.
 */
static void test_audit_sample__single_entries_are_proven(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    stele_err err = {.text = ""};
    (void)state;
    start_months(&bed, "audit_sample_single", 3);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 1};
    do { /* a part that does not begin the log: an EPOCH is read */
        options.seed++;
        sample_tapped(&bed, &options, UINT64_MAX, &report);
        stele_audit_report_done(&report);
    } while (tap.part_lo == 0);
    const uint64_t altered[] = {report.sampled.index_seq, tap.single};
    assert_true(altered[1] < tap.part_lo);
    for (size_t i = 0; i < 2; i++) {
        tap.alter = altered[i];
        assert_int_equal(run_tapped(&bed, &options, &report, &err), STELE_UNVERIFIED);
        assert_non_null(strstr(err.text, "not in the tree"));
        stele_audit_report_done(&report);
    }
    fixture_done(&bed.f);
}

static void test_audit_sample__descriptors_are_those_that_were_committed_to(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    stele_err err = {.text = ""};
    (void)state;
    start_months(&bed, "audit_sample_descriptors", 2);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 1};
    tap.alter = UINT64_MAX;
    for (size_t at = 1; at <= STELE_DESCRIPTOR_BYTES; at += 7) {
        tap.alter_index = STELE_DESCRIPTOR_BYTES + at;
        stele_status st = run_tapped(&bed, &options, &report, &err);
        if (st == STELE_OK) { /* a segment that can be, but not of this INDEX */
            assert_int_equal(report.verdict, STELE_AUDIT_UNCHECKED);
            assert_int_equal(report.sampled.n_made, 0);
            assert_int_equal(report.n_wrong, 0);
        } else {
            assert_int_equal(st, STELE_CORRUPT);
        }
        assert_int_equal(report.proof.size, 0);
        stele_audit_report_done(&report);
    }
    fixture_done(&bed.f);
}

static void test_audit_sample__each_segment_is_as_likely(void **state) {
    enum { TRIES = 300, SEGMENTS_MAX = 32 };
    struct audit_bed bed;
    struct stele_audit_report report;
    uint64_t lo[SEGMENTS_MAX];
    size_t count[SEGMENTS_MAX] = {0};
    size_t n = 0;
    (void)state;
    start_months(&bed, "audit_sample_likely", 3);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 1};
    for (options.seed = 0; options.seed < TRIES; options.seed++) {
        size_t i = 0;
        sample_tapped(&bed, &options, UINT64_MAX, &report);
        for (i = 0; i < n && lo[i] != tap.part_lo; i++) {
        }
        n += i == n;
        assert_true(n <= SEGMENTS_MAX);
        lo[i] = tap.part_lo;
        count[i]++;
        stele_audit_report_done(&report);
    }
    assert_int_equal(n, report.sampled.n_segments);
    for (size_t i = 0; i < n; i++) { /* half of what is expected is many deviations below it */
        print_message("entry %" PRIu64 ": %zu\n", lo[i], count[i]);
        assert_true(count[i] * n * 2 > TRIES && count[i] * n < TRIES * 2);
    }
    fixture_done(&bed.f);
}

/* The INDEX names parts of a unit that is packed since, and the store began anew: its descriptors
 * are made again, and the rest is drawn. */
static void test_audit_sample__what_is_kept_no_more_is_made_again(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    start_months(&bed, "audit_sample_unknown_made", 4);
    audit_bed_append(&bed, 400);
    fixture_wait_packed(&bed.f, "3y");
    fixture_close(&bed.f);
    fixture_open(&bed.f);
    audit_bed_sign(&bed);
    sample_as(&bed, 1, 1, &report);
    check_holds(&report);
    print_message("%" PRIu64 " of %" PRIu64 "\n", report.sampled.n_unknown,
                  report.sampled.n_segments);
    assert_true(report.sampled.n_unknown > 0);
    assert_int_equal(report.sampled.n_made, report.sampled.n_unknown + 1);
    assert_true(report.sampled.n_made < report.sampled.n_segments);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

/* ------------------------------------------------------------------ what is seen */

static void test_audit_sample__sees_a_wrong_segment_where_it_looks(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    size_t n_found = 0;
    size_t n_tries = 60;
    (void)state;
    start_months(&bed, "audit_sample_wrong", 3);
    struct malicious_posting posting = audit_bed_posting_of(&bed, 100, 2);
    malicious_flip_posting(audit_bed_log_of(&bed), &posting);
    audit_bed_append(&bed, 3);
    audit_bed_seal(&bed);
    audit_bed_sign(&bed);
    for (uint64_t seed = 0; seed < n_tries; seed++) {
        sample_as(&bed, 1, seed, &report);
        assert_int_equal(report.sampled.n_made, 1);
        assert_true(report.sampled.n_segments >= 4);
        assert_false(report.root_differs);
        if (report.verdict == STELE_AUDIT_HOLDS) {
            check_holds(&report);
        } else {
            assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
            if (report.at == report.sampled.index_seq) {
                n_found++;
                audit_bed_check_proof(&bed, &report, STELE_FRAUD_OMISSION);
            } else { /* the INDEX of before the lie, among the entries of the tail */
                assert_non_null(strstr(report.why, "contradict each other"));
                assert_int_equal(report.proof.size, 0);
            }
        }
        stele_audit_report_done(&report);
    }
    print_message("found by %zu of %zu samples\n", n_found, n_tries);
    assert_true(n_found > 0 && n_found < n_tries / 2);
    fixture_done(&bed.f);
}

/* The newest INDEX is false, and nobody has what it committed to. */
static void test_audit_sample__says_what_it_cannot_compare(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    start_months(&bed, "audit_sample_unknown", 3);
    uint64_t seq = malicious_false_index(audit_bed_log_of(&bed));
    audit_bed_sign(&bed);
    sample_as(&bed, 1, 1, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_UNCHECKED);
    assert_int_equal(report.at, seq);
    assert_int_equal(report.sampled.n_made, 0);
    stele_audit_report_done(&report);
    sample_as(&bed, UINT64_MAX, 1, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
    assert_int_equal(report.at, seq);
    assert_int_equal(report.sampled.n_made, report.sampled.n_segments);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

static void test_audit_sample__compares_a_kept_checkpoint_too(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    stele_buf kept = STELE_BUF_EMPTY;
    (void)state;
    start_months(&bed, "audit_sample_against", 2);
    audit_bed_sign(&bed);
    assert_ok(stele_log_checkpoint(audit_bed_log_of(&bed), 0, &kept, NULL, NULL));
    audit_bed_append(&bed, 30);
    audit_bed_seal(&bed);
    audit_bed_sign(&bed);
    struct stele_audit_options options = {.sample = 1, .against = stele_view_buf(&kept)};
    audit_bed_audit_as(&bed, &options, &report);
    check_holds(&report);
    assert_true(report.against_compared);
    assert_false(report.against_differs);
    stele_audit_report_done(&report);
    stele_buf_done(&kept);
    fixture_done(&bed.f);
}

static void test_audit_sample__of_a_log_without_an_index_is_empty(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    (void)state;
    audit_bed_start(&bed, "audit_sample_none");
    audit_bed_append(&bed, 30);
    audit_bed_sign(&bed);
    sample_as(&bed, 2, 1, &report);
    check_holds(&report);
    assert_true(report.is_sample);
    assert_int_equal(report.sampled.n_segments, 0);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_sample__an_honest_log_holds),
        cmocka_unit_test(test_audit_sample__one_of_many_reads_only_its_entries),
        cmocka_unit_test(test_audit_sample__entries_that_are_not_signed_are_found),
        cmocka_unit_test(test_audit_sample__single_entries_are_proven),
        cmocka_unit_test(test_audit_sample__descriptors_are_those_that_were_committed_to),
        cmocka_unit_test(test_audit_sample__each_segment_is_as_likely),
        cmocka_unit_test(test_audit_sample__what_is_kept_no_more_is_made_again),
        cmocka_unit_test(test_audit_sample__sees_a_wrong_segment_where_it_looks),
        cmocka_unit_test(test_audit_sample__says_what_it_cannot_compare),
        cmocka_unit_test(test_audit_sample__compares_a_kept_checkpoint_too),
        cmocka_unit_test(test_audit_sample__of_a_log_without_an_index_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
