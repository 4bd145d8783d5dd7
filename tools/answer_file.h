/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/answer_file.h: saves a proven answer as it arrives, checks it on the way, and prints its
 * events. Layer: tools. The file takes its name only when all of it was received, checked and
 * synced.
 */
#ifndef STELE_TOOLS_ANSWER_FILE_H
#define STELE_TOOLS_ANSWER_FILE_H

#include "proto/event_filter.h"
#include "proto/query_wire.h"
#include "proto/verify_state.h"
#include "tools/print_hits.h"

struct stele_answer_file;
/* vkeys_path: a vkey a line. known: what the answer must not contradict, or NULL; it is not
 * changed. Both and `printer` are borrowed. Errors: INVALID: no such file, or no keys; IO. */
STELE_MUST_USE stele_status stele_answer_file_open(const char *vkeys_path, const char *path,
                                                   struct stele_hit_printer *printer,
                                                   const struct stele_verify_state *known,
                                                   struct stele_answer_file **ret, stele_err *err);
/* Errors: UNVERIFIED: the answer does not hold, whatever is wrong with it; IO, NO_SPACE: a file or
 * stdout cannot be written. */
STELE_MUST_USE stele_status stele_answer_file_take(struct stele_answer_file *file, stele_view bytes,
                                                   stele_err *err);
/* `asked` is what was sent: a proven answer to another question is refused too.
 * Errors: as above; nothing is left under the name. */
STELE_MUST_USE stele_status stele_answer_file_finish(struct stele_answer_file *file,
                                                     const struct stele_search_request *asked,
                                                     stele_err *err);
/* How many events a finished file shows, or counts. */
uint64_t stele_answer_file_events(const struct stele_answer_file *file);
/* That an answer is one to what was asked. Errors: UNVERIFIED; the request's own mistakes. */
STELE_MUST_USE stele_status stele_answer_is_to(const struct stele_search_request *asked,
                                               const struct stele_question *answered,
                                               stele_err *err);
void stele_answer_file_close(struct stele_answer_file *file);

#endif
