/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_chain.c: the record chains. Invariants: a record is acknowledged only after its
 * synced write; after a failed write no chain takes a record until claim() has read back what is on
 * disk; the positions of a chain are dense from its floor to its end, and never start again.
 */
#include "storage/engine_chain.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/engine_names.h"

#define STATE_VERSION 1
#define STATE_BYTES 17
#define LOGS_MAX                                                                                   \
    1024 /* logs of one region: retention classes times tenants with logs of their own */
#define CHAIN_KEY_MAX (STELE_LOG_NAME_MAX + 1 + 8)
#define STATE_NAME_MAX (STELE_LOG_NAME_MAX + 8)

/* One log's chain as this process holds it. Freed with the table only: pointers to it stay valid.
 */
struct chain {
    char name[STELE_LOG_NAME_MAX + 1];
    pthread_mutex_t writing; /* one of claim, append, trim at a time */
    pthread_mutex_t state;   /* over the numbers, so that a reader does not wait for a sync */
    uint64_t epoch;
    uint64_t next;
    uint64_t floor;
    uint64_t generation; /* of the store when it was claimed: another one means read again */
};

struct stele_chains {
    struct stele_rocks *rocks;
    struct stele_acked *acked;
    pthread_mutex_t finding;
    size_t n;
    struct chain *chain[LOGS_MAX];
};

stele_status stele_chains_new(struct stele_rocks *rocks, struct stele_acked *acked,
                              struct stele_chains **ret, stele_err *err) {
    struct stele_chains *l = stele_alloc(1, sizeof *l);
    if (l == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the table of chains");
    }
    l->rocks = rocks;
    l->acked = acked;
    (void)pthread_mutex_init(&l->finding, NULL);
    *ret = l;
    return STELE_OK;
}

void stele_chains_free(struct stele_chains *l) {
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        (void)pthread_mutex_destroy(&l->chain[i]->writing);
        (void)pthread_mutex_destroy(&l->chain[i]->state);
        stele_free(l->chain[i]);
    }
    (void)pthread_mutex_destroy(&l->finding);
    stele_free(l);
}

/* log, 0x00, position: positions of one log sort in order, and logs do not mix, as no name has a
 * NUL. */
static stele_view chain_key(uint8_t out[STELE_AT_LEAST(CHAIN_KEY_MAX)], const char *log,
                            uint64_t pos) {
    size_t size = strlen(log);
    memcpy(out, log, size + 1);
    stele_put_u64(out + size + 1, pos);
    return stele_view_of(out, size + 1 + 8);
}

static stele_view state_name(char out[STELE_AT_LEAST(STATE_NAME_MAX)], const char *log) {
    int size = snprintf(out, STATE_NAME_MAX, STELE_CHAIN_FACT "/%.*s", STELE_LOG_NAME_MAX, log);
    return stele_view_of(out, (size_t)size);
}

/* The first key after all of a log's: name, 0x01. */
static stele_view log_end(uint8_t out[STELE_AT_LEAST(CHAIN_KEY_MAX)], const char *log) {
    size_t size = strlen(log);
    memcpy(out, log, size);
    out[size] = 1;
    return stele_view_of(out, size + 1);
}

static stele_status position_of(stele_view key, const char *log, uint64_t *ret, stele_err *err) {
    size_t prefix = strlen(log) + 1;
    if (key.size != prefix + 8 || stele_get_u64(key.data + prefix) == UINT64_MAX) {
        return STELE_FAIL(
            err, CORRUPT,
            "chain '%s' holds a key of %zu bytes that no append wrote: restore from backup", log,
            key.size);
    }
    *ret = stele_get_u64(key.data + prefix);
    return STELE_OK;
}

/* ---- chains ---- */

static struct chain *find_chain(struct stele_chains *l, const char *log) {
    struct chain *found = NULL;
    (void)pthread_mutex_lock(&l->finding);
    for (size_t i = 0; i < l->n && found == NULL; i++) {
        found = strcmp(l->chain[i]->name, log) == 0 ? l->chain[i] : NULL;
    }
    (void)pthread_mutex_unlock(&l->finding);
    return found;
}

static stele_status find_or_add_chain(struct stele_chains *l, const char *log, struct chain **ret,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    struct chain *added = stele_alloc(1, sizeof *added);
    if (added == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the chain of log '%s'", log);
    }
    (void)snprintf(added->name, sizeof added->name, "%s", log);
    (void)pthread_mutex_init(&added->writing, NULL);
    (void)pthread_mutex_init(&added->state, NULL);
    added->generation = UINT64_MAX;
    struct chain *found = NULL;
    (void)pthread_mutex_lock(&l->finding);
    for (size_t i = 0; i < l->n && found == NULL; i++) {
        found = strcmp(l->chain[i]->name, log) == 0 ? l->chain[i] : NULL;
    }
    if (found == NULL && l->n < LOGS_MAX) {
        l->chain[l->n++] = added;
        found = added;
        added = NULL;
    }
    (void)pthread_mutex_unlock(&l->finding);
    if (found == NULL) {
        st = STELE_FAIL(err, LIMIT,
                        "log '%s' would be one over %d logs of a region: use another region", log,
                        LOGS_MAX);
    } else {
        *ret = found;
    }
    stele_free(added);
    return st;
}

/* Epoch and floor as stored; zeros if the chain was never claimed. */
static stele_status load_chain(struct stele_rocks *rocks, const char *log, bool *ret_there,
                               uint64_t *ret_epoch, uint64_t *ret_floor, stele_err *err) {
    char name[STATE_NAME_MAX];
    stele_buf found = STELE_BUF_EMPTY;
    uint8_t version = STATE_VERSION;
    stele_status st = stele_rocks_get(rocks, STELE_ROCKS_META, state_name(name, log), &found, err);
    *ret_there = st == STELE_OK;
    if (st == STELE_NOT_FOUND) {
        *ret_epoch = 0;
        *ret_floor = 0;
        st = STELE_OK;
        goto cleanup;
    }
    if (st != STELE_OK) {
        goto cleanup;
    }
    struct stele_reader r = stele_reader_of(stele_view_buf(&found), "the state of a chain");
    STELE_TRY(stele_read_u8(&r, &version, err));
    STELE_TRY(stele_read_u64(&r, ret_epoch, err));
    STELE_TRY(stele_read_u64(&r, ret_floor, err));
    STELE_TRY(stele_reader_end(&r, err));
    if (version != STATE_VERSION) {
        st = STELE_FAIL(err, UNSUPPORTED,
                        "the state of chain '%s' has version %u: this program knows %d", log,
                        version, STATE_VERSION);
    }
cleanup:
    stele_buf_done(&found);
    return stele_corrupt(st, err);
}

static stele_view encode_chain(uint8_t out[STELE_AT_LEAST(STATE_BYTES)], uint64_t epoch,
                               uint64_t floor) {
    out[0] = STATE_VERSION;
    stele_put_u64(out + 1, epoch);
    stele_put_u64(out + 9, floor);
    return stele_view_of(out, STATE_BYTES);
}

/* What a chain is as stored. */
struct stored {
    bool there;
    uint64_t epoch, floor, next;
};

/*
 * A trim removes what is below the floor together with moving it. So a record there says that the
 * stored floor is not the one that was written, and what it hides is not trimmed but lost.
 */
static stele_status check_floor(struct stele_rocks *rocks, const char *log, uint64_t floor,
                                stele_err *err) {
    uint8_t from[CHAIN_KEY_MAX];
    uint8_t to[CHAIN_KEY_MAX];
    stele_buf below = STELE_BUF_EMPTY;
    stele_status st = stele_rocks_last(rocks, STELE_ROCKS_CHAIN, chain_key(from, log, 0),
                                       chain_key(to, log, floor), &below, err);
    stele_buf_done(&below);
    if (st == STELE_OK) {
        return STELE_FAIL(err, CORRUPT,
                          "chain '%s' says it begins at %llu, and holds a record before that: its "
                          "state was changed; restore from backup",
                          log, (unsigned long long)floor);
    }
    return st == STELE_NOT_FOUND ? STELE_OK : st;
}

static stele_status load_stored(struct stele_rocks *rocks, const char *log, struct stored *ret,
                                stele_err *err) {
    uint8_t from[CHAIN_KEY_MAX];
    uint8_t to[CHAIN_KEY_MAX];
    stele_buf last = STELE_BUF_EMPTY;
    stele_status st = load_chain(rocks, log, &ret->there, &ret->epoch, &ret->floor, err);
    if (st == STELE_OK) {
        st = check_floor(rocks, log, ret->floor, err);
    }
    if (st == STELE_OK) {
        ret->next = ret->floor; /* if all records are trimmed, positions go on */
        st = stele_rocks_last(rocks, STELE_ROCKS_CHAIN, chain_key(from, log, ret->floor),
                              log_end(to, log), &last, err);
        if (st == STELE_OK) {
            st = position_of(stele_view_buf(&last), log, &ret->next, err);
            ret->next++;
        } else if (st == STELE_NOT_FOUND) {
            st = STELE_OK;
        }
    }
    stele_buf_done(&last);
    return st;
}

static stele_status check_one(void *ctx, const char *log, uint64_t acknowledged_next,
                              stele_err *err) {
    struct stored stored = {0};
    stele_status st = load_stored(ctx, log, &stored, err);
    if (st == STELE_OK && stored.next < acknowledged_next) {
        st =
            STELE_FAIL(err, CORRUPT,
                       "chain '%s' ends at %llu, but records below %llu were acknowledged: restore "
                       "from backup, or "
                       "remove the file ACKED to go on without them",
                       log, (unsigned long long)stored.next, (unsigned long long)acknowledged_next);
    }
    return st;
}

stele_status stele_chains_check(struct stele_rocks *rocks, struct stele_acked *acked,
                                stele_err *err) {
    return stele_acked_each(acked, check_one, rocks, err);
}

/* Reads back what is there, then fences: with `writing` held. */
static stele_status claim_chain(struct stele_chains *l, struct chain *c, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t state[STATE_BYTES];
    char name[STATE_NAME_MAX];
    struct stored stored = {0};
    uint64_t generation = stele_rocks_generation(l->rocks);
    STELE_TRY(check_one(l->rocks, c->name, stele_acked_next(l->acked, c->name), err));
    STELE_TRY(load_stored(l->rocks, c->name, &stored, err));
    const struct stele_rocks_op fence = {STELE_ROCKS_META, STELE_ROCKS_PUT,
                                         state_name(name, c->name),
                                         encode_chain(state, stored.epoch + 1, stored.floor)};
    STELE_TRY(stele_rocks_write(l->rocks, &fence, 1, STELE_SYNCED, err));
    stele_acked_note(l->acked, c->name, stored.next);
    (void)pthread_mutex_lock(&c->state);
    c->epoch = stored.epoch + 1;
    c->floor = stored.floor;
    c->next = stored.next;
    c->generation = generation;
    (void)pthread_mutex_unlock(&c->state);
cleanup:
    return st;
}

stele_status stele_chains_claim(struct stele_chains *l, const char *log, uint64_t *ret_next_pos,
                                uint64_t *ret_epoch, stele_err *err) {
    struct chain *c = NULL;
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    if (st == STELE_OK) {
        /* Before `writing` is taken: it waits for every call inside the store. */
        st = stele_rocks_reopen(l->rocks, err);
    }
    if (st == STELE_OK) {
        st = find_or_add_chain(l, log, &c, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&c->writing);
    st = claim_chain(l, c, err);
    if (st == STELE_OK) {
        *ret_next_pos = c->next;
        *ret_epoch = c->epoch;
    }
    (void)pthread_mutex_unlock(&c->writing);
    return st;
}

/* With `writing` held: whether this process still holds the chain it claimed. */
static stele_status check_claimed(struct stele_chains *l, const struct chain *c, stele_err *err) {
    return c->generation == stele_rocks_generation(l->rocks)
               ? STELE_OK
               : STELE_FAIL(err, CLOSED,
                            "chain '%s' is closed: a write to the store failed since it was "
                            "claimed; claim "
                            "it again to read back what is on disk",
                            c->name);
}

static stele_status append_record(struct stele_chains *l, struct chain *c, uint64_t epoch,
                                  uint64_t pos, stele_view record, stele_err *err) {
    uint8_t key[CHAIN_KEY_MAX];
    stele_status st = check_claimed(l, c, err);
    if (st != STELE_OK) {
        return st;
    }
    if (epoch != c->epoch) {
        return STELE_FAIL(err, CLOSED,
                          "chain '%s' was claimed again: epoch %llu is fenced off by %llu", c->name,
                          (unsigned long long)epoch, (unsigned long long)c->epoch);
    }
    if (pos != c->next) {
        return STELE_FAIL(err, BUG, "chain '%s' was given position %llu, its next is %llu", c->name,
                          (unsigned long long)pos, (unsigned long long)c->next);
    }
    if (record.size > STELE_RECORD_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "a record of %zu bytes for chain '%s' is over %u",
                          record.size, c->name, STELE_RECORD_BYTES_MAX);
    }
    const struct stele_rocks_op put = {STELE_ROCKS_CHAIN, STELE_ROCKS_PUT,
                                       chain_key(key, c->name, pos), record};
    st = stele_rocks_write(l->rocks, &put, 1, STELE_SYNCED, err);
    if (st == STELE_OK) {
        stele_acked_note(l->acked, c->name, pos + 1);
        (void)pthread_mutex_lock(&c->state);
        c->next = pos + 1;
        (void)pthread_mutex_unlock(&c->state);
    }
    return st;
}

static stele_status never_claimed(const char *log, stele_err *err) {
    return STELE_FAIL(err, CLOSED, "chain '%.*s' was never claimed by this process: claim it first",
                      STELE_LOG_NAME_MAX, log);
}

stele_status stele_chains_append(struct stele_chains *l, const char *log, uint64_t epoch,
                                 uint64_t pos, stele_view record, stele_err *err) {
    struct chain *c = find_chain(l, log);
    if (c == NULL) {
        return never_claimed(log, err);
    }
    (void)pthread_mutex_lock(&c->writing);
    stele_status st = append_record(l, c, epoch, pos, record, err);
    (void)pthread_mutex_unlock(&c->writing);
    return st;
}

stele_status stele_chains_trim(struct stele_chains *l, const char *log, uint64_t floor,
                               stele_err *err) {
    struct chain *c = find_chain(l, log);
    uint8_t from[CHAIN_KEY_MAX];
    uint8_t to[CHAIN_KEY_MAX];
    uint8_t state[STATE_BYTES];
    char name[STATE_NAME_MAX];
    if (c == NULL) {
        return never_claimed(log, err);
    }
    (void)pthread_mutex_lock(&c->writing);
    stele_status st = check_claimed(l, c, err);
    if (st == STELE_OK && floor > c->next) {
        st = STELE_FAIL(err, BUG, "chain '%s' cannot be trimmed to %llu: its next position is %llu",
                        c->name, (unsigned long long)floor, (unsigned long long)c->next);
    }
    if (st == STELE_OK && floor > c->floor) {
        /* From the old floor only: overlapping range deletes would make every read look at all of
         * them. */
        const struct stele_rocks_op ops[2] = {
            {STELE_ROCKS_CHAIN, STELE_ROCKS_DELETE_RANGE, chain_key(from, c->name, c->floor),
             chain_key(to, c->name, floor)},
            {STELE_ROCKS_META, STELE_ROCKS_PUT, state_name(name, c->name),
             encode_chain(state, c->epoch, floor)},
        };
        st = stele_rocks_write(l->rocks, ops, 2, STELE_SYNCED, err);
        if (st == STELE_OK) {
            (void)pthread_mutex_lock(&c->state);
            c->floor = floor;
            (void)pthread_mutex_unlock(&c->state);
        }
    }
    (void)pthread_mutex_unlock(&c->writing);
    return st;
}

struct read_ctx {
    struct stele_chains *l;
    const char *log;
    stele_record_fn fn;
    void *ctx;
    uint64_t expected; /* the next position */
    bool started;
};

/* A position is missing: fine only if a trim came between reading the floor and opening the scan.
 */
static stele_status check_gap(struct read_ctx *r, uint64_t pos, stele_err *err) {
    bool there = false;
    uint64_t epoch = 0;
    uint64_t floor = 0;
    if (!r->started && pos > r->expected) {
        stele_status st = load_chain(r->l->rocks, r->log, &there, &epoch, &floor, err);
        if (st != STELE_OK) {
            return st;
        }
        if (pos <= floor) {
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, CORRUPT,
                      "chain '%s' has position %llu where %llu belongs: restore from backup",
                      r->log, (unsigned long long)pos, (unsigned long long)r->expected);
}

static stele_status read_one(void *ctx, stele_view key, stele_view value, stele_err *err) {
    struct read_ctx *r = ctx;
    uint64_t pos = 0;
    stele_status st = position_of(key, r->log, &pos, err);
    if (st == STELE_OK && pos != r->expected) {
        st = check_gap(r, pos, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    r->started = true;
    r->expected = pos + 1;
    return r->fn(r->ctx, pos, value, err);
}

/* What has been acknowledged here of a chain: a read that ends before it has lost something. */
static uint64_t acknowledged(struct stele_chains *l, const char *log) {
    uint64_t next = 0;
    struct chain *c = find_chain(l, log);
    if (c != NULL) {
        (void)pthread_mutex_lock(&c->state);
        next = c->next;
        (void)pthread_mutex_unlock(&c->state);
    }
    return next;
}

stele_status stele_chains_read(struct stele_chains *l, const char *log, uint64_t from,
                               stele_record_fn fn, void *ctx, uint64_t *ret_first, stele_err *err) {
    uint8_t first_key[CHAIN_KEY_MAX];
    uint8_t end_key[CHAIN_KEY_MAX];
    bool there = false;
    uint64_t epoch = 0;
    uint64_t floor = 0;
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    if (st != STELE_OK) {
        return st;
    }
    uint64_t promised = acknowledged(l, log);
    st = load_chain(l->rocks, log, &there, &epoch, &floor, err);
    if (st == STELE_OK && !there) {
        st = STELE_FAIL(err, NOT_FOUND, "there is no chain of log '%s': claim makes it", log);
    }
    if (st == STELE_OK) {
        st = check_floor(l->rocks, log, floor, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    struct read_ctx r = {l, log, fn, ctx, from < floor ? floor : from, false};
    st = stele_rocks_scan(l->rocks, STELE_ROCKS_CHAIN, chain_key(first_key, log, r.expected),
                          log_end(end_key, log), read_one, &r, err);
    if (st == STELE_OK && r.expected < promised) {
        /* All of the rest may have been trimmed since the floor was read. */
        st = check_gap(&r, promised, err);
    }
    if (st == STELE_OK && ret_first != NULL) {
        *ret_first = floor;
    }
    return st;
}
