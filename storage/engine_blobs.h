/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_blobs.h: immutable named files under one folder: the blobs of the embedded engine.
 * Layer: storage, for engine_local.c only. Knows no locks and no retention.
 *
 * A blob's file appears under its name whole and synced or not at all, and its bytes never change.
 * Being written it is called ".tmp..." in its own folder; no key can name such a file. Threads:
 * any, but two placings of one key, or placing and removing it, are the caller's to serialise.
 */
#ifndef STELE_STORAGE_ENGINE_BLOBS_H
#define STELE_STORAGE_ENGINE_BLOBS_H

#include "storage/engine.h"

#define STELE_BLOB_TEMPORARY ".tmp"

struct stele_blobs;

struct stele_blob_writer {
    struct stele_engine *engine; /* the caller's, for its own use */
    struct stele_blobs *blobs;
    int fd;
    bool placed;
    stele_status failed; /* of the first write that failed: nothing is placed after it */
    stele_buf pending;
    uint64_t written;
    char key[STELE_BLOB_KEY_MAX + 1];
    char temporary[STELE_BLOB_KEY_MAX + 32];
};

/* Makes the folder if it is absent and removes what unfinished writers left in it. */
STELE_MUST_USE stele_status stele_blobs_open(const char *folder, struct stele_blobs **ret,
                                             stele_err *err);
void stele_blobs_close(struct stele_blobs *b);

/* Errors: INVALID (key, or a part of it is a blob), IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_blob_writer_new(struct stele_blobs *b, const char *key,
                                                  struct stele_blob_writer **ret, stele_err *err);
STELE_MUST_USE stele_status stele_blob_writer_add(struct stele_blob_writer *w, stele_view bytes,
                                                  stele_err *err);
/* Every byte of it is on disk, still without its name. */
STELE_MUST_USE stele_status stele_blob_writer_sync(struct stele_blob_writer *w, stele_err *err);
/* OK: ret_present says if a blob with the same bytes has the name. EXISTS: one with others. */
STELE_MUST_USE stele_status stele_blob_writer_compare(struct stele_blob_writer *w,
                                                      bool *ret_present, stele_err *err);
/* Gives a synced writer's file its name, unless `present`, and syncs every folder up to the blobs'.
 */
STELE_MUST_USE stele_status stele_blob_writer_place(struct stele_blob_writer *w, bool present,
                                                    stele_err *err);
/* Removes the file if it has no name yet. NULL is fine. */
void stele_blob_writer_free(struct stele_blob_writer *w);

/* As in engine.h. */
STELE_MUST_USE stele_status stele_blobs_get(struct stele_blobs *b, const char *key, uint64_t offset,
                                            size_t size, stele_buf *out, stele_err *err);
/* As blob_will_need of engine.h. */
void stele_blobs_will_need(struct stele_blobs *b, const char *key, uint64_t offset, size_t size);
STELE_MUST_USE stele_status stele_blobs_size(struct stele_blobs *b, const char *key,
                                             uint64_t *ret_bytes, stele_err *err);
STELE_MUST_USE stele_status stele_blobs_list(struct stele_blobs *b, const char *prefix,
                                             stele_key_fn fn, void *ctx, stele_err *err);
/* Removes the name, synced; readers that have it open finish. Errors: NOT_FOUND, IO. */
STELE_MUST_USE stele_status stele_blobs_remove(struct stele_blobs *b, const char *key,
                                               stele_err *err);

#endif
