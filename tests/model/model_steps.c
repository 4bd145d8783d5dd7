/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model_steps.c: what a running process does, one step at a time. Each step names the
 * code it stands for; a change there without one here makes this model say nothing.
 */
#include "tests/model/model.h"

static bool is(const struct model_bounds *bounds, model_mutation mutation) {
    return bounds->mutation == mutation;
}

static uint8_t max_u8(uint8_t a, uint8_t b) {
    return a > b ? a : b;
}

void model_promise(struct model_state *state, uint8_t size, uint16_t ids) {
    uint8_t told = max_u8(state->acked, max_u8(state->shown, state->published));
    uint16_t both = model_range(0, told < size ? told : size);
    if ((state->promised & both) != (ids & both)) {
        state->broken = BROKEN_CHANGED;
    }
    if (size > told) {
        state->promised = (uint16_t)(state->promised | (ids & model_range(told, size)));
    }
}

/* A version of this seq that nothing on disk and nobody outside has: another event than all of
 * them. */
static uint16_t new_event(const struct model_state *state, unsigned seq) {
    for (uint16_t id = 1; id < 4; id++) {
        uint16_t bits = (uint16_t)(id << (2 * seq));
        bool taken = (state->promised & model_range(seq, seq + 1)) == bits;
        for (unsigned p = 0; p < MODEL_POSITIONS_MAX && !taken; p++) {
            taken = state->record[p].state != REC_NONE &&
                    (state->record[p].ids & model_range(seq, seq + 1)) == bits;
        }
        if (!taken) {
            return bits;
        }
    }
    return (uint16_t)(3u << (2 * seq));
}

static bool writing(const struct model_state *state) {
    return state->committer == COM_WRITTEN || state->committer == COM_NOTE_WRITTEN ||
           state->packer == PACK_TRIM_WRITTEN;
}

static struct model_record *current(struct model_state *state) {
    return &state->record[state->pos];
}

static void ack(struct model_state *next, uint8_t size, uint16_t ids) {
    model_promise(next, size, ids);
    next->acked = max_u8(next->acked, size);
}

static void show(struct model_state *next, uint8_t size, uint16_t ids) {
    model_promise(next, size, ids);
    next->shown = max_u8(next->shown, size);
}

static void publish_note(struct model_state *next, const struct model_record *note) {
    model_promise(next, note->first, note->ids);
    next->published = max_u8(next->published, note->first);
    next->note = note->first;
}

/* stele_batch_submit puts a batch into the queue. */
static void submit(const struct model_bounds *bounds, const struct model_state *s,
                   model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    bool under_way = s->committer != COM_IDLE && s->committer != COM_SHOWN;
    unsigned end = s->size + s->queued + (under_way ? s->record[s->pos].n : 0u);
    if (s->queued < 2 && end < bounds->seqs) {
        next.queued++;
        emit(ctx, &next, "submit (stele_batch_submit)");
    }
}

/* take_batches, commit: stage_*, stele_group__finish, then stele_log__append_record reaches the
 * write-ahead log (stele_rocks_write before its sync). */
static void write_entries(const struct model_bounds *bounds, const struct model_state *s,
                          model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    struct model_record *r = current(&next);
    bool free_place =
        s->pos < bounds->positions && (r->state == REC_NONE || is(bounds, MODEL_NO_CLAIM));
    if (s->committer != COM_IDLE || s->queued == 0 || !free_place || writing(s)) {
        return;
    }
    uint8_t end = (uint8_t)(s->size + s->queued);
    *r = (struct model_record){
        .kind = KIND_ENTRIES, .state = REC_WRITTEN, .first = s->size, .n = s->queued};
    for (unsigned seq = s->size; seq < end; seq++) {
        r->ids = (uint16_t)(r->ids | new_event(s, seq));
    }
    next.queued = 0;
    next.committer = COM_WRITTEN;
    uint16_t ids = (uint16_t)(s->ids | r->ids);
    if (is(bounds, MODEL_MARK_BEFORE_SYNC)) {
        next.mark_seen = (uint8_t)(s->pos + 1);
    }
    if (is(bounds, MODEL_ACK_BEFORE_SYNC)) {
        ack(&next, end, ids);
    }
    if (is(bounds, MODEL_SHOW_BEFORE_SYNC)) {
        show(&next, end, ids);
    }
    if (is(bounds, MODEL_SIGN_BEFORE_SYNC)) {
        model_promise(&next, end, ids);
        next.published = max_u8(next.published, end);
    }
    emit(ctx, &next, "write entries (commit, stele_log__append_record)");
}

/* stele_log__sign: the note of the committed head goes into the chain. */
static void write_note(const struct model_bounds *bounds, const struct model_state *s,
                       model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    struct model_record *r = current(&next);
    uint8_t room =
        s->run == RUN_SIGNING ? MODEL_POSITIONS_MAX : bounds->positions; /* a start always signs */
    bool free_place = s->pos < room && (r->state == REC_NONE || is(bounds, MODEL_NO_CLAIM));
    if (s->committer != COM_IDLE || s->size <= s->note || !free_place || writing(s)) {
        return;
    }
    *r = (struct model_record){
        .kind = KIND_NOTE, .state = REC_WRITTEN, .first = s->size, .ids = s->ids};
    next.committer = COM_NOTE_WRITTEN;
    if (is(bounds, MODEL_PUBLISH_BEFORE_SYNC)) {
        publish_note(&next, r);
    }
    emit(ctx, &next, "write a note (stele_log__sign)");
}

/* rocksdb_write with STELE_SYNCED comes back, OK or not (engine_rocks.c, engine_chain.c:
 * append_record). */
static void sync_record(const struct model_bounds *bounds, const struct model_state *s,
                        model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    bool note = s->committer == COM_NOTE_WRITTEN;
    if (s->committer != COM_WRITTEN && !note) {
        return;
    }
    next.committer = note ? COM_NOTE_SYNCED : COM_SYNCED;
    current(&next)->state = s->log_damaged ? REC_LIMBO : REC_DURABLE;
    emit(ctx, &next, "sync (stele_rocks_write)");
    if (s->failures < bounds->failures && s->run == RUN_UP) {
        next = *s;
        next.failures++;
        next.queued = 0; /* answered: UNAVAILABLE */
        current(&next)->state = REC_LIMBO;
        next.committer = COM_STOPPED;
        if (is(bounds, MODEL_RETRY_SYNC)) {
            next.committer = note ? COM_NOTE_SYNCED : COM_SYNCED;
        }
        if (is(bounds, MODEL_NO_CLAIM)) {
            next.committer = COM_IDLE;
            next.log_damaged = 1;
        }
        emit(ctx, &next, "the sync fails (mark_failed, stop_on)");
    }
}

/* stele_acked_note, then stele_group__publish; for a note, the last lines of stele_log__sign. */
static void show_record(const struct model_bounds *bounds, const struct model_state *s,
                        model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    const struct model_record *r = current(&next);
    (void)bounds;
    if (s->committer != COM_SYNCED && s->committer != COM_NOTE_SYNCED) {
        return;
    }
    next.mark_seen = max_u8(s->mark_seen, (uint8_t)(s->pos + 1));
    next.pos++;
    if (s->committer == COM_SYNCED) {
        next.size = (uint8_t)(r->first + r->n);
        next.ids = (uint16_t)(s->ids | r->ids);
        show(&next, next.size, next.ids);
        next.committer = COM_SHOWN;
        emit(ctx, &next, "mark and show (stele_acked_note, stele_group__publish)");
    } else {
        publish_note(&next, r);
        show(&next, next.size, next.ids); /* a start serves now */
        next.committer = COM_IDLE;
        next.run = RUN_UP;
        emit(ctx, &next, "mark and publish the note (stele_acked_note, stele_log__sign)");
    }
}

/* answer in committer.c; a client that sends again what it has no answer to gets the same one
 * (ingest/doubt.c), which is why everything shown is acknowledged here. */
static void answer(const struct model_state *s, model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    if (s->committer == COM_SHOWN) {
        ack(&next, s->size, s->ids);
        next.committer = COM_IDLE;
        emit(ctx, &next, "acknowledge (answer)");
    } else if (s->committer == COM_IDLE && s->acked < s->size) {
        ack(&next, s->size, s->ids);
        emit(ctx, &next, "acknowledge what was adopted (stele_doubt)");
    }
}

/* check_claimed in engine_chain.c, enter in engine_rocks.c: another log's write failed, and no log
 * writes until it has claimed again. Queued batches wait. */
static void another_fails(const struct model_bounds *bounds, const struct model_state *s,
                          model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    if (s->committer == COM_IDLE && s->failures < bounds->failures && !is(bounds, MODEL_NO_CLAIM) &&
        !writing(s)) {
        next.failures++;
        next.committer = COM_STOPPED;
        emit(ctx, &next, "another log's sync fails (check_claimed)");
    }
}

/* try_resume: stele_rocks_reopen puts what it finds into synced tables; what a failed sync left may
 * be there or not. */
static void reopen(const struct model_bounds *bounds, const struct model_state *s,
                   model_emit_fn emit, void *ctx) {
    if (s->committer != COM_STOPPED || s->packer == PACK_TRIM_WRITTEN) {
        return;
    }
    unsigned written = s->record[s->pos].state == REC_NONE ? 0 : 1;
    for (unsigned landed = 0; landed <= written; landed++) {
        struct model_state next = *s;
        if (landed) {
            current(&next)->state = is(bounds, MODEL_ADOPT_WITHOUT_SYNC) ? REC_LIMBO : REC_DURABLE;
        } else {
            *current(&next) = (struct model_record){0};
        }
        next.committer = COM_REOPENED;
        emit(ctx, &next,
             landed ? "reopen, the record landed (stele_rocks_reopen)"
                    : "reopen, the record is gone (stele_rocks_reopen)");
    }
}

/* try_resume: claim notes the mark, stele_log__replay adopts what is behind the log's position. */
static void resume(const struct model_bounds *bounds, const struct model_state *s,
                   model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    if (s->committer != COM_REOPENED || s->packer == PACK_TRIM_WRITTEN) {
        return;
    }
    next.mark_seen = max_u8(s->mark_seen, model_chain_end(s));
    next.committer = COM_IDLE;
    if (is(bounds, MODEL_FORGET_FAILED)) {
        next.pos = model_chain_end(s);
    } else {
        model_replay(bounds, &next, s->pos);
        show(&next, next.size, next.ids);
        next.published = max_u8(next.published, next.note);
    }
    emit(ctx, &next, "claim and adopt (try_resume)");
}

/* stele_log__pack_one: stele_pack_write puts k, h, i, p, each synced before the next. */
static void pack(const struct model_bounds *bounds, const struct model_state *s, model_emit_fn emit,
                 void *ctx) {
    static const uint8_t order[] = {BLOB_K, BLOB_H, BLOB_I, BLOB_P};
    static const uint8_t wrong[] = {BLOB_P, BLOB_K, BLOB_H, BLOB_I};
    struct model_state next = *s;
    bool closed = s->size > (s->packed + 1u) * MODEL_UNIT;
    if (s->packer >= PACK_DONE || (s->packer == PACK_IDLE && !closed)) {
        return;
    }
    unsigned kind = (is(bounds, MODEL_PACK_BEFORE_SIDES) ? wrong : order)[s->packer / 2];
    next.packer++;
    if (s->packer % 2 == 0) {
        model_blob_name(bounds, &next, s->packed, kind);
        emit(ctx, &next, "name a blob of a pack (stele_pack_write, stele_blob_writer_place)");
    } else {
        model_blob_sync(bounds, &next, kind);
        emit(ctx, &next, "sync its folder (sync_folders)");
    }
}

/* A blob that cannot be written, or a folder that cannot be synced, whose new name is taken back
 * (stele_blob_writer_place): the packer begins again later. */
static void pack_fails(const struct model_bounds *bounds, const struct model_state *s,
                       model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    if (s->packer == PACK_IDLE || s->packer >= PACK_DONE || s->failures >= bounds->failures) {
        return;
    }
    next.failures++;
    next.packer = PACK_IDLE;
    for (unsigned kind = 0; kind < BLOB_KINDS && s->packer % 2 == 1; kind++) {
        uint8_t *blob = &next.blob[s->packed][kind];
        *blob = *blob == BLOB_NAMED || *blob == BLOB_HOLLOW ? BLOB_NONE : *blob;
    }
    emit(ctx, &next, "packing fails (stele_log__pack_one)");
}

/* swap in packer.c, then trim: stele_chains_trim writes, then syncs. */
static void swap_and_trim(const struct model_bounds *bounds, const struct model_state *s,
                          model_emit_fn emit, void *ctx) {
    struct model_state next = *s;
    bool early = (is(bounds, MODEL_TRIM_BEFORE_PACK_SYNC) && s->packer == PACK_DONE - 1) ||
                 (is(bounds, MODEL_TRIM_WITHOUT_PACK) && s->packer == PACK_NAMED);
    if (s->packer == PACK_DONE || early) {
        next.packer = PACK_SWAPPED;
        next.packed++;
        emit(ctx, &next, "show the pack (swap)");
    } else if (s->packer == PACK_SWAPPED) {
        uint8_t floor = model_trim_floor(bounds, s);
        if (floor <= s->floor_seen) {
            next.packer = PACK_IDLE;
            emit(ctx, &next, "nothing to trim (trim)");
        } else if (!writing(s) && s->committer != COM_STOPPED && s->committer != COM_REOPENED) {
            model_trim_write(&next, floor);
            next.packer = PACK_TRIM_WRITTEN;
            emit(ctx, &next, "write the trim (stele_chains_trim)");
        }
    } else if (s->packer == PACK_TRIM_WRITTEN) {
        model_trim_sync(&next);
        next.packer = PACK_IDLE;
        emit(ctx, &next, "sync the trim (stele_chains_trim)");
    }
}

void model_steps(const struct model_bounds *bounds, const struct model_state *state,
                 model_emit_fn emit, void *ctx) {
    if (state->run == RUN_UP) {
        submit(bounds, state, emit, ctx);
        write_entries(bounds, state, emit, ctx);
        answer(state, emit, ctx);
        reopen(bounds, state, emit, ctx);
        resume(bounds, state, emit, ctx);
        pack(bounds, state, emit, ctx);
        pack_fails(bounds, state, emit, ctx);
        another_fails(bounds, state, emit, ctx);
        swap_and_trim(bounds, state, emit, ctx);
    }
    if (state->run == RUN_UP || state->run == RUN_SIGNING) {
        write_note(bounds, state, emit, ctx);
        sync_record(bounds, state, emit, ctx);
        show_record(bounds, state, emit, ctx);
    }
    model_starts(bounds, state, emit, ctx);
    model_crashes(bounds, state, emit, ctx);
}
