/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/disk_fault.h: a disk on which calls fail: stands before the C library's file calls of
 * a process, linked into it or preloaded, and fails or shortens chosen ones on files below one
 * folder, RocksDB's own among them:
 *   LD_PRELOAD=libstele-disk-fault.so STELE_DISK_FAULT_FILE=/tmp/x/faults program
 * The file is this struct. Who runs the program maps it too, and changes it while the program runs.
 * Not seen: RocksDB's LOG, which is written through stdio.
 */
#ifndef STELE_TESTS_FAULT_DISK_FAULT_H
#define STELE_TESTS_FAULT_DISK_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

#define DISK_FAULT_FILE "STELE_DISK_FAULT_FILE"
#define DISK_FAULT_PATH_MAX 512

typedef enum disk_call {
    DISK_WRITE,  /* write, pwrite */
    DISK_SYNC,   /* fsync, fdatasync */
    DISK_NAME,   /* rename, link */
    DISK_READ,   /* read, pread, and RocksDB's reads of whole files */
    DISK_CREATE, /* open that may make a file, mkdir */
    DISK_OPEN,   /* any other open */
    DISK_RESIZE, /* ftruncate, fallocate */
    DISK_REMOVE, /* unlink, rmdir */
    DISK_CALLS
} disk_call;

struct disk_fault {
    char folder[DISK_FAULT_PATH_MAX]; /* only files below it; its path without symbolic links */
    atomic_uint_fast64_t calls[DISK_CALLS];
    /* Calls number [nth, nth + n) of this kind, counted from 1, fail; nth 0: none. */
    atomic_int call;
    atomic_uint_fast64_t nth, n;
    /* With what; 0: a write or read only moves a part of its bytes, as it may. */
    atomic_int os_errno;
    atomic_bool in_part; /* a write that fails has written a part of its bytes before */
    atomic_uint_fast64_t n_struck;
};

/* For who runs the program: makes the file, maps it and tells the environment. Unmap it with
 * munmap. */
struct disk_fault *disk_fault_start(const char *path, const char *folder);
/* What fails from now on: the nth call from here. */
void disk_fault_set(struct disk_fault *fault, disk_call call, uint64_t nth, uint64_t n,
                    int os_errno);
void disk_fault_end(struct disk_fault *fault); /* nothing fails any more */

#endif
