/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_engine_syncs.c: acknowledged implies synced, by watching the system calls; and a
 * sync that fails, at any place, loses nothing that was acknowledged.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/keyring.h"
#include "tests/fault/sync_count.h"
#include "tests/fault/sync_watch.h"
#include "tests/support/engine_behaviour.h"
#include "tests/support/temp_folder.h"

static char folder[TEMP_FOLDER_BYTES];
static struct stele_engine *engine;

static int set_up(void **state) {
    (void)state;
    temp_folder_make(folder);
    return stele_engine_rocks_open(folder, "eu", true, &engine, NULL) == STELE_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    engine->ops->close(engine);
    temp_folder_remove(folder);
    return 0;
}

static uint64_t claim(const char *log, uint64_t *ret_next) {
    uint64_t epoch = 0;
    assert_ok(engine->ops->claim(engine, log, ret_next, &epoch, NULL));
    return epoch;
}

/* ---- acknowledged implies synced ---- */

static void test_engine_syncs__an_append_is_synced_before_it_is_acknowledged(void **state) {
    (void)state;
    uint64_t next = 0;
    uint64_t from = sync_watch_now();
    uint64_t epoch = claim("log", &next);
    assert_true(sync_watch_count(from, sync_watch_now(), "/db/", ".log") >= 1); /* the fence too */
    for (uint64_t pos = 0; pos < 100; pos++) {
        assert_true(sync_watch_append(engine, "log", epoch, pos));
    }
    from = sync_watch_now();
    assert_ok(engine->ops->trim(engine, "log", 50, NULL));
    assert_true(sync_watch_count(from, sync_watch_now(), "/db/", ".log") >= 1);
    assert_true(sync_watch_append(engine, "log", epoch, 100));
}

static void
test_engine_syncs__a_blob_is_synced_then_named_then_its_folders_are_synced(void **state) {
    (void)state;
    const struct stele_lock lock = {1, 0};
    assert_true(sync_watch_put(engine, "p/q/x", "bytes", NULL));
    assert_true(sync_watch_put(engine, "p/q/y", "bytes", &lock));
    assert_true(sync_watch_put(engine, "p/z", "", NULL));
}

static void test_engine_syncs__the_same_blob_again_makes_the_first_durable(void **state) {
    (void)state;
    assert_ok(stele_engine_put(engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    uint64_t from = sync_watch_now();
    assert_ok(stele_engine_put(engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs/p") >= 1);
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs") >= 1);
}

/* Whoever named a blob may have been killed before the sync of its folder. */
static void test_engine_syncs__a_start_syncs_the_folders_of_blobs_it_finds(void **state) {
    (void)state;
    assert_ok(stele_engine_put(engine, "p/q/x", stele_view_str("bytes"), NULL, NULL));
    assert_ok(stele_engine_put(engine, "p/z/y", stele_view_str("bytes"), NULL, NULL));
    engine->ops->close(engine);
    uint64_t from = sync_watch_now();
    assert_ok(stele_engine_rocks_open(folder, "eu", false, &engine, NULL));
    assert_int_equal(sync_watch_count(from, sync_watch_now(), "", "/blobs/p/q"), 1);
    assert_int_equal(sync_watch_count(from, sync_watch_now(), "", "/blobs/p/z"), 1);
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs/p") >= 1);
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs") >= 1);
}

static void test_engine_syncs__a_removed_blob_stays_removed(void **state) {
    (void)state;
    assert_ok(stele_engine_put(engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    assert_ok(stele_engine_put(engine, "p/y", stele_view_str("bytes"), NULL, NULL));
    uint64_t from = sync_watch_now();
    assert_ok(engine->ops->blob_expire(engine, "p/x", 0, NULL));
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs/p") >= 1);
    from = sync_watch_now();
    assert_ok(engine->ops->blob_expire(engine, "p/y", 0, NULL)); /* takes the folder with it */
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/blobs") >= 1);
}

static void test_engine_syncs__a_fact_and_a_lock_are_synced(void **state) {
    (void)state;
    const struct stele_lock lock = {7, 1};
    assert_true(sync_watch_fact(engine, "fact"));
    assert_ok(stele_engine_put(engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    uint64_t from = sync_watch_now();
    assert_ok(engine->ops->blob_relock(engine, "p/x", &lock, NULL));
    assert_true(sync_watch_count(from, sync_watch_now(), "/db/", ".log") >= 1);
}

static void test_engine_syncs__the_view_waits_for_no_disk(void **state) {
    (void)state;
    const struct stele_view_kv kv = {stele_view_str("k"), stele_view_str("v")};
    uint64_t from = sync_watch_now();
    assert_ok(engine->ops->view_apply(engine, "log", &kv, 1, NULL));
    assert_int_equal(sync_watch_now(), from);
}

static void test_engine_syncs__a_new_store_is_on_disk_when_it_is_open(void **state) {
    (void)state;
    uint64_t to = sync_watch_now();
    uint64_t region = sync_watch_find(0, to, SYNC_RENAME, folder, "/REGION");
    assert_true(region != UINT64_MAX);
    assert_true(sync_watch_find(0, region, 0, folder, "REGION.tmp") != UINT64_MAX);
    assert_true(sync_watch_count(0, region, folder, ".log") >=
                1); /* the region's name in the database */
    assert_true(sync_watch_count(region, to, "", folder) >= 1);
}

static void test_keyring_syncs__a_key_is_on_disk_before_it_is_used(void **state) {
    (void)state;
    struct stele_keyring *ring = NULL;
    struct stele_signer *signer = NULL;
    const struct stele_tag_key *key = NULL;
    uint8_t secret[32];
    static const char *const files[] = {"/log.signing", "/log.7.tag", "/cursor.secret"};
    const char *keys = temp_path(folder, "keys");
    assert_ok(stele_keyring_open(keys, true, &ring, NULL));
    for (size_t i = 0; i < 3; i++) {
        uint64_t from = sync_watch_now();
        switch (i) {
        case 0:
            assert_ok(stele_keyring_signer(ring, "log", true, &signer, NULL));
            break;
        case 1:
            assert_ok(stele_keyring_tag_key(ring, "log", 7, true, &key, NULL));
            break;
        default:
            assert_ok(stele_keyring_secret(ring, "cursor", secret, NULL));
        }
        uint64_t to = sync_watch_now();
        uint64_t named = sync_watch_find(from, to, SYNC_RENAME, "", files[i]);
        assert_true(named != UINT64_MAX);
        assert_true(sync_watch_count(from, named, files[i], ".tmp") >= 1);
        assert_true(sync_watch_count(named, to, "", "/keys") >= 1);
    }
    stele_signer_free(signer);
    stele_keyring_close(ring);
}

/* Whoever named a key may have been killed before the folder's sync: what is signed or tagged with
 * it must not outlive it. */
static void test_keyring_syncs__a_start_syncs_the_keys_it_finds(void **state) {
    (void)state;
    struct stele_keyring *ring = NULL;
    const struct stele_tag_key *key = NULL;
    const char *keys = temp_path(folder, "keys");
    assert_ok(stele_keyring_open(keys, true, &ring, NULL));
    assert_ok(stele_keyring_tag_key(ring, "log", 7, true, &key, NULL));
    stele_keyring_close(ring);
    uint64_t from = sync_watch_now();
    assert_ok(stele_keyring_open(keys, false, &ring, NULL));
    assert_true(sync_watch_count(from, sync_watch_now(), "", "/keys") >= 1);
    stele_keyring_close(ring);
}

/* ---- failing syncs ---- */

static void fail_syncs(const char *path, uint64_t at, uint64_t n) {
    struct sync_log *log = sync_count_log();
    (void)snprintf(log->fail_path, sizeof log->fail_path, "%s", path);
    atomic_store(&log->n_syncs, 0);
    log->fail_errno = EIO;
    log->fail_n = n;
    log->fail_at = at;
}

#define FAILING_APPENDS 12

/* Appends through one failing sync of the WAL; returns whether it was met. */
static bool append_through_failure(uint64_t fail_at, uint64_t fail_n) {
    stele_err err = {.status = STELE_OK};
    stele_buf text = STELE_BUF_EMPTY;
    char expected[512] = "";
    bool met = false;
    uint64_t next = 0;
    uint64_t epoch = claim("log", &next);
    fail_syncs(".log", fail_at, fail_n);
    for (int i = 0; i < FAILING_APPENDS; i++) {
        stele_status st = engine_append(engine, "log", epoch, next, stele_view_str("r"), &err);
        if (st == STELE_OK) {
            char one[32];
            (void)snprintf(one, sizeof one, "%llu:r;", (unsigned long long)next++);
            strncat(expected, one, sizeof expected - strlen(expected) - 1);
            continue;
        }
        met = true;
        assert_int_equal(st, STELE_IO);
        assert_int_equal(err.os_errno, EIO);
        /* Never written on top of: not this log, not the facts. */
        assert_status(engine_append(engine, "log", epoch, next, stele_view_str("again"), NULL),
                      CLOSED);
        assert_status(engine->ops->meta_put(engine, "fact", stele_view_str("v"), NULL), CLOSED);
        uint64_t acknowledged = next;
        while (engine->ops->claim(engine, "log", &next, &epoch, &err) != STELE_OK) {
            assert_int_not_equal(err.status,
                                 STELE_CORRUPT); /* it tries to open with syncs failing still */
        }
        assert_true(next == acknowledged || next == acknowledged + 1);
        if (next > acknowledged) {
            char one[32];
            (void)snprintf(one, sizeof one, "%llu:r;", (unsigned long long)acknowledged);
            strncat(expected, one, sizeof expected - strlen(expected) - 1);
        }
    }
    fail_syncs("", 0, 0);
    assert_ok(engine_read_text(engine, "log", 0, &text, NULL, NULL));
    assert_string_equal((const char *)text.data, expected);
    stele_buf_done(&text);
    return met;
}

static void test_engine_syncs__a_failed_sync_at_any_append_loses_nothing(void **state) {
    (void)state;
    for (uint64_t at = 1; at <= FAILING_APPENDS; at++) {
        for (uint64_t n = 1; n <= 3; n += 2) {
            assert_true(append_through_failure(at, n));
            uint64_t next = 0;
            (void)claim("log", &next);
            assert_ok(engine->ops->trim(engine, "log", next, NULL));
            (void)tear_down(NULL);
            assert_int_equal(set_up(NULL), 0);
        }
    }
}

/* What failed may have landed: another log's claim reads the store back, and only the log's own
 * says where its chain ends. */
static void test_engine_syncs__another_logs_claim_opens_no_chain(void **state) {
    (void)state;
    uint64_t next = 0;
    uint64_t other = 0;
    uint64_t epoch = claim("log", &next);
    fail_syncs(".log", 1, 1);
    assert_status(engine_append(engine, "log", epoch, next, stele_view_str("r"), NULL), IO);
    fail_syncs("", 0, 0);
    uint64_t other_epoch = claim("other", &other);
    assert_status(engine_append(engine, "log", epoch, next, stele_view_str("r"), NULL), CLOSED);
    assert_status(engine->ops->trim(engine, "log", next, NULL), CLOSED);
    assert_ok(engine_append(engine, "other", other_epoch, other, stele_view_str("r"), NULL));
    epoch = claim("log", &next);
    assert_ok(engine_append(engine, "log", epoch, next, stele_view_str("r"), NULL));
}

static void test_engine_syncs__a_failed_blob_sync_leaves_no_blob(void **state) {
    (void)state;
    /* The nth sync of such a path: of the file, of its folder, of the folder above. */
    static const struct {
        const char *path;
        uint64_t nth;
    } syncs[] = {{".tmp", 1}, {"/blobs/p", 2}, {"/blobs", 3}};
    stele_err err = {.status = STELE_OK};
    uint64_t size = 0;
    for (size_t i = 0; i < 3; i++) {
        for (int again = 0; again < 2; again++) {
            fail_syncs(syncs[i].path, syncs[i].nth, 1);
            assert_status(stele_engine_put(engine, "p/x", stele_view_str("bytes"), NULL, &err), IO);
            assert_int_equal(err.os_errno, EIO);
            assert_non_null(strstr(err.text, "p/x"));
            fail_syncs("", 0, 0);
            assert_status(engine->ops->blob_size(engine, "p/x", &size, NULL), NOT_FOUND);
        }
    }
    stele_buf keys = STELE_BUF_EMPTY;
    assert_true(sync_watch_put(engine, "p/x", "bytes", NULL));
    assert_ok(engine_list_text(engine, "", &keys, NULL));
    assert_string_equal((const char *)keys.data, "p/x;");
    stele_buf_done(&keys);
}

static void test_keyring_syncs__a_failed_sync_makes_no_key(void **state) {
    (void)state;
    struct stele_keyring *ring = NULL;
    const struct stele_tag_key *key = NULL;
    struct stele_signer *signer = NULL;
    assert_ok(stele_keyring_open(temp_path(folder, "keys"), true, &ring, NULL));
    /* The file's own sync, then its folder's; a signing key's folder is synced for both its names.
     */
    for (uint64_t nth = 1; nth <= 3; nth++) {
        if (nth <= 2) {
            fail_syncs("/keys", nth, 1);
            assert_status(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL), IO);
        }
        fail_syncs("/keys", nth, 1);
        assert_status(stele_keyring_signer(ring, "log", true, &signer, NULL), IO);
        fail_syncs("", 0, 0);
        assert_status(stele_keyring_tag_key(ring, "log", 1, false, &key, NULL), NOT_FOUND);
        assert_status(stele_keyring_signer(ring, "log", false, &signer, NULL), NOT_FOUND);
    }
    assert_ok(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL));
    stele_keyring_close(ring);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_engine_syncs__a_new_store_is_on_disk_when_it_is_open),
        TEST(test_engine_syncs__an_append_is_synced_before_it_is_acknowledged),
        TEST(test_engine_syncs__a_blob_is_synced_then_named_then_its_folders_are_synced),
        TEST(test_engine_syncs__the_same_blob_again_makes_the_first_durable),
        TEST(test_engine_syncs__a_start_syncs_the_folders_of_blobs_it_finds),
        TEST(test_engine_syncs__a_removed_blob_stays_removed),
        TEST(test_engine_syncs__a_fact_and_a_lock_are_synced),
        TEST(test_engine_syncs__the_view_waits_for_no_disk),
        TEST(test_keyring_syncs__a_key_is_on_disk_before_it_is_used),
        TEST(test_keyring_syncs__a_start_syncs_the_keys_it_finds),
        TEST(test_engine_syncs__a_failed_sync_at_any_append_loses_nothing),
        TEST(test_engine_syncs__another_logs_claim_opens_no_chain),
        TEST(test_engine_syncs__a_failed_blob_sync_leaves_no_blob),
        TEST(test_keyring_syncs__a_failed_sync_makes_no_key),
    };
    return cmocka_run_group_tests_name("engine_syncs", tests, NULL, NULL);
}
