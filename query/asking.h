/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/asking.h: what Search, Count and Explain have in common: a question that passed the gate,
 * and a search of it that any worker can take a step further. Layer: query, private to the *_rpc.c
 * files.
 */
#ifndef STELE_QUERY_ASKING_H
#define STELE_QUERY_ASKING_H

#include "query/call.h"
#include "query/search.h"

struct stele_asking {
    struct stele_query_question question;
    struct stele_store *store;
    struct stele_cursor_binding binding; /* its secret is filled in when needed */
    struct stele_scope scope;
    struct stele_search *search; /* NULL before _open, and for a complete answer */
    bool resumed;                /* the question came with a cursor */
};

/* For begin: reads the request, asks the gate, finds the region. Does not touch storage. */
STELE_MUST_USE stele_status stele_asking_begin(struct stele_asking *asking, struct stele_call *call,
                                               stele_err *err);
/* For the first step: judges the cursor, pins the logs, plans unless the answer is to be complete.
 * The call's budgets hold. */
STELE_MUST_USE stele_status stele_asking_open(struct stele_asking *asking, struct stele_call *call,
                                              stele_err *err);
/* Appends the cursor to go on with; nothing if the answer is whole. */
STELE_MUST_USE stele_status stele_asking_cursor(struct stele_asking *asking, stele_buf *text,
                                                stele_err *err);
void stele_asking_end(struct stele_asking *asking);

#endif
