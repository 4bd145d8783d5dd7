/* SPDX-License-Identifier: Apache-2.0 */
/* storage/segment_format.c: header, footer and index entries of a segment, and its checksums. */
#include "storage/segment_format.h"

#include <inttypes.h>

#include "storage/cursor.h"

#define RESERVED_BYTES 56 /* zero; room for a key root and what a later version wants beside it */
#define FOOTER_SUM_AT (STELE_SEGMENT__FOOTER_BYTES - STELE_HASH_BYTES)

static const uint8_t magic[8] = {'S', 'T', 'E', 'L', 'E', 'S', 'E', 'G'};

void stele_segment__sum(enum stele_segment__sum_kind kind, uint64_t number, stele_view bytes,
                        uint8_t out[STELE_AT_LEAST(32)]) {
    /* No hash of the format's table starts with an 's', so no checksum can be taken for one of
     * them. */
    uint8_t head[24] = "stele segment\n\0";
    head[15] = (uint8_t)kind;
    stele_put_u64(head + 16, number);
    struct stele_sha256 h;
    stele_sha256_init(&h);
    stele_sha256_update(&h, stele_view_of(head, sizeof head));
    stele_sha256_update(&h, bytes);
    stele_sha256_final(&h, out);
}

/* The 16 bytes a segment begins with and its footer begins with. */
void stele_segment__put_header(uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__HEADER_BYTES)]) {
    memcpy(out, magic, sizeof magic);
    stele_put_u16(out + 8, STELE_SEGMENT__VERSION);
    stele_put_u16(out + 10, 0); /* flags */
    stele_put_u32(out + 12, STELE_SEGMENT__BLOCK_BYTES_MAX);
}

void stele_segment__put_footer(const struct stele_segment__footer *footer,
                               uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__FOOTER_BYTES)]) {
    const struct stele_segment_info *info = &footer->info;
    memset(out, 0, STELE_SEGMENT__FOOTER_BYTES);
    stele_segment__put_header(out);
    stele_put_u32(out + 16, info->era);
    stele_put_u16(out + 20, info->map_version);
    stele_put_u16(out + 22, info->tag_alg);
    stele_put_u64(out + 24, info->lo);
    stele_put_u64(out + 32, info->hi);
    stele_put_u64(out + 40, info->t_first);
    stele_put_u64(out + 48, info->t_last);
    stele_put_u64(out + 56, info->late_first);
    stele_put_u64(out + 64, info->late_last);
    stele_put_u64(out + 72, info->n_keys);
    stele_put_u64(out + 80, info->n_postings);
    stele_put_u64(out + 88, footer->n_blocks);
    stele_put_u64(out + 96, footer->index_at);
    memcpy(out + 104, info->tag_key_commit, STELE_HASH_BYTES);
    memcpy(out + 104 + STELE_HASH_BYTES + RESERVED_BYTES, footer->index_sum, STELE_HASH_BYTES);
    stele_segment__sum(STELE_SEGMENT__SUM_FOOTER, 0, stele_view_of(out, FOOTER_SUM_AT),
                       out + FOOTER_SUM_AT);
}

stele_status stele_segment__check_info(const struct stele_segment_info *info, stele_err *err) {
    if (info->lo >= info->hi) {
        return STELE_FAIL(err, INVALID, "segment [%" PRIu64 ", %" PRIu64 "): it must have an entry",
                          info->lo, info->hi);
    }
    if (info->t_first > info->t_last) {
        return STELE_FAIL(err, INVALID,
                          "segment [%" PRIu64 ", %" PRIu64 "): its first time %" PRIu64
                          " is after its last %" PRIu64,
                          info->lo, info->hi, info->t_first, info->t_last);
    }
    bool none_late = info->late_first == UINT64_MAX && info->late_last == 0;
    if (!none_late && info->late_first > info->late_last) {
        return STELE_FAIL(err, INVALID,
                          "segment [%" PRIu64 ", %" PRIu64 "): late events from %" PRIu64
                          " to %" PRIu64 " (none would be 2^64-1 and 0)",
                          info->lo, info->hi, info->late_first, info->late_last);
    }
    return STELE_OK;
}

static stele_status parse_footer(struct stele_reader *r, struct stele_segment__footer *f,
                                 stele_err *err) {
    static const uint8_t zero[RESERVED_BYTES];
    stele_status st = STELE_OK;
    struct stele_segment_info *info = &f->info;
    uint64_t *const number[] = {
        &info->lo,        &info->hi,     &info->t_first,    &info->t_last, &info->late_first,
        &info->late_last, &info->n_keys, &info->n_postings, &f->n_blocks,  &f->index_at};
    STELE_TRY(stele_read_u32(r, &info->era, err));
    STELE_TRY(stele_read_u16(r, &info->map_version, err));
    STELE_TRY(stele_read_u16(r, &info->tag_alg, err));
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        STELE_TRY(stele_read_u64(r, number[i], err));
    }
    STELE_TRY(stele_read_bytes(r, info->tag_key_commit, STELE_HASH_BYTES, err));
    STELE_TRY(stele_read_expect(r, stele_view_of(zero, sizeof zero), err));
    STELE_TRY(stele_read_bytes(r, f->index_sum, STELE_HASH_BYTES, err));
    STELE_TRY(stele_reader_end(r, err));
cleanup:
    return st;
}

/* Counts that fit each other and the segment's size: after this, n_blocks bounds an allocation. */
static stele_status check_counts(const struct stele_segment__footer *f, uint64_t size_bytes,
                                 stele_err *err) {
    uint64_t room =
        size_bytes - STELE_SEGMENT__FOOTER_BYTES; /* the caller has seen that it is larger */
    if (f->n_blocks > room / STELE_SEGMENT__INDEX_ENTRY_BYTES ||
        f->index_at != room - f->n_blocks * STELE_SEGMENT__INDEX_ENTRY_BYTES ||
        f->index_at < STELE_SEGMENT__HEADER_BYTES) {
        return STELE_FAIL(err, CORRUPT,
                          "segment footer: %" PRIu64 " blocks and an index at %" PRIu64
                          " do not add up to %" PRIu64 " bytes; restore or rebuild the segment",
                          f->n_blocks, f->index_at, size_bytes);
    }
    bool empty = f->n_blocks == 0;
    if (f->info.n_keys > f->info.n_postings || f->info.n_postings > f->index_at ||
        empty != (f->info.n_keys == 0) || (empty && f->info.n_postings != 0) ||
        (empty && f->index_at != STELE_SEGMENT__HEADER_BYTES)) {
        return STELE_FAIL(err, CORRUPT,
                          "segment footer: %" PRIu64 " keys with %" PRIu64 " postings in %" PRIu64
                          " blocks are impossible; restore or rebuild the segment",
                          f->info.n_keys, f->info.n_postings, f->n_blocks);
    }
    return STELE_OK;
}

stele_status
stele_segment__get_footer(const uint8_t in[STELE_AT_LEAST(STELE_SEGMENT__FOOTER_BYTES)],
                          uint64_t size_bytes, struct stele_segment__footer *ret, stele_err *err) {
    uint8_t sum[STELE_HASH_BYTES];
    uint8_t header[STELE_SEGMENT__HEADER_BYTES];
    stele_segment__sum(STELE_SEGMENT__SUM_FOOTER, 0, stele_view_of(in, FOOTER_SUM_AT), sum);
    if (memcmp(in, magic, sizeof magic) != 0 || memcmp(in + FOOTER_SUM_AT, sum, sizeof sum) != 0) {
        return STELE_FAIL(err, CORRUPT,
                          "segment footer: magic or checksum does not hold in %" PRIu64
                          " bytes; it is damaged, cut off or no segment: restore or rebuild it",
                          size_bytes);
    }
    stele_segment__put_header(header);
    if (memcmp(in, header, sizeof header) != 0) {
        return STELE_FAIL(
            err, UNSUPPORTED,
            "segment of version %u with flags %#x: only version %d without flags is known "
            "here; use a newer stele",
            stele_get_u16(in + 8), stele_get_u16(in + 10), STELE_SEGMENT__VERSION);
    }
    struct stele_segment__footer f = {0};
    struct stele_reader r = stele_reader_of(
        stele_view_of(in + sizeof header, FOOTER_SUM_AT - sizeof header), "segment footer");
    stele_status st = parse_footer(&r, &f, err);
    if (st == STELE_OK) {
        st = stele_segment__check_info(&f.info, err);
    }
    st = stele_corrupt(st, err);
    if (st == STELE_OK) {
        st = check_counts(&f, size_bytes, err);
    }
    if (st == STELE_OK) {
        *ret = f;
    }
    return st;
}

void stele_segment__put_index_entry(const struct stele_segment__index_entry *entry,
                                    uint8_t out[STELE_AT_LEAST(STELE_SEGMENT__INDEX_ENTRY_BYTES)]) {
    memcpy(out, entry->tag, STELE_TAG_BYTES);
    memcpy(out + 16, entry->sum, STELE_SEGMENT__SUM_BYTES);
    stele_put_u64(out + 32, entry->first);
    stele_put_u64(out + 40, entry->at);
    stele_put_u32(out + 48, entry->continued);
}

void stele_segment__get_index_entry(
    const uint8_t in[STELE_AT_LEAST(STELE_SEGMENT__INDEX_ENTRY_BYTES)],
    struct stele_segment__index_entry *ret) {
    memcpy(ret->tag, in, STELE_TAG_BYTES);
    memcpy(ret->sum, in + 16, STELE_SEGMENT__SUM_BYTES);
    ret->first = stele_get_u64(in + 32);
    ret->at = stele_get_u64(in + 40);
    ret->continued = stele_get_u32(in + 48);
}
