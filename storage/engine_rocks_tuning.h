/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_rocks_tuning.h: RocksDB's options as it reads them from text, with the reason of
 * each. Layer: storage, for engine_rocks.c only.
 */
#ifndef STELE_STORAGE_ENGINE_ROCKS_TUNING_H
#define STELE_STORAGE_ENGINE_ROCKS_TUNING_H

#include "storage/engine_rocks.h"

#define STELE_ROCKS_TUNINGS (STELE_ROCKS_FAMILIES + 1)

/* [0]: the store as a whole, with its unused default family; then by stele_rocks_family. */
extern const char *const stele_rocks_tuning[STELE_ROCKS_TUNINGS];

#endif
