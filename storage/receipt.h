/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/receipt.h: the receipt of one event: a c2sp.org/tlog-proof@v1 text whose `extra` line
 * carries the entry and what opens its commitments. Layer: storage, part of the verifier. Pure.
 * Source: C2SP tlog-proof; FORMAT.md, "Receipt". The extra line is not authenticated by the proof
 * format; ours is, because the leaf hash is computed from it and the commitments inside bind the
 * rest.
 */
#ifndef STELE_STORAGE_RECEIPT_H
#define STELE_STORAGE_RECEIPT_H

#include "storage/checkpoint.h"
#include "storage/entry.h"
#include "storage/tag.h"
#include "storage/tree.h"

#define STELE_RECEIPT_BYTES_MAX                                                                    \
    262144 /* a 64 KiB payload in base64, 512 tags, 64 hashes and a note */

/* All views are borrowed. */
struct stele_receipt {
    stele_view entry;                /* 72, 96 or 112 bytes */
    uint8_t salt[STELE_SALT_BYTES];  /* EVENT only, as all below */
    uint8_t ksalt[STELE_SALT_BYTES]; /* with tags only */
    stele_view tags; /* 16 n bytes, strictly ascending; empty: the receipt has none */
    bool has_payload;
    stele_view payload;
    uint64_t index;
    stele_view path; /* 32 n bytes */
    stele_view note;
};

/* Appends the text. Errors: INVALID, NO_MEMORY. */
STELE_MUST_USE stele_status stele_receipt_encode(const struct stele_receipt *receipt,
                                                 stele_buf *out, stele_err *err);
/* Parses without judging. `scratch` is cleared and receives decoded bytes that ret's views borrow,
 * as they borrow `text`. Errors: INVALID, NO_MEMORY. */
STELE_MUST_USE stele_status stele_receipt_decode(stele_view text, stele_buf *scratch,
                                                 struct stele_receipt *ret, stele_err *err);

/*
 * Everything that can be checked with public keys alone: the note opens under one of `keys`, the
 * entry is in its tree at its own seq, the tags open keys_commit, the payload (the receipt's own
 * or, if it carries none, `payload` when not empty) opens payload_commit. Errors: INVALID,
 * UNVERIFIED with the first thing that does not hold.
 */
struct stele_receipt_report {
    struct stele_checkpoint checkpoint;
    struct stele_entry entry;
    bool payload_checked;
    bool tags_checked;
};
STELE_MUST_USE stele_status stele_receipt_verify(const struct stele_receipt *receipt,
                                                 stele_view payload, const struct stele_vkey *keys,
                                                 size_t n_keys, struct stele_receipt_report *ret,
                                                 stele_err *err);

#endif
