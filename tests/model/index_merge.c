/* SPDX-License-Identifier: Apache-2.0 */
/* tests/model/index_merge.c: the merger, and the removal of what was merged away by whoever held it
 * last. */
#include "tests/model/index_model.h"

static bool is(const struct index_bounds *bounds, index_mutation mutation) {
    return bounds->mutation == mutation;
}

struct run {
    unsigned lo, hi, n; /* n 0: none */
};

static bool same_era(const struct index_bounds *bounds, const struct index_state *s, unsigned a,
                     unsigned b) {
    return is(bounds, INDEX_MERGE_ACROSS_ERAS) || index_era(s, a) == index_era(s, b);
}

/* run_from in merger.c. */
static struct run run_from(const struct index_bounds *bounds, const struct index_state *s,
                           unsigned lo, unsigned shift) {
    struct run run = {lo, index_end(s->ends, lo), 1};
    while (run.hi < s->packed && same_era(bounds, s, lo, run.hi) &&
           (index_end(s->ends, run.hi) - 1) >> shift == lo >> shift) {
        run.hi = index_end(s->ends, run.hi);
        run.n++;
    }
    return run;
}

/* find_run: find_span for spans of two and four, then find_over. */
static struct run find_run(const struct index_bounds *bounds, const struct index_state *s) {
    struct run run = {0, 0, 0};
    for (unsigned shift = 1; shift <= 2; shift++) {
        for (unsigned lo = 0; lo < s->packed; lo = run.hi) {
            run = run_from(bounds, s, lo, shift);
            bool over = run.hi < s->packed && index_era(s, run.hi) != index_era(s, run.hi - 1);
            if (run.n > 1 && (over || run.hi % (1u << shift) == 0)) {
                return run;
            }
        }
    }
    for (unsigned lo = 0; lo < s->packed; lo = run.hi) {
        run = run_from(bounds, s, lo, 7);
        if (run.n > 1 && run.hi < s->packed) {
            return run;
        }
    }
    return (struct run){0, 0, 0};
}

/* merge_run: segment, then seal, each synced; then stele_log__edit, then the parts are marked. */
static void merge(const struct index_bounds *bounds, const struct index_state *s,
                  model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    unsigned span = s->merger == IM_IDLE ? 0 : index_span(s->merge_lo, s->merge_hi);
    struct run run = {0, 0, 0};
    next.merger++;
    switch (s->merger) {
    case IM_IDLE:
        run = find_run(bounds, s);
        if (run.n == 0 || !index_may_begin(bounds, s)) {
            return;
        }
        next.merge_lo = (uint8_t)run.lo;
        next.merge_hi = (uint8_t)run.hi;
        next.broken =
            index_era(s, run.lo) == index_era(s, run.hi - 1) ? s->broken : INDEX_SPANS_ERAS;
        index_name(&next.segment[index_span(run.lo, run.hi)], is(bounds, INDEX_NAME_BEFORE_BYTES));
        emit(ctx, &next, "name a merged segment (merge_segments)");
        break;
    case IM_I_NAMED:
        index_sync(next.segment, INDEX_SPANS);
        if (is(bounds, INDEX_DROP_BEFORE_SEAL)) {
            for (unsigned lo = s->merge_lo; lo < s->merge_hi; lo = index_end(s->ends, lo)) {
                index_unname(&next.segment[index_span(lo, index_end(s->ends, lo))]);
            }
            index_sync(next.segment, INDEX_SPANS);
        }
        emit(ctx, &next, "sync its folder (sync_folders)");
        break;
    case IM_I_SYNCED:
        index_name(&next.seal[span], false);
        next.merger = is(bounds, INDEX_MERGED_UNSYNCED) ? IM_SYNCED : IM_S_NAMED;
        emit(ctx, &next, "name its seal (merge_seals)");
        break;
    case IM_S_NAMED:
        index_sync(next.seal, INDEX_SPANS);
        emit(ctx, &next, "sync its folder (sync_folders)");
        break;
    case IM_SYNCED:
        for (unsigned end = s->merge_lo + 1u; end < s->merge_hi; end++) {
            next.ends = (uint8_t)(next.ends & ~(1u << (end - 1)));
        }
        for (unsigned lo = s->merge_lo; lo < s->merge_hi; lo = index_end(s->ends, lo)) {
            next.merged |= (uint32_t)1 << index_span(lo, index_end(s->ends, lo));
        }
        emit(ctx, &next, "show the merged segment (stele_log__edit)");
        break;
    default:
        next.superseded |= s->merged;
        next.merged = 0;
        next.merger = IM_IDLE;
        next.merge_lo = next.merge_hi = 0;
        emit(ctx, &next, "mark its parts (merge_run)");
        break;
    }
}

/* A folder cannot be synced: the new name is taken back (stele_blob_writer_place), and the merger
 * tries again. */
static void merge_fails(const struct index_bounds *bounds, const struct index_state *s,
                        model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if ((s->merger != IM_I_NAMED && s->merger != IM_S_NAMED) || s->failures >= bounds->failures) {
        return;
    }
    unsigned span = index_span(s->merge_lo, s->merge_hi);
    uint8_t *name = s->merger == IM_I_NAMED ? &next.segment[span] : &next.seal[span];
    *name = *name == NAME_DURABLE ? NAME_DURABLE : NAME_GOING;
    next.failures++;
    next.merger = IM_IDLE;
    next.merge_lo = next.merge_hi = 0;
    emit(ctx, &next, "merging fails (stele_log__merge_one)");
}

static bool is_held(const struct index_bounds *bounds, const struct index_state *s, unsigned lo,
                    unsigned hi) {
    return index_has(s->ends, lo, hi) ||
           (!is(bounds, INDEX_DROP_AT_MERGE) &&
            ((s->offered.state != MANIFEST_NONE && index_has(s->offered.ends, lo, hi)) ||
             (s->pending.state != MANIFEST_NONE && index_has(s->pending.ends, lo, hi)) ||
             (s->reads != 0 && index_has(s->reader_ends, lo, hi))));
}

/* stele_segment_ref_unref: the seal, then the segment. */
static void drop(const struct index_bounds *bounds, const struct index_state *s, model_emit_fn emit,
                 void *ctx) {
    struct index_state next = *s;
    next.dropper++;
    switch (s->dropper) {
    case ID_IDLE:
        for (unsigned lo = 0; lo < s->packed && index_may_begin(bounds, s); lo++) {
            for (unsigned hi = lo + 1; hi <= s->packed; hi++) {
                unsigned span = index_span(lo, hi);
                if ((s->superseded >> span & 1u) != 0 && !is_held(bounds, s, lo, hi)) {
                    next = *s;
                    next.dropper++;
                    next.dropped = (uint8_t)span;
                    next.superseded &= ~((uint32_t)1 << span);
                    index_unname(&next.seal[span]);
                    emit(ctx, &next,
                         "the last reference to a part goes: its seal (stele_segment_ref_unref)");
                }
            }
        }
        break;
    case ID_SEAL_GONE:
        index_sync(next.seal, INDEX_SPANS);
        emit(ctx, &next, "sync its folder (stele_blobs_remove)");
        break;
    case ID_SEAL_SYNCED:
        index_unname(&next.segment[s->dropped]);
        emit(ctx, &next, "then its segment (stele_segment_ref_unref)");
        break;
    default:
        index_sync(next.segment, INDEX_SPANS);
        next.dropper = ID_IDLE;
        next.dropped = 0;
        emit(ctx, &next, "sync its folder (stele_blobs_remove)");
        break;
    }
}

void index_merges(const struct index_bounds *bounds, const struct index_state *state,
                  model_emit_fn emit, void *ctx) {
    merge(bounds, state, emit, ctx);
    merge_fails(bounds, state, emit, ctx);
    drop(bounds, state, emit, ctx);
}
