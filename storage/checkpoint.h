/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/checkpoint.h: a tree head as the text of a signed note: origin, size, base64 root, and no
 * extension lines. Layer: storage. Source: C2SP tlog-checkpoint v1.0.0; FORMAT.md section 3.
 */
#ifndef STELE_STORAGE_CHECKPOINT_H
#define STELE_STORAGE_CHECKPOINT_H

#include "storage/note.h"

#define STELE_ORIGIN_MAX STELE_NOTE_NAME_MAX
/* Three lines, our signature and up to 99 cosignatures. */
#define STELE_CHECKPOINT_BYTES_MAX 16384

struct stele_checkpoint {
    char origin[STELE_ORIGIN_MAX + 1];
    uint64_t size_leaves;
    uint8_t root[STELE_HASH_BYTES];
};

/* Errors: INVALID, also for extension lines and non-minimal sizes. */
STELE_MUST_USE stele_status stele_checkpoint_parse(stele_view text, struct stele_checkpoint *ret,
                                                   stele_err *err);
STELE_MUST_USE stele_status stele_checkpoint_print(const struct stele_checkpoint *checkpoint,
                                                   stele_buf *out, stele_err *err);
/* Appends the signed note; the key's name is the origin. */
STELE_MUST_USE stele_status stele_checkpoint_sign(const struct stele_checkpoint *checkpoint,
                                                  struct stele_signer *signer, stele_buf *out,
                                                  stele_err *err);
/*
 * Opens a note and requires that the signature of the key whose name is the checkpoint's own origin
 * is among the verified ones. Errors: INVALID, UNVERIFIED.
 */
STELE_MUST_USE stele_status stele_checkpoint_open(stele_view note, const struct stele_vkey *keys,
                                                  size_t n_keys, struct stele_checkpoint *ret,
                                                  stele_err *err);
/*
 * What a signed note says, before any key is tried: to find whose it is. Its three lines have no
 * empty one among them, so the first empty line ends them. Errors: INVALID.
 */
STELE_MUST_USE stele_status stele_checkpoint_peek(stele_view note, struct stele_checkpoint *ret,
                                                  stele_err *err);

#endif
