/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/powercut_shim.c: stands before the C library's file calls and journals what they do
 * to the files below one folder (powercut_journal.h). It is linked into a program, or preloaded.
 * Calls go to the kernel directly; a sync only waits a little, because what it promises is judged
 * from the journal, and waiting lets unsynced writes pile up around it.
 *
 * Not followed, and not used by RocksDB or Stele: files written through stdio (RocksDB's own LOG),
 * which are as if they were lost, and memory maps that write, which end the journal with an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/powercut_journal.h"

#define FDS_MAX 1024
#define SYNC_NS_MAX 1500000
/* Calls that gcc makes of open() where it may not check the flags at compile time. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

/* Held over an operation and its journal entry, so that their orders agree. Not over a sync. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static bool started;
static int journal = -1;
static uint64_t next_number;
static uint64_t noise = 88172645463325252u;
static uint64_t one_fails_in; /* 0: none */
static uint64_t stop_at;      /* 0: nowhere */
static char root[POWERCUT_PATH_MAX];
static _Atomic bool watched[FDS_MAX]; /* threads open, write and close at the same time */
static char path_of[FDS_MAX][POWERCUT_PATH_MAX]; /* relative to the root */

/* With `order` held. */
static void start(void) {
    const char *folder = getenv(POWERCUT_ROOT);
    const char *file = getenv(POWERCUT_JOURNAL);
    const char *fail = getenv(POWERCUT_FAIL);
    const char *stop = getenv(POWERCUT_STOP);
    started = true;
    stop_at = stop == NULL ? 0 : strtoull(stop, NULL, 10);
    one_fails_in = fail == NULL ? 0 : strtoull(fail, NULL, 10);
    if (folder != NULL && file != NULL && strlen(folder) < sizeof root) {
        memcpy(root, folder, strlen(folder) + 1);
        journal = (int)syscall(SYS_openat, AT_FDCWD, file,
                               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        noise ^= (uint64_t)getpid() << 20;
    }
}

static void lock(void) {
    (void)pthread_mutex_lock(&order);
    if (!started) {
        start();
    }
}

/* Restores errno, which the caller of a failed call wants to see. */
static void unlock(void) {
    int os_errno = errno;
    (void)pthread_mutex_unlock(&order);
    errno = os_errno;
}

static bool is_watched(int fd) {
    return journal >= 0 && fd >= 0 && fd < FDS_MAX && watched[fd];
}

/* Makes the path relative to the root, without ".", and says whether it is below it or it. */
static bool below_root(int at, const char *path, char out[POWERCUT_PATH_MAX]) {
    char whole[3 * POWERCUT_PATH_MAX];
    size_t size = 0;
    if (journal < 0) {
        return false;
    }
    if (path[0] != '/' && !is_watched(at)) {
        return false;
    }
    (void)snprintf(whole, sizeof whole, "%s%s%s%s%s", path[0] == '/' ? "" : root,
                   path[0] == '/' ? "" : "/", path[0] == '/' ? "" : path_of[at],
                   path[0] == '/' ? "" : "/", path);
    size_t root_chars = strlen(root);
    if (strncmp(whole, root, root_chars) != 0 ||
        (whole[root_chars] != '/' && whole[root_chars] != '\0')) {
        return false;
    }
    for (const char *part = whole + root_chars; *part != '\0';) {
        size_t chars = strcspn(part, "/");
        bool empty = chars == 0 || (chars == 1 && part[0] == '.');
        if (!empty && size + chars + 2 < POWERCUT_PATH_MAX) {
            if (size > 0) {
                out[size++] = '/';
            }
            memcpy(out + size, part, chars);
            size += chars;
        }
        part += chars + (part[chars] == '/' ? 1 : 0);
    }
    out[size] = '\0';
    return true;
}

static void note(struct powercut_entry entry, const char *path, const char *other,
                 const void *bytes) {
    int os_errno = errno;
    entry.magic = POWERCUT_MAGIC;
    entry.path_chars = (uint16_t)strlen(path);
    entry.other_chars = (uint16_t)strlen(other);
    size_t n_bytes = entry.op == POWERCUT_WRITE ? (size_t)entry.length : 0;
    const struct iovec part[4] = {{&entry, sizeof entry},
                                  {(void *)(uintptr_t)path, entry.path_chars},
                                  {(void *)(uintptr_t)other, entry.other_chars},
                                  {(void *)(uintptr_t)bytes, n_bytes}};
    size_t whole = sizeof entry + entry.path_chars + entry.other_chars + n_bytes;
    if (syscall(SYS_writev, journal, part, 4) != (long)whole) {
        abort(); /* a journal with a hole would blame the store */
    }
    next_number++;
    if (next_number == stop_at) {
        (void)kill(getpid(), SIGKILL);
    }
    errno = os_errno;
}

/* ---- open and close ---- */

static int open_noted(int at, const char *path, int flags, mode_t mode) {
    char inside[POWERCUT_PATH_MAX];
    lock();
    bool ours = below_root(at, path, inside);
    bool there = ours && syscall(SYS_faccessat, at, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < FDS_MAX) {
        watched[fd] = ours;
    }
    if (fd >= FDS_MAX) {
        abort();
    }
    if (fd >= 0 && ours) {
        memcpy(path_of[fd], inside, sizeof inside);
        note(
            (struct powercut_entry){
                .op = POWERCUT_OPEN, .fd = fd, .offset = !there, .length = (flags & O_TRUNC) != 0},
            inside, "", NULL);
    }
    unlock();
    return fd;
}

/* The mode is there only with a flag that makes a file. */
static mode_t mode_of(int flags, va_list *more) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*more, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_noted(AT_FDCWD, path, flags, mode_of(flags, &more));
    va_end(more);
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_noted(AT_FDCWD, path, flags, mode_of(flags, &more));
    va_end(more);
    return fd;
}

int openat(int at, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_noted(at, path, flags, mode_of(flags, &more));
    va_end(more);
    return fd;
}

int openat64(int at, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_noted(at, path, flags, mode_of(flags, &more));
    va_end(more);
    return fd;
}

int __open_2(const char *path, int flags) {
    return open_noted(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char *path, int flags) {
    return open_noted(AT_FDCWD, path, flags, 0);
}
int __openat_2(int at, const char *path, int flags) {
    return open_noted(at, path, flags, 0);
}
int __openat64_2(int at, const char *path, int flags) {
    return open_noted(at, path, flags, 0);
}

int close(int fd) {
    lock();
    if (fd >= 0 && fd < FDS_MAX) {
        watched[fd] = false;
    }
    int ret = (int)syscall(SYS_close, fd);
    unlock();
    return ret;
}

/* ---- writing ---- */

static ssize_t noted_write(int fd, const void *bytes, ssize_t n, off_t offset) {
    if (n > 0 && is_watched(fd)) {
        note(
            (struct powercut_entry){
                .op = POWERCUT_WRITE, .fd = fd, .offset = (uint64_t)offset, .length = (uint64_t)n},
            "", "", bytes);
    }
    return n;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!is_watched(fd)) {
        return syscall(SYS_write, fd, bytes, size); /* a pipe may wait for long */
    }
    lock();
    ssize_t n = syscall(SYS_write, fd, bytes, size);
    off_t end = n > 0 ? (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
    n = noted_write(fd, bytes, n, end - n);
    unlock();
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    lock();
    ssize_t n = noted_write(fd, bytes, syscall(SYS_pwrite64, fd, bytes, size, offset), offset);
    unlock();
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return pwrite(fd, bytes, size, offset);
}

/* What this cannot follow is said in the journal: the test fails instead of seeing less. */
static void note_unknown(int fd, const char *call) {
    lock();
    if (is_watched(fd)) {
        note((struct powercut_entry){.op = POWERCUT_UNKNOWN, .fd = fd}, call, "", NULL);
    }
    unlock();
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    note_unknown(fd, "writev");
    return syscall(SYS_writev, fd, parts, n);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t offset) {
    note_unknown(fd, "pwritev");
    return syscall(SYS_pwritev, fd, parts, n, offset, 0);
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
    if (fd >= 0 && (prot & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0) {
        note_unknown(fd, "mmap for writing");
    }
    long ret = syscall(SYS_mmap, at, size, prot, flags, fd, offset);
    return (void *)(intptr_t)ret;
}

static int resize(int fd, off_t size, long ret) {
    if (ret == 0 && is_watched(fd)) {
        note((struct powercut_entry){.op = POWERCUT_RESIZE, .fd = fd, .length = (uint64_t)size}, "",
             "", NULL);
    }
    return (int)ret;
}

int ftruncate(int fd, off_t size) {
    lock();
    int ret = resize(fd, size, syscall(SYS_ftruncate, fd, size));
    unlock();
    return ret;
}

int ftruncate64(int fd, off64_t size) {
    return ftruncate(fd, size);
}

/* Room beyond the end of a file is a hint to a filesystem and changes nothing that can be read. */
int fallocate(int fd, int mode, off_t offset, off_t size) {
    struct stat info;
    if (is_watched(fd) && (mode & FALLOC_FL_KEEP_SIZE) != 0) {
        return 0;
    }
    lock();
    long ret = syscall(SYS_fallocate, fd, mode, offset, size);
    if (ret == 0 && is_watched(fd) && fstat(fd, &info) == 0) {
        ret = resize(fd, info.st_size, ret);
    }
    unlock();
    return (int)ret;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    return fallocate(fd, mode, offset, size);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    return fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    return posix_fallocate(fd, offset, size);
}

/* ---- syncing ---- */

static int sync_noted(int fd) {
    lock();
    uint64_t first_not_covered = next_number;
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    bool fails = one_fails_in != 0 && (noise >> 32) % one_fails_in == 0;
    const struct timespec wait = {0, (long)(noise % SYNC_NS_MAX)};
    unlock();
    (void)nanosleep(&wait, NULL);
    lock();
    if (is_watched(fd)) {
        note(
            (struct powercut_entry){
                .op = POWERCUT_SYNC, .fd = fd, .offset = first_not_covered, .length = fails},
            "", "", NULL);
    }
    unlock();
    errno = fails ? EIO : errno;
    return fails ? -1 : 0;
}

int fsync(int fd) {
    return is_watched(fd) ? sync_noted(fd) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return is_watched(fd) ? sync_noted(fd) : (int)syscall(SYS_fdatasync, fd);
}

/* A hint: it promises nothing about metadata. */
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    return (int)syscall(SYS_sync_file_range, fd, offset, size, flags);
}

/* ---- names ---- */

static int two_names(powercut_op op, int from_at, const char *from, int to_at, const char *to,
                     long ret) {
    char path[POWERCUT_PATH_MAX];
    char other[POWERCUT_PATH_MAX];
    if (ret == 0 && below_root(from_at, from, path) && below_root(to_at, to, other)) {
        note((struct powercut_entry){.op = (uint32_t)op}, path, other, NULL);
    }
    unlock();
    return (int)ret;
}

static int one_name(powercut_op op, int at, const char *name, long ret) {
    char path[POWERCUT_PATH_MAX];
    if (ret == 0 && below_root(at, name, path)) {
        note((struct powercut_entry){.op = (uint32_t)op}, path, "", NULL);
    }
    unlock();
    return (int)ret;
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    lock();
    return two_names(POWERCUT_RENAME, from_at, from, to_at, to,
                     syscall(SYS_renameat2, from_at, from, to_at, to, flags));
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    lock();
    return two_names(POWERCUT_LINK, from_at, from, to_at, to,
                     syscall(SYS_linkat, from_at, from, to_at, to, flags));
}

int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *name, int flags) {
    lock();
    return one_name((flags & AT_REMOVEDIR) != 0 ? POWERCUT_RMDIR : POWERCUT_UNLINK, at, name,
                    syscall(SYS_unlinkat, at, name, flags));
}

int unlink(const char *name) {
    return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name) {
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int mkdirat(int at, const char *name, mode_t mode) {
    lock();
    return one_name(POWERCUT_MKDIR, at, name, syscall(SYS_mkdirat, at, name, mode));
}

int mkdir(const char *name, mode_t mode) {
    return mkdirat(AT_FDCWD, name, mode);
}
