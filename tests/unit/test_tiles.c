/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/tiles.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static void test_tiles__the_longest_path_fits(void **state) {
    (void)state;
    struct stele_tile tile = {.entries = true, .level = 0, .index = UINT64_MAX, .width = 255};
    struct stele_tile back;
    char path[STELE_TILE_PATH_BYTES];
    assert_ok(stele_tile_path(&tile, path, NULL));
    assert_string_equal(path, "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255");
    assert_ok(stele_tile_parse(stele_view_str(path), &back, NULL));
    assert_true(back.index == UINT64_MAX && back.width == 255 && back.entries);
    assert_status(
        stele_tile_parse(stele_view_str("tile/0/x018/x446/x744/x073/x709/x551/616"), &back, NULL),
        INVALID);
}

static void test_tiles__tiles_that_do_not_exist_have_no_path(void **state) {
    (void)state;
    static const struct stele_tile bad[] = {
        {false, 64, 0, 0}, {false, 0, 0, 256}, {true, 1, 0, 0}, {false, 255, 0, 65535}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[STELE_TILE_PATH_BYTES] = "kept";
        assert_status(stele_tile_path(&bad[i], path, NULL), INVALID);
        assert_string_equal(path, "kept");
    }
}

static void test_tiles__paths_with_a_nul_are_refused(void **state) {
    (void)state;
    struct stele_tile tile;
    assert_ok(stele_tile_parse(stele_view_of("tile/0/000", 10), &tile, NULL));
    assert_status(stele_tile_parse(stele_view_of("tile/0/000\0", 11), &tile, NULL), INVALID);
    assert_status(stele_tile_parse(stele_view_of(NULL, 0), &tile, NULL), INVALID);
}

static void test_tiles__paths_go_there_and_back(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    for (size_t i = 0; i < 20000; i++) {
        struct stele_tile tile = {
            .entries = rng_below(&rng, 2) == 0,
            .index = rng_next(&rng) >> rng_below(&rng, 64),
            .width = (uint16_t)(rng_below(&rng, 2) == 0 ? 0 : rng_below(&rng, 256)),
        };
        struct stele_tile back;
        char path[STELE_TILE_PATH_BYTES];
        tile.level = tile.entries ? 0 : (uint8_t)rng_below(&rng, 64);
        assert_ok(stele_tile_path(&tile, path, NULL));
        assert_ok(stele_tile_parse(stele_view_str(path), &back, NULL));
        assert_true(tile.entries == back.entries && tile.level == back.level &&
                    tile.index == back.index && tile.width == back.width);
    }
}

static void test_tiles__an_entry_outside_the_log_has_no_bundle(void **state) {
    (void)state;
    struct stele_tile tile;
    assert_status(stele_tile_of_entry(0, 0, &tile, NULL), INVALID);
    assert_status(stele_tile_of_entry(300, 300, &tile, NULL), INVALID);
    assert_ok(stele_tile_of_entry(299, 300, &tile, NULL));
    assert_true(tile.entries && tile.index == 1 && tile.width == 44);
    assert_ok(stele_tile_of_entry(255, 300, &tile, NULL));
    assert_true(tile.index == 0 && tile.width == 0);
    assert_ok(stele_tile_of_entry(UINT64_MAX - 1, UINT64_MAX, &tile, NULL));
    assert_true(tile.index == UINT64_MAX / 256 && tile.width == 255);
}

static void test_tiles__a_bundle_is_lengths_and_entries(void **state) {
    (void)state;
    stele_buf bundle = STELE_BUF_EMPTY;
    uint8_t *big = stele_alloc(65536, 1);
    assert_non_null(big);
    assert_ok(stele_bundle_append(&bundle, stele_view_str("abc"), NULL));
    assert_ok(stele_bundle_append(&bundle, stele_view_of(NULL, 0), NULL));
    assert_int_equal(bundle.size, 7);
    assert_memory_equal(bundle.data, "\0\3abc\0\0", 7);
    assert_status(stele_bundle_append(&bundle, stele_view_of(big, 65536), NULL), LIMIT);
    assert_int_equal(bundle.size, 7);
    assert_ok(stele_bundle_append(&bundle, stele_view_of(big, 65535), NULL));
    assert_int_equal(bundle.size, 7 + 2 + 65535);
    stele_free(big);
    stele_buf_done(&bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles__the_longest_path_fits),
        cmocka_unit_test(test_tiles__tiles_that_do_not_exist_have_no_path),
        cmocka_unit_test(test_tiles__paths_with_a_nul_are_refused),
        cmocka_unit_test(test_tiles__paths_go_there_and_back),
        cmocka_unit_test(test_tiles__an_entry_outside_the_log_has_no_bundle),
        cmocka_unit_test(test_tiles__a_bundle_is_lengths_and_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
