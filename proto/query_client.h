/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/query_client.h: the Query service as blocking calls, for the tools. Layer: proto.
 * Errors of all: the server's status with its own message; CLOSED if it cannot be reached.
 */
#ifndef STELE_PROTO_QUERY_CLIENT_H
#define STELE_PROTO_QUERY_CLIENT_H

#include "proto/query_wire.h"
#include "proto/rpc_client.h"

#define STELE_SEARCH_PATH "/stele.v1.Query/Search"

/* Opens a Search; its messages are read with stele_rpc_stream_receive and
 * stele_search_response_next. */
STELE_MUST_USE stele_status stele_client_search(struct stele_rpc_client *client,
                                                const struct stele_search_request *request,
                                                uint32_t timeout_ms, struct stele_rpc_stream **ret,
                                                stele_err *err);
/* Adds up counts over as many calls as the server's budget makes it. */
STELE_MUST_USE stele_status stele_client_count(struct stele_rpc_client *client,
                                               const struct stele_search_request *request,
                                               uint32_t timeout_ms, uint64_t *ret_count,
                                               stele_err *err);
/* Called once a log. Views live until it returns. */
typedef stele_status (*stele_plan_fn)(void *ctx, const struct stele_log_plan *plan, stele_err *err);
STELE_MUST_USE stele_status stele_client_explain(struct stele_rpc_client *client,
                                                 const struct stele_search_request *request,
                                                 uint32_t timeout_ms, stele_plan_fn fn, void *ctx,
                                                 stele_err *err);
/* Views borrow `reply`, which is replaced. */
struct stele_got {
    struct stele_hit hit; /* event empty: a control or index entry */
    stele_view entry;
    stele_view receipt;
};
STELE_MUST_USE stele_status stele_client_get(struct stele_rpc_client *client,
                                             const struct stele_get_request *request,
                                             uint32_t timeout_ms, stele_buf *reply,
                                             struct stele_got *ret, stele_err *err);

#endif
