/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete answers whose chunks stand where they may not, or have a shape that they may not: each
 * is refused for its reason, with a digest that holds.
 */
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/answer_forge.h"
#include "tests/support/cmocka.h"
#include "tests/support/complete_forge.h"
#include "tests/support/complete_one.h"

static struct forged f;

static stele_buf *body(uint8_t type, size_t i) {
    return &f.chunk[forge_find(&f, type, i)].body;
}
/* A copy of the first chunk of a type, before chunk `at`. */
static void copy_to(uint8_t type, size_t at) {
    forge_insert(&f, at, type, stele_view_buf(body(type, 0)));
}
static void drop(uint8_t type) {
    forge_remove(&f, forge_find(&f, type, 0));
}
static size_t place(uint8_t type) {
    return forge_find(&f, type, 0);
}

enum {
    QUESTION = STELE_ANSWER_QUESTION,
    LOG = STELE_ANSWER_LOG,
    EVENT = STELE_ANSWER_EVENT,
    LOG_END = STELE_ANSWER_LOG_END,
    END = STELE_ANSWER_END,
    ANCHOR = STELE_COMPLETE_ANCHOR,
    STATE = STELE_COMPLETE_STATE,
    MANIFEST = STELE_COMPLETE_MANIFEST,
    KEY = STELE_COMPLETE_KEY,
    OPENING = STELE_COMPLETE_OPENING,
    CONSISTENCY = STELE_COMPLETE_CONSISTENCY,
};

static void nothing(void) {
}
static void question_twice(void) {
    copy_to(QUESTION, 1);
}
static void question_missing(void) {
    drop(QUESTION);
}
static void log_twice(void) {
    copy_to(LOG, 2);
}
static void log_after_its_anchor(void) {
    copy_to(LOG, place(ANCHOR) + 1);
}
static void log_missing(void) {
    drop(LOG);
}
static void anchor_twice(void) {
    copy_to(ANCHOR, place(ANCHOR) + 1);
}
static void anchor_missing(void) {
    drop(ANCHOR);
}
static void anchor_of_no_log(void) {
    body(ANCHOR, 0)->data[0] = 1;
}
static void anchor_with_unknown_flags(void) {
    body(ANCHOR, 0)->data[2] |= 2;
}
static void anchor_longer(void) {
    size_t at = place(ANCHOR);
    forge_resize(&f, at, f.chunk[at].body.size + 1);
}
static void state_after_the_manifest(void) {
    copy_to(STATE, place(MANIFEST) + 1);
}
static void state_of_no_leaves(void) {
    memset(body(STATE, 0)->data + 9, 0, 2);
}
/* class: lp("class"), lp(1 byte) */
static void class_of_nine_years(void) {
    body(STATE, 0)->data[11 + 7 + 2] = 9;
}
/* epoch/20251200 follows it: the era in its value is another. */
static void epoch_of_another_era(void) {
    body(STATE, 0)->data[11 + 7 + 3 + 16 + 2 + 3] ^= 1;
}
static void manifest_twice(void) {
    copy_to(MANIFEST, place(MANIFEST) + 1);
}
static void manifest_missing(void) {
    drop(MANIFEST);
}
static void manifest_of_nothing(void) {
    memset(body(MANIFEST, 0)->data + 5, 0, 4);
}
static void key_before_the_manifest(void) {
    copy_to(KEY, place(MANIFEST));
}
static void key_after_an_opening(void) {
    copy_to(KEY, place(OPENING) + 1);
}
static void key_of_no_state(void) {
    body(KEY, 0)->data[1] ^= 1;
}
static void opening_before_the_anchor(void) {
    copy_to(OPENING, place(ANCHOR));
}
static void opening_of_no_log(void) {
    body(OPENING, 0)->data[0] = 1;
}
static void opening_after_the_end_of_a_log(void) {
    copy_to(OPENING, place(LOG_END) + 1);
}
static void opening_of_three_leaves(void) {
    body(OPENING, 0)->data[14] = 3;
}
static void opening_of_ragged_siblings(void) {
    size_t at = place(OPENING);
    forge_resize(&f, at, f.chunk[at].body.size + 1);
}
static void event_of_no_log(void) {
    body(EVENT, 0)->data[0] = 1;
}
static void event_after_the_end_of_a_log(void) {
    copy_to(EVENT, place(LOG_END) + 1);
}
static void event_before_the_anchor(void) {
    copy_to(EVENT, place(ANCHOR));
}
static void gap_hash_changed(void) {
    body(LOG_END, 0)->data[1] ^= 1;
}
static void log_end_longer(void) {
    size_t at = place(LOG_END);
    forge_resize(&f, at, f.chunk[at].body.size + 1);
}
static void log_end_missing(void) {
    drop(LOG_END);
}
static void log_end_twice(void) {
    copy_to(LOG_END, place(LOG_END) + 1);
}
static void log_end_of_no_log(void) {
    body(LOG_END, 0)->data[0] = 1;
}
static void log_end_before_the_anchor(void) {
    copy_to(LOG_END, place(ANCHOR));
}
static void end_of_another_count(void) {
    body(END, 0)->data[7] ^= 1;
}
static void end_with_a_flag(void) {
    body(END, 0)->data[8] = 1;
}
static void end_twice(void) {
    copy_to(END, f.n);
}
static void end_alone(void) {
    while (f.n > 1) {
        forge_remove(&f, 0);
    }
}
static void chunk_of_type_13(void) {
    forge_insert(&f, 2, 13, stele_view_str("x"));
}
static void chunk_of_type_0(void) {
    forge_insert(&f, 2, 0, stele_view_of(NULL, 0));
}
static void chunk_of_type_255(void) {
    forge_insert(&f, 2, 255, stele_view_of(NULL, 0));
}
static void put_consistency(size_t at, uint64_t old_leaves, size_t hash_bytes) {
    uint8_t bytes[9 + 64] = {0};
    stele_put_u64(bytes + 1, old_leaves);
    forge_insert(&f, at, CONSISTENCY, stele_view_of(bytes, 9 + hash_bytes));
}
static void consistency_for_somebody_else(void) {
    put_consistency(place(ANCHOR) + 1, 3, 64);
}
static void consistency_twice(void) {
    put_consistency(place(ANCHOR) + 1, 3, 64);
    put_consistency(place(ANCHOR) + 1, 4, 64);
}
static void consistency_after_a_state(void) {
    put_consistency(place(STATE) + 1, 3, 64);
}
static void consistency_of_nothing(void) {
    put_consistency(place(ANCHOR) + 1, 0, 64);
}
static void consistency_of_the_future(void) {
    put_consistency(place(ANCHOR) + 1, 5000, 64);
}
static void consistency_of_ragged_hashes(void) {
    put_consistency(place(ANCHOR) + 1, 3, 63);
}

#define MISPLACED "is out of place, or of a log that is not declared"
struct row {
    const char *name;
    void (*apply)(void);
    const char *reason; /* NULL: accepted */
};
static const struct row rows[] = {
#define ROW(name, reason)                                                                          \
    { #name, name, reason }
    ROW(nothing, NULL),
    ROW(question_twice, "a second question"),
    ROW(question_missing, "a log out of place"),
    ROW(log_twice, "declared twice"),
    ROW(log_after_its_anchor, "a log out of place"),
    ROW(log_missing, MISPLACED),
    ROW(anchor_twice, MISPLACED),
    ROW(anchor_missing, MISPLACED),
    ROW(anchor_of_no_log, MISPLACED),
    ROW(anchor_with_unknown_flags, "flags 03 of an anchor"),
    ROW(anchor_longer, "1 bytes too many"),
    ROW(state_after_the_manifest, MISPLACED),
    ROW(state_of_no_leaves, "they ascend and do not overlap"),
    ROW(class_of_nine_years, "'class' of 'stele.example/eu-1/1y' has no value that can be"),
    ROW(epoch_of_another_era, "has no value that can be"),
    ROW(manifest_twice, MISPLACED),
    ROW(manifest_missing, MISPLACED),
    ROW(manifest_of_nothing, "1 to 4096 are shown"),
    ROW(key_before_the_manifest, MISPLACED),
    ROW(key_after_an_opening, MISPLACED),
    ROW(key_of_no_state, "out of order, or of an era"),
    ROW(opening_before_the_anchor, MISPLACED),
    ROW(opening_of_no_log, MISPLACED),
    ROW(opening_after_the_end_of_a_log, MISPLACED),
    ROW(opening_of_three_leaves, "1 or 2 are shown"),
    ROW(opening_of_ragged_siblings, "bytes of hashes beside key leaves"),
    ROW(event_of_no_log, MISPLACED),
    ROW(event_after_the_end_of_a_log, MISPLACED),
    ROW(event_before_the_anchor, MISPLACED),
    ROW(gap_hash_changed, "do not make its signed root"),
    ROW(log_end_longer, "1 bytes too many"),
    ROW(log_end_missing, "it ends with 0 of its 1 logs ended"),
    ROW(log_end_twice, MISPLACED),
    ROW(log_end_of_no_log, MISPLACED),
    ROW(log_end_before_the_anchor, MISPLACED),
    ROW(end_of_another_count, "its end says"),
    ROW(end_with_a_flag, "its end says"),
    ROW(end_twice, "after its end"),
    ROW(end_alone, "it ends with 0 of its 0 logs ended"),
    ROW(chunk_of_type_13, "a chunk of type 13"),
    ROW(chunk_of_type_0, "a chunk of unknown type 0"),
    ROW(chunk_of_type_255, "a chunk of unknown type 255"),
    ROW(consistency_for_somebody_else, NULL),
    ROW(consistency_twice, "is a second one"),
    ROW(consistency_after_a_state, "out of place, or cannot be"),
    ROW(consistency_of_nothing, "out of place, or cannot be"),
    ROW(consistency_of_the_future, "out of place, or cannot be"),
    ROW(consistency_of_ragged_hashes, "out of place, or cannot be"),
};

/* Of several logs: the second one's parts may not stand among the first one's. */
static void second_anchor_before_the_first_manifest(void) {
    size_t at = forge_find(&f, ANCHOR, 1);
    forge_insert(&f, place(MANIFEST), ANCHOR, stele_view_buf(&f.chunk[at].body));
}
static void first_state_among_the_second_ones(void) {
    copy_to(STATE, forge_find(&f, MANIFEST, 1));
}
static void second_anchor_missing(void) {
    forge_remove(&f, forge_find(&f, ANCHOR, 1));
}
static void last_manifest_missing(void) {
    forge_remove(&f, forge_find(&f, MANIFEST, 2));
}
static void last_parts_missing(void) {
    size_t from = forge_find(&f, ANCHOR, 2);
    while (f.chunk[from].type != OPENING) {
        forge_remove(&f, from);
    }
}
static void opening_before_the_last_parts(void) {
    copy_to(OPENING, forge_find(&f, ANCHOR, 2));
}
static void log_ends_swapped(void) {
    forge_swap(&f, forge_find(&f, LOG_END, 0), forge_find(&f, LOG_END, 1));
}
static void last_log_end_missing(void) {
    forge_remove(&f, forge_find(&f, LOG_END, 2));
}
static const struct row region_rows[] = {
    ROW(nothing, NULL),
    ROW(second_anchor_before_the_first_manifest, MISPLACED),
    ROW(first_state_among_the_second_ones, MISPLACED),
    ROW(second_anchor_missing, MISPLACED),
    ROW(last_manifest_missing, MISPLACED),
    ROW(last_parts_missing, MISPLACED),
    ROW(opening_before_the_last_parts, MISPLACED),
    ROW(log_ends_swapped, MISPLACED),
    ROW(last_log_end_missing, "it ends with 2 of its 3 logs ended"),
};

static void check_rows(struct complete_bed *bed, const struct row *of, size_t n) {
    stele_buf file = STELE_BUF_EMPTY;
    stele_buf forged = STELE_BUF_EMPTY;
    size_t n_wrong = 0;
    assert_ok(stele_buf_append(&file, stele_view_buf(&bed->file), NULL));
    for (size_t i = 0; i < n; i++) {
        stele_err err = {.text = ""};
        forge_take_apart(stele_view_buf(&file), &f);
        of[i].apply();
        stele_buf_clear(&forged);
        forge_put_together(&f, &forged);
        bool ends = f.n > 0 && f.chunk[f.n - 1].type == END;
        forged.data[14] = '2';
        if (ends) {
            stele_sha256_of(stele_view_of(forged.data, forged.size - STELE_HASH_BYTES),
                            forged.data + forged.size - STELE_HASH_BYTES);
        }
        forge_done(&f);
        stele_status st = complete_bed_judge(bed, stele_view_buf(&forged), 100, &err);
        bool right = of[i].reason == NULL
                         ? st == STELE_OK
                         : st != STELE_OK && strstr(err.text, of[i].reason) != NULL &&
                               strstr(err.text, "digest") == NULL;
        if (!right) {
            print_message("%s: %s (%s)\n", of[i].name, stele_status_name(st), err.text);
            n_wrong++;
        }
    }
    stele_buf_done(&file);
    stele_buf_done(&forged);
    assert_int_equal(n_wrong, 0);
}

static void test_complete__each_chunk_has_its_place_and_shape(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 30);
    assert_ok(one_judge(&x, NULL));
    check_rows(&x.bed, rows, sizeof rows / sizeof rows[0]);
    one_end(&x);
}

static void test_complete__logs_come_one_by_one(void **state) {
    struct complete_bed *bed = *state;
    static struct forge absent;
    forge_begin(bed, FORGE_ABSENT, &absent);
    stele_buf_clear(&bed->file);
    plan_encode(&absent.plan, &bed->file);
    forge_end(&absent);
    check_rows(bed, region_rows, sizeof region_rows / sizeof region_rows[0]);
}

/* The digest finds damage where no rule looks: a file's own last bytes, at least. */
static void test_complete__the_digest_is_compared(void **state) {
    (void)state;
    static struct one x;
    stele_err err = {.text = ""};
    one_begin(&x, 30);
    assert_ok(one_judge(&x, NULL));
    x.bed.file.data[x.bed.file.size - 1] ^= 1;
    assert_status(complete_bed_judge(&x.bed, stele_view_buf(&x.bed.file), 100, &err), INVALID);
    assert_non_null(strstr(err.text, "the digest at its end does not hold"));
    one_end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete__each_chunk_has_its_place_and_shape),
        cmocka_unit_test_setup_teardown(test_complete__logs_come_one_by_one, complete_bed_setup,
                                        complete_bed_teardown),
        cmocka_unit_test(test_complete__the_digest_is_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
