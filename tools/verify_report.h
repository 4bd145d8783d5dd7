/* SPDX-License-Identifier: Apache-2.0 */
/* tools/verify_report.h: what a verified proof says, for people and for programs. Layer: tools. */
#ifndef STELE_TOOLS_VERIFY_REPORT_H
#define STELE_TOOLS_VERIFY_REPORT_H

#include "proto/verify.h"

/* What a receipt that carries its payload shows of the event. Words are "" where unknown. */
struct stele_verify_shown {
    bool any;
    char event_id[65];
    char tenant[65];
    char event_type[32];
    char action[32];
    char outcome[32];
};

/* Each writes the whole report to stdout. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_verify_print_text(const char *name,
                                                    const struct stele_verify_report *report,
                                                    const struct stele_verify_shown *shown,
                                                    stele_err *err);
STELE_MUST_USE stele_status stele_verify_print_json(const char *name,
                                                    const struct stele_verify_report *report,
                                                    const struct stele_verify_shown *shown,
                                                    stele_err *err);
/* One JSON object for a proof that was refused. */
STELE_MUST_USE stele_status stele_verify_print_refusal(const char *name, const stele_err *why,
                                                       stele_err *err);

#endif
