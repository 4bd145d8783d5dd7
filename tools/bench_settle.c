/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_settle.c: idle is little processor time for a second: INDEX entries come at most two
 * seconds after the last event, so the wait lasts longer than that. */
#include "tools/bench_settle.h"

#include <time.h>

#define LOOK_MS 500
#define LOOKS_MAX 240
#define LOOKS_IDLE 5
#define IDLE_CPU_S 0.01 /* of one look: timers and health */

stele_status stele_bench_settle(const struct stele_bench_server *server, stele_err *err) {
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    struct stele_bench_usage before = {0};
    struct stele_bench_usage now = {0};
    stele_status st = stele_bench_server_usage(server, &before, err);
    for (int look = 0, idle = 0; st == STELE_OK && look < LOOKS_MAX && idle < LOOKS_IDLE; look++) {
        (void)nanosleep(&pause, NULL);
        st = stele_bench_server_usage(server, &now, err);
        idle = now.cpu_s - before.cpu_s <= IDLE_CPU_S ? idle + 1 : 0;
        before = now;
    }
    return st;
}
