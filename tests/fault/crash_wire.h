/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/crash_wire.h: what a writer that is about to be killed tells its parent through a
 * pipe. A record is one struct and its bytes, written only after the thing it tells of has
 * happened: a record that is cut short by the kill tells of nothing.
 */
#ifndef STELE_TESTS_FAULT_CRASH_WIRE_H
#define STELE_TESTS_FAULT_CRASH_WIRE_H

#include <stdint.h>

#define CRASH_FD 3 /* where the writer finds the pipe */
#define CRASH_BEARS                                                                                \
    "STELE_CRASH_BEARS" /* environment: calls that say IO or CLOSED are tried again */
/* Environment: "before 2 pack: items, commit" ends the process before the second of these steps, or
 * after it; "no 0 step" only reports them. */
#define CRASH_STEP_AT "STELE_CRASH_STEP_AT"
#define CRASH_LOGS 3
static const char *const crash_log_name[CRASH_LOGS] = {"1y", "3y", "system"};

typedef enum crash_kind {
    CRASH_READY = 1, /* the store is open */
    CRASH_ACK,       /* n events from seq `at` on: their payloads' SHA-256, 32 bytes each */
    CRASH_NOTE,      /* a signed checkpoint of `at` entries: its root, 32 bytes */
    CRASH_CLOSING,   /* nothing more is appended */
    CRASH_CLOSED,
    CRASH_STEP,  /* a step (engine_step.h) is made the first time, or is the last: its name */
    CRASH_FAILED /* a call that must not fail did: its message */
} crash_kind;

struct crash_record {
    uint32_t kind;
    uint32_t log;
    uint64_t at;
    uint64_t time_us; /* ACK: the log clock */
    uint64_t n_bytes; /* that follow */
};

#endif
