/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model_disk.c: what a disk keeps, what a start makes of it, and what must hold then. A
 * power cut takes any subset of what was not synced; a process that is killed leaves everything it
 * wrote.
 */
#include "tests/model/model.h"

#include <string.h>

static bool is(const struct model_bounds *bounds, model_mutation mutation) {
    return bounds->mutation == mutation;
}

static uint16_t ids_of_pack(const struct model_state *s, unsigned unit) {
    return (uint16_t)(s->pack_ids & model_range(unit * MODEL_UNIT, (unit + 1) * MODEL_UNIT));
}

static bool is_there(uint8_t blob) {
    return blob != BLOB_NONE;
}

/* ------------------------------------------------------------------ chain and blobs */
uint8_t model_chain_end(const struct model_state *state) {
    uint8_t end = state->floor_seen;
    for (uint8_t p = end; p < MODEL_POSITIONS_MAX; p++) {
        end = state->record[p].state != REC_NONE ? (uint8_t)(p + 1) : end;
    }
    return end;
}

void model_blob_name(const struct model_bounds *bounds, struct model_state *state, unsigned unit,
                     unsigned kind) {
    uint8_t *blob = &state->blob[unit][kind];
    if (!is_there(*blob)) {
        *blob = is(bounds, MODEL_NAME_BEFORE_BLOB_SYNC) ? BLOB_HOLLOW : BLOB_NAMED;
    }
    if (kind == BLOB_P) {
        uint16_t mine = model_range(unit * MODEL_UNIT, (unit + 1) * MODEL_UNIT);
        state->pack_ids = (uint16_t)((state->pack_ids & ~mine) | (state->ids & mine));
    }
}

void model_blob_sync(const struct model_bounds *bounds, struct model_state *state, unsigned kind) {
    for (unsigned u = 0; u < MODEL_UNITS_MAX && !is(bounds, MODEL_NO_FOLDER_SYNC); u++) {
        if (state->blob[u][kind] == BLOB_NAMED) {
            state->blob[u][kind] = BLOB_DURABLE;
        }
    }
}

/* trim in packer.c: the first record of the oldest unit that is not packed, and never the newest
 * note. */
uint8_t model_trim_floor(const struct model_bounds *bounds, const struct model_state *state) {
    uint8_t floor = state->note == 0 ? 0 : state->pos;
    for (uint8_t p = state->floor_seen; p < state->pos; p++) {
        const struct model_record *r = &state->record[p];
        unsigned lo = state->packed * MODEL_UNIT;
        bool note =
            r->kind == KIND_NOTE && r->first == state->note && !is(bounds, MODEL_TRIM_CHECKPOINT);
        bool needed = r->kind == KIND_ENTRIES && r->first <= lo && lo < (unsigned)(r->first + r->n);
        uint8_t at =
            (uint8_t)(needed && r->first < lo && is(bounds, MODEL_TRIM_SHARED_RECORD) ? p + 1 : p);
        if ((note || needed) && at < floor) {
            floor = at;
        }
    }
    return floor;
}

/* The promise itself, before any crash: each entry that goes is in a pack whose blobs are all
 * synced. */
void model_trim_write(struct model_state *state, uint8_t floor) {
    for (uint8_t p = state->floor_seen; p < floor; p++) {
        const struct model_record *r = &state->record[p];
        for (unsigned seq = r->first; r->kind == KIND_ENTRIES && seq < (unsigned)(r->first + r->n);
             seq++) {
            const uint8_t *blob =
                seq / MODEL_UNIT < MODEL_UNITS_MAX ? state->blob[seq / MODEL_UNIT] : NULL;
            if (blob == NULL || blob[BLOB_P] != BLOB_DURABLE || blob[BLOB_K] != BLOB_DURABLE ||
                blob[BLOB_H] != BLOB_DURABLE) {
                state->broken = BROKEN_TRIMMED;
            }
        }
    }
    state->floor_seen = floor;
}

void model_trim_sync(struct model_state *state) {
    state->floor_kept = state->floor_seen;
    memset(state->record, 0, state->floor_kept * sizeof state->record[0]);
}

/* ------------------------------------------------------------------ how a process ends */
void model_drop_process(struct model_state *state) {
    struct model_state *s = state;
    s->run = RUN_DOWN;
    s->committer = 0;
    s->packer = 0;
    s->queued = 0;
    s->size = 0;
    s->pos = 0;
    s->packed = 0;
    s->note = 0;
    s->ids = 0;
    s->log_damaged = 0;
}

/* The next thing whose fate is open, decided both ways; at the end, the state. */
static void cut(const struct model_state *s, unsigned item, model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    if (item < MODEL_POSITIONS_MAX) {
        uint8_t fate = s->record[item].state;
        if (fate == REC_WRITTEN || fate == REC_LIMBO) {
            next.record[item] = (struct model_record){0};
            cut(&next, item + 1, emit, ctx);
            next = *s;
            next.record[item].state = REC_DURABLE;
        }
        cut(&next, item + 1, emit, ctx);
        return;
    }
    item -= MODEL_POSITIONS_MAX;
    if (item < MODEL_UNITS_MAX * BLOB_KINDS) {
        uint8_t *blob = &next.blob[item / BLOB_KINDS][item % BLOB_KINDS];
        uint8_t fate = *blob;
        static const uint8_t to[] = {BLOB_NONE, BLOB_DURABLE, BLOB_TORN};
        unsigned ways = fate == BLOB_NAMED ? 2 : fate == BLOB_HOLLOW ? 3 : 0;
        for (unsigned i = 0; i < ways; i++) {
            *blob = to[i];
            cut(&next, item + 1 + MODEL_POSITIONS_MAX, emit, ctx);
        }
        if (ways == 0) {
            cut(&next, item + 1 + MODEL_POSITIONS_MAX, emit, ctx);
        }
        return;
    }
    for (uint8_t mark = s->mark_kept; mark <= s->mark_seen; mark++) {
        next = *s;
        next.mark_seen = next.mark_kept = mark;
        next.floor_seen = s->floor_kept;
        emit(ctx, &next, "the power fails");
        if (s->floor_seen != s->floor_kept) {
            next.floor_seen = s->floor_seen;
            model_trim_sync(&next);
            emit(ctx, &next, "the power fails, the trim is on disk");
        }
    }
}

/* Killed: what was written stays, but what a failed sync left may be there or not. */
static void kill_process(const struct model_state *s, bool marked, model_emit_fn emit, void *ctx) {
    for (unsigned gone = 0; gone < 2; gone++) {
        struct model_state next = *s;
        bool limbo = false;
        for (unsigned p = 0; p < MODEL_POSITIONS_MAX; p++) {
            if (next.record[p].state == REC_LIMBO) {
                limbo = true;
                next.record[p] = gone ? (struct model_record){0} : next.record[p];
            }
        }
        if (!gone || limbo) {
            emit(ctx, &next,
                 gone ? "the process is killed, the record that failed is gone"
                      : "the process is killed");
        }
    }
    /* A disk that comes back without a record it had synced: only the mark can tell, and from the
     * claim on it does: a power cut may have set it back. */
    uint8_t end = model_chain_end(s);
    if (marked && s->rotted == 0 && end > s->floor_seen &&
        s->record[end - 1].state == REC_DURABLE) {
        struct model_state next = *s;
        next.record[end - 1] = (struct model_record){0};
        next.rotted = 1;
        emit(ctx, &next, "the process is killed, the disk loses the last synced record");
    }
}

void model_crashes(const struct model_bounds *bounds, const struct model_state *state,
                   model_emit_fn emit, void *ctx) {
    struct model_state down = *state;
    if (state->crashes >= bounds->crashes || state->run == RUN_DOWN || state->run == RUN_REFUSED) {
        return;
    }
    down.crashes++;
    model_drop_process(&down);
    kill_process(&down, state->run >= RUN_CLAIMED, emit, ctx);
    cut(&down, 0, emit, ctx);
}

/* ------------------------------------------------------------------ how it starts */
/* stele_rocks_open: the write-ahead log is replayed into synced tables. stele_chains_check. Then
 * stele_blobs_open, which syncs each folder that holds blobs. */
static void open_engine(const struct model_bounds *bounds, struct model_state *s) {
    for (unsigned p = 0; p < MODEL_POSITIONS_MAX && !is(bounds, MODEL_ADOPT_WITHOUT_SYNC); p++) {
        if (s->record[p].state != REC_NONE) {
            s->record[p].state = REC_DURABLE;
        }
    }
    for (unsigned kind = 0; kind < BLOB_KINDS && !is(bounds, MODEL_ADOPT_NAMES); kind++) {
        model_blob_sync(bounds, s, kind);
    }
    model_trim_sync(s);
    s->run =
        s->mark_seen > model_chain_end(s) && !is(bounds, MODEL_NO_MARK) ? RUN_REFUSED : RUN_ENGINE;
}

/* recover_packs: dense from 0, each opened with its sides. False if one does not open. */
static bool open_packs(struct model_state *s) {
    s->packed = 0;
    for (unsigned u = 0; u < MODEL_UNITS_MAX; u++) {
        const uint8_t *blob = s->blob[u];
        if (!is_there(blob[BLOB_P])) {
            continue;
        }
        if (s->packed != u || blob[BLOB_P] == BLOB_TORN || !is_there(blob[BLOB_K]) ||
            !is_there(blob[BLOB_H]) || blob[BLOB_K] == BLOB_TORN || blob[BLOB_H] == BLOB_TORN ||
            blob[BLOB_I] == BLOB_TORN) {
            return false;
        }
        s->packed++;
    }
    s->ids = 0;
    for (unsigned u = 0; u < s->packed; u++) {
        s->ids = (uint16_t)(s->ids | ids_of_pack(s, u));
    }
    s->size = (uint8_t)(s->packed * MODEL_UNIT);
    return true;
}

/* replay_record, replay_entries, replay_checkpoint. */
void model_replay(const struct model_bounds *bounds, struct model_state *state, uint8_t from) {
    uint8_t end = model_chain_end(state);
    for (uint8_t p = from < state->floor_seen ? state->floor_seen : from; p < end; p++) {
        const struct model_record *r = &state->record[p];
        unsigned r_end = (unsigned)(r->first + r->n);
        if (r->state == REC_NONE || (r->kind == KIND_ENTRIES && r->first > state->size)) {
            state->run = RUN_REFUSED;
            return;
        }
        state->pos = (uint8_t)(p + 1);
        if (r->kind == KIND_NOTE) {
            state->note = r->first;
        } else if (r_end > state->size || is(bounds, MODEL_REPLAY_PACKED)) {
            uint16_t before = (uint16_t)(state->ids & model_range(r->first, state->size));
            if (is(bounds, MODEL_REPLAY_PACKED) && r->first < state->size) {
                state->run = RUN_REFUSED; /* its root would not fit */
                return;
            }
            if (before != (r->ids & model_range(r->first, state->size))) {
                state->run = RUN_REFUSED;
                return;
            }
            state->ids = (uint16_t)(state->ids | r->ids);
            state->size = (uint8_t)r_end;
        }
    }
    state->pos = end;
}

/* stele_log__check_note: the newest note must be a prefix; only its size and versions matter. */
static bool note_fits(const struct model_state *s) {
    for (unsigned p = 0; p < s->pos; p++) {
        const struct model_record *r = &s->record[p];
        if (r->state != REC_NONE && r->kind == KIND_NOTE && p >= s->floor_seen &&
            (r->first > s->size || r->ids != (s->ids & model_range(0, r->first)))) {
            return false;
        }
    }
    return true;
}

static void replay_all(const struct model_bounds *bounds, struct model_state *s) {
    model_replay(bounds, s, 0);
    if (s->run == RUN_REFUSED || !note_fits(s)) {
        s->run = RUN_REFUSED;
        return;
    }
    s->run = RUN_SIGNING;
}

/* stele_log__open in log.c, and stele_engine_rocks_open before it. */
void model_starts(const struct model_bounds *bounds, const struct model_state *state,
                  model_emit_fn emit, void *ctx) {
    struct model_state next = *state;
    if (state->run == RUN_DOWN) {
        open_engine(bounds, &next);
        emit(ctx, &next, "open the engine (stele_engine_rocks_open)");
    } else if (state->run == RUN_ENGINE) {
        uint8_t end = model_chain_end(state);
        next.mark_seen = end > state->mark_seen ? end : state->mark_seen;
        next.run = RUN_CLAIMED;
        emit(ctx, &next, "claim the chain (stele_chains_claim)");
    } else if (state->run == RUN_CLAIMED) {
        next.run = open_packs(&next) ? RUN_BLOBS : RUN_REFUSED;
        emit(ctx, &next, "open the packs (recover_packs)");
    } else if (state->run == RUN_BLOBS) {
        for (unsigned u = 0; u < state->packed; u++) {
            if (state->blob[u][BLOB_I] == BLOB_NONE) {
                model_blob_name(bounds, &next, u, BLOB_I);
                emit(ctx, &next, "name a segment made again (stele_log__rebuild_segment)");
                return;
            }
        }
        model_blob_sync(bounds, &next, BLOB_I);
        replay_all(bounds, &next);
        emit(ctx, &next, "replay the chain (stele_log__replay, stele_log__check_note)");
    } else if (state->run == RUN_SIGNING && state->committer == COM_IDLE &&
               state->note >= state->size) {
        next.run = RUN_UP;
        model_promise(&next, next.size, next.ids);
        next.shown = next.shown > next.size ? next.shown : next.size;
        emit(ctx, &next, "serve (stele_log__start)");
    }
}
