/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_events.c: events with a realistic shape. */
#include "tools/bench_events.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "proto/wire_out.h"

#define N_MODELS 24u
#define N_DATASETS 5000u

/* splitmix64: fast, and the same on every machine. */
static uint64_t next(struct stele_bench_events *events) {
    uint64_t z = (events->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A rank below n with probability about proportional to 1 / (rank + 1). */
static uint32_t zipf(struct stele_bench_events *events, uint32_t n) {
    double u = (double)(next(events) >> 11) / 9007199254740992.0;
    double rank = expm1(u * log1p((double)n));
    return rank >= n ? n - 1 : (uint32_t)rank;
}

static void text(struct stele_wire_out *w, uint32_t number, const char *value) {
    stele_wire_out_bytes(w, number, stele_view_str(value));
}

static void random_bytes(struct stele_bench_events *events, struct stele_wire_out *w,
                         uint32_t number, size_t n) {
    uint64_t words[4];
    for (size_t i = 0; i < 4; i++) {
        words[i] = next(events);
    }
    stele_wire_out_bytes(w, number, stele_view_of(words, n));
}

void stele_bench_actor(uint32_t rank, char out[STELE_AT_LEAST(32)]) {
    (void)snprintf(out, 32, "user-%06u", rank);
}

static uint64_t now_ns(const struct stele_bench_events *events) {
    struct timespec now;
    if (events->clock != NULL) {
        return stele_bench_clock_step_us(events->clock) * 1000u;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_head(struct stele_bench_events *events, struct stele_wire_out *w, uint64_t now) {
    char id[64];
    uint64_t random = next(events);
    uint64_t ms = now / 1000000;
    (void)snprintf(id, sizeof id, "%08x-%04x-7%03x-8%03x-%012llx",
                   (unsigned)(ms >> 16 & 0xffffffff), (unsigned)(ms & 0xffff),
                   (unsigned)(random & 0xfff), (unsigned)(random >> 12 & 0xfff),
                   (unsigned long long)(next(events) & 0xffffffffffff));
    text(w, 1, id);
    stele_wire_out_fixed64(w, 2, now);
    text(w, 3, "acme");
    text(w, 4, events->region);
    stele_wire_out_uint(w, 5, 3); /* access */
}

static void write_actor(struct stele_bench_events *events, struct stele_wire_out *w) {
    char id[32];
    size_t mark = stele_wire_out_begin(w, 6);
    stele_bench_actor(zipf(events, events->n_actors), id);
    text(w, 1, id);
    stele_wire_out_uint(w, 2, 1);
    text(w, 6, "feature-store/2.4 python");
    text(w, 9, "corp");
    stele_wire_out_end(w, mark);
}

/* What was read, with the digest of what it held, and the model it was read for. */
static void write_resources(struct stele_bench_events *events, struct stele_wire_out *w) {
    char id[48];
    size_t mark = stele_wire_out_begin(w, 9);
    (void)snprintf(id, sizeof id, "dataset://features/part-%05u", zipf(events, N_DATASETS));
    text(w, 1, id);
    stele_wire_out_uint(w, 2, 4); /* dataset */
    text(w, 7, "production");
    size_t digest = stele_wire_out_begin(w, 8);
    stele_wire_out_uint(w, 1, 1); /* SHA-256 */
    random_bytes(events, w, 2, 32);
    stele_wire_out_end(w, digest);
    stele_wire_out_uint(w, 12, 1 + next(events) % 1000000);
    stele_wire_out_end(w, mark);
    mark = stele_wire_out_begin(w, 9);
    (void)snprintf(id, sizeof id, "model-%02u", zipf(events, N_MODELS));
    text(w, 1, id);
    stele_wire_out_uint(w, 2, 1); /* model */
    stele_wire_out_end(w, mark);
}

stele_status stele_bench_event(struct stele_bench_events *events, stele_buf *payload,
                               stele_err *err) {
    struct stele_wire_out w = stele_wire_out_to(payload);
    size_t before = payload->size;
    write_head(events, &w, now_ns(events));
    write_actor(events, &w);
    stele_wire_out_uint(&w, 7, 2); /* read */
    stele_wire_out_uint(&w, 8, 1); /* success */
    write_resources(events, &w);
    size_t mark = stele_wire_out_begin(&w, 10);
    text(&w, 1, "feature-store");
    text(&w, 4, "native");
    stele_wire_out_end(&w, mark);
    random_bytes(events, &w, 13, 16); /* trace */
    random_bytes(events, &w, 14, 8);  /* span */
    stele_wire_out_uint(&w, 17, 1000 * (1 + next(events) % 100000));
    text(&w, 24, "stele.v1");
    mark = stele_wire_out_begin(&w, 42);
    text(&w, 1, "training");
    stele_wire_out_uint(&w, 4, 1 + next(events) % 1000000);
    stele_wire_out_uint(&w, 5, 1 + next(events) % 1000);
    text(&w, 7, "api");
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}
