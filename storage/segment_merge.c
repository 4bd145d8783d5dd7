/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_merge.c: adjacent segments into one.
 *
 * Invariant: sources are taken in the order of their ranges, so a tag's postings of one source all
 * come before those of the next: the merge chooses once a tag, copies its records' postings as they
 * are stored, and never sorts postings.
 */
#include "storage/segment_format.h"

#include <inttypes.h>

struct merge {
    struct stele_segment__heads heads;
    struct stele_segment_walker *walker[STELE_SEGMENT_FANIN_MAX];
    struct stele_segment__run run[STELE_SEGMENT_FANIN_MAX]; /* on which the source stands */
};

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

static stele_status next_run(struct merge *m, size_t i, stele_err *err) {
    stele_status st = stele_segment__walk_run(m->walker[i], &m->run[i], err);
    stele_segment__heads_set(&m->heads, i, st == STELE_OK ? m->run[i].tag : NULL);
    return st == STELE_END ? STELE_OK : st;
}

/* All records of the source's tag, and the source to its next one. */
static stele_status take_tag(struct merge *m, size_t i, struct stele_segment_writer *writer,
                             stele_err *err) {
    uint8_t tag[STELE_TAG_BYTES];
    stele_status st = STELE_OK;
    memcpy(tag, m->run[i].tag, sizeof tag);
    do {
        STELE_TRY(stele_segment__writer_add_run(writer, &m->run[i], err));
        STELE_TRY(next_run(m, i, err));
    } while (m->heads.tag[i] != NULL && memcmp(m->run[i].tag, tag, sizeof tag) == 0);
cleanup:
    return st;
}

static stele_status merge_all(struct merge *m, struct stele_segment_writer *writer,
                              stele_err *err) {
    stele_status st = STELE_OK;
    for (uint64_t on_it = stele_segment__heads_least(&m->heads); on_it != 0;
         on_it = stele_segment__heads_least(&m->heads)) {
        for (; on_it != 0; on_it &= on_it - 1) {
            STELE_TRY(take_tag(m, (size_t)__builtin_ctzll(on_it), writer, err));
        }
    }
cleanup:
    return st;
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
    stele_segment__heads_init(&m->heads, n);
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(stele_segment_walk(segments[i], &m->walker[i], err));
        STELE_TRY(next_run(m, i, err));
    }
    STELE_TRY(merge_all(m, writer, err));
    STELE_TRY(stele_segment_writer_end(writer, err));
cleanup:
    for (size_t i = 0; i < STELE_SEGMENT_FANIN_MAX; i++) {
        stele_segment_walk_free(m->walker[i]);
    }
    stele_segment_writer_free(writer);
    stele_free(m);
    return st;
}
