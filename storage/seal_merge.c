/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_merge.c: the seal of a merged segment, of the seals of its parts.
 *
 * Invariant: a source gives each of its keys as one root, that of a part of the log which no other
 * source reaches into; so nothing of a source but its keys and roots is read.
 */
#include <assert.h>
#include <inttypes.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"

/* The smallest aligned span of 2^k entries around a segment: its first and last entry. */
static void span_of(const struct stele_segment_info *info, uint64_t *ret_first,
                    uint64_t *ret_last) {
    uint64_t differs = info->lo ^ (info->hi - 1);
    uint64_t mask = differs == 0 ? 0 : UINT64_MAX >> __builtin_clzll(differs);
    *ret_first = info->lo & ~mask;
    *ret_last = info->lo | mask;
}

bool stele_seal_can_merge(struct stele_segment *const *segments, size_t n) {
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first = 0;
        uint64_t before = last;
        span_of(stele_segment_info_of(segments[i]), &first, &last);
        if (i > 0 && first <= before) {
            return false;
        }
    }
    return n > 0 && n <= STELE_SEGMENT_FANIN_MAX;
}

/* One input, on one of its keys. */
struct source {
    struct stele_segment_walker *walker;
    const struct stele_seal *seal;
    struct stele_segment__key key;
    uint64_t rank; /* of the key */
    stele_buf buf;
    struct stele_seal__chunk chunk; /* the one with the key */
    size_t n_used;                  /* of the chunk's roots */
};

struct merge {
    struct stele_segment__heads heads;
    struct source source[STELE_SEGMENT_FANIN_MAX];
};

static stele_status next_key(struct merge *m, size_t i, stele_err *err) {
    struct source *s = &m->source[i];
    stele_status st = stele_segment__walk_key(s->walker, &s->key, err);
    stele_segment__heads_set(&m->heads, i, st == STELE_OK ? s->key.tag : NULL);
    return st == STELE_END ? STELE_OK : st;
}

/* The source's key goes into the merged one, and the source to its next. */
static stele_status take_key(struct merge *m, size_t i, struct stele_seal__writer *writer,
                             stele_err *err) {
    struct source *s = &m->source[i];
    const struct stele_segment_info *info = stele_segment_info_of(s->seal->segment);
    size_t in_chunk = (size_t)(s->rank & (STELE_SEAL__CHUNK_KEYS - 1));
    stele_status st = STELE_OK;
    if (in_chunk == 0) {
        STELE_TRY(stele_seal__read_chunk(s->seal, s->rank >> STELE_SEAL__CHUNK_SHIFT, &s->buf,
                                         &s->chunk, err));
        s->n_used = 0;
    }
    if (in_chunk >= s->chunk.n_keys ||
        stele_seal__has_root(&s->chunk, in_chunk) != (s->key.count >= 2)) {
        return STELE_FAIL(err, CORRUPT,
                          "seal of entries %" PRIu64 " to %" PRIu64 ": key %" PRIu64 " has %" PRIu64
                          " postings in the segment, and not in the seal; "
                          "remove the seal, and it is made again",
                          info->lo, info->hi - 1, s->rank, s->key.count);
    }
    if (s->key.count >= 2) {
        const uint8_t *root = s->chunk.roots + s->n_used++ * STELE_HASH_BYTES;
        STELE_TRY(stele_seal__add_root(writer, info->lo, s->key.count, root, err));
    } else {
        STELE_TRY(stele_seal__add_posting(writer, s->key.first, err));
    }
    s->rank++;
    STELE_TRY(next_key(m, i, err));
cleanup:
    return st;
}

static stele_status merge_all(struct merge *m, struct stele_seal__writer *writer, stele_err *err) {
    stele_status st = STELE_OK;
    for (uint64_t on_it = stele_segment__heads_least(&m->heads); on_it != 0;
         on_it = stele_segment__heads_least(&m->heads)) {
        STELE_TRY(stele_seal__begin_key(writer, m->heads.tag[__builtin_ctzll(on_it)], err));
        for (; on_it != 0; on_it &= on_it - 1) {
            STELE_TRY(take_key(m, (size_t)__builtin_ctzll(on_it), writer, err));
        }
    }
cleanup:
    return st;
}

stele_status stele_seal_merge(const struct stele_seal_parts *parts, struct stele_leaf_source leaves,
                              stele_write_fn write, void *ctx, struct stele_descriptor *ret,
                              stele_err *err) {
    const struct stele_seal__target target = {parts->merged, leaves, write, ctx, false};
    struct stele_seal__writer *writer = NULL;
    stele_status st = STELE_OK;
    if (!stele_seal_can_merge(parts->segments, parts->n)) {
        return STELE_FAIL(
            err, INVALID,
            "%zu segments are no disjoint parts of aligned spans: their seals do not merge",
            parts->n);
    }
    struct merge *m = stele_alloc(1, sizeof *m);
    if (m == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a merge of %zu seals", parts->n);
    }
    stele_segment__heads_init(&m->heads, parts->n);
    STELE_TRY(stele_seal__writer_new(&target, &writer, err));
    for (size_t i = 0; i < parts->n; i++) {
        assert(parts->seals[i]->segment == parts->segments[i]);
        m->source[i].seal = parts->seals[i];
        STELE_TRY(stele_segment_walk(parts->segments[i], &m->source[i].walker, err));
        STELE_TRY(next_key(m, i, err));
    }
    STELE_TRY(merge_all(m, writer, err));
    STELE_TRY(stele_seal__end(writer, ret, err));
cleanup:
    for (size_t i = 0; i < parts->n; i++) {
        stele_segment_walk_free(m->source[i].walker);
        stele_buf_done(&m->source[i].buf);
    }
    stele_seal__writer_free(writer);
    stele_free(m);
    return st;
}
