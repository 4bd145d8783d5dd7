/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/ingest_rig.h: the ingest service behind a real server on 127.0.0.1, a client to it,
 * and events to send. The stores are the test's: fakes (log_fake.h) or real ones.
 */
#ifndef STELE_TESTS_SUPPORT_INGEST_RIG_H
#define STELE_TESTS_SUPPORT_INGEST_RIG_H

#include "ingest/ingest.h"
#include "proto/append_wire.h"
#include "proto/rpc_client.h"

#define RIG_NOW_US UINT64_C(1795313919000000) /* 2026-11-22T01:38:39Z */

struct ingest_rig {
    struct stele_access *access;
    struct stele_ingest *ingest;
    struct stele_rpc_server *server;
    struct stele_rpc_client *client; /* NULL with TLS until ingest_rig_client */
    char target[64];
    char folder[64]; /* of certificates, with TLS; "" without */
};

/* The anonymous client may append for tenants "acme" and "beta" everywhere; with TLS the
 * certificate "client" (SAN spiffe://test/exporter) may, and nobody else: not "second" either. */
void ingest_rig_start(struct ingest_rig *rig, struct stele_store *const *stores, size_t n_stores,
                      bool tls);
void ingest_rig_stop(struct ingest_rig *rig);
/* A connection of its own; with TLS as "client", "second" or "stranger", NULL: no certificate. */
struct stele_rpc_client *ingest_rig_client(struct ingest_rig *rig, const char *who);

/* A valid event, but for what the options break. */
struct rig_event {
    const char *id;
    const char *tenant;  /* NULL: "acme" */
    const char *region;  /* NULL: "eu" */
    const char *service; /* NULL: "gateway" */
    const char *message; /* NULL: none */
    uint32_t retention_class;
    uint64_t time_unix_nano; /* 0: RIG_NOW_US */
    bool no_actor;
    size_t padding_bytes; /* in Original.record, at most 32,768 */
};
void rig_event_put(const struct rig_event *event, stele_buf *out);

/* A request being built and its outcome. Zeroed at first; done at last. */
struct rig_call {
    stele_buf request;
    stele_buf reply;
    struct stele_rpc_result result;
    stele_err err;
    size_t n;
    struct stele_append_result event[STELE_APPEND_EVENTS_MAX];
};
struct rig_call *rig_call_new(void);
void rig_call_free(struct rig_call *call);
void rig_call_add(struct rig_call *call, const struct rig_event *event);
void rig_call_add_bytes(struct rig_call *call, stele_view payload);
/* Sends it, and reads the results of an OK reply. */
stele_status rig_call_send(struct rig_call *call, struct stele_rpc_client *client);
/* The same; the test fails with what the call said unless it is OK. */
void rig_call_send_ok(struct rig_call *call, struct stele_rpc_client *client);

/* A stream and what its responses said so far. */
#define RIG_STREAM_EVENTS_MAX 20000
struct rig_stream {
    struct stele_rpc_stream *stream;
    uint64_t acked;
    uint64_t n_responses;
    struct {
        char log[40];
        uint64_t seq;
        uint32_t code; /* UINT32_MAX: not yet told */
        bool duplicate;
        char error[256];
    } event[RIG_STREAM_EVENTS_MAX];
    struct stele_rpc_result result;
    stele_err err;
};
struct rig_stream *rig_stream_open(struct stele_rpc_client *client);
void rig_stream_send(struct rig_stream *s, const struct rig_call *call);
/* The next response; checks that acks never fall and that everything below them was told once. */
stele_status rig_stream_receive(struct rig_stream *s);
void rig_stream_close(struct rig_stream *s);

#endif
