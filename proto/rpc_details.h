/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_details.h: the rich error of gRPC, google.rpc.Status with a RetryInfo in it, as bytes.
 * Layer: proto. Pure. Threads: any.
 *
 * It travels in the trailer `grpc-status-details-bin`. Exporters that get RESOURCE_EXHAUSTED retry
 * only if it is there (OTLP's rule), so it decides between a delayed and a lost batch. The bytes:
 *
 *   Status     1 code (int32)   2 message (string)   3 details (repeated Any)
 *   Any        1 type_url       2 value              "type.googleapis.com/google.rpc.RetryInfo"
 *   RetryInfo  1 retry_delay (Duration: 1 seconds, 2 nanos)
 */
#ifndef STELE_PROTO_RPC_DETAILS_H
#define STELE_PROTO_RPC_DETAILS_H

#include "storage/bytes.h"

#define STELE_RPC_DETAILS_TRAILER "grpc-status-details-bin"

/* Appends the encoding. `text` is valid UTF-8 (stele_rpc_text_clean). Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_details_encode(uint32_t code, const char *text,
                                                     uint32_t retry_after_ms, stele_buf *out,
                                                     stele_err *err);
/* The delay of the first RetryInfo, rounded up to a millisecond; 0 if there is none or the bytes do
 * not parse: a hint that cannot be read is no hint. */
uint32_t stele_rpc_details_retry_ms(stele_view details);

/* Replaces control characters and what is no UTF-8 by '?', in place: a message may quote a client's
 * bytes, and one broken byte makes strict clients drop the whole status. */
void stele_rpc_text_clean(char *text);

#endif
