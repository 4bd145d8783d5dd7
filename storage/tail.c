/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tail.c: the newest entries of a log in memory, until they are packed. Everything in it
 * can be rebuilt from the record chain. Arrays are as large as the unit can become, so that nothing
 * moves under a reader; pages that are never touched cost nothing.
 */
#include <assert.h>
#include <string.h>

#include "storage/unit.h"

stele_status stele_tail_new(uint64_t lo, uint64_t end, uint32_t era, struct stele_unit **ret,
                            stele_err *err) {
    assert(lo < end && end - lo <= (UINT64_C(1) << 20));
    size_t room = (size_t)(end - lo);
    struct stele_unit *unit = stele_alloc(1, sizeof *unit);
    struct stele_tail *tail = stele_alloc(1, sizeof *tail);
    if (tail != NULL) {
        tail->item = stele_alloc(room, sizeof *tail->item);
        tail->leaves = stele_alloc(room, STELE_HASH_BYTES);
        tail->tile_roots = stele_alloc(room / STELE_TILE_LEAVES + 1, STELE_HASH_BYTES);
        tail->late_us = stele_alloc(room, sizeof *tail->late_us);
        tail->chunk_capacity = room * STELE_TAGS_MAX / STELE_POSTING_CHUNK + 2;
        tail->chunk = stele_alloc(tail->chunk_capacity, sizeof(struct stele_posting *));
    }
    if (unit == NULL || tail == NULL || tail->item == NULL || tail->leaves == NULL ||
        tail->tile_roots == NULL || tail->late_us == NULL || tail->chunk == NULL) {
        stele_tail_free(tail);
        stele_free(unit);
        return STELE_FAIL(err, NO_MEMORY, "no memory for the newest %zu entries of a log", room);
    }
    atomic_init(&unit->refs, 1);
    unit->lo = lo;
    atomic_init(&unit->hi, lo);
    unit->end = end;
    unit->era = era;
    atomic_init(&unit->late_first, UINT64_MAX);
    unit->tail = tail;
    *ret = unit;
    return STELE_OK;
}

void stele_tail_free(struct stele_tail *tail) {
    if (tail == NULL) {
        return;
    }
    for (size_t i = 0; i < tail->n_blocks; i++) {
        stele_buf_done(&tail->block[i]);
    }
    for (size_t i = 0; tail->chunk != NULL && i < tail->chunk_capacity && tail->chunk[i] != NULL;
         i++) {
        stele_free(tail->chunk[i]);
    }
    stele_free(tail->chunk);
    stele_free(tail->block);
    stele_free(tail->item);
    stele_free(tail->leaves);
    stele_free(tail->tile_roots);
    stele_free(tail->late_us);
    stele_buf_done(&tail->snapshot);
    stele_free(tail);
}

stele_status stele_tail_take_block(struct stele_unit *unit, stele_buf *record, stele_err *err) {
    struct stele_tail *tail = unit->tail;
    if (tail->n_blocks == tail->block_capacity) {
        size_t capacity = tail->block_capacity == 0 ? 64 : tail->block_capacity * 2;
        stele_buf *block = stele_realloc(tail->block, capacity, sizeof *block);
        if (block == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for a tail of %zu records", capacity);
        }
        tail->block = block;
        tail->block_capacity = capacity;
    }
    tail->block[tail->n_blocks++] = *record;
    *record = STELE_BUF_EMPTY;
    return STELE_OK;
}

void stele_tail_drop_block(struct stele_unit *unit) {
    assert(unit->tail->n_blocks > 0);
    stele_buf_done(&unit->tail->block[--unit->tail->n_blocks]);
}

stele_status stele_tail_reserve(struct stele_unit *unit, size_t n_postings, stele_err *err) {
    struct stele_tail *tail = unit->tail;
    size_t last = (tail->n_postings_pending + n_postings) / STELE_POSTING_CHUNK;
    assert(last < tail->chunk_capacity);
    for (size_t i = last + 1; i-- > 0 && tail->chunk[i] == NULL;) {
        /* From the end down: the filled ones are a prefix, so the loop stops at the first of them.
         */
        tail->chunk[i] = stele_alloc(STELE_POSTING_CHUNK, sizeof(struct stele_posting));
        if (tail->chunk[i] == NULL) {
            for (size_t j = i + 1; j <= last; j++) {
                stele_free(tail->chunk[j]);
                tail->chunk[j] = NULL;
            }
            return STELE_FAIL(err, NO_MEMORY, "no memory for %zu index postings", n_postings);
        }
    }
    return STELE_OK;
}

void stele_tail_add_item(struct stele_unit *unit, uint64_t first_seq, stele_view bytes) {
    struct stele_tail *tail = unit->tail;
    size_t n = atomic_load_explicit(&tail->n_items, memory_order_relaxed);
    assert(n < unit->end - unit->lo);
    tail->item[n] = (struct stele_tail_item){first_seq, bytes};
    atomic_store_explicit(&tail->n_items, n + 1, memory_order_release);
}

void stele_tail_add_entry(struct stele_unit *unit, const struct stele_entry *entry,
                          const uint8_t leaf[STELE_AT_LEAST(32)]) {
    struct stele_tail *tail = unit->tail;
    uint64_t seq = entry->seq;
    assert(seq >= unit->lo && seq < unit->end);
    memcpy(tail->leaves + (seq - unit->lo) * STELE_HASH_BYTES, leaf, STELE_HASH_BYTES);
    if ((seq + 1) % STELE_TILE_LEAVES == 0 && seq + 1 - unit->lo >= STELE_TILE_LEAVES) {
        uint8_t hashes[STELE_TILE_LEAVES * STELE_HASH_BYTES];
        uint64_t first = seq + 1 - STELE_TILE_LEAVES;
        memcpy(hashes, tail->leaves + (first - unit->lo) * STELE_HASH_BYTES, sizeof hashes);
        for (size_t n = STELE_TILE_LEAVES / 2; n > 0; n /= 2) {
            stele_hash_inner_many(hashes, n, hashes);
        }
        uint64_t tile = first / STELE_TILE_LEAVES - stele_unit_first_tile(unit);
        memcpy(tail->tile_roots + tile * STELE_HASH_BYTES, hashes, STELE_HASH_BYTES);
    }
    if (seq == unit->lo) {
        atomic_store_explicit(&unit->t_first, entry->time_us, memory_order_relaxed);
    }
    atomic_store_explicit(&unit->t_last, entry->time_us, memory_order_relaxed);
    if (entry->type == STELE_ENTRY_EVENT && entry->as.event.late) {
        uint64_t event_us = entry->as.event.event_us;
        tail->late_us[seq - unit->lo] = event_us + 1;
        if (event_us < atomic_load_explicit(&unit->late_first, memory_order_relaxed)) {
            atomic_store_explicit(&unit->late_first, event_us, memory_order_relaxed);
        }
        if (event_us > atomic_load_explicit(&unit->late_last, memory_order_relaxed)) {
            atomic_store_explicit(&unit->late_last, event_us, memory_order_relaxed);
        }
    }
}

void stele_tail_add_tags(struct stele_unit *unit, uint64_t seq, const uint8_t *tags, uint16_t n) {
    struct stele_tail *tail = unit->tail;
    for (uint16_t i = 0; i < n; i++) {
        size_t at = tail->n_postings_pending++;
        struct stele_posting *posting =
            &tail->chunk[at / STELE_POSTING_CHUNK][at % STELE_POSTING_CHUNK];
        memcpy(posting->tag, tags + (size_t)i * STELE_TAG_BYTES, STELE_TAG_BYTES);
        posting->offset = (uint32_t)(seq - unit->lo);
    }
}

void stele_tail_publish(struct stele_unit *unit, uint64_t hi) {
    atomic_store_explicit(&unit->tail->n_postings, unit->tail->n_postings_pending,
                          memory_order_release);
    atomic_store_explicit(&unit->hi, hi, memory_order_release);
}

/* The first two bytes of a tag, which is a keyed hash: of postings that are not meant, one in
 * 65,536 for each that is has the same. */
#define STARTS 65536u

struct starts {
    uint64_t bits[STARTS / 64];
};

static uint32_t start_of(const uint8_t *tag) {
    return (uint32_t)tag[0] << 8 | tag[1];
}

static bool is_among(const struct starts *starts, const uint8_t *tag) {
    uint32_t start = start_of(tag);
    return (starts->bits[start / 64] >> (start % 64) & 1) != 0;
}

/* Every question reads all of a tail, up to half a million postings: those of other keys are passed
 * over here, at a nanosecond each, and not in a call. */
stele_status stele_tail_scan(const struct stele_unit *unit, uint64_t hi, const uint8_t *tags,
                             size_t n, stele_posting_fn fn, void *ctx, stele_err *err) {
    const struct stele_tail *tail = unit->tail;
    struct starts starts = {.bits = {0}};
    size_t n_postings = atomic_load_explicit(&tail->n_postings, memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        uint32_t start = start_of(tags + i * STELE_TAG_BYTES);
        starts.bits[start / 64] |= UINT64_C(1) << (start % 64);
    }
    for (size_t at = 0; at < n_postings; at += STELE_POSTING_CHUNK) {
        const struct stele_posting *posting = tail->chunk[at / STELE_POSTING_CHUNK];
        size_t left = n_postings - at;
        const struct stele_posting *end =
            posting + (left < STELE_POSTING_CHUNK ? left : STELE_POSTING_CHUNK);
        for (; posting < end; posting++) {
            if (!is_among(&starts, posting->tag)) {
                continue;
            }
            if (unit->lo + posting->offset >= hi) {
                return STELE_OK;
            }
            stele_status st = fn(ctx, posting->tag, unit->lo + posting->offset, err);
            if (st != STELE_OK) {
                return st;
            }
        }
    }
    return STELE_OK;
}
