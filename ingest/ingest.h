/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/ingest.h: the Append and AppendStream services over the regions this server has. Layer:
 * ingest.
 *
 * An event is admitted if its region is served here, the certificate may append for its tenant, it
 * passes the schema, it is not from the future, and no other bytes hold its id. What is refused is
 * journalled to the region's system log (digest and reason, not the bytes). Acks are sent after the
 * sync.
 */
#ifndef STELE_INGEST_INGEST_H
#define STELE_INGEST_INGEST_H

#include "proto/access.h"
#include "storage/store.h"

struct stele_ingest;
struct stele_ingest_config {
    struct stele_store *const *stores; /* one a region; borrowed, closed after the service */
    size_t n_stores;
    const struct stele_access *access;
    uint8_t default_retention_years;  /* for events with retention_class 0 */
    uint32_t duplicate_window_events; /* a region remembers at least this many newest ids; 0:
                                         1,048,576 */
};
/* Rebuilds the duplicate window from the stores. */
STELE_MUST_USE stele_status stele_ingest_new(const struct stele_ingest_config *config,
                                             struct stele_ingest **ret, stele_err *err);
/* Before the server drains: streams that clients keep open take no more, ack what they have, and
 * end with UNAVAILABLE, so that draining need not wait for them. */
void stele_ingest_end_streams(struct stele_ingest *ingest);
void stele_ingest_free(struct stele_ingest *ingest); /* after the server drained */
/* The methods to serve; borrowed. */
const struct stele_rpc_method *stele_ingest_methods(struct stele_ingest *ingest, size_t *ret_n);

/* Counters for the status line and bench. */
struct stele_ingest_stats {
    uint64_t events_stored, events_refused, events_duplicate, batches, busy;
};
void stele_ingest_stats_of(const struct stele_ingest *ingest, struct stele_ingest_stats *ret);

#endif
