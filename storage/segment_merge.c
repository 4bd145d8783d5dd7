/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_merge.c: adjacent segments into one.
 *
 * Invariant: sources are taken in the order of their ranges, so a tag's postings of one source all
 * come before those of the next: the merge chooses once a key, not once a posting, and never sorts
 * postings.
 */
#include "storage/segment_format.h"

#include <inttypes.h>

/* One input: its walker and the posting it stands on. */
struct source {
    struct stele_segment_walker *walker;
    uint64_t seq;
    uint8_t tag[STELE_TAG_BYTES];
};

struct merge {
    struct source source[STELE_SEGMENT_FANIN_MAX];
    uint8_t heap[STELE_SEGMENT_FANIN_MAX]; /* source numbers; the least (tag, number) first */
    size_t n_heap;
};

static bool comes_first(const struct merge *m, uint8_t a, uint8_t b) {
    int order = memcmp(m->source[a].tag, m->source[b].tag, STELE_TAG_BYTES);
    return order < 0 || (order == 0 && a < b);
}

static void sift_down(struct merge *m, size_t at) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->n_heap) {
            return;
        }
        if (child + 1 < m->n_heap && comes_first(m, m->heap[child + 1], m->heap[child])) {
            child++;
        }
        if (!comes_first(m, m->heap[child], m->heap[at])) {
            return;
        }
        uint8_t moved = m->heap[at];
        m->heap[at] = m->heap[child];
        m->heap[child] = moved;
        at = child;
    }
}

/* The info of the whole, or INVALID if these are not the parts of one. */
static stele_status merged_info(struct stele_segment *const *segments, size_t n,
                                struct stele_segment_info *ret, stele_err *err) {
    if (n == 0 || n > STELE_SEGMENT_FANIN_MAX) {
        return STELE_FAIL(err, INVALID, "a merge of %zu segments; 1 to %d are possible", n,
                          STELE_SEGMENT_FANIN_MAX);
    }
    struct stele_segment_info whole = segments[0]->footer.info;
    for (size_t i = 1; i < n; i++) {
        const struct stele_segment_info *part = &segments[i]->footer.info;
        if (part->lo != whole.hi) {
            return STELE_FAIL(err, INVALID,
                              "segment %zu of the merge begins at %" PRIu64 ", not at %" PRIu64
                              " where the one before ends",
                              i, part->lo, whole.hi);
        }
        if (part->era != whole.era || part->map_version != whole.map_version ||
            part->tag_alg != whole.tag_alg ||
            memcmp(part->tag_key_commit, whole.tag_key_commit, STELE_HASH_BYTES) != 0) {
            return STELE_FAIL(err, INVALID,
                              "segment %zu of the merge, at %" PRIu64
                              ": era %u, map %u, tag algorithm %u or "
                              "tag key differ from the first's: only segments of one era merge",
                              i, part->lo, part->era, part->map_version, part->tag_alg);
        }
        whole.hi = part->hi;
        whole.t_last = part->t_last;
        whole.late_first =
            part->late_first < whole.late_first ? part->late_first : whole.late_first;
        whole.late_last = part->late_last > whole.late_last ? part->late_last : whole.late_last;
    }
    *ret = whole;
    return STELE_OK;
}

/* Copies all postings of the source's tag, and leaves it on its next tag. END: there is none. */
static stele_status drain_key(struct source *s, struct stele_segment_writer *writer,
                              stele_err *err) {
    uint8_t tag[STELE_TAG_BYTES];
    memcpy(tag, s->tag, sizeof tag);
    stele_status st = STELE_OK;
    do {
        st = stele_segment_writer_add(writer, tag, s->seq, err);
        if (st == STELE_OK) {
            st = stele_segment_walk_next(s->walker, s->tag, &s->seq, err);
        }
    } while (st == STELE_OK && memcmp(s->tag, tag, sizeof tag) == 0);
    return st;
}

static stele_status merge_all(struct merge *m, struct stele_segment_writer *writer,
                              stele_err *err) {
    for (size_t i = m->n_heap; i-- > 0;) {
        sift_down(m, i);
    }
    while (m->n_heap > 0) {
        stele_status st = drain_key(&m->source[m->heap[0]], writer, err);
        if (st == STELE_END) {
            m->heap[0] = m->heap[--m->n_heap];
        } else if (st != STELE_OK) {
            return st;
        }
        sift_down(m, 0);
    }
    return STELE_OK;
}

stele_status stele_segment_merge(struct stele_segment *const *segments, size_t n,
                                 stele_write_fn write, void *ctx, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_segment_writer *writer = NULL;
    struct stele_segment_info info;
    struct merge *m = stele_alloc(1, sizeof *m);
    if (m == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a merge of %zu segments", n);
    }
    STELE_TRY(merged_info(segments, n, &info, err));
    STELE_TRY(stele_segment_writer_new(&info, write, ctx, &writer, err));
    for (size_t i = 0; i < n; i++) {
        struct source *s = &m->source[i];
        STELE_TRY(stele_segment_walk(segments[i], &s->walker, err));
        st = stele_segment_walk_next(s->walker, s->tag, &s->seq, err);
        if (st == STELE_OK) {
            m->heap[m->n_heap++] = (uint8_t)i;
        } else if (st != STELE_END) {
            goto cleanup;
        }
    }
    STELE_TRY(merge_all(m, writer, err));
    STELE_TRY(stele_segment_writer_end(writer, err));
cleanup:
    for (size_t i = 0; i < STELE_SEGMENT_FANIN_MAX; i++) {
        stele_segment_walk_free(m->source[i].walker);
    }
    stele_segment_writer_free(writer);
    stele_free(m);
    return st;
}
