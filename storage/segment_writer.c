/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_writer.c: postings in order to segment bytes, as a stream.
 *
 * Invariant: the bytes depend on the info and the sequence of postings and on nothing else. Hence a
 * merge, which is a writer fed from walkers, gives the very bytes one writer over everything would
 * have given. Memory: one block, one key's part of it, and the index, 52 bytes for each 16 KiB
 * written.
 */
#include "storage/segment_format.h"

#include <assert.h>
#include <inttypes.h>

#include "storage/cursor.h"

struct stele_segment_writer {
    struct stele_segment_info info;
    stele_write_fn write;
    void *ctx;
    stele_status
        broken; /* the first failure: after it a stream has a hole and nothing more is taken */
    bool ended;

    bool started; /* `tag` is a key's, and its part below is open */
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t previous;   /* the last posting, less lo */
    bool continuing;     /* this part goes on with a key of the block before */
    uint64_t part_first; /* the part's first posting, less lo */
    uint32_t part_n;     /* its postings */
    uint32_t part_bytes;

    uint32_t block_bytes;
    bool block_used;                    /* it has a record: block_entry and block_tag are set */
    uint8_t block_tag[STELE_TAG_BYTES]; /* of its last record */
    struct stele_segment__index_entry block_entry;

    uint64_t n_blocks;
    uint64_t at; /* bytes written */
    stele_buf index;
    uint8_t block[STELE_SEGMENT__BLOCK_BYTES_MAX];
    uint8_t part[STELE_SEGMENT__BLOCK_BYTES_MAX];
};

stele_status stele_segment_writer_new(const struct stele_segment_info *info, stele_write_fn write,
                                      void *ctx, struct stele_segment_writer **ret,
                                      stele_err *err) {
    stele_status st = stele_segment__check_info(info, err);
    if (st != STELE_OK) {
        return st;
    }
    struct stele_segment_writer *w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a segment writer of %zu bytes", sizeof *w);
    }
    w->info = *info;
    w->info.n_keys = 0;
    w->info.n_postings = 0;
    w->write = write;
    w->ctx = ctx;
    stele_segment__put_header(w->block);
    w->block_bytes = STELE_SEGMENT__HEADER_BYTES;
    *ret = w;
    return STELE_OK;
}

void stele_segment_writer_free(struct stele_segment_writer *w) {
    if (w != NULL) {
        stele_buf_done(&w->index);
        stele_free(w);
    }
}

static uint32_t put_varint(uint8_t *out, uint64_t value) {
    uint32_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

static unsigned tag_shared(const uint8_t *a, const uint8_t *b) {
    unsigned n = 0;
    while (n < STELE_TAG_BYTES - 1 && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* Moves the open part into the block as one record. The room was checked posting by posting. */
static void close_part(struct stele_segment_writer *w) {
    if (w->part_n == 0) {
        return;
    }
    unsigned shared = w->block_used ? tag_shared(w->block_tag, w->tag) : 0;
    if (!w->block_used) {
        w->block_used = true;
        memcpy(w->block_entry.tag, w->tag, STELE_TAG_BYTES);
        w->block_entry.first = w->part_first;
        w->block_entry.continued = w->continuing ? w->part_n : 0;
    }
    bool is_long = w->part_n >= STELE_SEGMENT__COUNT_LONG;
    uint8_t *out = w->block + w->block_bytes;
    *out++ = (uint8_t)(shared << 4 | (is_long ? 0 : w->part_n));
    memcpy(out, w->tag + shared, STELE_TAG_BYTES - shared);
    out += STELE_TAG_BYTES - shared;
    if (is_long) {
        out += put_varint(out, w->part_n - STELE_SEGMENT__COUNT_LONG);
        out += put_varint(out, w->part_bytes);
    }
    memcpy(out, w->part, w->part_bytes);
    out += w->part_bytes;
    w->block_bytes = (uint32_t)(out - w->block);
    assert(w->block_bytes <= STELE_SEGMENT__BLOCK_BYTES_MAX);
    memcpy(w->block_tag, w->tag, STELE_TAG_BYTES);
    w->part_n = 0;
    w->part_bytes = 0;
}

static stele_status write_out(struct stele_segment_writer *w, stele_view bytes, stele_err *err) {
    stele_status st = w->write(w->ctx, bytes, err);
    w->at += bytes.size;
    return st;
}

static stele_status close_block(struct stele_segment_writer *w, stele_err *err) {
    uint8_t sum[STELE_HASH_BYTES];
    uint8_t entry[STELE_SEGMENT__INDEX_ENTRY_BYTES];
    stele_view bytes = stele_view_of(w->block, w->block_bytes);
    stele_segment__sum(STELE_SEGMENT__SUM_BLOCK, w->n_blocks, bytes, sum);
    memcpy(w->block_entry.sum, sum, STELE_SEGMENT__SUM_BYTES);
    w->block_entry.at = w->at;
    stele_segment__put_index_entry(&w->block_entry, entry);
    stele_status st = stele_buf_append(&w->index, stele_view_of(entry, sizeof entry), err);
    if (st == STELE_OK) {
        st = write_out(w, bytes, err);
    }
    w->n_blocks++;
    w->block_bytes = 0;
    w->block_used = false;
    return st;
}

/* For one more posting behind `more_bytes` of the open part. */
static bool has_room(const struct stele_segment_writer *w, size_t more_bytes) {
    return w->block_bytes + w->part_bytes + more_bytes + STELE_SEGMENT__RECORD_HEAD_BYTES_MAX +
               STELE_SEGMENT__VARINT_BYTES_MAX <=
           STELE_SEGMENT__BLOCK_BYTES_MAX;
}

static stele_status refuse(struct stele_segment_writer *w, const uint8_t *tag, uint64_t seq,
                           const char *why, stele_err *err) {
    char hex[2 * STELE_TAG_BYTES + 1];
    stele_hex_encode(stele_view_of(tag, STELE_TAG_BYTES), hex);
    return STELE_FAIL(err, BUG,
                      "posting (%s, %" PRIu64 ") for segment [%" PRIu64 ", %" PRIu64 ") %s", hex,
                      seq, w->info.lo, w->info.hi, why);
}

stele_status stele_segment_writer_add(struct stele_segment_writer *w,
                                      const uint8_t tag[STELE_AT_LEAST(16)], uint64_t seq,
                                      stele_err *err) {
    if (w->broken != STELE_OK || w->ended) {
        return refuse(w, tag, seq, "comes after the writer failed or ended", err);
    }
    if (seq < w->info.lo || seq >= w->info.hi) {
        return refuse(w, tag, seq, "is outside it", err);
    }
    uint64_t offset = seq - w->info.lo;
    int order = w->started ? stele_tag_order(tag, w->tag) : 1;
    if (order < 0 || (order == 0 && offset <= w->previous)) {
        return refuse(w, tag, seq, "is not above the one before", err);
    }
    if (order > 0) {
        close_part(w);
        memcpy(w->tag, tag, STELE_TAG_BYTES);
        w->started = true;
        w->continuing = false;
        w->info.n_keys++;
    }
    if (!has_room(w, 0)) {
        bool goes_on = w->continuing || w->part_n > 0;
        close_part(w);
        w->continuing = goes_on;
        w->broken = close_block(w, err);
        if (w->broken != STELE_OK) {
            return w->broken;
        }
    }
    if (w->part_n == 0) {
        w->part_first = offset;
        w->part_bytes += put_varint(w->part + w->part_bytes, offset);
    } else {
        w->part_bytes += put_varint(w->part + w->part_bytes, offset - w->previous - 1);
    }
    w->part_n++;
    w->previous = offset;
    w->info.n_postings++;
    return STELE_OK;
}

stele_status stele_segment__writer_add_run(struct stele_segment_writer *w,
                                           const struct stele_segment__run *run, stele_err *err) {
    stele_status st = stele_segment_writer_add(w, run->tag, run->first, err);
    if (st != STELE_OK || run->n == 1) {
        return st;
    }
    /* Room for all of them now is room for each: the block ends where it would one by one. */
    if (run->last < w->info.hi && has_room(w, run->gaps.size)) {
        memcpy(w->part + w->part_bytes, run->gaps.data, run->gaps.size);
        w->part_bytes += (uint32_t)run->gaps.size;
        w->part_n += run->n - 1;
        w->previous = run->last - w->info.lo;
        w->info.n_postings += run->n - 1;
        return STELE_OK;
    }
    struct stele_segment__scan scan = {.at = run->gaps.data,
                                       .end = run->gaps.data + run->gaps.size,
                                       .offset_least = w->previous + 1,
                                       .offsets = w->info.hi - w->info.lo,
                                       .left = run->n - 1};
    while (st == STELE_OK && scan.left > 0) {
        uint64_t offset = 0;
        st = stele_segment__scan_posting(&scan, &offset, err);
        if (st == STELE_OK) {
            st = stele_segment_writer_add(w, run->tag, w->info.lo + offset, err);
        }
    }
    return st;
}

stele_status stele_segment_writer_end(struct stele_segment_writer *w, stele_err *err) {
    if (w->broken != STELE_OK || w->ended) {
        return STELE_FAIL(err, BUG,
                          "segment [%" PRIu64 ", %" PRIu64 "): ended after it failed or ended",
                          w->info.lo, w->info.hi);
    }
    stele_status st = STELE_OK;
    uint8_t bytes[STELE_SEGMENT__FOOTER_BYTES];
    w->ended = true;
    close_part(w);
    if (w->block_used) {
        STELE_TRY(close_block(w, err));
    } else if (w->n_blocks == 0) {
        STELE_TRY(write_out(w, stele_view_of(w->block, w->block_bytes), err));
    }
    struct stele_segment__footer footer = {
        .info = w->info, .n_blocks = w->n_blocks, .index_at = w->at};
    stele_view index = stele_view_buf(&w->index);
    stele_segment__sum(STELE_SEGMENT__SUM_INDEX, 0, index, footer.index_sum);
    if (index.size > 0) {
        STELE_TRY(write_out(w, index, err));
    }
    stele_segment__put_footer(&footer, bytes);
    STELE_TRY(write_out(w, stele_view_of(bytes, sizeof bytes), err));
cleanup:
    w->broken = st;
    return st;
}
