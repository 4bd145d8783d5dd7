/* SPDX-License-Identifier: Apache-2.0 */
/* query/prove.c: joins the search's hits with storage's proof writers. */
#include "query/prove.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/receipt.h"

struct stele_prover {
    struct stele_answer_writer *writer;
    uint8_t number[STELE_QUERY_LOGS_MAX]; /* the file's numbers of the scope's logs */
};

static_assert(STELE_QUERY_LOGS_MAX <= STELE_ANSWER_LOGS_MAX,
              "an answer file holds every log of a scope");

stele_status stele_prover_new(const struct stele_scope *scope,
                              const struct stele_question *question, struct stele_prover **ret,
                              stele_buf *out, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_prover *prover = stele_alloc(1, sizeof *prover);
    if (prover == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a proof of %zu logs", scope->n);
    }
    STELE_TRY(stele_answer_writer_new(&prover->writer, err));
    STELE_TRY(stele_question_encode(question, &bytes, err));
    STELE_TRY(stele_answer_write_question(prover->writer, stele_view_buf(&bytes), out, err));
    for (size_t i = 0; i < scope->n; i++) {
        const struct stele_scope_log *log = &scope->log[i];
        STELE_TRY(stele_answer_write_log(prover->writer, stele_view_buf(&log->note), log->size,
                                         stele_log_view_node, log->view, &prover->number[i], out,
                                         err));
    }
    *ret = prover;
    prover = NULL;
cleanup:
    stele_prover_free(prover);
    stele_buf_done(&bytes);
    return st;
}

void stele_prover_free(struct stele_prover *prover) {
    if (prover != NULL) {
        stele_answer_writer_free(prover->writer);
        stele_free(prover);
    }
}

stele_status stele_prover_event(struct stele_prover *prover, size_t log,
                                const struct stele_stored_entry *entry, stele_buf *out,
                                stele_err *err) {
    return stele_answer_write_event(prover->writer, prover->number[log],
                                    stele_view_of(entry->bytes, entry->n_bytes), entry->salt,
                                    entry->payload, out, err);
}

stele_status stele_prover_end(struct stele_prover *prover, bool cut, stele_buf *out,
                              stele_err *err) {
    return stele_answer_write_end(prover->writer, cut, out, err);
}

/* ------------------------------------------------------------------ one entry */

stele_status stele_prove_is_there(struct stele_log *log, uint64_t seq, stele_err *err) {
    struct stele_log_view *view = NULL;
    stele_status st = stele_log_view_open(log, &view, err);
    if (st == STELE_OK && seq >= stele_log_view_size(view)) {
        st =
            STELE_FAIL(err, NOT_FOUND, "log %s has %" PRIu64 " entries; there is no entry %" PRIu64,
                       stele_log_full_name(log), stele_log_view_size(view), seq);
    }
    stele_log_view_close(view);
    return st;
}

stele_status stele_prove_entry(struct stele_log *log, uint64_t seq, struct stele_proven_entry *ret,
                               stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_prove_is_there(log, seq, err));
    STELE_TRY(stele_scope_sign(log, seq + 1, &ret->view, &ret->size, &ret->note, err));
    STELE_TRY(stele_log_reader_new(ret->view, &ret->reader, err));
    STELE_TRY(stele_log_read(ret->reader, seq, &ret->entry, err));
    struct stele_leaf_pos pos = {seq, ret->size};
    STELE_TRY(stele_tree_prove_inclusion(pos, stele_log_view_node, ret->view, &ret->path, err));
cleanup:
    return st;
}

void stele_proven_entry_done(struct stele_proven_entry *proven) {
    stele_log_reader_free(proven->reader);
    stele_log_view_close(proven->view);
    stele_buf_done(&proven->note);
    memset(proven, 0, sizeof *proven);
}

stele_status stele_prove_receipt(struct stele_proven_entry *proven, stele_buf *out,
                                 stele_err *err) {
    const struct stele_stored_entry *entry = &proven->entry;
    const struct stele_tag_set *tags = NULL;
    stele_status st = STELE_OK;
    struct stele_receipt receipt = {
        .entry = stele_view_of(entry->bytes, entry->n_bytes),
        .index = entry->entry.seq,
        .path = stele_view_of(proven->path.node, proven->path.n * STELE_HASH_BYTES),
        .note = stele_view_buf(&proven->note),
    };
    if (entry->entry.type == STELE_ENTRY_EVENT) {
        STELE_TRY(stele_log_read_tags(proven->reader, &tags, err));
        memcpy(receipt.salt, entry->salt, sizeof receipt.salt);
        memcpy(receipt.ksalt, entry->ksalt, sizeof receipt.ksalt);
        receipt.tags = stele_view_of(tags->tag, (size_t)tags->n * STELE_TAG_BYTES);
        receipt.has_payload = true;
        receipt.payload = entry->payload;
    }
    STELE_TRY(stele_receipt_encode(&receipt, out, err));
cleanup:
    return st;
}
