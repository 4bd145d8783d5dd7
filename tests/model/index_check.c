/* SPDX-License-Identifier: Apache-2.0 */
/* tests/model/index_check.c: what must hold of a log's index in every state. */
#include <string.h>

#include "tests/model/index_model.h"

/* All segments that a holder of `ends` reads are there; if `durable`, no power cut takes one. */
static bool are_there(const struct index_state *s, uint8_t ends, bool durable) {
    bool there = true;
    for (unsigned lo = 0, hi = index_end(ends, 0); hi != 0; lo = hi, hi = index_end(ends, lo)) {
        unsigned span = index_span(lo, hi);
        there = there && index_seen(s->segment[span]) && index_seen(s->seal[span]);
        there = there &&
                (!durable || (s->segment[span] == NAME_DURABLE && s->seal[span] == NAME_DURABLE));
    }
    return there;
}

/* What an auditor replays: M never falls, covers what was there, and each INDEX names the newest
 * CONTROL. */
static const char *index_entries_hold(const struct index_state *s) {
    uint8_t covered = 0;
    for (unsigned seq = 0; seq < s->shown; seq++) {
        const struct index_entry *entry = &s->entry[seq];
        if (entry->kind == KIND_NONE || entry->state != ENTRY_DURABLE) {
            return "an entry that readers saw is gone";
        }
        if (entry->kind == KIND_INDEX && entry->covered < covered) {
            return "an INDEX covers less than one before it";
        }
        if (entry->kind == KIND_INDEX && entry->covered > seq) {
            return "an INDEX covers entries behind it";
        }
        if (entry->kind == KIND_INDEX && entry->control != index_control(s, seq)) {
            return "an INDEX names an older CONTROL";
        }
        covered = entry->kind == KIND_INDEX ? entry->covered : covered;
    }
    return NULL;
}

static const char *offered_holds(const struct index_state *s) {
    const struct index_manifest *offered = &s->offered;
    if (offered->state == MANIFEST_NONE) {
        return NULL;
    }
    const struct index_entry *entry = &s->entry[offered->seq];
    if (entry->kind != KIND_INDEX || entry->state != ENTRY_DURABLE ||
        entry->covered != offered->covered || offered->seq >= s->size) {
        return "a manifest is offered whose INDEX entry the log does not have";
    }
    for (unsigned seq = 0; seq < offered->covered; seq++) {
        if (s->entry[seq].state != ENTRY_DURABLE) {
            return "a manifest is offered of entries that are not durable";
        }
    }
    return are_there(s, offered->ends, true)
               ? NULL
               : "the log commits to a stored segment that a power cut would take";
}

static void keep(void *ctx, const void *next, const char *step) {
    (void)step;
    memcpy(ctx, next, sizeof(struct index_state));
}

/* A start that nothing interrupts. */
static struct index_state started(const struct index_bounds *bounds, struct index_state s) {
    for (unsigned i = 0; i < 8 * INDEX_SPANS && s.run < IX_UP; i++) {
        const struct index_state before = s;
        index_starts(bounds, &before, keep, &s);
    }
    return s;
}

static const char *start_holds(const struct index_bounds *bounds, const struct index_state *down) {
    struct index_state first = started(bounds, *down);
    struct index_state second = first;
    index_drop_process(&second);
    second = started(bounds, second);
    if (first.run != IX_UP) {
        return "a start refuses a log that nothing but crashes happened to";
    }
    return memcmp(&first, &second, sizeof first) == 0
               ? NULL
               : "a second start finds another log than the first";
}

const char *index_violation(const struct index_bounds *bounds, const struct index_state *state) {
    static const char *const broken[] = {
        [INDEX_REBUILT] = "a start makes again what nobody removed",
        [INDEX_SPANS_ERAS] = "a segment spans two eras",
        [INDEX_OF_UNSYNCED] = "a pack holds an entry that is not durable",
    };
    const char *what = index_entries_hold(state);
    if (state->broken != INDEX_SOUND) {
        return broken[state->broken];
    }
    if (state->run == IX_REFUSED) {
        return "a start refuses a log that nothing but crashes happened to";
    }
    if (what == NULL) {
        what = offered_holds(state);
    }
    if (what == NULL && state->run == IX_UP) {
        bool held = are_there(state, state->ends, false) &&
                    are_there(state, state->pending.ends, false) &&
                    are_there(state, state->reader_ends, false);
        bool tiled =
            state->packed == 0 ? state->ends == 0 : state->ends >> (state->packed - 1) == 1;
        what = !held    ? "a segment is gone that somebody reads"
               : !tiled ? "the segments do not tile the packs"
                        : NULL;
    }
    if (what == NULL && state->run == IX_DOWN) {
        what = start_holds(bounds, state);
    }
    return what;
}

static void steps(const void *bounds, const void *state, model_emit_fn emit, void *ctx) {
    index_steps(bounds, state, emit, ctx);
}

static const char *violation(const void *bounds, const void *state) {
    return index_violation(bounds, state);
}

struct model_machine index_machine_of(const struct index_bounds *bounds,
                                      struct index_state *ret_first) {
    memset(ret_first, 0, sizeof *ret_first);
    ret_first->run = IX_UP;
    ret_first->size = ret_first->shown = 1;
    ret_first->entry[0] =
        (struct index_entry){.kind = KIND_EPOCH, .state = ENTRY_DURABLE}; /* genesis */
    return (struct model_machine){sizeof *ret_first, ret_first, bounds, steps, violation};
}
