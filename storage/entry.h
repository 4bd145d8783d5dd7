/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/entry.h: the leaf data of a log: EVENT (96 B), INDEX (72 B), CONTROL (112 B). Layer:
 * storage. Pure. Source: FORMAT.md section 2. Encoded and decoded in this one place; reserved bits
 * that are not zero, wrong sizes and unknown types are refused.
 */
#ifndef STELE_STORAGE_ENTRY_H
#define STELE_STORAGE_ENTRY_H

#include "storage/hash.h"

#define STELE_ENTRY_EVENT_BYTES 96
#define STELE_ENTRY_INDEX_BYTES 72
#define STELE_ENTRY_CONTROL_BYTES 112
#define STELE_ENTRY_BYTES_MAX 112
#define STELE_LATE_AFTER_US UINT64_C(86400000000)
#define STELE_NO_SEQ UINT64_MAX

typedef enum stele_entry_type {
    STELE_ENTRY_EVENT = 1,
    STELE_ENTRY_INDEX = 2,
    STELE_ENTRY_CONTROL = 3,
} stele_entry_type;

typedef enum stele_control_kind {
    STELE_CONTROL_GENESIS = 0,
    STELE_CONTROL_EPOCH = 1,
    STELE_CONTROL_TENANTS = 2,
    STELE_CONTROL_DISPOSAL = 3,
    STELE_CONTROL_HOLD = 4,
    STELE_CONTROL_KEY_ROTATION = 5,
    STELE_CONTROL_CONFIGURATION = 6,
    STELE_CONTROL_LOGS = 7,
    STELE_CONTROL_ERASURE = 8,
} stele_control_kind;

struct stele_entry_event {
    uint8_t retention_years; /* 1..7 */
    bool late;
    uint64_t event_us;
    uint8_t payload_commit[STELE_HASH_BYTES];
    uint8_t keys_commit[STELE_HASH_BYTES];
};

struct stele_entry_index {
    uint32_t n_segments;
    uint64_t covered; /* M: the index covers [0, M) */
    uint64_t control; /* greatest CONTROL seq below this one */
    uint8_t manifest_root[STELE_HASH_BYTES];
};

struct stele_entry_control {
    stele_control_kind kind;
    uint64_t prev; /* seq of the CONTROL before, STELE_NO_SEQ if none */
    uint64_t n_state;
    uint8_t body_digest[STELE_HASH_BYTES];
    uint8_t state_root[STELE_HASH_BYTES];
};

struct stele_entry {
    stele_entry_type type;
    uint32_t era; /* EVENT and CONTROL; 0 for INDEX, which carries none */
    uint64_t seq;
    uint64_t time_us;
    union {
        struct stele_entry_event event;
        struct stele_entry_index index;
        struct stele_entry_control control;
    } as;
};

/* Writes the entry's bytes and returns their count. Asserts what decode checks: entries are
 * made by us. */
size_t stele_entry_encode(const struct stele_entry *entry, uint8_t out[STELE_AT_LEAST(112)]);
/* What encoding asserts, for an entry that is put together from stored bytes. Errors: INVALID. */
STELE_MUST_USE stele_status stele_entry_check(const struct stele_entry *entry, stele_err *err);
/* Errors: INVALID. Also refuses a retention class outside 1..7, a late bit that does not fit the
 * two times, an EVENT more than a day ahead of its log time, an INDEX unless 1 <= M <= seq,
 * 1 <= n_segments <= M and control < seq, and a CONTROL whose prev is not before it. That an era
 * fits its time is for those who know the log: committer, auditor, verifier. */
STELE_MUST_USE stele_status stele_entry_decode(stele_view bytes, struct stele_entry *ret,
                                               stele_err *err);
/* 1 iff time_us > event_us + 86,400,000,000. */
bool stele_entry_is_late(uint64_t time_us, uint64_t event_us);
/* YYYYMM of a time in UTC (Gregorian), e.g. 202611; the era is this times 100 plus the cut. */
uint32_t stele_entry_month(uint64_t time_us);

#endif
