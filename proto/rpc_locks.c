/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_locks.c: a setting of absl that C has no name for. */
#include "proto/rpc_locks.h"

/* absl::SetMutexDeadlockDetectionMode(OnDeadlockCycle) of absl/synchronization/mutex.h. Not there
 * in a core that brings its own absl: then all stays as it is. */
extern void set_deadlock_detection(int mode) __asm__(
    "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE") __attribute__((weak));

enum { ON_DEADLOCK_IGNORE = 0 };

void stele_rpc_locks_untraced(void) {
    if (set_deadlock_detection) {
        set_deadlock_detection(ON_DEADLOCK_IGNORE);
    }
}
