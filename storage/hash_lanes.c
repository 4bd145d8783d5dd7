/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash_lanes.c: messages wait in line for one of four lanes. Each step compresses one block
 * of each lane, whatever message it belongs to, so that short and long ones leave no lane idle.
 * Salts and tags are one block each: four of them need no line.
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

/* The block that begins at `at` has room for the bit behind the message and for its length. */
static bool is_last(const struct lane *lane) {
    return lane->at + LENGTH_AT > lane->size;
}

static const uint8_t *block_of(const struct lanes *all, struct lane *lane) {
    const struct stele_hash_message *m = lane->message;
    size_t head = m->head_bytes;
    if (lane->at >= head && lane->at + BLOCK_BYTES <= lane->size) {
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
    if (lane->at + used == lane->size && used < BLOCK_BYTES) {
        lane->block[used] = 0x80;
    }
    if (is_last(lane)) {
        stele_put_u64(lane->block + LENGTH_AT, 8 * (all->start_bytes + lane->size));
    }
    return lane->block;
}

/* After a block: on to the next one, or out and the next message in. */
static void advance(struct lanes *all, size_t i) {
    struct lane *lane = &all->lane[i];
    bool last = is_last(lane);
    lane->at += BLOCK_BYTES;
    if (last) {
        stele_hash__ni_digest(&all->state[i], lane->out);
        all->n_active--;
        enter(all, i);
    }
}

/* The next four are one block each. */
static bool are_short(const struct lanes *all) {
    bool are = all->n_waiting >= STELE_HASH_NI_LANES;
    for (size_t i = 0; are && i < STELE_HASH_NI_LANES; i++) {
        are = all->next[i].head_bytes + all->next[i].body.size < LENGTH_AT;
    }
    return are;
}

static void run_short(struct lanes *all) {
    struct stele_hash_ni_state state[STELE_HASH_NI_LANES];
    uint8_t bytes[STELE_HASH_NI_LANES][BLOCK_BYTES];
    const uint8_t *block[STELE_HASH_NI_LANES];
    for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
        const struct stele_hash_message *m = &all->next[i];
        size_t size = m->head_bytes + m->body.size;
        memset(bytes[i], 0, sizeof bytes[i]);
        if (m->head_bytes > 0) {
            memcpy(bytes[i], m->head, m->head_bytes);
        }
        if (m->body.size > 0) {
            memcpy(bytes[i] + m->head_bytes, m->body.data, m->body.size);
        }
        bytes[i][size] = 0x80;
        stele_put_u64(bytes[i] + LENGTH_AT, 8 * (all->start_bytes + size));
        block[i] = bytes[i];
        state[i] = all->start;
    }
    stele_hash__ni_block_x4(state, block);
    for (size_t i = 0; i < STELE_HASH_NI_LANES; i++) {
        stele_hash__ni_digest(&state[i], all->out);
        all->out += STELE_HASH_BYTES;
    }
    all->next += STELE_HASH_NI_LANES;
    all->n_waiting -= STELE_HASH_NI_LANES;
}

static void run(struct lanes *all) {
    while (are_short(all)) {
        run_short(all);
    }
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
        struct lanes all; /* lanes are filled as they are entered */
        all.next = message;
        all.n_waiting = n;
        all.out = out;
        all.n_active = 0;
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

static void seed_message(uint8_t prefix, const uint8_t *seed, size_t i,
                         struct stele_hash_message *ret) {
    *ret = (struct stele_hash_message){.head = {prefix}, .head_bytes = 1 + STELE_SEED_BYTES + 1};
    memcpy(ret->head + 1, seed, STELE_SEED_BYTES);
    ret->head[1 + STELE_SEED_BYTES] = (uint8_t)i;
}

static void salted_message(uint8_t prefix, const uint8_t *salt, stele_view body,
                           struct stele_hash_message *ret) {
    *ret = (struct stele_hash_message){.head = {prefix}, .head_bytes = 1 + STELE_SALT_BYTES};
    memcpy(ret->head + 1, salt, STELE_SALT_BYTES);
    ret->body = body;
}

struct stele_hash_message stele_hash_message_leaf(stele_view entry) {
    return (struct stele_hash_message){.head = {0x00}, .head_bytes = 1, .body = entry};
}

struct stele_hash_message stele_hash_message_keys(const uint8_t ksalt[STELE_AT_LEAST(16)],
                                                  stele_view tags) {
    struct stele_hash_message message;
    salted_message(0x11, ksalt, tags, &message);
    stele_put_u16(message.head + message.head_bytes, (uint16_t)(tags.size / 16));
    message.head_bytes += 2;
    return message;
}

void stele_hash_frame(const uint8_t seed[STELE_AT_LEAST(32)],
                      const uint8_t kseed[STELE_AT_LEAST(32)], const stele_view *payload,
                      const stele_view *tags, size_t n, uint8_t *ret_payload_commits,
                      uint8_t *ret_keys_commits, uint8_t *ret_ksalts) {
    struct stele_hash_message message[2 * STELE_HASH_FRAME_MAX] = {0};
    uint8_t hash[2 * STELE_HASH_FRAME_MAX * STELE_HASH_BYTES];
    assert(n >= 1 && n <= STELE_HASH_FRAME_MAX);
    for (size_t i = 0; i < n; i++) {
        seed_message(0x17, seed, i, &message[i]);
        seed_message(0x18, kseed, i, &message[n + i]);
    }
    stele_sha256_many(NULL, message, 2 * n, hash);
    for (size_t i = 0; i < n; i++) { /* a salt is the first 16 bytes of its hash */
        salted_message(0x10, hash + i * STELE_HASH_BYTES, payload[i], &message[i]);
        const uint8_t *ksalt = hash + (n + i) * STELE_HASH_BYTES;
        message[n + i] = stele_hash_message_keys(ksalt, tags[i]);
        if (ret_ksalts != NULL) {
            memcpy(ret_ksalts + i * STELE_SALT_BYTES, ksalt, STELE_SALT_BYTES);
        }
    }
    stele_sha256_many(NULL, message, 2 * n, hash);
    memcpy(ret_payload_commits, hash, n * STELE_HASH_BYTES);
    memcpy(ret_keys_commits, hash + n * STELE_HASH_BYTES, n * STELE_HASH_BYTES);
}
