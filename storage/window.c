/* SPDX-License-Identifier: Apache-2.0 */
/* storage/window.c: a day before and after, and late ones ever after. */
#include "storage/window.h"

#include "storage/entry.h"

static uint64_t max_of(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t plus(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void stele_windows_of(const struct stele_time_range *range, struct stele_windows *ret) {
    struct stele_window whole = {range->logged_since_us, range->logged_until_us};
    struct stele_windows w = {.of = {whole, whole}, .surely = whole, .range = *range};
    w.by_event_time = range->since_us > 0 || range->until_us < UINT64_MAX;
    if (w.by_event_time) {
        uint64_t since = range->since_us;
        w.of[0].start_us = max_of(whole.start_us, since - min_of(since, STELE_LATE_AFTER_US));
        w.of[0].end_us = min_of(whole.end_us, plus(range->until_us, STELE_LATE_AFTER_US));
        w.surely.start_us = max_of(whole.start_us, plus(since, STELE_LATE_AFTER_US));
        if (range->until_us != UINT64_MAX) {
            uint64_t until = range->until_us - min_of(range->until_us, STELE_LATE_AFTER_US);
            w.surely.end_us = min_of(whole.end_us, until);
        }
        w.of[1].start_us = max_of(whole.start_us, plus(since, STELE_LATE_AFTER_US + 1));
    }
    w.least_us = min_of(w.of[0].start_us, w.of[1].start_us);
    w.greatest_us = max_of(w.of[0].end_us, w.of[1].end_us);
    *ret = w;
}

bool stele_windows_meet(const struct stele_windows *windows, bool late,
                        const struct stele_segment_info *info) {
    const struct stele_window *window = &windows->of[late ? 1 : 0];
    if (window->start_us >= window->end_us || info->t_first >= window->end_us ||
        info->t_last < window->start_us) {
        return false;
    }
    return !late || !windows->by_event_time ||
           (info->late_first < windows->range.until_us &&
            info->late_last >= windows->range.since_us);
}

bool stele_windows_cover(const struct stele_windows *windows, bool late,
                         const struct stele_segment_info *info) {
    const struct stele_window *window = late ? &windows->of[1] : &windows->surely;
    const struct stele_time_range *range = &windows->range;
    if (info->t_first < window->start_us || info->t_last >= window->end_us) {
        return false;
    }
    return !late || !windows->by_event_time ||
           (info->late_first >= range->since_us &&
            (info->late_last < range->until_us || range->until_us == UINT64_MAX));
}
