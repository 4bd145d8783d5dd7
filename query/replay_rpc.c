/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/replay_rpc.c: Replay: a log's entries with what they commit to, for an auditor. One message
 * is made, sent, and dropped before the next is begun; between two messages the call is a number.
 * Or of its newest INDEX entry alone, with what it commits to, for one who samples.
 */
#include <inttypes.h>

#include "proto/log_wire.h"
#include "proto/replay_wire.h"
#include "query/limits.h"
#include "query/log_call.h"

struct replay_call {
    struct stele_call call;
    struct stele_log_request request;
    struct stele_log *log;
    struct stele_log_view *view; /* from the first step on */
    struct stele_replay *replay;
    uint64_t next, end;
};

static struct replay_call *of(struct stele_call *call) {
    return (struct replay_call *)(void *)call;
}

/* The log's own face, and what is in its index of every tenant: both are asked for. */
static stele_status begin(struct stele_call *call, stele_err *err) {
    struct replay_call *this = of(call);
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_request_read(STELE_LOG_REPLAY, call->request, &this->request, err));
    STELE_TRY(stele_log_call_one(call, STELE_MAY_QUERY, this->request.log, &this->log, err));
    STELE_TRY(stele_log_call_one(call, STELE_MAY_READ_LOG, this->request.log, &this->log, err));
cleanup:
    return st;
}

static void end(struct stele_call *call) {
    stele_replay_free(of(call)->replay);
    stele_log_view_close(of(call)->view);
}

static stele_status open_replay(struct replay_call *this, stele_err *err) {
    stele_status st = stele_log_view_open(this->log, &this->view, err);
    if (st != STELE_OK) {
        return st;
    }
    uint64_t size = stele_log_view_size(this->view);
    uint64_t count = this->request.count;
    if (this->request.first > size) {
        return STELE_FAIL(err, INVALID,
                          "log %s has %" PRIu64 " entries; the first one asked for is %" PRIu64,
                          stele_log_full_name(this->log), size, this->request.first);
    }
    uint64_t left = size - this->request.first;
    this->next = this->request.first;
    this->end = this->next + (count == 0 || count > left ? left : count);
    return STELE_OK;
}

static stele_status fill(struct replay_call *this, stele_buf *message, stele_err *err) {
    stele_status st = stele_replay_response_begin(this->next, message, err);
    while (st == STELE_OK && this->next < this->end && message->size < STELE_QUERY_MESSAGE_BYTES &&
           !atomic_load(&this->call.stop)) {
        const struct stele_audit_entry *given = NULL;
        size_t n = 0;
        STELE_TRY(stele_replay_at(this->replay, this->next, &given, &n, err));
        for (size_t i = 0; i < n && this->next < this->end; i++) {
            STELE_TRY(stele_replay_response_put(message, &given[i], err));
            this->next++;
        }
    }
cleanup:
    return st;
}

/* The newest INDEX entry, in the one message there is. */
static stele_status fill_index(struct replay_call *this, stele_buf *message, stele_err *err) {
    const struct stele_audit_entry *given = NULL;
    stele_buf descriptors = STELE_BUF_EMPTY;
    size_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_replay_index(this->view, UINT64_MAX, &this->next, &descriptors, err));
    STELE_TRY(stele_replay_at(this->replay, this->next, &given, &n, err));
    struct stele_audit_entry index = *given;
    index.descriptors = stele_view_buf(&descriptors);
    STELE_TRY(stele_replay_response_begin(this->next, message, err));
    STELE_TRY(stele_replay_response_put(message, &index, err));
    this->next = this->end;
cleanup:
    stele_buf_done(&descriptors);
    return st;
}

static stele_status step(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct replay_call *this = of(call);
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (this->view == NULL) {
        STELE_TRY(open_replay(this, err));
    }
    if (this->next == this->end) {
        stele_rpc_finish_ok(call->rpc, stele_view_of(NULL, 0));
        *ret = STELE_CALL_FINISHED;
        goto cleanup;
    }
    if (this->replay == NULL) {
        STELE_TRY(stele_replay_new(this->view, &this->replay, err));
    }
    STELE_TRY(this->request.index ? fill_index(this, &message, err) : fill(this, &message, err));
    STELE_TRY(stele_rpc_send(call->rpc, stele_view_buf(&message), err));
    *ret = STELE_CALL_SENT;
    if (atomic_load(&call->query->n_searches) > STELE_QUERY_WARM_SEARCHES) {
        stele_replay_free(this->replay); /* 300 KiB that a slow reader need not hold */
        this->replay = NULL;
    }
cleanup:
    stele_buf_done(&message);
    return st;
}

const struct stele_call_kind stele_replay_kind = {
    .path = "/stele.v1.Log/Replay",
    .rpc = STELE_RPC_SERVER_STREAM,
    .is_search = true,
    .bytes = sizeof(struct replay_call),
    .begin = begin,
    .step = step,
    .end = end,
};
