/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/bench_seal.c: seals of packs of 65,536 entries with eight tags each: built, and
 * merged 16 at a time. Items are events. Argument 0: keys as a service has them (a tenant, kinds of
 * events, actors by Zipf, sessions of ten events, half of the resources and the correlation new).
 * 1: every second tag stands alone.
 */
#include <string.h>

#include "tests/bench/bench_parts.h"
#include "tests/support/memory_segment.h"
#include "tests/support/seal_model.h"

#define PACK 65536u
#define TAGS 8u
#define POSTINGS ((size_t)PACK * TAGS)
#define PACKS 16u

static stele_status leaf_of(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    (void)err;
    memcpy(ret, (const uint8_t *)ctx + (size_t)seq * STELE_HASH_BYTES, STELE_HASH_BYTES);
    return STELE_OK;
}

static struct stele_leaf_source leaves(void) {
    static uint8_t *all;
    if (all == NULL) {
        all = stele_alloc((size_t)PACK * PACKS, STELE_HASH_BYTES);
        for (uint64_t seq = 0; seq < (uint64_t)PACK * PACKS; seq++) {
            (void)model_leaf(NULL, seq, all + seq * STELE_HASH_BYTES, NULL);
        }
    }
    return (struct stele_leaf_source){leaf_of, all};
}

/* About Zipf's law: each doubling of the rank is as likely as the one before. */
static uint64_t zipf(struct rng *rng, unsigned doublings) {
    return rng_next(rng) >> (64 - rng_below(rng, doublings) - 1);
}

static uint64_t key_of(struct rng *rng, uint64_t seq, unsigned field, bool lone) {
    if (lone) {
        return field % 2 == 0 ? seq * TAGS + field : zipf(rng, 12);
    }
    switch (field) {
    case 0:
        return 0;
    case 1:
        return rng_below(rng, 40);
    case 2:
        return rng_below(rng, 12);
    case 3:
        return zipf(rng, 6);
    case 4:
        return zipf(rng, 14);
    case 5:
        return seq / 10;
    case 6:
        return rng_below(rng, 2) == 0 ? seq : zipf(rng, 17);
    default:
        return seq;
    }
}

static struct stele_posting *postings_of(uint64_t pack, bool lone) {
    struct rng rng = {pack + 1};
    struct stele_posting *postings = stele_alloc(POSTINGS, sizeof *postings);
    struct stele_posting *scratch = stele_alloc(POSTINGS, sizeof *scratch);
    for (size_t i = 0; i < POSTINGS; i++) {
        unsigned field = (unsigned)(i % TAGS);
        struct rng mixed = {key_of(&rng, pack * PACK + i / TAGS, field, lone) * TAGS + field};
        for (size_t at = 0; at < STELE_TAG_BYTES; at += 8) {
            uint64_t word = rng_next(&mixed);
            memcpy(postings[i].tag + at, &word, sizeof word);
        }
        postings[i].offset = (uint32_t)(i / TAGS);
    }
    stele_postings_sort(postings, POSTINGS, scratch);
    stele_free(scratch);
    return postings;
}

/* The packs of one kind, made once. */
static struct sealed_segment *packs(size_t n, bool lone) {
    static struct sealed_segment all[2][PACKS];
    for (size_t p = 0; p < n; p++) {
        struct sealed_segment *s = &all[lone ? 1 : 0][p];
        if (s->seal != NULL) {
            continue;
        }
        struct stele_segment_info info = test_segment_info(p * PACK, (p + 1) * PACK);
        struct stele_posting *postings = postings_of(p, lone);
        BENCH_OK(test_segment_write(&info, postings, POSTINGS, &s->segment_bytes, err));
        stele_free(postings);
        BENCH_OK(stele_segment_open(memory_read_at, &s->segment_bytes, s->segment_bytes.size,
                                    &s->segment, err));
        BENCH_OK(stele_seal_build(s->segment, leaves(), memory_write, &s->seal_bytes,
                                  &s->descriptor, err));
        BENCH_OK(stele_seal_open(memory_read_at, &s->seal_bytes, s->seal_bytes.size, s->segment,
                                 &s->seal, err));
    }
    return all[lone ? 1 : 0];
}

static void note(struct stele_bench *b, const stele_buf *segment, const stele_buf *seal,
                 double events) {
    stele_bench_did(b, (uint64_t)events, 0);
    stele_bench_note(b, "segment bytes/event", (double)segment->size / events);
    stele_bench_note(b, "seal bytes/event", (double)seal->size / events);
}

static void build(struct stele_bench *b, int64_t lone) {
    struct sealed_segment *pack = packs(1, lone != 0);
    struct stele_descriptor descriptor;
    stele_buf out = STELE_BUF_EMPTY;
    while (stele_bench_next(b)) {
        stele_buf_clear(&out);
        BENCH_OK(stele_seal_build(pack->segment, leaves(), memory_write, &out, &descriptor, err));
    }
    note(b, &pack->segment_bytes, &out, PACK);
    stele_buf_done(&out);
}

/* The merged segment of all packs, of one kind. */
static struct sealed_segment *merged_of(bool lone) {
    static struct sealed_segment merged[2];
    struct sealed_segment *m = &merged[lone ? 1 : 0];
    struct sealed_segment *pack = packs(PACKS, lone);
    struct stele_segment *segments[PACKS];
    for (size_t p = 0; p < PACKS; p++) {
        segments[p] = pack[p].segment;
    }
    if (m->segment == NULL) {
        BENCH_OK(stele_segment_merge(segments, PACKS, memory_write, &m->segment_bytes, err));
        BENCH_OK(stele_segment_open(memory_read_at, &m->segment_bytes, m->segment_bytes.size,
                                    &m->segment, err));
    }
    return m;
}

static void merge(struct stele_bench *b, int64_t lone) {
    struct sealed_segment *pack = packs(PACKS, lone != 0);
    struct sealed_segment *m = merged_of(lone != 0);
    struct stele_segment *segments[PACKS];
    struct stele_seal *seals[PACKS];
    struct stele_descriptor descriptor;
    stele_buf out = STELE_BUF_EMPTY;
    for (size_t p = 0; p < PACKS; p++) {
        segments[p] = pack[p].segment;
        seals[p] = pack[p].seal;
    }
    const struct stele_seal_parts parts = {m->segment, segments, seals, PACKS};
    while (stele_bench_next(b)) {
        stele_buf_clear(&out);
        BENCH_OK(stele_seal_merge(&parts, leaves(), memory_write, &out, &descriptor, err));
    }
    note(b, &m->segment_bytes, &out, (double)PACK * PACKS);
    stele_buf_done(&out);
}

/* What merging the segments themselves costs beside it. */
static void merge_segments(struct stele_bench *b, int64_t lone) {
    struct sealed_segment *pack = packs(PACKS, lone != 0);
    struct stele_segment *segments[PACKS];
    stele_buf out = STELE_BUF_EMPTY;
    for (size_t p = 0; p < PACKS; p++) {
        segments[p] = pack[p].segment;
    }
    while (stele_bench_next(b)) {
        stele_buf_clear(&out);
        BENCH_OK(stele_segment_merge(segments, PACKS, memory_write, &out, err));
    }
    stele_bench_did(b, (uint64_t)PACK * PACKS, out.size);
    stele_buf_done(&out);
}

/* What a prover asks of one segment: a tag's place, the key there, and the path of two leaves. */
static void prove(struct stele_bench *b, int64_t lone) {
    struct sealed_segment *pack = packs(1, lone != 0);
    struct rng rng = {3};
    stele_buf siblings = STELE_BUF_EMPTY;
    while (stele_bench_next(b)) {
        struct stele_seal_key key;
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t rank = 0;
        bool present = false;
        rng_bytes(&rng, tag, sizeof tag);
        stele_buf_clear(&siblings);
        BENCH_OK(stele_seal_find(pack->seal, tag, &rank, &present, err));
        rank = rank > 0 ? rank - 1 : 0;
        BENCH_OK(stele_seal_key_at(pack->seal, leaves(), rank, &key, err));
        BENCH_OK(stele_seal_prove(pack->seal, leaves(), rank, 2, &siblings, err));
        stele_bench_keep(&key);
    }
    stele_bench_did(b, 1, siblings.size);
    stele_buf_done(&siblings);
}

void bench_add_seal(void) {
    static const int64_t kinds[] = {0, 1};
    stele_bench_add("seal/build", build, kinds, BENCH_N(kinds));
    stele_bench_add("seal/merge", merge, kinds, BENCH_N(kinds));
    stele_bench_add("seal/merge_segments", merge_segments, kinds, BENCH_N(kinds));
    stele_bench_add("seal/prove", prove, kinds, BENCH_N(kinds));
}
