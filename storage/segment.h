/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment.h: a sorted, immutable index segment: tag -> ascending seqs. Layer: storage.
 * Format: FORMAT.md, "Index segment". One segment covers entries [lo, hi) of one log within one
 * era.
 *
 * Written as a stream in tag order, in blocks of about 16 KiB with prefix-shared tags, delta-coded
 * seqs and a checksum each; a sparse index of first tags at the end. Read through a
 * `stele_read_at_fn`, so that a blob, a file or memory can be behind it. Every block is checked
 * before it is believed.
 */
#ifndef STELE_STORAGE_SEGMENT_H
#define STELE_STORAGE_SEGMENT_H

#include "storage/descriptor.h"
#include "storage/tag.h"

/* Sink for the writer. */
typedef stele_status (*stele_write_fn)(void *ctx, stele_view bytes, stele_err *err);
/* Appends up to `size` bytes from `offset` to `out`. */
typedef stele_status (*stele_read_at_fn)(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                         stele_err *err);

struct stele_segment_writer;
/* info's counts are filled by the writer; everything else is the caller's. */
STELE_MUST_USE stele_status stele_segment_writer_new(const struct stele_segment_info *info,
                                                     stele_write_fn write, void *ctx,
                                                     struct stele_segment_writer **ret,
                                                     stele_err *err);
/* Postings in (tag, seq) order, strictly ascending; seq in [lo, hi). Errors: BUG if out of order.
 */
STELE_MUST_USE stele_status stele_segment_writer_add(struct stele_segment_writer *w,
                                                     const uint8_t tag[STELE_AT_LEAST(16)],
                                                     uint64_t seq, stele_err *err);
/* Writes index and footer. Frees nothing: call _free in any case. */
STELE_MUST_USE stele_status stele_segment_writer_end(struct stele_segment_writer *w,
                                                     stele_err *err);
void stele_segment_writer_free(struct stele_segment_writer *w);

/* One posting while building in memory. */
struct stele_posting {
    uint8_t tag[STELE_TAG_BYTES];
    uint32_t offset; /* seq - lo */
};
/* Sorts n postings by (tag, offset), in place, with scratch of the same size. Radix first, by tag.
 */
void stele_postings_sort(struct stele_posting *postings, size_t n, struct stele_posting *scratch);

struct stele_segment;
/* size_bytes: of the whole stored segment. Keeps footer and sparse index in memory (about 0.3 % of
 * it). Threads: many readers. `read` must stay valid and be callable from any thread. */
STELE_MUST_USE stele_status stele_segment_open(stele_read_at_fn read, void *ctx,
                                               uint64_t size_bytes, struct stele_segment **ret,
                                               stele_err *err);
/* The same of a segment whose keys may fall or stand twice, which no honest writer leaves and
 * stele_segment_open refuses where it sees it. For showing what a log committed to
 * (storage/seal.h): for finding keys it is as good as damaged, and reading it otherwise is CORRUPT.
 */
STELE_MUST_USE stele_status stele_segment_open_any_order(stele_read_at_fn read, void *ctx,
                                                         uint64_t size_bytes,
                                                         struct stele_segment **ret,
                                                         stele_err *err);
void stele_segment_close(struct stele_segment *s);
const struct stele_segment_info *stele_segment_info_of(const struct stele_segment *s);

/* Reads one tag's postings, ascending. */
struct stele_posting_cursor;
/* END (not an error) if the tag is not there. ret_count: how many postings it has in the segment.
 */
STELE_MUST_USE stele_status stele_segment_find(struct stele_segment *s,
                                               const uint8_t tag[STELE_AT_LEAST(16)],
                                               struct stele_posting_cursor **ret,
                                               uint64_t *ret_count, stele_err *err);
/* OK and the next seq, or END. */
STELE_MUST_USE stele_status stele_posting_next(struct stele_posting_cursor *c, uint64_t *ret_seq,
                                               stele_err *err);
/* Moves so that the next seq returned is the first one >= seq. */
STELE_MUST_USE stele_status stele_posting_seek(struct stele_posting_cursor *c, uint64_t seq,
                                               stele_err *err);
void stele_posting_cursor_free(struct stele_posting_cursor *c);
/* Only the count: cheap, for planning. 0 if the tag is absent. */
STELE_MUST_USE stele_status stele_segment_count(struct stele_segment *s,
                                                const uint8_t tag[STELE_AT_LEAST(16)],
                                                uint64_t *ret_count, stele_err *err);

/* Walks everything in order, for fsck and seals: OK, or END after the last posting. */
struct stele_segment_walker;
STELE_MUST_USE stele_status stele_segment_walk(struct stele_segment *s,
                                               struct stele_segment_walker **ret, stele_err *err);
STELE_MUST_USE stele_status stele_segment_walk_next(struct stele_segment_walker *w,
                                                    uint8_t ret_tag[STELE_AT_LEAST(16)],
                                                    uint64_t *ret_seq, stele_err *err);
void stele_segment_walk_free(struct stele_segment_walker *w);

#define STELE_SEGMENT_FANIN_MAX 64
/* Merges adjacent segments of one era (n <= 64, each hi equals the next lo) into one stream, in
 * bounded memory. The result is byte for byte what one writer over all postings would have written.
 */
STELE_MUST_USE stele_status stele_segment_merge(struct stele_segment *const *segments, size_t n,
                                                stele_write_fn write, void *ctx, stele_err *err);

#endif
