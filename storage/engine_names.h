/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_names.h: which names every engine takes, so that a log or a blob can move from one
 * engine to another. Layer: storage, for engines. Pure.
 */
#ifndef STELE_STORAGE_ENGINE_NAMES_H
#define STELE_STORAGE_ENGINE_NAMES_H

#include "storage/engine.h"

/* [a-z0-9][a-z0-9-]*, at most `max` characters. Errors: INVALID, naming `what`. */
STELE_MUST_USE stele_status stele_name_check(const char *name, size_t max, const char *what,
                                             stele_err *err);
/* 1..STELE_BLOB_KEY_MAX of [a-z0-9/.-]; parts between slashes are not empty and start with no dot,
 * and
 * ".." stands nowhere. Errors: INVALID. */
STELE_MUST_USE stele_status stele_blob_key_check(const char *key, stele_err *err);

#endif
