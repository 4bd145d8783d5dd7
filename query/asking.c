/* SPDX-License-Identifier: Apache-2.0 */
/* query/asking.c: from a request to an open search. */
#include "query/asking.h"

stele_status stele_asking_begin(struct stele_asking *asking, struct stele_call *call,
                                stele_err *err) {
    struct stele_search_request request;
    stele_status st = STELE_OK;
    struct stele_query_question *question = &asking->question;
    stele_query_question_init(question);
    STELE_TRY(stele_search_request_read(call->request, &request, err));
    STELE_TRY(stele_query_question_of(&request, question, err));
    stele_view region = stele_view_buf(&question->asked.region);
    STELE_TRY(stele_call_gate(call, STELE_MAY_QUERY, region,
                              stele_view_buf(&question->asked.filter.tenant), &question->asked,
                              err));
    STELE_TRY(stele_call_store(call, region, &asking->store, err));
    STELE_TRY(stele_cursor_bind(question, stele_rpc_call_peer(call->rpc), &asking->binding, err));
cleanup:
    return st;
}

stele_status stele_asking_open(struct stele_asking *asking, struct stele_call *call,
                               stele_err *err) {
    const struct stele_query_config *config = &call->query->config;
    struct stele_places places;
    stele_status st = STELE_OK;
    struct stele_search_options options = {
        .descending = asking->question.descending,
        .limit = asking->question.asked.limit,
        .rows_budget = config->rows_budget,
        .time_budget_us = (uint64_t)config->time_budget_ms * 1000,
        .stop = &call->stop,
        .for_proofs = asking->question.prove,
        .helpers = call->query->workers,
    };
    if (asking->question.cursor.size > 0) {
        STELE_TRY(
            stele_store_secret(asking->store, STELE_CURSOR_SECRET, asking->binding.secret, err));
        STELE_TRY(stele_cursor_decode(&asking->binding, stele_view_buf(&asking->question.cursor),
                                      &places, err));
        options.from = &places;
        asking->resumed = true;
    }
    STELE_TRY(stele_scope_open(asking->store, &asking->question, &asking->scope, err));
    if (!asking->question.complete) {
        STELE_TRY(stele_search_open(&asking->scope, &asking->question.asked.filter, &options,
                                    &asking->search, err));
    }
cleanup:
    return st;
}

/* The secret is asked for only where there is a cursor: answering needs no key file. */
stele_status stele_asking_cursor(struct stele_asking *asking, stele_buf *text, stele_err *err) {
    struct stele_search_outcome outcome;
    struct stele_places places;
    stele_status st = STELE_OK;
    stele_search_outcome(asking->search, &outcome);
    if (outcome.whole) {
        return STELE_OK;
    }
    STELE_TRY(stele_store_secret(asking->store, STELE_CURSOR_SECRET, asking->binding.secret, err));
    stele_search_places(asking->search, &places);
    STELE_TRY(stele_cursor_encode(&asking->binding, &places, text, err));
cleanup:
    return st;
}

void stele_asking_end(struct stele_asking *asking) {
    stele_search_close(asking->search);
    stele_scope_close(&asking->scope);
    stele_query_question_done(&asking->question);
}
