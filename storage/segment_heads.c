/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_heads.c: which of a merge's sources has the least tag.
 *
 * A merge asks once a tag. Tags are random, so that a comparison which decides where to go is
 * guessed wrong half of the time, as in a heap; in this tree of minima nothing is decided.
 */
#include "storage/cursor.h"
#include "storage/segment_format.h"

#define NUMBER_MASK ((uint64_t)STELE_SEGMENT_FANIN_MAX - 1)

_Static_assert((STELE_SEGMENT_FANIN_MAX & (STELE_SEGMENT_FANIN_MAX - 1)) == 0 &&
                   STELE_SEGMENT_FANIN_MAX <= 64,
               "a source's number has whole bits, and a set of them 64");

static uint64_t head_of(size_t i, const uint8_t *tag) {
    return tag == NULL ? UINT64_MAX : (stele_get_u64(tag) & ~NUMBER_MASK) | i;
}

void stele_segment__heads_init(struct stele_segment__heads *h, size_t n) {
    h->n = n;
    for (h->n_leaves = 1; h->n_leaves < n; h->n_leaves *= 2) {
    }
    for (size_t i = 0; i < 2 * h->n_leaves; i++) {
        h->node[i] = UINT64_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        h->tag[i] = NULL;
    }
}

void stele_segment__heads_set(struct stele_segment__heads *h, size_t i, const uint8_t *tag) {
    size_t at = h->n_leaves + i;
    h->tag[i] = tag;
    for (h->node[at] = head_of(i, tag); at > 1; at /= 2) {
        uint64_t beside = h->node[at ^ 1];
        h->node[at / 2] = h->node[at] < beside ? h->node[at] : beside;
    }
}

/* The source stands on a tag that begins so. */
static bool is_same(const struct stele_segment__heads *h, size_t i, uint64_t head) {
    return (h->node[h->n_leaves + i] ^ head) <= NUMBER_MASK && h->tag[i] != NULL;
}

/* Of those whose tags begin like the least one, the sources on the least of all. */
static uint64_t least_of_same(const struct stele_segment__heads *h, uint64_t head) {
    const uint8_t *least = NULL;
    uint64_t on_it = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (!is_same(h, i, head)) {
            continue;
        }
        int order = least == NULL ? -1 : memcmp(h->tag[i], least, STELE_TAG_BYTES);
        if (order < 0) {
            least = h->tag[i];
            on_it = 0;
        }
        on_it |= order <= 0 ? UINT64_C(1) << i : 0;
    }
    return on_it;
}

uint64_t stele_segment__heads_least(const struct stele_segment__heads *h) {
    uint64_t head = h->node[1];
    uint64_t nearest = UINT64_MAX; /* of those that the least one won against */
    for (size_t at = h->n_leaves + (head & NUMBER_MASK); head != UINT64_MAX && at > 1; at /= 2) {
        uint64_t differs = h->node[at ^ 1] ^ head;
        nearest = differs < nearest ? differs : nearest;
    }
    return nearest > NUMBER_MASK && head != UINT64_MAX ? UINT64_C(1) << (head & NUMBER_MASK)
                                                       : least_of_same(h, head);
}
