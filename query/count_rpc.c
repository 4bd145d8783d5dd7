/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/count_rpc.c: Count: the search itself, its hits counted and dropped, so that a count is
 * exactly what the answer would hold. Budgets and cursors are those of Search.
 */
#include "query/asking.h"

struct count_call {
    struct stele_call call;
    struct stele_asking asking;
    uint64_t count[STELE_QUERY_LOGS_MAX]; /* by log of the scope */
};

static struct count_call *of(struct stele_call *call) {
    return (struct count_call *)(void *)call;
}

static stele_status begin(struct stele_call *call, stele_err *err) {
    struct stele_asking *asking = &of(call)->asking;
    stele_status st = stele_asking_begin(asking, call, err);
    if (st == STELE_OK && asking->question.prove) {
        st = STELE_FAIL(err, INVALID,
                        "question: prove: a count has no proof; ask Search for the answer "
                        "file");
    }
    return st;
}

static void end(struct stele_call *call) {
    stele_asking_end(&of(call)->asking);
}

static stele_status reply(struct count_call *count, stele_err *err) {
    struct stele_search_outcome outcome;
    stele_buf message = STELE_BUF_EMPTY;
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_search_outcome(count->asking.search, &outcome);
    STELE_TRY(stele_asking_cursor(&count->asking, &cursor, err));
    for (size_t i = 0; i < count->asking.scope.n; i++) {
        stele_view name = stele_view_str(stele_log_full_name(count->asking.scope.log[i].log));
        STELE_TRY(stele_count_response_put_log(&message, name, count->count[i], err));
    }
    STELE_TRY(stele_count_response_put_total(&message, outcome.hits, stele_view_buf(&cursor), err));
    stele_rpc_finish_ok(count->call.rpc, stele_view_buf(&message));
cleanup:
    stele_buf_done(&message);
    stele_buf_done(&cursor);
    return st;
}

static stele_status count_slice(struct count_call *count, stele_call_step *ret, stele_err *err) {
    stele_search_got got = STELE_SEARCH_HIT;
    struct stele_search_hit hit;
    stele_status st = STELE_OK;
    while (got == STELE_SEARCH_HIT) {
        STELE_TRY(stele_search_next(count->asking.search, &got, &hit, err));
        if (got == STELE_SEARCH_HIT) {
            count->count[hit.log]++;
        }
    }
    *ret = STELE_CALL_AGAIN;
    if (got == STELE_SEARCH_END) {
        *ret = STELE_CALL_FINISHED;
        STELE_TRY(reply(count, err));
    }
cleanup:
    return st;
}

static stele_status step(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct count_call *count = of(call);
    if (count->asking.search == NULL) {
        stele_status st = stele_asking_open(&count->asking, call, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    stele_search_begin(count->asking.search, STELE_QUERY_SLICE_US);
    stele_status st = count_slice(count, ret, err);
    stele_search_pause(count->asking.search);
    return st;
}

const struct stele_call_kind stele_count_kind = {
    .path = "/stele.v1.Query/Count",
    .rpc = STELE_RPC_UNARY,
    .is_search = true, /* it may take as long as one */
    .bytes = sizeof(struct count_call),
    .begin = begin,
    .step = step,
    .end = end,
};
