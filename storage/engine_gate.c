/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine_gate.c: letting calls in and out, and waiting until all are out. */
#include "storage/engine_gate.h"

#include <assert.h>

/* The innermost gate this thread is inside of. */
static _Thread_local const struct stele_gate *inside_of;

void stele_gate_init(struct stele_gate *gate) {
    (void)pthread_mutex_init(&gate->mutex, NULL);
    (void)pthread_cond_init(&gate->moved, NULL);
    gate->inside = 0;
    gate->emptied = false;
}

void stele_gate_done(struct stele_gate *gate) {
    assert(gate->inside == 0 && !gate->emptied);
    (void)pthread_cond_destroy(&gate->moved);
    (void)pthread_mutex_destroy(&gate->mutex);
}

const struct stele_gate *stele_gate_enter(struct stele_gate *gate) {
    const struct stele_gate *before = inside_of;
    (void)pthread_mutex_lock(&gate->mutex);
    while (gate->emptied && before != gate) {
        (void)pthread_cond_wait(&gate->moved, &gate->mutex);
    }
    gate->inside++;
    (void)pthread_mutex_unlock(&gate->mutex);
    inside_of = gate;
    return before;
}

void stele_gate_leave(struct stele_gate *gate, const struct stele_gate *before) {
    inside_of = before;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->inside--;
    if (gate->inside == 0) {
        (void)pthread_cond_broadcast(&gate->moved);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
}

const struct stele_gate *stele_gate_empty(struct stele_gate *gate) {
    const struct stele_gate *before = inside_of;
    assert(before != gate); /* it would wait for itself */
    (void)pthread_mutex_lock(&gate->mutex);
    while (gate->emptied) {
        (void)pthread_cond_wait(&gate->moved, &gate->mutex);
    }
    gate->emptied = true;
    while (gate->inside > 0) {
        (void)pthread_cond_wait(&gate->moved, &gate->mutex);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    inside_of = gate;
    return before;
}

void stele_gate_fill(struct stele_gate *gate, const struct stele_gate *before) {
    inside_of = before;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->emptied = false;
    (void)pthread_cond_broadcast(&gate->moved);
    (void)pthread_mutex_unlock(&gate->mutex);
}
