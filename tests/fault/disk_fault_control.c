/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/disk_fault_control.c: the side of disk_fault.h that runs programs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fault/disk_fault.h"
#include "tests/support/cmocka.h"

struct disk_fault *disk_fault_start(const char *path, const char *folder) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)sizeof(struct disk_fault)), 0);
    void *at = mmap(NULL, sizeof(struct disk_fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    (void)close(fd);
    struct disk_fault *fault = at;
    (void)snprintf(fault->folder, sizeof fault->folder, "%s", folder);
    assert_int_equal(setenv(DISK_FAULT_FILE, path, 1), 0);
    return fault;
}

void disk_fault_set(struct disk_fault *fault, disk_call call, uint64_t nth, uint64_t n,
                    int os_errno) {
    atomic_store(&fault->nth, 0);
    atomic_store(&fault->call, (int)call);
    atomic_store(&fault->n, n);
    atomic_store(&fault->os_errno, os_errno);
    atomic_store(&fault->n_struck, 0);
    atomic_store(&fault->nth, atomic_load(&fault->calls[call]) + nth);
}

void disk_fault_end(struct disk_fault *fault) {
    atomic_store(&fault->nth, 0);
}
