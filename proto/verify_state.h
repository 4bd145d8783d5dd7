/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify_state.h: what a verifier remembers from one run to the next, so that a log cannot
 * show it one history today and another one tomorrow: of each log the newest tree head, of each era
 * its tag key's commitment. Layer: proto, part of the verifier. Pure: text in, text out.
 *
 * Text: a first line "stele/verifier-state@v1", then "log <origin> <size> <base64 root>" and
 * "epoch <origin> <era> <64 hex digits>", each ended by a LF.
 */
#ifndef STELE_PROTO_VERIFY_STATE_H
#define STELE_PROTO_VERIFY_STATE_H

#include "storage/checkpoint.h"

/* A hundred logs with 84 eras each, and some. */
#define STELE_VERIFY_STATE_LOGS_MAX 1024
#define STELE_VERIFY_STATE_EPOCHS_MAX 8192

struct stele_verify_state;
STELE_MUST_USE stele_status stele_verify_state_new(struct stele_verify_state **ret, stele_err *err);
void stele_verify_state_free(struct stele_verify_state *state);
/* Into a new state. Errors: INVALID, LIMIT, NO_MEMORY. */
STELE_MUST_USE stele_status stele_verify_state_decode(stele_view text,
                                                      struct stele_verify_state *ret,
                                                      stele_err *err);
/* Appends the text. */
STELE_MUST_USE stele_status stele_verify_state_encode(const struct stele_verify_state *state,
                                                      stele_buf *out, stele_err *err);

/* Every tree head that is remembered, by number. */
size_t stele_verify_state_n_heads(const struct stele_verify_state *state);
const struct stele_checkpoint *stele_verify_state_head_at(const struct stele_verify_state *state,
                                                          size_t i);
/* The tree head that is remembered of a log; NULL if there is none. */
const struct stele_checkpoint *stele_verify_state_head(const struct stele_verify_state *state,
                                                       const char *origin);
/* Against what is remembered: the same size must have the same root, a smaller one is refused. A
 * greater one is for the caller to connect. Errors: UNVERIFIED. */
STELE_MUST_USE stele_status stele_verify_state_check_head(const struct stele_verify_state *state,
                                                          const struct stele_checkpoint *head,
                                                          stele_err *err);
/* An era's tag key must be the one that is remembered. Errors: UNVERIFIED. */
STELE_MUST_USE stele_status stele_verify_state_check_epoch(
    const struct stele_verify_state *state, const char *origin, uint32_t era,
    const uint8_t tag_key_commit[STELE_AT_LEAST(32)], stele_err *err);
/* Remembers. Errors: LIMIT, NO_MEMORY. */
STELE_MUST_USE stele_status stele_verify_state_put_head(struct stele_verify_state *state,
                                                        const struct stele_checkpoint *head,
                                                        stele_err *err);
STELE_MUST_USE stele_status
stele_verify_state_put_epoch(struct stele_verify_state *state, const char *origin, uint32_t era,
                             const uint8_t tag_key_commit[STELE_AT_LEAST(32)], stele_err *err);
/* Puts all of `from`. */
STELE_MUST_USE stele_status stele_verify_state_merge(struct stele_verify_state *state,
                                                     const struct stele_verify_state *from,
                                                     stele_err *err);

#endif
