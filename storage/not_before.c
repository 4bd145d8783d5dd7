/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/not_before.c: checkpoints that were kept elsewhere, against a store that may be an older
 * copy.
 *
 * Invariant (I5): before a log with a given checkpoint creates, appends or signs anything, that
 * checkpoint has been opened under the log's own key and its tree found to be a prefix of the
 * stored one. So a restored copy cannot begin a second history of which somebody holds the first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/log_parts.h"

/* What a checkpoint that cannot be met leaves to do. */
#define GO_ON "bring back the newer copy; if it is lost, end this log: README, Restoring a backup"

static bool is_configured(const struct stele_store_config *config, const char *origin) {
    char own[STELE_ORIGIN_MAX + 1];
    for (size_t i = 0; i < config->n_logs; i++) {
        int n = snprintf(own, sizeof own, "%s/%s/%s", config->operator_domain, config->region,
                         config->logs[i].name);
        if (n > 0 && (size_t)n < sizeof own && strcmp(own, origin) == 0) {
            return true;
        }
    }
    return false;
}

stele_status stele_not_before__known(const struct stele_store_config *config, stele_err *err) {
    struct stele_checkpoint checkpoint;
    stele_err why;
    for (size_t i = 0; i < config->n_not_before; i++) {
        if (stele_checkpoint_peek(config->not_before[i], &checkpoint, &why) != STELE_OK) {
            return STELE_FAIL(err, INVALID,
                              "number %zu of the checkpoints to extend is none: %.150s", i + 1,
                              why.text);
        }
        if (!is_configured(config, checkpoint.origin)) {
            return STELE_FAIL(err, INVALID,
                              "number %zu of the checkpoints to extend is of '%.120s', which is no "
                              "log of region %s",
                              i + 1, checkpoint.origin, config->region);
        }
    }
    return STELE_OK;
}

/* The i-th given note, if it says to be this log's. */
static bool is_of(const struct stele_log *log, stele_view note, struct stele_checkpoint *ret) {
    return stele_checkpoint_peek(note, ret, NULL) == STELE_OK &&
           strcmp(ret->origin, log->origin) == 0;
}

bool stele_not_before__names(const struct stele_log *log) {
    struct stele_checkpoint checkpoint;
    size_t n = 0;
    const stele_view *note = stele_store__not_before(log->store, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_of(log, note[i], &checkpoint)) {
            return true;
        }
    }
    return false;
}

static stele_status check_one(struct stele_log *log, stele_view note,
                              const struct stele_checkpoint *says, stele_err *err) {
    struct stele_vkey vkey;
    struct stele_checkpoint opened;
    stele_err why;
    stele_log_vkey(log, &vkey);
    stele_status st = stele_checkpoint_open(note, &vkey, 1, &opened, &why);
    if (st == STELE_UNVERIFIED || st == STELE_INVALID) {
        return STELE_FAIL(err, UNVERIFIED,
                          "log %s: the checkpoint of %" PRIu64
                          " entries to extend is not signed by this log's key %08" PRIx32
                          ": it is forged or damaged, or keys/%s.signing was replaced",
                          log->full_name, says->size_leaves, vkey.key_id, log->name);
    }
    if (st != STELE_OK) {
        return st;
    }
    if (opened.size_leaves > log->size) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: a checkpoint of %" PRIu64
                          " entries was signed, this older copy holds %" PRIu64 "; " GO_ON,
                          log->full_name, opened.size_leaves, log->size);
    }
    st = stele_log__check_note(log, note, &why);
    if (st == STELE_CORRUPT) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: of its %" PRIu64 " entries the first %" PRIu64
                          " are not those of the checkpoint to extend: two histories; " GO_ON,
                          log->full_name, log->size, opened.size_leaves);
    }
    if (st != STELE_OK && err != NULL) {
        *err = why;
    }
    return st;
}

stele_status stele_not_before__check(struct stele_log *log, stele_err *err) {
    struct stele_checkpoint checkpoint;
    size_t n = 0;
    const stele_view *note = stele_store__not_before(log->store, &n);
    stele_status st = STELE_OK;
    for (size_t i = 0; i < n && st == STELE_OK; i++) {
        if (is_of(log, note[i], &checkpoint)) {
            st = check_one(log, note[i], &checkpoint, err);
        }
    }
    return st;
}
