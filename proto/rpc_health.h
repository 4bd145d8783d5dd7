/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_health.h: grpc.health.v1.Health, Check and Watch, as two methods of the server. Layer:
 * proto.
 *
 * One flag answers for the whole server ("") and for every service it has. A watcher hears each
 * change; one that reads slowly hears the newest state when it comes round, so it costs one message
 * at most. Threads: any.
 */
#ifndef STELE_PROTO_RPC_HEALTH_H
#define STELE_PROTO_RPC_HEALTH_H

#include "proto/rpc_server.h"

#define STELE_RPC_HEALTH_METHODS 2

struct stele_rpc_health;

/* `names`: the services' names, borrowed until free. Starts as not serving. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_health_new(const stele_view *names, size_t n_names,
                                                 struct stele_rpc_health **ret, stele_err *err);
void stele_rpc_health_free(struct stele_rpc_health *health); /* no call of it may be left */
void stele_rpc_health_methods(
    struct stele_rpc_health *health,
    struct stele_rpc_method ret[STELE_AT_LEAST(STELE_RPC_HEALTH_METHODS)]);
void stele_rpc_health_set(struct stele_rpc_health *health, bool serving);

#endif
