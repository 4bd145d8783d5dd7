/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_sample.h: the index that a sample is drawn from: the newest INDEX entry that is
 * signed, what it is said to commit to, and the EPOCHs before its segments. Layer: storage, private
 * to audit_sample.c.
 *
 * Every entry that comes from here is proven to be in the checkpoint's tree. The descriptors are
 * the source's word until their manifest root is that of the INDEX entry.
 */
#ifndef STELE_STORAGE_AUDIT_SAMPLE_H
#define STELE_STORAGE_AUDIT_SAMPLE_H

#include "storage/audit_run.h"

/* An entry that was read for itself, with its body. */
struct stele_sample_entry {
    struct stele_entry entry;
    stele_buf bytes, body;
};
struct stele_sample_index {
    const struct stele_audit_source *source; /* borrowed */
    struct stele_sample_entry index;
    size_t n;                          /* segments */
    uint64_t *hi;                      /* where each ends */
    struct stele_descriptor *known;    /* those with hi 0 are missing */
    struct stele_sample_entry control; /* how far the CONTROL entries were followed back */
    uint64_t control_lo;               /* and for which entry */
    uint64_t n_single;                 /* entries that were read here */
};
/* A zeroed one, for _done also after a failure. Errors: NOT_FOUND (there is no INDEX entry),
 * UNVERIFIED (what the source shows is not in the log), CORRUPT, those of the source. */
STELE_MUST_USE stele_status stele_sample_index_open(const struct stele_audit_source *source,
                                                    struct stele_sample_index *ret, stele_err *err);
void stele_sample_index_done(struct stele_sample_index *index);
/* Where segment i begins. */
uint64_t stele_sample_index_lo(const struct stele_sample_index *index, size_t i);
size_t stele_sample_index_n_missing(const struct stele_sample_index *index);
/* That the descriptors, none of them missing, are those that the INDEX entry commits to. */
STELE_MUST_USE stele_status stele_sample_index_is_committed(const struct stele_sample_index *index,
                                                            bool *ret, stele_err *err);
/* The newest EPOCH before entry lo; cheap if each call asks for one before that of the last.
 * Borrows the index until the next call. Errors: NOT_FOUND (there is none), UNVERIFIED, CORRUPT. */
STELE_MUST_USE stele_status stele_sample_index_epoch(struct stele_sample_index *index, uint64_t lo,
                                                     struct stele_audit_entry *ret, stele_err *err);
/* The frontier of the tree of the first lo entries, by the source's nodes: a root made from it
 * shows whether they are the log's. */
STELE_MUST_USE stele_status stele_sample_frontier(const struct stele_audit_source *source,
                                                  uint64_t lo, struct stele_frontier *ret,
                                                  stele_err *err);
/* Whether a tree of so many entries with that root is the beginning of the checkpoint's. */
STELE_MUST_USE stele_status stele_sample_is_prefix(const struct stele_audit_source *source,
                                                   uint64_t size_leaves,
                                                   const uint8_t root[STELE_AT_LEAST(32)],
                                                   bool *ret, stele_err *err);

#endif
