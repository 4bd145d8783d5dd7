/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/disk_fault.c: see the header. Calls go to the kernel directly. */
#undef _FORTIFY_SOURCE /* its inline forms of read() and others are not to be defined again */
#include "tests/fault/disk_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls that gcc makes of open() where it may not check the flags at compile time. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

static struct disk_fault nothing;
static _Atomic(struct disk_fault *) shared;

static struct disk_fault *faults(void) {
    struct disk_fault *now = atomic_load(&shared);
    if (now != NULL) {
        return now;
    }
    const char *name = getenv(DISK_FAULT_FILE);
    if (name == NULL) {
        return &nothing; /* it may be set later, where this is linked into the test itself */
    }
    long fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    void *at = MAP_FAILED;
    if (fd >= 0) {
        at = mmap(NULL, sizeof nothing, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
        (void)syscall(SYS_close, fd);
    }
    struct disk_fault *mapped = at == MAP_FAILED ? &nothing : at;
    struct disk_fault *none = NULL;
    return atomic_compare_exchange_strong(&shared, &none, mapped) ? mapped : none;
}

static bool is_below(const char *path, const char *folder) {
    size_t chars = strlen(folder);
    return chars > 0 && strncmp(path, folder, chars) == 0 &&
           (path[chars] == '/' || path[chars] == '\0');
}

static bool fd_is_below(int fd, const char *folder) {
    char link[32];
    char path[DISK_FAULT_PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = '\0';
    return is_below(path, folder);
}

typedef enum verdict { GO_ON, SHORTEN, FAIL } verdict;

static verdict count(struct disk_fault *f, disk_call call) {
    uint64_t number = atomic_fetch_add(&f->calls[call], 1) + 1;
    uint64_t nth = atomic_load(&f->nth);
    if (nth == 0 || atomic_load(&f->call) != (int)call || number < nth ||
        number - nth >= atomic_load(&f->n)) {
        return GO_ON;
    }
    (void)atomic_fetch_add(&f->n_struck, 1);
    return atomic_load(&f->os_errno) == 0 ? SHORTEN : FAIL;
}

static verdict judge_fd(int fd, disk_call call) {
    struct disk_fault *f = faults();
    int os_errno = errno;
    verdict v = f == &nothing || !fd_is_below(fd, f->folder) ? GO_ON : count(f, call);
    errno = v == FAIL ? atomic_load(&f->os_errno) : os_errno;
    return v;
}

static verdict judge_path(int at, const char *path, disk_call call) {
    struct disk_fault *f = faults();
    int os_errno = errno;
    bool ours =
        f != &nothing && (path[0] == '/' ? is_below(path, f->folder) : fd_is_below(at, f->folder));
    verdict v = ours ? count(f, call) : GO_ON;
    errno = v == FAIL ? atomic_load(&f->os_errno) : os_errno;
    return v;
}

/* ---- opening and names ---- */

static int open_judged(int at, const char *path, int flags, mode_t mode) {
    verdict v = judge_path(at, path, (flags & O_CREAT) != 0 ? DISK_CREATE : DISK_OPEN);
    return v == FAIL ? -1 : (int)syscall(SYS_openat, at, path, flags, mode);
}

static mode_t mode_of(int flags, va_list *more) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*more, mode_t) : 0;
}

#define OPEN_CALL(name, at_parameter, at)                                                          \
    int name(at_parameter const char *path, int flags, ...) {                                      \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        int fd = open_judged(at, path, flags, mode_of(flags, &more));                              \
        va_end(more);                                                                              \
        return fd;                                                                                 \
    }
#define AT_PARAMETER int folder,
#define NO_PARAMETER
OPEN_CALL(open, NO_PARAMETER, AT_FDCWD)
OPEN_CALL(open64, NO_PARAMETER, AT_FDCWD)
OPEN_CALL(openat, AT_PARAMETER, folder)
OPEN_CALL(openat64, AT_PARAMETER, folder)

int __open_2(const char *path, int flags) {
    return open_judged(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char *path, int flags) {
    return open_judged(AT_FDCWD, path, flags, 0);
}
int __openat_2(int at, const char *path, int flags) {
    return open_judged(at, path, flags, 0);
}
int __openat64_2(int at, const char *path, int flags) {
    return open_judged(at, path, flags, 0);
}

int mkdirat(int at, const char *name, mode_t mode) {
    return judge_path(at, name, DISK_CREATE) == FAIL ? -1
                                                     : (int)syscall(SYS_mkdirat, at, name, mode);
}
int mkdir(const char *name, mode_t mode) {
    return mkdirat(AT_FDCWD, name, mode);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return judge_path(to_at, to, DISK_NAME) == FAIL
               ? -1
               : (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return renameat2(from_at, from, to_at, to, 0);
}
int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return judge_path(to_at, to, DISK_NAME) == FAIL
               ? -1
               : (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
}
int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *name, int flags) {
    return judge_path(at, name, DISK_REMOVE) == FAIL ? -1
                                                     : (int)syscall(SYS_unlinkat, at, name, flags);
}
int unlink(const char *name) {
    return unlinkat(AT_FDCWD, name, 0);
}
int rmdir(const char *name) {
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

/* ---- bytes ---- */

static size_t part_of(size_t size) {
    return size > 1 ? size / 2 : size;
}

static bool leaves_part(void) {
    return atomic_load(&faults()->in_part);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    verdict v = judge_fd(fd, DISK_WRITE);
    if (v == FAIL) {
        int os_errno = errno;
        if (leaves_part()) {
            (void)syscall(SYS_write, fd, bytes, part_of(size));
        }
        errno = os_errno;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, v == SHORTEN ? part_of(size) : size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    verdict v = judge_fd(fd, DISK_WRITE);
    if (v == FAIL) {
        int os_errno = errno;
        if (leaves_part()) {
            (void)syscall(SYS_pwrite64, fd, bytes, part_of(size), offset);
        }
        errno = os_errno;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, v == SHORTEN ? part_of(size) : size, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return pwrite(fd, bytes, size, offset);
}

ssize_t read(int fd, void *bytes, size_t size) {
    verdict v = judge_fd(fd, DISK_READ);
    return v == FAIL ? -1 : syscall(SYS_read, fd, bytes, v == SHORTEN ? part_of(size) : size);
}
ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
    verdict v = judge_fd(fd, DISK_READ);
    return v == FAIL ? -1
                     : syscall(SYS_pread64, fd, bytes, v == SHORTEN ? part_of(size) : size, offset);
}
ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset) {
    return pread(fd, bytes, size, offset);
}

/* How RocksDB reads a log and a MANIFEST. A count that is short without the end of the file is an
 * error to its reader, so that nothing is shortened here. */
size_t(fread_unlocked)(void *bytes, size_t size, size_t n,
                       FILE *file) { /* a macro too, where it is optimised */
    return judge_fd(fileno(file), DISK_READ) == FAIL ? 0 : fread(bytes, size, n, file);
}

static int sync_judged(long number, int fd) {
    return judge_fd(fd, DISK_SYNC) == FAIL ? -1 : (int)syscall(number, fd);
}
int fsync(int fd) {
    return sync_judged(SYS_fsync, fd);
}
int fdatasync(int fd) {
    return sync_judged(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size) {
    return judge_fd(fd, DISK_RESIZE) == FAIL ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) {
    return ftruncate(fd, size);
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
    return judge_fd(fd, DISK_RESIZE) == FAIL ? -1
                                             : (int)syscall(SYS_fallocate, fd, mode, offset, size);
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
