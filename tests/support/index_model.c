/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/index_model.c: the index of a stretch of a log, by recursion over plain lists. */
#include "tests/support/index_model.h"

#include <stdlib.h>
#include <string.h>

#include "storage/boundaries.h"
#include "storage/control.h"
#include "storage/log_parts.h"
#include "tests/support/cmocka.h"

/* One posting, with its hash. */
struct posting {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq;
    uint8_t hash[STELE_HASH_BYTES];
};
struct postings {
    struct posting *at;
    size_t n, capacity;
};

static int by_tag_and_seq(const void *a, const void *b) {
    const struct posting *x = a;
    const struct posting *y = b;
    int order = memcmp(x->tag, y->tag, STELE_TAG_BYTES);
    return order != 0 ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static void add(struct postings *all, const uint8_t *tag, uint64_t seq,
                const uint8_t leaf[STELE_HASH_BYTES]) {
    if (all->n == all->capacity) {
        all->capacity = all->capacity == 0 ? 1024 : all->capacity * 2;
        all->at = stele_realloc(all->at, all->capacity, sizeof *all->at);
        assert_non_null(all->at);
    }
    struct posting *posting = &all->at[all->n++];
    memcpy(posting->tag, tag, STELE_TAG_BYTES);
    posting->seq = seq;
    stele_hash_posting(seq, leaf, posting->hash);
}

/* FORMAT.md: "the root of one posting is its hash; for more: the highest bit in which they differ".
 */
static void history_root(const struct posting *p, size_t n, uint8_t ret[STELE_HASH_BYTES]) {
    uint8_t left[STELE_HASH_BYTES];
    uint8_t right[STELE_HASH_BYTES];
    uint8_t bit = 63;
    size_t split = 0;
    if (n == 1) {
        memcpy(ret, p->hash, STELE_HASH_BYTES);
        return;
    }
    while (((p[0].seq ^ p[n - 1].seq) >> bit) == 0) {
        bit--;
    }
    while (((p[split].seq >> bit) & 1) == 0) {
        split++;
    }
    history_root(p, split, left);
    history_root(p + split, n - split, right);
    stele_hash_history(bit, left, right, ret);
}

/* RFC 6962 section 2.1. */
static void tree_root(stele_tree_inner_fn inner, const uint8_t *leaves, size_t n,
                      uint8_t ret[STELE_HASH_BYTES]) {
    uint8_t left[STELE_HASH_BYTES];
    uint8_t right[STELE_HASH_BYTES];
    size_t k = 1;
    if (n == 0) {
        stele_sha256_of(stele_view_of(NULL, 0), ret);
    } else if (n == 1) {
        memcpy(ret, leaves, STELE_HASH_BYTES);
    } else {
        while (k * 2 < n) {
            k *= 2;
        }
        tree_root(inner, leaves, k, left);
        tree_root(inner, leaves + k * STELE_HASH_BYTES, n - k, right);
        inner(left, right, ret);
    }
}

static void key_tree(const struct postings *all, struct stele_descriptor *ret) {
    uint8_t *leaves = stele_alloc(all->n, STELE_HASH_BYTES);
    size_t n_keys = 0;
    assert_non_null(leaves);
    for (size_t i = 0; i < all->n;) {
        uint8_t root[STELE_HASH_BYTES];
        uint8_t value[STELE_HASH_BYTES];
        size_t n = 1;
        while (i + n < all->n && memcmp(all->at[i].tag, all->at[i + n].tag, STELE_TAG_BYTES) == 0) {
            n++;
        }
        history_root(all->at + i, n, root);
        stele_hash_key_value(n, root, value);
        stele_hash_key_leaf(all->at[i].tag, value, leaves + n_keys * STELE_HASH_BYTES);
        n_keys++;
        i += n;
    }
    tree_root(stele_hash_key_inner, leaves, n_keys, ret->key_root);
    ret->info.n_keys = n_keys;
    ret->info.n_postings = all->n;
    stele_free(leaves);
}

static void take_entry(const struct stele_stored_entry *stored, struct stele_log_reader *reader,
                       uint64_t seq, struct postings *all, struct stele_segment_info *info) {
    const struct stele_tag_set *tags = NULL;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_err err;
    info->t_first = seq == info->lo ? stored->entry.time_us : info->t_first;
    info->t_last = stored->entry.time_us;
    if (stored->entry.type != STELE_ENTRY_EVENT) {
        return;
    }
    assert_int_equal(stored->entry.era, info->era);
    if (stored->entry.as.event.late) {
        uint64_t event_us = stored->entry.as.event.event_us;
        info->late_first = event_us < info->late_first ? event_us : info->late_first;
        info->late_last = event_us > info->late_last ? event_us : info->late_last;
    }
    stele_hash_leaf(stele_view_of(stored->bytes, stored->n_bytes), leaf);
    assert_ok(stele_log_read_tags(reader, &tags, &err));
    for (uint16_t i = 0; i < tags->n; i++) {
        add(all, tags->tag[i], seq, leaf);
    }
}

/* The era that holds an entry, from the EPOCHs of the state. */
static uint32_t era_of(struct stele_log *log, uint64_t seq, struct stele_epoch *ret) {
    uint32_t era = 0;
    (void)pthread_mutex_lock(&log->lock);
    const struct stele_state *state = &log->head.state;
    for (size_t i = 0; i < state->n; i++) {
        stele_view key = stele_view_buf(&state->leaf[i].key);
        if (key.size < 7 || memcmp(key.data, "epoch/", 6) != 0) {
            continue;
        }
        uint32_t number = stele_get_u32(state->leaf[i].value.data);
        assert_ok(stele_control_epoch_of(state, number, ret, NULL));
        bool first = era == 0;
        if (first || ret->seq <= seq) {
            era =
                number; /* keys ascend, and with them the EPOCHs; the first era begins at entry 0 */
        }
    }
    assert_ok(stele_control_epoch_of(state, era, ret, NULL));
    (void)pthread_mutex_unlock(&log->lock);
    return era;
}

void index_model_descriptor(struct stele_log *log, uint64_t lo, uint64_t hi,
                            struct stele_descriptor *ret) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct postings all = {NULL, 0, 0};
    struct stele_stored_entry stored;
    struct stele_epoch epoch;
    stele_err err;
    *ret = (struct stele_descriptor){.info = {.lo = lo, .hi = hi, .late_first = UINT64_MAX}};
    ret->info.era = era_of(log, lo, &epoch);
    ret->info.map_version = epoch.map_version;
    ret->info.tag_alg = epoch.tag_alg;
    memcpy(ret->info.tag_key_commit, epoch.tag_key_commit, STELE_HASH_BYTES);
    assert_ok(stele_log_view_open(log, &view, &err));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    for (uint64_t seq = lo; seq < hi; seq++) {
        assert_ok(stele_log_read(reader, seq, &stored, &err));
        take_entry(&stored, reader, seq, &all, &ret->info);
    }
    if (all.n > 1) {
        qsort(all.at, all.n, sizeof *all.at, by_tag_and_seq);
    }
    key_tree(&all, ret);
    stele_free(all.at);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

void index_model_root(const struct stele_descriptor *descriptor, size_t n,
                      uint8_t ret[STELE_AT_LEAST(32)]) {
    uint8_t *leaves = stele_alloc(n, STELE_HASH_BYTES);
    assert_non_null(leaves);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[STELE_DESCRIPTOR_BYTES];
        stele_descriptor_encode(&descriptor[i], bytes);
        stele_hash_descriptor(stele_view_of(bytes, sizeof bytes), leaves + i * STELE_HASH_BYTES);
    }
    tree_root(stele_hash_manifest_inner, leaves, n, ret);
    stele_free(leaves);
}

/* The stored INDEX entry and the CONTROL it names. */
static void check_entries(struct stele_log *log, const struct stele_manifest *manifest,
                          const struct stele_descriptor *descriptor) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    uint8_t root[STELE_HASH_BYTES];
    uint64_t *hi = stele_alloc(manifest->n, sizeof *hi);
    stele_err err;
    assert_non_null(hi);
    assert_ok(stele_log_view_open(log, &view, &err));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    assert_ok(stele_log_read(reader, manifest->index_seq, &stored, &err));
    assert_int_equal(stored.entry.type, STELE_ENTRY_INDEX);
    assert_int_equal(stored.n_bytes, STELE_ENTRY_INDEX_BYTES);
    assert_memory_equal(stored.bytes, manifest->index_entry, STELE_ENTRY_INDEX_BYTES);
    assert_int_equal(stored.entry.time_us, manifest->index_time_us);
    assert_int_equal(stored.entry.as.index.covered, manifest->covered);
    assert_int_equal(stored.entry.as.index.n_segments, manifest->n);
    assert_int_equal(stored.entry.as.index.control, manifest->control_seq);
    index_model_root(descriptor, manifest->n, root);
    assert_memory_equal(stored.entry.as.index.manifest_root, root, STELE_HASH_BYTES);
    assert_ok(stele_boundaries_read(stored.payload, &stored.entry.as.index, hi, &err));
    for (size_t i = 0; i < manifest->n; i++) {
        assert_int_equal(hi[i], descriptor[i].info.hi);
    }
    assert_ok(stele_log_read(reader, manifest->control_seq, &stored, &err));
    assert_int_equal(stored.entry.type, STELE_ENTRY_CONTROL);
    assert_int_equal(stored.entry.as.control.n_state, manifest->state.n);
    assert_ok(stele_state_root(&manifest->state, root, &err));
    assert_memory_equal(stored.entry.as.control.state_root, root, STELE_HASH_BYTES);
    for (uint64_t seq = manifest->control_seq + 1; seq < manifest->index_seq; seq++) {
        assert_ok(stele_log_read(reader, seq, &stored, &err));
        assert_int_not_equal(stored.entry.type, STELE_ENTRY_CONTROL);
    }
    stele_free(hi);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

void index_model_check(struct stele_log *log, const struct stele_manifest *manifest) {
    struct stele_descriptor *made = stele_alloc(manifest->n, sizeof *made);
    struct stele_epoch epoch;
    uint64_t end = 0;
    uint8_t node[STELE_HASH_BYTES];
    assert_non_null(made);
    assert_true(manifest->n >= 1 && manifest->covered <= manifest->index_seq);
    for (size_t i = 0; i < manifest->n; i++) {
        const struct stele_descriptor *given = &manifest->descriptor[i];
        uint8_t a[STELE_DESCRIPTOR_BYTES];
        uint8_t b[STELE_DESCRIPTOR_BYTES];
        assert_int_equal(given->info.lo, end);
        assert_true(given->info.hi > end);
        end = given->info.hi;
        index_model_descriptor(log, given->info.lo, given->info.hi, &made[i]);
        stele_descriptor_encode(given, a);
        stele_descriptor_encode(&made[i], b);
        assert_memory_equal(a, b, sizeof a);
        if (i > 0 && given->info.era != manifest->descriptor[i - 1].info.era) {
            assert_true(given->info.era > manifest->descriptor[i - 1].info.era);
            (void)era_of(log, given->info.lo, &epoch);
            assert_int_equal(epoch.seq, given->info.lo); /* an era's segments begin at its EPOCH */
        }
        assert_ok(stele_manifest_node((void *)(uintptr_t)manifest, 0, i, node, NULL));
        stele_descriptor_hash(&made[i], a);
        assert_memory_equal(node, a, STELE_HASH_BYTES);
        assert_int_equal(stele_manifest_segment_of(manifest, given->info.lo), i);
        assert_int_equal(stele_manifest_segment_of(manifest, given->info.hi - 1), i);
    }
    assert_int_equal(end, manifest->covered);
    assert_int_equal(stele_manifest_segment_of(manifest, end), manifest->n);
    check_entries(log, manifest, made);
    stele_free(made);
}
