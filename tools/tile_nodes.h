/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/tile_nodes.h: the nodes of a log's tree from its hash tiles, wherever those come from.
 * Layer: tools. Nothing is checked: a root that is made from the nodes shows what they are worth.
 */
#ifndef STELE_TOOLS_TILE_NODES_H
#define STELE_TOOLS_TILE_NODES_H

#include "storage/hash.h"
#include "storage/tiles.h"

#define STELE_TILE_LEVELS 8 /* of a tree of 2^64 leaves */

struct stele_tile_nodes {
    uint64_t size_leaves; /* of the tree */
    /* Replaces `out` by the tile at this path. */
    stele_status (*read)(void *ctx, const struct stele_tile *tile, stele_buf *out, stele_err *err);
    void *ctx;
    struct {
        bool is;
        struct stele_tile tile;
        stele_buf bytes;
    } kept[STELE_TILE_LEVELS]; /* the newest one of each level */
};
/* As stele_tree_node_fn. Errors: INVALID (a tile that is cut short), those of read. */
STELE_MUST_USE stele_status stele_tile_nodes_at(struct stele_tile_nodes *nodes, unsigned level,
                                                uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                                                stele_err *err);
void stele_tile_nodes_done(struct stele_tile_nodes *nodes);

#endif
