/* SPDX-License-Identifier: Apache-2.0 */
/* tools/exit.h: the exit codes every command has, and how a flag parser says that there is none
 * yet. Layer: tools. */
#ifndef STELE_TOOLS_EXIT_H
#define STELE_TOOLS_EXIT_H

typedef enum stele_exit {
    STELE_EXIT_FOUND = 0, /* done or found */
    STELE_EXIT_NONE = 1,
    STELE_EXIT_USAGE = 2,
    STELE_EXIT_UNREACHABLE = 3,
    STELE_EXIT_UNVERIFIED = 4,
    STELE_EXIT_INCOMPLETE = 5,
    STELE_GO_ON = 256, /* no exit code: flags are parsed, the command may run */
} stele_exit;

#endif
