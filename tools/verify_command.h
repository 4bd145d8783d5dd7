/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/verify_command.h: `stele verify`: checks a receipt or an answer file with public keys
 * alone, and says what that proves and what not. Layer: tools. Links stele-verify and jansson; no
 * server, no store.
 */
#ifndef STELE_TOOLS_VERIFY_COMMAND_H
#define STELE_TOOLS_VERIFY_COMMAND_H

/*
 * argv[0] is the command's name. Exit codes: 0 verified, 4 refused with the reason on stderr, 2
 * usage or a key that is none, 3 a file could not be read (nothing is said of the proof).
 */
int stele_verify_command(int argc, char **argv);

#endif
