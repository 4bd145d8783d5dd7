/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/index_model.h: what an INDEX entry must commit to, computed from the log's entries
 * and tags as slowly and plainly as FORMAT.md section 6 says it.
 */
#ifndef STELE_TESTS_SUPPORT_INDEX_MODEL_H
#define STELE_TESTS_SUPPORT_INDEX_MODEL_H

#include "storage/log.h"
#include "storage/manifest.h"

/* The descriptor of entries [lo, hi), read one by one. */
void index_model_descriptor(struct stele_log *log, uint64_t lo, uint64_t hi,
                            struct stele_descriptor *ret);
/* The manifest's root over n descriptors. */
void index_model_root(const struct stele_descriptor *descriptor, size_t n,
                      uint8_t ret[STELE_AT_LEAST(32)]);
/* Everything a manifest says is so: its INDEX entry, its boundaries, its tiling, every descriptor
 * made again from the entries, its state. */
void index_model_check(struct stele_log *log, const struct stele_manifest *manifest);

#endif
