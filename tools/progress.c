/* SPDX-License-Identifier: Apache-2.0 */
/* tools/progress.c: a line that is written over itself. */
#include "tools/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/monotonic.h"

#define SILENT_US UINT64_C(1000000) /* who waits less does not wonder */
#define STEP_US UINT64_C(200000)    /* as often as an eye follows */
#define LINE_COLUMNS 79

void stele_progress_begin(struct stele_progress *progress, const char *command, const char *unit,
                          bool prints) {
    uint64_t now = stele_monotonic_us();
    *progress = (struct stele_progress){.command = command,
                                        .unit = unit,
                                        .on = isatty(STDERR_FILENO) == 1 &&
                                              !(prints && isatty(STDOUT_FILENO) == 1),
                                        .started_us = now,
                                        .next_us = now + SILENT_US};
}

void stele_progress_at(struct stele_progress *progress, uint64_t done, uint64_t total) {
    char line[160];
    if (!progress->on) {
        return;
    }
    uint64_t now = stele_monotonic_us();
    if (now < progress->next_us) {
        return;
    }
    progress->next_us = now + STEP_US;
    uint64_t rate = (uint64_t)((double)done * 1e6 / (double)(now - progress->started_us));
    char of_total[32] = "";
    if (total > 0) {
        (void)snprintf(of_total, sizeof of_total, " of %" PRIu64, total);
    }
    (void)snprintf(line, sizeof line, "%s: %" PRIu64 "%s %s, %" PRIu64 "/s", progress->command,
                   done, of_total, progress->unit, rate);
    (void)fprintf(stderr, "\r%-*.*s", LINE_COLUMNS, LINE_COLUMNS, line);
    (void)fflush(stderr);
    progress->shown = true;
}

void stele_progress_end(struct stele_progress *progress) {
    if (progress->shown) {
        (void)fprintf(stderr, "\r%*s\r", LINE_COLUMNS, "");
        progress->shown = false;
    }
}
