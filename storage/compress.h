/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/compress.h: zstd with the built-in dictionary, and a cap on the expanded size that is
 * checked first. Layer: storage. Threads: one stele_compressor per thread.
 *
 * The dictionary is trained at build time on generated events only, never on received payloads,
 * which would outlive their disposal in it. Its id is stored with every frame; dictionaries are
 * append-only.
 */
#ifndef STELE_STORAGE_COMPRESS_H
#define STELE_STORAGE_COMPRESS_H

#include "storage/bytes.h"

struct stele_compressor;

STELE_MUST_USE stele_status stele_compressor_new(struct stele_compressor **ret, stele_err *err);
void stele_compressor_free(struct stele_compressor *c);
/* Appends the compressed form. */
STELE_MUST_USE stele_status stele_compress(struct stele_compressor *c, stele_view raw,
                                           stele_buf *out, stele_err *err);
/* Appends exactly raw_bytes (<= raw_bytes_max, else CORRUPT before anything is allocated).
 * *ret_size is how many bytes of `sealed` that took; if ret_size is NULL it must be all of them.
 * Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_decompress(struct stele_compressor *c, stele_view sealed,
                                             size_t raw_bytes, size_t raw_bytes_max, stele_buf *out,
                                             size_t *ret_size, stele_err *err);
/* This thread's own compressor, made on first use, freed at thread exit. */
STELE_MUST_USE stele_status stele_compressor_mine(struct stele_compressor **ret, stele_err *err);

#endif
