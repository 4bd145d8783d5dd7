/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/receive_proof.h: the complete answer to one question, byte for byte as it comes. Layer:
 * tools.
 */
#ifndef STELE_TOOLS_RECEIVE_PROOF_H
#define STELE_TOOLS_RECEIVE_PROOF_H

#include "proto/query_client.h"

typedef stele_status (*stele_proof_bytes_fn)(void *ctx, stele_view bytes, stele_err *err);
/* Errors: DENIED (the answer is not proven complete: the text says why), those of `take` and of the
 * call. */
STELE_MUST_USE stele_status stele_receive_proof(struct stele_rpc_client *client,
                                                const struct stele_search_request *request,
                                                uint32_t timeout_ms, stele_proof_bytes_fn take,
                                                void *ctx, stele_err *err);

#endif
