/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_reader.h: the verifier of complete answers: that the events of a file are those
 * of its logs that the question asks for, all of them. Layer: storage. Format: FORMAT.md, "Answer
 * file, version 2". Pure.
 *
 * What an event is, and what a question says, the layer above knows: it gives both through the sink
 * and a table of event maps. Memory is bounded: one chunk, and of each log its opened state leaves,
 * shown descriptors, tag keys and one opening; never the events. Nothing that reaches the sink is
 * proven before stele_complete_reader_end says OK.
 */
#ifndef STELE_STORAGE_COMPLETE_READER_H
#define STELE_STORAGE_COMPLETE_READER_H

#include "storage/answer.h"
#include "storage/complete.h"
#include "storage/tag.h"
#include "storage/window.h"
#include "storage/witness.h"

/* What the file's question asks for, as far as storage has to know. */
struct stele_complete_question {
    stele_view tenant; /* 1 to 64 bytes; valid as long as the reader */
    struct stele_time_range range;
    bool names_logs; /* false: the answer is about all logs of the region */
};
/* One condition of the question. */
struct stele_complete_key {
    uint8_t field;    /* 1 to 31 */
    stele_view value; /* valid as long as the reader */
};
/* One version of the event map. */
struct stele_complete_map {
    struct stele_event_map map; /* map.version names it */
    uint32_t fields;            /* bit f is set iff this version has field f */
};

typedef enum stele_gap_kind {
    STELE_GAP_ERASED,           /* one event, erased */
    STELE_GAP_DISPOSED,         /* one event, its retention is over */
    STELE_GAP_DISPOSED_SEGMENT, /* every entry of a segment: retention is over */
    STELE_GAP_UNINDEXED,        /* a segment whose map does not have the field */
} stele_gap_kind;
/* Where the answer may lack events that the question asks for. */
struct stele_complete_gap {
    uint8_t log;
    stele_gap_kind kind;
    uint64_t lo, hi; /* entries [lo, hi) */
};

/* Of a log's part, once its opened state and manifest hold. */
struct stele_complete_epoch {
    uint8_t log;
    uint32_t era;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
};

struct stele_complete_sink {
    void *ctx;
    /* Required. Reads the question. */
    stele_status (*question)(void *ctx, stele_view question, struct stele_complete_question *ret,
                             stele_err *err);
    /* Required. The condition of that number; INVALID if there is none, or it has no index key. */
    stele_status (*condition)(void *ctx, uint8_t number, struct stele_complete_key *ret,
                              stele_err *err);
    /* The answer is a number: no event follows, and every one with the opened condition's key and
     * times in whole microseconds is counted. Refuses if that is not what the question asks for.
     * NULL: such answers are refused. */
    stele_status (*counted)(void *ctx, uint8_t condition, stele_err *err);
    /* The rest may be NULL. `checkpoint` stays valid as long as the reader, everything else until
     * the call returns. */
    stele_status (*log)(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                        stele_err *err);
    /* A proof that the log of old_leaves entries is the beginning of this one; proof: hashes, not
     * checked here, where the old root is not known. */
    stele_status (*consistency)(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                                uint64_t old_leaves, stele_view proof, stele_err *err);
    stele_status (*epoch)(void *ctx, const struct stele_complete_epoch *epoch, stele_err *err);
    /* An event of the asked tenant with the opened key, inside both ranges in whole microseconds.
     */
    stele_status (*event)(void *ctx, const struct stele_answer_event *event,
                          const struct stele_event_facts *facts, stele_err *err);
    stele_status (*gap)(void *ctx, const struct stele_complete_gap *gap, stele_err *err);
    /* An entry that is shown without payload and is no gap: a neighbour, or outside of the asked
     * times. */
    stele_status (*entry)(void *ctx, uint8_t log, const struct stele_entry *entry, stele_err *err);
};

struct stele_complete_log_report {
    uint64_t n_events; /* EVENTs of the file, or how many are counted */
    uint64_t n_gaps;
    uint64_t covered_leaves; /* M: the answer is about entries [0, M) */
    uint64_t index_seq;      /* of the INDEX entry it rests on */
    uint64_t index_time_us;
    uint64_t complete_until_us; /* exclusive, log clock */
    uint8_t condition;          /* whose history was opened */
    bool by_log;                /* else the events are proven by the index alone */
};
struct stele_complete_report {
    size_t n_logs;
    struct stele_complete_log_report log[STELE_ANSWER_LOGS_MAX];
    uint64_t n_events;
    uint64_t n_gaps;            /* over 0: complete except for these */
    uint64_t complete_until_us; /* the least of the logs' */
    bool counted;               /* the file proves a number, and shows no event */
    bool whole_region;          /* the file has all logs of the region's system log */
};

/* What the caller trusts. All borrowed until _free. */
struct stele_complete_trust {
    const struct stele_vkey *keys; /* of logs */
    size_t n_keys;
    const struct stele_complete_map *maps; /* all known versions */
    size_t n_maps;
    /* Each log's checkpoint must bear the cosignatures of `quorum` of the witnesses; 0: none. */
    const struct stele_witness *witnesses;
    size_t n_witnesses;
    size_t quorum;
};
/* With witnesses: how much newer than their newest time an INDEX entry may be. */
#define STELE_WITNESS_LAG_US UINT64_C(300000000)

struct stele_complete_reader;
STELE_MUST_USE stele_status stele_complete_reader_new(const struct stele_complete_trust *trust,
                                                      const struct stele_complete_sink *sink,
                                                      struct stele_complete_reader **ret,
                                                      stele_err *err);
void stele_complete_reader_free(struct stele_complete_reader *r);
/* Any split of the file into pieces. Errors: INVALID (not such a file, or damaged), UNVERIFIED (it
 * does not prove what it says), LIMIT, NO_MEMORY, the sink's. After any, every later call gives it
 * again. */
STELE_MUST_USE stele_status stele_complete_reader_feed(struct stele_complete_reader *r,
                                                       stele_view bytes, stele_err *err);
/* At the end of the file. OK only if everything holds. */
STELE_MUST_USE stele_status stele_complete_reader_end(struct stele_complete_reader *r,
                                                      struct stele_complete_report *ret,
                                                      stele_err *err);

#endif
