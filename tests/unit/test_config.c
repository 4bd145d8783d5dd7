/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_config.c: steled.conf and client.conf: what is read, what is refused and how that
 * is said. */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/bytes.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"
#include "tools/config.h"
#include "tools/config_check.h"

static char folder[TEMP_FOLDER_BYTES];

static int make_folder(void **state) {
    (void)state;
    temp_folder_make(folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

/* A new file each time: some file systems sync a file that is cut and written again. */
static const char *file_of(const void *bytes, size_t size) {
    const char *path = temp_path(folder, "conf");
    (void)remove(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char server_text[] =
    "listen: 127.0.0.1:7443\n"
    "operator_domain: audit.example.org\n"
    "data: regions\n"
    "tls: {certificate: tls/server.pem, private_key: /etc/stele/server.key, client_ca: ca.pem}\n"
    "default_retention_years: 3\n"
    "checkpoint_interval_ms: 250\n"
    "query_rows: 1000\n"
    "regions:\n"
    "  - name: eu-1\n"
    "    logs:\n"
    "      - {name: 3y, retention_years: 3}\n"
    "      - {name: acme-7y, retention_years: 7, tenants: [acme, globex]}\n"
    "      - {name: system, retention_years: 7}\n"
    "clients:\n"
    "  - peer: cn:exporter\n"
    "    regions: [eu-1]\n"
    "    tenants: [acme]\n"
    "    may: [append]\n"
    "  - {peer: \"san:spiffe://x/auditor\", regions: [\"*\"], tenants: [\"*\"], may: [query, "
    "read_log]}\n"
    "index_interval_ms: 750\n";

static const char client_text[] = "server: \"[::1]:7443\"\n"
                                  "server_ca: ca.pem\n"
                                  "certificate: c.pem\n"
                                  "private_key: c.key\n"
                                  "regions: [eu-1, us-1]\n";

static void test_config__reads_a_whole_server(void **state) {
    struct stele_server_config *config = NULL;
    (void)state;
    assert_ok(stele_server_config_load(file_of(server_text, strlen(server_text)), &config, NULL));
    assert_string_equal(config->listen, "127.0.0.1:7443");
    assert_string_equal(config->operator_domain, "audit.example.org");
    assert_string_equal(config->data, temp_path(folder, "regions"));
    assert_string_equal(config->tls->certificate, temp_path(folder, "tls/server.pem"));
    assert_string_equal(config->tls->private_key, "/etc/stele/server.key");
    assert_int_equal(config->default_retention_years, 3);
    assert_int_equal(config->checkpoint_interval_ms, 250);
    assert_int_equal(config->index_interval_ms, 750);
    assert_int_equal(config->drain_ms, 0);
    assert_int_equal(config->query_rows, 1000);
    assert_int_equal(config->query_ms, 0);
    assert_int_equal(config->regions_count, 1);
    assert_int_equal(config->regions[0].logs_count, 3);
    assert_string_equal(config->regions[0].logs[1].name, "acme-7y");
    assert_int_equal(config->regions[0].logs[1].tenants_count, 2);
    assert_string_equal(config->regions[0].logs[1].tenants[1], "globex");
    assert_int_equal(config->clients_count, 2);
    assert_string_equal(config->clients[1].peer, "san:spiffe://x/auditor");
    assert_int_equal(config->clients[1].may_count, 2);
    stele_server_config_free(config);
    stele_server_config_free(NULL);
}

static void test_config__reads_a_client(void **state) {
    struct stele_client_config *config = NULL;
    (void)state;
    assert_ok(stele_client_config_load(file_of(client_text, strlen(client_text)), &config, NULL));
    assert_string_equal(config->server, "[::1]:7443");
    assert_string_equal(config->private_key, temp_path(folder, "c.key"));
    assert_null(config->vkeys);
    assert_int_equal(config->regions_count, 2);
    stele_client_config_free(config);
    stele_client_config_free(NULL);
}

/* The text with the first `from` replaced; two of them live at a time. */
static const char *changed(const char *text, const char *from, const char *to) {
    static char buffer[2][4096];
    static unsigned turn;
    char *out = buffer[turn++ % 2];
    const char *at = strstr(text, from);
    if (at == NULL) {
        fail_msg("'%s' is not in the text", from);
        return "";
    }
    (void)snprintf(out, sizeof buffer[0], "%.*s%s%s", (int)(at - text), text, to,
                   at + strlen(from));
    return out;
}

static void refuses_server(const char *from, const char *to, const char *said) {
    struct stele_server_config *config = NULL;
    stele_err err = {.text = ""};
    const char *text = changed(server_text, from, to);
    stele_status st = stele_server_config_load(file_of(text, strlen(text)), &config, &err);
    if (st != STELE_INVALID || strstr(err.text, said) == NULL) {
        fail_msg("'%s' for '%s': %s: %s", to, from, stele_status_name(st), err.text);
    }
    assert_null(config);
    assert_non_null(strstr(err.text, folder)); /* the message names the file */
}

static void test_config__says_what_is_wrong_and_where(void **state) {
    (void)state;
    refuses_server("listen", "lisen", "line 1: Unexpected key: lisen");
    refuses_server("data: regions\n", "", "data");
    refuses_server("data: regions\n", "data:\n", "line 3");
    refuses_server("data: regions\n", "data: [x]\n", "line 3");
    refuses_server("data: regions\n", "data: regions\ndata: more\n", "already seen: data");
    refuses_server("127.0.0.1:7443", "127.0.0.1", "ADDR:PORT");
    refuses_server("127.0.0.1:7443", ":7443", "ADDR:PORT");
    refuses_server("127.0.0.1:7443", "127.0.0.1:74430", "ADDR:PORT");
    refuses_server("127.0.0.1:7443", "::1:7443", "ADDR:PORT");
    refuses_server("default_retention_years: 3", "default_retention_years: 0", "write 1 to 7");
    refuses_server("default_retention_years: 3", "default_retention_years: 259", "line 5");
    refuses_server("checkpoint_interval_ms: 250", "checkpoint_interval_ms: soon", "'soon'");
    refuses_server("query_rows: 1000", "query_rows: -1", "'-1'");
    refuses_server("query_rows: 1000", "query_ms: 600001", "query_ms: 600001; write at most");
    refuses_server("name: eu-1", "name: EU_1", "'EU_1'");
    refuses_server("name: 3y", "name: acme-7y", "'acme-7y' stands there twice");
    refuses_server("name: 3y", "name: a-name-that-is-far-too-long-for-a-log", "line 11");
    refuses_server("retention_years: 3}", "retention_years: 9}", "write 1 to 7");
    refuses_server("name: system", "name: sys", "no log named 'system'");
    refuses_server("retention_years: 7}\nclients", "retention_years: 7, tenants: [acme]}\nclients",
                   "system log");
    refuses_server("tenants: [acme, globex]", "tenants: []", "line 12");
    refuses_server("cn:exporter", "exporter", "peer");
    refuses_server("may: [append]", "may: [write]", "'write'");
    refuses_server("may: [append]", "may: []", "line 18");
    refuses_server("regions: [eu-1]", "regions: &all [eu-1]\n    more: *all", "more");
}

/* One document may not be written by reference: a few lines could stand for gigabytes. */
static void test_config__knows_no_references(void **state) {
    static const char text[] = "server: &a 127.0.0.1:1\nserver_ca: *a\ncertificate: *a\n"
                               "private_key: *a\nregions: [eu]\n";
    struct stele_client_config *config = NULL;
    stele_err err = {.text = ""};
    (void)state;
    assert_status(stele_client_config_load(file_of(text, strlen(text)), &config, &err), INVALID);
    assert_null(config);
}

static void test_config__files_that_are_none(void **state) {
    struct stele_server_config *config = NULL;
    stele_err err = {.text = ""};
    (void)state;
    assert_status(stele_server_config_load("/nowhere/steled.conf", &config, &err), NOT_FOUND);
    assert_non_null(strstr(err.text, "'/nowhere/steled.conf'"));
    assert_status(stele_server_config_load(folder, &config, &err), LIMIT);
    assert_status(stele_server_config_load(file_of("", 0), &config, &err), INVALID);
    assert_non_null(strstr(err.text, "empty"));
    assert_status(stele_server_config_load(file_of("# x\n", 4), &config, &err), INVALID);
    assert_status(stele_server_config_load(file_of("\0\0\0", 3), &config, &err), INVALID);
    assert_null(config);
}

static void test_config__addresses(void **state) {
    static const char *const good[] = {"127.0.0.1:0", "localhost:7443", "[::1]:65535",
                                       "a.example.org:1", "0.0.0.0:7443"};
    static const char *const bad[] = {
        "",     ":",     "x",       "x:",     "x:y",
        ":1",   "::1:1", "x:65536", "x:-1",   "x:1:2",
        "[]:1", "x: 1",  "[::1]",   "[::1]7", "x:99999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!stele_config_is_address(good[i])) {
            fail_msg("'%s' is refused", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (stele_config_is_address(bad[i])) {
            fail_msg("'%s' is taken", bad[i]);
        }
    }
}

static void put_file(const char *name, const char *text, mode_t mode) {
    const char *path = temp_path(folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_config__looks_at_what_it_names(void **state) {
    static const char certificate[] = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
    static const char key[] = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
    struct stele_server_config *config = NULL;
    stele_err err = {.text = ""};
    (void)state;
    const char *text = changed(server_text, "tls/server.pem", "server.pem");
    text = changed(text, "/etc/stele/server.key", "server.key");
    assert_ok(stele_server_config_load(file_of(text, strlen(text)), &config, NULL));
    assert_status(stele_config_check_tls(config, &err), INVALID);
    assert_non_null(strstr(err.text, "certificate: there is no file"));
    put_file("server.pem", certificate, 0644);
    put_file("ca.pem", certificate, 0644);
    put_file("server.key", certificate, 0600);
    assert_status(stele_config_check_tls(config, &err), INVALID);
    assert_non_null(strstr(err.text, "private_key"));
    put_file("server.key", key, 0604);
    assert_status(stele_config_check_tls(config, &err), INVALID);
    assert_non_null(strstr(err.text, "chmod"));
    put_file("server.key", key, 0640);
    assert_ok(stele_config_check_tls(config, &err));
    put_file("ca.pem", "", 0644);
    assert_status(stele_config_check_tls(config, &err), INVALID);
    assert_status(stele_config_check_stores(config, &err), INVALID);
    assert_non_null(strstr(err.text, "region 'eu-1' has no store"));
    assert_int_equal(mkdir(temp_path(folder, "regions"), 0700), 0);
    assert_int_equal(mkdir(temp_path(folder, "regions/eu-1"), 0700), 0);
    assert_ok(stele_config_check_stores(config, &err));
    stele_server_config_free(config);
}

/* Bytes flipped, parts doubled or cut out: refused or read, with a message that ends and names the
 * file; the sanitizers see the rest. */
static void test_config__damaged_texts_do_no_harm(void **state) {
    struct rng rng = rng_start("config");
    static char text[2 * sizeof server_text];
    (void)state;
    for (int round = 0; round < 3000; round++) {
        bool server = rng_below(&rng, 3) > 0;
        size_t size = server ? strlen(server_text) : strlen(client_text);
        memcpy(text, server ? server_text : client_text, size);
        for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--) {
            size_t at = (size_t)rng_below(&rng, size);
            size_t part = (size_t)rng_below(&rng, size - at);
            switch (rng_below(&rng, 4)) {
            case 0:
                text[at] = (char)rng_next(&rng);
                break;
            case 1:
                text[at] = ":-[]{}&*#'\"\n ,!|>%"[rng_below(&rng, 18)];
                break;
            case 2:
                memmove(text + at, text + at + part, size - at - part);
                size -= part == size ? 0 : part;
                break;
            default:
                if (size + part < sizeof text) {
                    memmove(text + at + part, text + at, size - at);
                    size += part;
                }
            }
            size = size == 0 ? 1 : size;
        }
        struct stele_server_config *server_config = NULL;
        struct stele_client_config *client_config = NULL;
        stele_err err = {.text = ""};
        const char *path = file_of(text, size);
        stele_status st = server ? stele_server_config_load(path, &server_config, &err)
                                 : stele_client_config_load(path, &client_config, &err);
        assert_true(st == STELE_OK || st == STELE_INVALID);
        assert_true(st == STELE_OK || strstr(err.text, folder) != NULL);
        stele_server_config_free(server_config);
        stele_client_config_free(client_config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__reads_a_whole_server),
        cmocka_unit_test(test_config__reads_a_client),
        cmocka_unit_test(test_config__says_what_is_wrong_and_where),
        cmocka_unit_test(test_config__knows_no_references),
        cmocka_unit_test(test_config__files_that_are_none),
        cmocka_unit_test(test_config__addresses),
        cmocka_unit_test(test_config__looks_at_what_it_names),
        cmocka_unit_test(test_config__damaged_texts_do_no_harm),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
