/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_block.c: reading blocks, and the records inside one.
 *
 * Invariant: nothing of a block is parsed before its checksum holds, and even then nothing is
 * believed: tags rise, postings rise and stay in the segment, and no read leaves the block.
 */
#include "storage/segment_format.h"

#include <inttypes.h>

#include "storage/cursor.h"

uint64_t stele_segment__block_at(const struct stele_segment *s, uint64_t block) {
    if (block == s->footer.n_blocks) {
        return s->footer.index_at;
    }
    return stele_get_u64(s->index.data + block * STELE_SEGMENT__INDEX_ENTRY_BYTES + 40);
}

uint64_t stele_segment__count_beyond(const struct stele_segment *s, uint64_t block,
                                     const uint8_t tag[STELE_AT_LEAST(16)]) {
    uint64_t count = 0;
    for (uint64_t next = block + 1; next < s->footer.n_blocks; next++) {
        const uint8_t *entry = s->index.data + next * STELE_SEGMENT__INDEX_ENTRY_BYTES;
        uint32_t continued = stele_get_u32(entry + 48);
        if (memcmp(entry, tag, STELE_TAG_BYTES) != 0 || continued == 0) {
            break;
        }
        count += continued;
    }
    return count;
}

stele_status stele_segment__read_blocks(const struct stele_segment *s, uint64_t block, uint64_t n,
                                        stele_buf *buf, stele_err *err) {
    uint64_t at = stele_segment__block_at(s, block);
    size_t size = (size_t)(stele_segment__block_at(s, block + n) - at);
    stele_buf_clear(buf);
    stele_status st = s->read(s->ctx, at, size, buf, err);
    if (st == STELE_OK && buf->size != size) {
        st = STELE_FAIL(err, CORRUPT,
                        "segment [%" PRIu64 ", %" PRIu64 "): %zu of %zu bytes at %" PRIu64
                        "; it is cut off: restore or rebuild it",
                        s->footer.info.lo, s->footer.info.hi, buf->size, size, at);
    }
    return st;
}

stele_status stele_segment__scan_bad(const struct stele_segment__scan *scan, stele_err *err) {
    return STELE_FAIL(err, CORRUPT,
                      "segment block %" PRIu64
                      ": a record or posting %zu bytes before its end breaks the "
                      "format; restore or rebuild the segment",
                      scan->block, (size_t)(scan->end - scan->at));
}

/* Count and size of a long record: the postings take at least a byte each. Moves the scan on
 * success. */
static stele_status long_record(struct stele_segment__scan *scan, const uint8_t *at,
                                stele_err *err) {
    struct stele_reader r =
        stele_reader_of(stele_view_of(at, (size_t)(scan->end - at)), "segment record");
    uint64_t more = 0;
    uint64_t size = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_varint(&r, &more, err));
    STELE_TRY(stele_read_varint(&r, &size, err));
    if (size > stele_reader_left(&r) || size < STELE_SEGMENT__COUNT_LONG ||
        more > size - STELE_SEGMENT__COUNT_LONG) {
        st = stele_segment__scan_bad(scan, err);
        goto cleanup;
    }
    scan->n = (uint32_t)more + STELE_SEGMENT__COUNT_LONG;
    scan->at = r.at;
    scan->postings_end = r.at + size;
cleanup:
    return stele_corrupt(st, err);
}

/* Passes over the postings of this record that nobody read. */
static stele_status skip_postings(struct stele_segment__scan *scan, stele_err *err) {
    if (scan->left > 0 && scan->postings_end != NULL) {
        scan->at = scan->postings_end;
        scan->left = 0;
    }
    while (scan->left > 0) {
        if (scan->at == scan->end) {
            return stele_segment__scan_bad(scan, err);
        }
        scan->left -= *scan->at++ < 0x80;
    }
    return STELE_OK;
}

stele_status stele_segment__scan_record(struct stele_segment__scan *scan, stele_err *err) {
    stele_status st = skip_postings(scan, err);
    if (st != STELE_OK || scan->at == scan->end) {
        return st == STELE_OK ? STELE_END : st;
    }
    const uint8_t *at = scan->at;
    unsigned shared = *at >> 4;
    unsigned n = *at & 15;
    size_t own = STELE_TAG_BYTES - shared;
    if (own > (size_t)(scan->end - at) - 1) {
        return stele_segment__scan_bad(scan, err);
    }
    /* A tag shares all it can with the one before, so it is above it iff its first own byte is. */
    if (scan->started ? at[1] <= scan->tag[shared] && !scan->any_order : shared != 0) {
        return stele_segment__scan_bad(scan, err);
    }
    if (n == 0) {
        st = long_record(scan, at + 1 + own, err);
        if (st != STELE_OK) {
            return st;
        }
    } else {
        scan->n = n;
        scan->at = at + 1 + own;
        scan->postings_end = NULL;
    }
    memcpy(scan->tag + shared, at + 1, own);
    scan->started = true;
    scan->left = scan->n;
    scan->offset_least = 0;
    return STELE_OK;
}

stele_status stele_segment__scan_rest(struct stele_segment__scan *scan, stele_err *err) {
    while (scan->left > 0) {
        /* Gaps of a byte, all but the record's last posting. */
        while (scan->left > 1 && scan->at < scan->end && *scan->at < 0x80 &&
               scan->offset_least < scan->offsets) {
            scan->offset_least += (uint64_t)*scan->at++ + 1;
            scan->left--;
        }
        uint64_t offset = 0;
        stele_status st = stele_segment__scan_posting(scan, &offset, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    return STELE_OK;
}

stele_status stele_segment__scan_block(const struct stele_segment *s, uint64_t block,
                                       stele_view bytes, struct stele_segment__scan *ret,
                                       stele_err *err) {
    struct stele_segment__index_entry entry;
    uint8_t sum[STELE_HASH_BYTES];
    uint8_t header[STELE_SEGMENT__HEADER_BYTES];
    stele_segment__get_index_entry(s->index.data + block * STELE_SEGMENT__INDEX_ENTRY_BYTES,
                                   &entry);
    stele_segment__sum(STELE_SEGMENT__SUM_BLOCK, block, bytes, sum);
    size_t skip = block == 0 ? sizeof header : 0;
    stele_segment__put_header(header);
    if (memcmp(sum, entry.sum, STELE_SEGMENT__SUM_BYTES) != 0 || bytes.size < skip ||
        memcmp(bytes.data, header, skip) != 0) {
        return STELE_FAIL(err, CORRUPT,
                          "segment [%" PRIu64 ", %" PRIu64 "): block %" PRIu64
                          " does not have the index's checksum; restore or rebuild the segment",
                          s->footer.info.lo, s->footer.info.hi, block);
    }
    struct stele_segment__scan scan = {.at = bytes.data + skip,
                                       .end = bytes.data + bytes.size,
                                       .offsets = s->footer.info.hi - s->footer.info.lo,
                                       .block = block};
    stele_status st = stele_segment__scan_record(&scan, err);
    if (st != STELE_OK) {
        return st == STELE_END ? stele_segment__scan_bad(&scan, err) : st;
    }
    struct stele_segment__scan peek = scan;
    uint64_t first = 0;
    st = stele_segment__scan_posting(&peek, &first, err);
    if (st == STELE_OK &&
        (memcmp(scan.tag, entry.tag, STELE_TAG_BYTES) != 0 || first != entry.first ||
         (entry.continued != 0 && entry.continued != scan.n))) {
        st = STELE_FAIL(err, CORRUPT,
                        "segment [%" PRIu64 ", %" PRIu64 "): block %" PRIu64
                        " does not begin as the index says; restore or rebuild the segment",
                        s->footer.info.lo, s->footer.info.hi, block);
    }
    if (st == STELE_OK) {
        *ret = scan;
    }
    return st;
}
