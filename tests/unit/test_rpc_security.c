/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_security.c: mTLS: who gets in, as whom, and who does not. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct rpc_echo echo;

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, true, 1, 2000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rpc_echo_stop(&echo);
    return 0;
}

static stele_status call_as(struct stele_rpc_client *client, stele_buf *reply, stele_err *err) {
    struct stele_rpc_result result = {0, 0};
    stele_status st =
        stele_rpc_unary(client, "/test.Echo/Who", stele_view_str("x"), 5000, reply, &result, err);
    assert_true(st == STELE_OK || result.code == STELE_RPC_UNAVAILABLE);
    return st;
}

static void test_rpc_security__peer_is_the_certificate(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_client *client = rpc_echo_client(&echo, "client");
    assert_ok(call_as(client, &reply, NULL));
    assert_true(
        stele_view_is(stele_view_buf(&reply), "1 client spiffe://test/exporter exporter.test"));
    stele_rpc_client_close(client);
    stele_buf_done(&reply);
}

static void test_rpc_security__no_or_foreign_certificate_is_refused(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    const char *const who[] = {NULL, "stranger"};
    for (size_t i = 0; i < 2; i++) {
        stele_err err = {.text = ""};
        struct stele_rpc_client *client = rpc_echo_client(&echo, who[i]);
        assert_status(call_as(client, &reply, &err), CLOSED);
        assert_non_null(strstr(err.text, echo.target));
        assert_int_equal(reply.size, 0);
        stele_rpc_client_close(client);
    }
    stele_buf_done(&reply);
}

static void test_rpc_security__plaintext_is_refused(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    struct rpc_echo plain = echo;
    plain.tls = false;
    struct stele_rpc_client *client = rpc_echo_client(&plain, NULL);
    assert_status(call_as(client, &reply, &err), CLOSED);
    stele_rpc_client_close(client);
    stele_buf_done(&reply);
}

static stele_status call_with(const char *ca_name, const char *server_name, stele_buf *reply,
                              stele_err *err) {
    char *ca = rpc_echo_file(&echo, ca_name, ".pem");
    char *certificate = rpc_echo_file(&echo, "client", ".pem");
    char *key = rpc_echo_file(&echo, "client", ".key");
    struct stele_rpc_client_options options = {.target = echo.target,
                                               .server_ca_pem = ca,
                                               .certificate_pem = certificate,
                                               .private_key_pem = key,
                                               .server_name = server_name,
                                               .message_bytes_max = 1000,
                                               .own_connection = true};
    struct stele_rpc_client *client = NULL;
    assert_ok(stele_rpc_client_open(&options, &client, NULL));
    stele_status st = call_as(client, reply, err);
    stele_rpc_client_close(client);
    stele_free(ca);
    stele_free(certificate);
    stele_free(key);
    return st;
}

static void test_rpc_security__client_checks_the_server(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    assert_ok(call_with("ca", "localhost", &reply, &err));
    assert_ok(call_with("ca", NULL, &reply, &err));
    assert_status(call_with("foreign", NULL, &reply, &err), CLOSED);
    assert_non_null(strstr(err.text, "is the CA the one"));
    assert_status(call_with("ca", "other.test", &reply, &err), CLOSED);
    assert_non_null(strstr(err.text, "Peer name other.test"));
    stele_buf_done(&reply);
}

static void test_rpc_security__client_options_are_checked(void **state) {
    (void)state;
    stele_err err = {.text = ""};
    struct stele_rpc_client *client = NULL;
    struct stele_rpc_client_options options = {.target = echo.target, .message_bytes_max = 1000};
    assert_status(stele_rpc_client_open(&options, &client, &err), INVALID);
    assert_non_null(strstr(err.text, "CA"));
    options.server_ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    options.certificate_pem = options.server_ca_pem;
    assert_status(stele_rpc_client_open(&options, &client, &err), INVALID);
    options.private_key_pem = "no key";
    assert_status(stele_rpc_client_open(&options, &client, &err), INVALID);
    options.target = "";
    assert_status(stele_rpc_client_open(&options, &client, &err), INVALID);
    assert_null(client);
    /* What only core can read is found out at the first call. */
    options = (struct stele_rpc_client_options){
        .target = echo.target, .message_bytes_max = 1000, .server_ca_pem = options.server_ca_pem};
    stele_buf reply = STELE_BUF_EMPTY;
    assert_ok(stele_rpc_client_open(&options, &client, &err));
    assert_status(call_as(client, &reply, &err), CLOSED);
    assert_non_null(strstr(err.text, "no usable PEM"));
    stele_rpc_client_close(client);
    stele_buf_done(&reply);
}

/* True if a handshake of exactly this version gets through: openssl then names the session's
 * cipher. */
static bool handshake(const char *version) {
    char command[512];
    (void)snprintf(
        command, sizeof command,
        "cd '%s' && openssl s_client -connect %s -CAfile ca.pem -cert client.pem -key client.key "
        "-alpn h2 %s -cipher DEFAULT@SECLEVEL=0 </dev/null 2>/dev/null "
        "| grep -q '^New, TLS.*Cipher is [A-Z]'",
        echo.folder, echo.target, version);
    return system(command) == 0;
}

static void test_rpc_security__tls_before_1_2_is_refused(void **state) {
    (void)state;
    assert_true(handshake("-tls1_3"));
    assert_true(handshake("-tls1_2"));
    assert_false(handshake("-tls1_1"));
    assert_false(handshake("-tls1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_security__peer_is_the_certificate),
        cmocka_unit_test(test_rpc_security__no_or_foreign_certificate_is_refused),
        cmocka_unit_test(test_rpc_security__plaintext_is_refused),
        cmocka_unit_test(test_rpc_security__client_checks_the_server),
        cmocka_unit_test(test_rpc_security__client_options_are_checked),
        cmocka_unit_test(test_rpc_security__tls_before_1_2_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
