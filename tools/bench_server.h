/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_server.h: a server of bench's own, as a child process in a temporary folder (TMPDIR,
 * or /tmp), so that what the server and what the client cost can be told apart. Layer: tools.
 *
 * A steled, or, where a clock of bench's own is to be the log clock, the same server forked from
 * this process: steled always has the real clock. Ctrl-C and SIGTERM stop the server and remove the
 * folder before they end the process. One per process.
 */
#ifndef STELE_TOOLS_BENCH_SERVER_H
#define STELE_TOOLS_BENCH_SERVER_H

#include <sys/types.h>

#include "storage/status.h"
#include "tools/bench_clock.h"
#include "tools/bench_folder.h"

#define STELE_BENCH_REGION "bench-1"
#define STELE_BENCH_PATH_BYTES (STELE_BENCH_DIR_BYTES + 64)

struct stele_bench_server {
    pid_t pid;
    bool keep; /* the folder stays when the server is stopped; set any time before */
    char dir[STELE_BENCH_DIR_BYTES];
    char client_conf[STELE_BENCH_PATH_BYTES];
};
struct stele_bench_usage {
    double cpu_s;       /* user and system time of the process so far */
    double rss_mib;     /* highest so far */
    double written_mib; /* what it gave the block layer */
    double stored_mib;  /* size of its folder */
};
/*
 * `clock` NULL: runs `stele init` and `steled`, found beside this program. Else forks, so it must
 * be called before this process has other threads or has used gRPC. Errors: IO, NO_MEMORY, and
 * CLOSED if the server ends at once or is not ready in time. index false: no INDEX entries are
 * made, and so no segments merged; packs and their segments are as always.
 */
STELE_MUST_USE stele_status stele_bench_server_start(struct stele_bench_clock *clock, bool index,
                                                     struct stele_bench_server *ret,
                                                     stele_err *err);
STELE_MUST_USE stele_status stele_bench_server_usage(const struct stele_bench_server *server,
                                                     struct stele_bench_usage *ret, stele_err *err);
/* User and system time of this process so far. */
double stele_bench_own_cpu_s(void);
/* SIGTERM and wait; the folder stays. Nothing where it has stopped. */
void stele_bench_server_halt(struct stele_bench_server *server);
/*
 * Halts it and runs steled on the folder. The server has another port then, and the real clock: log
 * time stands still where another clock had brought it. Errors: those of starting.
 */
STELE_MUST_USE stele_status stele_bench_server_restart(struct stele_bench_server *server,
                                                       stele_err *err);
/* Runs a program to its end, beside the server: argv[0] is its name, looked for beside this one;
 * what it prints goes to the file `output`, which is made. *ret_cpu_s is user and system time.
 * Errors: IO, with the end of its output, unless it ends with 0. */
STELE_MUST_USE stele_status stele_bench_server_run(char *const argv[], const char *output,
                                                   double *ret_cpu_s, stele_err *err);
/* SIGTERM, wait, remove the folder, or say where it is kept. */
void stele_bench_server_stop(struct stele_bench_server *server);

#endif
