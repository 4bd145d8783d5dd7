/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/receipts.c: a checkpoint and a view a log, then one receipt after the other. */
#include "ingest/receipts.h"

#include "storage/receipt.h"

void stele_receipts_done(struct stele_receipts *receipts) {
    for (size_t i = 0; i < receipts->n; i++) {
        stele_buf_done(&receipts->receipt[i]);
    }
    stele_free(receipts->receipt);
    *receipts = STELE_RECEIPTS_EMPTY;
}

static bool has_place(const struct stele_append_event *event) {
    return event->decided && event->code == 0;
}

static stele_status make_one(struct stele_log_view *view, struct stele_log_reader *reader,
                             const struct stele_checkpoint *checkpoint, stele_view note,
                             uint64_t seq, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    struct stele_tree_path path;
    struct stele_leaf_pos pos = {seq, checkpoint->size_leaves};
    STELE_TRY(stele_log_read(reader, seq, &stored, err));
    STELE_TRY(stele_log_read_tags(reader, &tags, err));
    STELE_TRY(stele_tree_prove_inclusion(pos, stele_log_view_node, view, &path, err));
    struct stele_receipt receipt = {
        .entry = stele_view_of(stored.bytes, stored.n_bytes),
        .tags = stele_view_of(tags->tag, (size_t)tags->n * STELE_TAG_BYTES),
        .index = seq,
        .path = stele_view_of(path.node, path.n * STELE_HASH_BYTES),
        .note = note,
    };
    for (size_t i = 0; i < STELE_SALT_BYTES; i++) {
        receipt.salt[i] = stored.salt[i];
        receipt.ksalt[i] = stored.ksalt[i];
    }
    STELE_TRY(stele_receipt_encode(&receipt, out, err));
cleanup:
    return st;
}

/* The receipts of all events of `log`, at least one of which has a place in it. */
static stele_status make_of_log(const struct stele_append *append, struct stele_log *log,
                                struct stele_receipts *receipts, size_t *used_bytes,
                                stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    uint64_t size_min = 0;
    for (size_t i = 0; i < append->n_events; i++) {
        const struct stele_append_event *event = &append->event[i];
        if (has_place(event) && event->log == log && event->seq >= size_min) {
            size_min = event->seq + 1;
        }
    }
    STELE_TRY(stele_log_checkpoint(log, size_min, &note, &checkpoint, err));
    STELE_TRY(stele_log_view_open(log, &view,
                                  err)); /* after the checkpoint, so that it covers its tree */
    STELE_TRY(stele_log_reader_new(view, &reader, err));
    for (size_t i = 0; i < append->n_events; i++) {
        const struct stele_append_event *event = &append->event[i];
        if (!has_place(event) || event->log != log ||
            *used_bytes > STELE_INGEST_RECEIPT_BYTES_MAX) {
            continue;
        }
        stele_buf *out = &receipts->receipt[i];
        STELE_TRY(make_one(view, reader, &checkpoint, stele_view_buf(&note), event->seq, out, err));
        *used_bytes += out->size;
        if (*used_bytes > STELE_INGEST_RECEIPT_BYTES_MAX) {
            stele_buf_done(out);
        }
    }
cleanup:
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    stele_buf_done(&note);
    return st;
}

static bool seen_before(const struct stele_append *append, size_t n, const struct stele_log *log) {
    for (size_t i = 0; i < n; i++) {
        if (has_place(&append->event[i]) && append->event[i].log == log) {
            return true;
        }
    }
    return false;
}

stele_status stele_receipts_make(const struct stele_append *append, struct stele_receipts *ret,
                                 stele_err *err) {
    size_t used_bytes = 0;
    ret->receipt = stele_alloc(append->n_events + 1, sizeof *ret->receipt);
    if (ret->receipt == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu receipts", append->n_events);
    }
    ret->n = append->n_events;
    for (size_t i = 0; i < append->n_events; i++) {
        const struct stele_append_event *event = &append->event[i];
        if (has_place(event) && !seen_before(append, i, event->log)) {
            stele_status st = make_of_log(append, event->log, ret, &used_bytes, err);
            if (st != STELE_OK) {
                return st;
            }
        }
    }
    return STELE_OK;
}
