/* SPDX-License-Identifier: Apache-2.0 */
/* storage/thread.c: pthread_create and the kernel's name. */
#include "storage/thread.h"

#include <assert.h>
#include <string.h>

#define NAME_CHARS_MAX 15

int stele_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg) {
    assert(strlen(name) <= NAME_CHARS_MAX);
    int failed = pthread_create(ret, NULL, run, arg);
    if (failed == 0) {
        (void)pthread_setname_np(*ret, name); /* without a name it works as well */
    }
    return failed;
}
