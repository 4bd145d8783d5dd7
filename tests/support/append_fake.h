/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/append_fake.h: a server on 127.0.0.1 with an AppendStream that keeps events in
 * memory and misbehaves as told. An event is 8 bytes of its number and any padding. Numbers are
 * below APPEND_FAKE_EVENTS_MAX. It knows an event that it has stored before, as the real one does.
 */
#ifndef STELE_TESTS_SUPPORT_APPEND_FAKE_H
#define STELE_TESTS_SUPPORT_APPEND_FAKE_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/rpc_client.h"
#include "proto/rpc_server.h"
#include "tests/support/rng.h"

#define APPEND_FAKE_EVENTS_MAX 100000

/* How it behaves; zero: as it should. */
struct append_fake_manner {
    unsigned refuse_every;  /* events whose number it divides are refused for good */
    unsigned busy_times;    /* so often each event is refused with RESOURCE_EXHAUSTED first */
    unsigned break_one_in;  /* a stream breaks at a random point of one message in so many */
    bool silent;            /* stores nothing, answers nothing */
    bool deaf;              /* takes one message and no more */
    bool late;              /* stores, answers nothing */
    bool twice;             /* says each thing twice, the second time with another place */
    bool garbage;           /* answers with bytes that are no message */
    stele_status ends_with; /* each stream, at its first message */
};

struct append_fake {
    struct stele_rpc_method method;
    struct stele_rpc_server *server;
    struct stele_rpc_client *client;
    uint16_t port;
    pthread_mutex_t lock; /* all below */
    struct append_fake_manner manner;
    struct rng rng;
    uint64_t next_seq;
    uint64_t seq[APPEND_FAKE_EVENTS_MAX]; /* of an event, from 1; 0: not stored */
    unsigned busy[APPEND_FAKE_EVENTS_MAX];
    uint64_t order[APPEND_FAKE_EVENTS_MAX];    /* the events in the order they were stored */
    unsigned n_streams, n_messages, n_largest; /* n_largest: events of the largest message */
    uint64_t n_received;
    size_t bytes_largest;
};

struct append_fake *append_fake_start(const struct append_fake_manner *manner);
void append_fake_free(struct append_fake *fake);
/* The server goes away, as a killed one does; and comes back at the same port. */
void append_fake_stop(struct append_fake *fake);
void append_fake_restart(struct append_fake *fake);
void append_fake_behave(struct append_fake *fake, const struct append_fake_manner *manner);

#endif
