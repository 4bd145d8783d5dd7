/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_events.c: events with a realistic shape. */
#include "tools/bench_events.h"

#include <math.h>
#include <string.h>
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

/* A rank below n with probability about proportional to 1 / (rank + 1): (n + 1)^u - 1, read from
 * straight lines between points of that curve. Making events must cost little beside storing them:
 * they are made on the processors that are measured. */
static uint32_t zipf(struct stele_bench_events *events, struct stele_bench_zipf *of, uint32_t n) {
    enum { LINE_BITS = 10, REST_BITS = 53 - LINE_BITS };
    _Static_assert((1 << LINE_BITS) + 1 == STELE_BENCH_ZIPF_POINTS, "a point more than lines");
    if (of->n != n) {
        for (size_t i = 0; i < STELE_BENCH_ZIPF_POINTS; i++) {
            of->point[i] = expm1((double)i / (1 << LINE_BITS) * log1p((double)n));
        }
        of->n = n;
    }
    uint64_t u = next(events) >> 11;
    const double *line = &of->point[u >> REST_BITS];
    double along =
        (double)(u & ((UINT64_C(1) << REST_BITS) - 1)) / (double)(UINT64_C(1) << REST_BITS);
    double rank = line[0] + along * (line[1] - line[0]);
    return rank >= n ? n - 1 : (uint32_t)rank;
}

/* Appends the last `digits` digits of a number to *at. */
static void digits_of(char **at, uint64_t number, unsigned base, unsigned digits) {
    for (unsigned i = digits; i > 0; i--) {
        (*at)[i - 1] = "0123456789abcdef"[number % base];
        number /= base;
    }
    *at += digits;
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
    static const char name[] = "user-000000";
    char *at = out + sizeof name - 7;
    memcpy(out, name, sizeof name);
    digits_of(&at, rank, 10, 6);
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
    char id[] = "tttttttt-tttt-7rrr-8rrr-rrrrrrrrrrrr"; /* UUIDv7: time and random digits */
    uint64_t random = next(events);
    uint64_t ms = now / 1000000;
    char *at = id;
    digits_of(&at, ms >> 16, 16, 8);
    at += 1;
    digits_of(&at, ms, 16, 4);
    at += 2;
    digits_of(&at, random, 16, 3);
    at += 2;
    digits_of(&at, random >> 12, 16, 3);
    at += 1;
    digits_of(&at, next(events), 16, 12);
    text(w, 1, id);
    stele_wire_out_fixed64(w, 2, now);
    text(w, 3, "acme");
    text(w, 4, events->region);
    stele_wire_out_uint(w, 5, 3); /* access */
}

static void write_actor(struct stele_bench_events *events, struct stele_wire_out *w) {
    char id[32];
    size_t mark = stele_wire_out_begin(w, 6);
    stele_bench_actor(zipf(events, &events->actors, events->n_actors), id);
    text(w, 1, id);
    stele_wire_out_uint(w, 2, 1);
    text(w, 6, "feature-store/2.4 python");
    text(w, 9, "corp");
    stele_wire_out_end(w, mark);
}

/* What was read, with the digest of what it held, and the model it was read for. */
static void write_resources(struct stele_bench_events *events, struct stele_wire_out *w) {
    char dataset[] = "dataset://features/part-00000";
    char model[] = "model-00";
    char *at = dataset + sizeof dataset - 6;
    size_t mark = stele_wire_out_begin(w, 9);
    digits_of(&at, zipf(events, &events->datasets, N_DATASETS), 10, 5);
    text(w, 1, dataset);
    stele_wire_out_uint(w, 2, 4); /* dataset */
    text(w, 7, "production");
    size_t digest = stele_wire_out_begin(w, 8);
    stele_wire_out_uint(w, 1, 1); /* SHA-256 */
    random_bytes(events, w, 2, 32);
    stele_wire_out_end(w, digest);
    stele_wire_out_uint(w, 12, 1 + next(events) % 1000000);
    stele_wire_out_end(w, mark);
    mark = stele_wire_out_begin(w, 9);
    at = model + sizeof model - 3;
    digits_of(&at, zipf(events, &events->models, N_MODELS), 10, 2);
    text(w, 1, model);
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
