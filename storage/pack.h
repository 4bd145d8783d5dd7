/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/pack.h: a closed unit as immutable blobs. Layer: storage. Format: FORMAT.md, "Pack",
 * "Hash blob", "Keys-seed blob".
 *
 * <log>/k/<lo>-<hi> keys seeds, <log>/h/... leaf and tile hashes, <log>/i/... the index segment,
 * <log>/s/... its seal, then <log>/p/... the items, directory and head snapshot: the pack is last,
 * so that where it is, the others are. Packs are the unit of disposal; hashes stay for ever; keys
 * seeds and segments go with their era. The same unit always gives the same bytes, so a pack
 * interrupted by a crash is simply written again.
 */
#ifndef STELE_STORAGE_PACK_H
#define STELE_STORAGE_PACK_H

#include "storage/control.h"
#include "storage/unit.h"

/* "<log>/<kind>/<lo>-<hi>", 20 digits each. */
void stele_pack_key(const char *log, char kind, uint64_t lo, uint64_t hi,
                    char out[STELE_AT_LEAST(STELE_BLOB_KEY_MAX)]);
/* Parses such a key's range. Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_pack_key_parse(const char *key, uint64_t *ret_lo,
                                                 uint64_t *ret_hi, stele_err *err);

/* pack_writer.c. Crash: whole blobs only; the pack's own blob is durable after everything it needs.
 */
STELE_MUST_USE stele_status stele_pack_write(struct stele_engine *engine, const char *log,
                                             const struct stele_unit *unit,
                                             const struct stele_epoch *epoch,
                                             const struct stele_lock *lock, stele_err *err);
/* Writes a unit's index segment and its seal alone. `postings` holds its n postings in any order,
 * and has room for as many again. The same postings always give the same bytes. */
STELE_MUST_USE stele_status stele_pack_put_segment(struct stele_engine *engine, const char *log,
                                                   const struct stele_unit *unit,
                                                   const struct stele_epoch *epoch,
                                                   struct stele_posting *postings, size_t n,
                                                   stele_err *err);

/* pack_reader.c. */
STELE_MUST_USE stele_status stele_pack_open(struct stele_engine *engine, const char *log,
                                            uint64_t lo, uint64_t hi, struct stele_unit **ret,
                                            stele_err *err);
STELE_MUST_USE stele_status stele_pack_snapshot(const struct stele_unit *unit,
                                                struct stele_head *ret, stele_err *err);
STELE_MUST_USE stele_status stele_pack_directory(const struct stele_unit *unit, stele_buf *dir,
                                                 stele_err *err);
/* ret borrows the window, which is of this unit, or empty. */
STELE_MUST_USE stele_status stele_pack_item_bytes(const struct stele_unit *unit,
                                                  const stele_buf *dir, uint64_t seq,
                                                  struct stele_pack_window *window, stele_view *ret,
                                                  stele_err *err);
/* Tells the engine that the items with these entries, or with their leaf hashes too, are read soon;
 * of each item once. Entries of other units are passed over. */
void stele_pack_will_need(const struct stele_unit *unit, const stele_buf *dir, const uint64_t *seq,
                          size_t n, bool leaves, struct stele_pack_window *window);
/* The same of what stele_pack_open will read, and of the tile roots, which a log is opened with. */
void stele_pack_will_open(struct stele_engine *engine, const char *log, uint64_t lo, uint64_t hi);
/* The same of its directory. */
void stele_pack_will_enter(const struct stele_unit *unit);
STELE_MUST_USE stele_status stele_pack_kseeds(const struct stele_unit *unit, stele_buf *kseeds,
                                              stele_err *err);
STELE_MUST_USE stele_status stele_pack_kseed_find(const struct stele_unit *unit,
                                                  const stele_buf *kseeds, uint64_t first_seq,
                                                  uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
STELE_MUST_USE stele_status stele_pack_leaves(const struct stele_unit *unit, uint64_t from,
                                              size_t n, stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_pack_tile_roots(const struct stele_unit *unit, uint64_t first,
                                                  size_t n, stele_buf *out, stele_err *err);
/* Checks the digests of all three blobs: fsck. Errors: CORRUPT naming the blob. */
STELE_MUST_USE stele_status stele_pack_check(const struct stele_unit *unit, stele_err *err);

#endif
