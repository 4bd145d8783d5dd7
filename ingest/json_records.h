/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/json_records.h: a file of JSON records, taken apart record by record. Layer: ingest.
 *
 * Records stand one after the other (JSON Lines, or printed over several lines), or as the elements
 * of
 * {"Records":[...]}, as AWS delivers them; several such documents may follow each other. A file
 * that begins with gzip's magic number is expanded. Only where a record ends is found here; whether
 * it is JSON is for a parser. Memory is bounded by the longest record taken.
 *
 * A record that is cut off or too long is reported and passed over: a line that begins with '{'
 * begins a new record, whatever came before it. One thread at a time.
 */
#ifndef STELE_INGEST_JSON_RECORDS_H
#define STELE_INGEST_JSON_RECORDS_H

#include "storage/bytes.h"

/* CloudTrail's own limit is 256 KB an event; the largest real one seen has 5.4 KB. */
#define STELE_JSON_RECORD_BYTES_MAX (1u << 20)

struct stele_json_records;
/* `path` is a file's, or "-" for standard input. Errors: NOT_FOUND (also a folder), IO, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_json_records_open(const char *path,
                                                    struct stele_json_records **ret,
                                                    stele_err *err);
/* The same over bytes that are not compressed; borrowed until closed. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_json_records_open_bytes(stele_view bytes,
                                                          struct stele_json_records **ret,
                                                          stele_err *err);
void stele_json_records_close(struct stele_json_records *records); /* NULL is fine */

/*
 * The next record, from '{' to its '}'; borrows the reader until its next call. Errors: END;
 * INVALID or LIMIT: this record cannot be taken, the next call goes on behind it; CORRUPT or IO:
 * the rest cannot be read, now and ever after; NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_json_records_next(struct stele_json_records *records,
                                                    stele_view *ret, stele_err *err);
/* Number of the record the last call was about, counted from 1. */
uint64_t stele_json_records_number(const struct stele_json_records *records);

#endif
