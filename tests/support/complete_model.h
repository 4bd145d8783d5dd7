/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_model.h: logs with eras, states, late events and INDEX entries, in memory
 * and naive: every tag, trie, key tree, manifest and state is made from scratch from the entries.
 * It shares the hashes, the event map and the state map with the product, and no tree, trie or
 * window. Running out of memory ends the program.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_MODEL_H
#define STELE_TESTS_SUPPORT_COMPLETE_MODEL_H

#include "storage/descriptor.h"
#include "storage/state.h"
#include "tests/support/rng.h"
#include "tests/support/sample_log.h"

#define CM_DAY_US UINT64_C(86400000000)
#define CM_YEAR_US (366 * CM_DAY_US)
#define CM_START_US UINT64_C(1764590400000000) /* 2025-12-01T12:00:00Z */

struct cm_entry {
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    size_t size;
    struct stele_entry entry;
    uint8_t salt[STELE_SALT_BYTES];
    uint8_t ksalt[STELE_SALT_BYTES];
    stele_buf tags; /* of an EVENT */
    stele_buf payload;
    bool missing; /* its payload is gone */
};
struct cm_index {
    uint64_t seq;
    size_t n;
    struct stele_descriptor *descriptor;
};
struct cm_control {
    uint64_t seq;
    struct stele_state state; /* after it */
};
struct cm_gone {
    uint32_t era;
    size_t n;
    struct stele_descriptor *descriptor;
};
struct cm_log {
    char origin[STELE_ORIGIN_MAX + 1];
    struct stele_signer *signer;
    struct stele_vkey key;
    uint8_t years;
    uint32_t era;         /* of the newest EPOCH */
    uint16_t map_version; /* of the EPOCHs to come */
    uint16_t tag_alg;
    size_t n;
    struct cm_entry **entry;
    stele_buf leaves;
    struct stele_state state;
    size_t n_controls;
    struct cm_control *control;
    size_t n_indexes;
    struct cm_index *index;
    size_t n_gone;
    struct cm_gone gone[8];
    /* What an honest log never does: */
    struct cm_entry *phantom; /* in the index in place of the entry of its seq; owned */
    uint64_t second_key_lo;   /* not 0: descriptors from here on name another tag key */
};

/* Genesis and the first era's EPOCH, at time_us. */
struct cm_log *cm_log_new(const char *origin, uint8_t seed, uint8_t years, uint64_t time_us);
void cm_log_free(struct cm_log *log);
/* Each appends one entry, after an EPOCH where the month is a new one, and gives its seq. */
uint64_t cm_control(struct cm_log *log, stele_control_kind kind, uint64_t time_us, const char *key,
                    stele_view value);
uint64_t cm_list_log(struct cm_log *system, uint64_t time_us, const struct cm_log *listed);
uint64_t cm_erase(struct cm_log *log, uint64_t time_us, uint64_t seq);
uint64_t cm_dispose(struct cm_log *log, uint64_t time_us, uint64_t lo, uint64_t hi, uint8_t years);
/* The era is gone, with the segments that the newest INDEX has of it; seals no INDEX. */
uint64_t cm_gone(struct cm_log *log, uint64_t time_us, uint32_t era);

/* What an honest log never does to an event. */
typedef enum cm_spoil {
    CM_HONEST,
    CM_TAGS_OF_OTHER_TIME, /* tags with the wrong late bit */
    CM_TAGS_OF_OTHER,      /* tags of another actor's event */
    CM_EVENT_US,           /* the entry's event_us is one off */
    CM_CLASS,              /* a class that is not the log's */
    CM_TAGS_OF_TENANT,     /* tags of tenant acme's */
} cm_spoil;
/* event->time_unix_nano is the event's own time. */
uint64_t cm_event(struct cm_log *log, uint64_t time_us, const struct sample_event *event,
                  cm_spoil spoil);
/* An entry that the index lists at `seq` and the log does not have: made there of another event. */
void cm_phantom(struct cm_log *log, uint64_t seq, const struct sample_event *event);
/* Segments of up to segment_entries that tile [0, covered), an INDEX entry over them. */
uint64_t cm_index(struct cm_log *log, uint64_t time_us, uint64_t covered, uint64_t segment_entries);

/* An INDEX entry over these descriptors, whatever they are; takes them over. */
uint64_t cm_index_of(struct cm_log *log, uint64_t time_us, uint64_t covered,
                     struct stele_descriptor *descriptor, size_t n);
/* A copy of the newest INDEX entry's descriptors. */
struct stele_descriptor *cm_descriptors(const struct cm_log *log, size_t *ret_n);

/* The tag key of an era. */
void cm_tag_key(const struct cm_log *log, uint32_t era, uint8_t out[STELE_AT_LEAST(32)]);
const struct cm_control *cm_control_at(const struct cm_log *log, uint64_t seq);
const struct cm_index *cm_index_at(const struct cm_log *log, uint64_t seq);
const struct cm_index *cm_index_newest(const struct cm_log *log);
/* Appends the signed checkpoint of all entries. */
void cm_sign(const struct cm_log *log, stele_buf *note);
/* A stele_tree_node_fn; ctx is the log. */
stele_status cm_node(void *ctx, unsigned level, uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                     stele_err *err);
/* What the index lists at seq: the entry, or the phantom. */
const struct cm_entry *cm_indexed(const struct cm_log *log, uint64_t seq);

/* A segment's keys, from scratch. */
struct cm_key {
    uint8_t tag[STELE_TAG_BYTES];
    size_t n;
    uint64_t *seq; /* n, ascending */
    uint8_t value[STELE_HASH_BYTES];
};
struct cm_segment {
    struct stele_descriptor descriptor;
    size_t n_keys;
    struct cm_key *key;
    uint8_t *leaf; /* n_keys hashes */
    uint64_t *seqs;
};
void cm_segment_build(const struct cm_log *log, uint64_t lo, uint64_t hi, struct cm_segment *ret);
void cm_segment_done(struct cm_segment *segment);
/* The root of the trie over n ascending seqs. */
void cm_trie_root(const struct cm_log *log, const uint64_t *seq, size_t n,
                  uint8_t out[STELE_AT_LEAST(32)]);
/* The root of n hashes in RFC 6962's shape. */
void cm_root(stele_tree_inner_fn inner, const uint8_t *leaf, size_t n,
             uint8_t out[STELE_AT_LEAST(32)]);
/* The siblings of leaves [first, first + n) of `size`, appended. */
void cm_siblings(stele_tree_inner_fn inner, const uint8_t *leaf, size_t size, size_t first,
                 size_t n, stele_buf *out);

/* A log of `n` entries from `time_us` on, over `days`, with events of ten actors and two tenants; a
 * tenth is late; sealed now and then and at the end. */
void cm_fill(struct cm_log *log, struct rng *rng, size_t n, uint64_t time_us, unsigned days);

#endif
