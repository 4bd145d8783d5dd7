/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/sync_count.h: what a process asked the kernel to make durable, in order: each fsync,
 * fdatasync and rename with its path and result. Linked into a test, or preloaded into any program:
 *   LD_PRELOAD=libstele-sync-count.so STELE_SYNC_COUNT_FILE=/dev/shm/x program
 * writes the same struct into that file, for another process to map. sync_file_range promises
 * nothing and is not counted.
 */
#ifndef STELE_TESTS_FAULT_SYNC_COUNT_H
#define STELE_TESTS_FAULT_SYNC_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

#define SYNC_EVENTS 8192 /* the oldest are overwritten */
#define SYNC_PATH_BYTES 240

enum sync_op { SYNC_FSYNC = 1, SYNC_FDATASYNC = 2, SYNC_RENAME = 3 };

struct sync_event {
    int32_t op;
    int32_t os_errno;           /* 0: it went well */
    char path[SYNC_PATH_BYTES]; /* of a rename: the new one */
};

struct sync_log {
    atomic_uint_fast64_t n;       /* events so far; event i is at i % SYNC_EVENTS */
    atomic_uint_fast64_t n_syncs; /* of them fsync and fdatasync whose path holds `fail_path` */
    /* Syncs number [fail_at, fail_at + fail_n) of those, counted from 1, fail. 0: none. */
    uint64_t fail_at;
    uint64_t fail_n;
    int fail_errno;
    char fail_path[64];
    struct sync_event event[SYNC_EVENTS];
};

/* The log of this process. Exported by the library under this name. */
struct sync_log *sync_count_log(void);
/* The nth sync from now of a path with `path` in it fails with os_errno, and n_fail - 1 after it;
 * nth 0: none does. While other threads sync. */
void sync_count_fail(const char *path, uint64_t nth, uint64_t n_fail, int os_errno);

#endif
