/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/malicious_store.h: what a dishonest operator can do to a real store: its index
 * leaves a posting out, or has one too many, and every INDEX from then on commits to it, signed
 * with the store's own keys. No program of ours does it.
 */
#ifndef STELE_TESTS_SUPPORT_MALICIOUS_STORE_H
#define STELE_TESTS_SUPPORT_MALICIOUS_STORE_H

#include "storage/log.h"
#include "tests/support/disordered_segment.h"

struct malicious_posting {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq;
};
/* The log has a stored segment. */
bool malicious_has_segment(struct stele_log *log);
/* The log's first stored segment loses this posting, or gets it if it does not have it. Nothing may
 * be merged meanwhile. */
void malicious_flip_posting(struct stele_log *log, const struct malicious_posting *posting);
/* The keys of the log's first stored segment do not ascend any more. */
void malicious_disorder(struct stele_log *log, const struct disorder_plan *how);
/* The log's first stored segment says that its entries are younger than they are. */
void malicious_forge_bounds(struct stele_log *log);
/* Appends one INDEX entry over what the newest one covers that commits to another index; what the
 * store keeps and commits to later is honest. Returns its seq. */
uint64_t malicious_false_index(struct stele_log *log);

#endif
