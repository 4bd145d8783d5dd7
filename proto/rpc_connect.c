/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_connect.c: connect and epoll_ctl in front of the C library's. */
#include "proto/rpc_connect.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sockaddr;
struct epoll_event;
int connect(int socket, const struct sockaddr *address, unsigned address_bytes);
int epoll_ctl(int set, int operation, int file, struct epoll_event *event);

static atomic_bool mends;
static _Thread_local int connecting = -1; /* the socket for which errno is put back */

void stele_rpc_connect_mend(void) {
    atomic_store(&mends, true);
}

int connect(int socket, const struct sockaddr *address, unsigned address_bytes) {
    int made = (int)syscall(SYS_connect, socket, address, address_bytes);
    connecting = made < 0 && errno == EINPROGRESS && atomic_load(&mends) ? socket : -1;
    return made;
}

int epoll_ctl(int set, int operation, int file, struct epoll_event *event) {
    int done = (int)syscall(SYS_epoll_ctl, set, operation, file, event);
    if (file == connecting) {
        connecting = -1;
        if (done == 0) {
            errno = EINPROGRESS;
        }
    }
    return done;
}
