/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_golden_segment.c: the writer against segment.hex, which
 * tests/golden/v1/segment.py made. */
#include "storage/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"

#define GOLDEN STELE_SOURCE_DIR "/tests/golden/v1/segment.hex"
#define LARGE_POSTINGS 43000u

static char line[2][4096];

static void hash_of(const char *text, uint8_t out[STELE_AT_LEAST(32)]) {
    stele_sha256_of(stele_view_str(text), out);
}

static void golden_tag(unsigned i, uint8_t out[STELE_AT_LEAST(16)]) {
    char text[64];
    uint8_t hash[STELE_HASH_BYTES];
    (void)snprintf(text, sizeof text, "stele golden segment tag %u", i);
    hash_of(text, hash);
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
    hash_of("stele golden segment tag key", info.tag_key_commit);
    return info;
}

static void add(struct stele_posting *p, size_t *n, unsigned i, uint32_t offset) {
    golden_tag(i, p[*n].tag);
    p[(*n)++].offset = offset;
}

static void test_segment__small_one_has_the_golden_bytes(void **unused) {
    (void)unused;
    static struct stele_posting p[64], scratch[64];
    static const uint32_t few[] = {5, 133, 134, 400};
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
    stele_postings_sort(p, n, scratch);
    struct stele_segment_info info = golden_info(1000, 2000);
    info.late_first = UINT64_MAX;
    stele_buf bytes = STELE_BUF_EMPTY;
    static uint8_t golden[sizeof line[0] / 2];
    size_t size = strlen(line[0]) / 2;
    assert_ok(stele_hex_decode(stele_view_str(line[0]), golden, size, NULL));
    assert_ok(test_segment_write(&info, p, n, &bytes, NULL));
    assert_true(stele_view_equal(stele_view_buf(&bytes), stele_view_of(golden, size)));
    stele_buf_done(&bytes);
}

/* Its offsets do not fit a stele_posting, so it is written posting by posting. */
static void test_segment__large_one_has_the_golden_hash(void **unused) {
    (void)unused;
    struct stele_posting *p = calloc(LARGE_POSTINGS, sizeof *p);
    struct stele_posting *scratch = calloc(LARGE_POSTINGS, sizeof *p);
    size_t n = 0;
    assert_true(p != NULL && scratch != NULL);
    for (uint32_t i = 0; i < 40000; i++) {
        add(p, &n, 0, i);
    }
    for (unsigned i = 0; i < 3000; i++) {
        add(p, &n, 100 + i, i + 40000);
    }
    stele_postings_sort(p, n, scratch);
    struct stele_segment_info info = golden_info(7, 7 + (UINT64_C(1) << 33));
    info.late_first = 5;
    info.late_last = 9;
    struct stele_segment_writer *w = NULL;
    stele_buf bytes = STELE_BUF_EMPTY;
    assert_ok(stele_segment_writer_new(&info, memory_write, &bytes, &w, NULL));
    for (size_t i = 0; i < n; i++) {
        uint64_t drawn = p[i].offset;
        uint64_t offset = drawn < 40000 ? drawn * 211 : (drawn - 40000) * 1000003;
        assert_ok(stele_segment_writer_add(w, p[i].tag, 7 + offset, NULL));
    }
    assert_ok(stele_segment_writer_end(w, NULL));
    stele_segment_writer_free(w);
    uint8_t hash[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    stele_sha256_of(stele_view_buf(&bytes), hash);
    stele_hex_encode(stele_view_of(hash, sizeof hash), hex);
    assert_string_equal(hex, line[1]);
    stele_buf_done(&bytes);
    free(scratch);
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
        cmocka_unit_test(test_segment__small_one_has_the_golden_bytes),
        cmocka_unit_test(test_segment__large_one_has_the_golden_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
