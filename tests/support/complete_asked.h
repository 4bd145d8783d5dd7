/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_asked.h: what a question asks of a log's segments, by definition:
 * FORMAT.md, "Windows", without the product's.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_ASKED_H
#define STELE_TESTS_SUPPORT_COMPLETE_ASKED_H

#include "proto/event_filter.h"
#include "storage/descriptor.h"

struct asked {
    stele_view tenant;
    uint8_t field;
    stele_view value;
    bool by_event_time;
    uint64_t t0, t1, l0, l1; /* microseconds */
    uint64_t from[2], to[2]; /* windows: on-time, late */
};

uint64_t asked_least(uint64_t a, uint64_t b);
uint64_t asked_greatest(uint64_t a, uint64_t b);
/* By the condition of that number, or the whole tenant. */
struct asked asked_of(const struct stele_question *question, uint8_t condition);
bool asked_meets(const struct asked *a, int late, const struct stele_segment_info *info);
/* Every event of the segment with the tag is asked for, whatever its own time. */
bool asked_covers(const struct asked *a, int late, const struct stele_segment_info *info);

#endif
