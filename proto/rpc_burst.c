/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_burst.c: sendmsg in front of the C library's. */
#include "proto/rpc_burst.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Connections of one burst; to further ones each send goes at once. */
#define SOCKETS_MAX 64
/* The other side begins with the first ones while the later ones are made. Measured with 64 calls
 * on two connections, both sides on two processors: never pushed 0.79 of the processor time and
 * 1.16 of the rate, every 16th 0.81 and 1.20, every 8th 0.84 and 1.15, every 4th 0.86 and 1.15. */
#define PUSHED_EVERY 16

struct waiting {
    int descriptor;
    unsigned n_sent;
};

struct burst {
    bool on;
    unsigned n;
    struct waiting socket[SOCKETS_MAX];
};

static _Thread_local struct burst own_burst;

void stele_rpc_burst_begin(void) {
    own_burst.on = true;
}

/* Whether the kernel is to wait for more. */
static bool more_follows(struct burst *burst, int descriptor) {
    unsigned i = 0;
    while (i < burst->n && burst->socket[i].descriptor != descriptor) {
        i++;
    }
    if (i == SOCKETS_MAX) {
        return false;
    }
    if (i == burst->n) {
        burst->socket[burst->n++] = (struct waiting){.descriptor = descriptor};
    }
    return ++burst->socket[i].n_sent % PUSHED_EVERY != 0;
}

/* Setting TCP_NODELAY pushes what waits (tcp(7)). Core has set it on every connection, so that one
 * which was given the descriptor of one that ended meanwhile is not changed. */
void stele_rpc_burst_end(void) {
    struct burst *burst = &own_burst;
    int on = 1;
    for (unsigned i = 0; i < burst->n; i++) {
        if (burst->socket[i].n_sent % PUSHED_EVERY != 0) {
            (void)setsockopt(burst->socket[i].descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        }
    }
    burst->on = false;
    burst->n = 0;
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    if (own_burst.on && more_follows(&own_burst, descriptor)) {
        flags |= MSG_MORE;
    }
    return syscall(SYS_sendmsg, descriptor, message, flags);
}
