/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/keyring.h: the secret keys of a region's logs: one signing key a log and one tag key an
 * (log, era). Layer: storage.
 *
 * Files under <dir>, folder 0700, files 0600 (others are refused: DENIED), each synced with its
 * folder before the call returns: an EPOCH is committed only after its tag key is on disk. Secrets
 * live in sodium_malloc memory, are wiped on close and never logged. Losing a tag key loses the
 * ability to search its era and to check its keys_commit, so it belongs in the backup that the
 * events are in.
 */
#ifndef STELE_STORAGE_KEYRING_H
#define STELE_STORAGE_KEYRING_H

#include "storage/signer.h"
#include "storage/tag.h"

struct stele_keyring;

STELE_MUST_USE stele_status stele_keyring_open(const char *dir, bool create,
                                               struct stele_keyring **ret, stele_err *err);
void stele_keyring_close(struct stele_keyring *ring);
/* The signer of a log; made if absent and `create`. The caller frees it. Errors: NOT_FOUND, DENIED,
 * IO. */
STELE_MUST_USE stele_status stele_keyring_signer(struct stele_keyring *ring, const char *log,
                                                 bool create, struct stele_signer **ret,
                                                 stele_err *err);
/* The tag key of an era, made if absent and `create`. Cached: borrowed until the ring is closed. */
STELE_MUST_USE stele_status stele_keyring_tag_key(struct stele_keyring *ring, const char *log,
                                                  uint32_t era, bool create,
                                                  const struct stele_tag_key **ret, stele_err *err);
/* The 32 bytes of an existing tag key, for a proof that discloses it to someone entitled; the
 * caller wipes them if no proof carries them. Errors: NOT_FOUND, DENIED, IO. */
STELE_MUST_USE stele_status stele_keyring_disclose(struct stele_keyring *ring, const char *log,
                                                   uint32_t era, uint8_t ret[STELE_AT_LEAST(32)],
                                                   stele_err *err);
/* Random bytes from the kernel's generator. */
void stele_random(uint8_t *out, size_t size);
/* A 32-byte secret of the region under a name ("cursor"), made if absent. */
STELE_MUST_USE stele_status stele_keyring_secret(struct stele_keyring *ring, const char *name,
                                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

#endif
