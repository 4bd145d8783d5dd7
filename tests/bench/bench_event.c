/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_event.c: what one event costs before it is stored: the walker, the map, the
 * tags. */
#include "proto/event.h"
#include "proto/event_map.h"
#include "storage/tag.h"
#include "tests/bench/bench_parts.h"
#include "tests/support/event_gen.h"

#define EVENTS 1024

/* kind 0: inferences, the shape to measure with; 1: a busy platform's mix. */
static stele_buf *made(int64_t kind, uint64_t *ret_mean_bytes) {
    static stele_buf events[2][EVENTS];
    struct rng rng = {7};
    struct stele_gen_options options = {.n_actors = 0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        if (events[kind][i].size == 0 && kind == 0) {
            stele_gen_inference(&rng, &options, &events[kind][i]);
        } else if (events[kind][i].size == 0) {
            stele_gen_event(&rng, &options, &events[kind][i]);
        }
        bytes += events[kind][i].size;
    }
    *ret_mean_bytes = bytes / EVENTS;
    return events[kind];
}

static void check(struct stele_bench *b, int64_t kind) {
    uint64_t mean_bytes = 0;
    const stele_buf *events = made(kind, &mean_bytes);
    struct stele_event_head head;
    size_t i = 0;
    while (stele_bench_next(b)) {
        BENCH_OK(stele_event_check(stele_view_buf(&events[i++ % EVENTS]), &head, err));
        stele_bench_keep(&head);
    }
    stele_bench_did(b, 1, mean_bytes);
}

static void map(struct stele_bench *b, int64_t kind) {
    static struct stele_event_facts facts;
    uint64_t mean_bytes = 0;
    const stele_buf *events = made(kind, &mean_bytes);
    size_t i = 0;
    while (stele_bench_next(b)) {
        BENCH_OK(stele_event_map_v1(NULL, stele_view_buf(&events[i++ % EVENTS]), &facts, err));
        stele_bench_keep(&facts);
    }
    stele_bench_did(b, 1, mean_bytes);
}

static void map_and_tags(struct stele_bench *b, int64_t kind) {
    static struct stele_event_facts facts;
    static struct stele_tag_set set;
    static const uint8_t secret[32] = {3};
    struct stele_tag_key key;
    uint64_t mean_bytes = 0;
    uint64_t n_tags = 0;
    uint64_t turns = 0;
    const stele_buf *events = made(kind, &mean_bytes);
    stele_tag_key_init(&key, secret);
    while (stele_bench_next(b)) {
        BENCH_OK(stele_event_map_v1(NULL, stele_view_buf(&events[turns % EVENTS]), &facts, err));
        BENCH_OK(stele_tag_set_of(&key, &facts, false, &set, err));
        stele_bench_keep(&set);
        n_tags += set.n;
        turns++;
    }
    stele_bench_did(b, 1, mean_bytes);
    stele_bench_note(b, "tags", (double)n_tags / (double)turns);
    stele_tag_key_done(&key);
}

void bench_add_event(void) {
    static const int64_t kinds[] = {0, 1};
    stele_bench_add("event/check", check, kinds, BENCH_N(kinds));
    stele_bench_add("event/map", map, kinds, BENCH_N(kinds));
    stele_bench_add("event/map_and_tags", map_and_tags, kinds, BENCH_N(kinds));
}
