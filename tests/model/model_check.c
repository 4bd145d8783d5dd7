/* SPDX-License-Identifier: Apache-2.0 */
/* tests/model/model_check.c: what must hold in every state. */
#include <string.h>

#include "tests/model/model.h"

/* ------------------------------------------------------------------ what must hold */
static uint8_t told(const struct model_state *s) {
    uint8_t size = s->acked > s->shown ? s->acked : s->shown;
    return size > s->published ? size : s->published;
}

/* Entries that a power cut now leaves. */
static uint8_t durable_size(const struct model_state *s) {
    uint8_t size = 0;
    for (bool more = true; more && size < MODEL_SEQS_MAX;) {
        unsigned unit = size / MODEL_UNIT;
        more = unit < MODEL_UNITS_MAX && s->blob[unit][BLOB_P] == BLOB_DURABLE;
        for (unsigned p = s->floor_kept; p < MODEL_POSITIONS_MAX && !more; p++) {
            const struct model_record *r = &s->record[p];
            more = r->state == REC_DURABLE && r->kind == KIND_ENTRIES && r->first <= size &&
                   size < (unsigned)(r->first + r->n);
        }
        size = (uint8_t)(size + (more ? 1 : 0));
    }
    return size;
}

static uint8_t durable_note(const struct model_state *s) {
    uint8_t note = 0;
    for (unsigned p = s->floor_kept; p < MODEL_POSITIONS_MAX; p++) {
        const struct model_record *r = &s->record[p];
        if (r->state == REC_DURABLE && r->kind == KIND_NOTE && r->first > note) {
            note = r->first;
        }
    }
    return note;
}

static void keep(void *ctx, const void *next, const char *step) {
    (void)step;
    memcpy(ctx, next, sizeof(struct model_state));
}

/* A start that nothing interrupts, up to where it would sign. */
static struct model_state started(const struct model_bounds *bounds, struct model_state s) {
    for (unsigned i = 0; i < 16 && s.run < RUN_SIGNING; i++) {
        const struct model_state before = s;
        model_starts(bounds, &before, keep, &s);
    }
    return s;
}

/* A start after a start finds what the first one found, and leaves the disk as that one left it. */
static bool starts_alike(const struct model_bounds *bounds, const struct model_state *down) {
    struct model_state first = started(bounds, *down);
    struct model_state second = first;
    model_drop_process(&second);
    second = started(bounds, second);
    return memcmp(&first, &second, sizeof first) == 0;
}

const char *model_violation(const struct model_bounds *bounds, const struct model_state *state) {
    uint8_t size = told(state);
    bool serving = state->run == RUN_SIGNING || state->run == RUN_UP;
    if (state->broken == BROKEN_CHANGED) {
        return "a place of the log has another entry than somebody was told";
    }
    if (state->broken == BROKEN_TRIMMED) {
        return "a trim removes an entry that no synced pack holds";
    }
    if (state->run == RUN_REFUSED && state->rotted == 0) {
        return "a start refuses a log that nothing but crashes happened to";
    }
    if (serving && (state->size < size || (state->ids & model_range(0, size)) != state->promised)) {
        return state->acked > state->size       ? "an acknowledged entry is gone"
               : state->published > state->size ? "a published checkpoint is ahead of the log"
               : state->shown > state->size
                   ? "an entry that readers saw is gone"
                   : "a place of the log has another entry than somebody was told";
    }
    if (state->rotted == 0 && state->published > durable_size(state)) {
        return "a published checkpoint is ahead of what a power cut would leave";
    }
    if (state->rotted == 0 && state->published > durable_note(state)) {
        return "the newest published checkpoint is not kept in the chain";
    }
    if (state->run == RUN_DOWN && !starts_alike(bounds, state)) {
        return "a second start finds another log than the first";
    }
    return NULL;
}

static void steps(const void *bounds, const void *state, model_emit_fn emit, void *ctx) {
    model_steps(bounds, state, emit, ctx);
}

static const char *violation(const void *bounds, const void *state) {
    return model_violation(bounds, state);
}

struct model_machine model_machine_of(const struct model_bounds *bounds,
                                      struct model_state *ret_first) {
    memset(ret_first, 0, sizeof *ret_first);
    ret_first->run = RUN_UP;
    return (struct model_machine){sizeof *ret_first, ret_first, bounds, steps, violation};
}
