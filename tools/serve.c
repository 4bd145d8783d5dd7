/* SPDX-License-Identifier: Apache-2.0 */
/* tools/serve.c: puts the layers together: the one place that knows ingest and query. */
#include "tools/serve.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "ingest/ingest.h"
#include "proto/access.h"
#include "query/query.h"
#include "storage/file.h"
#include "tools/config_check.h"

#define PEM_BYTES_MAX (1u << 20)
/* A full batch is 4 MiB of events; the rest is its envelope. */
#define MESSAGE_BYTES_MAX ((4u << 20) + 65536)
#define STREAMS_PER_CONNECTION_MAX 1024
/* One holds about 110 kB, most of it TLS: 4,096 idle ones are 450 MB. */
#define CONNECTIONS_MAX 4096
/* A quarter of the calls the server takes, and all the streams of one connection: a client that
 * opens more of them than it ends leaves room for three like it. */
#define CALLS_PER_CLIENT_MAX 1024
/* A call that has not ended by then is cut: its client asks again. A restart is done in seconds
 * also where exporters keep idle streams open. */
#define DRAIN_MS_DEFAULT 5000
#define METHODS_MAX 64

struct stele_serve {
    struct stele_regions regions;
    struct stele_access *access;
    struct stele_ingest *ingest;
    struct stele_query *query;
    struct stele_rpc_server *server;
    struct stele_rpc_method method[METHODS_MAX];
    char address[300];
};

/* A PEM file as a string. */
static stele_status read_pem(const char *path, stele_buf *ret, stele_err *err) {
    stele_status st = stele_file_read(path, PEM_BYTES_MAX, ret, err);
    return st == STELE_OK ? stele_buf_append(ret, stele_view_of("", 1), err) : st;
}

static unsigned verbs_of(const struct stele_config_client *client) {
    unsigned verbs = 0;
    for (unsigned i = 0; i < client->may_count; i++) {
        verbs |= strcmp(client->may[i], "append") == 0  ? STELE_MAY_APPEND
                 : strcmp(client->may[i], "query") == 0 ? STELE_MAY_QUERY
                                                        : STELE_MAY_READ_LOG;
    }
    return verbs;
}

static stele_status make_access(const struct stele_server_config *config, struct stele_access **ret,
                                stele_err *err) {
    struct stele_grant *grants = stele_alloc(config->clients_count, sizeof *grants);
    if (grants == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %u clients", config->clients_count);
    }
    for (unsigned i = 0; i < config->clients_count; i++) {
        const struct stele_config_client *client = &config->clients[i];
        grants[i] = (struct stele_grant){.peer = client->peer,
                                         .regions = (const char *const *)client->regions,
                                         .n_regions = client->regions_count,
                                         .tenants = (const char *const *)client->tenants,
                                         .n_tenants = client->tenants_count,
                                         .verbs = verbs_of(client)};
    }
    stele_status st = stele_access_new(grants, config->clients_count, ret, err);
    stele_free(grants);
    return st;
}

stele_status stele_serve_check(const struct stele_server_config *config, stele_err *err) {
    struct stele_access *access = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(make_access(config, &access, err));
    STELE_TRY(stele_config_check_tls(config, err));
    STELE_TRY(stele_config_check_stores(config, err));
cleanup:
    stele_access_free(access);
    return st;
}

static stele_status make_services(struct stele_serve *serve,
                                  const struct stele_server_config *config, stele_err *err) {
    struct stele_ingest_config ingest = {.stores = serve->regions.store,
                                         .n_stores = serve->regions.n,
                                         .access = serve->access,
                                         .default_retention_years = config->default_retention_years,
                                         .duplicate_window_events =
                                             config->duplicate_window_events};
    struct stele_query_config query = {.stores = serve->regions.store,
                                       .n_stores = serve->regions.n,
                                       .access = serve->access,
                                       .rows_budget = config->query_rows,
                                       .time_budget_ms = config->query_ms};
    stele_status st = STELE_OK;
    STELE_TRY(stele_ingest_new(&ingest, &serve->ingest, err));
    STELE_TRY(stele_query_new(&query, &serve->query, err));
cleanup:
    return st;
}

/* The usual soft limit of 1,024 is meant for programs that use select. */
static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE,
                        &files); /* refused: connections are bounded by what there is */
    }
}

static stele_status listen_on(struct stele_serve *serve, const struct stele_server_config *config,
                              const struct stele_regions_options *regions, stele_err *err) {
    stele_buf certificate = STELE_BUF_EMPTY;
    stele_buf key = STELE_BUF_EMPTY;
    stele_buf ca = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    size_t n_ingest = 0;
    size_t n_query = 0;
    const struct stele_rpc_method *ingest = stele_ingest_methods(serve->ingest, &n_ingest);
    const struct stele_rpc_method *query = stele_query_methods(serve->query, &n_query);
    STELE_TRY(read_pem(config->tls->certificate, &certificate, err));
    STELE_TRY(read_pem(config->tls->private_key, &key, err));
    STELE_TRY(read_pem(config->tls->client_ca, &ca, err));
    memcpy(serve->method, ingest, n_ingest * sizeof *ingest);
    memcpy(serve->method + n_ingest, query, n_query * sizeof *query);
    struct stele_rpc_server_options options = {
        .listen = config->listen,
        .certificate_pem = (const char *)certificate.data,
        .private_key_pem = (const char *)key.data,
        .client_ca_pem = (const char *)ca.data,
        .n_threads = 1,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .streams_per_connection_max = STREAMS_PER_CONNECTION_MAX,
        .connections_max = CONNECTIONS_MAX,
        .calls_per_client_max = CALLS_PER_CLIENT_MAX,
        .drain_ms = config->drain_ms == 0 ? DRAIN_MS_DEFAULT : config->drain_ms,
        .methods = serve->method,
        .n_methods = n_ingest + n_query,
        .report = regions->report,
        .report_ctx = regions->report_ctx};
    STELE_TRY(stele_rpc_server_start(&options, &serve->server, err));
    const char *colon = strrchr(config->listen, ':');
    (void)snprintf(serve->address, sizeof serve->address, "%.*s:%u",
                   colon == NULL ? 0 : (int)(colon - config->listen), config->listen,
                   stele_rpc_server_port(serve->server));
cleanup:
    if (key.data != NULL) {
        explicit_bzero(key.data, key.capacity);
    }
    stele_buf_done(&certificate);
    stele_buf_done(&key);
    stele_buf_done(&ca);
    return st;
}

stele_status stele_serve_start(const struct stele_server_config *config,
                               const struct stele_regions_options *options,
                               struct stele_serve **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_serve *serve = stele_alloc(1, sizeof *serve);
    if (serve == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a server");
    }
    raise_file_limit();
    STELE_TRY(stele_config_check_tls(config, err));
    STELE_TRY(options->create ? STELE_OK : stele_config_check_stores(config, err));
    STELE_TRY(stele_regions_open(config, options, &serve->regions, err));
    STELE_TRY(make_access(config, &serve->access, err));
    STELE_TRY(make_services(serve, config, err));
    STELE_TRY(listen_on(serve, config, options, err));
    stele_rpc_server_set_serving(serve->server, true);
    *ret = serve;
    serve = NULL;
cleanup:
    stele_serve_stop(serve);
    return st;
}

const char *stele_serve_address(const struct stele_serve *serve) {
    return serve->address;
}

void stele_serve_stop(struct stele_serve *serve) {
    if (serve == NULL) {
        return;
    }
    if (serve->server != NULL) {
        stele_ingest_end_streams(
            serve->ingest); /* made before the server, and streams may never end */
        stele_rpc_server_drain(serve->server);
    }
    stele_ingest_free(serve->ingest);
    stele_query_free(serve->query);
    stele_rpc_server_free(serve->server);
    stele_regions_close(&serve->regions);
    stele_access_free(serve->access);
    stele_free(serve);
}
