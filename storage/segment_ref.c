/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_ref.c: counted index segments, each with its seal. A segment's blob is written
 * before its seal's, which is made of it; a segment without a seal is what a stop between the two
 * leaves, and gets one when the store is opened.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/catalog.h"

static stele_status read_segment(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                 stele_err *err) {
    struct stele_segment_ref *ref = ctx;
    return ref->engine->ops->blob_get(ref->engine, ref->key, offset, size, out, err);
}

static stele_status read_seal(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                              stele_err *err) {
    struct stele_segment_ref *ref = ctx;
    return ref->engine->ops->blob_get(ref->engine, ref->seal_key, offset, size, out, err);
}

static stele_status read_memory(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                stele_err *err) {
    const stele_buf *bytes = ctx;
    uint64_t left = offset < bytes->size ? bytes->size - offset : 0;
    return stele_buf_append(
        out,
        stele_view_of(bytes->data + (left == 0 ? 0 : offset), size < left ? size : (size_t)left),
        err);
}

static stele_status write_memory(void *ctx, stele_view bytes, stele_err *err) {
    return stele_buf_append(ctx, bytes, err);
}

static stele_status ref_new(struct stele_engine *engine, const char *key,
                            struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = stele_alloc(1, sizeof *ref);
    if (ref == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an index segment");
    }
    atomic_init(&ref->refs, 1);
    ref->engine = engine;
    if (engine != NULL) {
        (void)snprintf(ref->key, sizeof ref->key, "%s", key);
        (void)snprintf(ref->seal_key, sizeof ref->seal_key, "%s", key);
        char *kind = strstr(ref->seal_key, "/i/");
        assert(kind != NULL);
        kind[1] = 's';
    }
    *ret = ref;
    return STELE_OK;
}

typedef stele_status (*open_fn)(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                                struct stele_segment **ret, stele_err *err);

static stele_status open_bare(struct stele_engine *engine, const char *key, open_fn open,
                              struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    uint64_t size = 0;
    stele_status st = STELE_OK;
    STELE_TRY(ref_new(engine, key, &ref, err));
    STELE_TRY(engine->ops->blob_size(engine, ref->key, &size, err));
    STELE_TRY(open(read_segment, ref, size, &ref->segment, err));
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

stele_status stele_segment_ref_open_bare(struct stele_engine *engine, const char *key,
                                         struct stele_segment_ref **ret, stele_err *err) {
    return open_bare(engine, key, stele_segment_open, ret, err);
}

static stele_status open_sealed(struct stele_engine *engine, const char *key, open_fn open,
                                struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    uint64_t size = 0;
    stele_status st = STELE_OK;
    STELE_TRY(open_bare(engine, key, open, &ref, err));
    STELE_TRY(engine->ops->blob_size(engine, ref->seal_key, &size, err));
    STELE_TRY(stele_seal_open(read_seal, ref, size, ref->segment, &ref->seal, err));
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

stele_status stele_segment_ref_open(struct stele_engine *engine, const char *key,
                                    struct stele_segment_ref **ret, stele_err *err) {
    return open_sealed(engine, key, stele_segment_open, ret, err);
}

stele_status stele_segment_ref_open_any_order(struct stele_engine *engine, const char *key,
                                              struct stele_segment_ref **ret, stele_err *err) {
    return open_sealed(engine, key, stele_segment_open_any_order, ret, err);
}

struct sink {
    struct stele_engine *engine;
    struct stele_blob_writer *blob;
};

static stele_status write_blob(void *ctx, stele_view bytes, stele_err *err) {
    struct sink *sink = ctx;
    return sink->engine->ops->blob_write(sink->blob, bytes, err);
}

stele_status stele_segment_ref_seal(struct stele_engine *engine, const char *key,
                                    const struct stele_posting *postings, size_t n,
                                    struct stele_leaf_source leaves, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    struct stele_descriptor descriptor;
    struct sink sink = {engine, NULL};
    stele_status st = STELE_OK;
    STELE_TRY(stele_segment_ref_open_bare(engine, key, &ref, err));
    STELE_TRY(engine->ops->blob_begin(engine, ref->seal_key, &sink.blob, err));
    STELE_TRY(postings == NULL
                  ? stele_seal_build(ref->segment, leaves, write_blob, &sink, &descriptor, err)
                  : stele_seal_build_of(ref->segment, postings, n, leaves, write_blob, &sink,
                                        &descriptor, err));
    struct stele_blob_writer *done = sink.blob;
    sink.blob = NULL;
    STELE_TRY(engine->ops->blob_commit(done, NULL, err));
cleanup:
    if (sink.blob != NULL) {
        engine->ops->blob_abort(sink.blob);
    }
    stele_segment_ref_unref(ref);
    return st;
}

static stele_status write_postings(const struct stele_segment_info *info,
                                   const struct stele_posting *postings, size_t n, stele_buf *out,
                                   stele_err *err) {
    struct stele_segment_writer *writer = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_segment_writer_new(info, write_memory, out, &writer, err));
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(
            stele_segment_writer_add(writer, postings[i].tag, info->lo + postings[i].offset, err));
    }
    STELE_TRY(stele_segment_writer_end(writer, err));
cleanup:
    stele_segment_writer_free(writer);
    return st;
}

stele_status stele_segment_ref_build(const struct stele_segment_info *info,
                                     struct stele_posting *postings, size_t n,
                                     struct stele_leaf_source leaves,
                                     struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    struct stele_descriptor descriptor;
    stele_status st = STELE_OK;
    STELE_TRY(ref_new(NULL, NULL, &ref, err));
    stele_postings_sort(postings, n, postings + n);
    STELE_TRY(write_postings(info, postings, n, &ref->segment_bytes, err));
    STELE_TRY(stele_segment_open(read_memory, &ref->segment_bytes, ref->segment_bytes.size,
                                 &ref->segment, err));
    STELE_TRY(stele_seal_build_of(ref->segment, postings, n, leaves, write_memory, &ref->seal_bytes,
                                  &descriptor, err));
    STELE_TRY(stele_seal_open(read_memory, &ref->seal_bytes, ref->seal_bytes.size, ref->segment,
                              &ref->seal, err));
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

stele_status stele_segment_ref_merge(struct stele_segment_ref *const *refs, size_t n,
                                     struct stele_leaf_source leaves,
                                     struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment *segment[STELE_SEGMENT_FANIN_MAX];
    struct stele_seal *seal[STELE_SEGMENT_FANIN_MAX];
    struct stele_segment_ref *ref = NULL;
    struct stele_descriptor descriptor;
    stele_status st = STELE_OK;
    assert(n > 0 && n <= STELE_SEGMENT_FANIN_MAX);
    for (size_t i = 0; i < n; i++) {
        segment[i] = refs[i]->segment;
        seal[i] = refs[i]->seal;
    }
    STELE_TRY(ref_new(NULL, NULL, &ref, err));
    STELE_TRY(stele_segment_merge(segment, n, write_memory, &ref->segment_bytes, err));
    STELE_TRY(stele_segment_open(read_memory, &ref->segment_bytes, ref->segment_bytes.size,
                                 &ref->segment, err));
    const struct stele_seal_parts parts = {ref->segment, segment, seal, n};
    STELE_TRY(stele_seal_merge(&parts, leaves, write_memory, &ref->seal_bytes, &descriptor, err));
    STELE_TRY(stele_seal_open(read_memory, &ref->seal_bytes, ref->seal_bytes.size, ref->segment,
                              &ref->seal, err));
    *ret = ref;
    ref = NULL;
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

stele_status stele_segment_ref_of(struct stele_segment *segment, struct stele_seal *seal,
                                  const struct stele_segment_backing *backing,
                                  struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment_ref *ref = NULL;
    stele_status st = ref_new(NULL, NULL, &ref, err);
    if (st == STELE_OK) {
        ref->segment = segment;
        ref->seal = seal;
        ref->backing = *backing;
        *ret = ref;
    }
    return st;
}

/* A failure leaves a blob that the next start finds superseded and removes. */
static void remove_blob(const struct stele_segment_ref *ref, const char *key) {
    stele_status ignored = ref->engine->ops->blob_expire(ref->engine, key, UINT64_MAX, NULL);
    (void)ignored;
}

void stele_segment_ref_unref(struct stele_segment_ref *ref) {
    if (ref == NULL || atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (atomic_load(&ref->superseded) && ref->engine != NULL) {
        remove_blob(ref, ref->seal_key);
        remove_blob(ref, ref->key);
    }
    stele_seal_close(ref->seal);
    stele_segment_close(ref->segment);
    if (ref->backing.done != NULL) {
        ref->backing.done(ref->backing.ctx);
    }
    stele_buf_done(&ref->segment_bytes);
    stele_buf_done(&ref->seal_bytes);
    stele_free(ref);
}
