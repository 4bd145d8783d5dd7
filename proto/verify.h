/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify.h: the offline verifier: a receipt or an answer file, public keys, and a report of
 * what was and was not proved. Layer: proto; with storage's hashes, trees, notes, receipts and
 * answers and proto's walker, map and filter it is the library stele-verify, which needs libcrypto
 * and libsodium only.
 *
 * Of an answer it checks: every log's checkpoint under a given key; every event's inclusion; its
 * payload commitment, its own time and class in the entry; that it matches the question; the order;
 * the digest. All logs are of the question's region; where it names logs, the answer has just
 * those. Of a complete answer it also checks that no event was left out.
 */
#ifndef STELE_PROTO_VERIFY_H
#define STELE_PROTO_VERIFY_H

#include "proto/event_filter.h"
#include "proto/verify_state.h"
#include "storage/answer.h"
#include "storage/complete_reader.h"
#include "storage/receipt.h"

typedef enum stele_proof_kind {
    STELE_PROOF_RECEIPT,
    STELE_PROOF_ANSWER,
    STELE_PROOF_COMPLETE, /* an answer that also proves that nothing was left out */
} stele_proof_kind;

/* Gaps beyond these are counted and not listed. */
#define STELE_VERIFY_GAPS_MAX 64

struct stele_verify_complete {
    struct stele_complete_report
        proof; /* its n_events: before those that miss another condition are dropped */
    size_t n_gaps;
    struct stele_complete_gap gap[STELE_VERIFY_GAPS_MAX];
    size_t quorum;        /* cosignatures that were required of each log; 0: none */
    bool remembered;      /* a state was given, and holds */
    size_t n_unconnected; /* logs that are larger than the state knows, without a proof that they
                             grew */
};

struct stele_verify_log {
    char origin[STELE_ORIGIN_MAX + 1];
    uint64_t size_leaves;
    uint64_t n_events;
    uint64_t first_time_us, last_time_us; /* log times of its events in the answer; 0: counted */
};
struct stele_verify_report {
    stele_proof_kind kind;
    uint64_t n_events; /* shown, or counted: complete.proof.counted */
    bool cut;          /* a limit or budget ended the answer early */
    size_t n_logs;
    struct stele_verify_log log[STELE_ANSWER_LOGS_MAX];
    struct stele_question question; /* ANSWER, COMPLETE; free with stele_verify_report_done */
    struct stele_verify_complete complete; /* COMPLETE */
    struct stele_receipt_report receipt;   /* RECEIPT */
};
void stele_verify_report_done(struct stele_verify_report *report);

/* Called for each event that meets the question, in order, before the whole is proven; may be NULL.
 */
typedef stele_status (*stele_verify_event_fn)(void *ctx, const struct stele_answer_event *event,
                                              stele_err *err);

struct stele_verifier;
/* Feed a receipt or an answer file; the kind is told by the first bytes. keys are borrowed. */
STELE_MUST_USE stele_status stele_verifier_new(const struct stele_vkey *keys, size_t n_keys,
                                               stele_verify_event_fn event, void *ctx,
                                               struct stele_verifier **ret, stele_err *err);
void stele_verifier_free(struct stele_verifier *v);
/* Before the first byte; of complete answers only, so that every other file is then refused.
 * Each log's checkpoint must bear the cosignatures of `quorum` of these witnesses, and no INDEX
 * entry be newer than their newest time by more than 300 s. Borrowed. */
void stele_verifier_require_witnesses(struct stele_verifier *v,
                                      const struct stele_witness *witnesses, size_t n,
                                      size_t quorum);
/* Logs and eras must be those that the state remembers; once all holds, stele_verifier_end puts the
 * new ones into it. Borrowed. */
void stele_verifier_remember(struct stele_verifier *v, struct stele_verify_state *state);
STELE_MUST_USE stele_status stele_verifier_feed(struct stele_verifier *v, stele_view bytes,
                                                stele_err *err);
/* Once, after the last byte. OK only if everything holds; then free *ret with
 * stele_verify_report_done. Errors: INVALID (not a proof file, or damaged), UNVERIFIED. */
STELE_MUST_USE stele_status stele_verifier_end(struct stele_verifier *v,
                                               struct stele_verify_report *ret, stele_err *err);

#endif
