/* SPDX-License-Identifier: Apache-2.0 */
/* tools/verify_report_parts.h: what text and JSON of a report share. Layer: tools, private to them.
 */
#ifndef STELE_TOOLS_VERIFY_REPORT_PARTS_H
#define STELE_TOOLS_VERIFY_REPORT_PARTS_H

#include "tools/verify_report.h"

#define STELE_VERIFY_CLAIMS_MAX 12

struct stele_verify_claims {
    size_t n_proved;
    const char *proved[STELE_VERIFY_CLAIMS_MAX];
    size_t n_open;
    const char *open[STELE_VERIFY_CLAIMS_MAX];
};
void stele_verify__make_claims(const struct stele_verify_report *report,
                               struct stele_verify_claims *claims);
/* "event", "index" or "control" */
const char *stele_verify__type_word(stele_entry_type type);
/* Why there is a gap. */
const char *stele_verify__gap_words(stele_gap_kind kind);

#endif
