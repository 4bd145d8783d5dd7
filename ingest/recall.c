/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/recall.c: reading stored events back, one by one. */
#include "ingest/recall.h"

#include "proto/event.h"

void stele_recall_done(struct stele_recall *recall) {
    stele_log_reader_free(recall->reader);
    stele_log_view_close(recall->view);
    *recall = STELE_RECALL_EMPTY;
}

stele_status stele_recall_open(struct stele_recall *recall, struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    stele_recall_done(recall);
    STELE_TRY(stele_log_view_open(log, &recall->view, err));
    STELE_TRY(stele_log_reader_new(recall->view, &recall->reader, err));
cleanup:
    if (st != STELE_OK) {
        stele_recall_done(recall);
    }
    return st;
}

stele_status stele_recall_compare(struct stele_recall *recall, struct stele_log *log, uint64_t seq,
                                  const struct stele_dedup_key *key, stele_view payload,
                                  stele_recall_verdict *ret, uint64_t *ret_time_us,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_stored_entry stored;
    if (recall->view == NULL || stele_log_view_log(recall->view) != log ||
        seq >= stele_log_view_size(recall->view)) {
        STELE_TRY(stele_recall_open(recall, log, err));
    }
    STELE_TRY(stele_log_read(recall->reader, seq, &stored, err));
    *ret_time_us = stored.entry.time_us;
    struct stele_event_head head;
    *ret = STELE_RECALL_UNRELATED;
    if (stored.entry.type == STELE_ENTRY_EVENT && stele_view_equal(stored.payload, payload)) {
        *ret = STELE_RECALL_SAME;
    } else if (stored.entry.type == STELE_ENTRY_EVENT &&
               stele_event_check(stored.payload, &head, NULL) == STELE_OK &&
               stele_view_equal(head.event_id, key->event_id) &&
               stele_view_equal(head.tenant, key->tenant) &&
               stele_view_equal(head.source_service, key->service)) {
        *ret = STELE_RECALL_OTHER;
    }
cleanup:
    return st;
}
