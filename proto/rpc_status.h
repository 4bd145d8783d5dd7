/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_status.h: the one table from Stele's statuses to gRPC codes and back. Layer: proto.
 *
 * Exporters act on codes: they retry UNAVAILABLE and RESOURCE_EXHAUSTED (with RetryInfo) and drop data
 * on INVALID_ARGUMENT. A full disk or a stopped log is therefore never INTERNAL:
 * INVALID, LIMIT -> INVALID_ARGUMENT; DENIED -> PERMISSION_DENIED; NOT_FOUND -> NOT_FOUND;
 * EXISTS -> ALREADY_EXISTS; BUSY -> RESOURCE_EXHAUSTED; IO, NO_SPACE, NO_MEMORY, CLOSED -> UNAVAILABLE;
 * UNSUPPORTED -> UNIMPLEMENTED; CORRUPT, UNVERIFIED -> DATA_LOSS; BUG -> INTERNAL.
 */
#ifndef STELE_PROTO_RPC_STATUS_H
#define STELE_PROTO_RPC_STATUS_H

#include "storage/status.h"

#include <stdint.h>

uint32_t stele_rpc_code_of(stele_status status);
const char *stele_rpc_code_name(uint32_t code);   /* "INVALID_ARGUMENT"; "CODE_99" style never: "UNKNOWN" */
stele_status stele_rpc_status_of(uint32_t code);  /* for clients; UNAVAILABLE and DEADLINE_EXCEEDED -> CLOSED */

#endif
