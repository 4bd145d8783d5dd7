/* SPDX-License-Identifier: Apache-2.0 */
/* storage/log.c: opening one log, its names, and its newest checkpoint. */
#include "storage/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"

/* Clocks are set by less than this all the time. */
#define CLOCK_BEHIND_US UINT64_C(60000000)

const char *stele_log_name(const struct stele_log *log) {
    return log->name;
}

const char *stele_log_full_name(const struct stele_log *log) {
    return log->full_name;
}

const char *stele_log_origin(const struct stele_log *log) {
    return log->origin;
}

uint8_t stele_log_retention_years(const struct stele_log *log) {
    return log->years;
}

bool stele_log_is_system(const struct stele_log *log) {
    return strcmp(log->name, STELE_SYSTEM_LOG) == 0;
}

void stele_log_vkey(const struct stele_log *log, struct stele_vkey *ret) {
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    log->signer->ops->public_key(log->signer, public_key);
    stele_status st = stele_vkey_of(log->origin, public_key, ret, NULL);
    assert(st == STELE_OK); /* the origin was checked when the log was opened */
    (void)st;
}

bool stele_log_takes_tenant(const struct stele_log *log, stele_view tenant) {
    for (size_t i = 0; i < log->n_tenants; i++) {
        if (stele_view_is(tenant, log->tenant[i])) {
            return true;
        }
    }
    return log->n_tenants == 0;
}

bool stele_log_is_reserved_for(const struct stele_log *log, stele_view tenant) {
    return log->n_tenants == 1 && stele_view_is(tenant, log->tenant[0]);
}

static bool is_name(const char *name, size_t max) {
    size_t length = strlen(name);
    bool good = length > 0 && length <= max && name[0] != '-';
    for (size_t i = 0; good && i < length; i++) {
        good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
               name[i] == '-';
    }
    return good;
}

static stele_status take_config(struct stele_log *log, const struct stele_log_config *config,
                                stele_err *err) {
    if (!is_name(config->name, STELE_LOG_NAME_MAX)) {
        return STELE_FAIL(err, INVALID, "log name '%s': 1 to %d of a-z, 0-9 and '-' are allowed",
                          config->name, STELE_LOG_NAME_MAX);
    }
    if (config->retention_years < 1 || config->retention_years > 7) {
        return STELE_FAIL(err, INVALID, "log %s: retention of %u years; 1 to 7 are possible",
                          config->name, config->retention_years);
    }
    memcpy(log->name, config->name, strlen(config->name) + 1);
    (void)snprintf(log->full_name, sizeof log->full_name, "%s/%s", stele_store_region(log->store),
                   log->name);
    log->years = config->retention_years;
    log->tenant = stele_alloc(config->n_tenants, sizeof(char *));
    for (size_t i = 0; log->tenant != NULL && i < config->n_tenants; i++) {
        log->tenant[log->n_tenants] = stele_strdup(config->tenants[i]);
        log->n_tenants += log->tenant[log->n_tenants] != NULL ? 1 : 0;
    }
    if (log->tenant == NULL || log->n_tenants != config->n_tenants) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for log %s", config->name);
    }
    return STELE_OK;
}

static void init_locks(struct stele_log *log) {
    pthread_condattr_t monotonic;
    (void)pthread_mutex_init(&log->lock, NULL);
    (void)pthread_mutex_init(&log->catalog_lock, NULL);
    (void)pthread_mutex_init(&log->spine_lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->work, &monotonic);
    (void)pthread_cond_init(&log->moved, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

/* Genesis and the first EPOCH, in one record. */
static stele_status create(struct stele_log *log, stele_err *err) {
    struct stele_group group;
    stele_buf body = STELE_BUF_EMPTY;
    const struct stele_tag_key *key = NULL;
    uint8_t policy[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    uint64_t now = stele_store_now_us(log->store);
    uint32_t era = stele_entry_month(now) * 100;
    /* The policy a log is born with: its class and the tenants it takes. */
    for (size_t i = 0; i < log->n_tenants; i++) {
        STELE_TRY(stele_buf_printf(&body, err, "%s\n", log->tenant[i]));
    }
    STELE_TRY(stele_buf_printf(&body, err, "retention_years %u\n", log->years));
    stele_sha256_of(stele_view_buf(&body), policy);
    STELE_TRY(stele_group__begin(&group, log, err));
    stele_buf_clear(&body);
    STELE_TRY(stele_control_genesis_body(log->origin, stele_store_region(log->store), log->years,
                                         policy, &body, err));
    STELE_TRY(stele_group__add_control(&group, STELE_CONTROL_GENESIS, era, now,
                                       stele_view_buf(&body), err));
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, era, true, &key, err));
    stele_buf_clear(&body);
    STELE_TRY(stele_control_epoch_body(era, key, log->map, &body, err));
    STELE_TRY(stele_group__add_control(&group, STELE_CONTROL_EPOCH, era, now, stele_view_buf(&body),
                                       err));
    STELE_TRY(stele_group__finish(&group, err));
    STELE_TRY(stele_log__append_record(log, &group.record, &group.head, err));
    stele_group__publish(&group);
cleanup:
    stele_group__done(&group);
    stele_buf_done(&body);
    return st;
}

/* Genesis says whose log this is: a folder moved under another name or region must not open. */
static stele_status check_genesis(struct stele_log *log, stele_err *err) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    struct stele_genesis genesis;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(log, &view, err));
    STELE_TRY(stele_log_reader_new(view, &reader, err));
    STELE_TRY(stele_log_read(reader, 0, &stored, err));
    STELE_TRY(stele_control_genesis_of(stored.payload, &genesis, err));
    if (!stele_view_is(genesis.origin, log->origin) || genesis.years != log->years) {
        STELE_TRY(STELE_FAIL(err, DENIED,
                             "log %s: the store says it is '%.*s', kept %u years; the "
                             "configuration says '%s', %u years",
                             log->full_name, (int)genesis.origin.size,
                             (const char *)genesis.origin.data, genesis.years, log->origin,
                             log->years));
    }
cleanup:
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return st;
}

/* Blobs, then the chain, then what it must agree with. */
static stele_status recover(struct stele_log *log, stele_err *err) {
    struct stele_epoch epoch;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log__recover_blobs(log, err));
    STELE_TRY(stele_log__replay(log, 0, err));
    if (log->size == 0) {
        return STELE_OK;
    }
    STELE_TRY(check_genesis(log, err));
    if (log->note.size > 0) {
        STELE_TRY(stele_log__check_note(log, stele_view_buf(&log->note), err));
    }
    STELE_TRY(stele_control_epoch_of(&log->head.state, log->head.era, &epoch, err));
    if (epoch.map_version != log->map->version) {
        STELE_TRY(STELE_FAIL(err, UNSUPPORTED,
                             "log %s: its current era uses key map %u, this stele has %u; use the "
                             "stele it was written with",
                             log->full_name, epoch.map_version, log->map->version));
    }
cleanup:
    return st;
}

/* A log that somebody holds a checkpoint of has a key and entries: neither is made anew for it. */
static stele_status check_is_not_lost(const struct stele_log *log, bool has_key, stele_err *err) {
    if (stele_not_before__names(log) && (!has_key || log->size == 0)) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: there is a checkpoint of it to extend, and this copy has no %s "
                          "of it; bring back the newer copy",
                          log->full_name, has_key ? "entry" : "signing key");
    }
    return STELE_OK;
}

stele_status stele_log__open(struct stele_store *store, const struct stele_log_config *config,
                             struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t next_pos = 0;
    bool read_only = stele_store__read_only(store);
    log->store = store;
    init_locks(log);
    stele_head_init(&log->head);
    STELE_TRY(take_config(log, config, err));
    STELE_TRY(stele_catalog_new(0, 0, &log->catalog, err));
    st = stele_keyring_signer(log->keyring, log->name, !read_only && !stele_not_before__names(log),
                              &log->signer, err);
    if (st == STELE_NOT_FOUND) {
        stele_status lost = check_is_not_lost(log, false, err);
        return lost != STELE_OK ? lost : STELE_NOT_FOUND;
    }
    if (st != STELE_OK) {
        return st;
    }
    if (!read_only) {
        STELE_TRY(log->engine->ops->claim(log->engine, log->name, &next_pos, &log->epoch, err));
    }
    STELE_TRY(recover(log, err));
    STELE_TRY(check_is_not_lost(log, true, err));
    STELE_TRY(stele_not_before__check(log, err));
    if (log->size == 0 && read_only) {
        STELE_TRY(STELE_FAIL(err, NOT_FOUND, "log %s is empty: not even a genesis entry is there",
                             log->full_name));
    }
    if (!read_only && log->pos != next_pos) {
        STELE_TRY(
            STELE_FAIL(err, CORRUPT, "log %s: its record chain should end at %llu and ends at %llu",
                       log->full_name, (unsigned long long)next_pos, (unsigned long long)log->pos));
    }
cleanup:
    return st;
}

stele_status stele_log__begin(struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    bool read_only = stele_store__read_only(log->store);
    if (log->size == 0) {
        STELE_TRY(create(log, err));
    }
    log->now_era = log->head.era;
    STELE_TRY(
        stele_keyring_tag_key(log->keyring, log->name, log->now_era, false, &log->now_key, err));
    if (!read_only && log->checkpoint.size_leaves < log->size) {
        STELE_TRY(stele_log__sign(log, err));
    }
cleanup:
    return st;
}

void stele_log__free(struct stele_log *log) {
    if (log == NULL) {
        return;
    }
    assert(!log->running && log->queue_first == NULL);
    stele_manifest_unref(log->manifest);
    stele_manifest_unref(log->index_pending);
    stele_catalog_unref(log->catalog);
    stele_head_done(&log->head);
    stele_signer_free(log->signer);
    stele_buf_done(&log->note);
    stele_buf_done(&log->spine);
    for (size_t i = 0; i < log->n_tenants; i++) {
        stele_free(log->tenant[i]);
    }
    stele_free(log->tenant);
    (void)pthread_cond_destroy(&log->work);
    (void)pthread_cond_destroy(&log->moved);
    (void)pthread_mutex_destroy(&log->lock);
    (void)pthread_mutex_destroy(&log->catalog_lock);
    (void)pthread_mutex_destroy(&log->spine_lock);
    stele_free(log);
}

uint64_t stele_log__watch_clock(struct stele_log *log, uint64_t clock_us, uint64_t least_us) {
    bool behind = least_us > clock_us && least_us - clock_us > CLOCK_BEHIND_US;
    if (behind && !log->clock_behind) {
        stele_err err;
        stele_status st =
            STELE_FAIL(&err, INVALID,
                       "log %s: the clock is %llu s behind its newest entry; log time stands still "
                       "until the clock is past it, and events over a day older than that are "
                       "marked late; check this machine's clock",
                       log->full_name, (unsigned long long)((least_us - clock_us) / 1000000u));
        (void)st;
        stele_store__report(log->store, log->full_name, &err);
    }
    log->clock_behind = behind;
    return clock_us > least_us ? clock_us : least_us;
}

stele_status stele_log_checkpoint(struct stele_log *log, uint64_t min_size, stele_buf *note,
                                  struct stele_checkpoint *ret_checkpoint, stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&log->lock);
    if (min_size > log->size) {
        st =
            STELE_FAIL(err, INVALID, "log %s has %llu entries, a checkpoint of %llu was asked for",
                       log->full_name, (unsigned long long)log->size, (unsigned long long)min_size);
    }
    while (st == STELE_OK && log->checkpoint.size_leaves < min_size) {
        if (log->stopped.status != STELE_OK) {
            if (err != NULL) {
                *err = log->stopped;
            }
            st = log->stopped.status;
        } else if (log->stopping || !log->running) {
            st = STELE_FAIL(err, CLOSED, "log %s is shutting down", log->full_name);
        } else {
            log->checkpoint_wanted =
                min_size > log->checkpoint_wanted ? min_size : log->checkpoint_wanted;
            (void)pthread_cond_signal(&log->work);
            (void)pthread_cond_wait(&log->moved, &log->lock);
        }
    }
    if (st == STELE_OK) {
        st = stele_buf_append(note, stele_view_buf(&log->note), err);
    }
    if (st == STELE_OK && ret_checkpoint != NULL) {
        *ret_checkpoint = log->checkpoint;
    }
    (void)pthread_mutex_unlock(&log->lock);
    return st;
}
