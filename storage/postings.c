/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/postings.c: sorting postings by tag, then by offset.
 *
 * Tags are hashes, so two bytes of one split a bucket about evenly into 65,536; what stays together
 * after that is mostly one popular tag, and is in order already, because postings are gathered in
 * the order of their seqs and every step is stable. So: two stable passes, then either nothing or
 * an insertion sort. Only equal leading bytes of different tags go down another two bytes; 20 bytes
 * end it.
 */
#include "storage/segment.h"

#include <string.h>

#define KEY_BYTES (STELE_TAG_BYTES + 4) /* the tag, then the offset, big-endian */
#define INSERTION_MAX                                                                              \
    40 /* below it, counting 256 buckets costs more than moving postings by hand */

static unsigned key_byte(const struct stele_posting *p, unsigned depth) {
    return depth < STELE_TAG_BYTES ? p->tag[depth]
                                   : (p->offset >> (8 * (KEY_BYTES - 1 - depth))) & 0xff;
}

static bool comes_after(const struct stele_posting *a, const struct stele_posting *b) {
    int order = stele_tag_order(a->tag, b->tag);
    return order > 0 || (order == 0 && a->offset > b->offset);
}

static void sort_by_insertion(struct stele_posting *p, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (comes_after(&p[i - 1], &p[i])) {
            struct stele_posting moved = p[i];
            size_t at = i;
            do {
                p[at] = p[at - 1];
                at--;
            } while (at > 0 && comes_after(&p[at - 1], &moved));
            p[at] = moved;
        }
    }
}

static bool is_sorted(const struct stele_posting *p, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (comes_after(&p[i - 1], &p[i])) {
            return false;
        }
    }
    return true;
}

/* One stable pass by the byte at `depth`. ret_end[b]: where bucket b ends in `to`. */
static void scatter(const struct stele_posting *from, size_t n, unsigned depth,
                    struct stele_posting *to, size_t ret_end[STELE_AT_LEAST(256)]) {
    size_t count[256] = {0};
    for (size_t i = 0; i < n; i++) {
        count[key_byte(&from[i], depth)]++;
    }
    size_t at = 0;
    for (size_t b = 0; b < 256; b++) {
        ret_end[b] = at;
        at += count[b];
    }
    for (size_t i = 0; i < n; i++) {
        to[ret_end[key_byte(&from[i], depth)]++] = from[i];
    }
}

/* Postings that agree in their first `depth` bytes. There and back again: the result is in `p`. The
 * recursion is at most KEY_BYTES / 2 deep. */
static void sort_from(struct stele_posting *p, size_t n, unsigned depth,
                      struct stele_posting *scratch) {
    size_t outer[256];
    size_t inner[256];
    scatter(p, n, depth, scratch, outer);
    size_t begin = 0;
    for (size_t a = 0; a < 256; begin = outer[a++]) {
        size_t size = outer[a] - begin;
        if (size <= INSERTION_MAX) {
            if (size > 0) {
                memcpy(p + begin, scratch + begin, size * sizeof *p);
                sort_by_insertion(p + begin, size);
            }
            continue;
        }
        scatter(scratch + begin, size, depth + 1, p + begin, inner);
        size_t from = 0;
        for (size_t b = 0; b < 256; from = inner[b++]) {
            struct stele_posting *bucket = p + begin + from;
            size_t n_bucket = inner[b] - from;
            if (n_bucket <= INSERTION_MAX) {
                sort_by_insertion(bucket, n_bucket);
            } else if (depth + 2 < KEY_BYTES && !is_sorted(bucket, n_bucket)) {
                sort_from(bucket, n_bucket, depth + 2, scratch + begin + from);
            }
        }
    }
}

void stele_postings_sort(struct stele_posting *postings, size_t n, struct stele_posting *scratch) {
    if (n <= INSERTION_MAX) {
        sort_by_insertion(postings, n);
    } else {
        sort_from(postings, n, 0, scratch);
    }
}
