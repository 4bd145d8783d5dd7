/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_reader.c: opening a segment, and one key's postings out of it.
 *
 * Invariant: an open segment never changes, so any number of threads read it; what moves is in the
 * cursor. A key of k blocks costs one block read to find, and one to seek in, however large it is.
 */
#include "storage/segment_format.h"

#include <inttypes.h>

#include "storage/cursor.h"

#define ENTRY STELE_SEGMENT__INDEX_ENTRY_BYTES

static const uint8_t *entry_of(const struct stele_segment *s, uint64_t block) {
    return s->index.data + block * ENTRY;
}

static stele_status index_bad(const struct stele_segment *s, uint64_t block, stele_err *err) {
    return STELE_FAIL(err, CORRUPT,
                      "segment [%" PRIu64 ", %" PRIu64 "): the index entry of block %" PRIu64
                      " breaks the format; restore or rebuild the segment",
                      s->footer.info.lo, s->footer.info.hi, block);
}

/* One pass, so that nothing later has to ask: offsets and sizes, rising tags, rising parts of a
 * key. */
static stele_status check_index(const struct stele_segment *s, stele_err *err) {
    struct stele_segment__index_entry before = {0};
    for (uint64_t i = 0; i < s->footer.n_blocks; i++) {
        struct stele_segment__index_entry entry;
        stele_segment__get_index_entry(entry_of(s, i), &entry);
        uint64_t end = stele_segment__block_at(s, i + 1);
        if (end <= entry.at || end - entry.at > STELE_SEGMENT__BLOCK_BYTES_MAX ||
            (i == 0 && entry.at != 0) || entry.first >= s->footer.info.hi - s->footer.info.lo ||
            entry.continued > end - entry.at || (i == 0 && entry.continued != 0)) {
            return index_bad(s, i, err);
        }
        int order = i == 0 ? 1 : memcmp(entry.tag, before.tag, STELE_TAG_BYTES);
        bool goes_on = order == 0 && entry.continued != 0;
        if (goes_on ? entry.first <= before.first : order <= 0 && !s->any_order) {
            return index_bad(s, i, err);
        }
        before = entry;
    }
    return STELE_OK;
}

static stele_status read_footer(struct stele_segment *s, uint64_t size_bytes, stele_buf *buf,
                                stele_err *err) {
    if (size_bytes < STELE_SEGMENT__HEADER_BYTES + STELE_SEGMENT__FOOTER_BYTES) {
        return STELE_FAIL(err, CORRUPT,
                          "%" PRIu64 " bytes are no whole segment; restore or rebuild it",
                          size_bytes);
    }
    stele_status st = s->read(s->ctx, size_bytes - STELE_SEGMENT__FOOTER_BYTES,
                              STELE_SEGMENT__FOOTER_BYTES, buf, err);
    if (st == STELE_OK && buf->size != STELE_SEGMENT__FOOTER_BYTES) {
        st = STELE_FAIL(err, CORRUPT,
                        "segment footer: %zu of %d bytes; restore or rebuild the segment",
                        buf->size, STELE_SEGMENT__FOOTER_BYTES);
    }
    if (st == STELE_OK) {
        st = stele_segment__get_footer(buf->data, size_bytes, &s->footer, err);
    }
    return st;
}

static stele_status open_segment(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                                 bool any_order, struct stele_segment **ret, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf buf = STELE_BUF_EMPTY;
    uint8_t sum[STELE_HASH_BYTES];
    struct stele_segment *s = stele_alloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to open a segment");
    }
    s->read = read;
    s->ctx = ctx;
    s->any_order = any_order;
    STELE_TRY(read_footer(s, size_bytes, &buf, err));
    size_t index_bytes = (size_t)s->footer.n_blocks * ENTRY;
    if (index_bytes > 0) {
        STELE_TRY(read(ctx, s->footer.index_at, index_bytes, &s->index, err));
    }
    stele_segment__sum(STELE_SEGMENT__SUM_INDEX, 0, stele_view_buf(&s->index), sum);
    if (s->index.size != index_bytes || memcmp(sum, s->footer.index_sum, sizeof sum) != 0) {
        st = STELE_FAIL(
            err, CORRUPT,
            "segment [%" PRIu64 ", %" PRIu64
            "): the index does not have the footer's checksum; restore or rebuild the segment",
            s->footer.info.lo, s->footer.info.hi);
        goto cleanup;
    }
    STELE_TRY(check_index(s, err));
    *ret = s;
    s = NULL;
cleanup:
    stele_buf_done(&buf);
    stele_segment_close(s);
    return st;
}

stele_status stele_segment_open(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                                struct stele_segment **ret, stele_err *err) {
    return open_segment(read, ctx, size_bytes, false, ret, err);
}

stele_status stele_segment_open_any_order(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                                          struct stele_segment **ret, stele_err *err) {
    return open_segment(read, ctx, size_bytes, true, ret, err);
}

void stele_segment_close(struct stele_segment *s) {
    if (s != NULL) {
        stele_buf_done(&s->index);
        stele_free(s);
    }
}

const struct stele_segment_info *stele_segment_info_of(const struct stele_segment *s) {
    return &s->footer.info;
}

/* The first block whose first tag is not below `tag`, or with `after` set: above it. */
static uint64_t block_bound(const struct stele_segment *s, const uint8_t *tag, bool after) {
    uint64_t low = 0;
    uint64_t high = s->footer.n_blocks;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = memcmp(entry_of(s, middle), tag, STELE_TAG_BYTES);
        if (order < 0 || (after && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t continued_of(const struct stele_segment *s, uint64_t block) {
    return stele_get_u32(entry_of(s, block) + 48);
}

static uint64_t first_of(const struct stele_segment *s, uint64_t block) {
    return stele_get_u64(entry_of(s, block) + 32);
}

/* Blocks first..last are the only ones that can hold the tag. END: none can. */
static stele_status blocks_of(const struct stele_segment *s, const uint8_t *tag,
                              uint64_t *ret_first, uint64_t *ret_last) {
    uint64_t from = block_bound(s, tag, false);
    uint64_t to = block_bound(s, tag, true);
    if (from == to || continued_of(s, from) != 0) {
        if (from == 0) {
            return STELE_END;
        }
        from--;
    }
    *ret_first = from;
    *ret_last = to - 1;
    return STELE_OK;
}

/* Puts a scan on the tag's record in its first block. END if it is not there. */
static stele_status find_record(const struct stele_segment *s, const uint8_t *tag, uint64_t first,
                                uint64_t last, stele_buf *buf, struct stele_segment__scan *ret,
                                stele_err *err) {
    stele_status st = stele_segment__read_blocks(s, first, 1, buf, err);
    if (st == STELE_OK) {
        st = stele_segment__scan_block(s, first, stele_view_buf(buf), ret, err);
    }
    while (st == STELE_OK) {
        int order = memcmp(ret->tag, tag, STELE_TAG_BYTES);
        if (order == 0) {
            return STELE_OK;
        }
        st = order > 0 ? STELE_END : stele_segment__scan_record(ret, err);
    }
    /* The index says that the key goes on in the next block, so it must have begun in this one. */
    return st == STELE_END && first != last ? index_bad(s, last, err) : st;
}

static uint64_t count_of(const struct stele_segment *s, uint32_t in_first, uint64_t first,
                         uint64_t last) {
    uint64_t count = in_first;
    for (uint64_t block = first + 1; block <= last; block++) {
        count += continued_of(s, block);
    }
    return count;
}

struct stele_posting_cursor {
    const struct stele_segment *s;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t first, last; /* blocks with the key */
    uint64_t block;       /* the one in buf */
    stele_buf buf;
    struct stele_segment__scan begin; /* on the key's record in this block */
    struct stele_segment__scan scan;
    bool pending; /* seek has read one posting ahead: `ahead` is the first one not below `sought` */
    uint64_t ahead, sought;
    stele_status broken;
};

stele_status stele_segment_find(struct stele_segment *s, const uint8_t tag[STELE_AT_LEAST(16)],
                                struct stele_posting_cursor **ret, uint64_t *ret_count,
                                stele_err *err) {
    uint64_t first = 0;
    uint64_t last = 0;
    stele_status st = blocks_of(s, tag, &first, &last);
    if (st != STELE_OK) {
        return st;
    }
    struct stele_posting_cursor *c = stele_alloc(1, sizeof *c);
    if (c == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a posting cursor");
    }
    STELE_TRY(find_record(s, tag, first, last, &c->buf, &c->begin, err));
    c->s = s;
    memcpy(c->tag, tag, STELE_TAG_BYTES);
    c->first = first;
    c->last = last;
    c->block = first;
    c->scan = c->begin;
    *ret_count = count_of(s, c->begin.n, first, last);
    *ret = c;
    c = NULL;
cleanup:
    stele_posting_cursor_free(c);
    return st;
}

stele_status stele_segment_count(struct stele_segment *s, const uint8_t tag[STELE_AT_LEAST(16)],
                                 uint64_t *ret_count, stele_err *err) {
    stele_buf buf = STELE_BUF_EMPTY;
    struct stele_segment__scan scan;
    uint64_t first = 0;
    uint64_t last = 0;
    stele_status st = blocks_of(s, tag, &first, &last);
    if (st == STELE_OK) {
        st = find_record(s, tag, first, last, &buf, &scan, err);
    }
    if (st == STELE_OK) {
        *ret_count = count_of(s, scan.n, first, last);
    } else if (st == STELE_END) {
        *ret_count = 0;
        st = STELE_OK;
    }
    stele_buf_done(&buf);
    return st;
}

/* The cursor's block becomes `block`, one of the key's. A failure leaves no scan to go on with. */
static stele_status cursor_load(struct stele_posting_cursor *c, uint64_t block, stele_err *err) {
    stele_status st = STELE_OK;
    if (block == c->first) {
        st = find_record(c->s, c->tag, c->first, c->last, &c->buf, &c->begin, err);
    } else {
        st = stele_segment__read_blocks(c->s, block, 1, &c->buf, err);
        if (st == STELE_OK) {
            st = stele_segment__scan_block(c->s, block, stele_view_buf(&c->buf), &c->begin, err);
        }
    }
    c->block = block;
    c->scan = c->begin;
    /* The tag was in this block when the cursor was made: bytes that changed under it are damage.
     */
    c->broken = st == STELE_END ? index_bad(c->s, block, err) : st;
    return c->broken;
}

stele_status stele_posting_next(struct stele_posting_cursor *c, uint64_t *ret_seq, stele_err *err) {
    uint64_t lo = c->s->footer.info.lo;
    if (c->broken != STELE_OK) {
        return stele_err__set(err, c->broken, 0, STELE_WHERE,
                              "this posting cursor failed before; find the key again");
    }
    if (c->pending) {
        c->pending = false;
        *ret_seq = lo + c->ahead;
        return STELE_OK;
    }
    if (c->scan.left == 0) {
        uint64_t least = c->scan.offset_least;
        if (c->block == c->last) {
            return STELE_END;
        }
        if (first_of(c->s, c->block + 1) < least) {
            c->broken = index_bad(c->s, c->block + 1, err);
            return c->broken;
        }
        stele_status st = cursor_load(c, c->block + 1, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    uint64_t offset = 0;
    stele_status st = stele_segment__scan_posting(&c->scan, &offset, err);
    if (st != STELE_OK) {
        c->broken = st;
        return st;
    }
    *ret_seq = lo + offset;
    return STELE_OK;
}

/* The key's last block that begins at or below `offset`; its first block, if all begin above. */
static uint64_t cursor_block_of(const struct stele_posting_cursor *c, uint64_t offset) {
    uint64_t low = c->first;
    uint64_t high = c->last;
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        if (first_of(c->s, middle) <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

stele_status stele_posting_seek(struct stele_posting_cursor *c, uint64_t seq, stele_err *err) {
    uint64_t lo = c->s->footer.info.lo;
    uint64_t offset = seq <= lo ? 0 : seq - lo;
    if (c->broken == STELE_OK && c->pending && offset >= c->sought && offset <= c->ahead) {
        return STELE_OK;
    }
    c->pending = false;
    uint64_t block = cursor_block_of(c, offset);
    if (c->broken == STELE_OK && block != c->block) {
        stele_status st = cursor_load(c, block, err);
        if (st != STELE_OK) {
            return st;
        }
    } else if (offset < c->scan.offset_least) {
        c->scan = c->begin;
    }
    uint64_t at = 0;
    stele_status st = STELE_OK;
    do {
        st = stele_posting_next(c, &at, err);
    } while (st == STELE_OK && at - lo < offset);
    if (st == STELE_OK) {
        c->pending = true;
        c->ahead = at - lo;
        c->sought = offset;
    }
    return st == STELE_END ? STELE_OK : st;
}

void stele_posting_cursor_free(struct stele_posting_cursor *c) {
    if (c != NULL) {
        stele_buf_done(&c->buf);
        stele_free(c);
    }
}
