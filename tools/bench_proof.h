/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_proof.h: complete answers asked for, received and verified, each timed. Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_PROOF_H
#define STELE_TOOLS_BENCH_PROOF_H

#include "tools/cli.h"

/* Asks `times` times each for what busy, rare and absent actors did, with proof that it is all,
 * verifies every file, and prints a line for each actor. Errors: UNVERIFIED for a file that does
 * not hold or is not complete, those of asking. */
STELE_MUST_USE stele_status stele_bench_proofs(const char *config, const char *region,
                                               uint64_t times, bool json, stele_err *err);

#endif
