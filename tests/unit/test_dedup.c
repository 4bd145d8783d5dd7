/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_dedup.c: claims, waiters, the window and its eviction, collisions; and all of it
 * held against a map that is searched from end to end.
 */
#include "ingest/dedup.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct stele_dedup *make(uint32_t window) {
    struct stele_dedup *dedup = NULL;
    assert_ok(stele_dedup_new(window, &dedup, NULL));
    return dedup;
}

static struct stele_dedup_claim claim_of(const struct stele_dedup *dedup, const char *tenant,
                                         const char *service, const char *id, const char *payload) {
    struct stele_dedup_claim claim = {
        .key = {stele_view_str(tenant), stele_view_str(service), stele_view_str(id), 0},
        .payload = stele_view_str(payload),
    };
    struct stele_dedup_key *keys[] = {&claim.key};
    stele_dedup_hash_many(dedup, keys, 1);
    return claim;
}

static stele_dedup_verdict ask(struct stele_dedup *dedup, struct stele_dedup_claim *claim,
                               struct stele_dedup_waiter *waiter, struct stele_dedup_place *place) {
    return stele_dedup_claim(dedup, claim, waiter, NULL, 0, place);
}

static void store(struct stele_dedup *dedup, const char *id, uint64_t seq) {
    struct stele_dedup_claim claim = claim_of(dedup, "acme", "gateway", id, "x");
    struct stele_dedup_place place = {2, seq};
    assert_int_equal(ask(dedup, &claim, NULL, NULL), STELE_DEDUP_CLAIMED);
    assert_null(stele_dedup_settle(dedup, &claim, &place));
}

static void test_dedup__hash_is_of_all_three_parts_and_keyed(void **state) {
    (void)state;
    struct stele_dedup *a = make(8);
    struct stele_dedup *b = make(8);
    struct stele_dedup_claim one = claim_of(a, "acme", "gateway", "e1", "");
    assert_true(one.key.hash == claim_of(a, "acme", "gateway", "e1", "other").key.hash);
    assert_true(one.key.hash != claim_of(a, "acm", "egateway", "e1", "").key.hash);
    assert_true(one.key.hash != claim_of(a, "acme", "gatewaye", "1", "").key.hash);
    assert_true(one.key.hash != claim_of(a, "acme", "gateway", "e2", "").key.hash);
    assert_true(one.key.hash != claim_of(b, "acme", "gateway", "e1", "").key.hash);
    stele_dedup_free(a);
    stele_dedup_free(b);
}

static void test_dedup__same_bytes_wait_for_the_first(void **state) {
    (void)state;
    struct stele_dedup *dedup = make(8);
    struct stele_dedup_waiter waiter[3] = {{NULL}, {NULL}, {NULL}};
    struct stele_dedup_place place = {1, 77};
    struct stele_dedup_claim first = claim_of(dedup, "acme", "gateway", "e1", "bytes");
    struct stele_dedup_claim again = claim_of(dedup, "acme", "gateway", "e1", "bytes");
    assert_int_equal(ask(dedup, &first, &waiter[0], &place), STELE_DEDUP_CLAIMED);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ask(dedup, &again, &waiter[i], &place), STELE_DEDUP_WAITING);
    }
    struct stele_dedup_waiter *told = stele_dedup_settle(dedup, &first, &place);
    for (size_t i = 0; i < 3; i++) { /* in the order they came */
        assert_ptr_equal(told, &waiter[i]);
        told = told->next;
    }
    assert_null(told);
    struct stele_dedup_place found = {0, 0};
    assert_int_equal(ask(dedup, &again, &waiter[0], &found), STELE_DEDUP_STORED);
    assert_int_equal(found.log, 1);
    assert_int_equal(found.seq, 77);
    stele_dedup_free(dedup);
}

static void test_dedup__other_bytes_are_told_apart_while_claimed(void **state) {
    (void)state;
    struct stele_dedup *dedup = make(8);
    struct stele_dedup_waiter waiter;
    struct stele_dedup_claim first = claim_of(dedup, "acme", "gateway", "e1", "bytes");
    struct stele_dedup_claim other = claim_of(dedup, "acme", "gateway", "e1", "others");
    struct stele_dedup_claim unrelated = claim_of(dedup, "acme", "gateway", "e2", "bytes");
    assert_int_equal(ask(dedup, &first, NULL, NULL), STELE_DEDUP_CLAIMED);
    assert_int_equal(ask(dedup, &other, &waiter, NULL), STELE_DEDUP_OTHER);
    assert_int_equal(ask(dedup, &unrelated, NULL, NULL), STELE_DEDUP_CLAIMED);
    assert_null(stele_dedup_settle(dedup, &unrelated, NULL));
    assert_null(stele_dedup_settle(dedup, &first, NULL));
    assert_int_equal(stele_dedup_remembered(dedup), 0);
    stele_dedup_free(dedup);
}

static void test_dedup__a_failed_claim_is_forgotten_and_evicts_nothing(void **state) {
    (void)state;
    struct stele_dedup *dedup = make(4);
    struct stele_dedup_place place;
    char id[32];
    store(dedup, "kept", 5);
    for (int i = 0; i < 1000; i++) { /* as in a full disk with clients that try again */
        (void)snprintf(id, sizeof id, "fail-%d", i % 3);
        struct stele_dedup_claim claim = claim_of(dedup, "acme", "gateway", id, "x");
        assert_int_equal(ask(dedup, &claim, NULL, &place), STELE_DEDUP_CLAIMED);
        assert_null(stele_dedup_settle(dedup, &claim, NULL));
    }
    struct stele_dedup_claim kept = claim_of(dedup, "acme", "gateway", "kept", "x");
    assert_int_equal(ask(dedup, &kept, NULL, &place), STELE_DEDUP_STORED);
    assert_int_equal(place.seq, 5);
    stele_dedup_free(dedup);
}

static void test_dedup__the_window_holds_exactly_its_newest(void **state) {
    (void)state;
    const uint32_t windows[] = {1, 2, 3, 5, 64, 1000};
    for (size_t w = 0; w < 6; w++) {
        struct stele_dedup *dedup = make(windows[w]);
        char id[32];
        assert_int_equal(stele_dedup_window(dedup), windows[w]);
        for (uint32_t i = 0; i < 3 * windows[w] + 1; i++) {
            (void)snprintf(id, sizeof id, "e%u", i);
            store(dedup, id, i);
            assert_int_equal(stele_dedup_remembered(dedup), i < windows[w] ? i + 1 : windows[w]);
        }
        for (uint32_t i = 0; i < 3 * windows[w] + 1; i++) {
            struct stele_dedup_place place = {9, 9};
            (void)snprintf(id, sizeof id, "e%u", i);
            struct stele_dedup_claim claim = claim_of(dedup, "acme", "gateway", id, "x");
            if (i <= 2 * windows[w]) {
                assert_int_equal(ask(dedup, &claim, NULL, &place), STELE_DEDUP_CLAIMED);
                assert_null(stele_dedup_settle(dedup, &claim, NULL));
            } else {
                assert_int_equal(ask(dedup, &claim, NULL, &place), STELE_DEDUP_STORED);
                assert_int_equal(place.seq, i);
            }
        }
        stele_dedup_free(dedup);
    }
}

static void test_dedup__colliding_hashes_hide_nothing(void **state) {
    (void)state;
    struct stele_dedup *dedup = make(16);
    struct stele_dedup_place unrelated[STELE_DEDUP_COLLISIONS_MAX];
    struct stele_dedup_place place = {0, 0};
    for (uint64_t i = 0; i < STELE_DEDUP_COLLISIONS_MAX; i++) {
        stele_dedup_remember(dedup, 42, (struct stele_dedup_place){1, i});
    }
    struct stele_dedup_claim claim = claim_of(dedup, "acme", "gateway", "e1", "x");
    claim.key.hash = 42;
    for (size_t n = 0; n < STELE_DEDUP_COLLISIONS_MAX; n++) {
        assert_int_equal(stele_dedup_claim(dedup, &claim, NULL, unrelated, n, &place),
                         STELE_DEDUP_STORED);
        for (size_t i = 0; i < n; i++) {
            assert_true(place.seq != unrelated[i].seq);
        }
        unrelated[n] = place;
    }
    assert_int_equal(
        stele_dedup_claim(dedup, &claim, NULL, unrelated, STELE_DEDUP_COLLISIONS_MAX, &place),
        STELE_DEDUP_CLAIMED);
    /* Another identity with the same hash is no waiter of this one. */
    struct stele_dedup_claim twin = claim_of(dedup, "acme", "gateway", "e2", "x");
    twin.key.hash = 42;
    assert_int_equal(
        stele_dedup_claim(dedup, &twin, NULL, unrelated, STELE_DEDUP_COLLISIONS_MAX, &place),
        STELE_DEDUP_CLAIMED);
    assert_null(stele_dedup_settle(dedup, &claim, NULL));
    assert_null(stele_dedup_settle(dedup, &twin, NULL));
    stele_dedup_free(dedup);
}

/* ------------------------------------------------------------------ against a naive map */

#define IDS 40
#define STEPS 20000

struct model {
    uint32_t window;
    size_t n;
    unsigned id[STEPS]; /* in the order of storing */
    uint64_t seq[STEPS];
    bool claimed[IDS];
    unsigned waiters[IDS];
};

static bool model_find(const struct model *m, unsigned id, uint64_t *ret_seq) {
    size_t first = m->n > m->window ? m->n - m->window : 0;
    for (size_t i = first; i < m->n; i++) {
        if (m->id[i] == id) {
            *ret_seq = m->seq[i];
            return true;
        }
    }
    return false;
}

/* `hash_bits` few: many ids share a hash, and the caller must tell them apart by place. */
static void play(struct rng *rng, uint32_t window, unsigned hash_bits) {
    static struct model m;
    static char name[IDS][16];
    static struct stele_dedup_claim held[IDS];
    static struct stele_dedup_waiter waiter[STEPS];
    struct stele_dedup *dedup = make(window);
    memset(&m, 0, sizeof m);
    m.window = window;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned id = (unsigned)rng_below(rng, IDS);
        (void)snprintf(name[id], sizeof name[id], "e%u", id);
        if (m.claimed[id] && rng_below(rng, 3) == 0) { /* settle */
            bool stored = rng_below(rng, 3) > 0;
            struct stele_dedup_place place = {id % 64, step};
            struct stele_dedup_waiter *told =
                stele_dedup_settle(dedup, &held[id], stored ? &place : NULL);
            for (unsigned i = 0; i < m.waiters[id]; i++) {
                assert_non_null(told);
                told = told->next;
            }
            assert_null(told);
            m.claimed[id] = false;
            m.waiters[id] = 0;
            if (stored) {
                m.id[m.n] = id;
                m.seq[m.n++] = step;
            }
            continue;
        }
        struct stele_dedup_claim claim = claim_of(dedup, "acme", "gateway", name[id], "x");
        claim.key.hash &= (UINT64_C(1) << hash_bits) - 1;
        struct stele_dedup_place unrelated[STELE_DEDUP_COLLISIONS_MAX];
        struct stele_dedup_place place = {0, 0};
        struct stele_dedup_claim *own = m.claimed[id] ? &claim : &held[id];
        *own = claim;
        size_t n = 0;
        stele_dedup_verdict verdict;
        while ((verdict = stele_dedup_claim(dedup, own, &waiter[step], unrelated, n, &place)) ==
                   STELE_DEDUP_STORED &&
               place.log != id % 64) {
            unrelated[n++] = place; /* what reading it back would have said */
        }
        uint64_t seq = 0;
        if (m.claimed[id]) {
            assert_int_equal(verdict, STELE_DEDUP_WAITING);
            m.waiters[id]++;
        } else if (model_find(&m, id, &seq) && n < STELE_DEDUP_COLLISIONS_MAX) {
            assert_int_equal(verdict, STELE_DEDUP_STORED);
            assert_int_equal(place.log, id % 64);
        } else {
            assert_int_equal(verdict, STELE_DEDUP_CLAIMED);
            m.claimed[id] = true;
        }
    }
    for (unsigned id = 0; id < IDS; id++) {
        if (m.claimed[id]) {
            (void)stele_dedup_settle(dedup, &held[id], NULL);
        }
    }
    assert_int_equal(stele_dedup_remembered(dedup), m.n < window ? m.n : window);
    stele_dedup_free(dedup);
}

static void test_dedup__agrees_with_a_naive_map(void **state) {
    (void)state;
    struct rng rng = rng_start("dedup map");
    const uint32_t windows[] = {1, 7, 16, 33, 5000};
    for (size_t i = 0; i < 5; i++) {
        play(&rng, windows[i], 63);
    }
    play(&rng, 12, 4); /* probe runs that wrap, hashes that meet */
    play(&rng, 33, 5);
}

/* ------------------------------------------------------------------ from many threads */

#define THREADS 8
#define ROUNDS 3000
static struct stele_dedup *shared;
static atomic_uint stored_count[64];

/* Each id is stored by exactly one of those who race for it. */
static void *race(void *arg) {
    struct rng rng = {(uint64_t)(uintptr_t)arg + 1};
    char name[32];
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned id = (unsigned)rng_below(&rng, 64);
        struct stele_dedup_place place = {id, i};
        (void)snprintf(name, sizeof name, "e%u", id);
        /* "different" bytes for everyone, so that nobody waits */
        char payload[64];
        (void)snprintf(payload, sizeof payload, "%p-%u", arg, i);
        struct stele_dedup_claim claim = claim_of(shared, "acme", "gateway", name, payload);
        if (stele_dedup_claim(shared, &claim, NULL, NULL, 0, &place) == STELE_DEDUP_CLAIMED) {
            bool stored = rng_below(&rng, 2) == 0;
            atomic_fetch_add(&stored_count[id], stored);
            place = (struct stele_dedup_place){id, i};
            (void)stele_dedup_settle(shared, &claim, stored ? &place : NULL);
        }
    }
    return NULL;
}

static void test_dedup__a_race_has_one_winner(void **state) {
    (void)state;
    pthread_t thread[THREADS];
    shared = make(1000);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, race, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(stored_count[i], 1);
    }
    stele_dedup_free(shared);
}

static void test_dedup__window_is_bounded(void **state) {
    (void)state;
    struct stele_dedup *dedup = NULL;
    assert_status(stele_dedup_new(0, &dedup, NULL), INVALID);
    assert_status(stele_dedup_new(STELE_DEDUP_WINDOW_MAX + 1, &dedup, NULL), INVALID);
    assert_null(dedup);
    stele_dedup_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dedup__hash_is_of_all_three_parts_and_keyed),
        cmocka_unit_test(test_dedup__same_bytes_wait_for_the_first),
        cmocka_unit_test(test_dedup__other_bytes_are_told_apart_while_claimed),
        cmocka_unit_test(test_dedup__a_failed_claim_is_forgotten_and_evicts_nothing),
        cmocka_unit_test(test_dedup__the_window_holds_exactly_its_newest),
        cmocka_unit_test(test_dedup__colliding_hashes_hide_nothing),
        cmocka_unit_test(test_dedup__agrees_with_a_naive_map),
        cmocka_unit_test(test_dedup__a_race_has_one_winner),
        cmocka_unit_test(test_dedup__window_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
