/* SPDX-License-Identifier: Apache-2.0 */
/* storage/key_tags.c: from a key to its tags in an era. */
#include "storage/key_tags.h"

#include <stdlib.h>
#include <string.h>

#include "storage/log_parts.h"

static const char tenant_prefix[] = "tenant/";
#define TENANT_PREFIX_BYTES (sizeof tenant_prefix - 1)

/* The tenants the log's state lists, under the lock that publishing changes the state under. */
static stele_status copy_tenants(struct stele_log *log, struct stele_key_query *query,
                                 stele_err *err) {
    struct stele_writer w = stele_writer_to(&query->tenants);
    (void)pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->head.state.n; i++) {
        stele_view key = stele_view_buf(&log->head.state.leaf[i].key);
        if (key.size > TENANT_PREFIX_BYTES &&
            memcmp(key.data, tenant_prefix, TENANT_PREFIX_BYTES) == 0) {
            stele_write_lp(
                &w, stele_view_slice(key, TENANT_PREFIX_BYTES, key.size - TENANT_PREFIX_BYTES));
            query->n_tenants++;
        }
    }
    (void)pthread_mutex_unlock(&log->lock);
    return stele_writer_end(&w, err);
}

stele_status stele_key_query_init(struct stele_key_query *query, struct stele_log *log,
                                  const struct stele_index_key *key, stele_err *err) {
    stele_status st = STELE_OK;
    *query = (struct stele_key_query){.field = key->field};
    struct stele_writer w = stele_writer_to(&query->tenants);
    STELE_TRY(stele_buf_append(&query->value, key->value, err));
    if (key->tenant.size == 0) {
        STELE_TRY(copy_tenants(log, query, err));
    } else {
        stele_write_lp(&w, key->tenant);
        query->n_tenants = 1;
        STELE_TRY(stele_writer_end(&w, err));
    }
    return STELE_OK;
cleanup:
    stele_key_query_done(query);
    return st;
}

void stele_key_query_done(struct stele_key_query *query) {
    stele_buf_done(&query->value);
    stele_buf_done(&query->tenants);
    query->n_tenants = 0;
}

static int compare_tags(const void *a, const void *b) {
    return memcmp(a, b, STELE_TAG_BYTES);
}

stele_status stele_key_tags_make(struct stele_key_tags *tags, struct stele_log *log,
                                 const struct stele_key_query *query, uint32_t era,
                                 stele_err *err) {
    const struct stele_tag_key *tag_key = NULL;
    stele_status st = STELE_OK;
    struct stele_reader r = stele_reader_of(stele_view_buf(&query->tenants), "tenants");
    if (tags->tag == NULL) {
        tags->tag = stele_alloc(query->n_tenants, STELE_TAG_BYTES);
        if (tags->tag == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for the tags of %zu tenants",
                              query->n_tenants);
        }
    }
    tags->n = 0;
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, era, false, &tag_key, err));
    while (tags->n < query->n_tenants) {
        stele_view tenant;
        STELE_TRY(stele_read_lp(&r, &tenant, err));
        stele_tag_of(tag_key, tenant, query->field, stele_view_buf(&query->value), false,
                     tags->tag[tags->n++]);
    }
    if (tags->n > 1) {
        qsort(tags->tag, tags->n, STELE_TAG_BYTES, compare_tags);
    }
cleanup:
    return st;
}

void stele_key_tags_done(struct stele_key_tags *tags) {
    stele_free(tags->tag);
    *tags = (struct stele_key_tags){0, NULL};
}

bool stele_key_tags_have(const struct stele_key_tags *tags, const uint8_t tag[STELE_AT_LEAST(16)]) {
    uint8_t base[STELE_TAG_BYTES];
    memcpy(base, tag, STELE_TAG_BYTES);
    base[STELE_TAG_BYTES - 1] &= 0xfe;
    if (tags->n == 1) {
        return memcmp(base, tags->tag[0], STELE_TAG_BYTES) == 0;
    }
    return tags->n > 0 && bsearch(base, tags->tag, tags->n, STELE_TAG_BYTES, compare_tags) != NULL;
}
