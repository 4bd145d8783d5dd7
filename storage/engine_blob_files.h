/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_blob_files.h: finding and reading blob files: a bounded cache of open files, and
 * an ordered walk of the folders. Layer: storage, for engine_blobs.c only. Threads: any.
 *
 * A blob's bytes never change, so an open file is right as long as its name is there: removing a
 * name forgets the file, also one that is being opened at that moment.
 */
#ifndef STELE_STORAGE_ENGINE_BLOB_FILES_H
#define STELE_STORAGE_ENGINE_BLOB_FILES_H

#include "storage/engine.h"

struct stele_blob_files;

/* `root` stays the caller's and open. */
STELE_MUST_USE stele_status stele_blob_files_new(int root, struct stele_blob_files **ret,
                                                 stele_err *err);
/* No call may be inside. NULL is fine. */
void stele_blob_files_free(struct stele_blob_files *f);
/* As blob_get and blob_size of engine.h; the key has been checked. */
STELE_MUST_USE stele_status stele_blob_files_read(struct stele_blob_files *f, const char *key,
                                                  uint64_t offset, size_t size, stele_buf *out,
                                                  stele_err *err);
STELE_MUST_USE stele_status stele_blob_files_size(struct stele_blob_files *f, const char *key,
                                                  uint64_t *ret_bytes, stele_err *err);
void stele_blob_files_will_need(struct stele_blob_files *f, const char *key, uint64_t offset,
                                size_t size);
/* After the name has been removed. */
void stele_blob_files_forget(struct stele_blob_files *f, const char *key);

/* One file: its path below the root, and whether it is an unfinished one. */
typedef stele_status (*stele_blob_walk_fn)(void *ctx, const char *path, bool temporary,
                                           stele_err *err);
/* Every regular file whose path starts with `prefix`, bytewise ascending by path. No lock is held
 * while `fn` runs; files that come or go during the walk may be seen or not. */
STELE_MUST_USE stele_status stele_blob_walk(int root, const char *prefix, stele_blob_walk_fn fn,
                                            void *ctx, stele_err *err);

#endif
