/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/print_hits.h: events as a table, JSON, JSON lines or CSV on stdout, as they arrive. Layer:
 * tools. Texts of others come through as they are in JSON and CSV (a CSV cell that a spreadsheet
 * would take for a formula gets an apostrophe in front); the table shows nothing that moves a
 * cursor or turns a line around.
 */
#ifndef STELE_TOOLS_PRINT_HITS_H
#define STELE_TOOLS_PRINT_HITS_H

#include "proto/hit_wire.h"

typedef enum stele_output {
    STELE_OUTPUT_TABLE,
    STELE_OUTPUT_JSON,
    STELE_OUTPUT_JSONL,
    STELE_OUTPUT_CSV
} stele_output;
/* "table", "json", "jsonl", "csv". Errors: INVALID. */
STELE_MUST_USE stele_status stele_output_parse(const char *text, stele_output *ret, stele_err *err);

struct stele_hit_printer {
    stele_output output;
    uint64_t n;
    stele_buf text; /* of one event; reused */
};
/* Errors: IO: the event cannot be read, or stdout cannot be written. */
STELE_MUST_USE stele_status stele_hit_print(struct stele_hit_printer *printer,
                                            const struct stele_hit *hit, stele_err *err);
/* Ends the output: the closing bracket of JSON, the header of a CSV without rows. Not after a
 * failure: a JSON array that was cut must not read as a whole one. */
STELE_MUST_USE stele_status stele_hit_printer_end(struct stele_hit_printer *printer,
                                                  stele_err *err);
void stele_hit_printer_done(struct stele_hit_printer *printer);

#endif
