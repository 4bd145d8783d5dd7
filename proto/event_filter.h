/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_filter.h: a question about events: conditions on index keys (AND), a tenant, two time
 * ranges. Layer: proto, part of the verifier. Pure.
 *
 * Shared by the planner, which reads the rarest condition's postings, by the search, which checks
 * every event it returns, and by the offline verifier, which checks the same again. `outcome =
 * success` is not an index key (field 5 exists only for the others): it holds iff the event has no
 * key of field 5.
 */
#ifndef STELE_PROTO_EVENT_FILTER_H
#define STELE_PROTO_EVENT_FILTER_H

#include "proto/event_map.h"

#define STELE_FILTER_CONDITIONS_MAX 24

struct stele_event_condition {
    uint8_t field; /* stele_key_field */
    stele_buf value;
};
struct stele_event_filter {
    stele_buf tenant; /* empty: every tenant */
    size_t n_conditions;
    struct stele_event_condition condition[STELE_FILTER_CONDITIONS_MAX];
    /* Half-open; 0 and UINT64_MAX are open ends. */
    uint64_t since_unix_nano, until_unix_nano;
    uint64_t logged_since_us, logged_until_us;
};

void stele_event_filter_init(struct stele_event_filter *filter);
void stele_event_filter_done(struct stele_event_filter *filter);
/* Adds a condition whose value is a string, or raw bytes (trace id, address, u8 alg || digest), as
 * it stands in the event. Errors: LIMIT, INVALID (empty, or no key of the field can have it). */
STELE_MUST_USE stele_status stele_event_filter_add(struct stele_event_filter *filter,
                                                   stele_key_field field, stele_view value,
                                                   stele_err *err);
/* type, action, outcome by number. */
STELE_MUST_USE stele_status stele_event_filter_add_number(struct stele_event_filter *filter,
                                                          stele_key_field field, uint32_t number,
                                                          stele_err *err);
/* Fields 17 and 18: lp(id) || version. */
STELE_MUST_USE stele_status stele_event_filter_add_version(struct stele_event_filter *filter,
                                                           stele_key_field field, stele_view id,
                                                           stele_view version, stele_err *err);
/* True if the condition has postings (not outcome = success). */
bool stele_event_condition_is_indexed(const struct stele_event_condition *condition);
/* facts: of the event's payload by the map; log_time_us: of its entry. */
bool stele_event_filter_matches(const struct stele_event_filter *filter,
                                const struct stele_event_facts *facts, uint64_t log_time_us);
/* "actor = u-1", "event_type = 3": one condition for messages and explain. Appends. */
STELE_MUST_USE stele_status stele_event_condition_print(
    const struct stele_event_condition *condition, stele_buf *out, stele_err *err);

/* The question of an answer file: region, the asked log names (none: all), the filter, limit.
 * Versioned bytes (FORMAT.md, "Question"). Decoding refuses leftovers and unknown fields. */
struct stele_question {
    stele_buf region;
    size_t n_logs;
    stele_buf log[64];
    struct stele_event_filter filter;
    uint64_t limit; /* 0: none */
};
void stele_question_init(struct stele_question *question);
void stele_question_done(struct stele_question *question);
/* Log names may stand in any order; they are written sorted and once. Errors: INVALID, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_question_encode(const struct stele_question *question,
                                                  stele_buf *out, stele_err *err);
/* ret is set on success only, and then freed with stele_question_done. Errors: INVALID, LIMIT. */
STELE_MUST_USE stele_status stele_question_decode(stele_view bytes, struct stele_question *ret,
                                                  stele_err *err);
/* Human text of the whole question, one condition a line. Appends. */
STELE_MUST_USE stele_status stele_question_print(const struct stele_question *question,
                                                 stele_buf *out, stele_err *err);

#endif
