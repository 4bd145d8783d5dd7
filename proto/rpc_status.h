/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_status.h: the one table from Stele's statuses to gRPC codes and back. Layer: proto.
 *
 * Exporters act on codes: they retry UNAVAILABLE and RESOURCE_EXHAUSTED (with RetryInfo) and drop
 * data on INVALID_ARGUMENT. A full disk or a stopped log is therefore never INTERNAL: INVALID,
 * LIMIT -> INVALID_ARGUMENT; DENIED -> PERMISSION_DENIED; NOT_FOUND -> NOT_FOUND; EXISTS ->
 * ALREADY_EXISTS; BUSY -> RESOURCE_EXHAUSTED; IO, NO_SPACE, NO_MEMORY, CLOSED -> UNAVAILABLE;
 * UNSUPPORTED -> UNIMPLEMENTED; CORRUPT, UNVERIFIED -> DATA_LOSS; BUG -> INTERNAL.
 */
#ifndef STELE_PROTO_RPC_STATUS_H
#define STELE_PROTO_RPC_STATUS_H

#include "storage/status.h"

#include <stdint.h>

/* The codes of google.rpc.Code, as numbers: services and tools compare, and never see a grpc_*
 * type. */
enum {
    STELE_RPC_OK = 0,
    STELE_RPC_CANCELLED = 1,
    STELE_RPC_UNKNOWN = 2,
    STELE_RPC_INVALID_ARGUMENT = 3,
    STELE_RPC_DEADLINE_EXCEEDED = 4,
    STELE_RPC_NOT_FOUND = 5,
    STELE_RPC_ALREADY_EXISTS = 6,
    STELE_RPC_PERMISSION_DENIED = 7,
    STELE_RPC_RESOURCE_EXHAUSTED = 8,
    STELE_RPC_FAILED_PRECONDITION = 9,
    STELE_RPC_ABORTED = 10,
    STELE_RPC_OUT_OF_RANGE = 11,
    STELE_RPC_UNIMPLEMENTED = 12,
    STELE_RPC_INTERNAL = 13,
    STELE_RPC_UNAVAILABLE = 14,
    STELE_RPC_DATA_LOSS = 15,
    STELE_RPC_UNAUTHENTICATED = 16,
};

uint32_t stele_rpc_code_of(stele_status status);
const char *
stele_rpc_code_name(uint32_t code); /* "INVALID_ARGUMENT"; "CODE_99" style never: "UNKNOWN" */
stele_status
stele_rpc_status_of(uint32_t code); /* for clients; UNAVAILABLE and DEADLINE_EXCEEDED -> CLOSED */

#endif
