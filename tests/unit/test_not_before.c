/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_not_before.c: a store restored from an older copy signs nothing that does not
 * extend the newest checkpoint somebody kept (I5), and says why. What is refused leaves no byte
 * changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/checkpoint.h"
#include "storage/file.h"
#include "storage/fsck.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"
#include "tests/support/temp_folder.h"

struct bed {
    struct fixture f;
    struct rng rng;
    char old[TEMP_FOLDER_BYTES + 8];
    stele_buf kept;   /* 3y's newest checkpoint */
    stele_buf before; /* and one of the time of the copy */
    uint64_t old_size;
};

static void append(struct bed *bed, size_t n) {
    struct stele_gen_options options = {.region = "eu-test",
                                        .time_unix_nano = FIXTURE_START_US * 1000};
    for (size_t i = 0; i < n; i++) {
        stele_buf payload = STELE_BUF_EMPTY;
        struct stele_batch_place place;
        stele_err err = {0};
        stele_gen_event(&bed->rng, &options, &payload);
        stele_view view = stele_view_buf(&payload);
        assert_ok(fixture_append(&bed->f, "3y", &view, 1, &place, &err));
        stele_buf_done(&payload);
    }
}

static uint64_t checkpoint_of(struct bed *bed, const char *log, stele_buf *ret) {
    struct stele_log_view *view = NULL;
    struct stele_checkpoint checkpoint;
    stele_err err;
    stele_buf_clear(ret);
    assert_ok(stele_log_view_open(stele_store_log(bed->f.store, log), &view, &err));
    assert_ok(stele_log_checkpoint(stele_store_log(bed->f.store, log), stele_log_view_size(view),
                                   ret, &checkpoint, &err));
    stele_log_view_close(view);
    return checkpoint.size_leaves;
}

/* A store of 60 events, and a copy of its folder from when it had 30. */
static struct bed *bed_make(void) {
    struct bed *bed = calloc(1, sizeof *bed);
    bed->rng = rng_start("not_before");
    fixture_init(&bed->f);
    assert_int_equal(rmdir(bed->f.dir), 0);
    temp_folder_make(bed->f.dir); /* which may be removed and copied */
    fixture_open(&bed->f);
    append(bed, 30);
    bed->old_size = checkpoint_of(bed, "3y", &bed->before);
    fixture_close(&bed->f);
    (void)snprintf(bed->old, sizeof bed->old, "%s.old", bed->f.dir);
    temp_folder_copy(bed->f.dir, bed->old);
    fixture_open(&bed->f);
    append(bed, 30);
    (void)checkpoint_of(bed, "3y", &bed->kept);
    fixture_close(&bed->f);
    return bed;
}

static void bed_free(struct bed *bed) {
    fixture_done(&bed->f);
    temp_folder_remove(bed->old);
    stele_buf_done(&bed->kept);
    stele_buf_done(&bed->before);
    free(bed);
}

static void restore(struct bed *bed) {
    fixture_close(&bed->f);
    temp_folder_remove(bed->f.dir);
    temp_folder_copy(bed->old, bed->f.dir);
}

static stele_status open_with(struct bed *bed, const stele_view *note, size_t n, bool read_only,
                              stele_err *err) {
    bed->f.not_before = note;
    bed->f.n_not_before = n;
    stele_status st = fixture_try_open(&bed->f, read_only, err);
    bed->f.n_not_before = 0;
    return st;
}

static void assert_says(const stele_err *err, const char *text) {
    if (strstr(err->text, text) == NULL) {
        fail_msg("'%s' is not said by: %s", text, err->text);
    }
}

/* Sizes of 3y's newest signed tree, read without a change. */
static uint64_t signed_size(struct bed *bed, const char *log) {
    stele_buf note = STELE_BUF_EMPTY;
    struct stele_checkpoint checkpoint;
    stele_err err;
    assert_ok(fixture_try_open(&bed->f, true, &err));
    assert_ok(
        stele_log_checkpoint(stele_store_log(bed->f.store, log), 0, &note, &checkpoint, &err));
    fixture_close(&bed->f);
    stele_buf_done(&note);
    return checkpoint.size_leaves;
}

static void test_not_before__an_older_copy_is_refused_and_stays_as_it_is(void **state) {
    struct bed *bed = bed_make();
    char sizes[2][32];
    stele_err err = {0};
    (void)state;
    restore(bed);
    uint64_t before = signed_size(bed, "3y");
    stele_view note = stele_view_buf(&bed->kept);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_status(open_with(bed, &note, 1, read_only == 1, &err), CORRUPT);
        (void)snprintf(sizes[0], sizeof sizes[0], "of %" PRIu64 " entries", bed->old_size + 30);
        (void)snprintf(sizes[1], sizeof sizes[1], "holds %" PRIu64, bed->old_size);
        assert_says(&err, "log eu-test/3y: ");
        assert_says(&err, sizes[0]);
        assert_says(&err, sizes[1]);
        assert_says(&err, "older copy");
        assert_says(&err, "README");
    }
    assert_int_equal(signed_size(bed, "3y"), before);
    /* Nobody stops one who gives nothing, or only what the copy knew. */
    note = stele_view_buf(&bed->before);
    assert_ok(open_with(bed, &note, 1, false, &err));
    bed_free(bed);
}

static void test_not_before__the_newest_copy_is_accepted_and_goes_on(void **state) {
    struct bed *bed = bed_make();
    stele_view note[2] = {stele_view_buf(&bed->kept), stele_view_buf(&bed->before)};
    struct stele_fsck_report report;
    stele_err err = {0};
    (void)state;
    assert_ok(open_with(bed, note, 2, false, &err));
    append(bed, 3);
    fixture_close(&bed->f);
    assert_ok(open_with(bed, note, 2, true, &err));
    assert_ok(stele_fsck(bed->f.store, NULL, NULL, &report, &err));
    bed_free(bed);
}

/* The copy went on without the flag: longer than the checkpoint, and another history. */
static void test_not_before__another_history_of_the_same_size_is_refused(void **state) {
    struct bed *bed = bed_make();
    stele_view note = stele_view_buf(&bed->kept);
    stele_err err = {0};
    (void)state;
    restore(bed);
    fixture_open(&bed->f);
    append(bed, 40);
    fixture_close(&bed->f);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_status(open_with(bed, &note, 1, read_only == 1, &err), CORRUPT);
        assert_says(&err, "two histories");
    }
    bed_free(bed);
}

static void test_not_before__every_bit_of_a_given_checkpoint_counts(void **state) {
    struct bed *bed = bed_make();
    stele_view note = stele_view_buf(&bed->kept);
    size_t step = getenv("STELE_SOAK") != NULL ? 1 : 11;
    stele_err err = {0};
    (void)state;
    for (size_t i = 0; i < bed->kept.size; i += step) {
        bed->kept.data[i] ^= 1;
        stele_status st = open_with(bed, &note, 1, true, &err);
        if (st != STELE_INVALID && st != STELE_UNVERIFIED) {
            fail_msg("byte %zu: %s: %s", i, stele_status_name(st), err.text);
        }
        bed->kept.data[i] ^= 1;
    }
    assert_ok(open_with(bed, &note, 1, true, &err));
    bed_free(bed);
}

/* Signed well, by somebody else, in the log's name. */
static void test_not_before__a_checkpoint_by_another_key_is_refused(void **state) {
    struct bed *bed = bed_make();
    static const uint8_t seed[32] = {7};
    struct stele_checkpoint forged = {.origin = "example.org/eu-test/3y", .size_leaves = 1};
    struct stele_signer *signer = NULL;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err = {0};
    (void)state;
    assert_ok(stele_signer_sodium_of_seed(seed, &signer, &err));
    assert_ok(stele_checkpoint_sign(&forged, signer, &note, &err));
    stele_view view = stele_view_buf(&note);
    assert_status(open_with(bed, &view, 1, false, &err), UNVERIFIED);
    assert_says(&err, "log eu-test/3y: ");
    assert_says(&err, "forged or damaged");
    stele_signer_free(signer);
    stele_buf_done(&note);
    bed_free(bed);
}

static void test_not_before__a_checkpoint_of_no_log_here_is_named(void **state) {
    struct bed *bed = bed_make();
    static const uint8_t seed[32] = {7};
    static const char *const origins[] = {"example.org/eu-test/5y", "example.org/us/3y",
                                          "example.com/eu-test/3y"};
    struct stele_signer *signer = NULL;
    stele_err err = {0};
    (void)state;
    assert_ok(stele_signer_sodium_of_seed(seed, &signer, &err));
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        struct stele_checkpoint other = {.size_leaves = 1};
        stele_buf note = STELE_BUF_EMPTY;
        (void)strcpy(other.origin, origins[i]);
        assert_ok(stele_checkpoint_sign(&other, signer, &note, &err));
        stele_view view[2] = {stele_view_buf(&bed->kept), stele_view_buf(&note)};
        assert_status(open_with(bed, view, 2, false, &err), INVALID);
        assert_says(&err, "number 2");
        assert_says(&err, origins[i]);
        stele_buf_done(&note);
    }
    stele_signer_free(signer);
    bed_free(bed);
}

/* A log that somebody has a checkpoint of is not made anew, nor is its key. */
static void test_not_before__a_lost_log_or_key_is_not_replaced(void **state) {
    struct bed *bed = bed_make();
    char path[STELE_FILE_PATH_MAX];
    stele_view note = stele_view_buf(&bed->kept);
    stele_buf read = STELE_BUF_EMPTY;
    stele_err err = {0};
    (void)state;
    (void)snprintf(path, sizeof path, "%s/keys/3y.signing", bed->f.dir);
    assert_int_equal(remove(path), 0);
    assert_status(open_with(bed, &note, 1, false, &err), CORRUPT);
    assert_says(&err, "no signing key");
    assert_status(stele_file_read(path, 4096, &read, NULL), NOT_FOUND);
    temp_folder_remove(bed->f.dir);
    assert_int_equal(mkdir(bed->f.dir, 0700), 0);
    assert_status(open_with(bed, &note, 1, false, &err), CORRUPT);
    assert_says(&err, "log eu-test/3y: ");
    (void)snprintf(path, sizeof path, "%s/keys/3y.signing", bed->f.dir);
    assert_status(stele_file_read(path, 4096, &read, NULL), NOT_FOUND);
    stele_buf_done(&read);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_before__an_older_copy_is_refused_and_stays_as_it_is),
        cmocka_unit_test(test_not_before__the_newest_copy_is_accepted_and_goes_on),
        cmocka_unit_test(test_not_before__another_history_of_the_same_size_is_refused),
        cmocka_unit_test(test_not_before__every_bit_of_a_given_checkpoint_counts),
        cmocka_unit_test(test_not_before__a_checkpoint_by_another_key_is_refused),
        cmocka_unit_test(test_not_before__a_checkpoint_of_no_log_here_is_named),
        cmocka_unit_test(test_not_before__a_lost_log_or_key_is_not_replaced),
    };
    return cmocka_run_group_tests_name("not_before", tests, NULL, NULL);
}
