/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_share.c: what one client may hold, and that it is its own. */
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#include "proto/rpc_share.h"

static const struct stele_rpc_peer alice = {.authenticated = true, .common_name = "alice"};
static const struct stele_rpc_peer bob = {.authenticated = true, .common_name = "bob"};

static void test_rpc_share__one_client_gets_no_more_than_its_bound(void **state) {
    (void)state;
    struct stele_rpc_shares *shares = NULL;
    struct stele_rpc_share *of_alice[4];
    assert_ok(stele_rpc_shares_new(4, &shares, NULL));
    for (size_t i = 0; i < 4; i++) {
        of_alice[i] = stele_rpc_share_take(shares, &alice, 1);
        assert_non_null(of_alice[i]);
    }
    assert_null(stele_rpc_share_take(shares, &alice, 1));
    struct stele_rpc_share *of_bob = stele_rpc_share_take(shares, &bob, 4);
    assert_non_null(of_bob);
    assert_null(stele_rpc_share_take(shares, &bob, 1));
    stele_rpc_share_give(shares, of_alice[3], 1);
    of_alice[3] = stele_rpc_share_take(shares, &alice, 1);
    assert_non_null(of_alice[3]);
    for (size_t i = 0; i < 4; i++) {
        stele_rpc_share_give(shares, of_alice[i], 1);
    }
    stele_rpc_share_give(shares, of_bob, 4);
    stele_rpc_share_give(shares, NULL, 1);
    assert_null(stele_rpc_share_take(shares, &alice, 5)); /* more than there is for one */
    stele_rpc_shares_free(shares);
    stele_rpc_shares_free(NULL);
}

static void test_rpc_share__a_client_is_all_names_of_its_certificate(void **state) {
    (void)state;
    static const struct stele_rpc_peer peers[] = {
        {.authenticated = false, .common_name = ""},
        {.authenticated = true, .common_name = ""},
        {.authenticated = true, .common_name = "alice"},
        {.authenticated = true, .common_name = "alice", .n_sans = 1, .san = {"alice"}},
        {.authenticated = true, .common_name = "", .n_sans = 1, .san = {"alice"}},
        {.authenticated = true, .common_name = "", .n_sans = 1, .san = {"alicealice"}},
        {.authenticated = true, .common_name = "", .n_sans = 2, .san = {"alice", "alice"}},
    };
    enum { N = sizeof peers / sizeof peers[0] };
    struct stele_rpc_shares *shares = NULL;
    struct stele_rpc_share *held[N];
    assert_ok(stele_rpc_shares_new(1, &shares, NULL));
    for (size_t i = 0; i < N; i++) {
        held[i] = stele_rpc_share_take(shares, &peers[i], 1);
        assert_non_null(held[i]);
        struct stele_rpc_peer again = peers[i];
        again.address = "another connection";
        assert_null(stele_rpc_share_take(shares, &again, 1));
    }
    for (size_t i = 0; i < N; i++) {
        stele_rpc_share_give(shares, held[i], 1);
    }
    stele_rpc_shares_free(shares);
}

/* More clients than the table has chains, against a plain array. */
static void test_rpc_share__many_clients_are_kept_apart(void **state) {
    (void)state;
    enum { CLIENTS = 10000, EACH = 10, TURNS = 200000 };
    static struct stele_rpc_share *share[CLIENTS];
    static uint64_t held[CLIENTS];
    struct stele_rpc_shares *shares = NULL;
    struct rng rng = {7};
    assert_ok(stele_rpc_shares_new(EACH, &shares, NULL));
    for (size_t i = 0; i < TURNS; i++) {
        char name[16];
        size_t who = (size_t)rng_below(&rng, CLIENTS);
        (void)snprintf(name, sizeof name, "c%zu", who);
        const struct stele_rpc_peer peer = {.authenticated = true, .common_name = name};
        uint64_t amount = 1 + rng_below(&rng, 4);
        if (held[who] > 0 && rng_below(&rng, 2) == 0) {
            amount = amount > held[who] ? held[who] : amount;
            stele_rpc_share_give(shares, share[who], amount);
            held[who] -= amount;
            continue;
        }
        struct stele_rpc_share *taken = stele_rpc_share_take(shares, &peer, amount);
        assert_int_equal(taken != NULL, held[who] + amount <= EACH);
        if (taken != NULL) {
            assert_true(held[who] == 0 || taken == share[who]);
            share[who] = taken;
            held[who] += amount;
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (held[i] > 0) {
            stele_rpc_share_give(shares, share[i], held[i]);
        }
    }
    stele_rpc_shares_free(shares);
}

/* What a client took nothing for is there until it is given back, whatever comes and goes
 * meanwhile. */
static void test_rpc_share__of_nothing_stays(void **state) {
    (void)state;
    struct stele_rpc_shares *shares = NULL;
    assert_ok(stele_rpc_shares_new(4, &shares, NULL));
    struct stele_rpc_share *of_nothing = stele_rpc_share_take(shares, &alice, 0);
    struct stele_rpc_share *of_all = stele_rpc_share_take(shares, &alice, 3);
    assert_non_null(of_nothing);
    assert_non_null(of_all);
    stele_rpc_share_give(shares, of_all, 3);
    assert_ptr_equal(stele_rpc_share_take(shares, &alice, 3), of_nothing);
    stele_rpc_share_give(shares, of_nothing, 3);
    stele_rpc_share_give(shares, of_nothing, 0);
    stele_rpc_shares_free(shares);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_share__of_nothing_stays),
        cmocka_unit_test(test_rpc_share__one_client_gets_no_more_than_its_bound),
        cmocka_unit_test(test_rpc_share__a_client_is_all_names_of_its_certificate),
        cmocka_unit_test(test_rpc_share__many_clients_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
