/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/fraud.h: a proof that a log's operator signed something that cannot be true, which anyone
 * can check with the log's public key alone. Layer: storage, part of the verifier. Pure. Format:
 * FORMAT.md, "Fraud proof".
 *
 * An answer's verifier trusts an INDEX; an auditor replays it. What the auditor finds is written as
 * one of these: two or three signed facts that contradict each other. Against an honest log none
 * can be made.
 */
#ifndef STELE_STORAGE_FRAUD_H
#define STELE_STORAGE_FRAUD_H

#include "storage/checkpoint.h"
#include "storage/descriptor.h"
#include "storage/entry.h"
#include "storage/history.h"
#include "storage/tag.h"

typedef enum stele_fraud_kind {
    STELE_FRAUD_OMISSION =
        1, /* an event's tag has no posting for it in the segment that covers it */
    STELE_FRAUD_PHANTOM = 2,   /* a tag has a posting for an event that does not have the tag */
    STELE_FRAUD_KEY_ORDER = 3, /* two adjacent key leaves do not ascend */
    STELE_FRAUD_BOUNDS = 4,    /* a descriptor's era or times are not those of an entry it covers */
    STELE_FRAUD_FORK = 6,      /* two checkpoints of one log contradict each other */
    STELE_FRAUD_ORDER = 7,     /* time falls, or an entry says another seq than its place */
    STELE_FRAUD_ENTRY = 8, /* an entry that breaks its own rules, as a late bit against its times */
} stele_fraud_kind;

/* A leaf and its path in a checkpoint's tree. */
struct stele_fraud_leaf {
    stele_view entry; /* 1 to 255 bytes */
    uint64_t index;
    stele_view path; /* whole hashes */
};
struct stele_fraud_key {
    uint8_t tag[STELE_TAG_BYTES];
    uint8_t value[STELE_HASH_BYTES];
};
struct stele_fraud_opaque {
    uint64_t rep;
    uint8_t hash[STELE_HASH_BYTES];
};
/* A tag's history around one seq: opaque parts, left neighbour, [the entry itself,] right, opaque
 * parts. */
struct stele_fraud_history {
    uint64_t count;
    bool has_left, has_right;
    struct stele_fraud_opaque left, right; /* seq and leaf hash of the neighbours */
    size_t n_before, n_after;
    struct stele_fraud_opaque before[STELE_HISTORY_DEPTH_MAX];
    struct stele_fraud_opaque after[STELE_HISTORY_DEPTH_MAX];
};
/* Views borrow the decoded bytes, or are the maker's. What a kind does not need is empty. */
struct stele_fraud {
    stele_fraud_kind kind;
    stele_view note;
    stele_view other_note; /* FORK */
    size_t n_leaves;
    struct stele_fraud_leaf leaf[2]; /* the second one of FORK is in other_note's tree */
    bool has_index;                  /* OMISSION to BOUNDS: */
    struct stele_fraud_leaf index;   /* the INDEX entry */
    uint32_t segment;
    stele_view descriptor;
    stele_view siblings; /* of the descriptor in the manifest */
    bool has_tags;       /* OMISSION, PHANTOM: of leaf[0] */
    uint8_t ksalt[STELE_SALT_BYTES];
    stele_view tags;
    uint8_t tag[STELE_TAG_BYTES]; /* the one in question */
    size_t n_keys;                /* OMISSION to KEY_ORDER: adjacent key leaves */
    uint64_t first_key;
    struct stele_fraud_key key[2];
    stele_view key_siblings;
    bool has_history;
    struct stele_fraud_history history;
};
/* Appends the file. Errors: INVALID for parts that do not fit the format, NO_MEMORY. */
STELE_MUST_USE stele_status stele_fraud_encode(const struct stele_fraud *fraud, stele_buf *out,
                                               stele_err *err);
/* True for bytes that begin as such a file does. */
bool stele_fraud_is(stele_view bytes);
/* ret borrows bytes. Errors: INVALID. */
STELE_MUST_USE stele_status stele_fraud_decode(stele_view bytes, struct stele_fraud *ret,
                                               stele_err *err);

struct stele_fraud_report {
    stele_fraud_kind kind;
    struct stele_checkpoint checkpoint;
    char text[256]; /* what is wrong with the log, for people */
};
/* OK: the log's operator did sign what the proof says. Errors: INVALID, UNVERIFIED: it proves
 * nothing. */
STELE_MUST_USE stele_status stele_fraud_verify(const struct stele_fraud *fraud,
                                               const struct stele_vkey *keys, size_t n_keys,
                                               struct stele_fraud_report *ret, stele_err *err);

#endif
