/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/sync_count.c: fsync, fdatasync and the renames, counted and then done by system call.
 * The library stands before libc in the order symbols are looked up in, so that RocksDB's calls
 * come here too.
 */
#include "tests/fault/sync_count.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);
int rename(const char *from, const char *to);
int renameat(int from_folder, const char *from, int to_folder, const char *to);
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);

static struct sync_log own_log;
static _Atomic(struct sync_log *) shared_log;

struct sync_log *sync_count_log(void) {
    struct sync_log *log = atomic_load(&shared_log);
    if (log != NULL) {
        return log;
    }
    const char *name = getenv("STELE_SYNC_COUNT_FILE");
    struct sync_log *mapped = &own_log;
    int fd = name == NULL ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, (off_t)sizeof own_log) == 0) {
        void *at = mmap(NULL, sizeof own_log, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        mapped = at == MAP_FAILED ? mapped : at;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    struct sync_log *none = NULL;
    return atomic_compare_exchange_strong(&shared_log, &none, mapped) ? mapped : none;
}

/* Over an event being written, and over what is to fail: threads sync at the same time. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

void sync_count_fail(const char *path, uint64_t nth, uint64_t n_fail, int os_errno) {
    struct sync_log *log = sync_count_log();
    (void)pthread_mutex_lock(&writing);
    (void)snprintf(log->fail_path, sizeof log->fail_path, "%s", path);
    log->fail_errno = os_errno;
    log->fail_n = n_fail;
    log->fail_at = nth == 0 ? 0 : atomic_load(&log->n_syncs) + nth;
    (void)pthread_mutex_unlock(&writing);
}

static void note(int op, const char *path, int os_errno) {
    struct sync_log *log = sync_count_log();
    (void)pthread_mutex_lock(&writing);
    struct sync_event *event = &log->event[atomic_load(&log->n) % SYNC_EVENTS];
    event->op = op;
    event->os_errno = os_errno;
    (void)snprintf(event->path, sizeof event->path, "%s", path);
    atomic_fetch_add(&log->n, 1); /* after the event is whole: who sees the count sees it */
    (void)pthread_mutex_unlock(&writing);
}

static int sync_by(long number, int op, int fd) {
    struct sync_log *log = sync_count_log();
    char link[32];
    char path[SYNC_PATH_BYTES];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = '\0';
    int os_errno = 0;
    (void)pthread_mutex_lock(&writing);
    if (log->fail_path[0] == '\0' || strstr(path, log->fail_path) != NULL) {
        uint64_t call = atomic_fetch_add(&log->n_syncs, 1) + 1;
        if (log->fail_at != 0 && call >= log->fail_at && call - log->fail_at < log->fail_n) {
            os_errno = log->fail_errno;
        }
    }
    (void)pthread_mutex_unlock(&writing);
    if (os_errno == 0 && syscall(number, fd) != 0) {
        os_errno = errno;
    }
    note(op, path, os_errno);
    errno = os_errno;
    return os_errno == 0 ? 0 : -1;
}

int fsync(int fd) {
    return sync_by(SYS_fsync, SYNC_FSYNC, fd);
}

int fdatasync(int fd) {
    return sync_by(SYS_fdatasync, SYNC_FDATASYNC, fd);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    int failed = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    int os_errno = failed == 0 ? 0 : errno;
    note(SYNC_RENAME, to, os_errno);
    errno = os_errno;
    return failed;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
