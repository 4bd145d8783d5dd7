/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_repeats.h: logs of RocksDB that say the same twice. Layer: storage, for
 * engine_rocks.c only.
 *
 * RocksDB checks the sum of every record it replays, and takes for granted that records come in the
 * order it wrote them: with asserts on, as Debian builds it, it aborts the process where one comes
 * again. A file that was appended to itself, or put in the place of another, has whole records
 * only; it is found here first.
 */
#ifndef STELE_STORAGE_ENGINE_REPEATS_H
#define STELE_STORAGE_ENGINE_REPEATS_H

#include "storage/status.h"

/* Reads the heads of all records of the database's logs and manifests; sums are RocksDB's to check.
 * Errors: CORRUPT, IO. No folder, or none of these files: OK. */
STELE_MUST_USE stele_status stele_repeats_check(const char *db, stele_err *err);

#endif
