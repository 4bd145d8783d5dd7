/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/cursor.h: where an answer stopped, as a text only this region can have made. Layer: query.
 * Pure.
 *
 * A cursor holds one place a log: the first entry not answered yet (ascending), or the entry above
 * the last one not answered yet (descending). A place a log, rather than one point in time, because
 * an entry may become visible in one log after a later one was answered from another: with places
 * it is still in the rest of the answer. A keyed hash (HMAC-SHA-256 with a secret of the region)
 * covers all of it, with a digest of the question and one of the client's name, so a changed,
 * foreign or borrowed cursor is refused. Nothing in it is secret from its holder. The limit is not
 * part of it: it is one call's own.
 *
 * base64url, without padding, of: u8 version = 1 | question[16] | client[16] | u8 n | n x (lp(log
 * name) | varint seq), names strictly ascending | mac[32].
 */
#ifndef STELE_QUERY_CURSOR_H
#define STELE_QUERY_CURSOR_H

#include "proto/rpc_server.h"
#include "query/filter.h"
#include "query/limits.h"
#include "storage/engine.h"

#define STELE_CURSOR_SECRET "cursor" /* its name, for stele_store_secret */
#define STELE_CURSOR_SECRET_BYTES 32
#define STELE_CURSOR_DIGEST_BYTES 16

struct stele_place {
    char log[STELE_LOG_NAME_MAX + 1];
    uint64_t seq;
};
struct stele_places {
    size_t n;
    struct stele_place at[STELE_QUERY_LOGS_MAX]; /* ascending by name */
};

/* What a cursor is good for. */
struct stele_cursor_binding {
    uint8_t secret[STELE_CURSOR_SECRET_BYTES];
    uint8_t question[STELE_CURSOR_DIGEST_BYTES];
    uint8_t client[STELE_CURSOR_DIGEST_BYTES];
};
/* The question without its limit, with its order; the client by the names of its certificate. The
 * caller fills in the secret. Errors: those of stele_question_encode. */
STELE_MUST_USE stele_status stele_cursor_bind(const struct stele_query_question *question,
                                              const struct stele_rpc_peer *peer,
                                              struct stele_cursor_binding *ret, stele_err *err);

/* Appends the text. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_cursor_encode(const struct stele_cursor_binding *binding,
                                                const struct stele_places *places, stele_buf *text,
                                                stele_err *err);
/* Errors: INVALID (not a cursor; of another question), DENIED (its hash does not hold; another
 * client's). */
STELE_MUST_USE stele_status stele_cursor_decode(const struct stele_cursor_binding *binding,
                                                stele_view text, struct stele_places *ret,
                                                stele_err *err);

/* HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes. */
void stele_cursor__hmac(stele_view key, stele_view message, uint8_t out[STELE_AT_LEAST(32)]);

#endif
