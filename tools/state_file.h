/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/state_file.h: what a verifier remembers of logs, as a file. Layer: tools, part of
 * stele-verify-command. Format: storage/FORMAT.md, "Verifier state".
 */
#ifndef STELE_TOOLS_STATE_FILE_H
#define STELE_TOOLS_STATE_FILE_H

#include "proto/verify_state.h"

#define STELE_TEXT_FILE_BYTES_MAX (1u << 20) /* keys of a thousand logs, or a state */

/* Appends a small text file. Errors: NOT_FOUND, IO, LIMIT; they do not name the file. */
STELE_MUST_USE stele_status stele_text_file_read(const char *path, stele_buf *out, stele_err *err);
/* What earlier runs saw; a file that is not there yet is an empty one. *ret is to be freed, also
 * after an error. Errors: those of reading; INVALID: it is no state. */
STELE_MUST_USE stele_status stele_state_file_load(const char *path, struct stele_verify_state **ret,
                                                  stele_err *err);
/* Replaces the file, or leaves it as it was. Errors: IO. */
STELE_MUST_USE stele_status stele_state_file_save(const char *path,
                                                  const struct stele_verify_state *state,
                                                  stele_err *err);

#endif
