/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_accept.c: accept4 in front of the C library's. Descriptors are given out lowest first,
 * so that a high number says how many are in use, without counting.
 */
#include "proto/rpc_accept.h"

#include "proto/rpc_core.h"
#include "proto/rpc_undelivered.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What stores keep open beside connections: 128 blobs a region and the tables of RocksDB. */
#define STORE_FILES 1024u
/* Connections looked at in one call: a flood of them must not keep core's thread here. */
#define ACCEPTS_MAX 1000

struct sockaddr;
int accept4(int listener, struct sockaddr *address, unsigned *address_bytes, int flags);

static atomic_int first_refused = INT_MAX;

void stele_rpc_accept_bound(uint32_t connections_max) {
    struct rlimit files;
    uint64_t end = (uint64_t)connections_max + STORE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < end + STORE_FILES) {
        end = files.rlim_cur / 4 * 3; /* few files: a quarter of them is the stores' */
    }
    atomic_store(&first_refused, end < INT_MAX ? (int)end : INT_MAX);
}

int accept4(int listener, struct sockaddr *address, unsigned *address_bytes, int flags) {
    int none = -1; /* as the C library has it */
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        long made = syscall(SYS_accept4, listener, address, address_bytes, flags);
        if (made < 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            stele_rpc_report("no file descriptor is left for a new connection: raise the limit of "
                             "open files");
            break;
        }
        if (made < atomic_load(&first_refused)) {
            if (made >= 0 && address != NULL) {
                stele_rpc_undelivered_connected((int)made, address);
            }
            return (int)made; /* or any other failure, as it is */
        }
        stele_rpc_report(
            "a new connection was closed: there are as many as there may be; end some, "
            "or raise the limit of open files");
        (void)close((int)made);
    }
    errno = EAGAIN; /* core waits for the next one */
    return none;
}
