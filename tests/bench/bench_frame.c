/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_frame.c: frames sealed (compressed) and opened, by the number of events in
 * them. */
#include "storage/frame.h"
#include "tests/bench/bench_parts.h"
#include "tests/support/event_gen.h"

struct bed {
    struct stele_compressor *compressor;
    stele_buf event[STELE_FRAME_EVENTS_MAX];
    stele_view payload[STELE_FRAME_EVENTS_MAX];
    uint8_t seed[STELE_SEED_BYTES];
    stele_buf sealed;
    uint32_t raw_bytes;
    uint64_t payload_bytes;
};

static void fill(struct bed *bed, uint8_t n) {
    struct rng rng = {11};
    struct stele_gen_options options = {.n_actors = 0};
    *bed = (struct bed){.raw_bytes = 0};
    BENCH_OK(stele_compressor_mine(&bed->compressor, err));
    for (size_t i = 0; i < n; i++) {
        stele_gen_inference(&rng, &options, &bed->event[i]);
        bed->payload[i] = stele_view_buf(&bed->event[i]);
        bed->payload_bytes += bed->event[i].size;
    }
    BENCH_OK(stele_frame_seal(bed->compressor, bed->seed, bed->payload, n, &bed->sealed,
                              &bed->raw_bytes, err));
}

static void empty(struct stele_bench *b, struct bed *bed, int64_t n) {
    stele_bench_did(b, (uint64_t)n, bed->payload_bytes);
    stele_bench_note(b, "bytes/event", (double)bed->sealed.size / (double)n);
    for (size_t i = 0; i < (size_t)n; i++) {
        stele_buf_done(&bed->event[i]);
    }
    stele_buf_done(&bed->sealed);
}

static void seal(struct stele_bench *b, int64_t n) {
    struct bed bed;
    fill(&bed, (uint8_t)n);
    while (stele_bench_next(b)) {
        stele_buf_clear(&bed.sealed);
        BENCH_OK(stele_frame_seal(bed.compressor, bed.seed, bed.payload, (uint8_t)n, &bed.sealed,
                                  &bed.raw_bytes, err));
    }
    empty(b, &bed, n);
}

static void unseal(struct stele_bench *b, int64_t n) {
    struct bed bed;
    struct stele_frame_content content;
    stele_buf raw = STELE_BUF_EMPTY;
    fill(&bed, (uint8_t)n);
    while (stele_bench_next(b)) {
        BENCH_OK(stele_frame_open(bed.compressor, stele_view_buf(&bed.sealed), bed.raw_bytes,
                                  (uint8_t)n, &raw, &content, err));
        stele_bench_keep(&content);
    }
    empty(b, &bed, n);
    stele_buf_done(&raw);
}

void bench_add_frame(void) {
    static const int64_t sizes[] = {1, 4, STELE_FRAME_EVENTS_MAX};
    stele_bench_add("frame/seal", seal, sizes, BENCH_N(sizes));
    stele_bench_add("frame/open", unseal, sizes, BENCH_N(sizes));
}
