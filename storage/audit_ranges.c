/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_ranges.c: blocks built from postings, larger ranges merged from blocks. */
#include "storage/audit_ranges.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_SHIFT 16u
#define BLOCK_ENTRIES (UINT64_C(1) << BLOCK_SHIFT)
#define KEPT_ENTRIES_MIN 4096u
/* Ranges of more than 64 blocks are merged from wider spans: 2^20, 2^24, ... */
#define SPAN_STEP 4u

/* A range that was made, an era's blocks among them. */
struct range {
    uint64_t lo, hi;
    struct stele_descriptor descriptor;
    struct stele_segment_ref *ref; /* NULL once the era is long over */
};
/* What an entry has beside its tags. */
struct row {
    uint8_t leaf[STELE_HASH_BYTES];
    uint64_t time_us;
    uint64_t late_us;  /* event_us of a late event; UINT64_MAX of all others */
    uint32_t postings; /* of the open block, before this entry */
};
struct era {
    uint64_t lo;
    struct stele_audit_epoch epoch;
    bool whole; /* an INDEX names it as one segment: it is merged as far as it ever is */
};
/* A growing array of any of these. */
struct rows {
    void *item;
    size_t n, capacity;
};

struct stele_audit_ranges {
    uint64_t kept_lo;     /* rows begin here: with the first era that may yet be cut anew */
    uint64_t next;        /* seq of the next entry */
    uint64_t block_lo;    /* of the open block */
    struct rows eras;     /* struct era, from kept_lo on; the last one grows */
    struct rows rows;     /* struct row, from kept_lo on */
    struct rows postings; /* struct stele_posting of the open block; offset from block_lo */
    struct rows ranges;   /* struct range, of all eras, in the order they were made */
};

static stele_status make_room(struct rows *rows, size_t more, size_t size, stele_err *err) {
    if (rows->capacity - rows->n >= more) {
        return STELE_OK;
    }
    size_t grown = rows->capacity < 1024 ? 1024 : rows->capacity;
    while (grown - rows->n < more) {
        grown *= 2;
    }
    void *item = stele_realloc(rows->item, grown, size);
    if (item == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu rows of an audit", grown);
    }
    rows->item = item;
    rows->capacity = grown;
    return STELE_OK;
}

static struct row *row_of(const struct stele_audit_ranges *r, uint64_t seq) {
    return (struct row *)r->rows.item + (seq - r->kept_lo);
}

/* The kept era that has entry lo, and where it ends; NULL if it is kept no more. */
static struct era *era_of(const struct stele_audit_ranges *r, uint64_t lo, uint64_t *ret_end) {
    struct era *era = r->eras.item;
    *ret_end = r->next;
    for (size_t i = r->eras.n; i > 0; i--) {
        if (era[i - 1].lo <= lo) {
            return &era[i - 1];
        }
        *ret_end = era[i - 1].lo;
    }
    return NULL;
}

stele_status stele_audit_ranges_new(struct stele_audit_ranges **ret, stele_err *err) {
    *ret = stele_alloc(1, sizeof **ret);
    return *ret == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for an audit") : STELE_OK;
}

void stele_audit_ranges_free(struct stele_audit_ranges *r) {
    if (r != NULL) {
        struct range *range = r->ranges.item;
        for (size_t i = 0; i < r->ranges.n; i++) {
            stele_segment_ref_unref(range[i].ref);
        }
        stele_free(r->eras.item);
        stele_free(r->rows.item);
        stele_free(r->postings.item);
        stele_free(r->ranges.item);
        stele_free(r);
    }
}

/* ------------------------------------------------------------------ making a range */

static stele_status leaf_of(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    const struct stele_audit_ranges *r = ctx;
    if (seq < r->kept_lo || seq >= r->next) {
        return STELE_FAIL(err, BUG, "the audit keeps no leaf %" PRIu64, seq);
    }
    memcpy(ret, row_of(r, seq)->leaf, STELE_HASH_BYTES);
    return STELE_OK;
}

static struct stele_segment_info info_of(const struct stele_audit_ranges *r, uint64_t lo,
                                         uint64_t hi) {
    uint64_t end = 0;
    const struct stele_audit_epoch *epoch = &era_of(r, lo, &end)->epoch;
    struct stele_segment_info info = {
        .era = epoch->era,
        .map_version = epoch->map_version,
        .tag_alg = epoch->tag_alg,
        .lo = lo,
        .hi = hi,
        .t_first = row_of(r, lo)->time_us,
        .t_last = row_of(r, hi - 1)->time_us,
        .late_first = UINT64_MAX,
    };
    memcpy(info.tag_key_commit, epoch->tag_key_commit, STELE_HASH_BYTES);
    for (uint64_t seq = lo; seq < hi; seq++) {
        uint64_t late_us = row_of(r, seq)->late_us;
        if (late_us != UINT64_MAX) {
            info.late_first = late_us < info.late_first ? late_us : info.late_first;
            info.late_last = late_us > info.late_last ? late_us : info.late_last;
        }
    }
    return info;
}

static stele_status keep_always(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                struct stele_segment_ref *ref, stele_err *err) {
    stele_status st = make_room(&r->ranges, 1, sizeof(struct range), err);
    if (st == STELE_OK) {
        struct range *range = (struct range *)r->ranges.item + r->ranges.n++;
        *range = (struct range){lo, hi, *stele_seal_descriptor(ref->seal), ref};
        atomic_fetch_add(&ref->refs, 1);
    }
    return st;
}

/* The rest at the end of a tail is another one for every INDEX: it is not kept. */
static stele_status keep(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                         struct stele_segment_ref *ref, stele_err *err) {
    return hi - lo < KEPT_ENTRIES_MIN ? STELE_OK : keep_always(r, lo, hi, ref, err);
}

/* Builds [lo, hi) of n postings whose offsets count from `base`. ret: a reference, as of all that
 * follow. */
static stele_status build(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi, uint64_t base,
                          const struct stele_posting *postings, size_t n,
                          struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_info info = info_of(r, lo, hi);
    struct stele_leaf_source leaves = {leaf_of, r};
    struct stele_segment_ref *ref = NULL;
    stele_status st = STELE_OK;
    struct stele_posting *copy = stele_alloc(2 * n + 1, sizeof *copy);
    if (copy == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu postings of an audit", n);
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = postings[i];
        copy[i].offset = (uint32_t)(base + postings[i].offset - lo);
    }
    STELE_TRY(stele_segment_ref_build(&info, copy, n, leaves, &ref, err));
    STELE_TRY(keep(r, lo, hi, ref, err));
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    stele_free(copy);
    return st;
}

/* The kept range that is exactly, or at least, [lo, hi); NULL if none. */
static struct range *find(const struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                          bool exactly) {
    struct range *range = r->ranges.item;
    for (size_t i = r->ranges.n; i > 0; i--) {
        struct range *found = &range[i - 1];
        if (exactly ? found->lo == lo && found->hi == hi
                    : found->ref != NULL && found->lo <= lo && found->hi >= hi) {
            return found;
        }
    }
    return NULL;
}

/* A part of a range that is built: its postings, picked out. */
static stele_status build_part(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                               const struct range *whole, struct stele_segment_ref **ret,
                               stele_err *err) {
    struct stele_segment_walker *walker = NULL;
    struct rows picked = {NULL, 0, 0};
    struct stele_posting posting;
    uint64_t seq = 0;
    stele_status st = stele_segment_walk(whole->ref->segment, &walker, err);
    while (st == STELE_OK &&
           (st = stele_segment_walk_next(walker, posting.tag, &seq, err)) == STELE_OK) {
        if (seq >= lo && seq < hi) {
            posting.offset = (uint32_t)(seq - lo);
            st = make_room(&picked, 1, sizeof posting, err);
            if (st == STELE_OK) {
                ((struct stele_posting *)picked.item)[picked.n++] = posting;
            }
        }
    }
    st = st == STELE_END ? build(r, lo, hi, lo, picked.item, picked.n, ret, err) : st;
    stele_segment_walk_free(walker);
    stele_free(picked.item);
    return st;
}

static stele_status get(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                        struct stele_segment_ref **ret, stele_err *err);

/* What a kept range was merged from can be picked out of it again: only descriptors stay. */
static void drop_parts(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi) {
    struct range *range = r->ranges.item;
    for (size_t i = 0; i < r->ranges.n; i++) {
        if (range[i].lo >= lo && range[i].hi <= hi && range[i].hi - range[i].lo < hi - lo) {
            stele_segment_ref_unref(range[i].ref);
            range[i].ref = NULL;
        }
    }
}

/* From the parts of the range in aligned spans, as many of them as merge at a time. */
static stele_status merge(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                          struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *part[STELE_SEGMENT_FANIN_MAX] = {NULL};
    struct stele_segment_ref *merged = NULL;
    struct stele_leaf_source leaves = {leaf_of, r};
    unsigned shift = BLOCK_SHIFT;
    size_t n = 0;
    stele_status st = STELE_OK;
    while (((hi - 1) >> shift) - (lo >> shift) >= STELE_SEGMENT_FANIN_MAX) {
        shift += SPAN_STEP;
    }
    for (uint64_t at = lo; at < hi; n++) {
        uint64_t end = ((at >> shift) + 1) << shift;
        end = end < hi ? end : hi;
        STELE_TRY(get(r, at, end, &part[n], err));
        at = end;
    }
    STELE_TRY(stele_segment_ref_merge(part, n, leaves, &merged, err));
    STELE_TRY(keep(r, lo, hi, merged, err));
    if (find(r, lo, hi, true) != NULL) {
        drop_parts(r, lo, hi);
    }
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
    const struct range *range = find(r, lo, hi, true);
    if (range != NULL && range->ref != NULL) {
        atomic_fetch_add(&range->ref->refs, 1);
        *ret = range->ref;
        return STELE_OK;
    }
    if (lo >= r->block_lo) {
        size_t first = row_of(r, lo)->postings;
        size_t end = hi == r->next ? r->postings.n : row_of(r, hi)->postings;
        return build(r, lo, hi, r->block_lo, (const struct stele_posting *)r->postings.item + first,
                     end - first, ret, err);
    }
    range = find(r, lo, hi, false);
    return range != NULL ? build_part(r, lo, hi, range, ret, err) : merge(r, lo, hi, ret, err);
}

stele_status stele_audit_ranges_get(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                    struct stele_descriptor *ret,
                                    struct stele_segment_ref **ret_ref, stele_err *err) {
    const struct range *range = find(r, lo, hi, true);
    struct stele_segment_ref *ref = NULL;
    uint64_t end = 0;
    stele_status st = STELE_OK;
    const struct era *era = lo < hi && hi <= r->next ? era_of(r, lo, &end) : NULL;
    if (lo >= hi || hi > r->next || r->eras.n == 0 || (era == NULL ? hi > r->kept_lo : hi > end)) {
        return STELE_FAIL(err, INVALID, "entries %" PRIu64 " to %" PRIu64 " are no part of one era",
                          lo, hi);
    }
    if (range != NULL && (range->ref == NULL || ret_ref == NULL)) {
        *ret = range->descriptor;
    } else if (era == NULL) {
        return STELE_FAIL(err, NOT_FOUND,
                          "entries %" PRIu64 " to %" PRIu64 " are of an era that is long over", lo,
                          hi);
    } else {
        STELE_TRY(get(r, lo, hi, &ref, err));
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

/* The range as one segment, kept however small it is: it can be made in no other way later. */
static stele_status get_and_keep(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                 stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(get(r, lo, hi, &ref, err));
    STELE_TRY(find(r, lo, hi, true) == NULL ? keep_always(r, lo, hi, ref, err) : STELE_OK);
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* The block as one segment takes the place of the parts of it that were made. */
static stele_status close_block(struct stele_audit_ranges *r, stele_err *err) {
    struct range *range = r->ranges.item;
    size_t n = 0;
    stele_status st = STELE_OK;
    if (r->next == r->block_lo) {
        return STELE_OK;
    }
    for (size_t i = 0; i < r->ranges.n; i++) {
        if (range[i].lo >= r->block_lo) {
            stele_segment_ref_unref(range[i].ref);
        } else {
            range[n++] = range[i];
        }
    }
    r->ranges.n = n;
    STELE_TRY(get_and_keep(r, r->block_lo, r->next, err));
    r->postings.n = 0;
    r->block_lo = r->next;
cleanup:
    return st;
}

/* Of eras that are merged as far as they ever are only descriptors stay. */
static stele_status drop_whole_eras(struct stele_audit_ranges *r, stele_err *err) {
    struct era *era = r->eras.item;
    struct row *rows = r->rows.item;
    size_t n = 0;
    stele_status st = STELE_OK;
    while (n + 1 < r->eras.n && era[n].whole) {
        STELE_TRY(get_and_keep(r, era[n].lo, era[n + 1].lo, err));
        n++;
    }
    if (n == 0) {
        return STELE_OK;
    }
    size_t gone = (size_t)(era[n].lo - r->kept_lo);
    memmove(rows, rows + gone, (r->rows.n - gone) * sizeof *rows);
    memmove(era, era + n, (r->eras.n - n) * sizeof *era);
    r->rows.n -= gone;
    r->eras.n -= n;
    r->kept_lo = era[0].lo;
    struct range *range = r->ranges.item;
    for (size_t i = 0; i < r->ranges.n; i++) {
        if (range[i].lo < r->kept_lo) {
            stele_segment_ref_unref(range[i].ref);
            range[i].ref = NULL;
        }
    }
cleanup:
    return st;
}

stele_status stele_audit_ranges_era(struct stele_audit_ranges *r,
                                    const struct stele_audit_epoch *epoch, stele_err *err) {
    stele_status st = STELE_OK;
    bool first = r->eras.n == 0; /* genesis stands before it */
    STELE_TRY(first ? STELE_OK : close_block(r, err));
    STELE_TRY(make_room(&r->eras, 1, sizeof(struct era), err));
    ((struct era *)r->eras.item)[r->eras.n++] =
        (struct era){.lo = first ? 0 : r->next, .epoch = *epoch};
    STELE_TRY(drop_whole_eras(r, err));
cleanup:
    return st;
}

void stele_audit_ranges_named(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi) {
    uint64_t end = 0;
    struct era *era = era_of(r, lo, &end);
    if (era != NULL && era->lo == lo && end == hi && hi < r->next) {
        era->whole = true;
    }
}

stele_status stele_audit_ranges_add(struct stele_audit_ranges *r, const struct stele_entry *entry,
                                    const uint8_t leaf[STELE_AT_LEAST(32)], stele_view tags,
                                    stele_err *err) {
    size_t n = tags.size / STELE_TAG_BYTES;
    stele_status st = STELE_OK;
    if (r->next % BLOCK_ENTRIES == 0) {
        STELE_TRY(close_block(r, err));
    }
    STELE_TRY(make_room(&r->rows, 1, sizeof(struct row), err));
    STELE_TRY(make_room(&r->postings, n, sizeof(struct stele_posting), err));
    struct row *row = (struct row *)r->rows.item + r->rows.n++;
    *row = (struct row){
        .time_us = entry->time_us, .late_us = UINT64_MAX, .postings = (uint32_t)r->postings.n};
    memcpy(row->leaf, leaf, STELE_HASH_BYTES);
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
