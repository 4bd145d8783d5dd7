/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/get_rpc.c: Get: one entry by its place. Whose event it is is known only once it has been
 * read, so the gate is asked then; what the caller may not read, and what is not there, get one
 * answer.
 */
#include <inttypes.h>
#include <string.h>

#include "proto/query_wire.h"
#include "query/call.h"
#include "query/prove.h"

struct get_call {
    struct stele_call call;
    struct stele_get_request request;
    stele_view region, log;
};

static struct get_call *of(struct stele_call *call) {
    return (struct get_call *)(void *)call;
}

static stele_status begin(struct stele_call *call, stele_err *err) {
    struct get_call *get = of(call);
    stele_status st = stele_get_request_read(call->request, &get->request, err);
    return st == STELE_OK ? stele_query_split_log(get->request.log, &get->region, &get->log, err)
                          : st;
}

static void end(struct stele_call *call) {
    (void)call;
}

static stele_status not_there(const struct get_call *get, stele_err *err) {
    return STELE_FAIL(err, NOT_FOUND, "%.*s: no entry %" PRIu64 " that this certificate may read",
                      (int)get->request.log.size, (const char *)get->request.log.data,
                      get->request.seq);
}

static bool may(const struct get_call *get, stele_verb verb, stele_view tenant) {
    return stele_call_gate(&get->call, verb, get->region, tenant, NULL, NULL) == STELE_OK;
}

/* Control and index entries hold no personal data: whoever may read the log's own face may read
 * them. */
static bool may_read(const struct get_call *get, const struct stele_stored_entry *entry) {
    const stele_view every = {NULL, 0};
    if (entry->entry.type == STELE_ENTRY_EVENT) {
        return may(get, STELE_MAY_QUERY, entry->facts->tenant);
    }
    return may(get, STELE_MAY_QUERY, every) || may(get, STELE_MAY_READ_LOG, every);
}

static stele_status reply(struct get_call *get, struct stele_proven_entry *found, stele_err *err) {
    const struct stele_stored_entry *entry = &found->entry;
    stele_buf receipt = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    bool is_event = entry->entry.type == STELE_ENTRY_EVENT;
    struct stele_hit hit = {
        .log = get->request.log,
        .seq = entry->entry.seq,
        .log_time_unix_nano = entry->entry.time_us * 1000,
        .event = is_event ? entry->payload : stele_view_of(NULL, 0),
    };
    if (get->request.want_receipt) {
        STELE_TRY(stele_prove_receipt(found, &receipt, err));
    }
    STELE_TRY(stele_get_response_write(&hit, stele_view_of(entry->bytes, entry->n_bytes),
                                       stele_view_buf(&receipt), &message, err));
    stele_rpc_finish_ok(get->call.rpc, stele_view_buf(&message));
cleanup:
    stele_buf_done(&receipt);
    stele_buf_done(&message);
    return st;
}

static stele_status read_entry(struct stele_log *log, uint64_t seq, struct stele_proven_entry *ret,
                               stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(log, &ret->view, err));
    STELE_TRY(stele_log_reader_new(ret->view, &ret->reader, err));
    STELE_TRY(stele_log_read(ret->reader, seq, &ret->entry, err));
cleanup:
    return st;
}

/* A signature is made only for whom it may be shown to: the entry is read first without one. */
static stele_status find(struct get_call *get, struct stele_proven_entry *found, stele_err *err) {
    struct stele_store *store = NULL;
    struct stele_log *log = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_call_store(&get->call, get->region, &store, err));
    STELE_TRY(stele_scope_find(store, get->log, &log, err));
    STELE_TRY(read_entry(log, get->request.seq, found, err));
    if (!may_read(get, &found->entry)) {
        STELE_TRY(not_there(get, err));
    }
    if (get->request.want_receipt) {
        stele_proven_entry_done(found);
        STELE_TRY(stele_prove_entry(log, get->request.seq, found, err));
    }
cleanup:
    return st;
}

static stele_status step(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct get_call *get = of(call);
    const stele_view every = {NULL, 0};
    struct stele_proven_entry found;
    memset(&found, 0, sizeof found);
    stele_status st = find(get, &found, err);
    if (st == STELE_NOT_FOUND && !may(get, STELE_MAY_QUERY, every)) {
        st = not_there(
            get, err); /* which region, log or entry is missing is told only to who may see all */
    }
    if (st == STELE_OK) {
        st = reply(get, &found, err);
        *ret = STELE_CALL_FINISHED;
    }
    stele_proven_entry_done(&found);
    return st;
}

const struct stele_call_kind stele_get_kind = {
    .path = "/stele.v1.Query/Get",
    .rpc = STELE_RPC_UNARY,
    .is_search = false,
    .bytes = sizeof(struct get_call),
    .begin = begin,
    .step = step,
    .end = end,
};
