/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/entry.c: the bytes that become leaves, written and read in this file only. The same rules
 * are asserted before writing and checked when reading.
 */
#include "storage/entry.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/cursor.h"

#define ENTRY_VERSION 1
#define RETENTION_YEARS_MAX 7
#define FLAG_LATE 0x01

bool stele_entry_is_late(uint64_t time_us, uint64_t event_us) {
    return time_us > event_us && time_us - event_us > STELE_LATE_AFTER_US;
}

/* The event's own clock may be ahead of the log's by a day at most. */
static bool is_too_early(uint64_t time_us, uint64_t event_us) {
    return event_us > time_us && event_us - time_us > STELE_LATE_AFTER_US;
}

/* Days since 1970 to a Gregorian month: years are counted from 1 March, so that the leap day is
 * their last and a month's start is a linear function (153 days in 5 months). */
uint32_t stele_entry_month(uint64_t time_us) {
    uint64_t days = time_us / STELE_LATE_AFTER_US + 719468; /* since 1 March of the year 0 */
    uint64_t era = days / 146097;                           /* of 400 years */
    uint64_t day = days % 146097;
    uint64_t year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t march_month = (5 * day_of_year + 2) / 153; /* 0 is March */
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    uint64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
    return (uint32_t)(year * 100 + month);
}

/* What must hold of any entry, whoever made it; NULL, or what is wrong. */
static const char *fault_of(const struct stele_entry *entry) {
    switch (entry->type) {
    case STELE_ENTRY_EVENT: {
        const struct stele_entry_event *event = &entry->as.event;
        if (event->retention_years < 1 || event->retention_years > RETENTION_YEARS_MAX) {
            return "its retention class is not 1 to 7 years";
        }
        if (is_too_early(entry->time_us, event->event_us)) {
            return "its event time is more than a day ahead of its log time";
        }
        return event->late == stele_entry_is_late(entry->time_us, event->event_us)
                   ? NULL
                   : "its late bit does not fit its two times";
    }
    case STELE_ENTRY_INDEX: {
        const struct stele_entry_index *index = &entry->as.index;
        if (index->covered < 1 || index->covered > entry->seq) {
            return "it covers nothing, or more than the entries before it";
        }
        if (index->n_segments < 1 || index->n_segments > index->covered) {
            return "it has no segments, or more than the entries it covers";
        }
        return index->control < entry->seq ? NULL : "the CONTROL it names is not before it";
    }
    case STELE_ENTRY_CONTROL: {
        const struct stele_entry_control *control = &entry->as.control;
        if (control->kind > STELE_CONTROL_ERASURE) {
            return "its kind is unknown";
        }
        return control->prev == STELE_NO_SEQ || control->prev < entry->seq
                   ? NULL
                   : "the CONTROL before it is not before it";
    }
    }
    return "its type is unknown";
}

stele_status stele_entry_check(const struct stele_entry *entry, stele_err *err) {
    const char *fault = fault_of(entry);
    return fault == NULL
               ? STELE_OK
               : STELE_FAIL(err, INVALID, "entry %llu: %s", (unsigned long long)entry->seq, fault);
}

size_t stele_entry_encode(const struct stele_entry *entry, uint8_t out[STELE_AT_LEAST(112)]) {
    assert(fault_of(entry) == NULL);
    memset(out, 0, STELE_ENTRY_BYTES_MAX);
    out[0] = (uint8_t)entry->type;
    out[1] = ENTRY_VERSION;
    if (entry->type == STELE_ENTRY_INDEX) {
        assert(entry->era == 0);
        const struct stele_entry_index *index = &entry->as.index;
        stele_put_u32(out + 4, index->n_segments);
        stele_put_u64(out + 8, entry->seq);
        stele_put_u64(out + 16, entry->time_us);
        stele_put_u64(out + 24, index->covered);
        stele_put_u64(out + 32, index->control);
        memcpy(out + 40, index->manifest_root, STELE_HASH_BYTES);
        return STELE_ENTRY_INDEX_BYTES;
    }
    stele_put_u32(out + 4, entry->era);
    stele_put_u64(out + 8, entry->seq);
    stele_put_u64(out + 16, entry->time_us);
    if (entry->type == STELE_ENTRY_EVENT) {
        const struct stele_entry_event *event = &entry->as.event;
        out[2] = event->retention_years;
        out[3] = event->late ? FLAG_LATE : 0;
        stele_put_u64(out + 24, event->event_us);
        memcpy(out + 32, event->payload_commit, STELE_HASH_BYTES);
        memcpy(out + 64, event->keys_commit, STELE_HASH_BYTES);
        return STELE_ENTRY_EVENT_BYTES;
    }
    const struct stele_entry_control *control = &entry->as.control;
    out[2] = (uint8_t)control->kind;
    stele_put_u64(out + 24, control->prev);
    stele_put_u64(out + 32, control->n_state);
    memcpy(out + 40, control->body_digest, STELE_HASH_BYTES);
    memcpy(out + 72, control->state_root, STELE_HASH_BYTES);
    return STELE_ENTRY_CONTROL_BYTES;
}

static size_t bytes_of_type(uint8_t type) {
    switch (type) {
    case STELE_ENTRY_EVENT:
        return STELE_ENTRY_EVENT_BYTES;
    case STELE_ENTRY_INDEX:
        return STELE_ENTRY_INDEX_BYTES;
    case STELE_ENTRY_CONTROL:
        return STELE_ENTRY_CONTROL_BYTES;
    default:
        return 0;
    }
}

/* The fields behind the common first 24 bytes; false if a reserved bit is set. */
static bool decode_rest(const uint8_t *in, struct stele_entry *made) {
    switch (made->type) {
    case STELE_ENTRY_EVENT: {
        struct stele_entry_event *event = &made->as.event;
        event->retention_years = in[2];
        event->late = (in[3] & FLAG_LATE) != 0;
        event->event_us = stele_get_u64(in + 24);
        memcpy(event->payload_commit, in + 32, STELE_HASH_BYTES);
        memcpy(event->keys_commit, in + 64, STELE_HASH_BYTES);
        made->era = stele_get_u32(in + 4);
        return (in[3] & ~FLAG_LATE) == 0;
    }
    case STELE_ENTRY_INDEX: {
        struct stele_entry_index *index = &made->as.index;
        index->n_segments = stele_get_u32(in + 4);
        index->covered = stele_get_u64(in + 24);
        index->control = stele_get_u64(in + 32);
        memcpy(index->manifest_root, in + 40, STELE_HASH_BYTES);
        return in[2] == 0 && in[3] == 0;
    }
    case STELE_ENTRY_CONTROL: {
        struct stele_entry_control *control = &made->as.control;
        control->kind = (stele_control_kind)in[2];
        control->prev = stele_get_u64(in + 24);
        control->n_state = stele_get_u64(in + 32);
        memcpy(control->body_digest, in + 40, STELE_HASH_BYTES);
        memcpy(control->state_root, in + 72, STELE_HASH_BYTES);
        made->era = stele_get_u32(in + 4);
        return in[3] == 0 && stele_get_u64(in + 104) == 0;
    }
    }
    return false;
}

stele_status stele_entry_decode(stele_view bytes, struct stele_entry *ret, stele_err *err) {
    const uint8_t *in = bytes.data;
    if (bytes.size == 0 || bytes_of_type(in[0]) != bytes.size) {
        return STELE_FAIL(err, INVALID,
                          "an entry of %zu bytes and type %u: events have 96, index entries 72, "
                          "control entries 112 bytes",
                          bytes.size, bytes.size == 0 ? 0u : in[0]);
    }
    if (in[1] != ENTRY_VERSION) {
        return STELE_FAIL(err, INVALID, "an entry of version %u, only version 1 is known", in[1]);
    }
    struct stele_entry made;
    memset(&made, 0, sizeof made);
    made.type = (stele_entry_type)in[0];
    made.seq = stele_get_u64(in + 8);
    made.time_us = stele_get_u64(in + 16);
    if (!decode_rest(in, &made)) {
        return STELE_FAIL(err, INVALID, "entry %" PRIu64 " of type %u: a reserved bit is not 0",
                          made.seq, in[0]);
    }
    const char *fault = fault_of(&made);
    if (fault != NULL) {
        return STELE_FAIL(err, INVALID, "entry %" PRIu64 " of type %u: %s", made.seq, in[0], fault);
    }
    *ret = made;
    return STELE_OK;
}
