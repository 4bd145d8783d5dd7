/* SPDX-License-Identifier: Apache-2.0 */
/* The tlog-tiles path vectors that others made. */
#include <string.h>

#include "storage/tiles.h"
#include "tests/support/cmocka.h"
#include "tests/support/vectors.h"

static struct stele_tile tile_of(const json_t *c) {
    bool entries = strcmp(vectors_text(c, "level"), "entries") == 0;
    return (struct stele_tile){
        .entries = entries,
        .level = entries ? 0 : (uint8_t)vectors_u64(c, "level"),
        .index = vectors_u64(c, "index"),
        .width = (uint16_t)vectors_u64(c, "width"),
    };
}

static void assert_tile(const struct stele_tile *a, const struct stele_tile *b) {
    assert_true(a->entries == b->entries && a->level == b->level && a->index == b->index &&
                a->width == b->width);
}

static void test_vectors__encode(void **state) {
    (void)state;
    json_t *file = vectors_load("tilepaths.json");
    const json_t *cases = json_object_get(file, "encode");
    assert_true(json_array_size(cases) > 30);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct stele_tile tile = tile_of(c);
        char path[STELE_TILE_PATH_BYTES];
        assert_ok(stele_tile_path(&tile, path, NULL));
        assert_string_equal(path, vectors_text(c, "path"));
    }
    json_decref(file);
}

static void test_vectors__bundle_of_an_entry(void **state) {
    (void)state;
    json_t *file = vectors_load("tilepaths.json");
    const json_t *cases = json_object_get(file, "entry_to_bundle");
    assert_true(json_array_size(cases) >= 7);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct stele_tile tile;
        char path[STELE_TILE_PATH_BYTES];
        assert_ok(
            stele_tile_of_entry(vectors_u64(c, "index"), vectors_u64(c, "log_size"), &tile, NULL));
        assert_ok(stele_tile_path(&tile, path, NULL));
        assert_string_equal(path, vectors_text(c, "path"));
    }
    json_decref(file);
}

static void test_vectors__parse(void **state) {
    (void)state;
    json_t *file = vectors_load("tilepaths.json");
    const json_t *cases = json_object_get(file, "parse");
    assert_true(json_array_size(cases) > 30);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct stele_tile expected = tile_of(c);
        struct stele_tile tile;
        assert_ok(stele_tile_parse(stele_view_str(vectors_text(c, "path")), &tile, NULL));
        assert_tile(&tile, &expected);
    }
    json_decref(file);
}

static void test_vectors__reject(void **state) {
    (void)state;
    json_t *file = vectors_load("tilepaths.json");
    const json_t *cases = json_object_get(file, "reject");
    assert_true(json_array_size(cases) > 30);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *path = json_object_get(json_array_get(cases, i), "path");
        struct stele_tile tile;
        stele_view text = stele_view_of(json_string_value(path), json_string_length(path));
        if (stele_tile_parse(text, &tile, NULL) != STELE_INVALID) {
            fail_msg("'%s' must be refused: %s", json_string_value(path),
                     vectors_text(json_array_get(cases, i), "why"));
        }
    }
    json_decref(file);
}

int main(void) {
    vectors_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors__encode),
        cmocka_unit_test(test_vectors__bundle_of_an_entry),
        cmocka_unit_test(test_vectors__parse),
        cmocka_unit_test(test_vectors__reject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
