/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/powercut_journal.h: the journal of file operations between powercut_shim.c, which
 * writes it inside the process that loses power, and powercut_replay.c. An operation's number is
 * its place in the journal. One is written after it has happened and in the order of happening; a
 * sync, when it has returned, with the number that was next when it began: it covers what is before
 * that.
 */
#ifndef STELE_TESTS_FAULT_POWERCUT_JOURNAL_H
#define STELE_TESTS_FAULT_POWERCUT_JOURNAL_H

#include <stdint.h>

#define POWERCUT_ROOT "STELE_POWERCUT_ROOT"       /* environment: the folder that is watched */
#define POWERCUT_JOURNAL "STELE_POWERCUT_JOURNAL" /* environment: the journal, outside of it */
#define POWERCUT_FAIL                                                                              \
    "STELE_POWERCUT_FAIL" /* environment: one in so many syncs fails; optional                     \
                           */
/* Environment: the process ends with its nth operation; 0 or absent: it does not. */
#define POWERCUT_STOP "STELE_POWERCUT_STOP"
#define POWERCUT_MAGIC 0x50435554u
#define POWERCUT_PATH_MAX 512

typedef enum powercut_op {
    POWERCUT_OPEN = 1, /* path, fd; offset 1: it was made by this, length 1: it was emptied */
    POWERCUT_WRITE,    /* fd, offset, length bytes follow */
    POWERCUT_RESIZE,   /* fd, length */
    POWERCUT_SYNC,     /* fd, offset: the first number not covered; length 1: it failed */
    POWERCUT_RENAME,   /* path, other */
    POWERCUT_LINK,     /* path, other */
    POWERCUT_UNLINK,   /* path */
    POWERCUT_MKDIR,    /* path */
    POWERCUT_RMDIR,    /* path */
    POWERCUT_UNKNOWN   /* path says what was called that this cannot follow */
} powercut_op;

/* Followed by path, other and the bytes of a write. Paths are relative to the root; "" is the root.
 */
struct powercut_entry {
    uint32_t magic;
    uint32_t op;
    int32_t fd;
    uint16_t path_chars, other_chars;
    uint64_t offset, length;
};

#endif
