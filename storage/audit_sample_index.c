/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_sample_index.c: see audit_sample.h. */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_sample.h"
#include "storage/boundaries.h"

/* Entry seq, proven. Replaces what was read. */
static stele_status read_single(struct stele_sample_index *x, uint64_t seq,
                                struct stele_sample_entry *ret, stele_err *err) {
    const struct stele_audit_source *source = x->source;
    const struct stele_audit_entry *given = NULL;
    struct stele_leaf_pos pos = {seq, source->checkpoint.size_leaves};
    struct stele_tree_path path;
    uint8_t leaf[STELE_HASH_BYTES];
    size_t n = 0;
    stele_status st = STELE_OK;
    if (source->want != NULL) {
        source->want(source->ctx, seq, seq + 1);
    }
    STELE_TRY(source->read(source->ctx, seq, &given, &n, err));
    x->n_single++;
    stele_buf_clear(&ret->bytes);
    stele_buf_clear(&ret->body);
    STELE_TRY(stele_buf_append(&ret->bytes, given->entry, err));
    STELE_TRY(stele_buf_append(&ret->body, given->body, err));
    stele_hash_leaf(stele_view_buf(&ret->bytes), leaf);
    STELE_TRY(stele_tree_prove_inclusion(pos, source->node, source->ctx, &path, err));
    if (stele_tree_check_inclusion(leaf, pos, path.node[0], path.n, source->checkpoint.root,
                                   NULL) != STELE_OK) {
        return STELE_FAIL(err, UNVERIFIED,
                          "%s: entry %" PRIu64 " as it is shown is not in the tree that the newest "
                          "checkpoint signs",
                          source->log, seq);
    }
    STELE_TRY(
        stele_corrupt(stele_entry_decode(stele_view_buf(&ret->bytes), &ret->entry, err), err));
cleanup:
    return st;
}

uint64_t stele_sample_index_lo(const struct stele_sample_index *x, size_t i) {
    return i == 0 ? 0 : x->hi[i - 1];
}

/* The source's word for each segment, where it has one that can be. */
static stele_status read_descriptors(struct stele_sample_index *x, stele_view bytes,
                                     stele_err *err) {
    static const uint8_t none[STELE_DESCRIPTOR_BYTES];
    stele_status st = STELE_OK;
    if (bytes.size != x->n * STELE_DESCRIPTOR_BYTES) {
        return STELE_FAIL(err, CORRUPT,
                          "%s: the INDEX entry %" PRIu64 " has %zu segments, and %zu bytes of "
                          "descriptors are shown for it",
                          x->source->log, x->index.entry.seq, x->n, bytes.size);
    }
    for (size_t i = 0; i < x->n; i++) {
        const uint8_t *at = bytes.data + i * STELE_DESCRIPTOR_BYTES;
        struct stele_descriptor *known = &x->known[i];
        if (memcmp(at, none, sizeof none) == 0) {
            continue;
        }
        STELE_TRY(stele_descriptor_decode(stele_view_of(at, sizeof none), known, err));
        if (known->info.lo != stele_sample_index_lo(x, i) || known->info.hi != x->hi[i]) {
            STELE_TRY(STELE_FAIL(err, CORRUPT,
                                 "%s: descriptor %zu is of entries %" PRIu64 " to %" PRIu64
                                 ", segment %zu of the INDEX entry %" PRIu64 " is not",
                                 x->source->log, i, known->info.lo, known->info.hi, i,
                                 x->index.entry.seq));
        }
    }
cleanup:
    return stele_corrupt(st, err);
}

stele_status stele_sample_index_open(const struct stele_audit_source *source,
                                     struct stele_sample_index *x, stele_err *err) {
    stele_buf descriptors = STELE_BUF_EMPTY;
    uint64_t seq = 0;
    stele_status st = STELE_OK;
    x->source = source;
    STELE_TRY(source->index(source->ctx, &seq, &descriptors, err));
    STELE_TRY(read_single(x, seq, &x->index, err));
    const struct stele_entry_index *index = &x->index.entry.as.index;
    if (x->index.entry.type != STELE_ENTRY_INDEX || x->index.entry.seq != seq ||
        index->n_segments > STELE_DESCRIPTORS_MAX) {
        STELE_TRY(STELE_FAIL(err, CORRUPT, "%s: entry %" PRIu64 " is shown as an INDEX and is none",
                             source->log, seq));
    }
    x->n = index->n_segments;
    x->hi = stele_alloc(x->n, sizeof *x->hi);
    x->known = stele_alloc(x->n, sizeof *x->known);
    if (x->hi == NULL || x->known == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for %zu segments", x->n));
    }
    st = stele_boundaries_read(stele_view_buf(&x->index.body), index, x->hi, err);
    STELE_TRY(stele_corrupt(st, err));
    STELE_TRY(read_descriptors(x, stele_view_buf(&descriptors), err));
cleanup:
    stele_buf_done(&descriptors);
    return st;
}

static void entry_done(struct stele_sample_entry *entry) {
    stele_buf_done(&entry->bytes);
    stele_buf_done(&entry->body);
}

void stele_sample_index_done(struct stele_sample_index *x) {
    entry_done(&x->index);
    entry_done(&x->control);
    stele_free(x->hi);
    stele_free(x->known);
}

size_t stele_sample_index_n_missing(const struct stele_sample_index *x) {
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++) {
        n += x->known[i].info.hi == 0;
    }
    return n;
}

stele_status stele_sample_index_is_committed(const struct stele_sample_index *x, bool *ret,
                                             stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    uint8_t *hash = stele_alloc(x->n, STELE_HASH_BYTES);
    if (hash == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu descriptors", x->n);
    }
    for (size_t i = 0; i < x->n; i++) {
        stele_descriptor_hash(&x->known[i], hash + i * STELE_HASH_BYTES);
    }
    stele_status st = stele_tree_shape_root(stele_hash_manifest_inner, hash, x->n, root, err);
    *ret = memcmp(root, x->index.entry.as.index.manifest_root, sizeof root) == 0;
    stele_free(hash);
    return st;
}

/* The INDEX names the newest CONTROL, and each CONTROL the one before: they are few, and none of
 * them can be left out. */
stele_status stele_sample_index_epoch(struct stele_sample_index *x, uint64_t lo,
                                      struct stele_audit_entry *ret, stele_err *err) {
    struct stele_sample_entry *control = &x->control;
    if (lo > x->control_lo) {
        stele_buf_clear(&control->bytes);
    }
    x->control_lo = lo;
    uint64_t next = control->bytes.size == 0 ? x->index.entry.as.index.control : control->entry.seq;
    bool is = false;
    stele_status st = STELE_OK;
    while (!is) {
        if (next == STELE_NO_SEQ) {
            return STELE_FAIL(err, NOT_FOUND, "%s: no EPOCH before entry %" PRIu64, x->source->log,
                              lo);
        }
        if (control->bytes.size == 0 || control->entry.seq != next) {
            STELE_TRY(read_single(x, next, control, err));
        }
        if (control->entry.type != STELE_ENTRY_CONTROL || control->entry.seq != next) {
            return STELE_FAIL(err, CORRUPT,
                              "%s: entry %" PRIu64 " is named as a CONTROL and is none",
                              x->source->log, next);
        }
        is = next < lo && control->entry.as.control.kind == STELE_CONTROL_EPOCH;
        next = control->entry.as.control.prev; /* less than its seq: decoding checks it */
    }
    *ret = (struct stele_audit_entry){.entry = stele_view_buf(&control->bytes),
                                      .body = stele_view_buf(&control->body)};
cleanup:
    return st;
}

stele_status stele_sample_frontier(const struct stele_audit_source *source, uint64_t lo,
                                   struct stele_frontier *ret, stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    uint64_t at = 0;
    stele_frontier_init(ret);
    while (at < lo) {
        unsigned level = 63u - (unsigned)__builtin_clzll(lo - at);
        stele_status st = source->node(source->ctx, level, at >> level, root, err);
        if (st != STELE_OK) {
            return st;
        }
        stele_frontier_push_subtree(ret, level, root);
        at += UINT64_C(1) << level;
    }
    return STELE_OK;
}

stele_status stele_sample_is_prefix(const struct stele_audit_source *source, uint64_t size_leaves,
                                    const uint8_t root[STELE_AT_LEAST(32)], bool *ret,
                                    stele_err *err) {
    const struct stele_checkpoint *checkpoint = &source->checkpoint;
    struct stele_tree_path path;
    stele_status st = stele_tree_prove_consistency(size_leaves, checkpoint->size_leaves,
                                                   source->node, source->ctx, &path, err);
    if (st == STELE_OK) {
        *ret = stele_tree_check_consistency(size_leaves, checkpoint->size_leaves, path.node[0],
                                            path.n, root, checkpoint->root, NULL) == STELE_OK;
    }
    return st;
}
