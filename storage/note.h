/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/note.h: signed notes and verifier keys. Layer: storage.
 * Source: C2SP signed-note v1.0.0 (Ed25519, type 0x01). Bounds: a note of at most 1 MiB with at
 * most 100 signature lines, so that a hostile note costs a bounded number of checks.
 */
#ifndef STELE_STORAGE_NOTE_H
#define STELE_STORAGE_NOTE_H

#include "storage/signer.h"

#define STELE_NOTE_BYTES_MAX (1u << 20)
#define STELE_NOTE_NAME_MAX 255
#define STELE_NOTE_SIGNATURES_MAX 100

/* A verifier key: "<name>+<8 hex key id>+<base64 of 0x01 || public key>". */
struct stele_vkey {
    char name[STELE_NOTE_NAME_MAX + 1];
    uint32_t key_id;
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
};

/* A key name: 1..255 bytes of UTF-8 without spaces, control characters and plus signs. */
bool stele_note_name_valid(stele_view name);

STELE_MUST_USE stele_status stele_vkey_parse(stele_view text, struct stele_vkey *ret,
                                             stele_err *err);
STELE_MUST_USE stele_status stele_vkey_of(const char *name,
                                          const uint8_t public_key[STELE_AT_LEAST(32)],
                                          struct stele_vkey *ret, stele_err *err);
/* Appends the text form. */
STELE_MUST_USE stele_status stele_vkey_print(const struct stele_vkey *key, stele_buf *out,
                                             stele_err *err);

/*
 * Checks a whole note: syntax, then every signature whose name and id belong to one of `keys`.
 * ret_text borrows the note: the signed text, including its last newline. ret_verified (nullable)
 * gets one bool a key. OK iff at least one signature of a known key holds and none of a known key
 * fails. Errors: INVALID (syntax), UNVERIFIED (no known key, or a bad signature of a known one).
 */
STELE_MUST_USE stele_status stele_note_open(stele_view note, const struct stele_vkey *keys,
                                            size_t n_keys, stele_view *ret_text, bool *ret_verified,
                                            stele_err *err);
/* Appends text, a blank line and one signature line. `text` must end in a newline. */
STELE_MUST_USE stele_status stele_note_sign(stele_view text, const char *name,
                                            struct stele_signer *signer, stele_buf *out,
                                            stele_err *err);

#endif
