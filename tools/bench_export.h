/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_export.h: everything of a log taken out, in each way there is, and checked. Layer:
 * tools. */
#ifndef STELE_TOOLS_BENCH_EXPORT_H
#define STELE_TOOLS_BENCH_EXPORT_H

#include "tools/bench_server.h"

struct stele_bench_export {
    const char *config, *region;
    uint64_t events;                   /* that were shipped */
    struct stele_bench_server *server; /* is stopped at the end */
};
/*
 * Events a second, and processor time an event of client and server: searched, at a counting
 * client; a proof file that nothing was left out, received into a file, and verified; JSON lines;
 * tiles; fsck. Prints a line for each. Errors: those of the calls and of the commands.
 */
STELE_MUST_USE stele_status stele_bench_exports(const struct stele_bench_export *export, bool json,
                                                stele_err *err);

#endif
