/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_folder.h: a folder for a while, in TMPDIR or /tmp. Layer: tools. Threads: any.
 */
#ifndef STELE_TOOLS_BENCH_FOLDER_H
#define STELE_TOOLS_BENCH_FOLDER_H

#include "storage/bytes.h"

#define STELE_BENCH_DIR_BYTES 256 /* a longer TMPDIR is refused */

/* Errors: INVALID (TMPDIR is too long), or as errno has it. */
STELE_MUST_USE stele_status stele_bench_folder_make(char ret[STELE_AT_LEAST(STELE_BENCH_DIR_BYTES)],
                                                    stele_err *err);
/* With all that is in it; what cannot be removed stays. */
void stele_bench_folder_remove(const char *path);

#endif
