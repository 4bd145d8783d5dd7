/* SPDX-License-Identifier: Apache-2.0 */
/* storage/file.c: small files and folders that are on disk when the call returns. */
#include "storage/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One call moves at most this much: the kernel cuts at 2 GiB anyway, and less keeps signals prompt.
 */
#define TRANSFER_BYTES_MAX ((size_t)16 << 20)

stele_status stele_file_path(const char *folder, const char *name,
                             char ret[STELE_AT_LEAST(STELE_FILE_PATH_MAX)], stele_err *err) {
    int size = snprintf(ret, STELE_FILE_PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= STELE_FILE_PATH_MAX) {
        return STELE_FAIL(
            err, LIMIT,
            "the path of '%.64s' is over %d characters: move the store to a shorter one", name,
            STELE_FILE_PATH_MAX - 1);
    }
    return STELE_OK;
}

stele_status stele_file_write(int fd, stele_view bytes, const char *path, stele_err *err) {
    size_t done = 0;
    while (done < bytes.size) {
        size_t more = bytes.size - done;
        ssize_t n =
            write(fd, bytes.data + done, more < TRANSFER_BYTES_MAX ? more : TRANSFER_BYTES_MAX);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int os_errno = n < 0 ? errno : EIO;
            return STELE_FAIL_ERRNO(err, os_errno,
                                    "cannot write %zu bytes to '%.120s': %s; free space or check "
                                    "the disk, then try again",
                                    more, path, strerror(os_errno));
        }
        done += (size_t)n;
    }
    return STELE_OK;
}

stele_status stele_file_read_at(int fd, uint64_t offset, size_t size, const char *path,
                                stele_buf *out, stele_err *err) {
    size_t before = out->size;
    stele_status st = stele_buf_reserve(out, size, err);
    while (st == STELE_OK && size > 0) {
        ssize_t n = pread(fd, out->data + out->size,
                          size < TRANSFER_BYTES_MAX ? size : TRANSFER_BYTES_MAX, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int os_errno = errno;
            out->size = before;
            return STELE_FAIL_ERRNO(err, os_errno,
                                    "cannot read %zu bytes at %llu of '%.120s': %s; check the disk",
                                    size, (unsigned long long)offset, path, strerror(os_errno));
        }
        if (n == 0) {
            break;
        }
        out->size += (size_t)n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return st;
}

stele_status stele_file_read(const char *path, size_t max_bytes, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int os_errno = errno;
        return os_errno == ENOENT
                   ? STELE_FAIL(err, NOT_FOUND, "there is no file '%.160s'", path)
                   : STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot open '%.120s': %s; check its owner and rights", path,
                                      strerror(os_errno));
    }
    if (fstat(fd, &info) != 0) {
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(err, os_errno, "cannot stat '%.120s': %s; check the disk", path,
                              strerror(os_errno));
    } else if (!S_ISREG(info.st_mode) || info.st_size < 0 || (uint64_t)info.st_size > max_bytes) {
        st = STELE_FAIL(err, LIMIT,
                        "'%.120s' is no regular file of at most %zu bytes: it is not one of ours",
                        path, max_bytes);
    } else {
        st = stele_file_read_at(fd, 0, (size_t)info.st_size, path, out, err);
    }
    (void)close(fd);
    return st;
}

stele_status stele_file_sync_folder(const char *path, stele_err *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        int os_errno = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return STELE_FAIL_ERRNO(
            err, os_errno, "cannot sync the folder '%.120s': %s; check the disk, then try again",
            path, strerror(os_errno));
    }
    (void)close(fd);
    return STELE_OK;
}

stele_status stele_file_check_room(const char *folder, size_t bytes, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(folder, "room.tmp", path, err);
    if (st != STELE_OK) {
        return st;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int os_errno = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)bytes);
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(path);
    }
    if (os_errno == ENOENT) {
        return STELE_FAIL(err, NOT_FOUND, "there is no folder '%.120s'", folder);
    }
    return os_errno == 0 ? STELE_OK
                         : STELE_FAIL_ERRNO(err, os_errno,
                                            "no room for %zu bytes in '%.100s': %s; free space, "
                                            "then claim the log or open the store again",
                                            bytes, folder, strerror(os_errno));
}

/* The folder that holds `path`: ".", "/" or everything before the last slash. */
static void parent_of(const char *path, char ret[STELE_AT_LEAST(STELE_FILE_PATH_MAX)]) {
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    if (size == 0) {
        memcpy(ret, ".", 2);
        return;
    }
    memcpy(ret, path, size);
    ret[size] = '\0';
}

stele_status stele_file_make_folder(const char *path, stele_err *err) {
    char parent[STELE_FILE_PATH_MAX];
    struct stat info;
    if (strlen(path) >= sizeof parent) {
        return STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", path,
                          STELE_FILE_PATH_MAX - 1);
    }
    parent_of(path, parent);
    if (mkdir(path, 0700) != 0 &&
        (errno != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode))) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(
            err, os_errno, "cannot make the folder '%.120s': %s; check the rights of its parent",
            path, strerror(os_errno));
    }
    /* Also when it was there: an earlier process may have stopped between making it and this sync.
     */
    return stele_file_sync_folder(parent, err);
}

stele_status stele_file_name(int at, const char *from, const char *to, stele_err *err) {
    int failed = renameat2(at, from, at, to, RENAME_NOREPLACE);
    if (failed != 0 && (errno == EINVAL || errno == ENOSYS)) {
        /* A filesystem without RENAME_NOREPLACE: a second link never replaces either. */
        failed = linkat(at, from, at, to, 0);
        if (failed == 0) {
            failed = unlinkat(at, from, 0);
        }
    }
    if (failed == 0) {
        return STELE_OK;
    }
    int os_errno = errno;
    return os_errno == EEXIST
               ? STELE_FAIL(err, EXISTS, "'%.160s' exists already", to)
               : STELE_FAIL_ERRNO(err, os_errno,
                                  "cannot name a finished file '%.120s': %s; check the "
                                  "folder's rights and the disk, then try again",
                                  to, strerror(os_errno));
}

stele_status stele_file_create(const char *path, stele_view bytes, stele_err *err) {
    char temporary[STELE_FILE_PATH_MAX];
    char parent[STELE_FILE_PATH_MAX];
    int size = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (size < 0 || (size_t)size >= sizeof temporary) {
        return STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", path,
                          STELE_FILE_PATH_MAX - 5);
    }
    parent_of(path, parent);
    if (access(path, F_OK) == 0) {
        return STELE_FAIL(err, EXISTS, "'%.160s' exists already", path);
    }
    /* One left by a process that died holds nothing anybody was promised. */
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(err, os_errno,
                                "cannot make '%.120s': %s; check the folder's rights", temporary,
                                strerror(os_errno));
    }
    stele_status st = stele_file_write(fd, bytes, temporary, err);
    if (st == STELE_OK && fsync(fd) != 0) {
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(err, os_errno,
                              "cannot sync '%.120s': %s; check the disk, then try again", temporary,
                              strerror(os_errno));
    }
    (void)close(fd);
    if (st == STELE_OK) {
        st = stele_file_name(AT_FDCWD, temporary, path, err);
    }
    if (st != STELE_OK) {
        (void)unlink(temporary);
        return st;
    }
    st = stele_file_sync_folder(parent, err);
    if (st != STELE_OK) {
        (void)unlink(path); /* or whoever looks next takes it for durable */
    }
    return st;
}
