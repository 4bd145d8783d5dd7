/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/log_parts.h: the inside of a log, for the files that make it up and no one else: batch.c,
 * stage.c, single.c, group.c, committer.c, indexer.c, index_status.c, recovery.c, recover_blobs.c,
 * rebuild.c, packer.c, merger.c, log.c, log_view.c, log_reader.c, seq_stream.c, store.c. Layer:
 * storage, private.
 */
#ifndef STELE_STORAGE_LOG_PARTS_H
#define STELE_STORAGE_LOG_PARTS_H

#include <pthread.h>

#include "storage/catalog.h"
#include "storage/control.h"
#include "storage/keyring.h"
#include "storage/log.h"

/* One event of a batch, prepared in the submitter's thread. */
struct stele_batch_event {
    stele_view payload;
    stele_view tenant;
    uint64_t event_us;
    uint32_t tags_at; /* in tags of the batch's buffer, 16 B each */
    uint32_t opaque_at;
    uint16_t n_tags;
    uint16_t n_opaque; /* of the batch's, from opaque_at on */
    bool late;         /* the guess its tags were made with */
    uint8_t payload_commit[STELE_HASH_BYTES];
    uint8_t keys_commit[STELE_HASH_BYTES];
};
struct stele_batch_frame {
    uint16_t first; /* index of its first event */
    uint8_t n;
    uint32_t raw_bytes;
    size_t sealed_at, sealed_bytes; /* in the batch's sealed buffer */
    uint8_t sealed_digest[STELE_HASH_BYTES];
    uint8_t seed[STELE_SEED_BYTES];
    uint8_t kseed[STELE_SEED_BYTES];
};
typedef enum stele_batch_kind {
    STELE_BATCH_EVENTS,
    STELE_BATCH_CONTROL, /* one control entry of control_kind with `body` */
    STELE_BATCH_CUT,     /* one EPOCH: the next cut of the month */
    STELE_BATCH_INDEX,   /* one INDEX entry of `manifest`; its boundary list is `body` */
} stele_batch_kind;
struct stele_manifest;
struct stele_batch {
    stele_batch_kind kind;
    struct stele_log *log;
    struct stele_batch *next;
    struct stele_batch_event *event;
    size_t n_events, event_capacity;
    struct stele_batch_frame *frame;
    size_t n_frames;
    stele_buf tags;
    stele_view *opaque;
    size_t n_opaque, opaque_capacity;
    stele_buf sealed;
    size_t payload_bytes;
    uint64_t now_us; /* what `late` was guessed with */
    uint32_t era;    /* of the key the tags were made with */
    const struct stele_tag_key *tag_key;
    bool bound; /* to n_adoptions */
    uint64_t n_adoptions;
    struct stele_manifest *manifest; /* INDEX: the submitter's; staging fills it in */
    stele_control_kind control_kind;
    stele_buf body;
    stele_batch_done_fn done;
    void *done_arg;
    struct stele_batch_place place; /* filled by the committer */
    stele_err refused;              /* OK unless the committer refused this batch alone */
};
/* Tags and keys commitment of one event under another era or late bit; used when the guess was
 * wrong. */
STELE_MUST_USE stele_status stele_batch__retag(struct stele_batch *batch, size_t i,
                                               const struct stele_tag_key *key, bool late,
                                               const uint8_t ksalt[STELE_AT_LEAST(16)],
                                               stele_err *err);
/* Seals events [first, first + n) with the given seeds and computes their commitments. */
STELE_MUST_USE stele_status stele_batch__seal(struct stele_batch *batch,
                                              struct stele_batch_frame *frame, stele_err *err);
/* This thread's facts and tag set; freed when the thread ends. NULL on exhaustion. */
struct stele_event_facts *stele_facts_mine(void);

struct stele_store;
struct stele_log {
    struct stele_store *store;
    struct stele_engine *engine;
    struct stele_keyring *keyring;
    const struct stele_event_map *map;
    char name[STELE_LOG_NAME_MAX + 1];
    char full_name[STELE_REGION_NAME_MAX + STELE_LOG_NAME_MAX + 2];
    char origin[STELE_ORIGIN_MAX + 1];
    uint8_t years;
    char **tenant;
    size_t n_tenants;
    struct stele_signer *signer;
    uint64_t pack_entries;
    uint32_t checkpoint_interval_ms;
    struct stele_indexer *indexer;
    uint64_t floor_us; /* entries are not earlier than the CONTROL that lists the log */
    bool clock_behind; /* the operator was told */

    /* The committer's alone, or its opener's before it runs. */
    struct stele_head head;
    uint64_t pos, epoch;
    uint8_t prev[STELE_HASH_BYTES];
    struct stele_unit *growing;
    _Atomic uint64_t
        packed_us; /* by stele_monotonic_us: when the newest pack came; 0: not since the start */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t work;  /* the committer waits for it */
    pthread_cond_t moved; /* checkpoints, packed units, stopping */
    struct stele_catalog *catalog;
    uint64_t size;     /* published */
    size_t n_unpacked; /* closed tails that wait for the packer */
    uint32_t now_era;  /* for submitters */
    const struct stele_tag_key *now_key;
    struct stele_batch *queue_first, *queue_last;
    size_t queue_events, queue_bytes;
    bool stopping, running;
    uint64_t n_adoptions; /* recoveries that found entries nobody had been told of */
    stele_err stopped;    /* why appends are refused; status OK while they are not */
    stele_buf note;       /* the newest checkpoint */
    struct stele_checkpoint checkpoint;
    uint64_t checkpoint_pos;
    uint64_t checkpoint_wanted;
    uint64_t checkpoint_due_us;      /* monotonic; 0: none */
    uint64_t covered;                /* M of the newest INDEX entry */
    uint64_t data_end;               /* no entry from here on is other than INDEX */
    uint64_t data_time_us;           /* log time of the entry before */
    struct stele_manifest *manifest; /* of the newest INDEX entry since the start; NULL before */
    uint64_t index_wanted;           /* M that someone waits for */
    uint64_t index_due_us;           /* monotonic; 0: nothing to index */
    uint64_t index_next_us;          /* monotonic: no INDEX entry before */
    stele_err index_failed;          /* why the newest try failed; status OK if it did not */
    struct stele_manifest *index_pending; /* its INDEX entry is on its way; NULL: none is */
    bool index_answered;                  /* it is there, or failed */
    stele_err index_answer;
    pthread_t thread;

    pthread_mutex_t catalog_lock; /* taken before `lock` by whoever changes the catalog */
    pthread_mutex_t spine_lock;
    stele_buf spine; /* 33 B a group of 2^16 entries: known, root */
};

/* ------------------------------------------------------------------ group.c */
/* One record's worth of entries, staged, then published whole or not at all. */
struct stele_group_entry {
    struct stele_entry entry;
    uint8_t leaf[STELE_HASH_BYTES];
    size_t tags_at; /* bytes into the group's tags */
    uint16_t n_tags;
};
struct stele_group_part {
    struct stele_unit *unit; /* the first is the log's growing one, the others are new */
    size_t first_entry, first_item, n_postings;
    stele_buf snapshot; /* not empty: the unit ends with this part */
};
struct stele_group_item {
    uint64_t first_seq;
    size_t at, size, with_kseed; /* in the record */
};
struct stele_group {
    struct stele_log *log;
    struct stele_head next;
    bool owns_state;
    stele_buf record;
    struct stele_group_entry *entry;
    size_t n_entries, entry_capacity, n_pushed;
    struct stele_group_item *item;
    size_t n_items, item_capacity;
    struct stele_group_part *part;
    size_t n_parts, part_capacity;
    stele_buf tags;
    uint64_t first_seq;
    struct stele_record head;      /* filled by stele_group__finish */
    struct stele_catalog *catalog; /* with the new units; while set, catalog_lock is held */
    size_t n_blocks_taken;
};
STELE_MUST_USE stele_status stele_group__begin(struct stele_group *group, struct stele_log *log,
                                               stele_err *err);
/* Before an entry of `era`: starts a new unit if the growing one is full or of another era. */
STELE_MUST_USE stele_status stele_group__make_room(struct stele_group *group, uint32_t era,
                                                   stele_err *err);
/* How many entries fit the current unit. At least 1 after make_room. */
uint64_t stele_group__room(const struct stele_group *group);
uint64_t stele_group__next_seq(const struct stele_group *group);
/* Admits an entry (stele_head_admit) and stages it. tags: 16 n bytes. */
STELE_MUST_USE stele_status stele_group__add_entry(struct stele_group *group,
                                                   const struct stele_entry *entry,
                                                   const uint8_t leaf[STELE_AT_LEAST(32)],
                                                   stele_view body, stele_view tags,
                                                   stele_err *err);
/* Appends the item whose entries were just added. kseed NULL unless it is a frame. */
STELE_MUST_USE stele_status stele_group__add_item(struct stele_group *group,
                                                  const struct stele_item *item,
                                                  const uint8_t *kseed, stele_err *err);
/* Makes, admits and stages a control entry at the current end. */
STELE_MUST_USE stele_status stele_group__add_control(struct stele_group *group,
                                                     stele_control_kind kind, uint32_t era,
                                                     uint64_t time_us, stele_view body,
                                                     stele_err *err);
/* Makes, admits and stages the INDEX entry of a manifest, and writes into the manifest what only
 * staging knows: place, time, control entry and state. */
STELE_MUST_USE stele_status stele_group__add_index(struct stele_group *group,
                                                   struct stele_manifest *manifest,
                                                   uint64_t time_us, stele_view boundaries,
                                                   stele_err *err);
/* Completes the record (position, link, root) and takes all memory publishing will need. */
STELE_MUST_USE stele_status stele_group__finish(struct stele_group *group, stele_err *err);
/* After the record is durable: cannot fail. */
void stele_group__publish(struct stele_group *group);
void stele_group__done(struct stele_group *group); /* drops what was not published */

/* ------------------------------------------------------------------ stage.c */
/* Before anything else of a group: a new month begins with its EPOCH. ret_key: of the era that then
 * is. */
STELE_MUST_USE stele_status stele_group__stage_month(struct stele_group *group, uint64_t now,
                                                     const struct stele_tag_key **ret_key,
                                                     stele_err *err);
/* What no submitter could know: an event more than a day ahead of the log's clock, one tenant or
 * one cut too many. Such a batch is answered alone; the others of its group are committed. */
STELE_MUST_USE stele_status stele_group__check_batch(const struct stele_group *group,
                                                     const struct stele_batch *batch, uint64_t now,
                                                     stele_err *err);
/* key: of the group's era; a cut changes it. */
STELE_MUST_USE stele_status stele_group__stage_batch(struct stele_group *group,
                                                     struct stele_batch *batch, uint64_t now,
                                                     const struct stele_tag_key **key,
                                                     stele_err *err);

/* ------------------------------------------------------------------ single.c */
struct stele_append_wait {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool done;
    stele_status st;
    stele_err err;
};
#define STELE_APPEND_WAIT_INIT                                                                     \
    ((struct stele_append_wait){.lock = PTHREAD_MUTEX_INITIALIZER,                                 \
                                .moved = PTHREAD_COND_INITIALIZER})
void stele_append__tell(void *wait, stele_status st,
                        const stele_err *err); /* a stele_append_fn of the engine */
STELE_MUST_USE stele_status stele_append__await(struct stele_append_wait *wait, stele_err *err);
/* Appends a control entry and waits until it is durable. */
STELE_MUST_USE stele_status stele_log__append_control(struct stele_log *log,
                                                      stele_control_kind kind, stele_view body,
                                                      stele_err *err);
/* Submits the INDEX entry of a manifest, which must live until `done` has run, and is filled in by
 * then. */
STELE_MUST_USE stele_status stele_log__submit_index(struct stele_log *log,
                                                    struct stele_manifest *manifest,
                                                    stele_batch_done_fn done, void *arg,
                                                    stele_err *err);

/* ------------------------------------------------------------------ manifest.c, for indexer.c */
/* With room for n segments, none in it. */
STELE_MUST_USE stele_status stele_manifest__new(size_t n, struct stele_manifest **ret,
                                                stele_err *err);
/* Adds the next segment, at covered; takes a reference of its own. */
void stele_manifest__add(struct stele_manifest *manifest, struct stele_segment_ref *segment,
                         const struct stele_descriptor *descriptor);
STELE_MUST_USE stele_status stele_manifest__boundaries(const struct stele_manifest *manifest,
                                                       stele_buf *out, stele_err *err);

/* ------------------------------------------------------------------ the others */
/* Brings back what is stored of a log, and checks it; writes nothing but the claim. */
STELE_MUST_USE stele_status stele_log__open(struct stele_store *store,
                                            const struct stele_log_config *config,
                                            struct stele_log *log, stele_err *err);
/* Once every log is open: makes the log if it is new, and signs what no checkpoint covers yet. */
STELE_MUST_USE stele_status stele_log__begin(struct stele_log *log, stele_err *err);
STELE_MUST_USE stele_status stele_log__start(struct stele_log *log,
                                             stele_err *err); /* the committer */
void stele_log__stop(struct stele_log *log);
void stele_log__free(struct stele_log *log);
/* Appends a record at the log's position and moves the chain on; synchronous. */
STELE_MUST_USE stele_status stele_log__append_record(struct stele_log *log, stele_buf *record,
                                                     struct stele_record *head, stele_err *err);
/* log.c: the later of the two, which is the next entry's time; tells the operator, once, when the
 * clock is a minute behind. Committer's thread. */
uint64_t stele_log__watch_clock(struct stele_log *log, uint64_t clock_us, uint64_t least_us);
/* Signs and stores a checkpoint of the committed head, and publishes it. Committer's thread. */
STELE_MUST_USE stele_status stele_log__sign(struct stele_log *log, stele_err *err);
/* recover_blobs.c, recovery.c: read blobs and chain into the log; also after a failed append. */
STELE_MUST_USE stele_status stele_log__recover_blobs(struct stele_log *log, stele_err *err);
STELE_MUST_USE stele_status stele_log__replay(struct stele_log *log, uint64_t from, stele_err *err);
STELE_MUST_USE stele_status stele_log__check_note(struct stele_log *log, stele_view note,
                                                  stele_err *err);
/* rebuild.c: writes a pack's index segment again, byte for byte. Before the log runs. */
STELE_MUST_USE stele_status stele_log__rebuild_segment(struct stele_log *log,
                                                       const struct stele_unit *unit,
                                                       stele_err *err);
/* packer.c. The catalog as it is now, with a reference. */
struct stele_catalog *stele_log__pin(struct stele_log *log);
/*
 * Applies an edit to the current catalog. Its positions must hold for that one, whichever it is:
 * the committer appends units, the packer's thread turns units into packs and appends their
 * segments, and the merger's thread alone takes segments away. n_packed: tails that are packs now.
 */
STELE_MUST_USE stele_status stele_log__edit(struct stele_log *log,
                                            const struct stele_catalog_edit *edit, size_t n_packed,
                                            stele_err *err);
/* Packs the oldest closed tail; *ret_did says whether there was one. The packer's thread. */
STELE_MUST_USE stele_status stele_log__pack_one(struct stele_log *log, bool *ret_did,
                                                stele_err *err);
/* merger.c: merges some neighbouring segments and their seals, if there are any to merge. The
 * merger's thread. Errors: CLOSED if the store is being closed meanwhile; BUSY if what there is
 * gives way to appends: ask again later. */
STELE_MUST_USE stele_status stele_log__merge_one(struct stele_log *log, bool *ret_did,
                                                 stele_err *err);

/* indexer.c: appends INDEX entries to the logs of a store. */
struct stele_indexer {
    struct stele_store *store;
    uint32_t interval_ms, spacing_ms; /* as in stele_store_config, defaults filled in */
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* the two below */
    pthread_cond_t wake;
    bool stopping, woken;
};
void stele_indexer__init(struct stele_indexer *indexer, struct stele_store *store,
                         const struct stele_store_config *config);
/* Starts nothing for a store that is read only. */
STELE_MUST_USE stele_status stele_indexer__start(struct stele_indexer *indexer, stele_err *err);
void stele_indexer__wake(struct stele_indexer *indexer);
void stele_indexer__stop(
    struct stele_indexer *indexer); /* before the logs stop; waits for none of them */
void stele_indexer__done(struct stele_indexer *indexer); /* after them: they wake it */
/* Under the log's lock, when entries came: true if the indexer must be woken for them. */
bool stele_log__index_arm(struct stele_log *log);

struct stele_log_view {
    struct stele_log *log;
    struct stele_catalog *catalog;
    uint64_t size;
};

/* store.c */
void stele_store__wake_packer(struct stele_store *store);
bool stele_store__stopping(struct stele_store *store);
void stele_store__report(struct stele_store *store, const char *log, const stele_err *err);
bool stele_store__read_only(const struct stele_store *store);
bool stele_store__any_key_order(const struct stele_store *store);
/* The signed notes the store must extend; borrowed for as long as the store is being opened. */
const stele_view *stele_store__not_before(const struct stele_store *store, size_t *ret_n);

/* not_before.c. Each given note parses and names a configured log. Errors: INVALID. */
STELE_MUST_USE stele_status stele_not_before__known(const struct stele_store_config *config,
                                                    stele_err *err);
/* One of the given notes says to be this log's. */
bool stele_not_before__names(const struct stele_log *log);
/* Before a log creates or signs anything: it must extend every given checkpoint that is its own.
 * Errors: UNVERIFIED (not by this log's key), CORRUPT (an older copy, or another history). */
STELE_MUST_USE stele_status stele_not_before__check(struct stele_log *log, stele_err *err);

#endif
