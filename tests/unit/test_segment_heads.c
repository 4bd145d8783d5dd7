/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_segment_heads.c: which sources of a merge stand on the least tag, beside a look
 * at each of them: with tags that begin alike, tags of ones only, which look like an end, and
 * sources that have ended.
 */
#include <string.h>

#include "storage/segment_format.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define TURNS 4000u

static struct rng first_seed;

static void draw_tag(struct rng *rng, uint8_t tag[STELE_AT_LEAST(16)]) {
    memset(tag, 0xff, STELE_TAG_BYTES);
    switch (rng_below(rng, 4)) {
    case 0: /* as an end looks */
        break;
    case 1: /* apart only behind the bits that the tree has */
        tag[7] = (uint8_t)(0xc0 | rng_below(rng, 64));
        break;
    case 2:
        tag[STELE_TAG_BYTES - 1] = (uint8_t)rng_below(rng, 3);
        break;
    default:
        tag[0] = (uint8_t)rng_below(rng, 4);
    }
}

static uint64_t expected(uint8_t (*tag)[STELE_TAG_BYTES], const bool *ended, size_t n) {
    const uint8_t *least = NULL;
    uint64_t on_it = 0;
    for (size_t i = 0; i < n; i++) {
        if (!ended[i] && (least == NULL || memcmp(tag[i], least, STELE_TAG_BYTES) < 0)) {
            least = tag[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        on_it |= !ended[i] && memcmp(tag[i], least, STELE_TAG_BYTES) == 0 ? UINT64_C(1) << i : 0;
    }
    return on_it;
}

static void check(struct rng *rng, size_t n) {
    struct stele_segment__heads heads;
    uint8_t tag[STELE_SEGMENT_FANIN_MAX][STELE_TAG_BYTES];
    bool ended[STELE_SEGMENT_FANIN_MAX];
    stele_segment__heads_init(&heads, n);
    memset(ended, true, sizeof ended);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        assert_true(stele_segment__heads_least(&heads) == expected(tag, ended, n));
        size_t i = (size_t)rng_below(rng, n);
        ended[i] = rng_below(rng, 1 + turn / (TURNS / 4)) > 0; /* more and more of them */
        draw_tag(rng, tag[i]);
        stele_segment__heads_set(&heads, i, ended[i] ? NULL : tag[i]);
    }
}

static void test_segment_heads__are_those_on_the_least_tag(void **state) {
    static const size_t sources[] = {1, 2, 3, 16, 33, STELE_SEGMENT_FANIN_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct rng rng = {first_seed.state + i};
        check(&rng, sources[i]);
    }
}

int main(void) {
    first_seed = rng_start("segment_heads");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment_heads__are_those_on_the_least_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
