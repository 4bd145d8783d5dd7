/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tools/verify_main.c: `stele verify` as a program of its own, for
 * tests/tools/verify_command.py. */
#include "tools/verify_command.h"

int main(int argc, char **argv) {
    return stele_verify_command(argc, argv);
}
