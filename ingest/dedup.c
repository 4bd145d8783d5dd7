/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/dedup.c: the ring, its index, and the claims.
 *
 * The ring holds (hash, place) in the order of storing; its oldest is overwritten when it is full.
 * The index is a table of 64-bit slots with linear probing, at most half full: 32 bits of the hash
 * beside the ring position plus one, so that a search touches the ring only on a match. Taking a
 * slot out moves its followers up, so that there are no tombstones and the table never degrades.
 * Claims hang in chains of a table of their own: their number is bounded by what the server holds.
 */
#include "ingest/dedup.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "proto/event_identity.h"
#include "storage/cursor.h"
#include "storage/hash_lanes.h"

#define CHAINS 65536u /* about as many as claims under full load */
#define LOG_SHIFT 58  /* a place in 64 bits: the log above, the seq below; logs are at most 64 */
_Static_assert(STELE_LOGS_MAX <= 1 << (64 - LOG_SHIFT), "a log's number must fit a place");

struct remembered {
    uint64_t hash;
    uint64_t place;
};

struct stele_dedup {
    struct stele_sha256 keyed; /* a stream that has taken the secret */
    uint32_t window;
    uint32_t mask; /* of the index, a power of two less one */
    pthread_mutex_t lock;
    /* all below under the lock */
    uint32_t n;    /* in the ring */
    uint32_t next; /* ring position to be written next; the oldest when the ring is full */
    struct remembered *ring;
    uint64_t *index;
    struct stele_dedup_claim **chain;
};

static uint64_t pack(struct stele_dedup_place place) {
    assert(place.seq >> LOG_SHIFT == 0);
    return (uint64_t)place.log << LOG_SHIFT | place.seq;
}

static struct stele_dedup_place unpack(uint64_t packed) {
    return (struct stele_dedup_place){(uint32_t)(packed >> LOG_SHIFT),
                                      packed & ((UINT64_C(1) << LOG_SHIFT) - 1)};
}

/* ------------------------------------------------------------------ life */

void stele_dedup_free(struct stele_dedup *dedup) {
    if (dedup == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&dedup->lock);
    stele_free(dedup->ring);
    stele_free(dedup->index);
    stele_free(dedup->chain);
    stele_free(dedup);
}

/* A secret of this process: who does not know it cannot make hashes collide. */
static stele_status take_secret(struct stele_dedup *dedup, stele_err *err) {
    uint8_t secret[64]; /* one whole block: hashing a short identity then is one compression */
    ssize_t n = getrandom(secret, sizeof secret, 0);
    if (n != (ssize_t)sizeof secret) {
        return STELE_FAIL_ERRNO(err, n < 0 ? errno : EIO,
                                "no random bytes for the duplicate window");
    }
    stele_sha256_init(&dedup->keyed);
    stele_sha256_update(&dedup->keyed, stele_view_of(secret, sizeof secret));
    return STELE_OK;
}

stele_status stele_dedup_new(uint32_t window_events, struct stele_dedup **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_dedup *dedup = NULL;
    if (window_events == 0 || window_events > STELE_DEDUP_WINDOW_MAX) {
        return STELE_FAIL(err, INVALID, "duplicate window of %u events: 1 to %u are possible",
                          window_events, STELE_DEDUP_WINDOW_MAX);
    }
    uint32_t slots = 2;
    while (slots / 2 < window_events) {
        slots *= 2;
    }
    dedup = stele_alloc(1, sizeof *dedup);
    if (dedup == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a duplicate window");
    }
    (void)pthread_mutex_init(&dedup->lock, NULL);
    STELE_TRY(take_secret(dedup, err));
    dedup->window = window_events;
    dedup->mask = slots - 1;
    dedup->ring = stele_alloc(window_events, sizeof *dedup->ring);
    dedup->index = stele_alloc(slots, sizeof *dedup->index);
    dedup->chain = stele_alloc(CHAINS, sizeof(struct stele_dedup_claim *));
    if (dedup->ring == NULL || dedup->index == NULL || dedup->chain == NULL) {
        st = STELE_FAIL(err, NO_MEMORY,
                        "no memory for a duplicate window of %u events; set a smaller one",
                        window_events);
        goto cleanup;
    }
    *ret = dedup;
    dedup = NULL;
cleanup:
    stele_dedup_free(dedup);
    return st;
}

/* What is hashed: sizes, so that no two identities make the same bytes, then the three names, which
 * are as long as the schema lets them be. */
enum {
    SIZES_BYTES = 4,
    NAMES_BYTES_MAX =
        STELE_EVENT_TENANT_BYTES_MAX + STELE_EVENT_SERVICE_BYTES_MAX + STELE_EVENT_ID_BYTES_MAX,
    TURN = 16
};

static size_t put_key(const struct stele_dedup_key *key, uint8_t *out) {
    const stele_view part[] = {key->tenant, key->service, key->event_id};
    size_t at = SIZES_BYTES;
    stele_put_u16(out, (uint16_t)key->tenant.size);
    stele_put_u16(out + 2, (uint16_t)key->service.size);
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        assert(part[i].size <= SIZES_BYTES + NAMES_BYTES_MAX - at);
        memcpy(out + at, part[i].data, part[i].size);
        at += part[i].size;
    }
    return at;
}

void stele_dedup_hash_many(const struct stele_dedup *dedup, struct stele_dedup_key *const *keys,
                           size_t n) {
    uint8_t bytes[TURN][SIZES_BYTES + NAMES_BYTES_MAX];
    uint8_t hash[TURN * STELE_HASH_BYTES];
    struct stele_hash_message message[TURN];
    for (size_t from = 0; from < n; from += TURN) {
        size_t part = n - from < TURN ? n - from : TURN;
        for (size_t i = 0; i < part; i++) {
            message[i].head_bytes = 0;
            message[i].body = stele_view_of(bytes[i], put_key(keys[from + i], bytes[i]));
        }
        stele_sha256_many(&dedup->keyed, message, part, hash);
        for (size_t i = 0; i < part; i++) {
            keys[from + i]->hash = stele_get_u64(hash + i * STELE_HASH_BYTES);
        }
    }
}

/* ------------------------------------------------------------------ the ring and its index */

static uint64_t slot_of(uint64_t hash, uint32_t position) {
    return hash << 32 | ((uint64_t)position + 1); /* never 0, which is an empty slot */
}

/* Where the search for a hash begins. */
static uint32_t home_of(const struct stele_dedup *dedup, uint64_t hash) {
    return (uint32_t)hash & dedup->mask;
}

static uint32_t hash_of_slot(uint64_t slot) {
    return (uint32_t)(slot >> 32);
}

static void index_insert(struct stele_dedup *dedup, uint64_t slot) {
    uint32_t at = home_of(dedup, hash_of_slot(slot));
    while (dedup->index[at] != 0) {
        at = (at + 1) & dedup->mask;
    }
    dedup->index[at] = slot;
}

static void index_remove(struct stele_dedup *dedup, uint64_t slot) {
    uint32_t hole = home_of(dedup, hash_of_slot(slot));
    while (dedup->index[hole] != slot) {
        assert(dedup->index[hole] != 0); /* what is in the ring is in the index */
        hole = (hole + 1) & dedup->mask;
    }
    for (uint32_t at = (hole + 1) & dedup->mask; dedup->index[at] != 0;
         at = (at + 1) & dedup->mask) {
        uint32_t home = home_of(dedup, hash_of_slot(dedup->index[at]));
        if (((at - home) & dedup->mask) >=
            ((at - hole) & dedup->mask)) { /* its search passes the hole */
            dedup->index[hole] = dedup->index[at];
            hole = at;
        }
    }
    dedup->index[hole] = 0;
}

/* How far ahead of the oldest its successor's slot is fetched: as many as are settled while memory
 * answers. */
#define AHEAD 16u

static void remember(struct stele_dedup *dedup, uint64_t hash, struct stele_dedup_place place) {
    uint32_t position = dedup->next;
    if (dedup->n == dedup->window) {
        uint32_t soon = position + AHEAD < dedup->window ? position + AHEAD : position;
        __builtin_prefetch(&dedup->index[home_of(dedup, dedup->ring[soon].hash)]);
        index_remove(dedup, slot_of(dedup->ring[position].hash, position));
    } else {
        dedup->n++;
    }
    dedup->ring[position] = (struct remembered){hash, pack(place)};
    index_insert(dedup, slot_of(hash, position));
    dedup->next = position + 1 == dedup->window ? 0 : position + 1;
}

static bool is_one_of(uint64_t packed, const struct stele_dedup_place *places, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (pack(places[i]) == packed) {
            return true;
        }
    }
    return false;
}

static bool find_stored(const struct stele_dedup *dedup, uint64_t hash,
                        const struct stele_dedup_place *not_these, size_t n_not_these,
                        struct stele_dedup_place *ret_place) {
    for (uint32_t at = home_of(dedup, hash); dedup->index[at] != 0; at = (at + 1) & dedup->mask) {
        uint64_t slot = dedup->index[at];
        if (hash_of_slot(slot) != (uint32_t)hash) {
            continue;
        }
        const struct remembered *r = &dedup->ring[(uint32_t)slot - 1];
        if (r->hash == hash && !is_one_of(r->place, not_these, n_not_these)) {
            *ret_place = unpack(r->place);
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ claims */

static struct stele_dedup_claim **chain_of(const struct stele_dedup *dedup, uint64_t hash) {
    return &dedup->chain[(hash >> 32) & (CHAINS - 1)];
}

void stele_dedup_expect(const struct stele_dedup *dedup, uint64_t hash) {
    __builtin_prefetch(&dedup->index[home_of(dedup, hash)]);
    __builtin_prefetch(chain_of(dedup, hash));
}

static bool same_key(const struct stele_dedup_key *a, const struct stele_dedup_key *b) {
    return a->hash == b->hash && stele_view_equal(a->event_id, b->event_id) &&
           stele_view_equal(a->tenant, b->tenant) && stele_view_equal(a->service, b->service);
}

stele_dedup_verdict stele_dedup_claim(struct stele_dedup *dedup, struct stele_dedup_claim *claim,
                                      struct stele_dedup_waiter *waiter,
                                      const struct stele_dedup_place *not_these, size_t n_not_these,
                                      struct stele_dedup_place *ret_place) {
    stele_dedup_verdict verdict = STELE_DEDUP_CLAIMED;
    assert(n_not_these <= STELE_DEDUP_COLLISIONS_MAX);
    (void)pthread_mutex_lock(&dedup->lock);
    struct stele_dedup_claim **chain = chain_of(dedup, claim->key.hash);
    struct stele_dedup_claim *held = *chain;
    while (held != NULL && !same_key(&held->key, &claim->key)) {
        held = held->next;
    }
    if (held != NULL) {
        verdict = STELE_DEDUP_OTHER;
        if (stele_view_equal(held->payload, claim->payload)) {
            verdict = STELE_DEDUP_WAITING;
            waiter->next = held->waiters;
            held->waiters = waiter;
        }
    } else if (n_not_these < STELE_DEDUP_COLLISIONS_MAX &&
               find_stored(dedup, claim->key.hash, not_these, n_not_these, ret_place)) {
        verdict = STELE_DEDUP_STORED;
    } else {
        claim->waiters = NULL;
        claim->next = *chain;
        *chain = claim;
    }
    (void)pthread_mutex_unlock(&dedup->lock);
    return verdict;
}

struct stele_dedup_waiter *stele_dedup_settle(struct stele_dedup *dedup,
                                              struct stele_dedup_claim *claim,
                                              const struct stele_dedup_place *place) {
    (void)pthread_mutex_lock(&dedup->lock);
    struct stele_dedup_claim **at = chain_of(dedup, claim->key.hash);
    while (*at != claim) {
        assert(*at != NULL); /* a claim is settled once */
        at = &(*at)->next;
    }
    *at = claim->next;
    if (place != NULL) {
        remember(dedup, claim->key.hash, *place);
    }
    struct stele_dedup_waiter *newest = claim->waiters;
    claim->waiters = NULL;
    (void)pthread_mutex_unlock(&dedup->lock);
    struct stele_dedup_waiter *oldest = NULL;
    while (newest != NULL) {
        struct stele_dedup_waiter *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void stele_dedup_remember(struct stele_dedup *dedup, uint64_t hash,
                          struct stele_dedup_place place) {
    (void)pthread_mutex_lock(&dedup->lock);
    remember(dedup, hash, place);
    (void)pthread_mutex_unlock(&dedup->lock);
}

uint32_t stele_dedup_window(const struct stele_dedup *dedup) {
    return dedup->window;
}

uint32_t stele_dedup_remembered(struct stele_dedup *dedup) {
    (void)pthread_mutex_lock(&dedup->lock);
    uint32_t n = dedup->n;
    (void)pthread_mutex_unlock(&dedup->lock);
    return n;
}
