/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_server.h: a steled of bench's own, as a child process in a temporary folder, so that what the
 * server and what the client cost can be told apart. Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_SERVER_H
#define STELE_TOOLS_BENCH_SERVER_H

#include <sys/types.h>

#include "storage/status.h"

#define STELE_BENCH_REGION "bench-1"

struct stele_bench_server {
    pid_t pid;
    char dir[64];
    char client_conf[128];
};
struct stele_bench_usage {
    double cpu_s;          /* user and system time of the process so far */
    double rss_mib;        /* highest so far */
    double written_mib;    /* what it gave the block layer */
    double stored_mib;     /* size of its folder */
};
/* Runs `stele init` and `steled`, found beside this program. */
STELE_MUST_USE stele_status stele_bench_server_start(struct stele_bench_server *ret, stele_err *err);
STELE_MUST_USE stele_status stele_bench_server_usage(const struct stele_bench_server *server,
                                                     struct stele_bench_usage *ret, stele_err *err);
/* SIGTERM, wait, remove the folder. */
void stele_bench_server_stop(struct stele_bench_server *server);

#endif
