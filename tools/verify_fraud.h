/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/verify_fraud.h: `stele verify` of a fraud proof: what `stele audit` wrote of a log that
 * lies. Layer: tools. A proof that holds says something against its log, so it is told apart from
 * all other proofs in every word.
 */
#ifndef STELE_TOOLS_VERIFY_FRAUD_H
#define STELE_TOOLS_VERIFY_FRAUD_H

#include <stdio.h>

#include "storage/fraud.h"

#define STELE_FRAUD_PEEK_BYTES 15 /* as many tell a fraud proof from other files */

/* Reads the rest of the file, judges it and prints the report. Errors: those of stele_fraud_verify
 * (it proves nothing), IO, NO_MEMORY. */
STELE_MUST_USE stele_status stele_verify_fraud(FILE *file, stele_view head, const char *name,
                                               const struct stele_vkey *keys, size_t n_keys,
                                               bool json, stele_err *err);
/* "omission", "phantom posting", ... */
const char *stele_fraud_kind_name(stele_fraud_kind kind);

#endif
