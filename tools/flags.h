/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/flags.h: what every command does alike with its flags: help on stdout, mistakes in one line
 * on stderr that says what to write. Layer: tools.
 *
 * A command sets opterr to 0 and begins its short options with ':', so that getopt_long leaves the
 * messages to stele_flag_other.
 */
#ifndef STELE_TOOLS_FLAGS_H
#define STELE_TOOLS_FLAGS_H

#include "storage/status.h"
#include "tools/exit.h"

/* getopt_long, ready for a command's own argv. */
void stele_flags_begin(void);
/*
 * For values of getopt_long that are no flag of the command: 'h' prints `usage` on stdout and gives
 * STELE_EXIT_FOUND; an unknown flag or a missing value gives STELE_EXIT_USAGE with a message.
 */
int stele_flag_other(const char *command, const char *usage, int c, char *const *argv);
/* "stele <command>: <text>" and where help is; gives STELE_EXIT_USAGE. */
int stele_usage_error(const char *command, const char *format, ...) STELE_PRINTF(2, 3);

#endif
