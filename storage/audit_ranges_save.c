/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_ranges_save.c: what an audit knows of ranges, from one run to the next. Format:
 * FORMAT.md, "Work folder of an audit". */
#include <inttypes.h>

#include "storage/audit_ranges_parts.h"
#include "storage/cursor.h"

bool stele_audit_ranges_is_block(const struct stele_audit_ranges *r) {
    return r->next % (UINT64_C(1) << r->block_shift) == 0;
}

uint64_t stele_audit_ranges_to_block(const struct stele_audit_ranges *r) {
    uint64_t span = UINT64_C(1) << r->block_shift;
    return span - r->next % span;
}

stele_status stele_audit_ranges_save(struct stele_audit_ranges *r, stele_buf *out, stele_err *err) {
    const struct stele_audit__era *era = r->eras.item;
    const struct stele_audit__range *range = NULL;
    stele_status st = stele_audit__close_block(r, err);
    if (st != STELE_OK) {
        return st;
    }
    range = r->ranges.item;
    struct stele_writer w = stele_writer_to(out);
    stele_write_u32(&w, (uint32_t)r->eras.n);
    for (size_t i = 0; i < r->eras.n; i++) {
        stele_write_u64(&w, era[i].lo);
        stele_write_u32(&w, era[i].epoch.era);
        stele_write_u16(&w, era[i].epoch.map_version);
        stele_write_u16(&w, era[i].epoch.tag_alg);
        stele_write_view(&w, stele_view_of(era[i].epoch.tag_key_commit, STELE_HASH_BYTES));
        stele_write_u8(&w, era[i].whole ? 1 : 0);
    }
    stele_write_u64(&w, r->ranges.n);
    for (size_t i = 0; i < r->ranges.n; i++) {
        uint8_t bytes[STELE_DESCRIPTOR_BYTES];
        stele_descriptor_encode(&range[i].descriptor, bytes);
        stele_write_view(&w, stele_view_of(bytes, sizeof bytes));
        stele_write_u8(&w, range[i].stored ? 1 : 0);
    }
    return stele_writer_end(&w, err);
}

static stele_status refuse(stele_err *err) {
    return STELE_FAIL(err, INVALID,
                      "an audit's progress that none can have: remove its work folder");
}

static stele_status read_flag(struct stele_reader *reader, bool *ret, stele_err *err) {
    uint8_t flag = 0;
    stele_status st = stele_read_u8(reader, &flag, err);
    *ret = flag == 1;
    return st == STELE_OK && flag > 1 ? refuse(err) : st;
}

static stele_status read_eras(struct stele_audit_ranges *r, struct stele_reader *reader,
                              uint64_t next, stele_err *err) {
    uint32_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u32(reader, &n, err));
    for (uint32_t i = 0; i < n; i++) { /* each takes bytes: a count beyond them ends here */
        struct stele_audit__era era = {.lo = 0};
        STELE_TRY(stele_read_u64(reader, &era.lo, err));
        STELE_TRY(stele_read_u32(reader, &era.epoch.era, err));
        STELE_TRY(stele_read_u16(reader, &era.epoch.map_version, err));
        STELE_TRY(stele_read_u16(reader, &era.epoch.tag_alg, err));
        STELE_TRY(stele_read_bytes(reader, era.epoch.tag_key_commit, STELE_HASH_BYTES, err));
        STELE_TRY(read_flag(reader, &era.whole, err));
        STELE_TRY(stele_audit__make_room(&r->eras, 1, sizeof era, err));
        struct stele_audit__era *all = r->eras.item;
        if (era.lo >= next || (i > 0 && era.lo <= all[i - 1].lo)) {
            return refuse(err);
        }
        all[r->eras.n++] = era;
    }
    st = n == 0 ? refuse(err) : STELE_OK;
cleanup:
    return st;
}

static bool is_above(const struct stele_segment_info *a, const struct stele_segment_info *b) {
    return a->lo > b->lo || (a->lo == b->lo && a->hi > b->hi);
}

static stele_status read_ranges(struct stele_audit_ranges *r, struct stele_reader *reader,
                                uint64_t next, stele_err *err) {
    uint64_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(reader, &n, err));
    for (uint64_t i = 0; i < n; i++) {
        struct stele_audit__range range = {.stored = false};
        stele_view bytes;
        STELE_TRY(stele_read_view(reader, STELE_DESCRIPTOR_BYTES, &bytes, err));
        STELE_TRY(stele_descriptor_decode(bytes, &range.descriptor, err));
        STELE_TRY(read_flag(reader, &range.stored, err));
        STELE_TRY(stele_audit__make_room(&r->ranges, 1, sizeof range, err));
        struct stele_audit__range *all = r->ranges.item;
        if (range.descriptor.info.hi > next ||
            (i > 0 && !is_above(&range.descriptor.info, &all[i - 1].descriptor.info))) {
            return refuse(err);
        }
        all[r->ranges.n++] = range;
    }
cleanup:
    return st;
}

stele_status stele_audit_ranges_load(struct stele_audit_ranges *r, stele_view saved, uint64_t next,
                                     stele_err *err) {
    struct stele_reader reader = stele_reader_of(saved, "an audit's progress");
    stele_status st = STELE_OK;
    STELE_TRY(read_eras(r, &reader, next, err));
    STELE_TRY(read_ranges(r, &reader, next, err));
    STELE_TRY(stele_reader_end(&reader, err));
    r->kept_lo = ((const struct stele_audit__era *)r->eras.item)[0].lo;
    r->next = r->block_lo = next;
cleanup:
    return st;
}
