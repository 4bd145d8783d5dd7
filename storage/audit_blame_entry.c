/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_blame_entry.c: proofs against a log that need no index: an entry that breaks its
 * own rules, entries out of order, two checkpoints that contradict each other.
 */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_run.h"

/* A proof being made, and the paths that its leaves borrow. */
struct making {
    const struct stele_audit_source *source;
    struct stele_fraud fraud;
    struct stele_tree_path path[2];
};

static stele_status add_leaf(struct making *m, uint64_t seq, stele_view entry, stele_err *err) {
    const struct stele_audit_source *source = m->source;
    struct stele_leaf_pos pos = {seq, source->checkpoint.size_leaves};
    struct stele_tree_path *path = &m->path[m->fraud.n_leaves];
    stele_status st = stele_tree_prove_inclusion(pos, source->node, source->ctx, path, err);
    if (st == STELE_OK) {
        m->fraud.leaf[m->fraud.n_leaves++] = (struct stele_fraud_leaf){
            entry, seq, stele_view_of(path->node, path->n * STELE_HASH_BYTES)};
    }
    return st;
}

/* What is shown to others holds by the log's key alone. */
static stele_status finish(const struct making *m, stele_buf *out, stele_err *err) {
    struct stele_fraud_report report;
    size_t before = out->size;
    stele_status st =
        stele_fraud_verify(&m->fraud, m->source->keys, m->source->n_keys, &report, err);
    if (st == STELE_UNVERIFIED || st == STELE_INVALID) {
        stele_err why = {.text = ""};
        why = err == NULL ? why : *err;
        return STELE_FAIL(err, NOT_FOUND, "what was found cannot be shown to others: %.160s",
                          why.text);
    }
    if (st == STELE_OK) {
        st = stele_fraud_encode(&m->fraud, out, err);
    }
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

/* Which kind of proof there is for it, with its leaves. */
static stele_status choose(struct making *m, const struct stele_audit_wrong_entry *wrong,
                           stele_err *err) {
    struct stele_entry entry;
    struct stele_entry before;
    stele_status st = STELE_OK;
    if (wrong->entry.size == 0 || wrong->entry.size > UINT8_MAX ||
        stele_entry_decode(wrong->entry, &entry, NULL) != STELE_OK) {
        m->fraud.kind = STELE_FRAUD_ENTRY;
    } else if (entry.seq != wrong->seq) {
        m->fraud.kind = STELE_FRAUD_ORDER;
    } else if (wrong->before.size > 0 &&
               stele_entry_decode(wrong->before, &before, NULL) == STELE_OK &&
               before.time_us > entry.time_us) {
        m->fraud.kind = STELE_FRAUD_ORDER;
        STELE_TRY(add_leaf(m, wrong->seq - 1, wrong->before, err));
    } else {
        return STELE_FAIL(err, NOT_FOUND,
                          "entry %" PRIu64
                          " breaks a rule that only a replay shows: there is no proof of that kind",
                          wrong->seq);
    }
    STELE_TRY(add_leaf(m, wrong->seq, wrong->entry, err));
cleanup:
    return st;
}

stele_status stele_audit__blame_entry(const struct stele_audit_source *source,
                                      const struct stele_audit_wrong_entry *wrong, stele_buf *out,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    if (source->note.size == 0 || wrong->seq >= source->checkpoint.size_leaves) {
        return STELE_FAIL(err, NOT_FOUND,
                          "entry %" PRIu64 " is in no signed checkpoint yet: nobody is bound by it",
                          wrong->seq);
    }
    if (source->node == NULL) {
        return STELE_FAIL(err, NOT_FOUND,
                          "entry %" PRIu64 " was found wrong without the log's tree at hand; audit "
                          "a tiles folder or a data folder for a proof that others can check",
                          wrong->seq);
    }
    struct making *m = stele_alloc(1, sizeof *m);
    if (m == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a fraud proof");
    }
    m->source = source;
    m->fraud.note = source->note;
    STELE_TRY(choose(m, wrong, err));
    STELE_TRY(finish(m, out, err));
cleanup:
    stele_free(m);
    return st;
}

stele_status stele_audit__blame_fork(const struct stele_audit_source *source, stele_view other,
                                     stele_buf *out, stele_err *err) {
    struct making *m = stele_alloc(1, sizeof *m);
    if (m == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a fraud proof");
    }
    m->source = source;
    m->fraud.kind = STELE_FRAUD_FORK;
    m->fraud.note = source->note;
    m->fraud.other_note = other;
    stele_status st = finish(m, out, err);
    stele_free(m);
    return st;
}
