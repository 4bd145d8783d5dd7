/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/log_reader_parts.h: a reader's open item, for log_reader.c, which gives one entry of it
 * at a time, and replay.c, which gives all of them. Layer: storage, private to these two.
 */
#ifndef STELE_STORAGE_LOG_READER_PARTS_H
#define STELE_STORAGE_LOG_READER_PARTS_H

#include "storage/frames_ahead.h"

struct stele_log_reader {
    struct stele_log_view *view;
    struct stele_unit_cursor cursor;
    struct stele_open_item open; /* valid while n_entered > 0 */
    uint8_t n_entered;           /* its entries */
    uint8_t n_open;              /* the same, if keys seed and leaf hashes are there too */
    bool was_ahead;              /* it was opened ahead: no cursor has its bytes */
    uint8_t kseed[STELE_SEED_BYTES];
    stele_buf
        leaves; /* leaf hashes from leaves_lo on: the open item's, and more where reads ascend */
    uint64_t leaves_lo;
    uint64_t leaves_next; /* where the item ends whose leaf hashes were read last */
    const uint8_t *leaf;  /* of the open item */
    const struct stele_seq_stream *stream; /* NULL: nobody said what is read next */
    struct stele_frames_ahead *frames;     /* NULL: nobody asked whether a helper is wanted */
    const struct stele_unit *told;         /* the newest unit that is said to be entered next */
    struct stele_unit_cursor ahead;        /* that unit's, once it can be */
    uint64_t n_since_slow;                 /* items read since a slow one */
    unsigned n_cold;                       /* items to read for which it is told what follows */
    uint64_t slow_us;                      /* a read that takes so long came from a disk */
    struct stele_event_facts facts;
    struct stele_tag_set tags;
};

/* Errors: NOT_FOUND (seq is not below the view's size). */
STELE_MUST_USE stele_status stele_log_reader__check_seq(const struct stele_log_reader *reader,
                                                        uint64_t seq, stele_err *err);

/* Whether seq is of the open item, of which n entries count. */
static inline bool stele_log_reader__holds(const struct stele_log_reader *reader, size_t n,
                                           uint64_t seq) {
    uint64_t first = reader->open.item.first_seq;
    return n > 0 && seq >= first && seq - first < n;
}

/* Leaves item, content, keys seed and leaf hashes of the item that holds seq in the reader. Errors:
 * CORRUPT, and those of reading and the keyring. */
STELE_MUST_USE stele_status stele_log_reader__enter(struct stele_log_reader *reader, uint64_t seq,
                                                    stele_err *err);

/* What follows from the payload and the place of event i of the open frame, which the facts borrow;
 * its commitments are left empty. Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_log_reader__describe(const struct stele_log_reader *reader,
                                                       uint8_t i,
                                                       struct stele_event_facts *ret_facts,
                                                       struct stele_entry *ret, stele_err *err);

#endif
