/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_broken_disk.c: a disk on which one call fails, or a few in a row, or only a part
 * of the bytes is moved: every kind of call, on RocksDB's files too (disk_fault.h), at any moment
 * of starting, load, packing and merging. The writer goes on by itself, and nothing it was promised
 * is lost. That a sync which failed is not taken for one that worked when it is tried again is what
 * test_power.c sees.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fault/crash_rig.h"
#include "tests/fault/disk_fault.h"

#define LIVES_A_STORE 4
#define EVENTS_MAX 2200

struct kind {
    const char *what;
    disk_call call;
    int os_errno;
    bool in_part;
};

static const struct kind kinds[] = {
    {"a write, EIO", DISK_WRITE, EIO, false},
    {"a write, ENOSPC", DISK_WRITE, ENOSPC, false},
    {"a write, ENOSPC after half of it", DISK_WRITE, ENOSPC, true},
    {"a short write", DISK_WRITE, 0, false},
    {"a sync, EIO", DISK_SYNC, EIO, false},
    {"a sync, ENOSPC", DISK_SYNC, ENOSPC, false},
    {"a rename, EIO", DISK_NAME, EIO, false},
    {"a rename, ENOSPC", DISK_NAME, ENOSPC, false},
    {"a new file, ENOSPC", DISK_CREATE, ENOSPC, false},
    {"a new file, EIO", DISK_CREATE, EIO, false},
    {"an open, EIO", DISK_OPEN, EIO, false},
    {"an open, EMFILE", DISK_OPEN, EMFILE, false},
    {"a read, EIO", DISK_READ, EIO, false},
    {"a short read", DISK_READ, 0, false},
    {"a change of size, ENOSPC", DISK_RESIZE, ENOSPC, false},
    {"a removal, EIO", DISK_REMOVE, EIO, false},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static struct crash_rig rig;
static struct disk_fault *fault;

static const char *live(void) {
    const char *wrong = crash_rig_run(&rig);
    disk_fault_end(fault);
    if (wrong == NULL) {
        temp_folder_copy(rig.live, rig.copy);
        wrong = crash_rig_check(&rig, rig.copy);
        temp_folder_remove(rig.copy);
    }
    return wrong;
}

/* A call of a life like the last one that had none failing: often one of its start. */
static uint64_t choose_nth(uint64_t n_calls) {
    uint64_t n = n_calls == 0 ? 1 : n_calls;
    return 1 + rng_below(&rig.rng, rng_below(&rig.rng, 3) == 0 && n > 40 ? 40 : n);
}

static size_t break_once(const struct kind *kind, size_t life) {
    static uint64_t n_calls[DISK_CALLS];
    const char *wrong = NULL;
    if (life % LIVES_A_STORE == 0) {
        uint64_t before[DISK_CALLS];
        crash_rig_restart(&rig);
        for (int call = 0; call < DISK_CALLS; call++) {
            before[call] = atomic_load(&fault->calls[call]);
        }
        wrong = live();
        for (int call = 0; call < DISK_CALLS; call++) {
            n_calls[call] = atomic_load(&fault->calls[call]) - before[call];
        }
    }
    uint64_t nth = choose_nth(n_calls[kind->call]);
    uint64_t n = rng_below(&rig.rng, 4) == 0 ? 1 + rng_below(&rig.rng, 8) : 1;
    atomic_store(&fault->in_part, kind->in_part);
    disk_fault_set(fault, kind->call, nth, n, kind->os_errno);
    wrong = wrong == NULL ? live() : wrong;
    if (wrong != NULL) {
        fail_msg("%s: call %" PRIu64 " and %" PRIu64 " after it, store kept in %s: %s", kind->what,
                 nth, n - 1, rig.folder, wrong);
    }
    return atomic_load(&fault->n_struck) > 0 ? 1 : 0;
}

static void test_broken_disk__loses_nothing_and_goes_on(void **state) {
    size_t lives = crash_rounds(3, 40);
    size_t n_struck = 0;
    char path[TEMP_FOLDER_BYTES];
    (void)state;
    crash_rig_init(&rig, "broken disk", STELE_DISK_WRITER);
    (void)snprintf(path, sizeof path, "%.50s/faults", rig.folder);
    fault = disk_fault_start(path, rig.live);
    assert_int_equal(setenv(CRASH_BEARS, "1", 1), 0);
    rig.lets_live = true;
    rig.events_max = EVENTS_MAX;
    for (size_t i = 0; i < KINDS; i++) {
        size_t of_kind = 0;
        for (size_t life = 0; life < lives; life++) {
            of_kind += break_once(&kinds[i], life);
        }
        (void)printf("broken disk: %s: %zu of %zu lives met it\n", kinds[i].what, of_kind, lives);
        n_struck += of_kind;
    }
    (void)printf("broken disk: %zu lives met a fault, %zu events acknowledged\n", n_struck,
                 rig.n_events);
    assert_true(n_struck >= KINDS * lives / 2);
    (void)munmap(fault, sizeof *fault);
    crash_rig_done(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_disk__loses_nothing_and_goes_on),
    };
    return cmocka_run_group_tests_name("broken disk", tests, NULL, NULL);
}
