/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_undelivered.c: a hash table of connections by their clients' addresses, and the thread
 * that looks at them. A descriptor's number may belong to something else by the time it is looked
 * at, so each connection is known by the kernel's cookie of its socket.
 */
#include "proto/rpc_undelivered.h"

#include "proto/rpc_core.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "storage/bytes.h"
#include "storage/monotonic.h"
#include "storage/thread.h"

/* Half of core's quota, so that what arrives between two looks still fits below it. */
#define TOGETHER_BYTES_MAX (256u * 1024 * 1024)
/* Eight full messages at a time: who has fewer under way is never closed, however many there are.
 */
#define EACH_BYTES_MIN (32u * 1024 * 1024)
/* Between looks, while little is under way and while more is: at a gigabyte a second 20 MiB more
 * arrive between two of the latter. A look at a thousand connections takes a millisecond. */
#define LOOK_MS 100
#define LOOK_CLOSELY_MS 20
#define CLOSELY_BYTES (32u * 1024 * 1024)
/* TLS records and frames are a few dozen bytes for each 16 KiB, or for each message. */
#define PER_FRAME 16u
/* Windows and acknowledgements that a client sends for what it reads: one byte for 64. */
#define SENT_FOR_ONE 64u
/* What else a connection lives on in a millisecond, such as pings. */
#define IDLE_BYTES_MS 16u
/* As many as connections that may be: chains stay short. */
#define CHAINS 4096u

/* Who is at the other end: IPv4 as it is written in IPv6, and the port. */
struct key {
    struct in6_addr host;
    uint16_t port; /* as it is sent */
};

struct connection {
    struct connection *next;
    struct key key;
    int socket;
    uint64_t cookie;
    uint64_t received, sent; /* by the kernel's count, when it was last looked at */
    uint64_t took;           /* since then */
    uint64_t undelivered;
};

static struct {
    pthread_mutex_t starts; /* one start or stop at a time; before the other */
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    uint32_t n_started;
    pthread_t thread; /* while n_started > 0 */
    struct connection *chain[CHAINS];
} all = {.starts = PTHREAD_MUTEX_INITIALIZER,
         .lock = PTHREAD_MUTEX_INITIALIZER,
         .stopped = PTHREAD_COND_INITIALIZER};

/* ---- connections by address ---- */

static struct connection **find(const struct key *key) {
    uint32_t hash = key->port;
    for (size_t i = 0; i < sizeof key->host; i++) {
        hash = hash * 16777619u + key->host.s6_addr[i];
    }
    struct connection **at = &all.chain[hash % CHAINS];
    while (*at != NULL && ((*at)->key.port != key->port ||
                           memcmp(&(*at)->key.host, &key->host, sizeof key->host) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void map_to_v6(const struct in_addr *v4, struct in6_addr *ret) {
    *ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(ret->s6_addr + 12, v4, sizeof *v4);
}

static bool key_of_address(const struct sockaddr *address, struct key *ret) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        map_to_v6(&v4.sin_addr, &ret->host);
        ret->port = v4.sin_port;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        ret->host = v6.sin6_addr;
        ret->port = v6.sin6_port;
    }
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* Core writes a URI: "ipv4:192.0.2.1:4711", "ipv6:%5Bfe80::1%25eth0%5D:4711". */
static bool key_of_peer(const char *peer, struct key *ret) {
    char host[INET6_ADDRSTRLEN];
    struct in_addr v4;
    bool v6 = strncmp(peer, "ipv6:%5B", 8) == 0;
    const char *colon = strrchr(peer, ':');
    if ((!v6 && strncmp(peer, "ipv4:", 5) != 0) || colon == NULL) {
        return false;
    }
    peer += v6 ? 8 : 5;
    size_t size = strcspn(peer, v6 ? "%" : ":"); /* a scope is left out */
    uint32_t port = 0;
    for (const char *digit = colon + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || port > UINT16_MAX) {
            return false;
        }
        port = 10 * port + (uint32_t)(*digit - '0');
    }
    if (size >= sizeof host || port > UINT16_MAX) {
        return false;
    }
    memcpy(host, peer, size);
    host[size] = '\0';
    ret->port = htons((uint16_t)port);
    if (v6) {
        return inet_pton(AF_INET6, host, &ret->host) == 1;
    }
    bool read = inet_pton(AF_INET, host, &v4) == 1;
    map_to_v6(&v4, &ret->host);
    return read;
}

/* ---- what the kernel says ---- */

static bool cookie_of(int socket, uint64_t *ret) {
    socklen_t size = sizeof *ret;
    return getsockopt(socket, SOL_SOCKET, SO_COOKIE, ret, &size) == 0;
}

static bool counts_of(int socket, uint64_t *ret_received, uint64_t *ret_sent) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return false;
    }
    *ret_received = info.tcpi_bytes_received;
    *ret_sent = info.tcpi_bytes_acked;
    return true;
}

void stele_rpc_undelivered_connected(int connection, const struct sockaddr *address) {
    struct connection made = {.socket = connection};
    if (!key_of_address(address, &made.key) || !cookie_of(connection, &made.cookie) ||
        !counts_of(connection, &made.received, &made.sent)) {
        return;
    }
    (void)pthread_mutex_lock(&all.lock);
    struct connection **at = find(&made.key);
    if (all.n_started > 0 && *at == NULL) {
        *at = stele_alloc(1, sizeof **at); /* without memory it is not looked at */
    }
    if (*at != NULL) { /* perhaps one that is closed and was not looked at since */
        made.next = (*at)->next;
        **at = made;
    }
    (void)pthread_mutex_unlock(&all.lock);
}

void stele_rpc_undelivered_took(const char *peer, uint64_t bytes) {
    struct key key;
    if (!key_of_peer(peer, &key)) {
        return;
    }
    (void)pthread_mutex_lock(&all.lock);
    struct connection *connection = *find(&key);
    if (connection != NULL) {
        connection->took += bytes + bytes / PER_FRAME;
    }
    (void)pthread_mutex_unlock(&all.lock);
}

/* ---- looking ---- */

/* False if the connection is gone. */
static bool look(struct connection *connection, uint32_t since_ms) {
    uint64_t cookie = 0;
    uint64_t received = 0;
    uint64_t sent = 0;
    if (!cookie_of(connection->socket, &cookie) || cookie != connection->cookie ||
        !counts_of(connection->socket, &received, &sent)) {
        return false;
    }
    uint64_t came = connection->undelivered + (received - connection->received);
    uint64_t accounted = connection->took + (sent - connection->sent) / SENT_FOR_ONE +
                         (uint64_t)since_ms * IDLE_BYTES_MS;
    connection->undelivered = came > accounted ? came - accounted : 0;
    connection->received = received;
    connection->sent = sent;
    connection->took = 0;
    return true;
}

static void close_greediest(struct connection *greediest) {
    char host[INET6_ADDRSTRLEN];
    char text[200];
    const struct in6_addr *address = &greediest->key.host;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        (void)inet_ntop(AF_INET, address->s6_addr + 12, host, sizeof host);
    } else {
        (void)inet_ntop(AF_INET6, address, host, sizeof host);
    }
    (void)snprintf(text, sizeof text,
                   "a connection was closed: its client, %s port %u, sent %llu MiB that are in no "
                   "whole message; look at what it sends",
                   host, ntohs(greediest->key.port),
                   (unsigned long long)(greediest->undelivered >> 20));
    stele_rpc_report(text);
    /* Core still owns the descriptor, and closes it when it reads the end. */
    (void)shutdown(greediest->socket, SHUT_RDWR);
    greediest->undelivered = 0;
}

/* Locked. Returns when to look next. */
static uint32_t look_at_all(uint32_t since_ms) {
    struct connection *greediest = NULL;
    uint64_t together = 0;
    for (size_t i = 0; i < CHAINS; i++) {
        struct connection **at = &all.chain[i];
        while (*at != NULL) {
            struct connection *connection = *at;
            if (!look(connection, since_ms)) {
                *at = connection->next;
                stele_free(connection);
                continue;
            }
            together += connection->undelivered;
            if (greediest == NULL || connection->undelivered > greediest->undelivered) {
                greediest = connection;
            }
            at = &connection->next;
        }
    }
    if (together > TOGETHER_BYTES_MAX && greediest->undelivered >= EACH_BYTES_MIN) {
        close_greediest(greediest);
    }
    return together > CLOSELY_BYTES ? LOOK_CLOSELY_MS : LOOK_MS;
}

static void *look_thread(void *arg) {
    (void)arg;
    (void)pthread_mutex_lock(&all.lock);
    for (uint32_t ms = LOOK_MS; all.n_started > 0;) {
        ms = look_at_all(ms);
        const struct timespec next = stele_monotonic_in_ms(ms);
        while (all.n_started > 0 &&
               pthread_cond_clockwait(&all.stopped, &all.lock, CLOCK_MONOTONIC, &next) == 0) {
        }
    }
    (void)pthread_mutex_unlock(&all.lock);
    return NULL;
}

stele_status stele_rpc_undelivered_start(stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&all.starts);
    (void)pthread_mutex_lock(&all.lock);
    int error =
        all.n_started > 0 ? 0 : stele_thread_start(&all.thread, "rpc-watch", look_thread, NULL);
    if (error == 0) {
        all.n_started++;
    } else {
        st = STELE_FAIL_ERRNO(err, error, "no thread to look at connections");
    }
    (void)pthread_mutex_unlock(&all.lock);
    (void)pthread_mutex_unlock(&all.starts);
    return st;
}

static void forget_all(void) {
    for (size_t i = 0; i < CHAINS; i++) {
        while (all.chain[i] != NULL) {
            struct connection *next = all.chain[i]->next;
            stele_free(all.chain[i]);
            all.chain[i] = next;
        }
    }
}

void stele_rpc_undelivered_stop(void) {
    (void)pthread_mutex_lock(&all.starts);
    (void)pthread_mutex_lock(&all.lock);
    assert(all.n_started > 0);
    bool last = --all.n_started == 0;
    if (last) {
        (void)pthread_cond_broadcast(&all.stopped);
    }
    (void)pthread_mutex_unlock(&all.lock);
    if (last) {
        (void)pthread_join(all.thread, NULL);
        forget_all(); /* nothing is added while nobody looks */
    }
    (void)pthread_mutex_unlock(&all.starts);
}
