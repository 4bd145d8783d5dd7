/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/boundaries.h: where the segments of one INDEX entry end: its item's body. Layer: storage.
 * Pure. Format: FORMAT.md, "Item".
 *
 * The list is not hashed: the manifest root already depends on it. It is kept so that whoever has
 * the log's entries can make the manifest again, and say which segment of it is wrong.
 */
#ifndef STELE_STORAGE_BOUNDARIES_H
#define STELE_STORAGE_BOUNDARIES_H

#include "storage/cursor.h"
#include "storage/entry.h"

/* hi: n ends, strictly ascending, the first above 0. Appends. */
STELE_MUST_USE stele_status stele_boundaries_write(const uint64_t *hi, size_t n, stele_buf *out,
                                                   stele_err *err);
/* The list of an INDEX entry, which says how many there are and where the last is. ret_hi: room for
 * index->n_segments ends, or NULL to check only. Errors: INVALID. */
STELE_MUST_USE stele_status stele_boundaries_read(stele_view body,
                                                  const struct stele_entry_index *index,
                                                  uint64_t *ret_hi, stele_err *err);

#endif
