/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/log_rpc.c: the Log service: a log's own face for witnesses, mirrors and verifiers. Nothing
 * here reads a payload: entries come from the bundles, proofs from the tree.
 */
#include <inttypes.h>
#include <string.h>

#include "proto/log_wire.h"
#include "query/log_call.h"
#include "query/prove.h"
#include "storage/cursor.h"

#define BUNDLES_A_STEP 8u /* of 256 entries: about 200 KiB a message */

struct log_call {
    struct stele_call call;
    struct stele_log_request request;
    struct stele_log *log;       /* all but ListLogs */
    struct stele_log_view *view; /* GetEntries, from its first step on */
    uint64_t next, end;
};

static struct log_call *of(struct stele_call *call) {
    return (struct log_call *)(void *)call;
}

static void end(struct stele_call *call) {
    stele_log_view_close(of(call)->view);
}

/* ------------------------------------------------------------------ which log */

static stele_status begin_kind(struct stele_call *call, stele_log_request_kind kind,
                               stele_err *err) {
    struct log_call *this = of(call);
    stele_status st = stele_log_request_read(kind, call->request, &this->request, err);
    return st == STELE_OK
               ? stele_log_call_one(call, STELE_MAY_READ_LOG, this->request.log, &this->log, err)
               : st;
}

static stele_status begin_checkpoint(struct stele_call *call, stele_err *err) {
    return begin_kind(call, STELE_LOG_GET_CHECKPOINT, err);
}

static stele_status begin_inclusion(struct stele_call *call, stele_err *err) {
    return begin_kind(call, STELE_LOG_GET_INCLUSION_PROOF, err);
}

static stele_status begin_consistency(struct stele_call *call, stele_err *err) {
    return begin_kind(call, STELE_LOG_GET_CONSISTENCY_PROOF, err);
}

static stele_status begin_tile(struct stele_call *call, stele_err *err) {
    return begin_kind(call, STELE_LOG_GET_TILE, err);
}

static stele_status begin_entries(struct stele_call *call, stele_err *err) {
    return begin_kind(call, STELE_LOG_GET_ENTRIES, err);
}

/* ------------------------------------------------------------------ ListLogs */

static stele_status begin_list(struct stele_call *call, stele_err *err) {
    struct log_call *this = of(call);
    stele_status st =
        stele_log_request_read(STELE_LOG_LIST_LOGS, call->request, &this->request, err);
    return st == STELE_OK ? stele_log_call_region(call, this->request.region, "list request", err)
                          : st;
}

static stele_status list_log(struct stele_log *log, stele_buf *message, stele_err *err) {
    struct stele_log_view *view = NULL;
    struct stele_vkey vkey;
    stele_buf vkey_text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(log, &view, err));
    stele_log_vkey(log, &vkey);
    STELE_TRY(stele_vkey_print(&vkey, &vkey_text, err));
    struct stele_log_info info = {
        .log = stele_view_str(stele_log_full_name(log)),
        .origin = stele_view_str(stele_log_origin(log)),
        .vkey = stele_view_buf(&vkey_text),
        .retention_years = stele_log_retention_years(log),
        .size = stele_log_view_size(view),
    };
    STELE_TRY(stele_list_logs_response_put(message, &info, err));
cleanup:
    stele_log_view_close(view);
    stele_buf_done(&vkey_text);
    return st;
}

static stele_status step_list(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    return stele_log_call_each(call, of(call)->request.region, list_log, ret, err);
}

/* ------------------------------------------------------------------ checkpoints and proofs */

static stele_status step_checkpoint(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct log_call *this = of(call);
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_checkpoint(this->log, this->request.min_size, &note, NULL, err));
    STELE_TRY(stele_checkpoint_response_write(stele_view_buf(&note), &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&note);
    stele_buf_done(&message);
    return st;
}

/* Appends entry `seq` from its bundle. */
static stele_status read_leaf(struct stele_log_view *view, uint64_t seq, stele_buf *out,
                              stele_err *err) {
    struct stele_tile tile;
    stele_buf bundle = STELE_BUF_EMPTY;
    stele_view entry = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_tile_of_entry(seq, stele_log_view_size(view), &tile, err));
    STELE_TRY(stele_log_view_tile(view, &tile, &bundle, err));
    struct stele_reader r = stele_reader_of(stele_view_buf(&bundle), "entry bundle");
    for (uint64_t i = 0; i <= seq % STELE_TILE_WIDTH; i++) {
        STELE_TRY(stele_corrupt(stele_read_lp(&r, &entry, err), err));
    }
    STELE_TRY(stele_buf_append(out, entry, err));
cleanup:
    stele_buf_done(&bundle);
    return st;
}

static stele_status step_inclusion(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct log_call *this = of(call);
    struct stele_tree_path path;
    uint64_t size = 0;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf entry = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_prove_is_there(this->log, this->request.seq, err));
    STELE_TRY(stele_scope_sign(this->log, this->request.seq + 1, &this->view, &size, &note, err));
    STELE_TRY(read_leaf(this->view, this->request.seq, &entry, err));
    struct stele_leaf_pos pos = {this->request.seq, size};
    STELE_TRY(stele_tree_prove_inclusion(pos, stele_log_view_node, this->view, &path, err));
    struct stele_proof_message proof = {
        .entry = stele_view_buf(&entry),
        .seq = this->request.seq,
        .size = size,
        .path = stele_view_of(path.node, path.n * STELE_HASH_BYTES),
        .note = stele_view_buf(&note),
    };
    STELE_TRY(stele_inclusion_response_write(&proof, &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&note);
    stele_buf_done(&entry);
    stele_buf_done(&message);
    return st;
}

/* Pins a view, and the new size: the one asked for, or that of a signed note. */
static stele_status pin_sizes(struct log_call *this, uint64_t *ret_new, stele_buf *note,
                              stele_err *err) {
    uint64_t old_size = this->request.old_size;
    uint64_t new_size = this->request.new_size;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(this->log, &this->view, err));
    uint64_t size = stele_log_view_size(this->view);
    if (old_size > size || new_size > size) {
        return STELE_FAIL(
            err, INVALID, "log %s has %" PRIu64 " entries: it cannot be asked about %" PRIu64,
            stele_log_full_name(this->log), size, old_size > size ? old_size : new_size);
    }
    if (new_size != 0 && old_size > new_size) {
        return STELE_FAIL(err, INVALID,
                          "consistency proof request: old_size %" PRIu64
                          " is over new_size %" PRIu64,
                          old_size, new_size);
    }
    if (new_size == 0) {
        stele_log_view_close(this->view);
        this->view = NULL;
        STELE_TRY(stele_scope_sign(this->log, old_size, &this->view, &new_size, note, err));
    }
    *ret_new = new_size;
cleanup:
    return st;
}

static stele_status step_consistency(struct stele_call *call, stele_call_step *ret,
                                     stele_err *err) {
    struct log_call *this = of(call);
    struct stele_tree_path path;
    uint64_t new_size = 0;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(pin_sizes(this, &new_size, &note, err));
    STELE_TRY(stele_tree_prove_consistency(this->request.old_size, new_size, stele_log_view_node,
                                           this->view, &path, err));
    struct stele_proof_message proof = {
        .seq = this->request.old_size,
        .size = new_size,
        .path = stele_view_of(path.node, path.n * STELE_HASH_BYTES),
        .note = stele_view_buf(&note),
    };
    STELE_TRY(stele_consistency_response_write(&proof, &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&note);
    stele_buf_done(&message);
    return st;
}

/* ------------------------------------------------------------------ tiles and entries */

static stele_status step_tile(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct log_call *this = of(call);
    struct stele_tile tile;
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_tile_parse(this->request.path, &tile, err));
    STELE_TRY(stele_log_view_open(this->log, &this->view, err));
    STELE_TRY(stele_log_view_tile(this->view, &tile, &bytes, err));
    STELE_TRY(stele_tile_response_write(stele_view_buf(&bytes), &message, err));
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&bytes);
    stele_buf_done(&message);
    return st;
}

static stele_status open_entries(struct log_call *this, stele_err *err) {
    stele_status st = stele_log_view_open(this->log, &this->view, err);
    if (st != STELE_OK) {
        return st;
    }
    uint64_t size = stele_log_view_size(this->view);
    uint64_t first = this->request.first;
    uint64_t count = this->request.count;
    if (first > size) {
        return STELE_FAIL(err, INVALID,
                          "log %s has %" PRIu64 " entries; the first one asked for is %" PRIu64,
                          stele_log_full_name(this->log), size, first);
    }
    this->next = first;
    this->end = count == 0 || count > size - first ? size : first + count;
    return STELE_OK;
}

/* The rest of one bundle, from `next` on. */
static stele_status put_bundle(struct log_call *this, stele_buf *message, stele_err *err) {
    struct stele_tile tile;
    stele_buf bundle = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_tile_of_entry(this->next, stele_log_view_size(this->view), &tile, err));
    STELE_TRY(stele_log_view_tile(this->view, &tile, &bundle, err));
    struct stele_reader r = stele_reader_of(stele_view_buf(&bundle), "entry bundle");
    uint64_t seq = this->next - this->next % STELE_TILE_WIDTH;
    for (; stele_reader_left(&r) > 0 && seq < this->end; seq++) {
        stele_view entry;
        STELE_TRY(stele_corrupt(stele_read_lp(&r, &entry, err), err));
        if (seq >= this->next) {
            STELE_TRY(stele_entries_response_put(message, entry, err));
        }
    }
    if (seq <= this->next) {
        STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: the bundle of entry %" PRIu64 " ends before it",
                             stele_log_full_name(this->log), this->next));
    }
    this->next = seq;
cleanup:
    stele_buf_done(&bundle);
    return st;
}

static stele_status step_entries(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct log_call *this = of(call);
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (this->view == NULL) {
        STELE_TRY(open_entries(this, err));
    }
    if (this->next == this->end) {
        stele_rpc_finish_ok(call->rpc, stele_view_of(NULL, 0));
        *ret = STELE_CALL_FINISHED;
        goto cleanup;
    }
    STELE_TRY(stele_entries_response_begin(this->next, &message, err));
    for (unsigned i = 0; i < BUNDLES_A_STEP && this->next < this->end; i++) {
        STELE_TRY(put_bundle(this, &message, err));
    }
    STELE_TRY(stele_rpc_send(call->rpc, stele_view_buf(&message), err));
    *ret = STELE_CALL_SENT;
cleanup:
    stele_buf_done(&message);
    return st;
}

/* ------------------------------------------------------------------ the table */

#define LOG_UNARY(method, begin_fn, step_fn)                                                       \
    {                                                                                              \
        .path = "/stele.v1.Log/" method, .rpc = STELE_RPC_UNARY, .is_search = false,               \
        .bytes = sizeof(struct log_call), .begin = (begin_fn), .step = (step_fn), .end = end,      \
    }

const struct stele_call_kind stele_log_kinds[] = {
    LOG_UNARY("ListLogs", begin_list, step_list),
    LOG_UNARY("GetCheckpoint", begin_checkpoint, step_checkpoint),
    LOG_UNARY("GetInclusionProof", begin_inclusion, step_inclusion),
    LOG_UNARY("GetConsistencyProof", begin_consistency, step_consistency),
    LOG_UNARY("GetTile", begin_tile, step_tile),
    {
        .path = "/stele.v1.Log/GetEntries",
        .rpc = STELE_RPC_SERVER_STREAM,
        .is_search = true,
        .bytes = sizeof(struct log_call),
        .begin = begin_entries,
        .step = step_entries,
        .end = end,
    },
};
const size_t stele_n_log_kinds = sizeof stele_log_kinds / sizeof stele_log_kinds[0];
