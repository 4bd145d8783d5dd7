/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/open_item.h: a stored item out of a tail or a pack, its frame decompressed. Layer:
 * storage, private to the reading of entries.
 */
#ifndef STELE_STORAGE_OPEN_ITEM_H
#define STELE_STORAGE_OPEN_ITEM_H

#include "storage/log_parts.h"

struct stele_open_item {
    const struct stele_unit *unit; /* the view holds the reference */
    struct stele_item item;        /* its views borrow the cursor it was read with */
    stele_buf raw;
    struct stele_frame_content content; /* FRAME: borrows raw */
    uint64_t took_us;                   /* to read it */
};
void stele_open_item_done(struct stele_open_item *opened);
/* Reads the item that holds `seq` with the cursor. A frame out of a pack is held against its
 * digest, which what is in memory need not be. Errors: CORRUPT, those of reading. */
STELE_MUST_USE stele_status stele_open_item_read(struct stele_open_item *opened,
                                                 const struct stele_log_view *view,
                                                 struct stele_unit_cursor *cursor, uint64_t seq,
                                                 stele_err *err);

#endif
