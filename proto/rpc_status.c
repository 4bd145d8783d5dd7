/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_status.c: the table of rpc_status.h. Every status and every code has exactly one
 * answer. */
#include "proto/rpc_status.h"

/* The canonical codes of google.rpc.Code, in their order: the index is the code. */
static const struct {
    const char *name;
    stele_status status;
} codes[] = {
    {"OK", STELE_OK},
    {"CANCELLED", STELE_CLOSED},
    {"UNKNOWN", STELE_IO},
    {"INVALID_ARGUMENT", STELE_INVALID},
    {"DEADLINE_EXCEEDED", STELE_CLOSED},
    {"NOT_FOUND", STELE_NOT_FOUND},
    {"ALREADY_EXISTS", STELE_EXISTS},
    {"PERMISSION_DENIED", STELE_DENIED},
    {"RESOURCE_EXHAUSTED", STELE_BUSY},
    {"FAILED_PRECONDITION", STELE_INVALID},
    {"ABORTED", STELE_BUSY},
    {"OUT_OF_RANGE", STELE_INVALID},
    {"UNIMPLEMENTED", STELE_UNSUPPORTED},
    {"INTERNAL", STELE_BUG},
    {"UNAVAILABLE", STELE_CLOSED},
    {"DATA_LOSS", STELE_CORRUPT},
    {"UNAUTHENTICATED", STELE_DENIED},
};

enum { N_CODES = sizeof codes / sizeof codes[0] };

uint32_t stele_rpc_code_of(stele_status status) {
    switch (status) {
    case STELE_OK:
        return STELE_RPC_OK;
    case STELE_INVALID:
    case STELE_LIMIT:
        return STELE_RPC_INVALID_ARGUMENT;
    case STELE_DENIED:
        return STELE_RPC_PERMISSION_DENIED;
    case STELE_NOT_FOUND:
        return STELE_RPC_NOT_FOUND;
    case STELE_EXISTS:
        return STELE_RPC_ALREADY_EXISTS;
    case STELE_BUSY:
        return STELE_RPC_RESOURCE_EXHAUSTED;
    case STELE_IO:
    case STELE_NO_SPACE:
    case STELE_NO_MEMORY:
    case STELE_CLOSED:
        return STELE_RPC_UNAVAILABLE;
    case STELE_UNSUPPORTED:
        return STELE_RPC_UNIMPLEMENTED;
    case STELE_CORRUPT:
    case STELE_UNVERIFIED:
        return STELE_RPC_DATA_LOSS;
    case STELE_END: /* the end of data is an answer; whoever makes it an error has a bug */
    case STELE_BUG:
        return STELE_RPC_INTERNAL;
    }
    return STELE_RPC_INTERNAL;
}

const char *stele_rpc_code_name(uint32_t code) {
    return code < N_CODES ? codes[code].name : codes[STELE_RPC_UNKNOWN].name;
}

stele_status stele_rpc_status_of(uint32_t code) {
    return code < N_CODES ? codes[code].status : codes[STELE_RPC_UNKNOWN].status;
}
