/* SPDX-License-Identifier: Apache-2.0 */
/* tools/init_command.h: `stele init` and `fsck`, which work on a data folder itself.
 * Layer: tools. */
#ifndef STELE_TOOLS_INIT_COMMAND_H
#define STELE_TOOLS_INIT_COMMAND_H

/* argv[0] is the command's name; the result is the exit code. */
int stele_init_command(int argc, char **argv);
int stele_fsck_command(int argc, char **argv);

#endif
