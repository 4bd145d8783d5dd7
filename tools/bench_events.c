/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_events.c: events with a realistic shape. Making them must cost little beside storing
 * them, as they are made on the processors that are measured: one is written field by field, the
 * others are copies of it with what differs written over.
 */
#include "tools/bench_events.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "proto/wire_out.h"

#define N_MODELS 24u
#define N_DATASETS 5000u
#define ACTORS_MIN 10000u
#define ACTORS_MAX 990000u /* six digits, less STELE_BENCH_ABSENT_ACTOR and some */
#define EVENTS_AN_ACTOR 100u

/* splitmix64: fast, and the same on every machine. */
static uint64_t next(struct stele_bench_events *events) {
    uint64_t z = (events->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A rank below n with probability about proportional to 1 / (rank + 1): (n + 1)^u - 1, read from
 * straight lines between points of that curve. */
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

/* The rank whose probability is wanted / events: log((rank + 2) / (rank + 1)) / log(n + 1). */
static uint32_t rank_of(uint64_t wanted, uint64_t events, uint32_t n) {
    double share = (double)wanted / (double)events;
    double rank = 1.0 / expm1(share * log1p((double)n)) - 1.0;
    return rank <= 0 ? 0 : rank >= n - 1 ? n - 1 : (uint32_t)(rank + 0.5);
}

uint32_t stele_bench_actors(uint64_t events) {
    uint64_t n = events / EVENTS_AN_ACTOR;
    return n < ACTORS_MIN ? ACTORS_MIN : n > ACTORS_MAX ? ACTORS_MAX : (uint32_t)n;
}

uint32_t stele_bench_actor_of(uint64_t wanted, uint64_t events) {
    return rank_of(wanted, events, stele_bench_actors(events));
}

uint32_t stele_bench_dataset_of(uint64_t wanted, uint64_t events) {
    return rank_of(wanted, events, N_DATASETS);
}

/* ------------------------------------------------------------------ the one they are copied from
 */
/* What stands where events differ: nothing else in the template looks like these. */
#define ID "########-####-7###-8###-############" /* UUIDv7: time and random digits */
#define ACTOR "user-######"
#define DATASET "dataset://features/part-#####"
#define MODEL "model-##"
#define TIME UINT64_C(0xf7f7f7f7f7f7f7f7)
#define NUMBER_2 UINT64_C(0x3fff) /* the largest that take 2, 3 and 4 bytes on the wire */
#define NUMBER_3 UINT64_C(0x1fffff)
#define NUMBER_4 UINT64_C(0xfffffff)
static const char filler[] = "********************************"; /* 32 bytes */

static void text(struct stele_wire_out *w, uint32_t number, const char *value) {
    stele_wire_out_bytes(w, number, stele_view_str(value));
}

static void fill(struct stele_wire_out *w, uint32_t number, size_t n) {
    stele_wire_out_bytes(w, number, stele_view_of(filler, n));
}

static void write_actor(struct stele_wire_out *w) {
    size_t mark = stele_wire_out_begin(w, 6);
    text(w, 1, ACTOR);
    stele_wire_out_uint(w, 2, 1);
    text(w, 6, "feature-store/2.4 py");
    text(w, 9, "corp");
    stele_wire_out_end(w, mark);
}

/* What was read, with the digest of what it held, and the model it was read for. */
static void write_resources(struct stele_wire_out *w) {
    size_t mark = stele_wire_out_begin(w, 9);
    text(w, 1, DATASET);
    stele_wire_out_uint(w, 2, 4); /* dataset */
    text(w, 7, "production");
    size_t digest = stele_wire_out_begin(w, 8);
    stele_wire_out_uint(w, 1, 1); /* SHA-256 */
    fill(w, 2, 32);
    stele_wire_out_end(w, digest);
    stele_wire_out_uint(w, 12, NUMBER_3);
    stele_wire_out_end(w, mark);
    mark = stele_wire_out_begin(w, 9);
    text(w, 1, MODEL);
    stele_wire_out_uint(w, 2, 1); /* model */
    stele_wire_out_end(w, mark);
}

static stele_status write_template(const char *region, stele_buf *out, stele_err *err) {
    struct stele_wire_out w = stele_wire_out_to(out);
    text(&w, 1, ID);
    stele_wire_out_fixed64(&w, 2, TIME);
    text(&w, 3, "acme");
    text(&w, 4, region);
    stele_wire_out_uint(&w, 5, 3); /* access */
    write_actor(&w);
    stele_wire_out_uint(&w, 7, 2); /* read */
    stele_wire_out_uint(&w, 8, 1); /* success */
    write_resources(&w);
    size_t mark = stele_wire_out_begin(&w, 10);
    text(&w, 1, "feature-store");
    text(&w, 4, "native");
    stele_wire_out_end(&w, mark);
    fill(&w, 13, 16); /* trace */
    fill(&w, 14, 8);  /* span */
    stele_wire_out_uint(&w, 17, NUMBER_4);
    text(&w, 24, "stele.v1");
    mark = stele_wire_out_begin(&w, 42);
    text(&w, 1, "training");
    stele_wire_out_uint(&w, 4, NUMBER_3);
    stele_wire_out_uint(&w, 5, NUMBER_2);
    text(&w, 7, "api");
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, 0, err);
}

/* Where the next such bytes begin, from `from` on; they are there. */
static size_t find(const struct stele_bench_events *events, size_t *from, const void *bytes,
                   size_t n) {
    size_t at = *from;
    while (at + n <= events->size && memcmp(events->event + at, bytes, n) != 0) {
        at++;
    }
    assert(at + n <= events->size);
    *from = at + n;
    return at;
}

static size_t find_number(const struct stele_bench_events *events, size_t *from, size_t n) {
    static const uint8_t widest[] = {0xff, 0xff, 0xff, 0x7f};
    return find(events, from, widest + sizeof widest - n, n);
}

static stele_status make_template(struct stele_bench_events *events, stele_err *err) {
    struct stele_bench_places *places = &events->places;
    stele_buf event = STELE_BUF_EMPTY;
    size_t from = 0;
    stele_status st = write_template(events->region, &event, err);
    if (st == STELE_OK && event.size > sizeof events->event) {
        st = STELE_FAIL(err, LIMIT, "a made-up event of %zu bytes; %zu is the most", event.size,
                        sizeof events->event);
    }
    if (st == STELE_OK) {
        const uint64_t time = TIME;
        memcpy(events->event, event.data, event.size);
        events->size = event.size;
        places->id = find(events, &from, ID, strlen(ID));
        places->time = find(events, &from, &time, sizeof time);
        places->actor = find(events, &from, ACTOR, strlen(ACTOR));
        places->dataset = find(events, &from, DATASET, strlen(DATASET));
        places->digest = find(events, &from, filler, 32);
        places->size = find_number(events, &from, 3);
        places->model = find(events, &from, MODEL, strlen(MODEL));
        places->trace = find(events, &from, filler, 16);
        places->span = find(events, &from, filler, 8);
        places->duration = find_number(events, &from, 4);
        places->rows = find_number(events, &from, 3);
        places->columns = find_number(events, &from, 2);
    }
    stele_buf_done(&event);
    return st;
}

/* ------------------------------------------------------------------ the others */
/* Writes the last `digits` digits of a number. */
static void put_digits(uint8_t *at, uint64_t number, unsigned base, unsigned digits) {
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (uint8_t) "0123456789abcdef"[number % base];
        number /= base;
    }
}

/* A random number that takes n bytes on the wire, n >= 2. */
static void put_number(struct stele_bench_events *events, uint8_t *at, unsigned n) {
    uint64_t random = next(events);
    for (unsigned i = 0; i + 1 < n; i++) {
        at[i] = (uint8_t)(random >> (8 * i) | 0x80);
    }
    uint64_t top = 1 + (random >> 56) % 0x7f;
    at[n - 1] = (uint8_t)top;
}

static void put_random(struct stele_bench_events *events, uint8_t *at, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = next(events);
        memcpy(at + i, &word, sizeof word);
    }
}

static void put_id(struct stele_bench_events *events, uint8_t *at, uint64_t ms) {
    uint64_t random = next(events);
    put_digits(at, ms >> 16, 16, 8);
    put_digits(at + 9, ms, 16, 4);
    put_digits(at + 15, random, 16, 3);
    put_digits(at + 20, random >> 12, 16, 3);
    put_digits(at + 24, next(events), 16, 12);
}

static uint64_t now_ns(const struct stele_bench_events *events) {
    struct timespec now;
    if (events->clock != NULL) {
        return stele_bench_clock_step_us(events->clock) * 1000u;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void stele_bench_actor(uint32_t rank, char out[STELE_AT_LEAST(32)]) {
    memcpy(out, ACTOR, sizeof ACTOR);
    put_digits((uint8_t *)out + strlen(ACTOR) - 6, rank, 10, 6);
}

void stele_bench_dataset(uint32_t rank, char out[STELE_AT_LEAST(32)]) {
    memcpy(out, DATASET, sizeof DATASET);
    put_digits((uint8_t *)out + strlen(DATASET) - 5, rank, 10, 5);
}

stele_status stele_bench_event(struct stele_bench_events *events, stele_buf *payload,
                               stele_err *err) {
    const struct stele_bench_places *places = &events->places;
    stele_status st = STELE_OK;
    if (events->size == 0) {
        STELE_TRY(make_template(events, err));
    }
    uint64_t now = now_ns(events);
    STELE_TRY(stele_buf_append(payload, stele_view_of(events->event, events->size), err));
    uint8_t *at = payload->data + payload->size - events->size;
    put_id(events, at + places->id, now / 1000000);
    for (unsigned i = 0; i < 8; i++) { /* little-endian on the wire */
        at[places->time + i] = (uint8_t)(now >> (8 * i));
    }
    uint32_t actor = zipf(events, &events->actors, events->n_actors);
    uint32_t dataset = zipf(events, &events->datasets, N_DATASETS);
    events->made = (struct stele_bench_made){now, actor, dataset};
    put_digits(at + places->actor + strlen(ACTOR) - 6, actor, 10, 6);
    put_digits(at + places->dataset + strlen(DATASET) - 5, dataset, 10, 5);
    put_random(events, at + places->digest, 32);
    put_number(events, at + places->size, 3);
    put_digits(at + places->model + strlen(MODEL) - 2, zipf(events, &events->models, N_MODELS), 10,
               2);
    put_random(events, at + places->trace, 16);
    put_random(events, at + places->span, 8);
    put_number(events, at + places->duration, 4);
    put_number(events, at + places->rows, 3);
    put_number(events, at + places->columns, 2);
cleanup:
    return st;
}
