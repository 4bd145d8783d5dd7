/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_golden_seal.c: the writer against seal.hex, which tests/golden/v1/seal.py made.
 */
#include "storage/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"
#include "tests/support/seal_model.h"

#define GOLDEN STELE_SOURCE_DIR "/tests/golden/v1/seal.hex"
#define LARGE_KEYS 34000u
#define LARGE_POSTINGS (40000u + 2 * LARGE_KEYS)

static char line[2][4096];

static void golden_tag(unsigned i, uint8_t out[STELE_AT_LEAST(16)]) {
    char text[64];
    uint8_t hash[STELE_HASH_BYTES];
    (void)snprintf(text, sizeof text, "stele golden segment tag %u", i);
    stele_sha256_of(stele_view_str(text), hash);
    memcpy(out, hash, STELE_TAG_BYTES);
}

static struct stele_segment_info golden_info(uint64_t lo, uint64_t hi) {
    struct stele_segment_info info = {.era = 660,
                                      .map_version = 1,
                                      .tag_alg = 1,
                                      .lo = lo,
                                      .hi = hi,
                                      .t_first = UINT64_C(1700000000000000),
                                      .t_last = UINT64_C(1700000000999000)};
    stele_sha256_of(stele_view_str("stele golden segment tag key"), info.tag_key_commit);
    return info;
}

static void add(struct stele_posting *p, size_t *n, unsigned i, uint32_t offset) {
    golden_tag(i, p[*n].tag);
    p[(*n)++].offset = offset;
}

/* The seal of postings in any order, which are sorted. */
static void seal_of(const struct stele_segment_info *info, struct stele_posting *p, size_t n,
                    stele_buf *out) {
    struct stele_posting *scratch = calloc(n, sizeof *scratch);
    struct stele_segment *segment = NULL;
    struct stele_descriptor descriptor;
    stele_buf bytes = STELE_BUF_EMPTY;
    assert_non_null(scratch);
    stele_postings_sort(p, n, scratch);
    assert_ok(test_segment_write(info, p, n, &bytes, NULL));
    assert_ok(stele_segment_open(memory_read_at, &bytes, bytes.size, &segment, NULL));
    assert_ok(stele_seal_build(segment, model_leaves(), memory_write, out, &descriptor, NULL));
    stele_segment_close(segment);
    stele_buf_done(&bytes);
    free(scratch);
}

static void test_seal__small_one_has_the_golden_bytes(void **unused) {
    (void)unused;
    static struct stele_posting p[64];
    static const uint32_t few[] = {5, 133, 134, 400};
    static uint8_t golden[sizeof line[0] / 2];
    size_t n = 0;
    add(p, &n, 0, 0);
    add(p, &n, 0, 1);
    p[1].tag[15] ^= 1;
    for (uint32_t i = 0; i < 16; i++) {
        add(p, &n, 1, i);
    }
    add(p, &n, 2, 999);
    for (size_t i = 0; i < 4; i++) {
        add(p, &n, 3, few[i]);
    }
    for (unsigned i = 4; i < 10; i++) {
        add(p, &n, i, i * 7);
    }
    struct stele_segment_info info = golden_info(1000, 2000);
    info.late_first = UINT64_MAX;
    stele_buf bytes = STELE_BUF_EMPTY;
    size_t size = strlen(line[0]) / 2;
    assert_ok(stele_hex_decode(stele_view_str(line[0]), golden, size, NULL));
    seal_of(&info, p, n, &bytes);
    assert_true(stele_view_equal(stele_view_buf(&bytes), stele_view_of(golden, size)));
    stele_buf_done(&bytes);
}

static void test_seal__large_one_has_the_golden_hash(void **unused) {
    (void)unused;
    struct stele_posting *p = calloc(LARGE_POSTINGS, sizeof *p);
    size_t n = 0;
    assert_non_null(p);
    for (uint32_t i = 0; i < 40000; i++) {
        add(p, &n, 0, i * 211);
    }
    for (unsigned i = 0; i < LARGE_KEYS; i++) {
        add(p, &n, 100 + i, i * 3);
        if (i % 3 == 0) {
            add(p, &n, 100 + i, i * 3 + 100 + i % 7);
        }
    }
    struct stele_segment_info info = golden_info(7, 7 + (UINT64_C(1) << 33));
    info.late_first = 5;
    info.late_last = 9;
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t hash[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    seal_of(&info, p, n, &bytes);
    stele_sha256_of(stele_view_buf(&bytes), hash);
    stele_hex_encode(stele_view_of(hash, sizeof hash), hex);
    assert_string_equal(hex, line[1]);
    stele_buf_done(&bytes);
    free(p);
}

int main(void) {
    FILE *file = fopen(GOLDEN, "r");
    if (file == NULL || fscanf(file, "%4095s %4095s", line[0], line[1]) != 2) {
        (void)fprintf(stderr, "%s: cannot be read\n", GOLDEN);
        return 1;
    }
    (void)fclose(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal__small_one_has_the_golden_bytes),
        cmocka_unit_test(test_seal__large_one_has_the_golden_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
