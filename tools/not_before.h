/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/not_before.h: the checkpoints a store must extend, from the files of --not-before and of
 * `not_before` in steled.conf. Layer: tools. Used by steled and fsck.
 *
 * A file holds one signed checkpoint, or several one after the other, as `cat` makes of them; empty
 * lines between them are passed over.
 */
#ifndef STELE_TOOLS_NOT_BEFORE_H
#define STELE_TOOLS_NOT_BEFORE_H

#include "storage/bytes.h"
#include "tools/config.h"

/* Of one command line, and of one steled.conf. */
#define STELE_NOT_BEFORE_FILES_MAX 256

struct stele_not_before {
    stele_buf text;   /* the files, one after the other */
    stele_view *note; /* borrow text */
    size_t n;
};
/*
 * Reads files of the configuration and then `file`. Every checkpoint must be of a log that the
 * configuration has: a mistake is found before a store is opened. Signatures are checked there.
 * Errors: INVALID with the file and its line, also for one that is not there; IO.
 */
STELE_MUST_USE stele_status stele_not_before_read(const struct stele_server_config *config,
                                                  const char *const *file, size_t n_files,
                                                  struct stele_not_before *ret, stele_err *err);
void stele_not_before_done(struct stele_not_before *given); /* zeros are fine */

/* Takes the next checkpoint off the front of `rest`, and counts the lines. Errors: END; INVALID. */
STELE_MUST_USE stele_status stele_not_before_next(stele_view *rest, size_t *line, stele_view *ret,
                                                  stele_err *err);

#endif
