/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/window.h: which part of log time a question is about, for on-time and for late events,
 * and which segments that meets. Layer: storage, part of the verifier: the prover opens what these
 * say, and the verifier demands it. Pure. Source: FORMAT.md, "Windows".
 */
#ifndef STELE_STORAGE_WINDOW_H
#define STELE_STORAGE_WINDOW_H

#include "storage/descriptor.h"

/* Half-open ranges; UINT64_MAX is an open end. */
struct stele_time_range {
    uint64_t logged_since_us, logged_until_us; /* log clock */
    uint64_t since_us, until_us;               /* the event's own clock: T0 rounded down, T1 up */
};

struct stele_window {
    uint64_t start_us, end_us; /* [start, end) of log time; empty unless start < end */
};
struct stele_windows {
    struct stele_window of[2]; /* [0] on-time, [1] late */
    struct stele_window
        surely;        /* on-time events logged in it are in the asked times, whatever their own */
    uint64_t least_us; /* W0 */
    uint64_t greatest_us; /* W1 */
    bool by_event_time;   /* the question bounds the event's own time */
    struct stele_time_range range;
};
void stele_windows_of(const struct stele_time_range *range, struct stele_windows *ret);
/* Whether the window of on-time (or late) events meets a segment with these times. */
bool stele_windows_meet(const struct stele_windows *windows, bool late,
                        const struct stele_segment_info *info);
/* Whether every on-time (or late) event of a segment with these times is one that is asked for, so
 * that how many there are answers a question for their number. */
bool stele_windows_cover(const struct stele_windows *windows, bool late,
                         const struct stele_segment_info *info);

#endif
