/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/reserve_nothing.c: no room is reserved in files, for a test whose stores are in
 * memory: the database reserves hundreds of MiB for its log, which there takes longer than all the
 * rest.
 */
#include <fcntl.h>

int fallocate(int fd, int mode, off_t offset, off_t size) {
    (void)fd;
    (void)mode;
    (void)offset;
    (void)size;
    return 0;
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    return fallocate(fd, 0, offset, size);
}
