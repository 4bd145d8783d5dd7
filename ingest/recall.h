/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/recall.h: what duplicate detection asks of the stored events. Layer: ingest.
 *
 * The window of ingest/dedup.h holds hashes; the logs hold the truth. A recall reads a stored event
 * back to say whether it is the one that came again, and fills a region's window at start. One
 * thread at a time; a recall sees everything that was acknowledged before the call.
 */
#ifndef STELE_INGEST_RECALL_H
#define STELE_INGEST_RECALL_H

#include "ingest/dedup.h"

typedef enum stele_recall_verdict {
    STELE_RECALL_SAME,      /* the same identity and the same bytes */
    STELE_RECALL_OTHER,     /* the same identity, other bytes */
    STELE_RECALL_UNRELATED, /* another identity: two hashes met */
} stele_recall_verdict;

/* Keeps one log's view and reader open, so that a batch sent twice is read back in one sweep. */
struct stele_recall {
    struct stele_log_view *view; /* NULL: none open */
    struct stele_log_reader *reader;
};
#define STELE_RECALL_EMPTY ((struct stele_recall){NULL, NULL})
/* Of that log as it is now, in place of what it was of. Errors: NO_MEMORY, those of the log. */
STELE_MUST_USE stele_status stele_recall_open(struct stele_recall *recall, struct stele_log *log,
                                              stele_err *err);
void stele_recall_done(struct stele_recall *recall);

/* Compares an event with the stored one at `seq` of `log`. ret_time_us: that one's log time.
 * Errors: of reading: IO, CORRUPT, NOT_FOUND, NO_MEMORY. */
STELE_MUST_USE stele_status stele_recall_compare(struct stele_recall *recall, struct stele_log *log,
                                                 uint64_t seq, const struct stele_dedup_key *key,
                                                 stele_view payload, stele_recall_verdict *ret,
                                                 uint64_t *ret_time_us, stele_err *err);

/* recall_fill.c. Fills an empty window with the store's newest events, by log time over all logs
 * but the system log, which clients cannot write; with several threads of its own. Errors: of
 * reading, NO_MEMORY. */
STELE_MUST_USE stele_status stele_recall_fill(struct stele_store *store, struct stele_dedup *dedup,
                                              stele_err *err);

/* Remembers the events of the store's log number `log` from `from` to its end, which is ret_size.
 * Errors: of reading. */
STELE_MUST_USE stele_status stele_recall_range(struct stele_store *store, uint32_t log,
                                               uint64_t from, struct stele_dedup *dedup,
                                               uint64_t *ret_size, stele_err *err);

#endif
