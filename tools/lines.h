/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/lines.h: reads a file or stdin line by line, and says when no more is there right now, so
 * that a caller can flush what it has before it waits. Layer: tools.
 */
#ifndef STELE_TOOLS_LINES_H
#define STELE_TOOLS_LINES_H

#include "storage/bytes.h"

/* A line holds one event in JSON: 64 KiB of protobuf, written at most about four times as long. */
#define STELE_LINE_BYTES_MAX (1u << 20)

struct stele_lines;
/* `path` NULL or "-": stdin. Errors: INVALID (no such file, or a folder), IO. */
STELE_MUST_USE stele_status stele_lines_open(const char *path, struct stele_lines **ret,
                                             stele_err *err);
/* The next line without its newline, borrowed until the next call; a last line need not have one. A
 * byte order mark before the first line is passed over. ret_number: from 1.
 * Errors: END: the end of the file. LIMIT: a line over the maximum; the next call goes on behind
 * it. IO. */
STELE_MUST_USE stele_status stele_lines_next(struct stele_lines *lines, stele_view *ret,
                                             uint64_t *ret_number, stele_err *err);
/* True if the next call would have to wait for input. */
bool stele_lines_would_wait(struct stele_lines *lines);
void stele_lines_close(struct stele_lines *lines);

#endif
