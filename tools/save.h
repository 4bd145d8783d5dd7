/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/save.h: files that a command gives to people: whole and synced under their name, or not
 * there. Layer: tools.
 *
 * A file is written beside its name and takes it, and the place of an older one, only at the
 * commit. Devices and pipes are written in place: nothing must take the name of /dev/null. "-" is
 * stdout.
 */
#ifndef STELE_TOOLS_SAVE_H
#define STELE_TOOLS_SAVE_H

#include <stdio.h>

#include "storage/bytes.h"

struct stele_save {
    FILE *out;
    char *path;
    char *part; /* NULL: written in place */
};

/* Errors: IO, NO_SPACE, with the path and what is wrong with it. */
STELE_MUST_USE stele_status stele_save_open(const char *path, struct stele_save *ret,
                                            stele_err *err);
STELE_MUST_USE stele_status stele_save_write(struct stele_save *save, stele_view bytes,
                                             stele_err *err);
STELE_MUST_USE stele_status stele_save_commit(struct stele_save *save, stele_err *err);
/* Removes what was not committed. Takes a zeroed one. */
void stele_save_close(struct stele_save *save);
/* All at once. */
STELE_MUST_USE stele_status stele_save_file(const char *path, stele_view bytes, stele_err *err);

#endif
