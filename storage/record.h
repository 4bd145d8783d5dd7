/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/record.h: the durable record of one group commit, and the items inside it. Layer:
 * storage. Pure. Format: FORMAT.md, "Record" and "Item".
 *
 * A log's records form a hash-linked chain: each holds the SHA-256 of the one before. An ENTRIES
 * record holds consecutive entries as items: a frame of events, or one control or index entry. A
 * frame's keys seed follows it here and goes to a blob of its own later, because it outlives the
 * frame. A CHECKPOINT record holds a signed note, which is thereby synced before anyone sees it.
 */
#ifndef STELE_STORAGE_RECORD_H
#define STELE_STORAGE_RECORD_H

#include "storage/cursor.h"
#include "storage/entry.h"
#include "storage/frame.h"

#define STELE_RECORD_HEAD_BYTES 104
#define STELE_CONTROL_BODY_MAX 65536 /* a list of 4,096 boundaries has at most 40,960 */

typedef enum stele_item_kind {
    STELE_ITEM_FRAME = 1,
    STELE_ITEM_INDEX = 2,
    STELE_ITEM_CONTROL = 3
} stele_item_kind;

struct stele_item {
    stele_item_kind kind;
    uint8_t n; /* entries: 1..16 for a frame, else 1 */
    uint64_t first_seq;
    uint64_t time_us;
    uint8_t codec;      /* FRAME */
    uint32_t raw_bytes; /* FRAME */
    stele_view sealed;  /* FRAME */
    stele_view digest;  /* FRAME; empty in one of codec 1, which has none */
    stele_view entry;   /* INDEX, CONTROL */
    stele_view body;    /* CONTROL; INDEX: its boundary list */
};

#define STELE_ITEM_DIGEST_BYTES 16
/* Of a frame's sealed bytes: the hash of the hashes of their four quarters, which are made side by
 * side. */
void stele_item_digest_sealed(stele_view sealed, uint8_t out[STELE_AT_LEAST(32)]);
/* The digest of a frame's item in a log; sealed_digest is the one above. */
void stele_item_digest(const struct stele_item *frame, const char *log_full_name,
                       const uint8_t sealed_digest[STELE_AT_LEAST(32)],
                       uint8_t out[STELE_AT_LEAST(16)]);
/* Whether the frame's bytes are those it was stored with, in this log; of one of codec 1 nothing
 * says. Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_item_check(const struct stele_item *frame,
                                             const char *log_full_name, stele_err *err);
void stele_item_write(struct stele_writer *w, const struct stele_item *item);
/* Views borrow the reader's bytes. Errors: INVALID. */
STELE_MUST_USE stele_status stele_item_read(struct stele_reader *r, struct stele_item *ret,
                                            stele_err *err);

typedef enum stele_record_kind {
    STELE_RECORD_ENTRIES = 1,
    STELE_RECORD_CHECKPOINT = 2
} stele_record_kind;

struct stele_record {
    stele_record_kind kind;
    uint64_t pos;
    uint64_t epoch;
    uint8_t prev[STELE_HASH_BYTES]; /* the record before; zeros at pos 0 */
    uint64_t first_seq;             /* CHECKPOINT: the tree size signed */
    uint32_t n_entries;
    uint32_t n_items;
    uint8_t root_after[STELE_HASH_BYTES]; /* of the tree after these entries */
    stele_view body;                      /* items, or the note */
    uint8_t hash[STELE_HASH_BYTES];       /* of the record itself */
};

/* Writes a record in three steps into an empty buffer, so that the body is never copied: begin
 * leaves room for the head, the caller appends the body, end fills the head and appends the hash.
 */
STELE_MUST_USE stele_status stele_record_begin(stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_record_end(stele_buf *out, struct stele_record *record,
                                             stele_err *err);
/* Checks head, hash and bounds; the items are read with stele_item_read. Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_record_decode(stele_view bytes, struct stele_record *ret,
                                                stele_err *err);

#endif
