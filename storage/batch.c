/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/batch.c: prepares events in the submitter's thread: tags, commitments, compression. What
 * is left for the committer is to give each event its place.
 *
 * Tags depend on the era and on whether the event is late, both fixed only at commit. They are made
 * here for the current era and the current time; the committer makes those again that came out
 * otherwise.
 */
#include <assert.h>
#include <string.h>

#include "storage/hash_lanes.h"
#include "storage/log_parts.h"

static pthread_key_t facts_key;
static pthread_once_t facts_once = PTHREAD_ONCE_INIT;

static void free_facts(void *facts) {
    stele_free(facts);
}

static void make_facts_key(void) {
    int failed = pthread_key_create(&facts_key, free_facts);
    assert(failed == 0);
    (void)failed;
}

struct stele_event_facts *stele_facts_mine(void) {
    (void)pthread_once(&facts_once, make_facts_key);
    struct stele_event_facts *facts = pthread_getspecific(facts_key);
    if (facts == NULL) {
        facts = stele_alloc(1, sizeof *facts);
        (void)pthread_setspecific(facts_key, facts);
    }
    return facts;
}

stele_status stele_batch_new(struct stele_log *log, struct stele_batch **ret, stele_err *err) {
    struct stele_batch *batch = stele_alloc(1, sizeof *batch);
    if (batch == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a batch");
    }
    batch->log = log;
    batch->now_us = stele_store_now_us(log->store);
    (void)pthread_mutex_lock(&log->lock);
    batch->era = log->now_era;
    batch->tag_key = log->now_key;
    (void)pthread_mutex_unlock(&log->lock);
    *ret = batch;
    return STELE_OK;
}

void stele_batch_free(struct stele_batch *batch) {
    if (batch == NULL) {
        return;
    }
    stele_free(batch->event);
    stele_free(batch->frame);
    stele_free(batch->opaque);
    stele_buf_done(&batch->tags);
    stele_buf_done(&batch->sealed);
    stele_buf_done(&batch->body);
    stele_free(batch);
}

size_t stele_batch_count(const struct stele_batch *batch) {
    return batch->n_events;
}

uint64_t stele_log_adoptions(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    uint64_t n = log->n_adoptions;
    (void)pthread_mutex_unlock(&log->lock);
    return n;
}

void stele_batch_bind(struct stele_batch *batch, uint64_t adoptions) {
    batch->bound = true;
    batch->n_adoptions = adoptions;
}

static stele_status grow_events(struct stele_batch *batch, stele_err *err) {
    if (batch->n_events < batch->event_capacity) {
        return STELE_OK;
    }
    size_t capacity = batch->event_capacity == 0 ? 16 : batch->event_capacity * 2;
    struct stele_batch_event *event = stele_realloc(batch->event, capacity, sizeof *event);
    if (event == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a batch of %zu events", capacity);
    }
    batch->event = event;
    batch->event_capacity = capacity;
    return STELE_OK;
}

static stele_status add_opaque(struct stele_batch *batch, const struct stele_event_facts *facts,
                               stele_err *err) {
    size_t n = batch->n_opaque + facts->n_opaque;
    if (n > batch->opaque_capacity) {
        size_t capacity = 2 * n;
        stele_view *opaque = stele_realloc(batch->opaque, capacity, sizeof *opaque);
        if (opaque == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for a batch of %zu events",
                              batch->n_events);
        }
        batch->opaque = opaque;
        batch->opaque_capacity = capacity;
    }
    if (facts->n_opaque > 0) {
        memcpy(batch->opaque + batch->n_opaque, facts->opaque,
               facts->n_opaque * sizeof *batch->opaque);
    }
    batch->n_opaque = n;
    return STELE_OK;
}

stele_status stele_batch_add(struct stele_batch *batch, stele_view payload, stele_err *err) {
    struct stele_event_facts *facts = stele_facts_mine();
    struct stele_tag_set set;
    stele_status st = STELE_OK;
    const struct stele_event_map *map = batch->log->map;
    if (facts == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for this thread's event facts");
    }
    if (batch->n_events >= STELE_BATCH_EVENTS_MAX || payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(
            err, LIMIT,
            "an event of %zu bytes as number %zu of its batch; at most %d bytes and %d events",
            payload.size, batch->n_events + 1, STELE_PAYLOAD_BYTES_MAX, STELE_BATCH_EVENTS_MAX);
    }
    STELE_TRY(map->map(map->ctx, payload, facts, err));
    if (facts->tenant.size < 1 || facts->tenant.size > STELE_TENANT_MAX) {
        return STELE_FAIL(err, INVALID, "a tenant name of %zu bytes; it has 1 to %d",
                          facts->tenant.size, STELE_TENANT_MAX);
    }
    if (!stele_log_takes_tenant(batch->log, facts->tenant)) {
        return STELE_FAIL(err, DENIED, "log %s does not take this tenant", batch->log->full_name);
    }
    bool late = stele_entry_is_late(batch->now_us, facts->event_us);
    STELE_TRY(stele_tag_set_of(batch->tag_key, facts, late, &set, err));
    STELE_TRY(grow_events(batch, err));
    struct stele_batch_event event = {.payload = payload,
                                      .tenant = facts->tenant,
                                      .event_us = facts->event_us,
                                      .tags_at = (uint32_t)(batch->tags.size / STELE_TAG_BYTES),
                                      .opaque_at = (uint32_t)batch->n_opaque,
                                      .n_tags = set.n,
                                      .n_opaque = (uint16_t)facts->n_opaque,
                                      .late = late};
    STELE_TRY(add_opaque(batch, facts, err));
    STELE_TRY(stele_buf_append(&batch->tags,
                               stele_view_of(set.tag, (size_t)set.n * STELE_TAG_BYTES), err));
    batch->event[batch->n_events++] = event;
    batch->payload_bytes += payload.size;
cleanup:
    return st;
}

stele_status stele_batch__retag(struct stele_batch *batch, size_t i,
                                const struct stele_tag_key *key, bool late,
                                const uint8_t ksalt[STELE_AT_LEAST(16)], stele_err *err) {
    struct stele_event_facts *facts = stele_facts_mine();
    struct stele_batch_event *event = &batch->event[i];
    struct stele_tag_set set;
    stele_status st = STELE_OK;
    if (facts == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for this thread's event facts");
    }
    STELE_TRY(batch->log->map->map(batch->log->map->ctx, event->payload, facts, err));
    STELE_TRY(stele_tag_set_of(key, facts, late, &set, err));
    uint32_t at = (uint32_t)(batch->tags.size / STELE_TAG_BYTES);
    STELE_TRY(stele_buf_append(&batch->tags,
                               stele_view_of(set.tag, (size_t)set.n * STELE_TAG_BYTES), err));
    event->tags_at = at;
    event->n_tags = set.n;
    event->late = late;
    stele_hash_keys(ksalt, set.tag[0], set.n, event->keys_commit);
cleanup:
    return st;
}

stele_status stele_batch__seal(struct stele_batch *batch, struct stele_batch_frame *frame,
                               stele_err *err) {
    struct stele_frame_event sealing[STELE_FRAME_EVENTS_MAX];
    stele_view payload[STELE_FRAME_EVENTS_MAX];
    stele_view tags[STELE_FRAME_EVENTS_MAX];
    uint8_t payload_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    uint8_t keys_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    struct stele_compressor *compressor = NULL;
    stele_status st = STELE_OK;
    for (uint8_t i = 0; i < frame->n; i++) {
        const struct stele_batch_event *event = &batch->event[frame->first + i];
        payload[i] = event->payload;
        sealing[i] = (struct stele_frame_event){event->payload, batch->opaque + event->opaque_at,
                                                event->n_opaque};
        tags[i] = stele_view_of(batch->tags.data + (size_t)event->tags_at * STELE_TAG_BYTES,
                                (size_t)event->n_tags * STELE_TAG_BYTES);
    }
    stele_hash_frame(frame->seed, frame->kseed, payload, tags, frame->n, payload_commit,
                     keys_commit, NULL);
    for (uint8_t i = 0; i < frame->n; i++) {
        struct stele_batch_event *event = &batch->event[frame->first + i];
        memcpy(event->payload_commit, payload_commit + (size_t)i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
        memcpy(event->keys_commit, keys_commit + (size_t)i * STELE_HASH_BYTES, STELE_HASH_BYTES);
    }
    STELE_TRY(stele_compressor_mine(&compressor, err));
    frame->sealed_at = batch->sealed.size;
    STELE_TRY(stele_frame_seal(compressor, frame->seed, sealing, frame->n, &batch->sealed,
                               &frame->raw_bytes, err));
    frame->sealed_bytes = batch->sealed.size - frame->sealed_at;
    stele_item_digest_sealed(
        stele_view_of(batch->sealed.data + frame->sealed_at, frame->sealed_bytes),
        frame->sealed_digest);
cleanup:
    return st;
}

/* The seeds of all frames in one question to the kernel. */
static void draw_seeds(struct stele_batch *batch, size_t n_frames) {
    enum {
        FRAMES_MAX = (STELE_BATCH_EVENTS_MAX + STELE_FRAME_EVENTS_MAX - 1) / STELE_FRAME_EVENTS_MAX
    };
    uint8_t seeds[FRAMES_MAX][2][STELE_SEED_BYTES];
    assert(n_frames <= FRAMES_MAX);
    stele_random(seeds[0][0], n_frames * sizeof seeds[0]);
    for (size_t i = 0; i < n_frames; i++) {
        memcpy(batch->frame[i].seed, seeds[i][0], STELE_SEED_BYTES);
        memcpy(batch->frame[i].kseed, seeds[i][1], STELE_SEED_BYTES);
    }
}

static stele_status seal_all(struct stele_batch *batch, stele_err *err) {
    stele_status st = STELE_OK;
    size_t n = (batch->n_events + STELE_FRAME_EVENTS_MAX - 1) / STELE_FRAME_EVENTS_MAX;
    stele_free(batch->frame);
    batch->n_frames = 0;
    batch->sealed.size = 0;
    batch->frame = stele_alloc(n, sizeof *batch->frame);
    if (batch->frame == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu frames", n);
    }
    draw_seeds(batch, n);
    for (size_t i = 0; i < n; i++) {
        struct stele_batch_frame *frame = &batch->frame[i];
        size_t first = i * STELE_FRAME_EVENTS_MAX;
        size_t left = batch->n_events - first;
        frame->first = (uint16_t)first;
        frame->n = (uint8_t)(left < STELE_FRAME_EVENTS_MAX ? left : STELE_FRAME_EVENTS_MAX);
        STELE_TRY(stele_batch__seal(batch, frame, err));
        batch->n_frames++;
    }
cleanup:
    return st;
}

static stele_status enqueue(struct stele_batch *batch, stele_err *err) {
    struct stele_log *log = batch->log;
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&log->lock);
    if (log->stopped.status != STELE_OK) {
        if (err != NULL) {
            *err = log->stopped;
        }
        st = log->stopped.status;
    } else if (log->stopping || !log->running) {
        st = STELE_FAIL(err, CLOSED,
                        "log %s is shutting down; send the events again to a running server",
                        log->full_name);
    } else if (batch->bound && batch->n_adoptions != log->n_adoptions) {
        st = STELE_FAIL(err, CLOSED,
                        "log %s recovered a moment ago and took up entries that may be these; send "
                        "the events again",
                        log->full_name);
    } else if (log->queue_events + batch->n_events > STELE_QUEUE_EVENTS_MAX ||
               log->queue_bytes + batch->payload_bytes > STELE_QUEUE_BYTES_MAX) {
        st = STELE_FAIL(err, BUSY,
                        "log %s has %zu events waiting to be written; send the batch again later",
                        log->full_name, log->queue_events);
    } else {
        batch->next = NULL;
        if (log->queue_last == NULL) {
            log->queue_first = batch;
        } else {
            log->queue_last->next = batch;
        }
        log->queue_last = batch;
        log->queue_events += batch->n_events;
        log->queue_bytes += batch->payload_bytes;
        (void)pthread_cond_signal(&log->work);
    }
    (void)pthread_mutex_unlock(&log->lock);
    return st;
}

stele_status stele_batch_submit(struct stele_batch *batch, stele_batch_done_fn done, void *arg,
                                stele_err *err) {
    assert(batch->kind != STELE_BATCH_EVENTS || batch->n_events > 0);
    stele_status st = STELE_OK;
    batch->done = done;
    batch->done_arg = arg;
    if (batch->kind == STELE_BATCH_EVENTS) {
        STELE_TRY(seal_all(batch, err));
    }
    STELE_TRY(enqueue(batch, err));
cleanup:
    return st;
}
