/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_manifest.h: the end of RocksDB's MANIFEST after a power cut. Layer: storage, for
 * engine_rocks.c only.
 *
 * RocksDB logs each change of its set of files there and syncs it before it acts on it. A change
 * that was not synced may be on disk with zeros for some of its sectors; RocksDB takes that for
 * damage and refuses to open. Nothing depends on such a change yet: without it the files are as
 * they were before.
 */
#ifndef STELE_STORAGE_ENGINE_MANIFEST_H
#define STELE_STORAGE_ENGINE_MANIFEST_H

#include "storage/file.h"

/* What was cut off, so that it can be put back. */
struct stele_manifest_end {
    char path[STELE_FILE_PATH_MAX];
    uint64_t offset;
    stele_buf bytes;
};

/*
 * Cuts the last record off if it is torn: its checksum does not hold, a sector of it is zeros, and
 * it is the last. Any other damage: CORRUPT, and nothing is changed. Errors: IO, NOT_FOUND.
 */
STELE_MUST_USE stele_status stele_manifest_cut(const char *db, struct stele_manifest_end *ret,
                                               stele_err *err);
/* Writes it again where it was: the store without it was no better. */
STELE_MUST_USE stele_status stele_manifest_put_back(const struct stele_manifest_end *end,
                                                    stele_err *err);

#endif
