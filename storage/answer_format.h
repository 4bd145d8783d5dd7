/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/answer_format.h: the numbers of the answer file and its order, shared by writer and
 * reader. Layer: storage, private to answer_*.c and their tests. Format: FORMAT.md, "Answer file".
 */
#ifndef STELE_STORAGE_ANSWER_FORMAT_H
#define STELE_STORAGE_ANSWER_FORMAT_H

#include "storage/answer.h"
#include "storage/tag.h"

/* Magic and version in one; the version is the digit before the newline. */
#define STELE_ANSWER_MAGIC "stele/answer@v1\n"
#define STELE_ANSWER_MAGIC_BYTES 16
#define STELE_ANSWER_HEAD_BYTES 5 /* u8 type, u32 size of the body */

#define STELE_ANSWER_GAP_HASHES_MAX (2 * 63) /* of stele_tree_gap_heights */
/* u8 log, entry, salt; then the gap's hashes and the payload */
#define STELE_ANSWER_EVENT_FIXED_BYTES (1 + STELE_ENTRY_EVENT_BYTES + STELE_SALT_BYTES)
#define STELE_ANSWER_EVENT_BYTES_MAX                                                               \
    (STELE_ANSWER_EVENT_FIXED_BYTES + STELE_ANSWER_GAP_HASHES_MAX * STELE_HASH_BYTES +             \
     STELE_PAYLOAD_BYTES_MAX)
#define STELE_ANSWER_LOG_END_BYTES_MAX (1 + STELE_ANSWER_GAP_HASHES_MAX * STELE_HASH_BYTES)
/* u64 events, u8 flags; then the digest of all bytes before it */
#define STELE_ANSWER_END_FIXED_BYTES 9
#define STELE_ANSWER_END_BYTES (STELE_ANSWER_END_FIXED_BYTES + STELE_HASH_BYTES)
#define STELE_ANSWER_FLAG_CUT 0x01

typedef enum stele_answer_chunk {
    STELE_ANSWER_QUESTION = 1,
    STELE_ANSWER_LOG = 2,
    STELE_ANSWER_EVENT = 3,
    STELE_ANSWER_LOG_END = 4,
    STELE_ANSWER_END = 5,
} stele_answer_chunk;

/* The file's parts in their order; both sides only ever move on. */
typedef enum stele_answer_part {
    STELE_ANSWER_AT_START,
    STELE_ANSWER_AT_LOGS,
    STELE_ANSWER_AT_EVENTS,
    STELE_ANSWER_AT_LOG_ENDS,
    STELE_ANSWER_DONE,
} stele_answer_part;

/* An event's place in the order of the file: log time, then log, then seq. */
struct stele_answer_place {
    uint64_t time_us;
    uint64_t seq;
    uint8_t log;
};

static inline bool stele_answer__is_after(struct stele_answer_place a,
                                          struct stele_answer_place before) {
    if (a.time_us != before.time_us) {
        return a.time_us > before.time_us;
    }
    return a.log != before.log ? a.log > before.log : a.seq > before.seq;
}

#endif
