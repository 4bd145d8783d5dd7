/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/complete_trees.c: the model's trees and tries, by the definitions, recursive and
 * slow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/complete_model.h"

static void *must_alloc(size_t n, size_t size) {
    void *made = stele_alloc(n == 0 ? 1 : n, size);
    if (made == NULL) {
        abort();
    }
    return made;
}

static size_t half(size_t n) {
    size_t k = 1;
    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

void cm_root(stele_tree_inner_fn inner, const uint8_t *leaf, size_t n,
             uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t right[STELE_HASH_BYTES];
    if (n == 0) {
        stele_tree_empty_root(out);
    } else if (n == 1) {
        memcpy(out, leaf, STELE_HASH_BYTES);
    } else {
        size_t k = half(n);
        uint8_t left[STELE_HASH_BYTES];
        cm_root(inner, leaf, k, left);
        cm_root(inner, leaf + k * STELE_HASH_BYTES, n - k, right);
        inner(left, right, out);
    }
}

/* lo: of the subtree, in leaves of the whole. */
static void siblings(stele_tree_inner_fn inner, const uint8_t *leaf, size_t lo, size_t size,
                     size_t first, size_t n, stele_buf *out) {
    if (lo >= first + n || lo + size <= first) {
        uint8_t root[STELE_HASH_BYTES];
        cm_root(inner, leaf + lo * STELE_HASH_BYTES, size, root);
        if (stele_buf_append(out, stele_view_of(root, sizeof root), NULL) != STELE_OK) {
            abort();
        }
    } else if (size > 1) {
        size_t k = half(size);
        siblings(inner, leaf, lo, k, first, n, out);
        siblings(inner, leaf, lo + k, size - k, first, n, out);
    }
}

void cm_siblings(stele_tree_inner_fn inner, const uint8_t *leaf, size_t size, size_t first,
                 size_t n, stele_buf *out) {
    siblings(inner, leaf, 0, size, first, n, out);
}

void cm_trie_root(const struct cm_log *log, const uint64_t *seq, size_t n,
                  uint8_t out[STELE_AT_LEAST(32)]) {
    if (n == 1) {
        const struct cm_entry *entry = cm_indexed(log, seq[0]);
        uint8_t leaf[STELE_HASH_BYTES];
        stele_hash_leaf(stele_view_of(entry->bytes, entry->size), leaf);
        stele_hash_posting(seq[0], leaf, out);
        return;
    }
    uint8_t bit = 63;
    while ((seq[0] >> bit & 1) == (seq[n - 1] >> bit & 1)) {
        bit--;
    }
    size_t k = 0;
    while ((seq[k] >> bit & 1) == 0) {
        k++;
    }
    uint8_t left[STELE_HASH_BYTES];
    uint8_t right[STELE_HASH_BYTES];
    cm_trie_root(log, seq, k, left);
    cm_trie_root(log, seq + k, n - k, right);
    stele_hash_history(bit, left, right, out);
}

/* ------------------------------------------------------------------ segments */

struct posting {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq;
};

static int compare(const void *a, const void *b) {
    const struct posting *x = a;
    const struct posting *y = b;
    int order = memcmp(x->tag, y->tag, sizeof x->tag);
    return order != 0 ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static size_t collect(const struct cm_log *log, uint64_t lo, uint64_t hi, struct posting *out,
                      struct stele_segment_info *info) {
    size_t n = 0;
    for (uint64_t seq = lo; seq < hi; seq++) {
        const struct cm_entry *entry = cm_indexed(log, seq);
        if (entry->entry.type != STELE_ENTRY_EVENT) {
            continue;
        }
        if (entry->entry.as.event.late) {
            uint64_t event_us = entry->entry.as.event.event_us;
            info->late_first = event_us < info->late_first ? event_us : info->late_first;
            info->late_last = event_us > info->late_last ? event_us : info->late_last;
        }
        for (size_t i = 0; i < entry->tags.size; i += STELE_TAG_BYTES) {
            if (out != NULL) {
                memcpy(out[n].tag, entry->tags.data + i, STELE_TAG_BYTES);
                out[n].seq = seq;
            }
            n++;
        }
    }
    return n;
}

static uint32_t era_at(const struct cm_log *log, uint64_t seq) {
    return stele_entry_month(log->entry[seq]->entry.time_us) * 100;
}

void cm_segment_build(const struct cm_log *log, uint64_t lo, uint64_t hi, struct cm_segment *ret) {
    struct stele_segment_info info = {.era = era_at(log, lo),
                                      .lo = lo,
                                      .hi = hi,
                                      .t_first = log->entry[lo]->entry.time_us,
                                      .t_last = log->entry[hi - 1]->entry.time_us,
                                      .late_first = UINT64_MAX};
    uint8_t key[32];
    memset(ret, 0, sizeof *ret);
    char name[32];
    stele_view epoch = {NULL, 0};
    (void)snprintf(name, sizeof name, "epoch/%u", info.era);
    if (!stele_state_get(&log->state, stele_view_str(name), &epoch)) {
        abort();
    }
    info.tag_alg = stele_get_u16(epoch.data + 4);
    info.map_version = stele_get_u16(epoch.data + 6);
    cm_tag_key(log, info.era, key);
    key[0] ^= log->second_key_lo != 0 && lo >= log->second_key_lo ? 1 : 0;
    stele_hash_tag_key(key, info.tag_key_commit);
    size_t n = collect(log, lo, hi, NULL, &info);
    struct posting *postings = must_alloc(n, sizeof *postings);
    (void)collect(log, lo, hi, postings, &info);
    qsort(postings, n, sizeof *postings, compare);
    ret->seqs = must_alloc(n, sizeof *ret->seqs);
    ret->key = must_alloc(n, sizeof *ret->key);
    for (size_t i = 0; i < n; i++) {
        ret->seqs[i] = postings[i].seq;
        if (i == 0 || memcmp(postings[i].tag, postings[i - 1].tag, STELE_TAG_BYTES) != 0) {
            struct cm_key *made = &ret->key[ret->n_keys++];
            memcpy(made->tag, postings[i].tag, STELE_TAG_BYTES);
            made->seq = &ret->seqs[i];
        }
        ret->key[ret->n_keys - 1].n++;
    }
    stele_free(postings);
    ret->leaf = must_alloc(ret->n_keys, STELE_HASH_BYTES);
    for (size_t i = 0; i < ret->n_keys; i++) {
        struct cm_key *of = &ret->key[i];
        uint8_t root[STELE_HASH_BYTES];
        cm_trie_root(log, of->seq, of->n, root);
        stele_hash_key_value(of->n, root, of->value);
        stele_hash_key_leaf(of->tag, of->value, ret->leaf + i * STELE_HASH_BYTES);
    }
    info.n_keys = ret->n_keys;
    info.n_postings = n;
    ret->descriptor.info = info;
    cm_root(stele_hash_key_inner, ret->leaf, ret->n_keys, ret->descriptor.key_root);
}

void cm_segment_done(struct cm_segment *segment) {
    stele_free(segment->seqs);
    stele_free(segment->key);
    stele_free(segment->leaf);
}
