/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_gate.h: calls go in and out; one who wants the place to himself waits until all
 * are out and holds new ones back. Layer: storage, for engine_rocks.c only.
 *
 * Unlike a read-write lock it lets a thread that is inside enter again while somebody waits: a
 * scan's callback may read more. Whoever empties the gate must not be inside of it.
 */
#ifndef STELE_STORAGE_ENGINE_GATE_H
#define STELE_STORAGE_ENGINE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct stele_gate {
    pthread_mutex_t
        mutex; /* also over what the owner keeps beside the gate, while nothing else is called */
    pthread_cond_t moved;
    size_t inside;
    bool emptied;
};

void stele_gate_init(struct stele_gate *gate);
void stele_gate_done(struct stele_gate *gate);
/* Returns what stele_gate_leave needs back. */
const struct stele_gate *stele_gate_enter(struct stele_gate *gate);
void stele_gate_leave(struct stele_gate *gate, const struct stele_gate *before);
/* From here to stele_gate_fill this thread alone is inside, and may call what enters. */
const struct stele_gate *stele_gate_empty(struct stele_gate *gate);
void stele_gate_fill(struct stele_gate *gate, const struct stele_gate *before);

#endif
