/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/key_tags.h: the tags under which one key's postings stand in one era. Layer: storage,
 * private to the log. A tag binds its tenant, so a key of no named tenant stands under one tag for
 * each tenant the log has seen; the log's state lists them (FORMAT.md section 2), at most
 * STELE_LOG_TENANTS_MAX.
 */
#ifndef STELE_STORAGE_KEY_TAGS_H
#define STELE_STORAGE_KEY_TAGS_H

#include "storage/log.h"

/* What is looked for, kept for as long as a stream needs it. */
struct stele_key_query {
    uint8_t field;
    stele_buf value;
    stele_buf tenants; /* lp-coded names */
    size_t n_tenants;
};
/* Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_key_query_init(struct stele_key_query *query,
                                                 struct stele_log *log,
                                                 const struct stele_index_key *key, stele_err *err);
void stele_key_query_done(struct stele_key_query *query);

struct stele_key_tags {
    size_t n;
    uint8_t (*tag)[STELE_TAG_BYTES]; /* ascending, late bit 0 */
};
/* Replaces `tags`. Errors: those of the tag key. */
STELE_MUST_USE stele_status stele_key_tags_make(struct stele_key_tags *tags, struct stele_log *log,
                                                const struct stele_key_query *query, uint32_t era,
                                                stele_err *err);
void stele_key_tags_done(struct stele_key_tags *tags);
/* True if `tag`, whatever its late bit, is one of them. */
bool stele_key_tags_have(const struct stele_key_tags *tags, const uint8_t tag[STELE_AT_LEAST(16)]);

#endif
