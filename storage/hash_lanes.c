/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash_lanes.c: messages wait in line for one of four lanes. Each step compresses one block
 * of each lane, whatever message it belongs to, so that short and long ones leave no lane idle.
 */
#include "storage/hash_lanes.h"

#include <assert.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/hash_ni.h"

enum { BLOCK_BYTES = 64, LENGTH_AT = 56 };

struct lane {
    const struct stele_hash_message *message; /* NULL: idle */
    size_t size, at;                          /* of the message; where the next block begins */
    uint8_t *out;
    uint8_t block[BLOCK_BYTES]; /* where head, padding or length are part of it */
};

struct lanes {
    struct lane lane[STELE_HASH_NI_LANES];
    struct stele_hash_ni_state state[STELE_HASH_NI_LANES];
    struct stele_hash_ni_state start;
    uint64_t start_bytes;
    const struct stele_hash_message *next;
    size_t n_waiting;
    uint8_t *out;
    size_t n_active;
};

/* The next message, if one waits. */
static void enter(struct lanes *all, size_t i) {
    struct lane *lane = &all->lane[i];
    lane->message = NULL;
    if (all->n_waiting == 0) {
        return;
    }
    lane->message = all->next++;
    all->n_waiting--;
    assert(lane->message->head_bytes <= STELE_HASH_HEAD_MAX);
    lane->size = lane->message->head_bytes + lane->message->body.size;
    lane->at = 0;
    lane->out = all->out;
    all->out += STELE_HASH_BYTES;
    all->state[i] = all->start;
    all->n_active++;
}

static const uint8_t *block_of(const struct lanes *all, struct lane *lane) {
    const struct stele_hash_message *m = lane->message;
    size_t head = m->head_bytes;
    if (lane->at >= head && lane->size - lane->at >= BLOCK_BYTES && lane->at <= lane->size) {
        return m->body.data + (lane->at - head);
    }
    size_t used = 0;
    memset(lane->block, 0, sizeof lane->block);
    if (lane->at == 0) {
        memcpy(lane->block, m->head, head);
        used = head;
    }
    if (lane->at + used < lane->size) {
        size_t left = lane->size - lane->at - used;
        size_t room = BLOCK_BYTES - used;
        left = left < room ? left : room;
        memcpy(lane->block + used, m->body.data + (lane->at + used - head), left);
        used += left;
    }
    if (lane->at + used == lane->size && used < BLOCK_BYTES && lane->size >= lane->at) {
        lane->block[used] = 0x80;
    }
    if (lane->at + LENGTH_AT > lane->size) {
        stele_put_u64(lane->block + LENGTH_AT, 8 * (all->start_bytes + lane->size));
    }
    return lane->block;
}

/* After a block: on to the next one, or out and the next message in. */
static void advance(struct lanes *all, size_t i) {
    struct lane *lane = &all->lane[i];
    bool last = lane->at + LENGTH_AT > lane->size; /* it had room for bit and length */
    lane->at += BLOCK_BYTES;
    if (last) {
        stele_hash__ni_digest(&all->state[i], lane->out);
        all->n_active--;
        enter(all, i);
    }
}

static void run(struct lanes *all) {
    for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
        enter(all, i);
    }
    /* Three of four are still quicker side by side than one after the other. */
    while (all->n_active >= STELE_HASH_NI_LANES - 1) {
        const uint8_t *block[STELE_HASH_NI_LANES];
        const uint8_t *any = NULL;
        for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
            if (all->lane[i].message != NULL) {
                any = block[i] = block_of(all, &all->lane[i]);
            }
        }
        for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
            block[i] = all->lane[i].message != NULL ? block[i] : any;
        }
        stele_hash__ni_block_x4(all->state, block);
        for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
            if (all->lane[i].message != NULL) {
                advance(all, i);
            }
        }
    }
    for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
        while (all->lane[i].message != NULL) {
            stele_hash__ni_block(&all->state[i], block_of(all, &all->lane[i]));
            advance(all, i);
        }
    }
}

void stele_sha256_many(const struct stele_sha256 *start, const struct stele_hash_message *message,
                       size_t n, uint8_t *out) {
    struct stele_sha256 fresh;
    if (start == NULL) {
        stele_sha256_init(&fresh);
        start = &fresh;
    }
    if (stele_hash__ni_available()) {
        uint32_t words[8];
        struct lanes all = {.next = message, .n_waiting = n, .out = out};
        all.start_bytes = stele_sha256_state(start, words);
        stele_hash__ni_load(&all.start, words);
        run(&all);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct stele_sha256 h = *start;
        stele_sha256_update(&h, stele_view_of(message[i].head, message[i].head_bytes));
        stele_sha256_update(&h, message[i].body);
        stele_sha256_final(&h, out + i * STELE_HASH_BYTES);
    }
}

struct stele_hash_message stele_hash_message_payload(const uint8_t salt[STELE_AT_LEAST(16)],
                                                     stele_view payload) {
    struct stele_hash_message m = {.head = {0x10}, .head_bytes = 1 + STELE_SALT_BYTES};
    memcpy(m.head + 1, salt, STELE_SALT_BYTES);
    m.body = payload;
    return m;
}

struct stele_hash_message stele_hash_message_keys(const uint8_t ksalt[STELE_AT_LEAST(16)],
                                                  const uint8_t *tags, uint16_t n) {
    struct stele_hash_message m = {.head = {0x11}, .head_bytes = 1 + STELE_SALT_BYTES + 2};
    memcpy(m.head + 1, ksalt, STELE_SALT_BYTES);
    stele_put_u16(m.head + 1 + STELE_SALT_BYTES, n);
    m.body = stele_view_of(tags, (size_t)n * 16);
    return m;
}

static void seed_many(uint8_t prefix, const uint8_t *seed, size_t n, uint8_t *out) {
    enum { AT_A_TIME = 16 }; /* a frame's */
    struct stele_hash_message message[AT_A_TIME];
    uint8_t hash[AT_A_TIME * STELE_HASH_BYTES];
    assert(n <= 256);
    for (size_t first = 0; first < n; first += AT_A_TIME) {
        size_t some = n - first < AT_A_TIME ? n - first : AT_A_TIME;
        for (size_t i = 0; i < some; i++) {
            message[i] = (struct stele_hash_message){.head = {prefix},
                                                     .head_bytes = 1 + STELE_SEED_BYTES + 1};
            memcpy(message[i].head + 1, seed, STELE_SEED_BYTES);
            message[i].head[1 + STELE_SEED_BYTES] = (uint8_t)(first + i);
        }
        stele_sha256_many(NULL, message, some, hash);
        for (size_t i = 0; i < some; i++) {
            memcpy(out + (first + i) * STELE_SALT_BYTES, hash + i * STELE_HASH_BYTES,
                   STELE_SALT_BYTES);
        }
    }
}

void stele_hash_salt_many(const uint8_t seed[STELE_AT_LEAST(32)], size_t n, uint8_t *out) {
    seed_many(0x17, seed, n, out);
}

void stele_hash_ksalt_many(const uint8_t kseed[STELE_AT_LEAST(32)], size_t n, uint8_t *out) {
    seed_many(0x18, kseed, n, out);
}
