/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/answer.h: a whole answer as one file that verifies without a server. Layer: storage, part
 * of the verifier. Format: FORMAT.md, "Answer file". Pure.
 *
 * Written and read as a stream: question, then each log with its signed checkpoint, then events in
 * ascending order (of log time across logs, of seq within one), each preceded by the hashes of the
 * subtrees between it and the one before; at the end of each log the hashes up to the checkpoint's
 * size. A reader folds everything into one frontier per log and compares with the signed root, so
 * inclusion of all events costs a 64-hash stack a log and no path per event. A SHA-256 of all bytes
 * ends the file. It proves that each event is in the log. It does not prove that none was left out.
 */
#ifndef STELE_STORAGE_ANSWER_H
#define STELE_STORAGE_ANSWER_H

#include "storage/checkpoint.h"
#include "storage/entry.h"
#include "storage/tree.h"

#define STELE_ANSWER_LOGS_MAX 64
#define STELE_ANSWER_QUESTION_BYTES_MAX 65536

/* ------------------------------------------------------------------ writing: appends to a buffer
 * that the caller drains between calls. */
struct stele_answer_writer;
STELE_MUST_USE stele_status stele_answer_writer_new(struct stele_answer_writer **ret,
                                                    stele_err *err);
void stele_answer_writer_free(struct stele_answer_writer *w);
/* Header and question (opaque here). First call. */
STELE_MUST_USE stele_status stele_answer_write_question(struct stele_answer_writer *w,
                                                        stele_view question, stele_buf *out,
                                                        stele_err *err);
/* One log, all of them before the first event and in bytewise ascending order of their origins;
 * `node` gives subtree roots of its tree at the checkpoint's size, until write_end. ret_log: its
 * number. */
STELE_MUST_USE stele_status stele_answer_write_log(struct stele_answer_writer *w, stele_view note,
                                                   uint64_t size_leaves, stele_tree_node_fn node,
                                                   void *ctx, uint8_t *ret_log, stele_buf *out,
                                                   stele_err *err);
/* One event of log `log`: strictly ascending by log time, then log, then seq, and by seq within a
 * log. entry is its 96 bytes; salt and payload open its commitment (not checked here). Errors of
 * all four: INVALID, NO_MEMORY, and whatever `node` returns; after any, the buffer and the writer
 * are as before the call. */
STELE_MUST_USE stele_status stele_answer_write_event(struct stele_answer_writer *w, uint8_t log,
                                                     stele_view entry,
                                                     const uint8_t salt[STELE_AT_LEAST(16)],
                                                     stele_view payload, stele_buf *out,
                                                     stele_err *err);
/* The rest of every log's tree, the count, whether the answer was cut (limit or budget), the
 * digest. */
STELE_MUST_USE stele_status stele_answer_write_end(struct stele_answer_writer *w, bool cut,
                                                   stele_buf *out, stele_err *err);

/* ------------------------------------------------------------------ reading */
struct stele_answer_event {
    uint8_t log;
    const struct stele_checkpoint *checkpoint; /* of its log: verified */
    struct stele_entry entry;
    stele_view payload; /* payload_commit holds */
};
/* Called as chunks arrive; each may be NULL. Nothing here is proven before stele_answer_reader_end
 * says OK. `checkpoint` stays valid as long as the reader, everything else until the call returns.
 */
struct stele_answer_sink {
    void *ctx;
    stele_status (*question)(void *ctx, stele_view question, stele_err *err);
    stele_status (*log)(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                        stele_err *err);
    stele_status (*event)(void *ctx, const struct stele_answer_event *event, stele_err *err);
};
struct stele_answer_report {
    uint64_t n_events;
    size_t n_logs;
    bool cut;
};
struct stele_answer_reader;
/* keys and sink are borrowed until _free. A log whose note opens under none of `keys` ends the
 * reading with UNVERIFIED. */
STELE_MUST_USE stele_status stele_answer_reader_new(const struct stele_vkey *keys, size_t n_keys,
                                                    const struct stele_answer_sink *sink,
                                                    struct stele_answer_reader **ret,
                                                    stele_err *err);
void stele_answer_reader_free(struct stele_answer_reader *r);
/* Any split of the file into pieces. Bounded memory: one chunk. Errors: INVALID, UNVERIFIED, the
 * sink's. */
STELE_MUST_USE stele_status stele_answer_reader_feed(struct stele_answer_reader *r,
                                                     stele_view bytes, stele_err *err);
/* At the end of the file: every log's root equals its signed one, the count and digest hold. */
STELE_MUST_USE stele_status stele_answer_reader_end(struct stele_answer_reader *r,
                                                    struct stele_answer_report *ret,
                                                    stele_err *err);

#endif
