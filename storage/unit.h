/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/unit.h: a run of consecutive entries [lo, hi) of one log within one era, kept in memory
 * (the tail that still grows or waits to be packed) or in blobs (a pack). Layer: storage.
 *
 * Both kinds answer the same three questions: the item that holds a seq, leaf hashes, and the keys
 * seed of a frame. Units tile a log: each starts where the one before ends, at a multiple of the
 * pack size or at an era's first entry. Shared by reference count: a reader keeps what it reads
 * from alive.
 *
 * Threads: a tail has one writer, the committer; readers see what was published before they looked
 * (`hi` is stored with release order after everything below it is in place). A pack never changes.
 */
#ifndef STELE_STORAGE_UNIT_H
#define STELE_STORAGE_UNIT_H

#include <stdatomic.h>

#include "storage/engine.h"
#include "storage/head.h"
#include "storage/record.h"
#include "storage/segment.h"

#define STELE_TILE_LEAVES 256
#define STELE_POSTING_CHUNK 16384 /* postings: 320 KiB a chunk */

struct stele_tail_item {
    uint64_t first_seq;
    stele_view bytes; /* the item; a frame's keys seed follows it */
};

struct stele_tail {
    struct stele_tail_item *item; /* room for one item an entry: untouched pages cost nothing */
    _Atomic size_t n_items;
    stele_buf *block; /* the records the items lie in */
    size_t n_blocks;
    size_t block_capacity;
    uint8_t *leaves;     /* 32 B an entry */
    uint8_t *tile_roots; /* of whole, aligned 256-leaf tiles inside the unit */
    uint64_t *late_us;   /* of an entry that is a late event its event_us + 1, else 0 */
    struct stele_posting **chunk;
    size_t chunk_capacity;
    size_t n_postings_pending; /* added, not yet published */
    _Atomic size_t n_postings;
    stele_buf snapshot;        /* of the head at `end`, set when the unit is closed */
    uint64_t first_record_pos; /* the chain is needed from here on until this unit is packed */
};

struct stele_pack {
    struct stele_engine *engine;
    char log[STELE_LOG_NAME_MAX + 1];
    uint64_t dir_offset;
    uint32_t n_items;
    uint32_t n_frames;
    uint64_t snapshot_offset;
    uint32_t snapshot_bytes;
};

struct stele_unit {
    _Atomic size_t refs;
    uint64_t lo;
    _Atomic uint64_t hi; /* published entries end here; a closed unit's end */
    uint64_t end;        /* where it must end at the latest */
    uint32_t era;
    _Atomic uint64_t t_first, t_last, late_first, late_last; /* as in stele_segment_info */
    struct stele_tail *tail;                                 /* exactly one of the two */
    struct stele_pack *pack;
};

void stele_unit_ref(struct stele_unit *unit);
void stele_unit_unref(struct stele_unit *unit);

/* Bytes of a pack around the item that was read last. */
struct stele_pack_window {
    stele_buf bytes;
    uint64_t at;               /* where they lie in the pack */
    uint64_t next;             /* where that item ends */
    uint64_t told_lo, told_hi; /* items in there that are wanted are being fetched */
};
/* What a reader keeps of the unit it is in, so that ascending reads stay cheap. One thread. */
struct stele_unit_cursor {
    const struct stele_unit *unit; /* the caller's view holds the reference */
    stele_buf dir;                 /* PACK: its directory, read once */
    stele_buf kseeds;              /* PACK: read when first asked for */
    struct stele_pack_window
        window; /* PACK: the item, and more where items are read one after the other */
};
void stele_unit_cursor_init(struct stele_unit_cursor *cursor);
void stele_unit_cursor_done(struct stele_unit_cursor *cursor);
/* Points the cursor at a unit. Errors: those of reading a pack's directory. */
STELE_MUST_USE stele_status stele_unit_cursor_enter(struct stele_unit_cursor *cursor,
                                                    const struct stele_unit *unit, stele_err *err);
/* The item that holds `seq`; its views borrow the unit or the cursor until the next call. */
STELE_MUST_USE stele_status stele_unit_item(struct stele_unit_cursor *cursor, uint64_t seq,
                                            struct stele_item *ret, stele_err *err);
/* The keys seed of a frame that stele_unit_item gave last. */
STELE_MUST_USE stele_status stele_unit_kseed(struct stele_unit_cursor *cursor,
                                             const struct stele_item *frame,
                                             uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

/* Entries that are read next, all that are wanted in either order. A pack's engine is told of those
 * in the unit, of each item once; a tail is in memory. leaves: their leaf hashes are read too. */
void stele_unit_will_need(struct stele_unit_cursor *cursor, const uint64_t *seq, size_t n,
                          bool leaves);

/* The same of what a cursor reads to enter the unit. */
void stele_unit_will_enter(const struct stele_unit *unit);

/* n leaf hashes from seq `from` on, appended; all in the unit. */
STELE_MUST_USE stele_status stele_unit_leaves(const struct stele_unit *unit, uint64_t from,
                                              size_t n, stele_buf *out, stele_err *err);
/* n roots of aligned 256-leaf tiles from tile `first` on; the tiles lie wholly in the unit. */
STELE_MUST_USE stele_status stele_unit_tile_roots(const struct stele_unit *unit, uint64_t first,
                                                  size_t n, stele_buf *out, stele_err *err);
/* The number of the first tile that starts at or after lo. */
uint64_t stele_unit_first_tile(const struct stele_unit *unit);

/* ------------------------------------------------------------------ tails (tail.c) */
STELE_MUST_USE stele_status stele_tail_new(uint64_t lo, uint64_t end, uint32_t era,
                                           struct stele_unit **ret, stele_err *err);
void stele_tail_free(struct stele_tail *tail);
/* Everything below is the committer's alone. A block is a record's buffer; the tail takes it over.
 */
STELE_MUST_USE stele_status stele_tail_take_block(struct stele_unit *unit, stele_buf *record,
                                                  stele_err *err);
/* Takes back the newest block: its record did not become durable. */
void stele_tail_drop_block(struct stele_unit *unit);
/* Room so that the n_items, n_postings that follow cannot fail. */
STELE_MUST_USE stele_status stele_tail_reserve(struct stele_unit *unit, size_t n_postings,
                                               stele_err *err);
void stele_tail_add_item(struct stele_unit *unit, uint64_t first_seq, stele_view bytes);
void stele_tail_add_entry(struct stele_unit *unit, const struct stele_entry *entry,
                          const uint8_t leaf[STELE_AT_LEAST(32)]);
void stele_tail_add_tags(struct stele_unit *unit, uint64_t seq, const uint8_t *tags, uint16_t n);
/* Makes entries below `hi` visible to readers. */
void stele_tail_publish(struct stele_unit *unit, uint64_t hi);
/* Called with each posting below `hi` whose tag is one of the n of 16 bytes, whatever its late bit,
 * and with a few others, in seq order. Errors: the callback's. */
typedef stele_status (*stele_posting_fn)(void *ctx, const uint8_t tag[STELE_AT_LEAST(16)],
                                         uint64_t seq, stele_err *err);
STELE_MUST_USE stele_status stele_tail_scan(const struct stele_unit *unit, uint64_t hi,
                                            const uint8_t *tags, size_t n, stele_posting_fn fn,
                                            void *ctx, stele_err *err);

#endif
