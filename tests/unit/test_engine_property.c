/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_engine_property.c: the embedded engine against the one in memory: any sequence of
 * calls has the same outcome on both, restarts in between.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/engine_behaviour.h"
#include "tests/support/engine_memory.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"

#define STEPS 3000
#define LOGS 3
#define KEYS 12

/* Two engines, and what the caller of each was last told. */
struct pair {
    struct stele_engine *e[2]; /* embedded, memory */
    char folder[TEMP_FOLDER_BYTES];
    uint64_t epoch[LOGS], next[LOGS];
};

static const char *const logs[LOGS] = {"a", "a-1", "b"};
static const char *const keys[KEYS] = {"p/a", "p/a-b", "p/a/c", "p/b/0", "p/b/1", "p.x",
                                       "p-x", "q",     "q/r",   "p/a0",  "0/0",   "p/b"};

static void assert_same(const char *what, stele_status embedded, stele_status memory) {
    if (embedded != memory) {
        fail_msg("%s: %s, in memory %s", what, stele_status_name(embedded),
                 stele_status_name(memory));
    }
}

static void assert_same_bytes(const char *what, stele_buf *out) {
    if (!stele_view_equal(stele_view_buf(&out[0]), stele_view_buf(&out[1]))) {
        fail_msg("%s: '%.*s', in memory '%.*s'", what, (int)out[0].size, (const char *)out[0].data,
                 (int)out[1].size, (const char *)out[1].data);
    }
    stele_buf_done(&out[0]);
    stele_buf_done(&out[1]);
}

/* A few bytes, few enough of them to come again. */
static stele_view some_bytes(struct rng *rng, char out[STELE_AT_LEAST(32)]) {
    size_t size = (size_t)rng_below(rng, 4);
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)('a' + rng_below(rng, 3));
    }
    return stele_view_of(out, size);
}

static void step_chain(struct pair *p, struct rng *rng) {
    size_t log = (size_t)rng_below(rng, LOGS);
    uint64_t next[2] = {0, 0};
    uint64_t epoch[2] = {0, 0};
    uint64_t pos = p->next[log] + (rng_below(rng, 12) == 0);
    uint64_t floor = rng_below(rng, p->next[log] + 3);
    uint64_t old = p->epoch[log] - (rng_below(rng, 12) == 0);
    char text[32];
    stele_view record = some_bytes(rng, text);
    stele_status st[2];
    unsigned kind = (unsigned)rng_below(rng, 10);
    for (int i = 0; i < 2; i++) {
        const struct stele_engine_ops *ops = p->e[i]->ops;
        st[i] = kind == 0   ? ops->claim(p->e[i], logs[log], &next[i], &epoch[i], NULL)
                : kind == 1 ? ops->trim(p->e[i], logs[log], floor, NULL)
                            : engine_append(p->e[i], logs[log], old, pos, record, NULL);
    }
    assert_same(kind == 0 ? "claim" : (kind == 1 ? "trim" : "append"), st[0], st[1]);
    assert_true(next[0] == next[1] && epoch[0] == epoch[1]);
    if (st[0] == STELE_OK && kind == 0) {
        p->next[log] = next[0];
        p->epoch[log] = epoch[0];
    }
    p->next[log] += st[0] == STELE_OK && kind >= 2;
}

static void step_read(struct pair *p, struct rng *rng) {
    const char *log = logs[rng_below(rng, LOGS)];
    uint64_t from = rng_below(rng, 30);
    uint64_t first[2] = {0, 0};
    stele_buf out[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_status st[2];
    for (int i = 0; i < 2; i++) {
        st[i] = engine_read_text(p->e[i], log, from, &out[i], &first[i], NULL);
    }
    assert_same("read", st[0], st[1]);
    assert_true(first[0] == first[1]);
    assert_same_bytes("read", out);
}

static void step_blob_write(struct pair *p, struct rng *rng) {
    const char *key = keys[rng_below(rng, KEYS)];
    const struct stele_lock lock = {rng_below(rng, 50), (int)rng_below(rng, 3) - 1};
    const struct stele_lock *given = rng_below(rng, 2) == 0 ? &lock : NULL;
    uint64_t now = rng_below(rng, 100);
    char text[32];
    stele_view body = some_bytes(rng, text);
    stele_status st[2];
    unsigned kind = (unsigned)rng_below(rng, 5);
    for (int i = 0; i < 2; i++) {
        const struct stele_engine_ops *ops = p->e[i]->ops;
        st[i] = kind == 0   ? ops->blob_relock(p->e[i], key, &lock, NULL)
                : kind <= 2 ? ops->blob_expire(p->e[i], key, now, NULL)
                            : stele_engine_put(p->e[i], key, body, given, NULL);
    }
    assert_same(kind == 0 ? "relock" : (kind <= 2 ? "expire" : "put"), st[0], st[1]);
}

static void step_blob_read(struct pair *p, struct rng *rng) {
    static const char *const prefixes[] = {"", "p", "p/", "p/a", "p/a/", "q", "z", "p/b/1", "p-"};
    const char *key = keys[rng_below(rng, KEYS)];
    const char *prefix = prefixes[rng_below(rng, 9)];
    uint64_t offset = rng_below(rng, 5);
    size_t size = (size_t)rng_below(rng, 5);
    uint64_t bytes[2] = {0, 0};
    stele_buf out[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_buf list[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_status st[2];
    for (int i = 0; i < 2; i++) {
        st[i] = p->e[i]->ops->blob_get(p->e[i], key, offset, size, &out[i], NULL);
        if (st[i] == STELE_OK) {
            st[i] = p->e[i]->ops->blob_size(p->e[i], key, &bytes[i], NULL);
        }
        assert_ok(engine_list_text(p->e[i], prefix, &list[i], NULL));
    }
    assert_same("get", st[0], st[1]);
    assert_true(bytes[0] == bytes[1]);
    assert_same_bytes("get", out);
    assert_same_bytes("list", list);
}

static stele_status add_pair(void *ctx, stele_view key, stele_view value, stele_err *err) {
    return stele_buf_printf(ctx, err, "%.*s=%.*s;", (int)key.size, (const char *)key.data,
                            (int)value.size, (const char *)value.data);
}

static void step_view(struct pair *p, struct rng *rng) {
    const char *log = logs[rng_below(rng, LOGS)];
    char text[8][32];
    struct stele_view_kv kv[4];
    size_t n = (size_t)rng_below(rng, 5);
    stele_buf out[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_status st[2];
    for (size_t i = 0; i < n; i++) {
        kv[i].key = some_bytes(rng, text[2 * i]);
        kv[i].value = some_bytes(rng, text[2 * i + 1]);
        kv[i].value.data = rng_below(rng, 3) == 0 ? NULL : kv[i].value.data;
        kv[i].value.size = kv[i].value.data == NULL ? 0 : kv[i].value.size;
    }
    stele_view from = some_bytes(rng, text[6]);
    stele_view to = some_bytes(rng, text[7]);
    for (int i = 0; i < 2; i++) {
        assert_ok(p->e[i]->ops->view_apply(p->e[i], log, kv, n, NULL));
        st[i] = p->e[i]->ops->view_scan(p->e[i], log, from, to, add_pair, &out[i], NULL);
    }
    assert_same("scan", st[0], st[1]);
    assert_same_bytes("scan", out);
}

static void step_fact(struct pair *p, struct rng *rng) {
    const char *name = keys[rng_below(rng, KEYS)];
    bool write = rng_below(rng, 2) == 0;
    char text[32];
    stele_view value = some_bytes(rng, text);
    stele_buf out[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_status st[2];
    for (int i = 0; i < 2; i++) {
        st[i] = write ? p->e[i]->ops->meta_put(p->e[i], name, value, NULL)
                      : p->e[i]->ops->meta_get(p->e[i], name, &out[i], NULL);
    }
    assert_same("fact", st[0], st[1]);
    assert_same_bytes("fact", out);
}

static void restart(struct pair *p) {
    p->e[0]->ops->close(p->e[0]);
    assert_ok(stele_engine_rocks_open(p->folder, "eu", false, &p->e[0], NULL));
    engine_memory_restart(p->e[1], false);
}

static void test_engine_property__both_engines_agree(void **state) {
    (void)state;
    struct rng rng = rng_start("engine_property");
    struct pair p = {.epoch = {0}};
    temp_folder_make(p.folder);
    assert_ok(stele_engine_rocks_open(p.folder, "eu", true, &p.e[0], NULL));
    assert_ok(engine_memory_new(&p.e[1], NULL));
    for (int i = 0; i < STEPS; i++) {
        switch (rng_below(&rng, 12)) {
        case 0:
        case 1:
        case 2:
            step_chain(&p, &rng);
            break;
        case 3:
        case 4:
            step_read(&p, &rng);
            break;
        case 5:
        case 6:
            step_blob_write(&p, &rng);
            break;
        case 7:
        case 8:
            step_blob_read(&p, &rng);
            break;
        case 9:
            step_view(&p, &rng);
            break;
        case 10:
            step_fact(&p, &rng);
            break;
        default:
            if (rng_below(&rng, 15) == 0) {
                restart(&p);
            }
        }
    }
    p.e[0]->ops->close(p.e[0]);
    p.e[1]->ops->close(p.e[1]);
    temp_folder_remove(p.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_property__both_engines_agree),
    };
    return cmocka_run_group_tests_name("engine_property", tests, NULL, NULL);
}
