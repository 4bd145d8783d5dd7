/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_batch.c: histories of many keys at a time.
 *
 * What is joined with what depends on seqs alone, so all joins are known before the first hash is.
 * They are then done in the order of their depth: those of one depth do not wait for each other,
 * and fill the lanes of storage/hash_ni.h. Postings that came without their hash are looked up in
 * the order of their seqs: leaf hashes are read from front to back, and an event's posting is
 * hashed once for all of its keys.
 */
#include <assert.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"

#define NUMBER_BITS 20u /* of a node */
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)
#define RUN 256u /* messages hashed in one call */
#define MESSAGE_BYTES_MAX STELE_HASH_HISTORY_MESSAGE
#define CAPACITY_MIN ((size_t)256) /* well above a stack of nodes that stay */
#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)

_Static_assert(STELE_SEAL__BATCH_MAX <= NUMBER_MASK, "a node's number has 20 bits");

stele_status stele_seal__batch_init(struct stele_seal__batch *b, struct stele_leaf_source leaves,
                                    uint64_t lo, size_t capacity, stele_err *err) {
    *b = (struct stele_seal__batch){.leaves = leaves, .lo = lo};
    b->capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
    b->node = stele_alloc(b->capacity, sizeof *b->node);
    b->key = stele_alloc(b->capacity + 1, sizeof *b->key);
    b->posting = stele_alloc(b->capacity, sizeof *b->posting);
    b->join = stele_alloc(b->capacity, sizeof *b->join);
    b->scratch = stele_alloc(b->capacity, sizeof *b->scratch);
    b->message = stele_alloc(RUN, MESSAGE_BYTES_MAX + STELE_HASH_BYTES);
    if (b->node == NULL || b->key == NULL || b->posting == NULL || b->join == NULL ||
        b->scratch == NULL || b->message == NULL) {
        stele_seal__batch_done(b);
        return STELE_FAIL(err, NO_MEMORY, "no memory to seal %zu postings at a time", b->capacity);
    }
    return STELE_OK;
}

void stele_seal__batch_done(struct stele_seal__batch *b) {
    stele_free(b->node);
    stele_free(b->key);
    stele_free(b->posting);
    stele_free(b->join);
    stele_free(b->scratch);
    stele_free(b->message);
    *b = (struct stele_seal__batch){.n_nodes = 0};
}

bool stele_seal__batch_full(const struct stele_seal__batch *b) {
    return b->n_nodes == b->capacity;
}

/* ------------------------------------------------------------------ what is joined with what */
static unsigned top_bit(uint64_t a, uint64_t b) {
    return 63u - (unsigned)__builtin_clzll(a ^ b);
}

/* Joins the two newest nodes of the open key; the left one becomes both. */
static void join(struct stele_seal__batch *b) {
    uint32_t left = b->stack[b->n_stack - 2];
    uint32_t right = b->stack[b->n_stack - 1];
    uint32_t depth =
        b->node[left].depth > b->node[right].depth ? b->node[left].depth : b->node[right].depth;
    b->node[left].depth = depth + 1;
    b->join[b->n_joins++] =
        (uint64_t)(depth + 1) << (2 * NUMBER_BITS) | (uint64_t)left << NUMBER_BITS | right;
    b->n_stack--;
}

static uint64_t rep_below_top(const struct stele_seal__batch *b, size_t below) {
    return b->node[b->stack[b->n_stack - 1 - below]].rep;
}

void stele_seal__batch_add(struct stele_seal__batch *b, uint64_t rep, uint64_t count,
                           const uint8_t *hash) {
    assert(b->n_nodes < b->capacity && b->n_keys > 0);
    assert(b->n_stack == 0 || rep_below_top(b, 0) < rep);
    while (b->n_stack >= 2 &&
           top_bit(rep_below_top(b, 1), rep_below_top(b, 0)) < top_bit(rep_below_top(b, 0), rep)) {
        join(b);
    }
    struct stele_seal__node *node = &b->node[b->n_nodes];
    node->rep = rep;
    node->depth = 0;
    if (hash != NULL) {
        memcpy(node->hash, hash, STELE_HASH_BYTES);
    } else {
        b->posting[b->n_postings++] = (rep - b->lo) << NUMBER_BITS | b->n_nodes;
    }
    assert(b->n_stack < STELE_HISTORY_DEPTH_MAX);
    b->stack[b->n_stack++] = (uint32_t)b->n_nodes++;
    b->key[b->n_keys - 1].count += count;
}

void stele_seal__batch_close(struct stele_seal__batch *b) {
    while (b->n_stack > 1) {
        join(b);
    }
    if (b->n_stack == 1) {
        b->key[b->n_keys - 1].node = b->stack[0];
        b->n_stack = 0;
    }
}

void stele_seal__batch_key(struct stele_seal__batch *b, const uint8_t tag[STELE_AT_LEAST(16)]) {
    stele_seal__batch_close(b);
    assert(b->n_keys <= b->capacity);
    struct stele_seal__key *key = &b->key[b->n_keys++];
    memcpy(key->tag, tag, STELE_TAG_BYTES);
    key->count = 0;
    key->node = 0;
}

/* ------------------------------------------------------------------ hashes */
/* Sorts by the bits above a node's number, least digit first. */
static void sort_postings(struct stele_seal__batch *b) {
    uint64_t all = 0;
    for (size_t i = 0; i < b->n_postings; i++) {
        all |= b->posting[i];
    }
    for (unsigned shift = NUMBER_BITS; shift < 64 && all >> shift != 0; shift += DIGIT_BITS) {
        size_t at[DIGITS] = {0};
        size_t sum = 0;
        for (size_t i = 0; i < b->n_postings; i++) {
            at[b->posting[i] >> shift & (DIGITS - 1)]++;
        }
        for (size_t digit = 0; digit < DIGITS; digit++) {
            size_t n = at[digit];
            at[digit] = sum;
            sum += n;
        }
        for (size_t i = 0; i < b->n_postings; i++) {
            b->scratch[at[b->posting[i] >> shift & (DIGITS - 1)]++] = b->posting[i];
        }
        uint64_t *sorted = b->scratch;
        b->scratch = b->posting;
        b->posting = sorted;
    }
}

/* Hashes the messages and gives the postings their hashes, the same to those of one seq. */
static void hash_run(struct stele_seal__batch *b, size_t n_messages, const uint64_t *posting,
                     size_t n) {
    uint8_t *hash = b->message + (size_t)RUN * MESSAGE_BYTES_MAX;
    stele_hash_posting_many(b->message, n_messages, hash);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && posting[i] >> NUMBER_BITS != posting[i - 1] >> NUMBER_BITS) {
            hash += STELE_HASH_BYTES;
        }
        memcpy(b->node[posting[i] & NUMBER_MASK].hash, hash, STELE_HASH_BYTES);
    }
}

static stele_status hash_postings(struct stele_seal__batch *b, stele_err *err) {
    size_t from = 0;
    size_t n = 0;
    sort_postings(b);
    for (size_t i = 0; i < b->n_postings; i++) {
        uint64_t offset = b->posting[i] >> NUMBER_BITS;
        if (i > 0 && offset == b->posting[i - 1] >> NUMBER_BITS) {
            continue;
        }
        if (n == RUN) {
            hash_run(b, n, b->posting + from, i - from);
            from = i;
            n = 0;
        }
        uint8_t *message = b->message + n++ * STELE_HASH_POSTING_MESSAGE;
        stele_put_u64(message, b->lo + offset);
        stele_status st = b->leaves.leaf(b->leaves.ctx, b->lo + offset, message + 8, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    if (n > 0) {
        hash_run(b, n, b->posting + from, b->n_postings - from);
    }
    b->n_postings = 0;
    return STELE_OK;
}

static void join_run(struct stele_seal__batch *b, const uint64_t *joins, size_t n) {
    uint8_t *hash = b->message + (size_t)RUN * MESSAGE_BYTES_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct stele_seal__node *left = &b->node[joins[i] >> NUMBER_BITS & NUMBER_MASK];
        const struct stele_seal__node *right = &b->node[joins[i] & NUMBER_MASK];
        uint8_t *message = b->message + i * STELE_HASH_HISTORY_MESSAGE;
        message[0] = (uint8_t)top_bit(left->rep, right->rep);
        memcpy(message + 1, left->hash, STELE_HASH_BYTES);
        memcpy(message + 1 + STELE_HASH_BYTES, right->hash, STELE_HASH_BYTES);
    }
    stele_hash_history_many(b->message, n, hash);
    for (size_t i = 0; i < n; i++) {
        memcpy(b->node[joins[i] >> NUMBER_BITS & NUMBER_MASK].hash, hash + i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
    }
}

static void hash_joins(struct stele_seal__batch *b) {
    size_t at[STELE_HISTORY_DEPTH_MAX + 1] = {0}; /* a trie over 64 bits is no deeper */
    size_t end[STELE_HISTORY_DEPTH_MAX + 1];
    size_t sum = 0;
    for (size_t i = 0; i < b->n_joins; i++) {
        at[b->join[i] >> (2 * NUMBER_BITS)]++;
    }
    for (size_t depth = 0; depth <= STELE_HISTORY_DEPTH_MAX; depth++) {
        size_t n = at[depth];
        at[depth] = sum;
        sum += n;
        end[depth] = sum;
    }
    for (size_t i = 0; i < b->n_joins; i++) {
        b->scratch[at[b->join[i] >> (2 * NUMBER_BITS)]++] = b->join[i];
    }
    size_t from = 0;
    for (size_t depth = 0; depth <= STELE_HISTORY_DEPTH_MAX; depth++) {
        while (from < end[depth]) {
            size_t left = end[depth] - from;
            size_t n = left < RUN ? left : RUN;
            join_run(b, b->scratch + from, n);
            from += n;
        }
    }
    b->n_joins = 0;
}

stele_status stele_seal__batch_run(struct stele_seal__batch *b, stele_err *err) {
    stele_status st = hash_postings(b, err);
    if (st == STELE_OK) {
        hash_joins(b);
    }
    return st;
}

void stele_seal__batch_drop(struct stele_seal__batch *b) {
    bool open = b->n_keys > 0 && b->key[b->n_keys - 1].count == 0;
    open = open || b->n_stack > 0;
    if (open) {
        b->key[0] = b->key[b->n_keys - 1];
    }
    for (size_t i = 0; i < b->n_stack; i++) {
        b->node[i] =
            b->node[b->stack[i]]; /* numbers on the stack ascend, so nothing is overwritten */
        b->node[i].depth = 0;
        b->stack[i] = (uint32_t)i;
    }
    b->n_nodes = b->n_stack;
    b->n_keys = open ? 1 : 0;
}
