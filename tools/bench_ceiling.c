/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_ceiling.c: the work that no design can avoid, without queues, network and disk around
 * it. */
#include "tools/bench_ceiling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/event_map.h"
#include "storage/entry.h"
#include "storage/frame.h"
#include "storage/hash_lanes.h"
#include "storage/monotonic.h"
#include "storage/tree.h"
#include "tools/bench_events.h"

#define N_EVENTS 65536u
#define N_ROUNDS 15
#define N_SYNCS 101

struct work {
    struct stele_event_facts facts;
    struct stele_tag_set tags[STELE_FRAME_EVENTS_MAX];
    stele_view opaque[STELE_FRAME_EVENTS_MAX][STELE_OPAQUE_MAX];
    struct stele_tag_key key;
    struct stele_frontier frontier;
    stele_buf sealed;
    uint64_t seq;
};

/* One frame of 16 events: what the submitter and the committer hash and compress. */
static stele_status do_frame(struct work *work, const stele_view *payload,
                             struct stele_compressor *compressor, stele_err *err) {
    uint8_t entries[STELE_FRAME_EVENTS_MAX * STELE_ENTRY_EVENT_BYTES + STELE_ENTRY_BYTES_MAX];
    uint8_t leaves[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    uint8_t seed[STELE_SEED_BYTES] = {1};
    uint8_t payload_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    uint8_t keys_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    stele_view tags[STELE_FRAME_EVENTS_MAX];
    struct stele_frame_event event[STELE_FRAME_EVENTS_MAX];
    uint64_t event_us[STELE_FRAME_EVENTS_MAX];
    uint32_t raw_bytes = 0;
    struct stele_event_map map = stele_event_map_current();
    stele_status st = STELE_OK;
    for (uint8_t i = 0; i < STELE_FRAME_EVENTS_MAX; i++) {
        STELE_TRY(map.map(map.ctx, payload[i], &work->facts, err));
        STELE_TRY(stele_tag_set_of(&work->key, &work->facts, false, &work->tags[i], err));
        tags[i] =
            stele_view_of(work->tags[i].tag, (size_t)work->tags[i].n * sizeof work->tags[i].tag[0]);
        event_us[i] = work->facts.event_us;
        memcpy(work->opaque[i], work->facts.opaque, sizeof work->opaque[i]);
        event[i] = (struct stele_frame_event){payload[i], work->opaque[i], work->facts.n_opaque};
    }
    stele_hash_frame(seed, seed, payload, tags, STELE_FRAME_EVENTS_MAX, payload_commit, keys_commit,
                     NULL);
    for (uint8_t i = 0; i < STELE_FRAME_EVENTS_MAX; i++) {
        struct stele_entry entry = {
            .type = STELE_ENTRY_EVENT, .era = 202601, .seq = work->seq++, .time_us = event_us[i]};
        entry.as.event.event_us = event_us[i];
        entry.as.event.retention_years = 3;
        memcpy(entry.as.event.payload_commit, payload_commit + (size_t)i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
        memcpy(entry.as.event.keys_commit, keys_commit + (size_t)i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
        (void)stele_entry_encode(&entry, entries + (size_t)i * STELE_ENTRY_EVENT_BYTES);
    }
    stele_hash_leaf_many(entries, STELE_ENTRY_EVENT_BYTES, STELE_FRAME_EVENTS_MAX, leaves);
    STELE_TRY(stele_frontier_push_many(&work->frontier, leaves, STELE_FRAME_EVENTS_MAX, err));
    stele_buf_clear(&work->sealed);
    STELE_TRY(stele_frame_seal(compressor, seed, event, STELE_FRAME_EVENTS_MAX, &work->sealed,
                               &raw_bytes, err));
cleanup:
    return st;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static stele_status do_round(struct work *work, const stele_buf *payload,
                             struct stele_compressor *compressor, double *ret_per_s,
                             stele_err *err) {
    stele_view frame[STELE_FRAME_EVENTS_MAX];
    stele_status st = STELE_OK;
    double start = (double)stele_monotonic_us() / 1e6;
    for (size_t i = 0; st == STELE_OK && i < N_EVENTS; i += STELE_FRAME_EVENTS_MAX) {
        for (size_t j = 0; j < STELE_FRAME_EVENTS_MAX; j++) {
            frame[j] = stele_view_buf(&payload[i + j]);
        }
        st = do_frame(work, frame, compressor, err);
    }
    *ret_per_s = (double)N_EVENTS / ((double)stele_monotonic_us() / 1e6 - start);
    return st;
}

/* The median of some rounds: one alone is too short for a machine with other tenants. */
static stele_status measure_hash_compress(double *ret_per_s, stele_err *err) {
    struct work *work = stele_alloc(1, sizeof *work);
    stele_buf *payload = stele_alloc(N_EVENTS, sizeof *payload);
    struct stele_bench_events events = {.state = 1, .region = "bench-1", .n_actors = 10000};
    struct stele_compressor *compressor = NULL;
    uint8_t secret[32] = {7};
    double per_s[N_ROUNDS];
    stele_status st = STELE_OK;
    STELE_TRY(work == NULL || payload == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to measure")
                                              : STELE_OK);
    stele_tag_key_init(&work->key, secret);
    stele_frontier_init(&work->frontier);
    STELE_TRY(stele_compressor_mine(&compressor, err));
    for (size_t i = 0; i < N_EVENTS; i++) {
        STELE_TRY(stele_bench_event(&events, &payload[i], err));
    }
    for (size_t i = 0; i < N_ROUNDS; i++) {
        STELE_TRY(do_round(work, payload, compressor, &per_s[i], err));
    }
    qsort(per_s, N_ROUNDS, sizeof *per_s, compare_doubles);
    *ret_per_s = per_s[N_ROUNDS / 2];
cleanup:
    for (size_t i = 0; payload != NULL && i < N_EVENTS; i++) {
        stele_buf_done(&payload[i]);
    }
    stele_free(payload);
    if (work != NULL) {
        stele_buf_done(&work->sealed);
    }
    stele_free(work);
    return st;
}

static stele_status measure_fdatasync(double *ret_ms, stele_err *err) {
    char path[] = "/tmp/stele-bench-sync-XXXXXX";
    uint8_t block[4096] = {1};
    double ms[N_SYNCS];
    stele_status st = STELE_OK;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot make a file in /tmp");
    }
    for (int i = 0; i < N_SYNCS && st == STELE_OK; i++) {
        double start = (double)stele_monotonic_us() / 1e6;
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0) {
            st = STELE_FAIL_ERRNO(err, errno, "cannot write '%s'", path);
        }
        ms[i] = ((double)stele_monotonic_us() / 1e6 - start) * 1e3;
    }
    (void)close(fd);
    (void)unlink(path);
    if (st == STELE_OK) {
        qsort(ms, N_SYNCS, sizeof *ms, compare_doubles);
        *ret_ms = ms[N_SYNCS / 2];
    }
    return st;
}

stele_status stele_bench_ceiling_measure(struct stele_bench_ceiling *ret, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(measure_hash_compress(&ret->hash_compress_per_s, err));
    STELE_TRY(measure_fdatasync(&ret->fdatasync_ms, err));
cleanup:
    return st;
}
