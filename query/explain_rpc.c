/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/explain_rpc.c: Explain: the plans Search would follow, by the code that makes them, without
 * reading an event.
 */
#include "query/asking.h"

struct explain_call {
    struct stele_call call;
    struct stele_asking asking;
};

static struct explain_call *of(struct stele_call *call) {
    return (struct explain_call *)(void *)call;
}

static stele_status begin(struct stele_call *call, stele_err *err) {
    struct stele_asking *asking = &of(call)->asking;
    stele_status st = stele_asking_begin(asking, call, err);
    asking->question.prove = false; /* the plan is the same, and nothing is signed for it */
    return st;
}

static void end(struct stele_call *call) {
    stele_asking_end(&of(call)->asking);
}

/* Texts of all keys, one after the other in one buffer: views are taken when it no longer moves. */
static stele_status print_keys(const struct stele_plan *plan, stele_buf *text,
                               struct stele_key_count *ret, stele_err *err) {
    size_t at[STELE_PLAN_KEYS_MAX + 1] = {0};
    stele_status st = STELE_OK;
    for (size_t i = 0; i < plan->n_keys; i++) {
        STELE_TRY(stele_plan_key_print(&plan->key[i], text, err));
        at[i + 1] = text->size;
    }
    for (size_t i = 0; i < plan->n_keys; i++) {
        ret[i].key = stele_view_slice(stele_view_buf(text), at[i], at[i + 1] - at[i]);
        ret[i].postings = plan->key[i].stats.postings;
    }
cleanup:
    return st;
}

static stele_status explain_log(const struct stele_scope_log *log, const struct stele_plan *plan,
                                stele_buf *message, stele_err *err) {
    struct stele_key_count considered[STELE_PLAN_KEYS_MAX];
    stele_buf text = STELE_BUF_EMPTY;
    stele_buf key = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(print_keys(plan, &text, considered, err));
    STELE_TRY(stele_plan_print(plan, &key, err));
    struct stele_log_plan made = {
        .log = stele_view_str(stele_log_full_name(log->log)),
        .size = log->size,
        .key = stele_view_buf(&key),
        .postings = plan->hi > plan->lo ? plan->hi - plan->lo : 0,
        .n_considered = plan->n_keys,
        .considered = considered,
    };
    if (plan->narrows) {
        made.narrowed_by = considered[plan->second].key;
    }
    if (plan->n_keys > 0) {
        const struct stele_index_stats *stats = &plan->key[plan->chosen].stats;
        made.postings = stats->postings;
        made.segments = stats->segments;
        made.segments_skipped = stats->segments_skipped;
    }
    STELE_TRY(stele_explain_response_put_plan(message, &made, err));
cleanup:
    stele_buf_done(&text);
    stele_buf_done(&key);
    return st;
}

static stele_status step(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct stele_asking *asking = &of(call)->asking;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_plan *plan = stele_alloc(1, sizeof *plan);
    if (plan == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a plan");
    }
    STELE_TRY(stele_scope_open(asking->store, &asking->question, &asking->scope, err));
    for (size_t i = 0; i < asking->scope.n; i++) {
        STELE_TRY(stele_plan_of(&asking->scope.log[i], &asking->question.asked.filter,
                                STELE_PLAN_TO_EXPLAIN, plan, err));
        STELE_TRY(explain_log(&asking->scope.log[i], plan, &message, err));
    }
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&message);
    stele_free(plan);
    return st;
}

const struct stele_call_kind stele_explain_kind = {
    .path = "/stele.v1.Query/Explain",
    .rpc = STELE_RPC_UNARY,
    .is_search = false,
    .bytes = sizeof(struct explain_call),
    .begin = begin,
    .step = step,
    .end = end,
};
