/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/memory_segment.h: segments in memory. */
#ifndef STELE_TESTS_SUPPORT_MEMORY_SEGMENT_H
#define STELE_TESTS_SUPPORT_MEMORY_SEGMENT_H

#include "storage/segment.h"

/* ctx of both is a stele_buf. */
stele_status memory_write(void *ctx, stele_view bytes, stele_err *err);
stele_status memory_read_at(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                            stele_err *err);

/* An info for [lo, hi): times and commit derived from them, so that parts fit their whole. */
struct stele_segment_info test_segment_info(uint64_t lo, uint64_t hi);

/* Writes the postings whose seq = info->lo + offset lies below info->hi; they are sorted. */
stele_status test_segment_write(const struct stele_segment_info *info,
                                const struct stele_posting *postings, size_t n, stele_buf *out,
                                stele_err *err);

/* What a forger does: makes the sizes in the footer fit and every checksum right. Too short:
 * nothing. */
void test_segment_reseal(uint8_t *data, size_t size);

#endif
