/* SPDX-License-Identifier: Apache-2.0 */
/* tools/acks.h: prints acknowledgements as JSON lines and sums them up; for append and import.
 * Layer: tools. */
#ifndef STELE_TOOLS_ACKS_H
#define STELE_TOOLS_ACKS_H

#include "tools/progress.h"
#include "tools/shipper.h"

struct stele_acks {
    uint64_t stored, duplicates, refused;
    int stdout_errno; /* why a line could not be printed; 0: all were */
    struct stele_progress progress;
};
/* A stele_shipped_fn; ctx is a struct stele_acks. */
void stele_acks_print(void *ctx, const struct stele_shipped *shipped);
/* An acknowledgement that could not be printed is lost to whoever asked: shipping on would only
 * lose more. Errors: IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_acks_check(const struct stele_acks *acks, stele_err *err);
/* The sum on stderr; the exit code: 0 all stored, 5 some refused, else that of `st`. */
int stele_acks_exit(const char *command, struct stele_acks *acks, stele_status st,
                    const stele_err *err);
/* After a failure, on stderr: from which line on the input must be sent again, if any was not
 * decided. `shipper` may be NULL. */
void stele_acks_tell_undecided(const char *command, struct stele_shipper *shipper);

#endif
