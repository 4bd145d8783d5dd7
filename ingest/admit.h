/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/admit.h: may this event be stored, and in which log? Layer: ingest. Nothing is stored,
 * reserved or remembered here.
 *
 * In this order, the first that does not hold is the refusal: the schema (INVALID, LIMIT), the
 * region is served here (INVALID; it is never forwarded), the tenant is not the server's own
 * (DENIED), the certificate may append for the tenant in the region (DENIED), the time is at most
 * five minutes ahead (INVALID), a log takes the tenant and the retention class (NOT_FOUND). The
 * order is also what may be told: who may not write for a tenant learns nothing of its logs.
 */
#ifndef STELE_INGEST_ADMIT_H
#define STELE_INGEST_ADMIT_H

#include "ingest/limits.h"
#include "proto/access.h"
#include "proto/event.h"

/* What decides; immutable while the service runs. Borrowed. */
struct stele_admission {
    struct stele_store *const *stores;
    size_t n_stores;
    const struct stele_access *access;
    uint8_t default_retention_years; /* for events that name no class */
};

#define STELE_INGEST_NO_REGION SIZE_MAX

struct stele_admitted {
    struct stele_event_head head; /* borrows the payload */
    size_t region;                /* index of its store */
    struct stele_log *log;
};

/* The decision on the event before, reused for the next one of the same region, tenant and class:
 * events of one batch mostly agree in these. Starts zeroed; lives as long as the payloads it
 * borrows. */
struct stele_admit_memo {
    bool valid;
    uint32_t retention_class;
    stele_view region_name;
    stele_view tenant;
    size_t region;
    struct stele_log *log;
    uint64_t clock_ns; /* of the region's store, when it was last read */
};

/*
 * Admits one event sent by `peer`. ret_region (also set on failure): the store of the event's
 * region, for the journal; STELE_INGEST_NO_REGION if that region is not served here or cannot be
 * read. Errors: as above.
 */
STELE_MUST_USE stele_status stele_admit(const struct stele_admission *admission,
                                        const struct stele_rpc_peer *peer, stele_view payload,
                                        struct stele_admit_memo *memo, struct stele_admitted *ret,
                                        size_t *ret_region, stele_err *err);

/* What a refused payload says of itself, as far as it can be read: views are empty where it does
 * not, or where a value breaks the schema's rules for it. */
struct stele_claimed {
    stele_view event_id;
    stele_view tenant;
    stele_view region;
};
void stele_admit_peek(stele_view payload, struct stele_claimed *ret);
/* The store that serves a region; STELE_INGEST_NO_REGION if none does. */
size_t stele_admit_region(const struct stele_admission *admission, stele_view region);

#endif
