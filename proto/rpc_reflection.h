/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_reflection.h: gRPC server reflection, v1 and v1alpha, as two methods of the server.
 * Layer: proto. Source: grpc/reflection/v1/reflection.proto; the two versions differ only in their
 * names.
 *
 * Tools such as grpcurl learn the schema from it and need no .proto files. It shows the schema,
 * never data. A file is answered together with all it imports. Extensions do not exist in proto3:
 * asking for them gets an error response, and the stream goes on.
 */
#ifndef STELE_PROTO_RPC_REFLECTION_H
#define STELE_PROTO_RPC_REFLECTION_H

#include "proto/rpc_server.h"

#define STELE_RPC_REFLECTION_METHODS 2

struct stele_rpc_reflection;

/* `set`: a FileDescriptorSet; `names`: the services' names. Both are borrowed until free.
 * Errors: INVALID: the set does not parse or holds more files than the bound; NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_reflection_new(stele_view set, const stele_view *names,
                                                     size_t n_names,
                                                     struct stele_rpc_reflection **ret,
                                                     stele_err *err);
void stele_rpc_reflection_free(
    struct stele_rpc_reflection *reflection); /* no call of it may be left */
void stele_rpc_reflection_methods(
    struct stele_rpc_reflection *reflection,
    struct stele_rpc_method ret[STELE_AT_LEAST(STELE_RPC_REFLECTION_METHODS)]);

/* One ServerReflectionRequest to one ServerReflectionResponse, appended. Errors: INVALID,
 * NO_MEMORY. */
STELE_MUST_USE stele_status
stele_rpc_reflection_answer(const struct stele_rpc_reflection *reflection, stele_view request,
                            stele_buf *response, stele_err *err);

#endif
