/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/leaf_window.h: the leaf hashes of a log, one at a time, for seals. Layer: storage.
 *
 * Asked for ascending seqs it reads ahead, 64 KiB at a time; asked for one here and one there it
 * reads just that one. One thread.
 */
#ifndef STELE_STORAGE_LEAF_WINDOW_H
#define STELE_STORAGE_LEAF_WINDOW_H

#include "storage/catalog.h"
#include "storage/seal.h"

struct stele_leaf_window {
    const struct stele_catalog *catalog; /* NULL: of one unit only */
    const struct stele_unit *unit;       /* the one that was read last */
    uint64_t first;                      /* the hashes in buf are those of [first, first + n) */
    size_t n;
    uint64_t asked; /* last */
    stele_buf buf;
};
/* Of all entries of the catalog's units; borrows it. */
void stele_leaf_window_init(struct stele_leaf_window *window, const struct stele_catalog *catalog);
/* Of one unit; borrows it. */
void stele_leaf_window_init_unit(struct stele_leaf_window *window, const struct stele_unit *unit);
void stele_leaf_window_done(struct stele_leaf_window *window);
/* Borrows the window. */
struct stele_leaf_source stele_leaf_window_source(struct stele_leaf_window *window);

#endif
