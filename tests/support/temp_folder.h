/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/temp_folder.h: a folder of the test's own under TMPDIR or /tmp, and its removal. */
#ifndef STELE_TESTS_SUPPORT_TEMP_FOLDER_H
#define STELE_TESTS_SUPPORT_TEMP_FOLDER_H

#include <stddef.h>

#define TEMP_FOLDER_BYTES 64

/* Makes it, and writes its path into `ret`. Fails the test if it cannot. */
void temp_folder_make(char ret[TEMP_FOLDER_BYTES]);
/* Removes it with all that is in it; a path that is not under a temp folder is left alone. */
void temp_folder_remove(const char *path);
/* Copies a folder tree of plain files: `to` must not exist. */
void temp_folder_copy(const char *from, const char *to);
/* "<folder>/<name>" in one of a few static buffers, for one expression at a time. Not for threads.
 */
const char *temp_path(const char *folder, const char *name);

#endif
