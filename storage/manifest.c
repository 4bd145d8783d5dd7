/* SPDX-License-Identifier: Apache-2.0 */
/* storage/manifest.c: the counted list of segments that an INDEX entry commits to. */
#include "storage/manifest.h"

#include <assert.h>
#include <string.h>

#include "storage/boundaries.h"
#include "storage/log_parts.h"

stele_status stele_manifest__new(size_t n, struct stele_manifest **ret, stele_err *err) {
    struct stele_manifest *manifest = NULL;
    if (n > STELE_DESCRIPTORS_MAX) {
        return STELE_FAIL(
            err, LIMIT,
            "an index of %zu segments; an INDEX entry names at most %d, let them be merged first",
            n, STELE_DESCRIPTORS_MAX);
    }
    manifest = stele_alloc(1, sizeof *manifest);
    if (manifest != NULL) {
        atomic_init(&manifest->refs, 1);
        stele_state_init(&manifest->state);
        manifest->segment = stele_alloc(n, sizeof(struct stele_segment_ref *));
        manifest->descriptor = stele_alloc(n, sizeof *manifest->descriptor);
        manifest->hash = stele_alloc(n, STELE_HASH_BYTES);
    }
    if (manifest == NULL || manifest->segment == NULL || manifest->descriptor == NULL ||
        manifest->hash == NULL) {
        stele_manifest_unref(manifest);
        return STELE_FAIL(err, NO_MEMORY, "no memory for an index of %zu segments", n);
    }
    *ret = manifest;
    return STELE_OK;
}

void stele_manifest_unref(struct stele_manifest *manifest) {
    if (manifest == NULL ||
        atomic_fetch_sub_explicit(&manifest->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < manifest->n; i++) {
        stele_segment_ref_unref(manifest->segment[i]);
    }
    stele_state_done(&manifest->state);
    stele_free(manifest->segment);
    stele_free(manifest->descriptor);
    stele_free(manifest->hash);
    stele_free(manifest);
}

void stele_manifest__add(struct stele_manifest *manifest, struct stele_segment_ref *segment,
                         const struct stele_descriptor *descriptor) {
    size_t at = manifest->n++;
    assert(descriptor->info.lo == manifest->covered);
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    manifest->segment[at] = segment;
    manifest->descriptor[at] = *descriptor;
    stele_descriptor_hash(descriptor, manifest->hash + at * STELE_HASH_BYTES);
    manifest->covered = descriptor->info.hi;
}

stele_status stele_manifest__boundaries(const struct stele_manifest *manifest, stele_buf *out,
                                        stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t *hi = stele_alloc(manifest->n, sizeof *hi);
    if (hi == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the boundaries of %zu segments",
                          manifest->n);
    }
    for (size_t i = 0; i < manifest->n; i++) {
        hi[i] = manifest->descriptor[i].info.hi;
    }
    STELE_TRY(stele_boundaries_write(hi, manifest->n, out, err));
cleanup:
    stele_free(hi);
    return st;
}

stele_status stele_manifest_node(void *ctx, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    const struct stele_manifest *manifest = ctx;
    if (level > 12 || index >= manifest->n ||
        ((index + 1) << level) > manifest->n) { /* 2^12 is the most there can be */
        return STELE_FAIL(err, INVALID, "no complete subtree %llu at level %u over %zu descriptors",
                          (unsigned long long)index, level, manifest->n);
    }
    size_t n = (size_t)1 << level;
    return stele_tree_shape_root(stele_hash_manifest_inner,
                                 manifest->hash + (size_t)index * n * STELE_HASH_BYTES, n, ret,
                                 err);
}

size_t stele_manifest_segment_of(const struct stele_manifest *manifest, uint64_t seq) {
    size_t low = 0;
    size_t high = manifest->n;
    while (high > low) {
        size_t middle = low + (high - low) / 2;
        if (manifest->descriptor[middle].info.hi <= seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

stele_status stele_log_manifest(struct stele_log *log, struct stele_manifest **ret,
                                stele_err *err) {
    (void)pthread_mutex_lock(&log->lock);
    struct stele_manifest *manifest = log->manifest;
    if (manifest != NULL) {
        atomic_fetch_add_explicit(&manifest->refs, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (manifest == NULL) {
        return STELE_FAIL(
            err, NOT_FOUND,
            "log %s has no index that is committed to since it was opened; seal it first",
            log->full_name);
    }
    *ret = manifest;
    return STELE_OK;
}
