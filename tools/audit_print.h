/* SPDX-License-Identifier: Apache-2.0 */
/* tools/audit_print.h: what `stele audit` says of a log, for people and for programs. Layer: tools.
 */
#ifndef STELE_TOOLS_AUDIT_PRINT_H
#define STELE_TOOLS_AUDIT_PRINT_H

#include <jansson.h>

#include "storage/audit_log.h"

struct stele_audit_told {
    const char *log; /* "eu-central-1/3y" */
    const struct stele_audit_report *report;
    const char *proof_path; /* of the fraud proof that was written; NULL: none */
};
/* "holds", "wrong" or "unchecked"; of a sample that found nothing "sampled". */
const char *stele_audit_outcome(const struct stele_audit_report *report);
/* A table's row, after its header if `first`; or one line of JSON. What is wrong goes to stderr. */
void stele_audit_print_row(const struct stele_audit_told *told, bool first);
void stele_audit_print_json(const struct stele_audit_told *told);
void stele_audit_print_wrong(const struct stele_audit_told *told);

/* ------------------------------------------------------------------ audit_sample_print.c */
/* A seed that nobody can know before; below 2^53, so that it is the same number in all JSON. */
uint64_t stele_audit_new_seed(void);
/* What a sample looked at, and what it cannot see, in words; nothing if the report is of none. */
void stele_audit_print_sample(const struct stele_audit_report *report);
/* The same; NULL: no memory. */
json_t *stele_audit_sample_json(const struct stele_audit_report *report);

#endif
