/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/engine_behaviour_blobs.c: the promises of an engine about blobs, the view and
 * facts. */
#include "tests/support/engine_behaviour.h"

#include <stdio.h>
#include <string.h>

static void put(struct stele_engine *e, const char *key, const char *text) {
    assert_ok(stele_engine_put(e, key, stele_view_str(text), NULL, NULL));
}

static void assert_blob(struct stele_engine *e, const char *key, const char *expected) {
    stele_buf body = STELE_BUF_EMPTY;
    uint64_t size = UINT64_MAX;
    assert_ok(e->ops->blob_get(e, key, 0, SIZE_MAX, &body, NULL));
    assert_true(stele_view_is(stele_view_buf(&body), expected));
    assert_ok(e->ops->blob_size(e, key, &size, NULL));
    assert_int_equal(size, strlen(expected));
    stele_buf_done(&body);
}

static void assert_no_blob(struct stele_engine *e, const char *key) {
    stele_buf body = STELE_BUF_EMPTY;
    uint64_t size = 42;
    assert_status(e->ops->blob_get(e, key, 0, 10, &body, NULL), NOT_FOUND);
    assert_status(e->ops->blob_size(e, key, &size, NULL), NOT_FOUND);
    assert_int_equal(size, 42);
    assert_int_equal(body.size, 0);
    stele_buf_done(&body);
}

static void assert_keys(struct stele_engine *e, const char *prefix, const char *expected) {
    stele_buf text = STELE_BUF_EMPTY;
    assert_ok(engine_list_text(e, prefix, &text, NULL));
    assert_string_equal((const char *)text.data, expected);
    stele_buf_done(&text);
}

/* ---- blobs ---- */

static void any_range_of_a_blob_can_be_read(struct engine_subject *s) {
    stele_buf out = STELE_BUF_EMPTY;
    struct stele_engine *e = s->engine;
    put(e, "p/x", "0123456789");
    put(e, "p/empty", "");
    assert_ok(e->ops->blob_get(e, "p/x", 3, 4, &out, NULL));
    assert_ok(e->ops->blob_get(e, "p/x", 8, 4, &out, NULL));
    assert_ok(e->ops->blob_get(e, "p/x", 10, 4, &out, NULL));
    assert_ok(e->ops->blob_get(e, "p/x", UINT64_MAX, 4, &out, NULL));
    assert_ok(e->ops->blob_get(e, "p/x", 0, 0, &out, NULL));
    assert_ok(e->ops->blob_get(e, "p/empty", 0, 9, &out, NULL));
    assert_true(stele_view_is(stele_view_buf(&out), "345689")); /* appended each time */
    s->restart(s);
    assert_blob(s->engine, "p/x", "0123456789");
    assert_blob(s->engine, "p/empty", "");
    stele_buf_done(&out);
}

static void a_blob_of_many_writes_is_whole(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    struct stele_blob_writer *w = NULL;
    stele_buf expected = STELE_BUF_EMPTY;
    stele_buf found = STELE_BUF_EMPTY;
    assert_ok(e->ops->blob_begin(e, "big", &w, NULL));
    for (size_t i = 0; i < 700; i++) {
        size_t before = expected.size;
        for (size_t j = 0; j < i * 13 % 9000; j++) {
            uint8_t byte = (uint8_t)(i + j * 7);
            assert_ok(stele_buf_append(&expected, stele_view_of(&byte, 1), NULL));
        }
        stele_view part =
            stele_view_slice(stele_view_buf(&expected), before, expected.size - before);
        assert_ok(e->ops->blob_write(w, part, NULL));
    }
    assert_ok(
        e->ops->blob_write(w, stele_view_buf(&expected), NULL)); /* one larger than any buffer */
    assert_ok(stele_buf_reserve(&expected, expected.size, NULL));
    memcpy(expected.data + expected.size, expected.data, expected.size);
    expected.size *= 2;
    assert_ok(e->ops->blob_commit(w, NULL, NULL));
    assert_ok(e->ops->blob_get(e, "big", 0, SIZE_MAX, &found, NULL));
    assert_true(stele_view_equal(stele_view_buf(&found), stele_view_buf(&expected)));
    stele_buf_done(&expected);
    stele_buf_done(&found);
}

static void a_blob_is_not_there_before_its_commit(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    struct stele_blob_writer *w = NULL;
    struct stele_blob_writer *other = NULL;
    assert_ok(e->ops->blob_begin(e, "p/x", &w, NULL));
    assert_ok(
        e->ops->blob_begin(e, "p/x", &other, NULL)); /* two at a time: the first to commit has it */
    assert_ok(e->ops->blob_write(w, stele_view_str("mine"), NULL));
    assert_ok(e->ops->blob_write(other, stele_view_str("other"), NULL));
    assert_no_blob(e, "p/x");
    assert_keys(e, "", "");
    assert_ok(e->ops->blob_commit(w, NULL, NULL));
    assert_status(e->ops->blob_commit(other, NULL, NULL), EXISTS);
    assert_blob(e, "p/x", "mine");
    assert_ok(e->ops->blob_begin(e, "p/y", &w, NULL));
    assert_ok(e->ops->blob_write(w, stele_view_str("gone"), NULL));
    e->ops->blob_abort(w);
    assert_no_blob(e, "p/y");
    s->restart(s);
    assert_keys(s->engine, "", "p/x;");
}

static void the_same_bytes_again_are_fine_and_others_are_not(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    put(e, "p/x", "bytes");
    put(e, "p/x", "bytes");
    assert_status(stele_engine_put(e, "p/x", stele_view_str("bytez"), NULL, NULL), EXISTS);
    assert_status(stele_engine_put(e, "p/x", stele_view_str("byte"), NULL, NULL), EXISTS);
    assert_status(stele_engine_put(e, "p/x", stele_view_str(""), NULL, NULL), EXISTS);
    s->restart(s);
    assert_status(stele_engine_put(s->engine, "p/x", stele_view_str("bytes2"), NULL, NULL), EXISTS);
    assert_blob(s->engine, "p/x", "bytes");
}

static void blob_keys_are_checked(struct engine_subject *s) {
    static const char *const bad[] = {"",     "/",  "/a",   "a/", "a//b", ".",   "..",  "a/../b",
                                      "a..b", ".a", "a/.b", "A",  "a b",  "a_b", "a\n", "\xc3\xa9"};
    struct stele_engine *e = s->engine;
    char longest[STELE_BLOB_KEY_MAX + 2];
    uint64_t size = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(stele_engine_put(e, bad[i], stele_view_str("x"), NULL, NULL), INVALID);
        assert_status(e->ops->blob_size(e, bad[i], &size, NULL), INVALID);
        assert_status(e->ops->blob_expire(e, bad[i], 0, NULL), INVALID);
    }
    memset(longest, 'k', sizeof longest);
    longest[STELE_BLOB_KEY_MAX + 1] = '\0';
    assert_status(stele_engine_put(e, longest, stele_view_str("x"), NULL, NULL), INVALID);
    longest[STELE_BLOB_KEY_MAX] = '\0';
    put(e, longest, "x");
    assert_blob(e, longest, "x");
}

static void a_key_is_no_folder_of_another(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    put(e, "p/x", "blob");
    assert_status(stele_engine_put(e, "p/x/y", stele_view_str("below"), NULL, NULL), INVALID);
    assert_status(stele_engine_put(e, "p", stele_view_str("above"), NULL, NULL), INVALID);
    assert_no_blob(e, "p/x/y");
    assert_no_blob(e, "p");
    assert_status(e->ops->blob_expire(e, "p", 0, NULL), NOT_FOUND);
    assert_keys(e, "", "p/x;");
}

static void keys_are_listed_bytewise(struct engine_subject *s) {
    static const char *const keys[] = {"a/c",  "b",     "a-b",    "a.b", "ab",
                                       "a0/z", "a/b/9", "a/b/10", "0"};
    struct stele_engine *e = s->engine;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        put(e, keys[i], keys[i]);
    }
    assert_keys(e, "", "0;a-b;a.b;a/b/10;a/b/9;a/c;a0/z;ab;b;");
    assert_keys(e, "a", "a-b;a.b;a/b/10;a/b/9;a/c;a0/z;ab;");
    assert_keys(e, "a/", "a/b/10;a/b/9;a/c;");
    assert_keys(e, "a/b", "a/b/10;a/b/9;");
    assert_keys(e, "a/b/9", "a/b/9;");
    assert_keys(e, "a/b/90", "");
    assert_keys(e, "zz", "");
}

/* ---- locks ---- */

static void relock(struct stele_engine *e, const char *key, uint64_t until, int hold) {
    const struct stele_lock lock = {until, hold};
    assert_ok(e->ops->blob_relock(e, key, &lock, NULL));
}

static void assert_locked(struct stele_engine *e, const char *key, uint64_t now_us) {
    assert_status(e->ops->blob_expire(e, key, now_us, NULL), DENIED);
    assert_blob(e, key, "bytes");
}

static void a_locked_blob_stays_until_its_time(struct engine_subject *s) {
    const struct stele_lock lock = {1000, 0};
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), &lock, NULL));
    assert_locked(s->engine, "p/x", 0);
    assert_locked(s->engine, "p/x", 999);
    s->restart(s);
    assert_locked(s->engine, "p/x", 999);
    assert_ok(s->engine->ops->blob_expire(s->engine, "p/x", 1000, NULL));
    assert_no_blob(s->engine, "p/x");
    assert_keys(s->engine, "", "");
    assert_status(s->engine->ops->blob_expire(s->engine, "p/x", 1000, NULL), NOT_FOUND);
    put(s->engine, "p/x", "other bytes"); /* the lock went with the blob */
    assert_ok(s->engine->ops->blob_expire(s->engine, "p/x", 0, NULL));
}

static void a_lock_only_gets_longer(struct engine_subject *s) {
    const struct stele_lock lock = {1000, 0};
    const struct stele_lock shorter = {999, -1};
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), &lock, NULL));
    assert_status(s->engine->ops->blob_relock(s->engine, "p/x", &shorter, NULL), DENIED);
    relock(s->engine, "p/x", 1000, -1);
    relock(s->engine, "p/x", 2000, -1);
    assert_locked(s->engine, "p/x", 1999);
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), &lock, NULL));
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    s->restart(s);
    assert_locked(s->engine, "p/x", 1999);
    assert_status(s->engine->ops->blob_relock(s->engine, "p/none", &lock, NULL), NOT_FOUND);
    assert_ok(s->engine->ops->blob_expire(s->engine, "p/x", 2000, NULL));
}

static void a_held_blob_stays_whatever_the_time(struct engine_subject *s) {
    const struct stele_lock held = {0, 1};
    const struct stele_lock released = {0, 0};
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), &held, NULL));
    assert_locked(s->engine, "p/x", UINT64_MAX);
    relock(s->engine, "p/x", 500, -1);
    assert_locked(s->engine, "p/x", UINT64_MAX);
    /* Put again as before: that must not let go of a hold. */
    assert_ok(stele_engine_put(s->engine, "p/x", stele_view_str("bytes"), &released, NULL));
    s->restart(s);
    assert_locked(s->engine, "p/x", UINT64_MAX);
    relock(s->engine, "p/x", 0, 0); /* the hold goes, the date stays */
    assert_locked(s->engine, "p/x", 499);
    assert_ok(s->engine->ops->blob_expire(s->engine, "p/x", 500, NULL));
}

static void a_refused_put_changes_no_lock(struct engine_subject *s) {
    const struct stele_lock forever = {UINT64_MAX, 1};
    put(s->engine, "p/x", "bytes");
    assert_status(stele_engine_put(s->engine, "p/x", stele_view_str("other"), &forever, NULL),
                  EXISTS);
    assert_ok(s->engine->ops->blob_expire(s->engine, "p/x", 0, NULL));
}

/* ---- the view and facts ---- */

static stele_status add_pair(void *ctx, stele_view key, stele_view value, stele_err *err) {
    return stele_buf_printf(ctx, err, "%.*s=%.*s;", (int)key.size, (const char *)key.data,
                            (int)value.size, (const char *)value.data);
}

static void assert_view(struct stele_engine *e, const char *log, const char *from, const char *to,
                        const char *expected) {
    stele_buf text = STELE_BUF_EMPTY;
    assert_ok(
        e->ops->view_scan(e, log, stele_view_str(from), stele_view_str(to), add_pair, &text, NULL));
    assert_ok(stele_buf_append(&text, stele_view_of("", 1), NULL));
    assert_string_equal((const char *)text.data, expected);
    stele_buf_done(&text);
}

static struct stele_view_kv kv(const char *key, const char *value) {
    return (struct stele_view_kv){stele_view_str(key),
                                  value == NULL ? stele_view_of(NULL, 0) : stele_view_str(value)};
}

static void the_view_is_an_ordered_map_a_log(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    const struct stele_view_kv first[] = {kv("c", "3"), kv("a", "1"), kv("b", ""), kv("d", "4")};
    const struct stele_view_kv second[] = {kv("a", "1b"), kv("c", NULL), kv("nothing", NULL),
                                           kv("e", "5"), kv("e", "6")};
    const struct stele_view_kv other[] = {kv("a", "other")};
    assert_ok(e->ops->view_apply(e, "log", first, 4, NULL));
    assert_ok(e->ops->view_apply(e, "log-2", other, 1, NULL));
    assert_ok(e->ops->view_apply(e, "log", NULL, 0, NULL));
    assert_view(e, "log", "", "", "a=1;b=;c=3;d=4;");
    assert_ok(e->ops->view_apply(e, "log", second, 5, NULL));
    assert_view(e, "log", "", "", "a=1b;b=;d=4;e=6;");
    assert_view(e, "log", "b", "e", "b=;d=4;");
    assert_view(e, "log", "b0", "", "d=4;e=6;");
    assert_view(e, "log", "e", "b", "");
    assert_view(e, "log-2", "", "", "a=other;");
    assert_view(e, "lo", "", "", "");
}

static stele_status stop(void *ctx, stele_view key, stele_view value, stele_err *err) {
    (void)key;
    (void)value;
    ++*(int *)ctx;
    return STELE_FAIL(err, LIMIT, "enough");
}

static void a_scan_can_stop(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    const struct stele_view_kv pairs[] = {kv("a", "1"), kv("b", "2")};
    int calls = 0;
    assert_ok(e->ops->view_apply(e, "log", pairs, 2, NULL));
    assert_status(
        e->ops->view_scan(e, "log", stele_view_str(""), stele_view_str(""), stop, &calls, NULL),
        LIMIT);
    assert_int_equal(calls, 1);
}

struct nested {
    struct stele_engine *engine;
    stele_buf fact;
};

static stele_status read_inside(void *ctx, stele_view key, stele_view value, stele_err *err) {
    struct nested *n = ctx;
    uint64_t size = 0;
    (void)key;
    (void)value;
    stele_status st = n->engine->ops->meta_get(n->engine, "name", &n->fact, err);
    return st == STELE_OK ? n->engine->ops->blob_size(n->engine, "p/x", &size, err) : st;
}

static void a_scan_may_read_other_things(struct engine_subject *s) {
    struct stele_engine *e = s->engine;
    const struct stele_view_kv pairs[] = {kv("a", "1"), kv("b", "2")};
    struct nested n = {e, STELE_BUF_EMPTY};
    put(e, "p/x", "bytes");
    assert_ok(e->ops->meta_put(e, "name", stele_view_str("v"), NULL));
    assert_ok(e->ops->view_apply(e, "log", pairs, 2, NULL));
    assert_ok(
        e->ops->view_scan(e, "log", stele_view_str(""), stele_view_str(""), read_inside, &n, NULL));
    assert_true(stele_view_is(stele_view_buf(&n.fact), "vv"));
    stele_buf_done(&n.fact);
}

static void facts_are_kept_by_name(struct engine_subject *s) {
    static const char *const names[] = {"lock/p/x", "chain/a", "region", "format", "fact/lock/p/x"};
    struct stele_engine *e = s->engine;
    const struct stele_lock lock = {1000, 1};
    stele_buf found = STELE_BUF_EMPTY;
    char too_long[STELE_BLOB_KEY_MAX + 2];
    uint64_t next = 0;
    uint64_t epoch = 0;
    assert_ok(stele_engine_put(e, "p/x", stele_view_str("bytes"), &lock, NULL));
    assert_ok(e->ops->claim(e, "a", &next, &epoch, NULL));
    for (size_t i = 0; i < 5; i++) {
        assert_status(e->ops->meta_get(e, names[i], &found, NULL), NOT_FOUND);
        assert_ok(e->ops->meta_put(e, names[i], stele_view_str("x"), NULL));
        assert_ok(e->ops->meta_put(e, names[i], stele_view_str(names[i]), NULL));
    }
    s->restart(s);
    e = s->engine;
    for (size_t i = 0; i < 5; i++) {
        stele_buf_clear(&found);
        assert_ok(e->ops->meta_get(e, names[i], &found, NULL));
        assert_true(stele_view_is(stele_view_buf(&found), names[i]));
    }
    assert_locked(e, "p/x", UINT64_MAX); /* the engine's own facts are others */
    assert_ok(e->ops->claim(e, "a", &next, &epoch, NULL));
    assert_int_equal(epoch, 2);
    memset(too_long, 'n', sizeof too_long);
    too_long[STELE_BLOB_KEY_MAX + 1] = '\0';
    assert_status(e->ops->meta_put(e, too_long, stele_view_str("x"), NULL), INVALID);
    assert_status(e->ops->meta_put(e, "", stele_view_str("x"), NULL), INVALID);
    stele_buf_done(&found);
}

#define BEHAVIOUR(name)                                                                            \
    { #name, name }
const struct engine_behaviour engine_behaviours_of_blobs[] = {
    BEHAVIOUR(any_range_of_a_blob_can_be_read),
    BEHAVIOUR(a_blob_of_many_writes_is_whole),
    BEHAVIOUR(a_blob_is_not_there_before_its_commit),
    BEHAVIOUR(the_same_bytes_again_are_fine_and_others_are_not),
    BEHAVIOUR(blob_keys_are_checked),
    BEHAVIOUR(a_key_is_no_folder_of_another),
    BEHAVIOUR(keys_are_listed_bytewise),
    BEHAVIOUR(a_locked_blob_stays_until_its_time),
    BEHAVIOUR(a_lock_only_gets_longer),
    BEHAVIOUR(a_held_blob_stays_whatever_the_time),
    BEHAVIOUR(a_refused_put_changes_no_lock),
    BEHAVIOUR(the_view_is_an_ordered_map_a_log),
    BEHAVIOUR(a_scan_can_stop),
    BEHAVIOUR(a_scan_may_read_other_things),
    BEHAVIOUR(facts_are_kept_by_name),
};
const size_t engine_behaviours_of_blobs_n =
    sizeof engine_behaviours_of_blobs / sizeof engine_behaviours_of_blobs[0];
