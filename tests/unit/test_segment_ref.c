/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_segment_ref.c: a segment and its seal as one: in blobs and in memory the same
 * bytes, opened together, removed together.
 */
#include "storage/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/engine_memory.h"
#include "tests/support/memory_segment.h"
#include "tests/support/rng.h"
#include "tests/support/seal_model.h"

#define KEY "3y/i/00000000000000000256-00000000000000000512"
#define SEAL "3y/s/00000000000000000256-00000000000000000512"
#define N 2000u

static struct stele_posting posting[2 * N]; /* and as many again to sort */

static void draw(struct rng *rng) {
    for (size_t i = 0; i < N; i++) {
        memset(posting[i].tag, 0, sizeof posting[i].tag);
        posting[i].tag[0] = (uint8_t)rng_below(rng, 200);
        posting[i].tag[1] = (uint8_t)(i % 8); /* an entry has a tag once */
        posting[i].offset = (uint32_t)(i / 8);
    }
}

static void store_segment(struct stele_engine *engine, const struct stele_segment_ref *memory) {
    assert_ok(stele_engine_put(engine, KEY, stele_view_buf(&memory->segment_bytes), NULL, NULL));
}

static void test_segment_ref__in_blobs_it_is_what_it_is_in_memory(void **state) {
    struct rng rng = rng_start("segment ref");
    struct stele_segment_info info = test_segment_info(256, 512);
    struct stele_engine *engine = NULL;
    struct stele_segment_ref *memory = NULL;
    struct stele_segment_ref *stored = NULL;
    uint64_t count = 0;
    (void)state;
    draw(&rng);
    assert_ok(engine_memory_new(&engine, NULL));
    assert_ok(stele_segment_ref_build(&info, posting, N, model_leaves(), &memory, NULL));
    assert_status(stele_segment_ref_open(engine, KEY, &stored, NULL), NOT_FOUND);
    store_segment(engine, memory);
    assert_status(stele_segment_ref_open(engine, KEY, &stored, NULL),
                  NOT_FOUND); /* it has no seal */
    assert_ok(stele_segment_ref_seal(engine, KEY, NULL, 0, model_leaves(), NULL));
    assert_ok(stele_segment_ref_seal(engine, KEY, NULL, 0, model_leaves(),
                                     NULL)); /* the same bytes again */
    assert_true(stele_view_equal(stele_view_buf(engine_memory_blob(engine, SEAL)),
                                 stele_view_buf(&memory->seal_bytes)));
    assert_ok(stele_segment_ref_open(engine, KEY, &stored, NULL));
    assert_memory_equal(stele_seal_descriptor(stored->seal), stele_seal_descriptor(memory->seal),
                        sizeof(struct stele_descriptor));
    assert_int_equal(stele_seal_descriptor(memory->seal)->info.n_postings, N);
    assert_ok(stele_segment_count(memory->segment, posting[0].tag, &count, NULL));
    assert_true(count > 0);
    stele_segment_ref_unref(stored);
    assert_non_null(engine_memory_blob(engine, SEAL));
    stele_segment_ref_unref(memory);
    engine->ops->close(engine);
}

static void test_segment_ref__what_is_superseded_goes_with_its_seal(void **state) {
    struct rng rng = rng_start("segment ref");
    struct stele_segment_info info = test_segment_info(256, 512);
    struct stele_engine *engine = NULL;
    struct stele_segment_ref *memory = NULL;
    struct stele_segment_ref *stored = NULL;
    (void)state;
    draw(&rng);
    assert_ok(engine_memory_new(&engine, NULL));
    assert_ok(stele_segment_ref_build(&info, posting, N, model_leaves(), &memory, NULL));
    store_segment(engine, memory);
    assert_ok(stele_segment_ref_seal(engine, KEY, NULL, 0, model_leaves(), NULL));
    assert_ok(stele_segment_ref_open(engine, KEY, &stored, NULL));
    atomic_fetch_add(&stored->refs, 1); /* as a view or a manifest holds it */
    atomic_store(&stored->superseded, true);
    stele_segment_ref_unref(stored);
    assert_non_null(engine_memory_blob(engine, KEY));
    stele_segment_ref_unref(stored);
    assert_null(engine_memory_blob(engine, KEY));
    assert_null(engine_memory_blob(engine, SEAL));
    atomic_store(&memory->superseded, true); /* has no blobs */
    stele_segment_ref_unref(memory);
    engine->ops->close(engine);
}

static void test_segment_ref__no_postings_are_a_segment_too(void **state) {
    struct stele_segment_info info = test_segment_info(256, 257);
    struct stele_segment_ref *memory = NULL;
    uint8_t tag[STELE_TAG_BYTES] = {7};
    uint64_t rank = 9;
    bool present = true;
    (void)state;
    assert_ok(stele_segment_ref_build(&info, posting, 0, model_leaves(), &memory, NULL));
    assert_ok(stele_seal_find(memory->seal, tag, &rank, &present, NULL));
    assert_true(rank == 0 && !present);
    stele_segment_ref_unref(memory);
}

/* A damaged seal is no other answer, and no reason to lose the segment. */
static void test_segment_ref__a_damaged_seal_is_refused(void **state) {
    struct rng rng = rng_start("segment ref");
    struct stele_segment_info info = test_segment_info(256, 512);
    struct stele_engine *engine = NULL;
    struct stele_segment_ref *memory = NULL;
    struct stele_segment_ref *stored = NULL;
    (void)state;
    draw(&rng);
    assert_ok(engine_memory_new(&engine, NULL));
    assert_ok(stele_segment_ref_build(&info, posting, N, model_leaves(), &memory, NULL));
    store_segment(engine, memory);
    assert_ok(stele_segment_ref_seal(engine, KEY, NULL, 0, model_leaves(), NULL));
    stele_buf *seal = engine_memory_blob(engine, SEAL);
    seal->data[seal->size - 1] ^= 1;
    assert_status(stele_segment_ref_open(engine, KEY, &stored, NULL), CORRUPT);
    assert_ok(stele_segment_ref_open_bare(engine, KEY, &stored, NULL));
    stele_segment_ref_unref(stored);
    stele_segment_ref_unref(memory);
    engine->ops->close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment_ref__in_blobs_it_is_what_it_is_in_memory),
        cmocka_unit_test(test_segment_ref__what_is_superseded_goes_with_its_seal),
        cmocka_unit_test(test_segment_ref__no_postings_are_a_segment_too),
        cmocka_unit_test(test_segment_ref__a_damaged_seal_is_refused),
    };
    return cmocka_run_group_tests_name("segment_ref", tests, NULL, NULL);
}
