/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_format.h: the numbers of an answer file of version 2 and its order, shared by
 * writer and reader. Layer: storage, private to complete_*.c and their tests. Format: FORMAT.md,
 * "Answer file, version 2".
 */
#ifndef STELE_STORAGE_COMPLETE_FORMAT_H
#define STELE_STORAGE_COMPLETE_FORMAT_H

#include "storage/answer_format.h"
#include "storage/complete.h"
#include "storage/descriptor.h"

#define STELE_COMPLETE_MAGIC "stele/answer@v2\n"

/* The chunks of version 1 keep their numbers. */
typedef enum stele_complete_chunk {
    STELE_COMPLETE_ANCHOR = 6,
    STELE_COMPLETE_STATE = 7,
    STELE_COMPLETE_MANIFEST = 8,
    STELE_COMPLETE_KEY = 9,
    STELE_COMPLETE_OPENING = 10,
    STELE_COMPLETE_ENTRY = 11,
    STELE_COMPLETE_CONSISTENCY = 12,
} stele_complete_chunk;

#define STELE_COMPLETE_PATH_BYTES_MAX (1 + STELE_TREE_PATH_MAX * STELE_HASH_BYTES)
#define STELE_COMPLETE_ANCHOR_BYTES_MAX                                                            \
    (3 + STELE_ENTRY_INDEX_BYTES + STELE_ENTRY_CONTROL_BYTES + STELE_HASH_BYTES +                  \
     3 * STELE_COMPLETE_PATH_BYTES_MAX)
#define STELE_COMPLETE_STATE_BYTES_MAX (1u << 24)
/* A range proof has at most two hashes a level. */
#define STELE_COMPLETE_SIBLINGS_MAX (2 * STELE_TREE_PATH_MAX)
#define STELE_COMPLETE_MANIFEST_BYTES_MAX                                                          \
    (9 + STELE_DESCRIPTORS_MAX * STELE_DESCRIPTOR_BYTES +                                          \
     STELE_COMPLETE_SIBLINGS_MAX * STELE_HASH_BYTES)
/* u8 log, u64 old size, hashes */
#define STELE_COMPLETE_CONSISTENCY_BYTES_MAX (9 + 2 * STELE_TREE_PATH_MAX * STELE_HASH_BYTES)
#define STELE_COMPLETE_KEY_BYTES (1 + 4 + 32)
/* Beside a window a history hides at most one subtree a bit of a seq on each side. */
#define STELE_COMPLETE_OPAQUE_MAX 64
#define STELE_COMPLETE_OPENING_BYTES_MAX                                                           \
    (5 + 1 + 9 + 2 * 48 + 2 * (10 + 2 * STELE_COMPLETE_OPAQUE_MAX * 40) +                          \
     STELE_COMPLETE_SIBLINGS_MAX * STELE_HASH_BYTES)
/* What an EVENT chunk has of its entry: all before the two commitments, which follow from the rest
 * of the chunk. */
#define STELE_COMPLETE_EVENT_HEAD_BYTES 32
/* u8 log, head, salt, ksalt; then the gap's hashes and the payload */
#define STELE_COMPLETE_EVENT_FIXED_BYTES                                                           \
    (1 + STELE_COMPLETE_EVENT_HEAD_BYTES + 2 * STELE_SALT_BYTES)
#define STELE_COMPLETE_EVENT_BYTES_MAX                                                             \
    (STELE_COMPLETE_EVENT_FIXED_BYTES + STELE_ANSWER_GAP_HASHES_MAX * STELE_HASH_BYTES +           \
     STELE_PAYLOAD_BYTES_MAX)
#define STELE_COMPLETE_ENTRY_BYTES_MAX                                                             \
    (1 + STELE_ENTRY_EVENT_BYTES + STELE_ANSWER_GAP_HASHES_MAX * STELE_HASH_BYTES)

#define STELE_COMPLETE_FLAG_BY_LOG 0x01
#define STELE_COMPLETE_FLAG_COUNTED 0x02

#endif
