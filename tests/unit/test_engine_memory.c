/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_engine_memory.c: the engine in memory and the failing one keep an engine's
 * promises. */
#include "tests/support/engine_behaviour.h"
#include "tests/support/engine_fault.h"
#include "tests/support/engine_memory.h"

static void make_memory(struct engine_subject *s) {
    assert_ok(engine_memory_new(&s->engine, NULL));
}

static void restart_memory(struct engine_subject *s) {
    engine_memory_restart(s->engine, false);
}

static void close_engine(struct engine_subject *s) {
    s->engine->ops->close(s->engine);
}

static void make_fault(struct engine_subject *s) {
    struct stele_engine *inner = NULL;
    assert_ok(engine_memory_new(&inner, NULL));
    assert_ok(engine_fault_new(inner, &s->engine, NULL));
}

static void restart_fault(struct engine_subject *s) {
    engine_memory_restart(engine_fault_inner(s->engine), false);
}

static stele_status pass(void *ctx, stele_view key, stele_view value, stele_err *err) {
    (void)ctx;
    (void)key;
    (void)value;
    (void)err;
    return STELE_OK;
}

/* One call of every kind; returns how many did not go well, and what the last of them said. */
static int use_everything(struct stele_engine *e, stele_err *err) {
    const struct stele_engine_ops *ops = e->ops;
    const struct stele_lock lock = {5, 0};
    const struct stele_view_kv kv = {stele_view_str("k"), stele_view_str("v")};
    stele_buf out = STELE_BUF_EMPTY;
    uint64_t next = 0;
    uint64_t epoch = 0;
    uint64_t size = 0;
    int failures = 0;
    failures += ops->claim(e, "log", &next, &epoch, err) != STELE_OK;
    failures += engine_append(e, "log", epoch, next, stele_view_str("record"), err) != STELE_OK;
    failures += engine_read_text(e, "log", 0, &out, NULL, err) != STELE_OK;
    failures += ops->trim(e, "log", 0, err) != STELE_OK;
    failures += stele_engine_put(e, "p/x", stele_view_str("bytes"), NULL, err) != STELE_OK;
    failures += ops->blob_get(e, "p/x", 0, 9, &out, err) != STELE_OK;
    failures += ops->blob_size(e, "p/x", &size, err) != STELE_OK;
    failures += engine_list_text(e, "p", &out, err) != STELE_OK;
    failures += ops->blob_relock(e, "p/x", &lock, err) != STELE_OK;
    failures += ops->blob_expire(e, "p/x", 5, err) != STELE_OK;
    failures += ops->view_apply(e, "log", &kv, 1, err) != STELE_OK;
    failures += ops->view_scan(e, "log", kv.key, stele_view_str(""), pass, NULL, err) != STELE_OK;
    failures += ops->meta_put(e, "fact", stele_view_str("v"), err) != STELE_OK;
    failures += ops->meta_get(e, "fact", &out, err) != STELE_OK;
    stele_buf_done(&out);
    return failures;
}

static void test_engine_fault__each_operation_fails_at_its_nth_call(void **state) {
    (void)state;
    for (int op = ENGINE_FAULT_ANY; op < ENGINE_FAULT_OPS; op++) {
        struct engine_subject s = {.engine = NULL};
        make_fault(&s);
        assert_int_equal(use_everything(s.engine, NULL), 0);
        uint64_t calls = engine_fault_calls(s.engine, (engine_fault_op)op);
        assert_true(calls >= 1);
        for (uint64_t nth = 1; nth <= calls; nth++) {
            stele_err err = {.status = STELE_OK};
            const struct engine_fault fault = {(engine_fault_op)op, nth, 0, STELE_NO_SPACE, false};
            engine_fault_set(s.engine, &fault);
            assert_true(use_everything(s.engine, &err) > 0);
            assert_true(engine_fault_struck(s.engine));
            engine_fault_set(s.engine, NULL);
            (void)use_everything(s.engine, NULL); /* clears what the failure left */
            assert_int_equal(use_everything(s.engine, NULL), 0);
        }
        close_engine(&s);
    }
}

static void test_engine_fault__a_failed_append_closes_the_chain_until_it_is_claimed(void **state) {
    (void)state;
    for (int took_effect = 0; took_effect < 2; took_effect++) {
        struct engine_subject s = {.engine = NULL};
        const struct engine_fault fault = {ENGINE_FAULT_APPEND, 2, 0, STELE_IO, took_effect == 1};
        uint64_t next = 0;
        uint64_t epoch = 0;
        make_fault(&s);
        engine_fault_set(s.engine, &fault);
        assert_ok(s.engine->ops->claim(s.engine, "log", &next, &epoch, NULL));
        assert_ok(engine_append(s.engine, "log", epoch, 0, stele_view_str("zero"), NULL));
        assert_status(engine_append(s.engine, "log", epoch, 1, stele_view_str("one"), NULL), IO);
        assert_status(engine_append(s.engine, "log", epoch, 1, stele_view_str("one"), NULL),
                      CLOSED);
        assert_status(engine_append(s.engine, "log", epoch, 2, stele_view_str("two"), NULL),
                      CLOSED);
        assert_ok(s.engine->ops->claim(s.engine, "log", &next, &epoch, NULL));
        assert_int_equal(next, took_effect == 1 ? 2 : 1);
        assert_ok(engine_append(s.engine, "log", epoch, next, stele_view_str("next"), NULL));
        close_engine(&s);
    }
}

static void test_engine_memory__a_test_can_lose_the_view_and_the_end_of_a_chain(void **state) {
    (void)state;
    struct engine_subject s = {.engine = NULL};
    const struct stele_view_kv kv = {stele_view_str("k"), stele_view_str("v")};
    stele_buf text = STELE_BUF_EMPTY;
    uint64_t next = 0;
    uint64_t epoch = 0;
    make_memory(&s);
    assert_ok(s.engine->ops->claim(s.engine, "log", &next, &epoch, NULL));
    assert_ok(engine_append(s.engine, "log", epoch, 0, stele_view_str("zero"), NULL));
    assert_ok(engine_append(s.engine, "log", epoch, 1, stele_view_str("one"), NULL));
    assert_ok(s.engine->ops->view_apply(s.engine, "log", &kv, 1, NULL));
    engine_memory_cut_chain(s.engine, "log", 1);
    engine_memory_restart(s.engine, true);
    assert_ok(engine_read_text(s.engine, "log", 0, &text, NULL, NULL));
    assert_string_equal((const char *)text.data, "0:zero;");
    assert_ok(s.engine->ops->claim(s.engine, "log", &next, &epoch, NULL));
    assert_int_equal(next, 1);
    assert_ok(stele_engine_put(s.engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    engine_memory_blob(s.engine, "p/x")->data[0] = 'B';
    stele_buf_clear(&text);
    assert_ok(s.engine->ops->blob_get(s.engine, "p/x", 0, 9, &text, NULL));
    assert_true(stele_view_is(stele_view_buf(&text), "Bytes"));
    assert_null(engine_memory_blob(s.engine, "p/y"));
    stele_buf_done(&text);
    close_engine(&s);
}

int main(void) {
    const struct engine_subject memory = {NULL, make_memory, restart_memory, close_engine, ""};
    const struct engine_subject fault = {NULL, make_fault, restart_fault, close_engine, ""};
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_engine_fault__each_operation_fails_at_its_nth_call),
        cmocka_unit_test(test_engine_fault__a_failed_append_closes_the_chain_until_it_is_claimed),
        cmocka_unit_test(test_engine_memory__a_test_can_lose_the_view_and_the_end_of_a_chain),
    };
    int failures = engine_behaviour_run("engine_memory", &memory, NULL, 0);
    return failures + engine_behaviour_run("engine_fault", &fault, own, sizeof own / sizeof own[0]);
}
