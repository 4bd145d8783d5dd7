/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/malicious_store.h"

#include <string.h>

#include "storage/leaf_window.h"
#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "tests/support/cmocka.h"

static struct stele_posting *read_postings(struct stele_segment *segment, size_t *ret_n) {
    const struct stele_segment_info *info = stele_segment_info_of(segment);
    struct stele_segment_walker *walker = NULL;
    struct stele_posting *postings =
        stele_alloc(2 * (size_t)(info->n_postings + 1), sizeof *postings);
    uint64_t seq = 0;
    size_t n = 0;
    assert_non_null(postings);
    assert_ok(stele_segment_walk(segment, &walker, NULL));
    while (stele_segment_walk_next(walker, postings[n].tag, &seq, NULL) == STELE_OK) {
        postings[n++].offset = (uint32_t)(seq - info->lo);
    }
    assert_int_equal(n, info->n_postings);
    stele_segment_walk_free(walker);
    *ret_n = n;
    return postings;
}

/* Blobs never change: a dishonest operator removes one and puts another in its place. */
static void replace_blob(struct stele_engine *engine, const char *key, const stele_buf *bytes) {
    assert_ok(engine->ops->blob_expire(engine, key, UINT64_MAX, NULL));
    assert_ok(stele_engine_put(engine, key, stele_view_buf(bytes), NULL, NULL));
}

/* Puts a segment of these postings in the place of the log's first one, on disk too. */
static void replace_first(struct stele_log *log, const struct stele_segment_info *info,
                          struct stele_posting *postings, size_t n) {
    struct stele_segment_ref *forged = NULL;
    struct stele_leaf_window window;
    struct stele_catalog *catalog = stele_log__pin(log);
    stele_leaf_window_init(&window, catalog);
    assert_ok(stele_segment_ref_build(info, postings, n, stele_leaf_window_source(&window), &forged,
                                      NULL));
    struct stele_catalog_edit edit = {
        .segment_at = 0, .segments_out = 1, .segments_in = 1, .segments = &forged};
    assert_ok(stele_log__edit(log, &edit, 0, NULL));
    replace_blob(log->engine, catalog->segment[0]->key, &forged->segment_bytes);
    replace_blob(log->engine, catalog->segment[0]->seal_key, &forged->seal_bytes);
    stele_segment_ref_unref(forged);
    stele_leaf_window_done(&window);
    stele_catalog_unref(catalog);
}

bool malicious_has_segment(struct stele_log *log) {
    struct stele_catalog *catalog = stele_log__pin(log);
    bool has = catalog->n_segments > 0;
    stele_catalog_unref(catalog);
    return has;
}

void malicious_flip_posting(struct stele_log *log, const struct malicious_posting *posting) {
    struct stele_catalog *catalog = stele_log__pin(log);
    struct stele_segment *first = catalog->segment[0]->segment;
    const struct stele_segment_info *info = stele_segment_info_of(first);
    size_t n = 0;
    size_t at = 0;
    struct stele_posting *postings = read_postings(first, &n);
    while (at < n && (memcmp(postings[at].tag, posting->tag, STELE_TAG_BYTES) != 0 ||
                      postings[at].offset != posting->seq - info->lo)) {
        at++;
    }
    if (at < n) {
        postings[at] = postings[--n];
    } else {
        memcpy(postings[n].tag, posting->tag, STELE_TAG_BYTES);
        postings[n++].offset = (uint32_t)(posting->seq - info->lo);
    }
    replace_first(log, info, postings, n);
    stele_free(postings);
    stele_catalog_unref(catalog);
}

void malicious_forge_bounds(struct stele_log *log) {
    struct stele_catalog *catalog = stele_log__pin(log);
    struct stele_segment *first = catalog->segment[0]->segment;
    struct stele_segment_info info = *stele_segment_info_of(first);
    size_t n = 0;
    struct stele_posting *postings = read_postings(first, &n);
    info.t_first = info.t_last;
    replace_first(log, &info, postings, n);
    stele_free(postings);
    stele_catalog_unref(catalog);
}

void malicious_disorder(struct stele_log *log, const struct disorder_plan *how) {
    struct stele_segment_ref *forged = NULL;
    struct stele_leaf_window window;
    struct stele_catalog *catalog = stele_log__pin(log);
    struct stele_segment_ref *first = catalog->segment[0];
    stele_buf segment = STELE_BUF_EMPTY;
    stele_buf seal = STELE_BUF_EMPTY;
    size_t n = 0;
    struct stele_posting *postings = read_postings(first->segment, &n);
    stele_leaf_window_init(&window, catalog);
    disordered_segment_write(how, stele_segment_info_of(first->segment), postings, n, &segment);
    disordered_segment_seal(how, &segment, stele_leaf_window_source(&window), postings, n, &seal);
    replace_blob(log->engine, first->key, &segment);
    replace_blob(log->engine, first->seal_key, &seal);
    assert_ok(stele_segment_ref_open_any_order(log->engine, first->key, &forged, NULL));
    struct stele_catalog_edit edit = {
        .segment_at = 0, .segments_out = 1, .segments_in = 1, .segments = &forged};
    assert_ok(stele_log__edit(log, &edit, 0, NULL));
    stele_segment_ref_unref(forged);
    stele_buf_done(&segment);
    stele_buf_done(&seal);
    stele_leaf_window_done(&window);
    stele_free(postings);
    stele_catalog_unref(catalog);
}

static void answered(void *arg, stele_status st, const stele_err *err,
                     const struct stele_batch_place *place) {
    (void)place;
    stele_append__tell(arg, st, err);
}

uint64_t malicious_false_index(struct stele_log *log) {
    struct stele_manifest *newest = NULL;
    struct stele_manifest *forged = NULL;
    assert_ok(stele_log_manifest(log, &newest, NULL));
    assert_ok(stele_manifest__new(newest->n, &forged, NULL));
    for (size_t i = 0; i < newest->n; i++) {
        struct stele_descriptor descriptor = newest->descriptor[i];
        descriptor.key_root[0] ^= i == 0;
        stele_manifest__add(forged, newest->segment[i], &descriptor);
    }
    struct stele_append_wait wait = STELE_APPEND_WAIT_INIT;
    assert_ok(stele_log__submit_index(log, forged, answered, &wait, NULL));
    assert_ok(stele_append__await(&wait, NULL));
    uint64_t seq = forged->index_seq;
    stele_manifest_unref(forged);
    stele_manifest_unref(newest);
    return seq;
}
