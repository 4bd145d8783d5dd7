/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/complete_parts.h: what the files of one log's part of a complete answer share:
 * complete_log.c, complete_head.c, complete_opening.c. Layer: query, private.
 */
#ifndef STELE_QUERY_COMPLETE_PARTS_H
#define STELE_QUERY_COMPLETE_PARTS_H

#include "query/complete_log.h"
#include "storage/catalog.h"

/* Whether the on-time or late window meets a segment of the manifest; whether any of the two does.
 */
bool stele_complete__meets(const struct stele_complete_log *log, size_t segment, bool late);
bool stele_complete__is_opened(const struct stele_complete_log *log, size_t segment);
/* The tag looked for in a segment that is opened. */
void stele_complete__tag(const struct stele_complete_log *log, size_t segment, bool late,
                         uint8_t ret[STELE_AT_LEAST(16)]);
/* A window as a range of entries: log time never falls. */
STELE_MUST_USE stele_status stele_complete__seqs(const struct stele_complete_log *log,
                                                 const struct stele_window *window,
                                                 uint64_t *ret_from, uint64_t *ret_to,
                                                 stele_err *err);
/* Writes the opening of a segment and leaves its histories in log->history; one that is not opened
 * has count 0. */
STELE_MUST_USE stele_status stele_complete__open(struct stele_complete_log *log, size_t segment,
                                                 struct stele_complete_writer *writer,
                                                 stele_buf *out, stele_err *err);

#endif
