/* SPDX-License-Identifier: Apache-2.0 */
/* tests/model/walk.c: breadth first, with a table of all states that were met. */
#include "tests/model/walk.h"

#include <stdint.h>
#include <string.h>

#include "storage/bytes.h"

struct way {
    uint32_t parent;
    const char *step;
};

struct walk {
    const struct model_machine *machine;
    uint8_t *state; /* one behind the other */
    struct way *way;
    uint32_t *slot; /* index + 1; open addressing, never more than half full */
    size_t n, max, n_slots, steps;
    uint32_t from;
    uint32_t found;
    const char *violation;
    bool full;
};

static uint64_t hash_of(const uint8_t *byte, size_t size) {
    uint64_t hash = 14695981039346656037u; /* as FNV-1a, by words */
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = size - i;
        memcpy(&word, byte + i, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

static uint8_t *state_at(const struct walk *walk, size_t i) {
    return walk->state + i * walk->machine->state_bytes;
}

/* The slot that holds the state, or the free one where it belongs. */
static size_t slot_of(const struct walk *walk, const void *state) {
    size_t size = walk->machine->state_bytes;
    size_t at = (size_t)hash_of(state, size) & (walk->n_slots - 1);
    while (walk->slot[at] != 0 && memcmp(state_at(walk, walk->slot[at] - 1), state, size) != 0) {
        at = (at + 1) & (walk->n_slots - 1);
    }
    return at;
}

/* Twice the room. Only what is needed is asked for: a sanitizer touches all of it. */
static bool grow(struct walk *walk) {
    size_t n_slots = walk->n_slots == 0 ? (size_t)1 << 17 : 2 * walk->n_slots;
    uint32_t *slot = stele_alloc(n_slots, sizeof *slot);
    uint8_t *state =
        slot == NULL ? NULL : stele_realloc(walk->state, n_slots / 2, walk->machine->state_bytes);
    walk->state = state == NULL ? walk->state : state;
    struct way *way = state == NULL ? NULL : stele_realloc(walk->way, n_slots / 2, sizeof *way);
    if (way == NULL) {
        stele_free(slot);
        return false;
    }
    stele_free(walk->slot);
    walk->way = way;
    walk->slot = slot;
    walk->n_slots = n_slots;
    for (size_t i = 0; i < walk->n; i++) {
        slot[slot_of(walk, state_at(walk, i))] = (uint32_t)(i + 1);
    }
    return true;
}

static void visit(void *ctx, const void *next, const char *step) {
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
    memcpy(state_at(walk, walk->n), next, walk->machine->state_bytes);
    walk->way[walk->n] = (struct way){walk->from, step};
    walk->slot[at] = (uint32_t)++walk->n;
    walk->violation = walk->machine->violation(walk->machine->bounds, next);
    walk->found = (uint32_t)(walk->n - 1);
}

static void tell_way(const struct walk *walk, struct model_result *ret) {
    uint32_t path[64];
    size_t n = 0;
    for (uint32_t at = walk->found; at != 0 && n < 64; at = walk->way[at].parent) {
        path[n++] = at;
    }
    ret->trace_steps = n;
    for (size_t i = 0; i < n; i++) {
        ret->trace[i] = walk->way[path[n - 1 - i]].step;
    }
}

bool model_explore(const struct model_machine *machine, size_t max_states,
                   struct model_result *ret) {
    struct walk walk = {.machine = machine, .max = max_states};
    uint8_t *state = stele_alloc(1, machine->state_bytes); /* the table moves when it grows */
    bool good = state != NULL && grow(&walk);
    if (good) {
        visit(&walk, machine->first, "the first state");
    }
    for (size_t i = 0; good && i < walk.n && walk.violation == NULL && !walk.full; i++) {
        memcpy(state, state_at(&walk, i), machine->state_bytes);
        walk.from = (uint32_t)i;
        machine->steps(machine->bounds, state, visit, &walk);
    }
    *ret =
        (struct model_result){.states = walk.n, .steps = walk.steps, .violation = walk.violation};
    if (walk.violation != NULL) {
        tell_way(&walk, ret);
    }
    good = good && !walk.full;
    stele_free(state);
    stele_free(walk.state);
    stele_free(walk.way);
    stele_free(walk.slot);
    return good;
}
