/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/fsck.c: the full check. Postings are compared as a multiset: a random key makes each
 * (tag, seq) a number nobody can aim at, the numbers of a segment's postings and those of the
 * events it covers are summed, and the sums must agree. That needs no memory and finds a missing,
 * added or changed posting. Entries are read as a replay reads them, a frame at a time.
 */
#include "storage/fsck.h"

#include <inttypes.h>
#include <string.h>

#include "storage/leaf_window.h"
#include "storage/log_parts.h"
#include "storage/pack.h"
#include "storage/replay.h"

#define PROGRESS_EVERY 65536u

/* So many postings are hashed in one call. */
#define RUN 64u
#define SECRET_BYTES (STELE_HASH_BYTES - STELE_TAG_BYTES)

struct posting_sum {
    uint64_t low, high, n;
    size_t n_waiting; /* not summed yet */
    uint8_t waiting[RUN * STELE_HASH_POSTING_MESSAGE];
};

/* What the entries since the last segment's end say of the next one. */
struct bounds {
    uint64_t t_first, t_last, late_first, late_last;
};

struct check {
    struct stele_log *log;
    struct stele_log_view *view;
    struct stele_replay *replay;
    struct stele_head head;
    struct posting_sum sum; /* of the events since the last segment's end */
    struct bounds bounds;
    size_t segment; /* the one that covers the current entry */
    uint8_t secret[SECRET_BYTES];
    struct stele_fsck_report *report;
};

static void sum_waiting(struct posting_sum *sum) {
    uint8_t hash[RUN * STELE_HASH_BYTES];
    stele_hash_posting_many(sum->waiting, sum->n_waiting, hash);
    for (size_t i = 0; i < sum->n_waiting; i++) {
        sum->low += stele_get_u64(hash + i * STELE_HASH_BYTES);
        sum->high += stele_get_u64(hash + i * STELE_HASH_BYTES + 8);
    }
    sum->n += sum->n_waiting;
    sum->n_waiting = 0;
}

/* Hashed as a posting is, several at a time: of a leaf that is a tag and a secret. */
static void add_posting(const struct check *check, struct posting_sum *sum, const uint8_t *tag,
                        uint64_t seq) {
    uint8_t *message = sum->waiting + sum->n_waiting * STELE_HASH_POSTING_MESSAGE;
    stele_put_u64(message, seq);
    memcpy(message + 8, tag, STELE_TAG_BYTES);
    memcpy(message + 8 + STELE_TAG_BYTES, check->secret, SECRET_BYTES);
    if (++sum->n_waiting == RUN) {
        sum_waiting(sum);
    }
}

static bool same_postings(struct posting_sum *a, struct posting_sum *b) {
    sum_waiting(a);
    sum_waiting(b);
    return a->low == b->low && a->high == b->high && a->n == b->n;
}

static const struct bounds no_bounds = {.late_first = UINT64_MAX};

static void note_bounds(struct check *check, const struct stele_entry *entry) {
    struct bounds *bounds = &check->bounds;
    uint64_t lo =
        check->segment == 0
            ? 0
            : stele_segment_info_of(check->view->catalog->segment[check->segment - 1]->segment)->hi;
    bounds->t_first = entry->seq == lo ? entry->time_us : bounds->t_first;
    bounds->t_last = entry->time_us;
    if (entry->type == STELE_ENTRY_EVENT && entry->as.event.late) {
        uint64_t event_us = entry->as.event.event_us;
        bounds->late_first = event_us < bounds->late_first ? event_us : bounds->late_first;
        bounds->late_last = event_us > bounds->late_last ? event_us : bounds->late_last;
    }
}

/* Times and epoch of a segment: by them it is passed over, and its INDEX entry commits to them. */
static stele_status check_info(const struct check *check, const struct stele_segment_info *info,
                               stele_err *err) {
    struct stele_epoch epoch;
    stele_status st = stele_control_epoch_of(&check->head.state, info->era, &epoch, err);
    const struct bounds *bounds = &check->bounds;
    if (st == STELE_OK &&
        (info->t_first != bounds->t_first || info->t_last != bounds->t_last ||
         info->late_first != bounds->late_first || info->late_last != bounds->late_last ||
         info->era != check->head.era || info->map_version != epoch.map_version ||
         info->tag_alg != epoch.tag_alg ||
         memcmp(info->tag_key_commit, epoch.tag_key_commit, STELE_HASH_BYTES) != 0)) {
        st = STELE_FAIL(err, CORRUPT,
                        "log %s: the index of entries %" PRIu64 " to %" PRIu64
                        " says other times, or another epoch, than "
                        "these have; delete that segment from a copy and rebuild it from the packs",
                        check->log->full_name, info->lo, info->hi - 1);
    }
    return st;
}

/* The stored seal, and how much of it was found again. */
struct seal_bytes {
    const struct stele_segment_ref *ref;
    uint64_t at;
    stele_buf stored;
};

static stele_status compare_seal(void *ctx, stele_view bytes, stele_err *err) {
    struct seal_bytes *seal = ctx;
    const struct stele_segment_info *info = stele_segment_info_of(seal->ref->segment);
    stele_buf_clear(&seal->stored);
    stele_status st = seal->ref->engine->ops->blob_get(seal->ref->engine, seal->ref->seal_key,
                                                       seal->at, bytes.size, &seal->stored, err);
    seal->at += bytes.size;
    if (st == STELE_OK && !stele_view_equal(stele_view_buf(&seal->stored), bytes)) {
        st = STELE_FAIL(err, CORRUPT,
                        "the seal of the index of entries %" PRIu64 " to %" PRIu64
                        " is not what segment and leaf hashes "
                        "give, from byte %" PRIu64
                        " on; remove it, and a start of the server makes it again",
                        info->lo, info->hi - 1, seal->at - bytes.size);
    }
    return st;
}

/* Every byte of a seal follows from its segment and the leaf hashes: it is made again and compared.
 */
static stele_status check_seal(struct check *check, const struct stele_segment_ref *ref,
                               stele_err *err) {
    struct seal_bytes seal = {.ref = ref};
    struct stele_leaf_window window;
    struct stele_descriptor descriptor;
    uint64_t size = 0;
    stele_status st = STELE_OK;
    stele_leaf_window_init(&window, check->view->catalog);
    STELE_TRY(stele_seal_build(ref->segment, stele_leaf_window_source(&window), compare_seal, &seal,
                               &descriptor, err));
    STELE_TRY(ref->engine->ops->blob_size(ref->engine, ref->seal_key, &size, err));
    if (size != seal.at) {
        st = STELE_FAIL(err, CORRUPT,
                        "blob %.120s has %" PRIu64 " bytes, and %" PRIu64
                        " are right; remove it, and a "
                        "start of the server makes it again",
                        ref->seal_key, size, seal.at);
    }
cleanup:
    stele_leaf_window_done(&window);
    stele_buf_done(&seal.stored);
    return st;
}

static stele_status check_segment(struct check *check, stele_err *err) {
    struct stele_segment *segment = check->view->catalog->segment[check->segment]->segment;
    const struct stele_segment_info *info = stele_segment_info_of(segment);
    struct stele_segment_walker *walker = NULL;
    struct posting_sum stored = {.n = 0};
    stele_status st = STELE_OK;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq = 0;
    STELE_TRY(stele_segment_walk(segment, &walker, err));
    while ((st = stele_segment_walk_next(walker, tag, &seq, err)) == STELE_OK) {
        add_posting(check, &stored, tag, seq);
    }
    if (st != STELE_END) {
        goto cleanup;
    }
    if (!same_postings(&stored, &check->sum) || stored.n != info->n_postings) {
        STELE_TRY(STELE_FAIL(
            err, CORRUPT,
            "log %s: the index of entries %" PRIu64 " to %" PRIu64
            " does not list what the events say (%" PRIu64 " postings, %" PRIu64
            " by the events); delete that segment from a copy and rebuild it from the packs",
            check->log->full_name, info->lo, info->hi - 1, stored.n, check->sum.n));
    }
    STELE_TRY(check_info(check, info, err));
    STELE_TRY(check_seal(check, check->view->catalog->segment[check->segment], err));
    check->report->segments++;
    check->report->postings += stored.n;
    check->sum = (struct posting_sum){.n = 0};
    check->bounds = no_bounds;
    check->segment++;
cleanup:
    stele_segment_walk_free(walker);
    return st;
}

/* The tag key on disk must be the one the era's EPOCH commits to. */
static stele_status check_epoch(struct check *check, uint32_t era, stele_err *err) {
    const struct stele_tag_key *key = NULL;
    struct stele_epoch epoch;
    stele_status st = STELE_OK;
    STELE_TRY(stele_control_epoch_of(&check->head.state, era, &epoch, err));
    STELE_TRY(stele_keyring_tag_key(check->log->keyring, check->log->name, era, false, &key, err));
    if (memcmp(key->commit, epoch.tag_key_commit, STELE_HASH_BYTES) != 0) {
        st =
            STELE_FAIL(err, CORRUPT,
                       "log %s: the tag key file of era %u is not the key its EPOCH (entry %" PRIu64
                       ") commits to; restore the key file",
                       check->log->full_name, era, epoch.seq);
    }
cleanup:
    return st;
}

static stele_status check_entry(struct check *check, uint64_t seq, stele_err *err) {
    const struct stele_audit_entry *given = NULL;
    struct stele_entry entry;
    size_t n_given = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_replay_at(check->replay, seq, &given, &n_given, err));
    STELE_TRY(stele_entry_decode(given->entry, &entry, err));
    STELE_TRY(stele_head_admit(&check->head, &entry, seq, given->body, err));
    if (entry.type == STELE_ENTRY_CONTROL && entry.as.control.kind == STELE_CONTROL_EPOCH) {
        STELE_TRY(check_epoch(check, entry.era, err));
    }
    if (entry.type == STELE_ENTRY_EVENT) {
        if (entry.as.event.retention_years != check->log->years) {
            STELE_TRY(STELE_FAIL(err, CORRUPT,
                                 "log %s: entry %" PRIu64 " is of another retention class",
                                 check->log->full_name, seq));
        }
        for (size_t at = 0; at < given->tags.size; at += STELE_TAG_BYTES) {
            add_posting(check, &check->sum, given->tags.data + at, seq);
        }
        check->report->events++;
    }
    note_bounds(check, &entry);
    stele_frontier_push(&check->head.frontier, given->leaf);
    check->report->entries++;
cleanup:
    return st;
}

/* The tree built entry by entry against the one that stored hashes give, at this size. */
static stele_status check_root(struct check *check, stele_err *err) {
    uint8_t walked[STELE_HASH_BYTES];
    uint8_t stored[STELE_HASH_BYTES];
    uint64_t size = check->head.frontier.size_leaves;
    stele_frontier_root(&check->head.frontier, walked);
    stele_status st = stele_tree_root_at(size, stele_log_view_node, check->view, stored, err);
    if (st == STELE_OK && memcmp(walked, stored, STELE_HASH_BYTES) != 0) {
        st = STELE_FAIL(err, CORRUPT,
                        "log %s: the stored tile hashes of its first %" PRIu64
                        " entries are not those of its entries",
                        check->log->full_name, size);
    }
    return st;
}

static stele_status check_checkpoint(struct check *check, stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    if (check->head.frontier.size_leaves != check->log->checkpoint.size_leaves ||
        check->log->note.size == 0) {
        return STELE_OK;
    }
    stele_frontier_root(&check->head.frontier, root);
    if (memcmp(root, check->log->checkpoint.root, STELE_HASH_BYTES) != 0) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the checkpoint of %" PRIu64
                          " entries signs another root than they have",
                          check->log->full_name, check->log->checkpoint.size_leaves);
    }
    return STELE_OK;
}

static stele_status check_entries(struct check *check, stele_fsck_progress_fn progress, void *ctx,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    const struct stele_catalog *catalog = check->view->catalog;
    for (uint64_t seq = 0; seq < check->view->size; seq++) {
        STELE_TRY(check_entry(check, seq, err));
        STELE_TRY(check_checkpoint(check, err));
        if (check->segment < catalog->n_segments &&
            seq + 1 == stele_segment_info_of(catalog->segment[check->segment]->segment)->hi) {
            STELE_TRY(check_segment(check, err));
            STELE_TRY(check_root(check, err));
        }
        if (progress != NULL && seq % PROGRESS_EVERY == 0) {
            progress(ctx, check->log->full_name, seq, check->view->size);
        }
    }
    STELE_TRY(check_root(check, err));
    if (check->head.frontier.size_leaves < check->log->checkpoint.size_leaves) {
        STELE_TRY(STELE_FAIL(
            err, CORRUPT,
            "log %s: a checkpoint of %" PRIu64 " entries was signed, %" PRIu64 " are stored",
            check->log->full_name, check->log->checkpoint.size_leaves, check->view->size));
    }
cleanup:
    return st;
}

static stele_status check_log(struct stele_log *log, stele_fsck_progress_fn progress, void *ctx,
                              struct stele_fsck_report *report, stele_err *err) {
    struct check *check = stele_alloc(1, sizeof *check);
    stele_status st = STELE_OK;
    if (check == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to check log %s", log->full_name);
    }
    check->log = log;
    check->report = report;
    check->bounds = no_bounds;
    stele_head_init(&check->head);
    stele_random(check->secret, sizeof check->secret);
    STELE_TRY(stele_log_view_open(log, &check->view, err));
    STELE_TRY(stele_replay_new(check->view, &check->replay, err));
    for (size_t i = 0; i < check->view->catalog->n_units; i++) {
        if (check->view->catalog->unit[i]->pack != NULL) {
            STELE_TRY(stele_pack_check(check->view->catalog->unit[i], err));
            report->packs++;
        }
    }
    STELE_TRY(check_entries(check, progress, ctx, err));
    report->logs++;
cleanup:
    stele_replay_free(check->replay);
    stele_log_view_close(check->view);
    stele_head_done(&check->head);
    stele_free(check);
    return stele_corrupt(st, err);
}

stele_status stele_fsck(struct stele_store *store, stele_fsck_progress_fn progress, void *ctx,
                        struct stele_fsck_report *ret_report, stele_err *err) {
    *ret_report = (struct stele_fsck_report){0};
    for (size_t i = 0; i < stele_store_n_logs(store); i++) {
        stele_status st = check_log(stele_store_log_at(store, i), progress, ctx, ret_report, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    return STELE_OK;
}
