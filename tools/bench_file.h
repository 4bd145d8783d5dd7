/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_file.h: made-up events in files, so that what is measured beside Stele stores the
 * very same ones. Layer: tools.
 *
 * A file of events is each event's bytes behind their length as a varint, as protobuf libraries
 * write delimited messages. The rows beside it have the event's time, type, actor, first resource
 * and its bytes as `\x` and hex digits, or the event as JSON, with tabs between them: what COPY of
 * PostgreSQL reads.
 */
#ifndef STELE_TOOLS_BENCH_FILE_H
#define STELE_TOOLS_BENCH_FILE_H

#include "storage/bytes.h"
#include "tools/bench_clock.h"

struct stele_bench_write {
    uint64_t events;
    const char *region, *path;
    const char *rows_path;           /* NULL: no rows */
    bool json;                       /* what the rows end with */
    struct stele_bench_clock *clock; /* of the events; NULL: the real one */
};
/* Errors: those of writing. */
STELE_MUST_USE stele_status stele_bench_file_write(const struct stele_bench_write *write,
                                                   stele_err *err);

struct stele_bench_file {
    stele_view bytes; /* the file, mapped */
    uint64_t events;
};
/* Errors: INVALID for a file that is not there, is empty, or holds anything else. */
STELE_MUST_USE stele_status stele_bench_file_open(const char *path, struct stele_bench_file *ret,
                                                  stele_err *err);
/* Takes the next event off `rest`, at first all bytes. It borrows the file. Errors: END; INVALID.
 */
STELE_MUST_USE stele_status stele_bench_file_next(stele_view *rest, stele_view *ret_payload,
                                                  stele_err *err);
void stele_bench_file_close(struct stele_bench_file *file); /* takes a zeroed one */

#endif
