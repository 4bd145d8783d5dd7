/* SPDX-License-Identifier: Apache-2.0 */
/* tools/acks.h: prints acknowledgements as JSON lines and sums them up; for append and import. Layer: tools. */
#ifndef STELE_TOOLS_ACKS_H
#define STELE_TOOLS_ACKS_H

#include "tools/shipper.h"

struct stele_acks {
    const char *line_name; /* "line", or "record" for an importer */
    uint64_t stored, duplicates, refused;
};
/* A stele_shipped_fn; ctx is a struct stele_acks. */
void stele_acks_print(void *ctx, const struct stele_shipped *shipped);
/* The sum on stderr; the exit code: 0 all stored, 5 some refused, else that of `st`. */
int stele_acks_exit(const char *command, const struct stele_acks *acks, stele_status st, const stele_err *err);

#endif
