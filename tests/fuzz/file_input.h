/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/file_input.h: an input as a file, for parsers that are given a path. The file is in
 * memory and has no name; its path is good in this process only. A folder of the target's own is
 * for those that look for several files.
 */
#ifndef STELE_TESTS_FUZZ_FILE_INPUT_H
#define STELE_TESTS_FUZZ_FILE_INPUT_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* The same file each time, with these bytes and nothing else. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        fuzz_require(fd >= 0 && fchmod(fd, 0600) == 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    fuzz_require(size == 0 || write(fd, data, size) == (ssize_t)size);
    return path;
}

/* Writes a file into a folder. */
static inline void fuzz_file_in(const char *folder, const char *name, const uint8_t *data,
                                size_t size) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_require(fd >= 0);
    fuzz_require(size == 0 || write(fd, data, size) == (ssize_t)size);
    (void)close(fd);
}

#endif
