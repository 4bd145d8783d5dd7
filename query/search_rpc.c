/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/search_rpc.c: Search, the streamed answer. One message is made, sent, and dropped before
 * the next is begun; between two messages the call is a place in every log and nothing more that
 * grows.
 */
#include "query/asking.h"
#include "query/complete.h"
#include "query/prove.h"

struct search_call {
    struct stele_call call;
    struct stele_asking asking;
    struct stele_prover *prover;     /* prove only */
    struct stele_complete *complete; /* or this, where nothing being left out can be proven */
    bool complete_made;              /* to its end: what is left in `answer` is the last of it */
    size_t answer_sent;              /* complete: so much of `answer` has been sent */
    const char *not_complete;        /* prove: why it cannot; static */
    stele_buf message;               /* hits, or the whole last message */
    stele_buf answer;                /* prove: bytes of the file not sent yet */
    uint32_t message_hits;
    bool begun; /* a message with hits has been sent */
};

static struct search_call *of(struct stele_call *call) {
    return (struct search_call *)(void *)call;
}

static stele_status begin(struct stele_call *call, stele_err *err) {
    struct search_call *search = of(call);
    struct stele_query_question *question = &search->asking.question;
    stele_status st = stele_asking_begin(&search->asking, call, err);
    if (st == STELE_OK && question->prove) {
        bool may_read_all =
            stele_call_gate(call, STELE_MAY_QUERY, stele_view_buf(&question->asked.region),
                            stele_view_of(NULL, 0), &question->asked, NULL) == STELE_OK;
        search->not_complete = stele_complete_refusal(question, search->asking.store, may_read_all);
        question->complete = search->not_complete == NULL;
        st = question->count_only && !question->complete
                 ? STELE_FAIL(err, INVALID, "question: count_only: %s", search->not_complete)
                 : STELE_OK;
    }
    return st;
}

static void end(struct stele_call *call) {
    struct search_call *search = of(call);
    stele_prover_free(search->prover);
    stele_complete_free(search->complete);
    stele_asking_end(&search->asking);
    stele_buf_done(&search->message);
    stele_buf_done(&search->answer);
}

static stele_status open_search(struct search_call *search, stele_err *err) {
    const struct stele_query_config *config = &search->call.query->config;
    const struct stele_query_question *question = &search->asking.question;
    struct stele_complete_options options = {
        .rows_budget = config->rows_budget,
        .time_budget_us = (uint64_t)config->time_budget_ms * 1000,
        .stop = &search->call.stop,
        .known = question->known,
        .n_known = question->n_known,
        .open_condition = question->open_condition,
        .strict = question->strict,
        .count_only = question->count_only,
    };
    stele_status st = stele_asking_open(&search->asking, &search->call, err);
    if (st == STELE_OK && question->complete) {
        st = stele_complete_new(&search->asking.scope, &question->asked, &options,
                                &search->complete, &search->answer, err);
    } else if (st == STELE_OK && question->prove) {
        st = stele_prover_new(&search->asking.scope, &question->asked, &search->prover,
                              &search->answer, err);
    }
    return st;
}

static stele_status add_hit(struct search_call *search, const struct stele_search_hit *hit,
                            stele_err *err) {
    const struct stele_stored_entry *entry = hit->entry;
    if (search->prover != NULL) {
        return stele_prover_event(search->prover, hit->log, entry, &search->answer, err);
    }
    struct stele_hit made = {
        .log = stele_view_str(stele_log_full_name(search->asking.scope.log[hit->log].log)),
        .seq = entry->entry.seq,
        .log_time_unix_nano = entry->entry.time_us * 1000,
        .event = entry->payload,
    };
    search->message_hits++;
    return stele_search_response_put_hit(&search->message, &made, err);
}

/* Sends what there is; the buffers' memory goes too, because the reader may take its time. */
static stele_status send(struct search_call *search, stele_err *err) {
    stele_status st = STELE_OK;
    if (search->answer.size > 0) {
        STELE_TRY(stele_search_response_put_answer(&search->message,
                                                   stele_view_buf(&search->answer), err));
    }
    STELE_TRY(stele_rpc_send(search->call.rpc, stele_view_buf(&search->message), err));
    stele_buf_done(&search->answer);
    stele_buf_done(&search->message);
    search->begun = search->begun || search->message_hits > 0;
    search->message_hits = 0;
cleanup:
    return st;
}

static stele_status finish(struct search_call *search, stele_err *err) {
    struct stele_search_outcome outcome;
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    const char *why = search->not_complete == NULL ? "" : search->not_complete;
    stele_search_outcome(search->asking.search, &outcome);
    STELE_TRY(stele_asking_cursor(&search->asking, &cursor, err));
    if (search->prover != NULL) {
        STELE_TRY(stele_prover_end(search->prover, !outcome.whole || search->asking.resumed,
                                   &search->answer, err));
        STELE_TRY(stele_search_response_put_answer(&search->message,
                                                   stele_view_buf(&search->answer), err));
        stele_buf_done(&search->answer);
    }
    struct stele_search_end made = {
        .hits = outcome.hits,
        .cursor = stele_view_buf(&cursor),
        .budget_spent = outcome.budget_spent,
        .rows_examined = outcome.rows_examined,
        .not_complete = stele_view_str(why),
    };
    STELE_TRY(stele_search_response_put_end(&search->message, &made, err));
    STELE_TRY(send(search, err));
    stele_rpc_finish_ok(search->call.rpc, stele_view_of(NULL, 0));
cleanup:
    stele_buf_done(&cursor);
    return st;
}

static bool is_full(const struct search_call *search) {
    return search->message.size >= STELE_QUERY_MESSAGE_BYTES ||
           search->answer.size >= STELE_QUERY_MESSAGE_BYTES ||
           search->message_hits >=
               (search->begun ? STELE_QUERY_MESSAGE_HITS_MAX : STELE_QUERY_FIRST_MESSAGE_HITS);
}

static stele_status make_message(struct search_call *search, stele_call_step *ret, stele_err *err) {
    stele_search_got got = STELE_SEARCH_HIT;
    struct stele_search_hit hit;
    stele_status st = STELE_OK;
    while (!is_full(search) && got == STELE_SEARCH_HIT) {
        STELE_TRY(stele_search_next(search->asking.search, &got, &hit, err));
        if (got == STELE_SEARCH_HIT) {
            STELE_TRY(add_hit(search, &hit, err));
        }
    }
    if (got == STELE_SEARCH_END) {
        *ret = STELE_CALL_FINISHED;
        STELE_TRY(finish(search, err));
    } else if (search->message.size + search->answer.size == 0) {
        *ret = STELE_CALL_AGAIN;
    } else {
        *ret = STELE_CALL_SENT; /* also at the end of a slice: what was found need not wait */
        STELE_TRY(send(search, err));
        if (atomic_load(&search->call.query->n_searches) > STELE_QUERY_WARM_SEARCHES) {
            stele_search_rest(search->asking.search);
        }
    }
cleanup:
    return st;
}

/* The same for a complete answer, whose events come with the openings that settle that they are
 * all. What a step made is sent in pieces before the next step: what a log rests on can be larger
 * than a message. */
static stele_status make_complete_message(struct search_call *search, stele_call_step *ret,
                                          stele_err *err) {
    stele_status st = STELE_OK;
    *ret = STELE_CALL_AGAIN;
    if (search->answer.size == 0) {
        STELE_TRY(stele_complete_step(search->complete, STELE_QUERY_MESSAGE_BYTES,
                                      STELE_QUERY_SLICE_US, &search->answer, &search->complete_made,
                                      err));
    }
    size_t left = search->answer.size - search->answer_sent;
    size_t piece = left < STELE_QUERY_PIECE_BYTES ? left : STELE_QUERY_PIECE_BYTES;
    bool last = search->complete_made && piece == left;
    if (piece == 0 && !last) {
        goto cleanup;
    }
    STELE_TRY(stele_search_response_put_answer(
        &search->message,
        stele_view_slice(stele_view_buf(&search->answer), search->answer_sent, piece), err));
    search->answer_sent += piece;
    if (piece == left) {
        stele_buf_done(&search->answer);
        search->answer_sent = 0;
    }
    if (last) {
        struct stele_search_end made = {0};
        stele_complete_counts(search->complete, &made.hits, &made.rows_examined);
        STELE_TRY(stele_search_response_put_end(&search->message, &made, err));
    }
    STELE_TRY(stele_rpc_send(search->call.rpc, stele_view_buf(&search->message), err));
    stele_buf_done(&search->message);
    *ret = last ? STELE_CALL_FINISHED : STELE_CALL_SENT;
    if (last) {
        stele_rpc_finish_ok(search->call.rpc, stele_view_of(NULL, 0));
    }
cleanup:
    return st;
}

static stele_status step(struct stele_call *call, stele_call_step *ret, stele_err *err) {
    struct search_call *search = of(call);
    if (search->asking.search == NULL && search->complete == NULL) {
        stele_status st = open_search(search, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    if (search->complete != NULL) {
        return make_complete_message(search, ret, err);
    }
    stele_search_begin(search->asking.search, STELE_QUERY_SLICE_US);
    stele_status st = make_message(search, ret, err);
    stele_search_pause(search->asking.search);
    return st;
}

const struct stele_call_kind stele_search_kind = {
    .path = "/stele.v1.Query/Search",
    .rpc = STELE_RPC_SERVER_STREAM,
    .is_search = true,
    .bytes = sizeof(struct search_call),
    .begin = begin,
    .step = step,
    .end = end,
};
