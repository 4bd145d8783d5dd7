/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tiles.h: tlog-tiles paths and entry bundles. Layer: storage. Pure.
 * Source: C2SP tlog-tiles v0.1.0. Tile height 8. Parsing is exact: a path that does not re-encode
 * to the same bytes is refused.
 */
#ifndef STELE_STORAGE_TILES_H
#define STELE_STORAGE_TILES_H

#include "storage/bytes.h"

#define STELE_TILE_WIDTH 256u
#define STELE_TILE_PATH_BYTES 96 /* longest path and NUL */

struct stele_tile {
    bool entries;   /* tile/entries/..., level is 0 then */
    uint8_t level;  /* 0..63 */
    uint64_t index; /* of the tile in its level */
    uint16_t width; /* 1..255 partial; 0 full */
};

/* Errors: INVALID (level > 63, width > 255). `out` is NUL-terminated. */
STELE_MUST_USE stele_status stele_tile_path(const struct stele_tile *tile,
                                            char out[STELE_AT_LEAST(STELE_TILE_PATH_BYTES)],
                                            stele_err *err);
STELE_MUST_USE stele_status stele_tile_parse(stele_view path, struct stele_tile *ret,
                                             stele_err *err);
/* The bundle that holds entry `index` of a log of `size` entries. Errors: INVALID
 * (index >= size). */
STELE_MUST_USE stele_status stele_tile_of_entry(uint64_t index, uint64_t size,
                                                struct stele_tile *ret, stele_err *err);
/* Appends one entry to a bundle: u16 length || entry. Errors: LIMIT over
 * 65,535 bytes, NO_MEMORY. */
STELE_MUST_USE stele_status stele_bundle_append(stele_buf *bundle, stele_view entry,
                                                stele_err *err);

#endif
