/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_ranges.c: blocks built from postings, larger ranges merged from blocks. */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_ranges_parts.h"

/* Shorter ones at the end of what is there are other ones for each INDEX: they are not kept. */
#define KEPT_ENTRIES_MIN 4096u
/* Ranges of more than 64 spans are merged from wider ones: 2^16 entries, 2^20, 2^24, ... */
#define SPAN_STEP 4u

stele_status stele_audit_ranges_new(struct stele_audit_work *work, unsigned block_shift,
                                    struct stele_audit_ranges **ret, stele_err *err) {
    struct stele_audit_ranges *r = stele_alloc(1, sizeof *r);
    if (r == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an audit");
    }
    r->work = work;
    r->block_shift = block_shift;
    *ret = r;
    return STELE_OK;
}

void stele_audit_ranges_begin(struct stele_audit_ranges *r, uint64_t lo) {
    r->next = r->block_lo = r->kept_lo = lo;
}

void stele_audit_ranges_free(struct stele_audit_ranges *r) {
    if (r != NULL) {
        stele_free(r->eras.item);
        stele_free(r->ranges.item);
        stele_free(r->rows.item);
        stele_free(r->counts.item);
        stele_free(r->postings.item);
        stele_free(r->sorted.item);
        stele_free(r);
    }
}

/* ------------------------------------------------------------------ what is there */

/* How many ranges stand before [lo, hi). */
static size_t place_of(const struct stele_audit_ranges *r, uint64_t lo, uint64_t hi) {
    const struct stele_audit__range *range = r->ranges.item;
    size_t low = 0;
    size_t high = r->ranges.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct stele_segment_info *info = &range[middle].descriptor.info;
        bool before = info->lo < lo || (info->lo == lo && info->hi < hi);
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

static struct stele_audit__range *find(const struct stele_audit_ranges *r, uint64_t lo,
                                       uint64_t hi) {
    struct stele_audit__range *range = r->ranges.item;
    size_t at = place_of(r, lo, hi);
    bool is = at < r->ranges.n && range[at].descriptor.info.lo == lo &&
              range[at].descriptor.info.hi == hi;
    return is ? &range[at] : NULL;
}

/* A stored range that covers this one; NULL if none. */
static const struct stele_audit__range *find_around(const struct stele_audit_ranges *r, uint64_t lo,
                                                    uint64_t hi) {
    const struct stele_audit__range *range = r->ranges.item;
    for (size_t i = place_of(r, lo, UINT64_MAX); i > 0; i--) {
        if (range[i - 1].stored && range[i - 1].descriptor.info.hi >= hi) {
            return &range[i - 1];
        }
    }
    return NULL;
}

static stele_status note(struct stele_audit_ranges *r, const struct stele_descriptor *descriptor,
                         bool stored, stele_err *err) {
    struct stele_audit__range *known = find(r, descriptor->info.lo, descriptor->info.hi);
    if (known != NULL) {
        known->stored |= stored;
        return STELE_OK;
    }
    stele_status st = stele_audit__make_room(&r->ranges, 1, sizeof *known, err);
    if (st == STELE_OK) {
        struct stele_audit__range *range = r->ranges.item;
        size_t at = place_of(r, descriptor->info.lo, descriptor->info.hi);
        memmove(range + at + 1, range + at, (r->ranges.n - at) * sizeof *range);
        range[at] = (struct stele_audit__range){*descriptor, stored};
        r->ranges.n++;
    }
    return st;
}

/* Its files go; what is known of it stays. */
static stele_status forget(struct stele_audit_ranges *r, struct stele_audit__range *range,
                           stele_err *err) {
    stele_status st = STELE_OK;
    if (range->stored) {
        st = stele_audit_work_drop(r->work, range->descriptor.info.lo, range->descriptor.info.hi,
                                   err);
        range->stored = false;
    }
    return st;
}

/* ------------------------------------------------------------------ making a range */

/* Builds [lo, hi) of n postings whose offsets count from `base`; there is room to sort as many
 * again in r->sorted. ret: a reference, as of all that follow. */
static stele_status build(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi, uint64_t base,
                          const struct stele_posting *postings, size_t n,
                          struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_info info;
    struct stele_leaf_source leaves = {stele_audit__leaf_of, r};
    stele_status st = STELE_OK;
    r->sorted.n = 0;
    STELE_TRY(stele_audit__info_of(r, lo, hi, &info, err));
    STELE_TRY(stele_audit__make_room(&r->sorted, 2 * n + 1, sizeof *postings, err));
    struct stele_posting *copy = r->sorted.item;
    for (size_t i = 0; i < n; i++) {
        copy[i] = postings[i];
        copy[i].offset = (uint32_t)(base + postings[i].offset - lo);
    }
    STELE_TRY(stele_segment_ref_build(&info, copy, n, leaves, ret, err));
cleanup:
    return st;
}

/* A part, of at most a block, of a range that is stored: its postings, picked out. */
static stele_status build_part(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                               const struct stele_audit__range *whole,
                               struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_walker *walker = NULL;
    struct stele_segment_ref *ref = NULL;
    struct stele_audit__rows picked = {NULL, 0, 0};
    struct stele_posting posting;
    uint64_t seq = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit_work_load(r->work, whole->descriptor.info.lo, whole->descriptor.info.hi,
                                    &ref, err));
    STELE_TRY(stele_segment_walk(ref->segment, &walker, err));
    while ((st = stele_segment_walk_next(walker, posting.tag, &seq, err)) == STELE_OK) {
        if (seq >= lo && seq < hi) {
            posting.offset = (uint32_t)(seq - lo);
            STELE_TRY(stele_audit__make_room(&picked, 1, sizeof posting, err));
            ((struct stele_posting *)picked.item)[picked.n++] = posting;
        }
    }
    st = st == STELE_END ? build(r, lo, hi, lo, picked.item, picked.n, ret, err) : st;
cleanup:
    stele_segment_walk_free(walker);
    stele_segment_ref_unref(ref);
    stele_free(picked.item);
    return st;
}

static stele_status get(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                        struct stele_segment_ref **ret, stele_err *err);

/* Where the part of [lo, hi) ends that begins at `at`: with the widest stored segment that is the
 * part of an aligned span, or with the aligned span of 2^shift entries. */
static uint64_t part_end(const struct stele_audit_ranges *r, uint64_t at, uint64_t hi,
                         bool is_first, unsigned shift) {
    const struct stele_audit__range *range = r->ranges.item;
    uint64_t end = ((at >> shift) + 1) << shift;
    end = end < hi ? end : hi;
    for (size_t i = place_of(r, at, UINT64_MAX); i > 0 && range[i - 1].descriptor.info.lo == at;
         i--) {
        uint64_t to = range[i - 1].descriptor.info.hi;
        uint64_t differs = at ^ (to - 1);
        uint64_t mask = differs == 0 ? 0 : UINT64_MAX >> __builtin_clzll(differs);
        bool is_span = (is_first || (at & mask) == 0) && (to == hi || (to & mask) == 0);
        if (range[i - 1].stored && to <= hi && to > end && is_span && !(is_first && to == hi)) {
            return to;
        }
    }
    return end;
}

static size_t count_parts(const struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                          unsigned shift) {
    size_t n = 0;
    for (uint64_t at = lo; at < hi && n <= STELE_SEGMENT_FANIN_MAX; n++) {
        at = part_end(r, at, hi, at == lo, shift);
    }
    return n;
}

/* What a stored range was merged from can be picked out of it again. */
static stele_status drop_parts(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                               stele_err *err) {
    struct stele_audit__range *range = r->ranges.item;
    stele_status st = STELE_OK;
    for (size_t i = place_of(r, lo, 0); i < r->ranges.n && range[i].descriptor.info.lo < hi; i++) {
        const struct stele_segment_info *info = &range[i].descriptor.info;
        if (info->hi <= hi && info->hi - info->lo < hi - lo) {
            STELE_TRY(forget(r, &range[i], err));
        }
    }
cleanup:
    return st;
}

/* From parts, as many of them as merge at a time, into the folder. */
static stele_status merge(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                          struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *part[STELE_SEGMENT_FANIN_MAX] = {NULL};
    struct stele_leaf_source leaves = {stele_audit__leaf_of, r};
    struct stele_segment_ref *merged = NULL;
    unsigned shift = r->block_shift;
    size_t n = 0;
    stele_status st = STELE_OK;
    while (count_parts(r, lo, hi, shift) > STELE_SEGMENT_FANIN_MAX) {
        shift += SPAN_STEP;
    }
    for (uint64_t at = lo; at < hi; n++) {
        uint64_t end = part_end(r, at, hi, at == lo, shift);
        STELE_TRY(get(r, at, end, &part[n], err));
        at = end;
    }
    STELE_TRY(stele_audit_work_merge(r->work, part, n, leaves, err));
    STELE_TRY(stele_audit_work_load(r->work, lo, hi, &merged, err));
    STELE_TRY(note(r, stele_seal_descriptor(merged->seal), true, err));
    STELE_TRY(drop_parts(r, lo, hi, err));
    *ret = merged;
    merged = NULL;
cleanup:
    for (size_t i = 0; i < n; i++) {
        stele_segment_ref_unref(part[i]);
    }
    stele_segment_ref_unref(merged);
    return st;
}

static stele_status get(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                        struct stele_segment_ref **ret, stele_err *err) {
    const struct stele_audit__range *range = find(r, lo, hi);
    if (range != NULL && range->stored) {
        return stele_audit_work_load(r->work, lo, hi, ret, err);
    }
    if (lo >= r->block_lo) {
        const uint32_t *counts = r->counts.item;
        size_t first = counts[lo - r->block_lo];
        size_t end = hi == r->next ? r->postings.n : counts[hi - r->block_lo];
        return build(r, lo, hi, r->block_lo, (const struct stele_posting *)r->postings.item + first,
                     end - first, ret, err);
    }
    range = (hi - 1) >> r->block_shift == lo >> r->block_shift ? find_around(r, lo, hi) : NULL;
    return range != NULL ? build_part(r, lo, hi, range, ret, err) : merge(r, lo, hi, ret, err);
}

/* Nothing of this says anything of the log: what was asked for can be made. */
static stele_status ours(const struct stele_audit_ranges *r, stele_status st, stele_err *err) {
    if (st == STELE_OK || st == STELE_NO_MEMORY || st == STELE_NO_SPACE || st == STELE_IO ||
        st == STELE_BUG) {
        return st;
    }
    stele_err why = {.text = ""};
    if (err != NULL) {
        why = *err;
    }
    return STELE_FAIL(err, IO, "the work folder '%.60s' does not hold: %.100s; remove it",
                      stele_audit_work_folder(r->work), why.text);
}

/* Makes the range, and keeps what may be asked for again. */
static stele_status get_and_note(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                 bool always, struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(ours(r, get(r, lo, hi, &ref, err), err));
    if (always || hi - lo >= KEPT_ENTRIES_MIN) {
        STELE_TRY(note(r, stele_seal_descriptor(ref->seal), false, err));
    }
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

stele_status stele_audit_ranges_get(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                    struct stele_descriptor *ret,
                                    struct stele_segment_ref **ret_ref, stele_err *err) {
    const struct stele_audit__range *range = find(r, lo, hi);
    struct stele_segment_ref *ref = NULL;
    uint64_t end = 0;
    stele_status st = STELE_OK;
    const struct stele_audit__era *era =
        lo < hi && hi <= r->next ? stele_audit__era_of(r, lo, &end) : NULL;
    if (lo >= hi || hi > r->next || r->eras.n == 0 || (era == NULL ? hi > r->kept_lo : hi > end)) {
        return STELE_FAIL(err, INVALID, "entries %" PRIu64 " to %" PRIu64 " are no part of one era",
                          lo, hi);
    }
    if (range != NULL && (era == NULL || ret_ref == NULL)) {
        *ret = range->descriptor;
    } else if (era == NULL) {
        return STELE_FAIL(err, NOT_FOUND,
                          "entries %" PRIu64 " to %" PRIu64 " are of an era that is long over", lo,
                          hi);
    } else {
        STELE_TRY(get_and_note(r, lo, hi, false, &ref, err));
        *ret = *stele_seal_descriptor(ref->seal);
    }
    if (ret_ref != NULL) {
        *ret_ref = ref;
        ref = NULL;
    }
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* ------------------------------------------------------------------ going on */

stele_status stele_audit__close_block(struct stele_audit_ranges *r, stele_err *err) {
    struct stele_audit__range *range = r->ranges.item;
    struct stele_segment_ref *ref = NULL;
    uint64_t end = 0;
    stele_status st = STELE_OK;
    if (r->next == r->block_lo) {
        return STELE_OK;
    }
    while (r->ranges.n > 0 && range[r->ranges.n - 1].descriptor.info.lo >= r->block_lo) {
        r->ranges.n--; /* parts of the block: it takes their place */
    }
    STELE_TRY(get_and_note(r, r->block_lo, r->next, true, &ref, err));
    STELE_TRY(stele_audit_work_store(r->work, ref, err));
    find(r, r->block_lo, r->next)->stored = true;
    STELE_TRY(stele_audit_work_write_rows(r->work, stele_audit__era_of(r, r->block_lo, &end)->lo,
                                          r->block_lo, r->rows.item, r->rows.n, err));
    r->rows.n = r->counts.n = r->postings.n = 0;
    r->block_lo = r->next;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* Of eras that are merged as far as they ever are only descriptors stay. */
static stele_status drop_whole_eras(struct stele_audit_ranges *r, stele_err *err) {
    struct stele_audit__era *era = r->eras.item;
    struct stele_segment_ref *ref = NULL;
    size_t n = 0;
    stele_status st = STELE_OK;
    while (n + 1 < r->eras.n && era[n].whole) {
        if (find(r, era[n].lo, era[n + 1].lo) == NULL) {
            STELE_TRY(get_and_note(r, era[n].lo, era[n + 1].lo, true, &ref, err));
            stele_segment_ref_unref(ref);
            ref = NULL;
        }
        STELE_TRY(stele_audit_work_drop_rows(r->work, era[n].lo, err));
        n++;
    }
    struct stele_audit__range *range = r->ranges.item;
    for (size_t i = 0; i < r->ranges.n && range[i].descriptor.info.lo < era[n].lo; i++) {
        STELE_TRY(forget(r, &range[i], err));
    }
    memmove(era, era + n, (r->eras.n - n) * sizeof *era);
    r->eras.n -= n;
    r->kept_lo = era[0].lo;
cleanup:
    return st;
}

stele_status stele_audit_ranges_era(struct stele_audit_ranges *r,
                                    const struct stele_audit_epoch *epoch, stele_err *err) {
    stele_status st = STELE_OK;
    bool first = r->eras.n == 0; /* genesis stands before it */
    STELE_TRY(first ? STELE_OK : stele_audit__close_block(r, err));
    STELE_TRY(stele_audit__make_room(&r->eras, 1, sizeof(struct stele_audit__era), err));
    ((struct stele_audit__era *)r->eras.item)[r->eras.n++] =
        (struct stele_audit__era){.lo = first ? r->block_lo : r->next, .epoch = *epoch};
    STELE_TRY(drop_whole_eras(r, err));
cleanup:
    return st;
}

void stele_audit_ranges_named(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi) {
    uint64_t end = 0;
    struct stele_audit__era *era = stele_audit__era_of(r, lo, &end);
    if (era != NULL && era->lo == lo && end == hi && hi < r->next) {
        era->whole = true;
    }
}

stele_status stele_audit_ranges_add(struct stele_audit_ranges *r, const struct stele_entry *entry,
                                    const uint8_t leaf[STELE_AT_LEAST(32)], stele_view tags,
                                    stele_err *err) {
    size_t n = tags.size / STELE_TAG_BYTES;
    stele_status st = STELE_OK;
    if (r->next >> r->block_shift << r->block_shift == r->next) {
        STELE_TRY(stele_audit__close_block(r, err));
    }
    STELE_TRY(stele_audit__make_room(&r->rows, 1, sizeof(struct stele_audit_row), err));
    STELE_TRY(stele_audit__make_room(&r->counts, 1, sizeof(uint32_t), err));
    STELE_TRY(stele_audit__make_room(&r->postings, n, sizeof(struct stele_posting), err));
    struct stele_audit_row *row = (struct stele_audit_row *)r->rows.item + r->rows.n++;
    *row = (struct stele_audit_row){.time_us = entry->time_us, .late_us = UINT64_MAX};
    memcpy(row->leaf, leaf, STELE_HASH_BYTES);
    ((uint32_t *)r->counts.item)[r->counts.n++] = (uint32_t)r->postings.n;
    if (entry->type == STELE_ENTRY_EVENT && entry->as.event.late) {
        row->late_us = entry->as.event.event_us;
    }
    for (size_t i = 0; i < n; i++) {
        struct stele_posting *posting = (struct stele_posting *)r->postings.item + r->postings.n++;
        memcpy(posting->tag, tags.data + i * STELE_TAG_BYTES, STELE_TAG_BYTES);
        posting->offset = (uint32_t)(r->next - r->block_lo);
    }
    r->next++;
cleanup:
    return st;
}
