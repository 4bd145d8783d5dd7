/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/dedup.h: which events a region already has. Layer: ingest.
 *
 * An event's identity is (tenant, source.service, event_id), over all logs of a region. The region
 * remembers the places of at least its `window` newest stored events; an older one that is sent
 * again is stored a second time. The memory is 32 bytes an event: a ring of keyed 64-bit hashes
 * with their places, and an index into it. A hash is a hint only: before an event is called a
 * duplicate, the stored one is read back and compared (ingest/recall.h), so that a collision can
 * never swallow an event.
 *
 * An identity is in one of three states. Unknown: the caller may claim it and must later settle the
 * claim. Claimed: someone is storing it now; whoever comes with the same bytes waits for that
 * outcome, other bytes are refused. Stored: its place is known. Claims stand outside the ring, so
 * that failing writes can never push out what is remembered.
 *
 * Nothing here is durable: the ring is filled from the logs at start. Threads: any, one lock a
 * region.
 */
#ifndef STELE_INGEST_DEDUP_H
#define STELE_INGEST_DEDUP_H

#include "ingest/limits.h"

/* Who an event is. Views borrow its payload. */
struct stele_dedup_key {
    stele_view tenant;
    stele_view service;
    stele_view event_id;
    uint64_t hash; /* set by stele_dedup_hash_many */
};

/* Where a stored event is: the log's number in its store (stele_store_log_at) and the leaf index.
 */
struct stele_dedup_place {
    uint32_t log;
    uint64_t seq;
};

/* One that waits for another's claim. Embedded in the caller's own; touched by no one after the
 * settling thread took it from the list. */
struct stele_dedup_waiter {
    struct stele_dedup_waiter *next;
};

/* An identity being stored. Embedded in the caller's own; key and payload stay readable until
 * settled. */
struct stele_dedup_claim {
    struct stele_dedup_key key;
    stele_view payload;
    struct stele_dedup_claim *next;     /* the table's */
    struct stele_dedup_waiter *waiters; /* the table's; newest first */
};

typedef enum stele_dedup_verdict {
    STELE_DEDUP_CLAIMED, /* unknown until now: settle it */
    STELE_DEDUP_WAITING, /* the same bytes are being stored: the waiter will be handed out by its
                            settler */
    STELE_DEDUP_OTHER,   /* other bytes are being stored under this identity */
    STELE_DEDUP_STORED,  /* something with this hash is stored at ret_place: read it and compare */
} stele_dedup_verdict;

struct stele_dedup;
/* `window` 1 to STELE_DEDUP_WINDOW_MAX events. Errors: INVALID, NO_MEMORY. */
STELE_MUST_USE stele_status stele_dedup_new(uint32_t window_events, struct stele_dedup **ret,
                                            stele_err *err);
void stele_dedup_free(struct stele_dedup *dedup); /* no claim may be left */

/* Sets the hashes of n keys, several at a time. */
void stele_dedup_hash_many(const struct stele_dedup *dedup, struct stele_dedup_key *const *keys,
                           size_t n);
/* A claim or a settlement of this hash comes soon: what they look at is fetched from memory
 * meanwhile, and not while others wait for the lock. */
void stele_dedup_expect(const struct stele_dedup *dedup, uint64_t hash);

/*
 * Asks for the identity of claim->key. `not_these` are places already read and found to hold
 * another identity, at most STELE_DEDUP_COLLISIONS_MAX. The waiter is linked only for WAITING,
 * ret_place set only for STORED. Never fails.
 */
stele_dedup_verdict stele_dedup_claim(struct stele_dedup *dedup, struct stele_dedup_claim *claim,
                                      struct stele_dedup_waiter *waiter,
                                      const struct stele_dedup_place *not_these, size_t n_not_these,
                                      struct stele_dedup_place *ret_place);
/*
 * Ends a claim: stored at `place`, or not stored (NULL), which forgets the identity. Returns who
 * waited, in the order they came, for the caller to tell.
 */
struct stele_dedup_waiter *stele_dedup_settle(struct stele_dedup *dedup,
                                              struct stele_dedup_claim *claim,
                                              const struct stele_dedup_place *place);
/* Remembers a stored event that was no claim: at start, oldest first. */
void stele_dedup_remember(struct stele_dedup *dedup, uint64_t hash, struct stele_dedup_place place);

uint32_t stele_dedup_window(const struct stele_dedup *dedup);
uint32_t stele_dedup_remembered(struct stele_dedup *dedup); /* at most the window */

#endif
