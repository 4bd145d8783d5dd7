/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/sync_nothing.c: syncs that do nothing, before those of the C library, for a test that
 * opens a hundred copies of stores only to look at them and throw them away.
 */
#include <unistd.h>

int fsync(int fd) {
    (void)fd;
    return 0;
}

int fdatasync(int fd) {
    (void)fd;
    return 0;
}
