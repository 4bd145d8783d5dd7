/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_keyring.c: keys are made once, kept for their owner alone, and the same ever
 * after. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/keyring.h"
#include "tests/support/cmocka.h"
#include "tests/support/temp_folder.h"

static char folder[TEMP_FOLDER_BYTES];
static struct stele_keyring *ring;

static int set_up(void **state) {
    (void)state;
    temp_folder_make(folder);
    return stele_keyring_open(temp_path(folder, "keys"), true, &ring, NULL) == STELE_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    stele_keyring_close(ring);
    temp_folder_remove(folder);
    return 0;
}

static void reopen(void) {
    stele_keyring_close(ring);
    ring = NULL;
    assert_ok(stele_keyring_open(temp_path(folder, "keys"), false, &ring, NULL));
}

static const char *key_path(const char *name) {
    return temp_path(temp_path(folder, "keys"), name);
}

static void public_key(const char *log, bool create, uint8_t ret[STELE_AT_LEAST(32)]) {
    struct stele_signer *signer = NULL;
    assert_ok(stele_keyring_signer(ring, log, create, &signer, NULL));
    signer->ops->public_key(signer, ret);
    stele_signer_free(signer);
}

static void write_key(const char *name, const char *text, mode_t mode) {
    int fd = open(key_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void test_keyring__keys_stay_the_same(void **state) {
    (void)state;
    const struct stele_tag_key *key = NULL;
    const struct stele_tag_key *again = NULL;
    uint8_t commit[STELE_HASH_BYTES];
    uint8_t public_first[32];
    uint8_t public_again[32];
    uint8_t secret_first[32];
    uint8_t secret_again[32];
    public_key("log", true, public_first);
    assert_ok(stele_keyring_tag_key(ring, "log", 7, true, &key, NULL));
    assert_ok(stele_keyring_tag_key(ring, "log", 7, false, &again, NULL));
    assert_ptr_equal(key, again); /* cached */
    memcpy(commit, key->commit, sizeof commit);
    assert_ok(stele_keyring_secret(ring, "cursor", secret_first, NULL));
    reopen();
    public_key("log", true, public_again);
    assert_ok(stele_keyring_tag_key(ring, "log", 7, true, &again, NULL));
    assert_ok(stele_keyring_secret(ring, "cursor", secret_again, NULL));
    assert_memory_equal(public_first, public_again, 32);
    assert_memory_equal(commit, again->commit, sizeof commit);
    assert_memory_equal(secret_first, secret_again, 32);
}

static void test_keyring__every_log_era_and_name_has_its_own(void **state) {
    (void)state;
    static const char *const logs[] = {"a", "b", "a-1"};
    uint8_t seen[24][32];
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        public_key(logs[i], true, seen[n++]);
        assert_ok(stele_keyring_secret(ring, logs[i], seen[n++], NULL));
        for (uint32_t era = 0; era < 4; era++) {
            const struct stele_tag_key *key = NULL;
            assert_ok(stele_keyring_tag_key(ring, logs[i], era == 3 ? UINT32_MAX : era, true, &key,
                                            NULL));
            memcpy(seen[n++], key->commit, 32);
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(seen[i], seen[j], 32);
        }
    }
}

static void test_keyring__the_file_is_what_the_key_is_made_of(void **state) {
    (void)state;
    const struct stele_tag_key *key = NULL;
    struct stele_tag_key expected;
    uint8_t bytes[32];
    memset(bytes, 0xab, sizeof bytes);
    write_key("log.3.tag", "abababababababababababababababababababababababababababababababab\n",
              0600);
    assert_ok(stele_keyring_tag_key(ring, "log", 3, false, &key, NULL));
    stele_tag_key_init(&expected, bytes);
    assert_memory_equal(key->commit, expected.commit, sizeof expected.commit);
}

static void test_keyring__nothing_is_made_unasked(void **state) {
    (void)state;
    struct stele_signer *signer = NULL;
    const struct stele_tag_key *key = NULL;
    struct stele_keyring *other = NULL;
    struct stat info;
    assert_status(stele_keyring_signer(ring, "log", false, &signer, NULL), NOT_FOUND);
    assert_status(stele_keyring_tag_key(ring, "log", 1, false, &key, NULL), NOT_FOUND);
    assert_status(stele_keyring_open(temp_path(folder, "none"), false, &other, NULL), NOT_FOUND);
    assert_null(signer);
    assert_null(key);
    assert_int_equal(stat(key_path("log.signing"), &info), -1);
    assert_int_equal(stat(key_path("log.1.tag"), &info), -1);
}

static void test_keyring__others_can_read_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"", "log.signing", "log.1.tag", "cursor.secret"};
    const struct stele_tag_key *key = NULL;
    uint8_t bytes[32];
    struct stat info;
    mode_t before = umask(0);
    public_key("log", true, bytes);
    assert_ok(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL));
    assert_ok(stele_keyring_secret(ring, "cursor", bytes, NULL));
    (void)umask(before);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(stat(key_path(names[i]), &info), 0);
        assert_int_equal(info.st_mode & 0777, i == 0 ? 0700 : 0600);
    }
}

static void test_keyring__what_others_can_read_is_refused(void **state) {
    (void)state;
    static const mode_t lax[] = {0640, 0604, 0620, 0601, 0666};
    static const char hex[] = "abababababababababababababababababababababababababababababababab\n";
    struct stele_keyring *other = NULL;
    struct stele_signer *signer = NULL;
    const struct stele_tag_key *key = NULL;
    uint8_t bytes[32] = {0};
    stele_err err = {.status = STELE_OK};
    for (size_t i = 0; i < 5; i++) {
        write_key("log.1.tag", hex, lax[i]);
        write_key("log.signing", hex, lax[i]);
        write_key("cursor.secret", hex, lax[i]);
        assert_status(stele_keyring_tag_key(ring, "log", 1, true, &key, &err), DENIED);
        assert_non_null(strstr(err.text, "chmod"));
        assert_null(strstr(err.text, "abab")); /* nothing of a secret stands in a message */
        assert_status(stele_keyring_signer(ring, "log", true, &signer, &err), DENIED);
        assert_null(strstr(err.text, "abab"));
        assert_status(stele_keyring_secret(ring, "cursor", bytes, &err), DENIED);
        assert_null(strstr(err.text, "abab"));
        assert_int_equal(bytes[0], 0);
    }
    assert_int_equal(chmod(key_path(""), 0750), 0);
    assert_status(stele_keyring_open(temp_path(folder, "keys"), false, &other, &err), DENIED);
    assert_int_equal(chmod(key_path(""), 0700), 0);
}

static void test_keyring__a_broken_file_is_refused_and_kept(void **state) {
    (void)state;
    static const char *const broken[] = {
        "",
        "\n",
        "abababababababababababababababababababababababababababababababab",
        "ababababababababababababababababababababababababababababababab\n",
        "abababababababababababababababababababababababababababababababab\n\n",
        "abababababababababababababababababababababababababababababababzz\n",
    };
    stele_err err = {.status = STELE_OK};
    const struct stele_tag_key *key = NULL;
    struct stat info;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        write_key("log.1.tag", broken[i], 0600);
        assert_status(stele_keyring_tag_key(ring, "log", 1, true, &key, &err), CORRUPT);
        assert_null(strstr(err.text, "abab"));
        assert_int_equal(stat(key_path("log.1.tag"), &info), 0);
        assert_int_equal(info.st_size, strlen(broken[i])); /* never replaced */
    }
    assert_int_equal(remove(key_path("log.1.tag")), 0);
    assert_int_equal(mkfifo(key_path("log.1.tag"), 0600), 0);
    assert_int_not_equal(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL),
                         STELE_OK); /* does not hang */
    assert_int_equal(remove(key_path("log.1.tag")), 0);
    assert_int_equal(symlink("/etc/hostname", key_path("log.1.tag")), 0);
    assert_int_not_equal(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL), STELE_OK);
    assert_null(key);
}

static void test_keyring__an_interrupted_making_is_made_again(void **state) {
    (void)state;
    const struct stele_tag_key *key = NULL;
    uint8_t bytes[32];
    write_key("log.1.tag.tmp", "half a ke", 0600);
    write_key("log.signing.tmp", "half a ke", 0600);
    assert_ok(stele_keyring_tag_key(ring, "log", 1, true, &key, NULL));
    public_key("log", true, bytes);
    reopen();
    public_key("log", false, bytes);
}

static void test_keyring__names_are_checked(void **state) {
    (void)state;
    static const char *const bad[] = {"", "../x", "a/b", "A", ".", "-a", "a.b"};
    struct stele_signer *signer = NULL;
    const struct stele_tag_key *key = NULL;
    uint8_t bytes[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(stele_keyring_signer(ring, bad[i], true, &signer, NULL), INVALID);
        assert_status(stele_keyring_tag_key(ring, bad[i], 1, true, &key, NULL), INVALID);
        assert_status(stele_keyring_secret(ring, bad[i], bytes, NULL), INVALID);
    }
}

static void test_keyring__borrowed_keys_stay_where_they_are(void **state) {
    (void)state;
    const struct stele_tag_key *key[200];
    uint8_t commit[200][32];
    for (uint32_t era = 0; era < 200; era++) {
        assert_ok(stele_keyring_tag_key(ring, "log", era, true, &key[era], NULL));
        memcpy(commit[era], key[era]->commit, 32);
    }
    for (uint32_t era = 0; era < 200; era++) {
        const struct stele_tag_key *again = NULL;
        assert_ok(stele_keyring_tag_key(ring, "log", era, false, &again, NULL));
        assert_ptr_equal(again, key[era]);
        assert_memory_equal(again->commit, commit[era], 32);
    }
}

struct asker {
    const struct stele_tag_key *key[20];
    uint8_t secret[32];
    bool fine;
};

static void *ask(void *arg) {
    struct asker *a = arg;
    a->fine = stele_keyring_secret(ring, "cursor", a->secret, NULL) == STELE_OK;
    for (uint32_t era = 0; a->fine && era < 20; era++) {
        a->fine = stele_keyring_tag_key(ring, "log", era, true, &a->key[era], NULL) == STELE_OK;
    }
    return NULL;
}

static void test_keyring__threads_get_the_same_keys(void **state) {
    (void)state;
    pthread_t thread[4];
    struct asker asker[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, ask, &asker[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(asker[i].fine);
        assert_memory_equal(asker[i].secret, asker[0].secret, 32);
        assert_memory_equal(asker[i].key, asker[0].key, sizeof asker[0].key);
    }
}

static void test_keyring__processes_get_the_same_keys(void **state) {
    (void)state;
    int pipes[2];
    pid_t child[4];
    uint8_t first[64];
    assert_int_equal(pipe(pipes), 0);
    for (size_t i = 0; i < 4; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            struct stele_keyring *own = NULL;
            struct stele_signer *signer = NULL;
            uint8_t out[64];
            bool fine =
                stele_keyring_open(temp_path(folder, "keys"), true, &own, NULL) == STELE_OK &&
                stele_keyring_secret(own, "cursor", out, NULL) == STELE_OK &&
                stele_keyring_signer(own, "log", true, &signer, NULL) == STELE_OK;
            if (fine) {
                signer->ops->public_key(signer, out + 32);
            }
            _exit(fine && write(pipes[1], out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        uint8_t out[64];
        int status = 1;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
        assert_int_equal(read(pipes[0], out, sizeof out), sizeof out);
        memcpy(first, i == 0 ? out : first, sizeof first);
        assert_memory_equal(out, first, sizeof out);
    }
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

static void test_keyring__random_bytes_differ(void **state) {
    (void)state;
    uint8_t a[64] = {0};
    uint8_t b[64] = {0};
    stele_random(a, sizeof a);
    stele_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    stele_random(a, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_keyring__keys_stay_the_same),
        TEST(test_keyring__every_log_era_and_name_has_its_own),
        TEST(test_keyring__the_file_is_what_the_key_is_made_of),
        TEST(test_keyring__nothing_is_made_unasked),
        TEST(test_keyring__others_can_read_nothing),
        TEST(test_keyring__what_others_can_read_is_refused),
        TEST(test_keyring__a_broken_file_is_refused_and_kept),
        TEST(test_keyring__an_interrupted_making_is_made_again),
        TEST(test_keyring__names_are_checked),
        TEST(test_keyring__borrowed_keys_stay_where_they_are),
        TEST(test_keyring__threads_get_the_same_keys),
        TEST(test_keyring__processes_get_the_same_keys),
        TEST(test_keyring__random_bytes_differ),
    };
    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
