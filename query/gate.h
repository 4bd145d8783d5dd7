/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/gate.h: the one door every read passes before anything is read. Layer: query.
 *
 * Today it asks the certificate's grants. Attribute-based policies decide here later, and the read
 * is made an event of the system log here, before it is allowed: what both need to know is in
 * struct stele_read, and no handler asks access.h itself.
 */
#ifndef STELE_QUERY_GATE_H
#define STELE_QUERY_GATE_H

#include "proto/access.h"
#include "proto/event_filter.h"

struct stele_read {
    const char *method; /* the path: "/stele.v1.Query/Search" */
    const struct stele_rpc_peer *peer;
    stele_verb verb;
    stele_view region;                     /* 1..32 bytes */
    stele_view tenant;                     /* whose events; empty: every tenant's */
    const struct stele_question *question; /* NULL: a read of one place or of the log's own face */
};

/* Threads: any. Errors: DENIED, with who, what and what is missing. */
STELE_MUST_USE stele_status stele_gate_pass(const struct stele_access *access,
                                            const struct stele_read *read, stele_err *err);

#endif
