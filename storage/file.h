/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/file.h: small files and folders that are on disk when the call returns. Layer: storage.
 *
 * Every call syncs what it made, and the folder that names it, before it says OK. Every failure
 * names the path, the errno and what to do. Short reads and writes and EINTR are handled here,
 * once.
 */
#ifndef STELE_STORAGE_FILE_H
#define STELE_STORAGE_FILE_H

#include "storage/bytes.h"

#define STELE_FILE_PATH_MAX 1024 /* of a store's own paths; longer ones are refused, not cut */

/* "<folder>/<name>" into `ret`. Errors: LIMIT over STELE_FILE_PATH_MAX. */
STELE_MUST_USE stele_status stele_file_path(const char *folder, const char *name,
                                            char ret[STELE_AT_LEAST(STELE_FILE_PATH_MAX)],
                                            stele_err *err);
/* All of `bytes` at the file's position; `path` is for messages only. Errors: IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_file_write(int fd, stele_view bytes, const char *path,
                                             stele_err *err);
/* Appends up to `size` bytes from `offset` to `out`; fewer only at the end. Errors: IO, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_file_read_at(int fd, uint64_t offset, size_t size,
                                               const char *path, stele_buf *out, stele_err *err);
/* The whole of a file of at most `max_bytes`, appended to `out`. Errors: NOT_FOUND, LIMIT, IO. */
STELE_MUST_USE stele_status stele_file_read(const char *path, size_t max_bytes, stele_buf *out,
                                            stele_err *err);
/*
 * Makes a file that only its owner can read: written under a temporary name, synced, named, folder
 * synced. Crash: the file is there whole or not at all. Errors: EXISTS (nothing is replaced), IO.
 */
STELE_MUST_USE stele_status stele_file_create(const char *path, stele_view bytes, stele_err *err);
/* Makes a folder (0700) and syncs its parent; OK if it is there already. Errors: IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_file_make_folder(const char *path, stele_err *err);
/* Whether the folder's disk has room for `bytes` more at this moment: takes and gives back as many.
 * Errors: NO_SPACE, NOT_FOUND (no such folder), IO. */
STELE_MUST_USE stele_status stele_file_check_room(const char *folder, size_t bytes, stele_err *err);
/* Makes the names in a folder durable. Errors: IO. */
STELE_MUST_USE stele_status stele_file_sync_folder(const char *path, stele_err *err);
/*
 * Gives the synced file `from` (relative to the folder `at`) the name `to`, never replacing:
 * EXISTS. The caller syncs the folder.
 */
STELE_MUST_USE stele_status stele_file_name(int at, const char *from, const char *to,
                                            stele_err *err);

#endif
