/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/serve.h: a whole server in a process: stores, access, ingest, query, gRPC. Layer: tools.
 * steled runs one until a signal; `stele bench` runs one with a clock of its own.
 */
#ifndef STELE_TOOLS_SERVE_H
#define STELE_TOOLS_SERVE_H

#include "proto/rpc_server.h"
#include "tools/regions.h"

/* Whether a server could be started: grants, certificates, keys, stores that are there. Opens no
 * store, takes no port. Errors: INVALID. */
STELE_MUST_USE stele_status stele_serve_check(const struct stele_server_config *config,
                                              stele_err *err);

struct stele_serve;
/* Opens everything and answers calls when it returns. `config` is borrowed until stop. */
STELE_MUST_USE stele_status stele_serve_start(const struct stele_server_config *config,
                                              const struct stele_regions_options *options,
                                              struct stele_serve **ret, stele_err *err);
/* "127.0.0.1:7443", with the port that was really taken. */
const char *stele_serve_address(const struct stele_serve *serve);
/* No new calls; running ones finish within drain_ms; queues are written, checkpoints signed, stores
 * closed. */
void stele_serve_stop(struct stele_serve *serve);

#endif
