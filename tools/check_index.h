/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/check_index.h: the submitter's monitor: whether the log's index lists one's own event under
 * each of its keys. Layer: tools.
 *
 * For each key a complete answer is asked for, of the moment the event was logged, and checked
 * here: the event must be in it. An auditor who asks for that key is then shown the event as well,
 * or is shown another index, which comparing checkpoints finds.
 */
#ifndef STELE_TOOLS_CHECK_INDEX_H
#define STELE_TOOLS_CHECK_INDEX_H

#include "tools/cli.h"

struct stele_own_event {
    stele_view region, log; /* "eu-central-1", "3y" */
    uint64_t seq;
    uint64_t time_us; /* log time */
    stele_view payload;
};
struct stele_index_check {
    uint64_t n_listed;
    uint64_t n_missing;   /* proven not to be listed */
    uint64_t n_unknown;   /* not covered by the index yet, or gone */
    uint64_t n_not_asked; /* no question can ask for such keys */
};
/*
 * Prints one line a key. Errors: UNVERIFIED (a proof does not hold, or is one of something else),
 * DENIED (the certificate may not have such proofs), BUSY (the log was not sealed in time), the
 * connection's.
 */
STELE_MUST_USE stele_status stele_check_index(const struct stele_cli *cli,
                                              const struct stele_own_event *event, bool json,
                                              struct stele_index_check *ret, stele_err *err);

#endif
