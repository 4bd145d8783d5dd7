/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/index_rpc.c: what an operator asks the Log service for: how far the logs are, an INDEX
 * entry now, a new era. The last two append to a log, and are for those who may append events of
 * every tenant.
 */

#include "proto/log_wire.h"
#include "query/limits.h"
#include "query/log_call.h"
#include "storage/manifest.h"
#include "storage/monotonic.h"

struct index_call {
    struct stele_call call;
    struct stele_log_request request;
    struct stele_log *log; /* Seal, CutEra */
    uint64_t until_ms;     /* Seal: when it gives up; 0 before its first step */
};

static struct index_call *of(struct stele_call *call) {
    return (struct index_call *)(void *)call;
}

static void end(struct stele_call *call) {
    (void)call;
}

/* ------------------------------------------------------------------ Status */

static stele_status begin_status(struct stele_call *call, stele_err *err) {
    struct index_call *this = of(call);
    stele_status st = stele_log_request_read(STELE_LOG_STATUS, call->request, &this->request, err);
    return st == STELE_OK ? stele_log_call_region(call, this->request.region, "status request", err)
                          : st;
}

static stele_status put_status(struct stele_log *log, stele_buf *message, stele_err *err) {
    struct stele_index_status index;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_checkpoint(log, 0, &note, &checkpoint, err));
    stele_log_index_status(log, &index);
    bool known = index.index_seq != STELE_NO_SEQ;
    const struct stele_log_status status = {
        .log = stele_view_str(stele_log_full_name(log)),
        .size = index.size,
        .checkpoint_size = checkpoint.size_leaves,
        .covered = index.covered,
        .index_seq = known ? index.index_seq : 0,
        .index_time_us = known ? index.index_time_us : 0,
        .lag_entries = index.lag_entries,
        .lag_us = index.lag_us,
        .segments = index.n_segments,
        .era = index.era,
    };
    STELE_TRY(stele_status_response_put(message, &status, err));
cleanup:
    stele_buf_done(&note);
    return st;
}

static stele_status step_status(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    return stele_log_call_each(call, of(call)->request.region, put_status, ret, err);
}

/* ------------------------------------------------------------------ Seal, CutEra */

static stele_status begin_writing(struct stele_call *call, stele_log_request_kind kind,
                                  stele_err *err) {
    struct index_call *this = of(call);
    stele_status st = stele_log_request_read(kind, call->request, &this->request, err);
    return st == STELE_OK
               ? stele_log_call_one(call, STELE_MAY_APPEND, this->request.log, &this->log, err)
               : st;
}

static stele_status begin_seal(struct stele_call *call, stele_err *err) {
    return begin_writing(call, STELE_LOG_SEAL, err);
}

static stele_status begin_cut(struct stele_call *call, stele_err *err) {
    return begin_writing(call, STELE_LOG_CUT_ERA, err);
}

/* Waits a little at a time, so that a worker is not held for as long as the caller waits. */
static stele_status step_seal(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct index_call *this = of(call);
    struct stele_manifest *manifest = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint64_t asked = this->request.wait_ms;
    if (this->until_ms == 0) {
        this->until_ms =
            stele_monotonic_us() / 1000 +
            (asked == 0 || asked > STELE_QUERY_SEAL_MS_MAX ? STELE_QUERY_SEAL_MS_MAX : asked);
    }
    st = stele_log_seal(this->log, 0, STELE_QUERY_SEAL_TURN_MS, &manifest, err);
    if (st == STELE_BUSY && stele_monotonic_us() / 1000 < this->until_ms) {
        *ret = STELE_CALL_AGAIN;
        return STELE_OK;
    }
    STELE_TRY(st);
    const struct stele_sealed sealed = {manifest->covered, manifest->index_seq,
                                        manifest->index_time_us, manifest->n};
    STELE_TRY(stele_seal_response_write(&sealed, &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_manifest_unref(manifest);
    stele_buf_done(&message);
    return st;
}

static stele_status step_cut(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint32_t era = 0;
    STELE_TRY(stele_log_cut_era(of(call)->log, &era, err));
    STELE_TRY(stele_cut_era_response_write(era, &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&message);
    return st;
}

#define INDEX_UNARY(method, may_wait, begin_fn, step_fn)                                           \
    {                                                                                              \
        .path = "/stele.v1.Log/" method, .rpc = STELE_RPC_UNARY, .is_search = (may_wait),          \
        .bytes = sizeof(struct index_call), .begin = (begin_fn), .step = (step_fn), .end = end,    \
    }

const struct stele_call_kind stele_status_kind =
    INDEX_UNARY("Status", false, begin_status, step_status);
const struct stele_call_kind stele_seal_kind = INDEX_UNARY("Seal", true, begin_seal, step_seal);
const struct stele_call_kind stele_cut_era_kind = INDEX_UNARY("CutEra", false, begin_cut, step_cut);
