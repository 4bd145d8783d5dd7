/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model_check.c: what must hold in every state, and the walk through all of them, breadth first,
 * so that what is reported is a shortest way to it.
 */
#include <string.h>

#include "storage/bytes.h"
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

static void keep(void *ctx, const struct model_state *next, const char *step) {
    (void)step;
    *(struct model_state *)ctx = *next;
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
               : state->shown > state->size     ? "an entry that readers saw is gone"
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

/* ------------------------------------------------------------------ the walk */
struct node {
    struct model_state state;
    uint32_t parent;
    const char *step;
};

struct walk {
    const struct model_bounds *bounds;
    struct node *node;
    uint32_t *slot; /* index + 1; open addressing, never more than half full */
    size_t n, max, n_slots, steps;
    uint32_t from;
    uint32_t found;
    const char *violation;
    bool full;
};

static uint64_t hash_of(const struct model_state *state) {
    const uint8_t *byte = (const uint8_t *)state;
    uint64_t hash = 14695981039346656037u; /* as FNV-1a, by words */
    for (size_t i = 0; i < sizeof *state; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = sizeof *state - i;
        memcpy(&word, byte + i, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* The slot that holds the state, or the free one where it belongs. */
static size_t slot_of(const struct walk *walk, const struct model_state *state) {
    size_t at = (size_t)hash_of(state) & (walk->n_slots - 1);
    while (walk->slot[at] != 0 && memcmp(&walk->node[walk->slot[at] - 1].state, state, sizeof *state) != 0) {
        at = (at + 1) & (walk->n_slots - 1);
    }
    return at;
}

/* Twice the room. Only what is needed is asked for: a sanitizer touches all of it. */
static bool grow(struct walk *walk) {
    size_t n_slots = walk->n_slots == 0 ? (size_t)1 << 17 : 2 * walk->n_slots;
    uint32_t *slot = stele_alloc(n_slots, sizeof *slot);
    struct node *node = slot == NULL ? NULL : stele_realloc(walk->node, n_slots / 2, sizeof *node);
    if (node == NULL) {
        stele_free(slot);
        return false;
    }
    stele_free(walk->slot);
    walk->node = node;
    walk->slot = slot;
    walk->n_slots = n_slots;
    for (size_t i = 0; i < walk->n; i++) {
        slot[slot_of(walk, &node[i].state)] = (uint32_t)(i + 1);
    }
    return true;
}

static void visit(void *ctx, const struct model_state *next, const char *step) {
    struct walk *walk = ctx;
    if (walk->violation != NULL || walk->full) {
        return;
    }
    walk->steps++;
    size_t at = slot_of(walk, next);
    if (walk->slot[at] != 0) {
        return;
    }
    if (walk->n == walk->n_slots / 2) {
        walk->full = walk->n >= walk->max || !grow(walk);
        if (walk->full) {
            return;
        }
        at = slot_of(walk, next);
    }
    walk->node[walk->n] = (struct node){*next, walk->from, step};
    walk->slot[at] = (uint32_t)++walk->n;
    walk->violation = model_violation(walk->bounds, next);
    walk->found = (uint32_t)(walk->n - 1);
}

bool model_explore(const struct model_bounds *bounds, size_t max_states, struct model_result *ret) {
    struct walk walk = {.bounds = bounds, .max = max_states};
    bool good = grow(&walk);
    if (good) {
        struct model_state first;
        memset(&first, 0, sizeof first);
        first.run = RUN_UP;
        visit(&walk, &first, "an empty log");
    }
    for (size_t i = 0; good && i < walk.n && walk.violation == NULL && !walk.full; i++) {
        const struct model_state state = walk.node[i].state;
        walk.from = (uint32_t)i;
        model_steps(bounds, &state, visit, &walk);
    }
    *ret = (struct model_result){.states = walk.n, .steps = walk.steps, .violation = walk.violation};
    if (walk.violation != NULL) {
        uint32_t path[64];
        size_t n = 0;
        for (uint32_t at = walk.found; at != 0 && n < 64; at = walk.node[at].parent) {
            path[n++] = at;
        }
        ret->trace_steps = n;
        for (size_t i = 0; i < n; i++) {
            ret->trace[i] = walk.node[path[n - 1 - i]].step;
        }
    }
    good = good && !walk.full;
    stele_free(walk.node);
    stele_free(walk.slot);
    return good;
}
