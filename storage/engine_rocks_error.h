/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_rocks_error.h: what a text of RocksDB's means: its C interface gives no more than
 * Status::ToString. Layer: storage, for engine_rocks.c only. Pure.
 */
#ifndef STELE_STORAGE_ENGINE_ROCKS_ERROR_H
#define STELE_STORAGE_ENGINE_ROCKS_ERROR_H

#include "storage/status.h"

/* The errno that the text names; 0: no error of the system's. */
int stele_rocks_errno(const char *text);
/* Fills err. `doing`: what failed, before the store's path. Returns the status: CORRUPT, DENIED
 * (another process has it open), NOT_FOUND, that of an errno the text names, else IO. */
STELE_MUST_USE stele_status stele_rocks_error(const char *path, const char *doing, const char *text,
                                              stele_err *err);

#endif
