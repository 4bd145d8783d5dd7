/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/receipts.h: receipts for what a request stored. Layer: ingest. In a worker's thread: it
 * reads, and may wait for a checkpoint to be signed and synced.
 *
 * One checkpoint a log covers the whole request; it is not older than any event in it. A receipt
 * that cannot be made does not undo what was stored: it is left out, and can be asked for later.
 */
#ifndef STELE_INGEST_RECEIPTS_H
#define STELE_INGEST_RECEIPTS_H

#include "ingest/append.h"

struct stele_receipts {
    size_t n;           /* as many as events */
    stele_buf *receipt; /* empty where there is none */
};
#define STELE_RECEIPTS_EMPTY ((struct stele_receipts){0, NULL})

/* Makes what can be made within STELE_INGEST_RECEIPT_BYTES_MAX. The first thing that failed is
 * returned and filled into *err; the receipts made until then are kept. */
STELE_MUST_USE stele_status stele_receipts_make(const struct stele_append *append,
                                                struct stele_receipts *ret, stele_err *err);
void stele_receipts_done(struct stele_receipts *receipts);

#endif
