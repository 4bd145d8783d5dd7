/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/progress.h: one line on a terminal for work that takes over a second: what is done, and how
 * fast. Layer: tools. Nothing is shown where stderr is no terminal, nor while the command's own
 * lines run over the same terminal. Threads: one.
 */
#ifndef STELE_TOOLS_PROGRESS_H
#define STELE_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct stele_progress {
    const char *command; /* "stele append"; NULL: not begun */
    const char *unit;    /* "events" */
    bool on, shown;
    uint64_t started_us, next_us;
};

/* prints: the command writes a line to stdout for each unit. Texts are borrowed. */
void stele_progress_begin(struct stele_progress *progress, const char *command, const char *unit,
                          bool prints);
/* total 0: not known. Cheap when it is not yet time to show. */
void stele_progress_at(struct stele_progress *progress, uint64_t done, uint64_t total);
/* Removes the line. Before any other message, and at the end. */
void stele_progress_end(struct stele_progress *progress);

#endif
