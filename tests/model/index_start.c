/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/index_start.c: how a process ends, what a disk keeps of its index, and what a start
 * makes of it. A power cut takes any subset of what was not synced; a process that is killed leaves
 * everything it wrote.
 */
#include "tests/model/index_model.h"

#include <string.h>

static bool is(const struct index_bounds *bounds, index_mutation mutation) {
    return bounds->mutation == mutation;
}

/* ------------------------------------------------------------------ how a process ends */
void index_drop_process(struct index_state *state) {
    memset(state, 0, offsetof(struct index_state, entry));
}

/* The newest record, whose sync was not seen to end, is there with all its entries or with none. */
static void decide_record(struct index_state *s, bool there) {
    for (unsigned i = 0; i < INDEX_SEQS_MAX; i++) {
        bool open = s->entry[i].state == ENTRY_WRITTEN || s->entry[i].state == ENTRY_LIMBO;
        if (open && there) {
            s->entry[i].state = ENTRY_DURABLE;
        } else if (open) {
            s->entry[i] = (struct index_entry){0};
        }
    }
}

static bool has_record(const struct index_state *s, uint8_t state) {
    bool has = false;
    for (unsigned i = 0; i < INDEX_SEQS_MAX; i++) {
        has = has || s->entry[i].state == state;
    }
    return has;
}

/* The name whose fate is decided `item`th. */
static uint8_t *name_at(struct index_state *s, unsigned item) {
    return item < INDEX_SPANS                         ? &s->segment[item]
           : item < 2 * INDEX_SPANS                   ? &s->seal[item - INDEX_SPANS]
           : item < 2 * INDEX_SPANS + INDEX_SEQS_MAX  ? &s->pack[item - 2 * INDEX_SPANS]
           : item == 2 * INDEX_SPANS + INDEX_SEQS_MAX ? &s->key
                                                      : NULL;
}

static void cut_names(const struct index_state *s, unsigned item, model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    uint8_t *name = name_at(&next, item);
    while (name != NULL && (*name == NAME_NONE || *name == NAME_DURABLE || *name == NAME_TORN)) {
        name = name_at(&next, ++item);
    }
    if (name == NULL) {
        emit(ctx, s, "the power fails");
        return;
    }
    bool hollow = *name == NAME_HOLLOW;
    *name = NAME_NONE;
    cut_names(&next, item + 1, emit, ctx);
    *name = NAME_DURABLE;
    cut_names(&next, item + 1, emit, ctx);
    if (hollow) {
        *name = NAME_TORN;
        cut_names(&next, item + 1, emit, ctx);
    }
}

void index_crashes(const struct index_bounds *bounds, const struct index_state *state,
                   model_emit_fn emit, void *ctx) {
    struct index_state down = *state;
    if (state->crashes >= bounds->crashes || state->run == IX_DOWN || state->run == IX_REFUSED) {
        return;
    }
    down.crashes++;
    index_drop_process(&down);
    emit(ctx, &down, "the process is killed");
    struct index_state next = down;
    if (has_record(&down, ENTRY_LIMBO)) {
        decide_record(&next, false);
        emit(ctx, &next, "the process is killed, the record that failed is gone");
    }
    if (has_record(&down, ENTRY_LIMBO) || has_record(&down, ENTRY_WRITTEN)) {
        next = down;
        decide_record(&next, false);
        cut_names(&next, 0, emit, ctx);
    }
    decide_record(&down, true);
    cut_names(&down, 0, emit, ctx);
}

/* ------------------------------------------------------------------ how it starts */
/* stele_engine_rocks_open: what is in the write-ahead log becomes durable; stele_blobs_open syncs
 * each folder. */
static void open_engine(const struct index_bounds *bounds, struct index_state *next) {
    decide_record(next, true);
    if (!is(bounds, INDEX_ADOPT_NAMES)) {
        index_sync(next->segment, INDEX_SPANS);
        index_sync(next->seal, INDEX_SPANS);
        index_sync(next->pack, INDEX_SEQS_MAX);
    }
    next->run = IX_ENGINE;
}

/* recover_packs: dense from 0. */
static void open_packs(struct index_state *next) {
    next->run = IX_LIST;
    for (unsigned u = 0; u < INDEX_SEQS_MAX; u++) {
        if (index_seen(next->pack[u])) {
            next->run = next->packed == u ? next->run : IX_REFUSED;
            next->packed++;
        }
    }
}

static void list_blobs(struct index_state *next) {
    for (unsigned span = 0; span < INDEX_SPANS; span++) {
        next->list_segment |= index_seen(next->segment[span]) ? (uint32_t)1 << span : 0;
        next->list_seal |= index_seen(next->seal[span]) ? (uint32_t)1 << span : 0;
    }
    next->run = IX_SEGMENTS;
}

static void bounds_of(unsigned span, unsigned *ret_lo, unsigned *ret_hi) {
    unsigned lo = 0;
    while (index_span(lo, lo + 1) + INDEX_SEQS_MAX - lo <= span) {
        lo++;
    }
    *ret_lo = lo;
    *ret_hi = lo + 1 + span - index_span(lo, lo + 1);
}

static bool is_listed(uint32_t list, unsigned lo, unsigned hi) {
    return (list >> index_span(lo, hi) & 1u) != 0;
}

/* is_interrupted in recovery.c: listed behind a narrower one, and has no seal. */
static bool is_interrupted(const struct index_bounds *bounds, const struct index_state *s,
                           unsigned lo, unsigned hi) {
    bool narrower = false;
    for (unsigned end = lo + 1; end < hi; end++) {
        narrower = narrower || is_listed(s->list_segment, lo, end);
    }
    return narrower && !is_listed(s->list_seal, lo, hi) && !is(bounds, INDEX_UNSEALED_COUNTS);
}

/* counts in recovery.c. */
static bool counts(const struct index_bounds *bounds, const struct index_state *s, unsigned lo,
                   unsigned hi) {
    if (is_interrupted(bounds, s, lo, hi)) {
        return false;
    }
    for (unsigned end = hi + 1; end <= INDEX_SEQS_MAX; end++) {
        if (is_listed(s->list_segment, lo, end) && !is_interrupted(bounds, s, lo, end)) {
            return false;
        }
    }
    return true;
}

/* stele_segment_ref_open, and rebuild_seal where it finds none. */
static void add_segment(struct index_state *next, unsigned lo, unsigned hi) {
    unsigned span = index_span(lo, hi);
    if (next->segment[span] == NAME_TORN || next->seal[span] == NAME_TORN) {
        next->run = IX_REFUSED;
    }
    if (!index_seen(next->seal[span])) {
        next->broken = INDEX_REBUILT;
    }
    next->ends = (uint8_t)(next->ends | 1u << (hi - 1));
    next->list_end = (uint8_t)hi;
}

/* recover_segments: up to the next blob that is removed, which is a step of its own. */
static void recover_segments(const struct index_bounds *bounds, struct index_state *next) {
    while (next->run == IX_SEGMENTS) {
        unsigned lo = 0;
        unsigned hi = 0;
        if (next->list_at == INDEX_SPANS) {
            break;
        }
        bounds_of(next->list_at, &lo, &hi);
        if (!is_listed(next->list_segment, lo, hi)) {
            next->list_at++;
            continue;
        }
        bool part = !is(bounds, INDEX_PARTS_COUNT) &&
                    (hi <= next->list_end || !counts(bounds, next, lo, hi));
        if (part) {
            index_unname(&next->segment[next->list_at++]);
            next->removing = 1;
            return;
        }
        if (lo >= next->packed && !is(bounds, INDEX_UNPACKED_COUNTS)) {
            break;
        }
        if (lo > next->list_end && lo <= next->packed) {
            next->broken = INDEX_REBUILT; /* fill_hole */
            next->list_end = (uint8_t)lo;
        }
        if (lo < next->list_end || hi > next->packed) {
            next->run = IX_REFUSED;
            return;
        }
        add_segment(next, lo, hi);
        next->list_at++;
    }
    if (next->run == IX_SEGMENTS) {
        next->broken = next->list_end < next->packed ? INDEX_REBUILT : next->broken;
        next->run = IX_SEALS;
        next->list_at = 0;
    }
}

/* drop_seals: of segments that are gone. */
static void drop_seals(struct index_state *next) {
    for (; next->list_at < INDEX_SPANS; next->list_at++) {
        unsigned lo = 0;
        unsigned hi = 0;
        bounds_of(next->list_at, &lo, &hi);
        if (is_listed(next->list_seal, lo, hi) && lo < next->packed &&
            !index_has(next->ends, lo, hi)) {
            index_unname(&next->seal[next->list_at++]);
            next->removing = 1;
            return;
        }
    }
    next->list_at = next->list_end = 0;
    next->list_segment = next->list_seal = 0;
    next->run = IX_UP;
}

/* The snapshot of the newest pack, then the chain (replay_single, stele_head_admit); each era's
 * key. */
static void replay(const struct index_bounds *bounds, struct index_state *next) {
    next->covered = 0;
    for (unsigned seq = 0; seq < INDEX_SEQS_MAX && next->entry[seq].kind != KIND_NONE; seq++) {
        const struct index_entry *entry = &next->entry[seq];
        bool control = entry->kind != KIND_INDEX || entry->control == index_control(next, seq);
        bool rises = entry->kind != KIND_INDEX || entry->covered >= next->covered;
        if (seq >= next->packed && (!control || !rises)) {
            next->run = IX_REFUSED;
        }
        if (seq > 0 && entry->kind == KIND_EPOCH && !index_seen(next->key)) {
            next->run = IX_REFUSED;
        }
        next->covered = entry->kind == KIND_INDEX ? entry->covered : next->covered;
        next->size = (uint8_t)(seq + 1);
    }
    if (is(bounds, INDEX_COVERED_FORGOTTEN)) {
        next->covered = 0;
    }
    next->key_usable = index_seen(next->key) ? 1 : 0;
    next->shown = next->shown > next->size ? next->shown : next->size;
}

/* stele_store_open, stele_log__open. */
void index_starts(const struct index_bounds *bounds, const struct index_state *state,
                  model_emit_fn emit, void *ctx) {
    struct index_state next = *state;
    if (state->run == IX_DOWN) {
        open_engine(bounds, &next);
        emit(ctx, &next, "open the engine (stele_engine_rocks_open)");
    } else if (state->run == IX_ENGINE) {
        if (!is(bounds, INDEX_ADOPT_KEYS)) {
            index_sync(&next.key, 1);
        }
        next.run = IX_KEYS;
        emit(ctx, &next, "open the keys (stele_keyring_open)");
    } else if (state->run == IX_KEYS) {
        open_packs(&next);
        emit(ctx, &next, "open the packs (recover_packs)");
    } else if (state->run == IX_LIST) {
        list_blobs(&next);
        emit(ctx, &next, "list segments and seals (recover_segments)");
    } else if (state->run == IX_SEGMENTS || state->run == IX_SEALS) {
        bool removed = state->removing != 0;
        next.removing = 0;
        if (removed) {
            index_sync(state->run == IX_SEGMENTS ? next.segment : next.seal, INDEX_SPANS);
            emit(ctx, &next, "sync its folder (stele_blobs_remove)");
            return;
        }
        if (state->run == IX_SEGMENTS) {
            recover_segments(bounds, &next);
        } else {
            drop_seals(&next);
        }
        if (next.run == IX_UP) {
            replay(bounds, &next);
        }
        emit(ctx, &next,
             next.removing ? "remove a left-over (recover_segments, drop_seals)"
                           : "segments are open (recover_segments)");
    }
}
