/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/prove.h: proofs for answers: the answer file of a search, and the inclusion of one entry.
 * Layer: query.
 *
 * Everything is proven against signed checkpoints whose size is the scope's: events are taken below
 * that size only, so the file needs one checkpoint a log and no path an event (storage/answer.h).
 */
#ifndef STELE_QUERY_PROVE_H
#define STELE_QUERY_PROVE_H

#include "query/scope.h"
#include "storage/answer.h"

struct stele_prover;
/* Writes the question and every log of the scope to `out`, also those that have no event to show.
 * The scope was opened with prove set and is borrowed. Errors: those of storage/answer.h and
 * storage. */
STELE_MUST_USE stele_status stele_prover_new(const struct stele_scope *scope,
                                             const struct stele_question *question,
                                             struct stele_prover **ret, stele_buf *out,
                                             stele_err *err);
void stele_prover_free(struct stele_prover *prover);
/* The next hit, in the order the search gives them. `log` is the scope's. Appends. */
STELE_MUST_USE stele_status stele_prover_event(struct stele_prover *prover, size_t log,
                                               const struct stele_stored_entry *entry,
                                               stele_buf *out, stele_err *err);
/* cut: something of the answer is not in this file. Appends. */
STELE_MUST_USE stele_status stele_prover_end(struct stele_prover *prover, bool cut, stele_buf *out,
                                             stele_err *err);

/* Errors: NOT_FOUND (seq is beyond the log). */
STELE_MUST_USE stele_status stele_prove_is_there(struct stele_log *log, uint64_t seq,
                                                 stele_err *err);

/* One entry with its path to a signed tree. */
struct stele_proven_entry {
    struct stele_log_view *view; /* owned, as all below */
    struct stele_log_reader *reader;
    struct stele_stored_entry entry; /* borrows the reader */
    uint64_t size;                   /* of the tree */
    struct stele_tree_path path;
    stele_buf note;
};
/* ret is all zeros before, and wants _done also after a failure. Errors: NOT_FOUND (seq is beyond
 * the log), those of storage. */
STELE_MUST_USE stele_status stele_prove_entry(struct stele_log *log, uint64_t seq,
                                              struct stele_proven_entry *ret, stele_err *err);
void stele_proven_entry_done(struct stele_proven_entry *proven);
/* Appends the receipt of an entry that was read with its reader: the entry, its path and note, and
 * for an event its payload, salts and tags. */
STELE_MUST_USE stele_status stele_prove_receipt(struct stele_proven_entry *proven, stele_buf *out,
                                                stele_err *err);

#endif
