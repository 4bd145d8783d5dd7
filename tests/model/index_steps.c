/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/index_steps.c: what committer, packer, merger and indexer do, one step at a time.
 * Each step names the code it stands for; a change there without one here makes this model say
 * nothing.
 */
#include "tests/model/index_model.h"

static bool is(const struct index_bounds *bounds, index_mutation mutation) {
    return bounds->mutation == mutation;
}

/* ------------------------------------------------------------------ the committer */
/* begin_era in stage.c: the key is on disk before its EPOCH is. */
static void make_key(const struct index_state *s, model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if (s->committer != IC_IDLE || index_era(s, INDEX_SEQS_MAX - 1) != 0) {
        return;
    }
    if (!index_seen(s->key)) {
        index_name(&next.key, false);
        emit(ctx, &next, "name a tag key (stele_keyring_tag_key)");
    } else if (!s->key_usable) {
        index_sync(&next.key, 1);
        next.key_usable = 1;
        emit(ctx, &next, "sync the keys' folder (stele_file_create)");
    }
}

/* stele_group__stage_batch: one more entry of the record. False if it is refused. */
static bool stage(const struct index_bounds *bounds, struct index_state *next, unsigned kind) {
    unsigned seq = next->size + next->group_n;
    struct index_entry *entry = &next->entry[seq];
    if (seq >= bounds->seqs) {
        return false;
    }
    *entry = (struct index_entry){.kind = (uint8_t)kind, .state = ENTRY_WRITTEN};
    if (kind == KIND_INDEX) {
        bool early = is(bounds, INDEX_EARLY_CONTROL);
        entry->covered = next->pending.covered;
        entry->control = early ? next->pending.control : index_control(next, seq);
        next->pending.control = 0;
        next->pending.seq = (uint8_t)seq;
        next->pending.state = MANIFEST_IN_RECORD;
    }
    next->group_n++;
    return true;
}

/* Events are always waiting, and somebody who cuts the era (stele_log_cut_era), once. */
static bool is_queued(const struct index_bounds *bounds, const struct index_state *s,
                      unsigned kind) {
    bool key = s->key_usable || is(bounds, INDEX_KEY_AFTER_EPOCH);
    return kind == KIND_EPOCH ? key && index_era(s, INDEX_SEQS_MAX - 1) == 0
                              : kind != KIND_INDEX || s->pending.state == MANIFEST_QUEUED;
}

/* commit: what is queued is a record, which reaches the write-ahead log. An INDEX and the EPOCH of
 * a cut may be in one, in either order; what else may share a record shares nothing more. */
static void write_record(const struct index_bounds *bounds, const struct index_state *s,
                         model_emit_fn emit, void *ctx) {
    static const unsigned records[][2] = {{KIND_EVENT, KIND_NONE},
                                          {KIND_INDEX, KIND_NONE},
                                          {KIND_EPOCH, KIND_NONE},
                                          {KIND_INDEX, KIND_EPOCH},
                                          {KIND_EPOCH, KIND_INDEX}};
    static const char *const steps[] = {
        "write an event (commit)", "write an INDEX (commit)", "write an EPOCH (commit)",
        "write an INDEX and an EPOCH (commit)", "write an EPOCH and an INDEX (commit)"};
    if (s->committer != IC_IDLE) {
        return;
    }
    if (s->pending.state == MANIFEST_QUEUED && s->pending.covered < s->covered &&
        !is(bounds, INDEX_MAY_FALL)) {
        struct index_state next = *s;
        next.pending.state = MANIFEST_FAILED;
        emit(ctx, &next, "refuse an INDEX that covers less (stele_group__check_batch)");
        return;
    }
    for (unsigned i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct index_state next = *s;
        unsigned first = records[i][0];
        unsigned second = records[i][1];
        if (!is_queued(bounds, s, first) || !stage(bounds, &next, first) ||
            (second != KIND_NONE &&
             (!is_queued(bounds, s, second) || !stage(bounds, &next, second)))) {
            continue;
        }
        next.committer = IC_WRITTEN;
        if (is(bounds, INDEX_OFFER_BEFORE_SYNC) && next.pending.state == MANIFEST_IN_RECORD) {
            next.offered = next.pending;
            next.offered.state = MANIFEST_DONE;
            next.pending = (struct index_manifest){0};
        }
        emit(ctx, &next, steps[i]);
    }
}

static void state_of_record(struct index_state *next, uint8_t state) {
    for (unsigned i = 0; i < next->group_n; i++) {
        next->entry[next->size + i].state = state;
    }
}

static void sync_record(const struct index_bounds *bounds, const struct index_state *s,
                        model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if (s->committer != IC_WRITTEN) {
        return;
    }
    next.committer = IC_SYNCED;
    state_of_record(&next, ENTRY_DURABLE);
    emit(ctx, &next, "sync (stele_rocks_write)");
    if (s->failures < bounds->failures) {
        bool in_it = s->pending.state == MANIFEST_IN_RECORD;
        next = *s;
        next.failures++;
        next.committer = IC_STOPPED;
        state_of_record(&next, ENTRY_LIMBO);
        next.pending.state = !in_it                           ? s->pending.state
                             : is(bounds, INDEX_OFFER_FAILED) ? MANIFEST_DONE
                                                              : MANIFEST_FAILED;
        emit(ctx, &next, "the sync fails (mark_failed, stop_on, answer)");
    }
}

/* The entries behind the log's size are its own. */
static void adopt(struct index_state *next) {
    for (unsigned i = 0; i < next->group_n; i++) {
        const struct index_entry *entry = &next->entry[next->size + i];
        next->covered = entry->kind == KIND_INDEX ? entry->covered : next->covered;
    }
    next->size = (uint8_t)(next->size + next->group_n);
    next->group_n = 0;
    next->shown = next->shown > next->size ? next->shown : next->size;
}

static void publish(const struct index_state *s, model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if (s->committer == IC_SYNCED) {
        adopt(&next);
        next.pending.state =
            s->pending.state == MANIFEST_IN_RECORD ? MANIFEST_DONE : s->pending.state;
        next.committer = IC_IDLE;
        emit(ctx, &next, "publish and answer (stele_group__publish, index_done)");
    }
}

/* try_resume. What a failed sync left may be there or not; what is there is durable once the engine
 * is open. */
static void resume(const struct index_bounds *bounds, const struct index_state *s,
                   model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if (s->committer == IC_STOPPED) {
        state_of_record(&next, ENTRY_DURABLE);
        next.committer = IC_REOPENED;
        emit(ctx, &next, "reopen, the record landed (stele_rocks_reopen)");
        next = *s;
        for (unsigned i = 0; i < s->group_n; i++) {
            next.entry[s->size + i] = (struct index_entry){0};
        }
        next.group_n = 0;
        next.committer = IC_REOPENED;
        emit(ctx, &next, "reopen, the record is gone (stele_rocks_reopen)");
    } else if (s->committer == IC_REOPENED) {
        next.group_n = is(bounds, INDEX_FORGET_FAILED) ? 0 : s->group_n;
        adopt(&next);
        next.committer = IC_IDLE;
        emit(ctx, &next, "claim and adopt (try_resume)");
    }
    if (s->committer == IC_STOPPED && s->pending.state == MANIFEST_QUEUED) {
        next = *s;
        next.pending.state = MANIFEST_FAILED;
        emit(ctx, &next, "answer the INDEX that is queued: stopped (committer)");
    }
}

/* ------------------------------------------------------------------ the indexer */
/* round_begin and make_manifest: everything, or what is packed. Then stele_log__submit_index. */
static void make_manifest(const struct index_bounds *bounds, const struct index_state *s,
                          model_emit_fn emit, void *ctx) {
    bool behind = s->size > s->packed + 1u && s->packed > s->covered;
    unsigned n = 0;
    for (unsigned seq = 0; seq < INDEX_SEQS_MAX; seq++) {
        n += s->entry[seq].kind == KIND_INDEX ? 1 : 0;
    }
    for (unsigned what = 0; n < bounds->indexes && what < (behind ? 2u : 1u); what++) {
        struct index_state next = *s;
        uint8_t covered = what == 1 ? s->packed : s->size;
        if (is(bounds, INDEX_COVER_STAGED) && what == 0) {
            covered = (uint8_t)(covered + s->group_n);
        }
        if (s->pending.state == MANIFEST_NONE && covered > s->offered.covered) {
            next.pending = (struct index_manifest){
                .state = MANIFEST_QUEUED, .ends = s->ends, .covered = covered};
            next.pending.control = is(bounds, INDEX_EARLY_CONTROL) ? index_control(s, s->size) : 0;
            emit(ctx, &next, "make a manifest (index_once)");
        }
    }
}

/* settle: offered after its entry is durable. Readers may hold the one before as long as they like.
 */
static void settle(const struct index_bounds *bounds, const struct index_state *s,
                   model_emit_fn emit, void *ctx) {
    struct index_state next = *s;
    if (s->pending.state == MANIFEST_DONE || s->pending.state == MANIFEST_FAILED) {
        next.offered = s->pending.state == MANIFEST_DONE ? s->pending : s->offered;
        next.pending = (struct index_manifest){0};
        emit(ctx, &next, "settle (settle, publish)");
    }
    if (bounds->reader && s->reads == 0 && s->offered.state == MANIFEST_DONE &&
        s->offered.ends != 0) {
        next = *s;
        next.reads = 1;
        next.reader_ends = s->offered.ends;
        emit(ctx, &next, "a proof begins (stele_log_seal)");
    } else if (s->reads != 0) {
        next = *s;
        next.reads = 0;
        next.reader_ends = 0;
        emit(ctx, &next, "a proof ends (stele_manifest_unref)");
    }
}

/* ------------------------------------------------------------------ the packer */
/* stele_log__pack_one: stele_pack_write puts i, s, p, each synced before the next; then
 * stele_log__edit. */
static void pack(const struct index_bounds *bounds, const struct index_state *s, model_emit_fn emit,
                 void *ctx) {
    struct index_state next = *s;
    unsigned unit = s->packed;
    unsigned span = index_span(unit, unit + 1u);
    uint8_t *const as_it_is[] = {&next.segment[span], &next.seal[span], &next.pack[unit]};
    uint8_t *const wrong[] = {&next.pack[unit], &next.segment[span], &next.seal[span]};
    uint8_t *const *order = is(bounds, INDEX_PACK_BEFORE_SEGMENT) ? wrong : as_it_is;
    unsigned last = is(bounds, INDEX_SEAL_UNSYNCED) ? 3 : IP_SYNCED;
    if (unit >= INDEX_SEQS_MAX ||
        (s->packer == IP_IDLE && (s->size <= unit + 1u || !index_may_begin(bounds, s)))) {
        return;
    }
    if (s->packer == last) {
        next.packer = IP_IDLE;
        next.packed++;
        next.ends = (uint8_t)(s->ends | 1u << unit);
        emit(ctx, &next, "show the pack (stele_log__edit)");
        return;
    }
    uint8_t *name = order[s->packer / 2];
    next.packer++;
    if (s->packer % 2 == 0) {
        next.broken = s->entry[unit].state == ENTRY_DURABLE ? s->broken : INDEX_OF_UNSYNCED;
        index_name(name, false);
        emit(ctx, &next, "name a blob of a pack (stele_pack_write)");
    } else {
        bool p = name == &next.pack[unit];
        index_sync(p                          ? next.pack
                   : name == &next.seal[span] ? next.seal
                                              : next.segment,
                   p ? INDEX_SEQS_MAX : INDEX_SPANS);
        emit(ctx, &next, "sync its folder (sync_folders)");
    }
}

void index_steps(const struct index_bounds *bounds, const struct index_state *state,
                 model_emit_fn emit, void *ctx) {
    if (state->run == IX_UP) {
        make_key(state, emit, ctx);
        write_record(bounds, state, emit, ctx);
        sync_record(bounds, state, emit, ctx);
        publish(state, emit, ctx);
        resume(bounds, state, emit, ctx);
        make_manifest(bounds, state, emit, ctx);
        settle(bounds, state, emit, ctx);
        pack(bounds, state, emit, ctx);
        index_merges(bounds, state, emit, ctx);
    }
    index_starts(bounds, state, emit, ctx);
    index_crashes(bounds, state, emit, ctx);
}
