/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/log_call.h: what a call of the Log service is about: one log by its name, or the logs of
 * the regions that its caller may read. Layer: query, private to the Log service's *_rpc.c files.
 */
#ifndef STELE_QUERY_LOG_CALL_H
#define STELE_QUERY_LOG_CALL_H

#include "query/call.h"
#include "storage/log.h"

/* For begin: the log "<region>/<name>", if the caller has the verb for every tenant there. Errors:
 * INVALID, DENIED, NOT_FOUND. */
STELE_MUST_USE stele_status stele_log_call_one(const struct stele_call *call, stele_verb verb,
                                               stele_view name, struct stele_log **ret,
                                               stele_err *err);

/* For begin: a region that is named is served here, and the caller may read it. `what` names the
 * request in messages: "list request". Errors: INVALID, DENIED, NOT_FOUND. */
STELE_MUST_USE stele_status stele_log_call_region(const struct stele_call *call, stele_view region,
                                                  const char *what, stele_err *err);
typedef stele_status (*stele_log_call_fn)(struct stele_log *log, stele_buf *message,
                                          stele_err *err);
/* The only step of such a call: `put` for each log of the region, or of those the caller may read
 * if none is named (who may read none is told so), then the answer. */
STELE_MUST_USE stele_status stele_log_call_each(struct stele_call *call, stele_view region,
                                                stele_log_call_fn put, stele_call_step *ret,
                                                stele_err *err);

#endif
