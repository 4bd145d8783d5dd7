/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_current.h: the file of RocksDB's that names its manifest, after a power cut while
 * it was changed. Layer: storage, for engine_rocks.c only.
 *
 * With each start, and when a manifest is large, RocksDB makes a new one, renames a file to CURRENT
 * that names it, and then syncs the folder. A filesystem that keeps names in no order may have the
 * second name after a power cut and not the first. The manifest before is still there: it is
 * removed after that sync only. Nothing was written by the new one that is not by the old, and what
 * was acknowledged is looked for afterwards, as at each start.
 */
#ifndef STELE_STORAGE_ENGINE_CURRENT_H
#define STELE_STORAGE_ENGINE_CURRENT_H

#include "storage/bytes.h"

#define STELE_CURRENT_NAME_BYTES 65 /* with its end */
/* The name in CURRENT, which is of a file beside it. Errors: NOT_FOUND, LIMIT (too long), CORRUPT
 * (no name of a file), IO. */
STELE_MUST_USE stele_status stele_current_read(const char *db,
                                               char ret[STELE_AT_LEAST(STELE_CURRENT_NAME_BYTES)],
                                               stele_err *err);

/*
 * CURRENT names a manifest that is not there: it is made to name the one that is, if that is one
 * alone. Where there is none and the store is being made (`create`), CURRENT is removed, and it is
 * made from the start. All else is left as it is, for RocksDB to judge. Errors: IO, NO_SPACE.
 */
STELE_MUST_USE stele_status stele_current_mend(const char *db, bool create, stele_err *err);

#endif
