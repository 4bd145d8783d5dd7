/* SPDX-License-Identifier: Apache-2.0 */
/* storage/monotonic.c: CLOCK_MONOTONIC. */
#include "storage/monotonic.h"

#include <errno.h>

uint64_t stele_monotonic_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void stele_monotonic_sleep_until(uint64_t at_us) {
    const struct timespec at = {.tv_sec = (time_t)(at_us / 1000000u),
                                .tv_nsec = (long)(at_us % 1000000u) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

struct timespec stele_monotonic_in_ms(uint32_t ms) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += (time_t)(ms / 1000) + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}
