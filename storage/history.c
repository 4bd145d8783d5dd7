/* SPDX-License-Identifier: Apache-2.0 */
/* storage/history.c: building history tries, and checking opened ones, on one stack. */
#include "storage/history.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The bit in which the two sides of a node differ; a != b. */
static unsigned top_bit(uint64_t a, uint64_t b) {
    return 63u - (unsigned)__builtin_clzll(a ^ b);
}

/* Joins the two newest nodes. */
static void join(struct stele_history *h) {
    struct stele_history_node *left = &h->node[h->n - 2];
    const struct stele_history_node *right = &h->node[h->n - 1];
    stele_hash_history((uint8_t)top_bit(left->rep, right->rep), left->hash, right->hash,
                       left->hash);
    left->opaque = false;
    h->n--;
}

/* True if a posting at rep is outside of the smallest subtree that holds the two newest nodes. */
static bool is_whole_before(const struct stele_history *h, uint64_t rep) {
    return h->n >= 2 && top_bit(h->node[h->n - 2].rep, h->node[h->n - 1].rep) <
                            top_bit(h->node[h->n - 1].rep, rep);
}

static void put(struct stele_history *h, uint64_t rep, const uint8_t *hash, bool opaque) {
    assert(h->n < STELE_HISTORY_DEPTH_MAX);
    struct stele_history_node *node = &h->node[h->n++];
    node->rep = rep;
    node->opaque = opaque;
    memcpy(node->hash, hash, STELE_HASH_BYTES);
}

void stele_history_init(struct stele_history *h) {
    h->n = 0;
}

void stele_history_push(struct stele_history *h, uint64_t rep,
                        const uint8_t hash[STELE_AT_LEAST(32)]) {
    assert(h->n == 0 || h->node[h->n - 1].rep < rep);
    stele_history_settle(h, rep);
    put(h, rep, hash, false);
}

void stele_history_settle(struct stele_history *h, uint64_t rep) {
    while (is_whole_before(h, rep)) {
        join(h);
    }
}

void stele_history_root(struct stele_history *h, uint8_t ret[STELE_AT_LEAST(32)]) {
    assert(h->n > 0);
    while (h->n > 1) {
        join(h);
    }
    memcpy(ret, h->node[0].hash, STELE_HASH_BYTES);
}

uint64_t stele_history_place(uint64_t rep, uint64_t beside, uint64_t lo) {
    unsigned bit = top_bit(rep, beside);
    uint64_t first = rep >> bit << bit;
    return first > lo ? first : lo;
}

/* ------------------------------------------------------------------ checking */

void stele_history_check_init(struct stele_history_check *c, uint64_t lo, uint64_t hi) {
    memset(c, 0, sizeof *c);
    c->lo = lo;
    c->hi = hi;
    c->least_next = lo;
}

/* An opaque node is one half of its parent, the half its rep is in. It must end before the left
 * neighbour or begin after the right one. */
static bool may_hide(const struct stele_history_check *c, const struct stele_history_node *node,
                     unsigned bit) {
    uint64_t first = node->rep >> bit << bit;
    uint64_t last = first + ((UINT64_C(1) << bit) - 1);
    return (c->has_left && last < c->left) || (c->has_right && first > c->right);
}

static void check_join(struct stele_history_check *c) {
    struct stele_history_node *left = &c->trie.node[c->trie.n - 2];
    struct stele_history_node *right = &c->trie.node[c->trie.n - 1];
    unsigned bit = top_bit(left->rep, right->rep);
    if ((left->opaque && right->opaque) || (left->opaque && !may_hide(c, left, bit)) ||
        (right->opaque && !may_hide(c, right, bit))) {
        c->refused = true;
    }
    if ((left->opaque && left->rep != stele_history_place(left->rep, right->rep, c->lo)) ||
        (right->opaque && right->rep != stele_history_place(right->rep, left->rep, c->lo))) {
        c->misnamed = true;
    }
    join(&c->trie);
}

static bool is_in_order(const struct stele_history_check *c, stele_history_role role) {
    switch (role) {
    case STELE_HISTORY_OPAQUE:
        return c->has_right || (!c->has_left && !c->has_inside);
    case STELE_HISTORY_LEFT:
        return !c->has_left && !c->has_inside && !c->has_right;
    case STELE_HISTORY_INSIDE:
    case STELE_HISTORY_RIGHT:
        return !c->has_right && (c->n_opaque == 0 || c->has_left);
    }
    return false;
}

stele_status stele_history_check_push(struct stele_history_check *c, stele_history_role role,
                                      uint64_t seq, const uint8_t hash[STELE_AT_LEAST(32)],
                                      stele_err *err) {
    if (seq < c->least_next || seq >= c->hi) {
        return STELE_FAIL(err, UNVERIFIED,
                          "posting %" PRIu64
                          " of a history is repeated, out of order or outside of "
                          "its segment, entries %" PRIu64 " to %" PRIu64,
                          seq, c->lo, c->hi);
    }
    if (!is_in_order(c, role)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "posting %" PRIu64
                          " of a history: a part of it is hidden inside the asked "
                          "window, or its neighbours are missing",
                          seq);
    }
    c->has_left |= role == STELE_HISTORY_LEFT;
    c->has_right |= role == STELE_HISTORY_RIGHT;
    c->has_inside |= role == STELE_HISTORY_INSIDE;
    c->left = role == STELE_HISTORY_LEFT ? seq : c->left;
    c->right = role == STELE_HISTORY_RIGHT ? seq : c->right;
    c->least_next = seq + 1;
    while (is_whole_before(&c->trie, seq)) {
        check_join(c);
    }
    if (role == STELE_HISTORY_OPAQUE) {
        c->n_opaque++;
        put(&c->trie, seq, hash, true);
    } else {
        uint8_t posting[STELE_HASH_BYTES];
        c->n_shown++;
        stele_hash_posting(seq, hash, posting);
        put(&c->trie, seq, posting, false);
    }
    return STELE_OK;
}

stele_status stele_history_check_end(struct stele_history_check *c, uint64_t count,
                                     uint8_t ret_root[STELE_AT_LEAST(32)], stele_err *err) {
    if (c->trie.n == 0) {
        return STELE_FAIL(err, UNVERIFIED, "a history is opened without a posting");
    }
    while (c->trie.n > 1) {
        check_join(c);
    }
    if (c->refused || c->trie.node[0].opaque ||
        (c->n_opaque > 0 && !c->has_left && !c->has_right)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "a part of a history that may not be hidden is given as a hash");
    }
    if (c->misnamed) {
        return STELE_FAIL(err, UNVERIFIED,
                          "a hidden part of a history is not named by the first seq of its place");
    }
    if (c->n_opaque == 0 ? count != c->n_shown : count < c->n_shown + c->n_opaque) {
        return STELE_FAIL(err, UNVERIFIED,
                          "a history says %" PRIu64 " postings; %" PRIu64 " are shown and %" PRIu64
                          " parts are given as hashes",
                          count, c->n_shown, c->n_opaque);
    }
    memcpy(ret_root, c->trie.node[0].hash, STELE_HASH_BYTES);
    return STELE_OK;
}
