/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/monotonic.h: time that only goes forward, for waiting and for measuring how long
 * something took. Layer: storage (plain, usable everywhere). What is written into a log comes from
 * the store's own clock instead (storage/store.h). Threads: any.
 */
#ifndef STELE_STORAGE_MONOTONIC_H
#define STELE_STORAGE_MONOTONIC_H

#include <stdint.h>
#include <time.h>

uint64_t stele_monotonic_us(void);
/* Returns at once if that is over. */
void stele_monotonic_sleep_until(uint64_t at_us);
/* When `ms` from now will have passed, for pthread_cond_clockwait with CLOCK_MONOTONIC. */
struct timespec stele_monotonic_in_ms(uint32_t ms);

#endif
