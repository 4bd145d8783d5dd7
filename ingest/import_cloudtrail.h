/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/import_cloudtrail.h: AWS CloudTrail records as normalized events. Layer: ingest.
 *
 * Source: the CloudTrail table of the adapter mappings; the tables stand in cloudtrail_tables.c. A
 * record becomes one event: event_id is its eventID, so that importing it again finds a duplicate;
 * source.adapter is "cloudtrail"; original holds the SHA-256 of the record's bytes and not the
 * record. What AWS does not say is not invented: the actor is then "unknown", a model's version
 * "unknown", and the attribute stele.incomplete names what is missing. Region and tenant are the
 * caller's; the record's own region and account become resource.region and source.account. Texts
 * over a limit are cut, ids end in their digest.
 *
 * One thread at a time.
 */
#ifndef STELE_INGEST_IMPORT_CLOUDTRAIL_H
#define STELE_INGEST_IMPORT_CLOUDTRAIL_H

#include "storage/bytes.h"

/* Where the events go. Strings are borrowed until close. */
struct stele_cloudtrail_target {
    const char *region;
    const char *tenant;
};

/* Reads what ingest/json_records.h reads: JSON Lines, {"Records":[...]}, either of them in gzip. */
struct stele_cloudtrail;
/* `path` is a file's, or "-" for standard input. Errors: NOT_FOUND (also a folder), IO, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_cloudtrail_open(const char *path,
                                                  const struct stele_cloudtrail_target *target,
                                                  struct stele_cloudtrail **ret, stele_err *err);
/* The same over bytes that are not compressed; borrowed until closed. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status
stele_cloudtrail_open_bytes(stele_view bytes, const struct stele_cloudtrail_target *target,
                            struct stele_cloudtrail **ret, stele_err *err);
void stele_cloudtrail_close(struct stele_cloudtrail *cloudtrail); /* NULL is fine */

/*
 * Replaces `payload` by the next event, encoded; it has passed stele_event_check. Errors: END;
 * INVALID or LIMIT: this record cannot be an event, its number is in the text, the next call goes
 * on behind it; CORRUPT or IO: the rest cannot be read; NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_cloudtrail_next(struct stele_cloudtrail *cloudtrail,
                                                  stele_buf *payload, stele_err *err);
/* Number of the record the last call was about, counted from 1. */
uint64_t stele_cloudtrail_record(const struct stele_cloudtrail *cloudtrail);

#endif
