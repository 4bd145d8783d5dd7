/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/answer_file.h: saves a proven answer as it arrives, checks it on the way, and prints its events.
 * Layer: tools. The file appears under its name only when all of it was received, checked and synced.
 */
#ifndef STELE_TOOLS_ANSWER_FILE_H
#define STELE_TOOLS_ANSWER_FILE_H

#include "tools/print_hits.h"

struct stele_answer_file;
/* vkeys_path: a vkey a line. `printer` is borrowed. */
STELE_MUST_USE stele_status stele_answer_file_open(const char *vkeys_path, const char *path,
                                                   struct stele_hit_printer *printer,
                                                   struct stele_answer_file **ret, stele_err *err);
STELE_MUST_USE stele_status stele_answer_file_take(struct stele_answer_file *file, stele_view bytes, stele_err *err);
/* Errors: UNVERIFIED, INVALID: the server's answer does not hold; nothing is left under the name. */
STELE_MUST_USE stele_status stele_answer_file_finish(struct stele_answer_file *file, stele_err *err);
void stele_answer_file_close(struct stele_answer_file *file);

#endif
