/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/journal.h: rejected input, written to the system log of its region. Layer: ingest.
 *
 * A rejection becomes an audit_control event (kind INGEST_REJECTED): who sent it, why it was
 * refused, how long it was and its SHA-256, so that a sender can show what was refused, and nobody
 * can read it back. Tenant and event id are noted as claimed, if they can be read and keep to the
 * schema. Input whose region is not served here, or not known, leaves nothing of itself but digest,
 * size and reason, in the first region: no region may hold another's data.
 *
 * A region takes at most 100 such events a second; the rest is counted, and one event a second says
 * how many. Replies never wait for the journal, and a full or failing system log loses no count.
 * Threads: any.
 */
#ifndef STELE_INGEST_JOURNAL_H
#define STELE_INGEST_JOURNAL_H

#include "ingest/admit.h"
#include "ingest/work.h"

struct stele_rejection {
    const struct stele_rpc_peer *peer;
    stele_view bytes;   /* what was rejected: an event or a whole message */
    uint32_t code;      /* the gRPC code that was told */
    const char *reason; /* the text that was told */
    size_t region;      /* of the event; STELE_INGEST_NO_REGION if unknown or not served */
    struct stele_claimed claimed; /* ignored without a region */
};

struct stele_journal;
/* Borrows the stores (each with a system log) and the pool. Errors: NOT_FOUND (a store without a
 * system log), NO_MEMORY, IO (no random bytes). */
STELE_MUST_USE stele_status stele_journal_new(struct stele_store *const *stores, size_t n_stores,
                                              struct stele_work_pool *pool,
                                              struct stele_journal **ret, stele_err *err);
/* Collects one rejection; written at the next flush. Never blocks on a log. */
void stele_journal_note(struct stele_journal *journal, const struct stele_rejection *rejection);
/* Submits what was collected. Called after a request, so that its rejections share a batch. */
void stele_journal_flush(struct stele_journal *journal);
/* No more summaries are planned from now on; call it before the pool is freed. */
void stele_journal_end(struct stele_journal *journal);
/* Writes what is left, and waits until the logs have decided it. */
void stele_journal_free(struct stele_journal *journal);

#endif
