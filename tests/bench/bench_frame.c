/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_frame.c: frames sealed (compressed) and opened, by the number of events in
 * them. */
#include "proto/event_map.h"
#include "storage/frame.h"
#include "tests/bench/bench_parts.h"
#include "tests/support/event_gen.h"

struct bed {
    struct stele_compressor *compressor;
    stele_buf event[STELE_FRAME_EVENTS_MAX];
    struct stele_event_facts facts[STELE_FRAME_EVENTS_MAX];
    struct stele_frame_event sealing[STELE_FRAME_EVENTS_MAX];
    uint8_t seed[STELE_SEED_BYTES];
    stele_buf sealed;
    uint32_t raw_bytes;
    uint64_t payload_bytes;
};

/* On the heap: an event's facts take 90 KiB. */
static struct bed *fill(uint8_t n) {
    struct rng rng = {11};
    struct stele_gen_options options = {.n_actors = 0};
    struct stele_event_map map = stele_event_map_current();
    struct bed *bed = stele_alloc(1, sizeof *bed);
    BENCH_OK(bed != NULL ? STELE_OK : STELE_FAIL(err, NO_MEMORY, "no memory for events"));
    BENCH_OK(stele_compressor_mine(&bed->compressor, err));
    for (size_t i = 0; i < n; i++) {
        stele_gen_inference(&rng, &options, &bed->event[i]);
        stele_view payload = stele_view_buf(&bed->event[i]);
        BENCH_OK(map.map(map.ctx, payload, &bed->facts[i], err));
        bed->sealing[i] =
            (struct stele_frame_event){payload, bed->facts[i].opaque, bed->facts[i].n_opaque};
        bed->payload_bytes += bed->event[i].size;
    }
    BENCH_OK(stele_frame_seal(bed->compressor, bed->seed, bed->sealing, n, &bed->sealed,
                              &bed->raw_bytes, err));
    return bed;
}

static void empty(struct stele_bench *b, struct bed *bed, int64_t n) {
    stele_bench_did(b, (uint64_t)n, bed->payload_bytes);
    stele_bench_note(b, "bytes/event", (double)bed->sealed.size / (double)n);
    for (size_t i = 0; i < (size_t)n; i++) {
        stele_buf_done(&bed->event[i]);
    }
    stele_buf_done(&bed->sealed);
    stele_free(bed);
}

static void seal(struct stele_bench *b, int64_t n) {
    struct bed *bed = fill((uint8_t)n);
    while (stele_bench_next(b)) {
        stele_buf_clear(&bed->sealed);
        BENCH_OK(stele_frame_seal(bed->compressor, bed->seed, bed->sealing, (uint8_t)n,
                                  &bed->sealed, &bed->raw_bytes, err));
    }
    empty(b, bed, n);
}

static void unseal(struct stele_bench *b, int64_t n) {
    struct stele_frame_content content;
    stele_buf raw = STELE_BUF_EMPTY;
    struct bed *bed = fill((uint8_t)n);
    while (stele_bench_next(b)) {
        BENCH_OK(stele_frame_open(bed->compressor, STELE_FRAME_CODEC_APART,
                                  stele_view_buf(&bed->sealed), bed->raw_bytes, (uint8_t)n, &raw,
                                  &content, err));
        stele_bench_keep(&content);
    }
    empty(b, bed, n);
    stele_buf_done(&raw);
}

void bench_add_frame(void) {
    static const int64_t sizes[] = {1, 4, STELE_FRAME_EVENTS_MAX};
    stele_bench_add("frame/seal", seal, sizes, BENCH_N(sizes));
    stele_bench_add("frame/open", unseal, sizes, BENCH_N(sizes));
}
