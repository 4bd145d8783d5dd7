/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/witness.h: cosignatures of checkpoints by witnesses, who say when they saw a tree head
 * and that it grew out of the one before. Layer: storage, part of the verifier. Pure. Source: C2SP
 * tlog-cosignature v1.0.1 (cosignature/v1, Ed25519, type 0x04).
 */
#ifndef STELE_STORAGE_WITNESS_H
#define STELE_STORAGE_WITNESS_H

#include "storage/note.h"

/* A witness's key: "<name>+<8 hex key id>+<base64 of 0x04 || public key>". */
struct stele_witness {
    char name[STELE_NOTE_NAME_MAX + 1];
    uint32_t key_id;
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
};
STELE_MUST_USE stele_status stele_witness_parse(stele_view text, struct stele_witness *ret,
                                                stele_err *err);
STELE_MUST_USE stele_status stele_witness_of(const char *name,
                                             const uint8_t public_key[STELE_AT_LEAST(32)],
                                             struct stele_witness *ret, stele_err *err);
/* Appends the text form. */
STELE_MUST_USE stele_status stele_witness_print(const struct stele_witness *witness, stele_buf *out,
                                                stele_err *err);

struct stele_witnessed {
    size_t n;          /* distinct witnesses of the list whose cosignature holds */
    uint64_t newest_s; /* the newest time one of them says, seconds since 1970; 0 if n is 0 */
};
/*
 * Counts the cosignatures of known witnesses under a note that stele_note_open has opened. Errors:
 * UNVERIFIED if one of a known witness does not hold; INVALID, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_witness_count(stele_view note,
                                                const struct stele_witness *witnesses,
                                                size_t n_witnesses, struct stele_witnessed *ret,
                                                stele_err *err);
/* Appends the signature line of a witness under a note's text, for tests and for witnesses. */
STELE_MUST_USE stele_status stele_witness_cosign(stele_view note, const char *name, uint64_t time_s,
                                                 struct stele_signer *signer, stele_buf *out,
                                                 stele_err *err);

#endif
