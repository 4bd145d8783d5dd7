/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_refusals.c: every wrong request gets its code and its words, and costs
 * nothing that is left behind.
 */
#include <stdio.h>
#include <string.h>

#include "proto/wire_out.h"
#include "tests/support/query_client.h"

static stele_view text(const char *s) {
    return stele_view_str(s);
}

struct refusal {
    struct stele_search_request request;
    const struct stele_rpc_peer *peer;
    uint32_t code;
    const char *says;
};

static void assert_refused(struct query_client *client, const char *method,
                           const struct stele_rpc_peer *peer, stele_view request, uint32_t code,
                           const char *says) {
    stele_buf message = STELE_BUF_EMPTY;
    struct fake_end end;
    struct stele_rpc_call *call = client_start(client, method, peer, request);
    assert_false(fake_call_take(call, &message));
    fake_call_end_of(call, &end);
    if (end.code != code || strstr(end.text, says) == NULL) {
        fail_msg("%s: code %u, '%s'; expected code %u, '%s'", method, end.code, end.text, code,
                 says);
    }
    assert_int_equal(end.retry_after_ms, 0);
    fake_call_end(call);
    stele_buf_done(&message);
}

static void test_refusals__wrong_questions(void **state) {
    struct query_client *client = *state;
    const struct refusal cases[] = {
        {{.region = text("")}, &peer_auditor, STELE_RPC_INVALID_ARGUMENT, "region: missing"},
        {{.region = text("us-test")},
         &peer_auditor,
         STELE_RPC_NOT_FOUND,
         "region 'us-test' is not served here"},
        {{.region = text(BED_REGION), .log = {1, {text("9y")}}},
         &peer_auditor,
         STELE_RPC_NOT_FOUND,
         "has no log '9y'; it has 1y, 3y, system"},
        {{.region = text(BED_REGION), .order = 7},
         &peer_auditor,
         STELE_RPC_INVALID_ARGUMENT,
         "order 7"},
        {{.region = text(BED_REGION), .filter.event_type = 77},
         &peer_auditor,
         STELE_RPC_INVALID_ARGUMENT,
         "event_type 77"},
        {{.region = text(BED_REGION), .filter.resource_version = text("v")},
         &peer_auditor,
         STELE_RPC_INVALID_ARGUMENT,
         "resource_version is set without resource"},
        {{.region = text(BED_REGION), .filter.since_unix_nano = 9, .filter.until_unix_nano = 9},
         &peer_auditor,
         STELE_RPC_INVALID_ARGUMENT,
         "the range is empty"},
        {{.region = text(BED_REGION), .cursor = text("nonsense")},
         &peer_auditor,
         STELE_RPC_INVALID_ARGUMENT,
         "cursor: not one of this server's"},
        {{.region = text(BED_REGION)}, &peer_nobody, STELE_RPC_PERMISSION_DENIED, "no grant names"},
        {{.region = text("us-test"), .filter.tenant = text("acme")},
         &peer_acme,
         STELE_RPC_PERMISSION_DENIED,
         "may not query region 'us-test'"},
        {{.region = text(BED_REGION), .filter.tenant = text("globex")},
         &peer_acme,
         STELE_RPC_PERMISSION_DENIED,
         "may not query tenant 'globex'"},
        {{.region = text(BED_REGION)},
         &peer_acme,
         STELE_RPC_PERMISSION_DENIED,
         "name one it is granted"},
    };
    static const char *const methods[] = {"Search", "Count", "Explain"};
    stele_buf request = STELE_BUF_EMPTY;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t m = 0; m < 3; m++) {
            if (m == 2 && cases[i].request.cursor.size > 0) {
                continue; /* a plan is the same wherever it begins */
            }
            client_encode(&cases[i].request, &request);
            assert_refused(client, methods[m], cases[i].peer, stele_view_buf(&request),
                           cases[i].code, cases[i].says);
        }
    }
    struct stele_search_request prove = {.region = text(BED_REGION), .prove = true};
    client_encode(&prove, &request);
    assert_refused(client, "Count", &peer_auditor, stele_view_buf(&request),
                   STELE_RPC_INVALID_ARGUMENT, "a count has no proof");
    prove.order = STELE_ORDER_DESCENDING;
    client_encode(&prove, &request);
    assert_refused(client, "Search", &peer_auditor, stele_view_buf(&request),
                   STELE_RPC_INVALID_ARGUMENT, "prove needs the ascending order");
    stele_buf_done(&request);
}

static void test_refusals__foreign_and_forged_cursors(void **state) {
    struct query_client *client = *state;
    struct stele_search_request request = {
        .region = text(BED_REGION), .filter.tenant = text("acme"), .limit = 2};
    struct client_answer answer = {0};
    stele_buf bytes = STELE_BUF_EMPTY;
    client_search(client, &peer_auditor, &request, &answer);
    assert_int_equal(answer.end.code, 0);
    assert_true(answer.cursor.size > 0);
    request.cursor = stele_view_buf(&answer.cursor);
    client_encode(&request, &bytes);
    assert_refused(client, "Search", &peer_acme, stele_view_buf(&bytes),
                   STELE_RPC_PERMISSION_DENIED, "given to another client");
    request.order = STELE_ORDER_DESCENDING;
    client_encode(&request, &bytes);
    assert_refused(client, "Search", &peer_auditor, stele_view_buf(&bytes),
                   STELE_RPC_INVALID_ARGUMENT, "belongs to another question");
    request.order = STELE_ORDER_ASCENDING;
    answer.cursor.data[8] = answer.cursor.data[8] == 'A' ? 'B' : 'A';
    client_encode(&request, &bytes);
    assert_refused(client, "Count", &peer_auditor, stele_view_buf(&bytes),
                   STELE_RPC_PERMISSION_DENIED, "its keyed hash does not hold");
    stele_buf_done(&bytes);
    client_answer_done(&answer);
}

static void test_refusals__bytes_that_are_no_request(void **state) {
    struct query_client *client = *state;
    static const char *const methods[] = {"Search",
                                          "Count",
                                          "Explain",
                                          "Get",
                                          "ListLogs",
                                          "GetCheckpoint",
                                          "GetInclusionProof",
                                          "GetConsistencyProof",
                                          "GetTile",
                                          "GetEntries",
                                          "Status",
                                          "Seal",
                                          "CutEra",
                                          "Replay"};
    stele_buf big = STELE_BUF_EMPTY;
    assert_ok(stele_buf_reserve(&big, 70000, NULL));
    memset(big.data, 0x0a, 70000);
    big.size = 70000;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        assert_refused(client, methods[i], &peer_auditor, text("\x0a\x7fx"),
                       STELE_RPC_INVALID_ARGUMENT, "a length reaches past the end");
        assert_refused(client, methods[i], &peer_auditor, text("\xaa\x01\x01x"),
                       STELE_RPC_UNIMPLEMENTED, "member 21 is not known");
        assert_refused(client, methods[i], &peer_auditor, text("\x0a\x01\xff"),
                       STELE_RPC_INVALID_ARGUMENT, "is not UTF-8");
        assert_refused(client, methods[i], &peer_auditor, stele_view_buf(&big),
                       STELE_RPC_INVALID_ARGUMENT, "the request has 70000 bytes, over 65536");
    }
    stele_buf_done(&big);
}

/* A request of the Log service or of Get: a log, and up to two numbers. */
static void place_request(const char *log, uint64_t a, uint64_t b, stele_buf *out) {
    stele_buf_clear(out);
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, text(log));
    stele_wire_out_uint(&w, 2, a);
    stele_wire_out_uint(&w, 3, b);
    assert_ok(stele_wire_out_done(&w, 0, NULL));
}

static void test_refusals__wrong_places(void **state) {
    struct query_client *client = *state;
    static const struct {
        const char *method, *log;
        uint64_t a, b;
        const struct stele_rpc_peer *peer;
        uint32_t code;
        const char *says;
    } cases[] = {
        {"Get", "", 0, 0, &peer_auditor, STELE_RPC_INVALID_ARGUMENT, "must be \"<region>/<log>\""},
        {"Get", "eu-test", 0, 0, &peer_auditor, STELE_RPC_INVALID_ARGUMENT,
         "must be \"<region>/<log>\""},
        {"Get", "us/3y", 0, 0, &peer_auditor, STELE_RPC_NOT_FOUND, "region 'us' is not served"},
        {"Get", "eu-test/9y", 0, 0, &peer_auditor, STELE_RPC_NOT_FOUND, "has no log '9y'"},
        {"Get", "eu-test/3y", 999999, 0, &peer_auditor, STELE_RPC_NOT_FOUND,
         "there is no entry 999999"},
        {"Get", "us/3y", 0, 0, &peer_nobody, STELE_RPC_NOT_FOUND, "us/3y: no entry 0 that this"},
        {"Get", "eu-test/9y", 0, 0, &peer_acme, STELE_RPC_NOT_FOUND, "no entry 0 that this"},
        {"Get", "eu-test/3y", 999999, 0, &peer_acme, STELE_RPC_NOT_FOUND,
         "no entry 999999 that this"},
        {"GetCheckpoint", "us/3y", 0, 0, &peer_auditor, STELE_RPC_NOT_FOUND, "is not served here"},
        {"GetCheckpoint", "eu-test/3y", 0, 0, &peer_nobody, STELE_RPC_PERMISSION_DENIED,
         "no grant names"},
        {"GetCheckpoint", "eu-test/3y", 0, 0, &peer_acme, STELE_RPC_PERMISSION_DENIED,
         "may not read checkpoints"},
        {"GetCheckpoint", "eu-test/3y", 999999, 0, &peer_auditor, STELE_RPC_INVALID_ARGUMENT, ""},
        {"GetInclusionProof", "eu-test/3y", 999999, 0, &peer_auditor, STELE_RPC_NOT_FOUND,
         "there is no entry 999999"},
        {"GetInclusionProof", "eu-test/3y", UINT64_MAX, 0, &peer_auditor, STELE_RPC_NOT_FOUND,
         "there is no entry"},
        {"GetConsistencyProof", "eu-test/3y", 9, 5, &peer_auditor, STELE_RPC_INVALID_ARGUMENT,
         "old_size 9 is over new_size 5"},
        {"GetConsistencyProof", "eu-test/3y", 9, 999999, &peer_auditor, STELE_RPC_INVALID_ARGUMENT,
         "cannot be asked about 999999"},
        {"GetEntries", "eu-test/3y", 999999, 0, &peer_auditor, STELE_RPC_INVALID_ARGUMENT,
         "the first one asked for is 999999"},
        {"Replay", "eu-test/3y", 999999, 0, &peer_auditor, STELE_RPC_INVALID_ARGUMENT,
         "the first one asked for is 999999"},
        {"Replay", "eu-test/9y", 0, 0, &peer_auditor, STELE_RPC_NOT_FOUND, "has no log '9y'"},
        {"Replay", "eu-test/3y", 0, 0, &peer_acme, STELE_RPC_PERMISSION_DENIED, ""},
        {"Replay", "eu-test/3y", 0, 0, &peer_mirror, STELE_RPC_PERMISSION_DENIED, ""},
        {"Replay", "eu-test/3y", 0, 0, &peer_nobody, STELE_RPC_PERMISSION_DENIED, "no grant names"},
    };
    stele_buf request = STELE_BUF_EMPTY;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        place_request(cases[i].log, cases[i].a, cases[i].b, &request);
        assert_refused(client, cases[i].method, cases[i].peer, stele_view_buf(&request),
                       cases[i].code, cases[i].says);
    }
    stele_buf_done(&request);
}

static void test_refusals__wrong_tiles_and_regions(void **state) {
    struct query_client *client = *state;
    static const struct {
        const char *path;
        uint32_t code;
    } tiles[] = {
        {"", STELE_RPC_INVALID_ARGUMENT},
        {"tile/0", STELE_RPC_INVALID_ARGUMENT},
        {"tile/0/000.p/0", STELE_RPC_INVALID_ARGUMENT},
        {"../../etc/passwd", STELE_RPC_INVALID_ARGUMENT},
        {"tile/0/999", STELE_RPC_NOT_FOUND},
        {"tile/entries/999", STELE_RPC_NOT_FOUND},
        {"tile/7/000", STELE_RPC_NOT_FOUND},
    };
    stele_buf request = STELE_BUF_EMPTY;
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        stele_buf_clear(&request);
        struct stele_wire_out w = stele_wire_out_to(&request);
        stele_wire_out_bytes(&w, 1, text("eu-test/3y"));
        stele_wire_out_bytes(&w, 2, text(tiles[i].path));
        assert_ok(stele_wire_out_done(&w, 0, NULL));
        assert_refused(client, "GetTile", &peer_auditor, stele_view_buf(&request), tiles[i].code,
                       "");
    }
    assert_refused(client, "ListLogs", &peer_auditor, text("\x0a\x02us"), STELE_RPC_NOT_FOUND,
                   "region 'us'");
    assert_refused(client, "ListLogs", &peer_nobody, text("\x0a\x07" BED_REGION),
                   STELE_RPC_PERMISSION_DENIED, "no grant names");
    assert_refused(client, "ListLogs", &peer_nobody, text(""), STELE_RPC_PERMISSION_DENIED,
                   "no grant names");
    stele_buf_done(&request);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_refusals", 300);
    client_open(&client, &bed, &(struct stele_query_config){0});
    *state = &client;
    return 0;
}

static int tear_down(void **state) {
    struct query_client *client = *state;
    client_close(client);
    bed_done(client->bed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals__wrong_questions),
        cmocka_unit_test(test_refusals__foreign_and_forged_cursors),
        cmocka_unit_test(test_refusals__bytes_that_are_no_request),
        cmocka_unit_test(test_refusals__wrong_places),
        cmocka_unit_test(test_refusals__wrong_tiles_and_regions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
