/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/scope.h: which logs a question is about, each pinned at a size. Layer: query.
 *
 * A scope is opened after the call has begun: whatever was acknowledged before is below the pinned
 * sizes (storage/log.h), so it is in the answer, and nothing about the scope changes while the
 * answer is made. For an answer that is proven the size is that of a signed checkpoint over all of
 * it.
 */
#ifndef STELE_QUERY_SCOPE_H
#define STELE_QUERY_SCOPE_H

#include "query/filter.h"
#include "query/limits.h"
#include "storage/manifest.h"

struct stele_scope_log {
    struct stele_log *log;
    struct stele_log_view *view;     /* owned by the scope */
    uint64_t size;                   /* entries [0, size) are asked */
    stele_buf note;                  /* prove: the signed checkpoint of that size */
    struct stele_manifest *manifest; /* complete: of an INDEX entry below that size; owned */
};
struct stele_scope {
    size_t n;
    struct stele_scope_log log[STELE_QUERY_LOGS_MAX]; /* ascending by name */
};

/*
 * Opens the logs the question names, or those of the region; the system log only if it is named or
 * audit_control events are asked for. Signs checkpoints if the question wants proof. For a complete
 * answer the region's logs are all of them, and each is sealed first. Blocks on storage. Errors:
 * NOT_FOUND (a log the region does not have; the text names those it has), BUSY (the index is not
 * there in time), those of storage.
 */
STELE_MUST_USE stele_status stele_scope_open(struct stele_store *store,
                                             const struct stele_query_question *question,
                                             struct stele_scope *ret, stele_err *err);
/* Also for a scope that is all zeros. */
void stele_scope_close(struct stele_scope *scope);

/* The log of a region by its name. Errors: NOT_FOUND, naming those there are. */
STELE_MUST_USE stele_status stele_scope_find(struct stele_store *store, stele_view name,
                                             struct stele_log **ret, stele_err *err);
/*
 * A view and a signed note of one size: at least min_size, and at most the view's. ret_size is the
 * note's. Errors: INVALID (min_size is beyond the log), those of storage.
 */
STELE_MUST_USE stele_status stele_scope_sign(struct stele_log *log, uint64_t min_size,
                                             struct stele_log_view **ret_view, uint64_t *ret_size,
                                             stele_buf *note, stele_err *err);

#endif
