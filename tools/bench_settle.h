/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_settle.h: what a server still does after it took the last event. Layer: tools. */
#ifndef STELE_TOOLS_BENCH_SETTLE_H
#define STELE_TOOLS_BENCH_SETTLE_H

#include "tools/bench_server.h"

/* Waits until the server is idle: packed, indexed and merged, as a log is that was not filled a
 * minute ago. Two minutes at most. Errors: IO, if it is gone. */
STELE_MUST_USE stele_status stele_bench_settle(const struct stele_bench_server *server,
                                               stele_err *err);

#endif
