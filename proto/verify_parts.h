/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify_parts.h: what the files of the verifier share. Layer: proto, private to verify*.c.
 */
#ifndef STELE_PROTO_VERIFY_PARTS_H
#define STELE_PROTO_VERIFY_PARTS_H

#include "proto/verify.h"

#define STELE_VERIFY_COMPLETE_LINE "stele/answer@v2\n" /* as long as that of version 1 */

struct stele_verifier {
    const struct stele_vkey *keys;
    size_t n_keys;
    stele_verify_event_fn event;
    void *ctx;
    bool has_kind;
    bool refused;                       /* by the first byte: no later one can make it a proof */
    stele_buf text;                     /* a receipt's so far, or an answer's first line */
    struct stele_answer_reader *answer; /* of version 1 */
    struct stele_complete_reader *complete; /* of version 2 */
    struct stele_complete_map map;
    const struct stele_witness *witnesses;
    size_t n_witnesses;
    size_t quorum;
    struct stele_verify_state *state; /* what is remembered; NULL: nothing */
    struct stele_verify_state *seen;  /* what this file adds to it, if all of it holds */
    struct stele_verify_report report;
    bool log_seen[STELE_ANSWER_LOGS_MAX];    /* by the question's list */
    bool unconnected[STELE_ANSWER_LOGS_MAX]; /* larger than remembered, and not shown to have grown
                                              */
    struct stele_event_facts facts;
};

/* The entry's own fields against the event: its time, its class, and the region it may be kept in.
 * facts: of its payload. */
STELE_MUST_USE stele_status stele_verify__check_event(const struct stele_answer_event *event,
                                                      const struct stele_event_facts *facts,
                                                      stele_err *err);
void stele_verify__note_event(struct stele_verify_report *report, size_t log, uint64_t time_us);
/* Sink of both versions; ctx is the verifier. */
STELE_MUST_USE stele_status stele_verify__on_log(void *ctx, uint8_t log,
                                                 const struct stele_checkpoint *checkpoint,
                                                 stele_err *err);
/* That the answer has all logs that the question names. */
STELE_MUST_USE stele_status stele_verify__check_logs(const struct stele_verifier *v,
                                                     stele_err *err);

/* verify_complete.c */
STELE_MUST_USE stele_status stele_verify__new_complete(struct stele_verifier *v, stele_err *err);
STELE_MUST_USE stele_status stele_verify__end_complete(struct stele_verifier *v, stele_err *err);

#endif
