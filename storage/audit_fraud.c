/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_fraud.c: from a segment that is wrong to a proof of it. */
#include <string.h>

#include "storage/audit.h"
#include "storage/opened_history.h"
#include "storage/tree_range.h"

/* ------------------------------------------------------------------ what differs */

struct side {
    struct stele_segment_walker *walker;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq;
    bool over;
};

static stele_status step(struct side *side, stele_err *err) {
    stele_status st = stele_segment_walk_next(side->walker, side->tag, &side->seq, err);
    side->over = st == STELE_END;
    return st == STELE_END ? STELE_OK : st;
}

/* Below 0: a's posting comes first, so that b does not have it. */
static int compare(const struct side *a, const struct side *b) {
    if (a->over || b->over) {
        return a->over ? 1 : -1;
    }
    int order = memcmp(a->tag, b->tag, STELE_TAG_BYTES);
    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

stele_status stele_audit_compare(struct stele_segment *should, struct stele_segment *committed,
                                 struct stele_audit_difference *ret, stele_err *err) {
    struct side side[2] = {{.over = false}, {.over = false}};
    int order = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_segment_walk(should, &side[0].walker, err));
    STELE_TRY(stele_segment_walk(committed, &side[1].walker, err));
    while (order == 0) {
        STELE_TRY(step(&side[0], err));
        STELE_TRY(step(&side[1], err));
        if (side[0].over && side[1].over) {
            st = STELE_FAIL(err, NOT_FOUND, "both segments have the same postings");
            goto cleanup;
        }
        order = compare(&side[0], &side[1]);
    }
    const struct side *first = order < 0 ? &side[0] : &side[1];
    ret->kind = order < 0 ? STELE_FRAUD_OMISSION : STELE_FRAUD_PHANTOM;
    ret->seq = first->seq;
    memcpy(ret->tag, first->tag, sizeof ret->tag);
cleanup:
    stele_segment_walk_free(side[0].walker);
    stele_segment_walk_free(side[1].walker);
    return st;
}

/* ------------------------------------------------------------------ the proof */

static stele_status hash_node(void *ctx, unsigned level, uint64_t index,
                              uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    const uint8_t *hash = ctx;
    return stele_tree_shape_root(stele_hash_manifest_inner,
                                 hash + (index << level) * STELE_HASH_BYTES, (size_t)1 << level,
                                 ret, err);
}

/* The descriptor's place in the manifest. */
static stele_status show_descriptor(const struct stele_audit_case *wrong, stele_buf *descriptor,
                                    stele_buf *siblings, stele_err *err) {
    uint8_t bytes[STELE_DESCRIPTOR_BYTES];
    stele_status st = STELE_OK;
    uint8_t *hash = stele_alloc(wrong->n_committed, STELE_HASH_BYTES);
    if (hash == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu descriptors", wrong->n_committed);
    }
    for (size_t i = 0; i < wrong->n_committed; i++) {
        stele_descriptor_hash(&wrong->committed[i], hash + i * STELE_HASH_BYTES);
    }
    stele_descriptor_encode(&wrong->committed[wrong->segment], bytes);
    struct stele_leaf_run run = {wrong->segment, 1, wrong->n_committed};
    STELE_TRY(stele_buf_append(descriptor, stele_view_of(bytes, sizeof bytes), err));
    STELE_TRY(
        stele_tree_range_prove(stele_hash_manifest_inner, run, hash_node, hash, siblings, err));
cleanup:
    stele_free(hash);
    return st;
}

/* The key leaves that fraud->first_key and n_keys name. */
static stele_status show_leaves(const struct stele_audit_case *wrong, struct stele_fraud *fraud,
                                stele_buf *siblings, stele_err *err) {
    struct stele_seal_key key;
    stele_status st = STELE_OK;
    for (size_t i = 0; i < fraud->n_keys; i++) {
        STELE_TRY(stele_seal_key_at(wrong->seal, wrong->leaves, fraud->first_key + i, &key, err));
        memcpy(fraud->key[i].tag, key.tag, sizeof key.tag);
        memcpy(fraud->key[i].value, key.value, sizeof key.value);
    }
    STELE_TRY(stele_seal_prove(wrong->seal, wrong->leaves, fraud->first_key, fraud->n_keys,
                               siblings, err));
    fraud->key_siblings = stele_view_buf(siblings);
cleanup:
    return st;
}

/* The tag's key leaf, or those that leave no room for it. */
static stele_status show_keys(const struct stele_audit_case *wrong, struct stele_fraud *fraud,
                              bool *ret_present, stele_buf *siblings, stele_err *err) {
    uint64_t n = stele_seal_descriptor(wrong->seal)->info.n_keys;
    uint64_t rank = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_seal_find(wrong->seal, wrong->difference.tag, &rank, ret_present, err));
    if (n == 0) {
        goto cleanup;
    }
    fraud->first_key = *ret_present || rank == 0 ? rank : rank - 1;
    fraud->n_keys = *ret_present || rank == 0 || rank == n ? 1 : 2;
    STELE_TRY(show_leaves(wrong, fraud, siblings, err));
cleanup:
    return st;
}

static stele_status show_neighbour(const struct stele_audit_case *wrong, bool has, uint64_t seq,
                                   struct stele_fraud_opaque *ret, stele_err *err) {
    ret->rep = seq;
    return has ? wrong->leaves.leaf(wrong->leaves.ctx, seq, ret->hash, err) : STELE_OK;
}

static stele_status show_history(const struct stele_audit_case *wrong, struct stele_fraud *fraud,
                                 stele_err *err) {
    struct stele_fraud_history *h = &fraud->history;
    struct stele_opened_history opened;
    uint64_t seq = wrong->difference.seq;
    stele_status st = STELE_OK;
    memset(&opened, 0, sizeof opened);
    STELE_TRY(stele_opened_history_of(wrong->postings, wrong->leaves, wrong->difference.tag, seq,
                                      seq + 1, &opened, err));
    fraud->has_history = true;
    h->count = opened.count;
    h->has_left = opened.has_left;
    h->has_right = opened.has_right;
    STELE_TRY(show_neighbour(wrong, opened.has_left, opened.left, &h->left, err));
    STELE_TRY(show_neighbour(wrong, opened.has_right, opened.right, &h->right, err));
    h->n_before = opened.n_before;
    h->n_after = opened.n_after;
    for (size_t i = 0; i < opened.n_before; i++) {
        h->before[i].rep = opened.before[i].rep;
        memcpy(h->before[i].hash, opened.before[i].hash, STELE_HASH_BYTES);
    }
    for (size_t i = 0; i < opened.n_after; i++) {
        h->after[i].rep = opened.after[i].rep;
        memcpy(h->after[i].hash, opened.after[i].hash, STELE_HASH_BYTES);
    }
cleanup:
    stele_opened_history_done(&opened);
    return st;
}

stele_status stele_audit_prove(const struct stele_audit_case *wrong, stele_buf *out,
                               stele_err *err) {
    stele_buf descriptor = STELE_BUF_EMPTY;
    stele_buf siblings = STELE_BUF_EMPTY;
    stele_buf key_siblings = STELE_BUF_EMPTY;
    bool present = false;
    stele_status st = STELE_OK;
    struct stele_fraud *fraud = stele_alloc(1, sizeof *fraud);
    if (fraud == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a fraud proof");
    }
    fraud->kind = wrong->difference.kind;
    fraud->note = wrong->note;
    fraud->n_leaves = wrong->difference.kind == STELE_FRAUD_KEY_ORDER ? 0 : 1;
    fraud->leaf[0] = wrong->event;
    fraud->has_index = true;
    fraud->index = wrong->index;
    fraud->segment = wrong->segment;
    STELE_TRY(show_descriptor(wrong, &descriptor, &siblings, err));
    fraud->descriptor = stele_view_buf(&descriptor);
    fraud->siblings = stele_view_buf(&siblings);
    if (fraud->kind == STELE_FRAUD_KEY_ORDER) {
        fraud->first_key = wrong->difference.rank;
        fraud->n_keys = 2;
        STELE_TRY(show_leaves(wrong, fraud, &key_siblings, err));
    } else if (fraud->kind != STELE_FRAUD_BOUNDS) {
        fraud->has_tags = true;
        fraud->tags = wrong->tags;
        memcpy(fraud->ksalt, wrong->ksalt, sizeof fraud->ksalt);
        memcpy(fraud->tag, wrong->difference.tag, sizeof fraud->tag);
        STELE_TRY(show_keys(wrong, fraud, &present, &key_siblings, err));
        STELE_TRY(present ? show_history(wrong, fraud, err) : STELE_OK);
    }
    STELE_TRY(stele_fraud_encode(fraud, out, err));
cleanup:
    stele_buf_done(&descriptor);
    stele_buf_done(&siblings);
    stele_buf_done(&key_siblings);
    stele_free(fraud);
    return st;
}
