/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/signer.h: signing as a small interface, so that a separate process, PKCS#11 or another
 * algorithm can replace the key file. Layer: storage.
 */
#ifndef STELE_STORAGE_SIGNER_H
#define STELE_STORAGE_SIGNER_H

#include "storage/bytes.h"

#define STELE_ED25519_PUBLIC_BYTES 32
#define STELE_ED25519_SIGNATURE_BYTES 64

struct stele_signer; /* owned by its creator; freed by its `free` */
struct stele_signer_ops {
    /* Signs `message` with Ed25519. Threads: any, serialised by the implementation. */
    stele_status (*sign)(struct stele_signer *signer, stele_view message,
                         uint8_t ret[STELE_AT_LEAST(64)], stele_err *err);
    void (*public_key)(const struct stele_signer *signer, uint8_t ret[STELE_AT_LEAST(32)]);
    void (*free)(struct stele_signer *signer);
};
struct stele_signer {
    const struct stele_signer_ops *ops;
};

/*
 * signer_sodium.c: the key file. The file holds the 32-byte seed in hex and a newline, mode 0600; a
 * file to which group or others have any right is refused (DENIED). The secret lives in
 * sodium_malloc memory and is wiped. _create makes a new random key and syncs file and folder
 * before it returns; EXISTS if it is there, and an existing file is never touched. Crash: before
 * the return there may be no file, or a shorter one, which _open refuses (INVALID); it has signed
 * nothing and can be removed.
 */
STELE_MUST_USE stele_status stele_signer_sodium_create(const char *path, struct stele_signer **ret,
                                                       stele_err *err);
STELE_MUST_USE stele_status stele_signer_sodium_open(const char *path, struct stele_signer **ret,
                                                     stele_err *err);
/* For vectors and tests: from a seed. */
STELE_MUST_USE stele_status stele_signer_sodium_of_seed(const uint8_t seed[STELE_AT_LEAST(32)],
                                                        struct stele_signer **ret, stele_err *err);
void stele_signer_free(struct stele_signer *signer); /* takes NULL */

/*
 * Checks an Ed25519 signature (RFC 8032, with S below the group order and no key of small order).
 * Threads: any. Errors: UNVERIFIED.
 */
STELE_MUST_USE stele_status stele_signature_check(const uint8_t public_key[STELE_AT_LEAST(32)],
                                                  stele_view message,
                                                  const uint8_t signature[STELE_AT_LEAST(64)],
                                                  stele_err *err);

#endif
