/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_access.c: default deny, and what each grant opens and no more. */
#include "proto/access.h"
#include "tests/support/cmocka.h"

#include <string.h>

static const char *const eu[] = {"eu"};
static const char *const every[] = {"*"};
static const char *const acme[] = {"acme", "beta"};

static const struct stele_rpc_peer collector = {.authenticated = true, .common_name = "collector"};
static const struct stele_rpc_peer workload = {.authenticated = true,
                                               .common_name = "",
                                               .n_sans = 2,
                                               .san = {"host.test", "spiffe://test/ship"}};
static const struct stele_rpc_peer nobody = {.authenticated = false, .common_name = ""};

static struct stele_access *make(void) {
    const struct stele_grant grants[] = {
        {"cn:collector", eu, 1, acme, 2, STELE_MAY_APPEND},
        {"cn:auditor", every, 1, every, 1, STELE_MAY_QUERY | STELE_MAY_READ_LOG},
        {"san:spiffe://test/ship", eu, 1, every, 1, STELE_MAY_APPEND},
        {"cn:collector", eu, 1, every, 1, STELE_MAY_READ_LOG},
    };
    struct stele_access *access = NULL;
    assert_ok(stele_access_new(grants, 4, &access, NULL));
    return access;
}

static void check(const struct stele_rpc_peer *peer, stele_verb verb, const char *region,
                  const char *tenant, const char *word) {
    struct stele_access *access = make();
    stele_err err = {0};
    stele_status st = stele_access_check(access, peer, verb, region, stele_view_str(tenant), &err);
    if (word == NULL) {
        assert_status(st, OK);
    } else {
        assert_status(st, DENIED);
        if (strstr(err.text, word) == NULL) {
            fail_msg("'%s' is not in: %s", word, err.text);
        }
        assert_null(strstr(err.text, "beta")); /* other tenants are not told */
    }
    stele_access_free(access);
}

static void test_access__grants_open_what_they_name(void **state) {
    (void)state;
    check(&collector, STELE_MAY_APPEND, "eu", "acme", NULL);
    check(&workload, STELE_MAY_APPEND, "eu", "anything", NULL);
    check(&collector, STELE_MAY_READ_LOG, "eu", "", NULL);
}

static void test_access__everything_else_is_denied(void **state) {
    (void)state;
    check(&collector, STELE_MAY_APPEND, "eu", "gamma", "tenant 'gamma'");
    check(&collector, STELE_MAY_APPEND, "eu", "acm", "tenant 'acm'");
    check(&collector, STELE_MAY_APPEND, "us", "acme", "region 'us'");
    check(&collector, STELE_MAY_APPEND, "eu", "", "every tenant");
    check(&collector, STELE_MAY_QUERY, "eu", "acme", "may not query");
    check(&workload, STELE_MAY_READ_LOG, "eu", "", "may not read checkpoints");
    check(&workload, STELE_MAY_APPEND, "eu2", "acme", "san:host.test");
    check(&nobody, STELE_MAY_APPEND, "eu", "acme", "anonymous: no grant");
    const struct stele_rpc_peer stranger = {.authenticated = true, .common_name = "collector2"};
    check(&stranger, STELE_MAY_APPEND, "eu", "acme", "cn:collector2: no grant");
    /* A name is not a name of another kind. */
    const struct stele_rpc_peer spoof = {.authenticated = true,
                                         .common_name = "spiffe://test/ship"};
    check(&spoof, STELE_MAY_APPEND, "eu", "acme", "no grant");
    /* Without a certificate a common name counts for nothing. */
    const struct stele_rpc_peer bare = {.authenticated = false, .common_name = "collector"};
    check(&bare, STELE_MAY_APPEND, "eu", "acme", "no grant");
}

static void test_access__no_grants_deny_all(void **state) {
    (void)state;
    struct stele_access *access = NULL;
    assert_ok(stele_access_new(NULL, 0, &access, NULL));
    assert_status(stele_access_check(access, &collector, STELE_MAY_APPEND, "eu",
                                     stele_view_str("acme"), NULL),
                  DENIED);
    stele_access_free(access);
    stele_access_free(NULL);
}

static void test_access__anonymous_is_who_has_no_certificate(void **state) {
    (void)state;
    const struct stele_grant grant = {STELE_PEER_ANONYMOUS, every, 1, every, 1, STELE_MAY_APPEND};
    struct stele_access *access = NULL;
    assert_ok(stele_access_new(&grant, 1, &access, NULL));
    assert_ok(
        stele_access_check(access, &nobody, STELE_MAY_APPEND, "eu", stele_view_str("a"), NULL));
    assert_status(
        stele_access_check(access, &collector, STELE_MAY_APPEND, "eu", stele_view_str("a"), NULL),
        DENIED);
    stele_access_free(access);
}

static void test_access__malformed_grants_are_refused(void **state) {
    (void)state;
    static const char *const hollow[] = {"acme", ""};
    const struct stele_grant bad[] = {
        {"collector", eu, 1, acme, 2, STELE_MAY_APPEND},
        {"cn:", eu, 1, acme, 2, STELE_MAY_APPEND},
        {"san:", eu, 1, acme, 2, STELE_MAY_APPEND},
        {NULL, eu, 1, acme, 2, STELE_MAY_APPEND},
        {"cn:collector", eu, 1, acme, 2, 0},
        {"cn:collector", eu, 1, acme, 2, 8},
        {"cn:collector", eu, 1, hollow, 2, STELE_MAY_APPEND},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct stele_access *access = NULL;
        stele_err err = {0};
        assert_status(stele_access_new(&bad[i], 1, &access, &err), INVALID);
        assert_null(access);
        assert_true(strlen(err.text) > 10);
    }
}

static void test_access__peers_are_named_in_printable_text(void **state) {
    (void)state;
    char name[24];
    stele_access_peer_name(&workload, name, sizeof name);
    assert_string_equal(name, "san:host.test");
    stele_access_peer_name(&nobody, name, sizeof name);
    assert_string_equal(name, "anonymous");
    const struct stele_rpc_peer strange = {
        .authenticated = true, .common_name = "a\nb\xc3\xa9 and a name that is too long"};
    stele_access_peer_name(&strange, name, sizeof name);
    assert_string_equal(name, "cn:a?b?? and a name tha");
    const struct stele_rpc_peer unnamed = {.authenticated = true, .common_name = ""};
    stele_access_peer_name(&unnamed, name, sizeof name);
    assert_string_equal(name, "unnamed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access__grants_open_what_they_name),
        cmocka_unit_test(test_access__everything_else_is_denied),
        cmocka_unit_test(test_access__no_grants_deny_all),
        cmocka_unit_test(test_access__anonymous_is_who_has_no_certificate),
        cmocka_unit_test(test_access__malformed_grants_are_refused),
        cmocka_unit_test(test_access__peers_are_named_in_printable_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
