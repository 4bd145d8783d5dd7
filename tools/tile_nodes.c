/* SPDX-License-Identifier: Apache-2.0 */
/* tools/tile_nodes.c: see tile_nodes.h. */
#include "tools/tile_nodes.h"

#include <inttypes.h>
#include <string.h>

/* The tile, from what is kept or read anew. */
static stele_status enter(struct stele_tile_nodes *nodes, const struct stele_tile *tile,
                          const stele_buf **ret, stele_err *err) {
    stele_buf *bytes = &nodes->kept[tile->level].bytes;
    const struct stele_tile *kept = &nodes->kept[tile->level].tile;
    *ret = bytes;
    if (nodes->kept[tile->level].is && kept->index == tile->index && kept->width == tile->width) {
        return STELE_OK;
    }
    nodes->kept[tile->level].is = false;
    stele_status st = nodes->read(nodes->ctx, tile, bytes, err);
    if (st == STELE_OK) {
        nodes->kept[tile->level].is = true;
        nodes->kept[tile->level].tile = *tile;
    }
    return st;
}

stele_status stele_tile_nodes_at(struct stele_tile_nodes *nodes, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    unsigned below = level % 8;
    uint64_t first = index << below;
    uint64_t hashes = nodes->size_leaves >> (level - below);
    uint64_t whole = hashes / STELE_TILE_WIDTH;
    struct stele_tile tile = {.level = (uint8_t)(level / 8), .index = first / STELE_TILE_WIDTH};
    tile.width = tile.index < whole ? 0 : (uint16_t)(hashes % STELE_TILE_WIDTH);
    uint8_t hash[STELE_TILE_WIDTH / 2 * STELE_HASH_BYTES];
    const stele_buf *bytes = NULL;
    stele_status st = enter(nodes, &tile, &bytes, err);
    size_t at = (size_t)(first % STELE_TILE_WIDTH);
    size_t n = (size_t)1 << below; /* at most half a tile */
    if (st != STELE_OK) {
        return st;
    }
    if (bytes->size / STELE_HASH_BYTES < at + n) {
        return STELE_FAIL(err, INVALID, "hash tile %" PRIu64 " of level %u is cut short",
                          tile.index, (unsigned)tile.level);
    }
    memcpy(hash, bytes->data + at * STELE_HASH_BYTES, n * STELE_HASH_BYTES);
    for (size_t pairs = n / 2; pairs > 0; pairs /= 2) {
        stele_hash_inner_many(hash, pairs, hash);
    }
    memcpy(ret, hash, STELE_HASH_BYTES);
    return STELE_OK;
}

void stele_tile_nodes_done(struct stele_tile_nodes *nodes) {
    for (size_t i = 0; i < STELE_TILE_LEVELS; i++) {
        stele_buf_done(&nodes->kept[i].bytes);
        nodes->kept[i].is = false;
    }
}
