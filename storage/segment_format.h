/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_format.h: the bytes of an index segment, shared by its writer and its reader.
 * Layer: storage, private to segment_*.c and their tests. Format: FORMAT.md, "Index segment".
 *
 * Invariant: everything in a segment hangs on the footer. The footer's checksum covers the index's,
 * the index holds the checksum of every block, and each of them is computed over its kind and
 * number too; so no byte of a block is looked at before it is known to be the one the writer put in
 * that place. These are checksums, not signatures: a forged segment passes them, so all parsing is
 * bounded as well.
 */
#ifndef STELE_STORAGE_SEGMENT_FORMAT_H
#define STELE_STORAGE_SEGMENT_FORMAT_H

#include <string.h>

#include "storage/segment.h"

#define STELE_SEGMENT__VERSION 1
#define STELE_SEGMENT__HEADER_BYTES 16
#define STELE_SEGMENT__FOOTER_BYTES 256
#define STELE_SEGMENT__INDEX_ENTRY_BYTES 52
#define STELE_SEGMENT__SUM_BYTES 16
/* A block is the unit of reading: 16 KiB is one disk read of 65 us, about 10 us of SHA-256. */
#define STELE_SEGMENT__BLOCK_BYTES_MAX 16384u
/* A count from here on is written in full, with the size of its postings, so that a scan skips
 * them. */
#define STELE_SEGMENT__COUNT_LONG 16u
#define STELE_SEGMENT__VARINT_BYTES_MAX 10u
/* head, whole tag, count and size (each under 2^21) of one record. */
#define STELE_SEGMENT__RECORD_HEAD_BYTES_MAX (1u + STELE_TAG_BYTES + 3u + 3u)

/* What a checksum is over; each kind and number gives another one. */
enum stele_segment__sum_kind {
    STELE_SEGMENT__SUM_BLOCK = 'b',
    STELE_SEGMENT__SUM_INDEX = 'i',
    STELE_SEGMENT__SUM_FOOTER = 'f',
};
void stele_segment__sum(enum stele_segment__sum_kind kind, uint64_t number, stele_view bytes,
                        uint8_t out[STELE_AT_LEAST(32)]);

void stele_segment__put_header(uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__HEADER_BYTES)]);

struct stele_segment__footer {
    struct stele_segment_info info;
    uint64_t n_blocks;
    uint64_t index_at; /* bytes before the index: header and blocks */
    uint8_t index_sum[STELE_HASH_BYTES];
};
/* Lays the footer out and seals it with its checksum. */
void stele_segment__put_footer(const struct stele_segment__footer *footer,
                               uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__FOOTER_BYTES)]);
/* Checks the checksum, then every field against size_bytes and the others, so that n_blocks bounds
 * an allocation. Errors: CORRUPT; UNSUPPORTED for a whole footer of a newer version or with unknown
 * flags. */
STELE_MUST_USE stele_status
stele_segment__get_footer(const uint8_t in[STELE_AT_LEAST(STELE_SEGMENT__FOOTER_BYTES)],
                          uint64_t size_bytes, struct stele_segment__footer *ret, stele_err *err);
/* The rules every info obeys, of a segment read or to be written. Errors: INVALID. */
STELE_MUST_USE stele_status stele_segment__check_info(const struct stele_segment_info *info,
                                                      stele_err *err);

/* One block, as the index knows it. */
struct stele_segment__index_entry {
    uint8_t tag[STELE_TAG_BYTES]; /* of its first record */
    uint8_t sum[STELE_SEGMENT__SUM_BYTES];
    uint64_t first;     /* its first posting, less lo */
    uint64_t at;        /* where it starts in the segment, in bytes */
    uint32_t continued; /* how many postings its first record adds to a key of the block before;
                           else 0 */
};
void stele_segment__put_index_entry(const struct stele_segment__index_entry *entry,
                                    uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__INDEX_ENTRY_BYTES)]);
void stele_segment__get_index_entry(
    const uint8_t in[STELE_AT_LEAST(STELE_SEGMENT__INDEX_ENTRY_BYTES)],
    struct stele_segment__index_entry *ret);

struct stele_segment {
    stele_read_at_fn read;
    void *ctx;
    struct stele_segment__footer footer;
    stele_buf index; /* n_blocks entries, as stored: the tags are searched where they lie */
    bool any_order;  /* its keys were let in out of order: only storage/seal_keys.c reads them so */
};

/* A place in one block: a record and a posting in it. Borrows the block's bytes. */
struct stele_segment__scan {
    const uint8_t *at, *end;
    const uint8_t *postings_end; /* of a long record; NULL for a short one */
    uint64_t offset_least;       /* the next posting is not below this */
    uint64_t offsets;            /* hi - lo: every posting is below this */
    uint64_t block;              /* number, for messages */
    uint32_t n;                  /* postings of the record */
    uint32_t left;               /* of them, not yet returned */
    bool started;
    bool any_order; /* tags need not rise */
    uint8_t tag[STELE_TAG_BYTES];
};

/* Blocks [block, block + n), read in one call into `buf`; n >= 1. Their sizes come from the index.
 */
STELE_MUST_USE stele_status stele_segment__read_blocks(const struct stele_segment *s,
                                                       uint64_t block, uint64_t n, stele_buf *buf,
                                                       stele_err *err);
/* Checks one block's bytes and puts the scan on its first record, which is held against the index.
 */
STELE_MUST_USE stele_status stele_segment__scan_block(const struct stele_segment *s, uint64_t block,
                                                      stele_view bytes,
                                                      struct stele_segment__scan *ret,
                                                      stele_err *err);
/* To the next record of the block, passing over postings not read. OK, or END after the last one.
 */
STELE_MUST_USE stele_status stele_segment__scan_record(struct stele_segment__scan *scan,
                                                       stele_err *err);
/* Passes over what is left of the record, checking it: offset_least is then above the last one. */
STELE_MUST_USE stele_status stele_segment__scan_rest(struct stele_segment__scan *scan,
                                                     stele_err *err);
/* Says what is wrong with the posting at scan->at. Errors: always CORRUPT. */
STELE_MUST_USE stele_status stele_segment__scan_bad(const struct stele_segment__scan *scan,
                                                    stele_err *err);
/* A walk from key to key, for merging seals; not mixed with stele_segment_walk_next. */
struct stele_segment__key {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count;
    uint64_t first; /* its first seq */
};
/* OK, or END after the last key. */
STELE_MUST_USE stele_status stele_segment__walk_key(struct stele_segment_walker *w,
                                                    struct stele_segment__key *ret, stele_err *err);
/* A walk from record to record, for merging segments; not mixed with the others. */
struct stele_segment__run {
    const uint8_t *tag;   /* the walker's, until its next call */
    uint64_t first, last; /* its first and last seq */
    uint32_t n;           /* postings */
    stele_view gaps;      /* of all but the first, as they are stored; the walker's too */
};
/* OK, or END after the last record. */
STELE_MUST_USE stele_status stele_segment__walk_run(struct stele_segment_walker *w,
                                                    struct stele_segment__run *ret, stele_err *err);
/* Adds the postings of a run of another segment: what a gap is does not depend on where a segment
 * begins. Errors: as stele_segment_writer_add. */
STELE_MUST_USE stele_status stele_segment__writer_add_run(struct stele_segment_writer *w,
                                                          const struct stele_segment__run *run,
                                                          stele_err *err);
/* How many postings the key has in the blocks after `block`, its first one. */
uint64_t stele_segment__count_beyond(const struct stele_segment *s, uint64_t block,
                                     const uint8_t tag[STELE_AT_LEAST(16)]);
uint64_t stele_segment__block_at(const struct stele_segment *s,
                                 uint64_t block); /* block <= n_blocks */

/*
 * The next posting of the record, less lo; scan->left > 0. Here, and not through storage/cursor.h,
 * because this is the loop of every query: a call for each of the bytes costs more than the
 * decoding.
 */
STELE_MUST_USE
static inline stele_status stele_segment__scan_posting(struct stele_segment__scan *scan,
                                                       uint64_t *ret_offset, stele_err *err) {
    const uint8_t *at = scan->at;
    uint64_t gap = 0;
    unsigned shift = 0;
    for (;;) {
        if (at == scan->end || shift > 63) {
            return stele_segment__scan_bad(scan, err);
        }
        uint8_t byte = *at++;
        gap |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) {
                return stele_segment__scan_bad(scan, err);
            }
            break;
        }
        shift += 7;
    }
    if (scan->offset_least >= scan->offsets || gap >= scan->offsets - scan->offset_least) {
        return stele_segment__scan_bad(scan, err);
    }
    if (scan->left == 1 && scan->postings_end != NULL && at != scan->postings_end) {
        return stele_segment__scan_bad(scan, err);
    }
    scan->left--;
    scan->at = at;
    *ret_offset = scan->offset_least + gap;
    scan->offset_least += gap + 1;
    return STELE_OK;
}

/* The sources of a merge, each on a tag. */
struct stele_segment__heads {
    size_t n;
    size_t n_leaves; /* n, or the next power of two */
    /* A tree of minima, its root at 1. A leaf is the tag's first bytes, their last six bits the
     * source's number; UINT64_MAX: it has ended. */
    uint64_t node[2 * STELE_SEGMENT_FANIN_MAX];
    const uint8_t *tag[STELE_SEGMENT_FANIN_MAX]; /* borrowed; NULL: it has ended */
};

void stele_segment__heads_init(struct stele_segment__heads *h, size_t n);
void stele_segment__heads_set(struct stele_segment__heads *h, size_t i, const uint8_t *tag);
/* The sources on the least tag, 1 << i for source i; 0 if all have ended. */
uint64_t stele_segment__heads_least(const struct stele_segment__heads *h);

#endif
