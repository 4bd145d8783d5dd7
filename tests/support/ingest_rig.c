/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/ingest_rig.c: see the header. */
#include "tests/support/ingest_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/wire_out.h"
#include "tests/support/cmocka.h"

/* ------------------------------------------------------------------ certificates */

static char *read_pem(const struct ingest_rig *rig, const char *name, const char *suffix) {
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s%s", rig->folder, name, suffix);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = stele_alloc(1, 16384);
    assert_non_null(text);
    size_t n = fread(text, 1, 16383, file);
    assert_true(n > 0);
    (void)fclose(file);
    return text;
}

static void make_certificates(struct ingest_rig *rig) {
    char command[256];
    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/stele-ingest-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    (void)snprintf(command, sizeof command, "sh '%s/tests/support/certificates.sh' '%s'",
                   STELE_SOURCE_DIR, rig->folder);
    assert_int_equal(system(command), 0);
}

/* ------------------------------------------------------------------ server and client */

static void start_server(struct ingest_rig *rig, bool tls) {
    struct stele_rpc_server_options options = {
        .listen = "127.0.0.1:0",
        .insecure = !tls,
        .n_threads = 1,
        .message_bytes_max = STELE_APPEND_BYTES_MAX + 65536,
        .streams_per_connection_max = 1000,
        .drain_ms = 10000,
    };
    char *certificate = NULL;
    char *key = NULL;
    char *ca = NULL;
    if (tls) {
        certificate = read_pem(rig, "server", ".pem");
        key = read_pem(rig, "server", ".key");
        ca = read_pem(rig, "ca", ".pem");
        options.certificate_pem = certificate;
        options.private_key_pem = key;
        options.client_ca_pem = ca;
    }
    options.methods = stele_ingest_methods(rig->ingest, &options.n_methods);
    assert_ok(stele_rpc_server_start(&options, &rig->server, NULL));
    (void)snprintf(rig->target, sizeof rig->target, "127.0.0.1:%u",
                   stele_rpc_server_port(rig->server));
    stele_free(certificate);
    stele_free(key);
    stele_free(ca);
}

void ingest_rig_start(struct ingest_rig *rig, struct stele_store *const *stores, size_t n_stores,
                      bool tls) {
    static const char *const every[] = {"*"};
    static const char *const tenants[] = {"acme", "beta"};
    const struct stele_grant grant = {tls ? "san:spiffe://test/exporter" : STELE_PEER_ANONYMOUS,
                                      every,
                                      1,
                                      tenants,
                                      2,
                                      STELE_MAY_APPEND};
    memset(rig, 0, sizeof *rig);
    if (tls) {
        make_certificates(rig);
    }
    assert_ok(stele_access_new(&grant, 1, &rig->access, NULL));
    const struct stele_ingest_config config = {.stores = stores,
                                               .n_stores = n_stores,
                                               .access = rig->access,
                                               .default_retention_years = 3,
                                               .duplicate_window_events = 100000};
    stele_err err = {0};
    if (stele_ingest_new(&config, &rig->ingest, &err) != STELE_OK) {
        fail_msg("ingest: %s", err.text);
    }
    start_server(rig, tls);
    if (!tls) {
        rig->client = ingest_rig_client(rig, NULL);
    }
}

void ingest_rig_stop(struct ingest_rig *rig) {
    stele_rpc_client_close(rig->client);
    stele_rpc_server_free(rig->server);
    stele_ingest_free(rig->ingest);
    stele_access_free(rig->access);
    if (rig->folder[0] != '\0') {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -r '%s'", rig->folder);
        assert_int_equal(system(command), 0);
    }
}

struct stele_rpc_client *ingest_rig_client(struct ingest_rig *rig, const char *who) {
    struct stele_rpc_client *client = NULL;
    struct stele_rpc_client_options options = {.target = rig->target,
                                               .insecure = rig->folder[0] == '\0',
                                               .message_bytes_max = 16u << 20,
                                               .own_connection = true};
    char *ca = NULL;
    char *certificate = NULL;
    char *key = NULL;
    if (!options.insecure) {
        ca = read_pem(rig, "ca", ".pem");
        options.server_ca_pem = ca;
    }
    if (!options.insecure && who != NULL) {
        certificate = read_pem(rig, who, ".pem");
        key = read_pem(rig, who, ".key");
        options.certificate_pem = certificate;
        options.private_key_pem = key;
    }
    assert_ok(stele_rpc_client_open(&options, &client, NULL));
    stele_free(ca);
    stele_free(certificate);
    stele_free(key);
    return client;
}

/* ------------------------------------------------------------------ events */

static void put_text(struct stele_wire_out *w, uint32_t number, const char *text) {
    stele_wire_out_bytes(w, number, stele_view_str(text));
}

void rig_event_put(const struct rig_event *event, stele_buf *out) {
    static uint8_t padding[32768];
    struct stele_wire_out w = stele_wire_out_to(out);
    put_text(&w, 1, event->id);
    stele_wire_out_fixed64(&w, 2,
                           event->time_unix_nano == 0 ? RIG_NOW_US * 1000 : event->time_unix_nano);
    put_text(&w, 3, event->tenant == NULL ? "acme" : event->tenant);
    put_text(&w, 4, event->region == NULL ? "eu" : event->region);
    stele_wire_out_uint(&w, 5, 12); /* generic */
    if (!event->no_actor) {
        size_t actor = stele_wire_out_begin(&w, 6);
        put_text(&w, 1, "user:4711");
        stele_wire_out_uint(&w, 2, 1);
        stele_wire_out_end(&w, actor);
    }
    stele_wire_out_uint(&w, 7, 99);
    stele_wire_out_uint(&w, 8, 1);
    size_t source = stele_wire_out_begin(&w, 10);
    put_text(&w, 1, event->service == NULL ? "gateway" : event->service);
    stele_wire_out_end(&w, source);
    stele_wire_out_uint(&w, 12, event->retention_class);
    put_text(&w, 20, event->message == NULL ? "" : event->message);
    if (event->padding_bytes > 0) {
        size_t original = stele_wire_out_begin(&w, 22);
        stele_wire_out_bytes(&w, 4, stele_view_of(padding, event->padding_bytes));
        stele_wire_out_end(&w, original);
    }
    size_t body = stele_wire_out_begin(&w, 51);
    put_text(&w, 2, "test");
    stele_wire_out_end(&w, body);
    assert_ok(stele_wire_out_done(&w, 0, NULL));
}

/* ------------------------------------------------------------------ one call */

struct rig_call *rig_call_new(void) {
    struct rig_call *call = stele_alloc(1, sizeof *call);
    assert_non_null(call);
    return call;
}

void rig_call_free(struct rig_call *call) {
    stele_buf_done(&call->request);
    stele_buf_done(&call->reply);
    stele_free(call);
}

void rig_call_add_bytes(struct rig_call *call, stele_view payload) {
    assert_ok(stele_append_request_put_event(&call->request, payload, NULL));
}

void rig_call_add(struct rig_call *call, const struct rig_event *event) {
    stele_buf payload = STELE_BUF_EMPTY;
    rig_event_put(event, &payload);
    rig_call_add_bytes(call, stele_view_buf(&payload));
    stele_buf_done(&payload);
}

stele_status rig_call_send(struct rig_call *call, struct stele_rpc_client *client) {
    stele_buf_clear(&call->reply);
    call->n = 0;
    stele_status st = stele_rpc_unary(client, STELE_APPEND_PATH, stele_view_buf(&call->request),
                                      60000, &call->reply, &call->result, &call->err);
    struct stele_wire wire = stele_wire_of(stele_view_buf(&call->reply));
    while (st == STELE_OK &&
           stele_append_response_next(&wire, &call->event[call->n], NULL) == STELE_OK) {
        call->n++;
    }
    assert_true(st != STELE_OK || stele_wire_at_end(&wire));
    return st;
}

void rig_call_send_ok(struct rig_call *call, struct stele_rpc_client *client) {
    stele_status st = rig_call_send(call, client);
    if (st != STELE_OK) {
        fail_msg("%s: %s (%s)", stele_status_name(st), call->err.text, call->err.where);
    }
}

/* ------------------------------------------------------------------ one stream */

struct rig_stream *rig_stream_open(struct stele_rpc_client *client) {
    struct rig_stream *s = stele_alloc(1, sizeof *s);
    assert_non_null(s);
    for (size_t i = 0; i < RIG_STREAM_EVENTS_MAX; i++) {
        s->event[i].code = UINT32_MAX;
    }
    assert_ok(stele_rpc_stream_open(client, STELE_APPEND_STREAM_PATH, 60000, &s->stream, NULL));
    return s;
}

void rig_stream_send(struct rig_stream *s, const struct rig_call *call) {
    assert_ok(stele_rpc_stream_send(s->stream, stele_view_buf(&call->request), NULL));
}

static void note_range(struct rig_stream *s, const struct stele_append_range *range) {
    for (uint64_t i = 0; i < range->events; i++) {
        uint64_t at = range->first_event + i;
        assert_true(at < RIG_STREAM_EVENTS_MAX && s->event[at].code == UINT32_MAX);
        (void)snprintf(s->event[at].log, sizeof s->event[at].log, "%.*s", (int)range->log.size,
                       (const char *)range->log.data);
        s->event[at].seq = range->first_seq + i;
        s->event[at].duplicate = range->duplicate;
        s->event[at].code = 0;
    }
}

stele_status rig_stream_receive(struct rig_stream *s) {
    stele_buf message = STELE_BUF_EMPTY;
    uint64_t before = s->acked;
    stele_status st = stele_rpc_stream_receive(s->stream, &message, &s->result, &s->err);
    struct stele_wire wire = stele_wire_of(stele_view_buf(&message));
    struct stele_append_item item;
    while (st == STELE_OK && stele_append_stream_next(&wire, &item, NULL) == STELE_OK) {
        if (item.kind == STELE_APPEND_ACKED) {
            assert_true(item.as.acked_events >= s->acked);
            s->acked = item.as.acked_events;
        } else if (item.kind == STELE_APPEND_STORED) {
            note_range(s, &item.as.stored);
        } else {
            uint64_t at = item.as.refused.event;
            assert_true(at < RIG_STREAM_EVENTS_MAX && s->event[at].code == UINT32_MAX);
            s->event[at].code = item.as.refused.code;
            (void)snprintf(s->event[at].error, sizeof s->event[at].error, "%.*s",
                           (int)item.as.refused.error.size,
                           (const char *)item.as.refused.error.data);
        }
    }
    if (st == STELE_OK) {
        s->n_responses++;
        for (uint64_t i = before; i < s->acked; i++) {
            assert_true(s->event[i].code != UINT32_MAX);
        }
        assert_true(s->event[s->acked].code == UINT32_MAX);
    }
    stele_buf_done(&message);
    return st;
}

void rig_stream_close(struct rig_stream *s) {
    stele_rpc_stream_close(s->stream);
    stele_free(s);
}
