/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/doubt.h: events that were reported as not stored and are there all the same. Layer:
 * ingest.
 *
 * A commit that failed may still have reached the disk: when the log recovers, it adopts what it
 * finds (storage/committer.c). Its sender was told UNAVAILABLE and sends again, and must find a
 * duplicate. So a failed commit puts its log in doubt: from then on every request reads what the
 * log has beyond what is known before it asks the duplicate window, until a commit has succeeded
 * again and all before it is read. Threads: any.
 */
#ifndef STELE_INGEST_DOUBT_H
#define STELE_INGEST_DOUBT_H

#include "ingest/dedup.h"

struct stele_doubt; /* of one region's logs */
/* Borrows both; the window holds what the logs have now. Errors: NO_MEMORY, and of opening a view.
 */
STELE_MUST_USE stele_status stele_doubt_new(struct stele_store *store, struct stele_dedup *dedup,
                                            struct stele_doubt **ret, stele_err *err);
void stele_doubt_free(struct stele_doubt *doubt);

/* In the committer's thread: what became of a batch of the store's log number `log`. */
void stele_doubt_committed(struct stele_doubt *doubt, uint32_t log, uint64_t first_seq, uint64_t n);
void stele_doubt_failed(struct stele_doubt *doubt, uint32_t log);

/* Reads what is in doubt into the window; does nothing if nothing is. Errors: of reading. */
STELE_MUST_USE stele_status stele_doubt_resolve(struct stele_doubt *doubt, uint32_t log,
                                                stele_err *err);

#endif
