/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/thread.h: threads that say what they are for, so that `top -H`, a debugger and `stele
 * bench` can tell whose time it is. Layer: storage (plain, usable everywhere).
 */
#ifndef STELE_STORAGE_THREAD_H
#define STELE_STORAGE_THREAD_H

#include <pthread.h>

/* `name`: at most 15 characters, as the kernel has it. Returns 0 or an errno, as pthread_create. */
int stele_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg);

#endif
