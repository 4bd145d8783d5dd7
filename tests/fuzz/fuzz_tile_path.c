/* SPDX-License-Identifier: Apache-2.0 */
/* Tile paths: what parses is within its ranges and prints as the same path. */
#include "storage/tiles.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_tile tile;
    char again[STELE_TILE_PATH_BYTES];
    if (stele_tile_parse(stele_view_of(data, size), &tile, NULL) == STELE_OK) {
        fuzz_require(tile.level <= 63 && tile.width < STELE_TILE_WIDTH &&
                     (!tile.entries || tile.level == 0));
        fuzz_require(stele_tile_path(&tile, again, NULL) == STELE_OK);
        fuzz_require(stele_view_is(stele_view_of(data, size), again));
    }
    return 0;
}
