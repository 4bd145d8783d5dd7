/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/memory_segment.c: segments in memory. */
#include "tests/support/memory_segment.h"

#include <string.h>

stele_status memory_write(void *ctx, stele_view bytes, stele_err *err) {
    return stele_buf_append(ctx, bytes, err);
}

stele_status memory_read_at(void *ctx, uint64_t offset, size_t size, stele_buf *out, stele_err *err) {
    const stele_buf *from = ctx;
    if (offset >= from->size) {
        return STELE_OK;
    }
    size_t left = from->size - (size_t)offset;
    return stele_buf_append(out, stele_view_of(from->data + offset, size < left ? size : left), err);
}

struct stele_segment_info test_segment_info(uint64_t lo, uint64_t hi) {
    struct stele_segment_info info = {.era = 660, .map_version = 1, .tag_alg = STELE_TAG_ALG,
                                      .lo = lo, .hi = hi, .t_first = 1000000 + lo * 10,
                                      .t_last = 1000000 + (hi - 1) * 10, .late_first = 500 + lo,
                                      .late_last = 500 + hi};
    memset(info.tag_key_commit, 0x5a, sizeof info.tag_key_commit);
    return info;
}

stele_status test_segment_write(const struct stele_segment_info *info,
                                const struct stele_posting *postings, size_t n, stele_buf *out,
                                stele_err *err) {
    struct stele_segment_writer *writer = NULL;
    stele_status st = stele_segment_writer_new(info, memory_write, out, &writer, err);
    for (size_t i = 0; st == STELE_OK && i < n; i++) {
        st = stele_segment_writer_add(writer, postings[i].tag, info->lo + postings[i].offset, err);
    }
    if (st == STELE_OK) {
        st = stele_segment_writer_end(writer, err);
    }
    stele_segment_writer_free(writer);
    return st;
}
