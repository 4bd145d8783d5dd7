/* SPDX-License-Identifier: Apache-2.0 */
/* tools/print_hits.h: events as a table, JSON, JSON lines or CSV on stdout, as they arrive. Layer: tools. */
#ifndef STELE_TOOLS_PRINT_HITS_H
#define STELE_TOOLS_PRINT_HITS_H

#include "proto/hit_wire.h"

typedef enum stele_output { STELE_OUTPUT_TABLE, STELE_OUTPUT_JSON, STELE_OUTPUT_JSONL, STELE_OUTPUT_CSV } stele_output;
/* "table", "json", "jsonl", "csv". Errors: INVALID. */
STELE_MUST_USE stele_status stele_output_parse(const char *text, stele_output *ret, stele_err *err);

struct stele_hit_printer {
    stele_output output;
    uint64_t n;
    stele_buf text; /* of one event; reused */
};
/* Errors: INVALID (an event that cannot be read), IO (stdout is gone). */
STELE_MUST_USE stele_status stele_hit_print(struct stele_hit_printer *printer, const struct stele_hit *hit, stele_err *err);
/* Ends the output: the closing bracket of JSON. */
STELE_MUST_USE stele_status stele_hit_printer_end(struct stele_hit_printer *printer, stele_err *err);
void stele_hit_printer_done(struct stele_hit_printer *printer);

#endif
