/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/memory_segment.c: segments in memory. */
#include "tests/support/memory_segment.h"

#include <string.h>

#include "storage/cursor.h"
#include "storage/segment_format.h"

stele_status memory_write(void *ctx, stele_view bytes, stele_err *err) {
    return stele_buf_append(ctx, bytes, err);
}

stele_status memory_read_at(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                            stele_err *err) {
    const stele_buf *from = ctx;
    if (offset >= from->size) {
        return STELE_OK;
    }
    size_t left = from->size - (size_t)offset;
    return stele_buf_append(out, stele_view_of(from->data + offset, size < left ? size : left),
                            err);
}

struct stele_segment_info test_segment_info(uint64_t lo, uint64_t hi) {
    struct stele_segment_info info = {.era = 660,
                                      .map_version = 1,
                                      .tag_alg = STELE_TAG_ALG,
                                      .lo = lo,
                                      .hi = hi,
                                      .t_first = 1000000 + lo * 10,
                                      .t_last = 1000000 + (hi - 1) * 10,
                                      .late_first = 500 + lo,
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

void test_segment_reseal(uint8_t *data, size_t size) {
    if (size < STELE_SEGMENT__HEADER_BYTES + STELE_SEGMENT__FOOTER_BYTES) {
        return;
    }
    uint8_t *footer = data + size - STELE_SEGMENT__FOOTER_BYTES;
    uint64_t room = size - STELE_SEGMENT__FOOTER_BYTES - STELE_SEGMENT__HEADER_BYTES;
    uint64_t n = stele_get_u64(footer + 88) % (1 + room / STELE_SEGMENT__INDEX_ENTRY_BYTES);
    uint64_t index_at = size - STELE_SEGMENT__FOOTER_BYTES - n * STELE_SEGMENT__INDEX_ENTRY_BYTES;
    uint8_t *index = data + index_at;
    uint8_t sum[STELE_HASH_BYTES];
    stele_segment__put_header(footer);
    stele_put_u64(footer + 88, n);
    stele_put_u64(footer + 96, index_at);
    memset(footer + 136, 0, 56);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *entry = index + i * STELE_SEGMENT__INDEX_ENTRY_BYTES;
        uint64_t at = stele_get_u64(entry + 40);
        uint64_t end =
            i + 1 == n ? index_at : stele_get_u64(entry + STELE_SEGMENT__INDEX_ENTRY_BYTES + 40);
        if (at < end && end <= index_at) {
            if (at == 0 && end >= STELE_SEGMENT__HEADER_BYTES) {
                stele_segment__put_header(data);
            }
            stele_segment__sum(STELE_SEGMENT__SUM_BLOCK, i, stele_view_of(data + at, end - at),
                               sum);
            memcpy(entry + 16, sum, STELE_SEGMENT__SUM_BYTES);
        }
    }
    stele_segment__sum(STELE_SEGMENT__SUM_INDEX, 0,
                       stele_view_of(index, n * STELE_SEGMENT__INDEX_ENTRY_BYTES), footer + 192);
    stele_segment__sum(STELE_SEGMENT__SUM_FOOTER, 0, stele_view_of(footer, 224), footer + 224);
}
