/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_map.h"
#include "storage/cursor.h"
#include "tests/support/tree_model.h"

static void must(stele_status st, const char *what) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "complete model: %s: %s\n", what, stele_status_name(st));
        abort();
    }
}

static void *grown(void *items, size_t n, size_t size) {
    void *made = stele_realloc(items, n, size);
    must(made == NULL ? STELE_NO_MEMORY : STELE_OK, "memory");
    return made;
}

static void put(stele_buf *out, const void *bytes, size_t size) {
    must(stele_buf_append(out, stele_view_of(bytes, size), NULL), "append");
}

/* 32 bytes that depend on the log's key, a word and a number. */
static void recipe(const struct cm_log *log, const char *word, uint64_t n,
                   uint8_t out[STELE_AT_LEAST(32)]) {
    struct stele_sha256 h;
    uint8_t number[8];
    stele_put_u64(number, n);
    stele_sha256_init(&h);
    stele_sha256_update(&h, stele_view_of(log->key.public_key, sizeof log->key.public_key));
    stele_sha256_update(&h, stele_view_str(word));
    stele_sha256_update(&h, stele_view_of(number, sizeof number));
    stele_sha256_final(&h, out);
}

void cm_tag_key(const struct cm_log *log, uint32_t era, uint8_t out[STELE_AT_LEAST(32)]) {
    recipe(log, "tag key", era, out);
}

/* ------------------------------------------------------------------ entries */

static struct cm_entry *make_entry(void) {
    struct cm_entry *made = stele_alloc(1, sizeof *made);
    must(made == NULL ? STELE_NO_MEMORY : STELE_OK, "entry");
    return made;
}

static void free_entry(struct cm_entry *entry) {
    if (entry != NULL) {
        stele_buf_done(&entry->tags);
        stele_buf_done(&entry->payload);
        stele_free(entry);
    }
}

static uint64_t append(struct cm_log *log, struct cm_entry *made) {
    uint8_t leaf[STELE_HASH_BYTES];
    made->size = stele_entry_encode(&made->entry, made->bytes);
    stele_hash_leaf(stele_view_of(made->bytes, made->size), leaf);
    put(&log->leaves, leaf, sizeof leaf);
    log->entry = grown(log->entry, log->n + 1, sizeof *log->entry);
    log->entry[log->n] = made;
    return log->n++;
}

/* The state's root, by the recursion of the specification. */
static void state_root(const struct stele_state *state, uint8_t *out) {
    uint8_t *hashes = grown(NULL, state->n + 1, STELE_HASH_BYTES);
    for (size_t i = 0; i < state->n; i++) {
        stele_hash_state_leaf(stele_view_buf(&state->leaf[i].key),
                              stele_view_buf(&state->leaf[i].value), hashes + i * STELE_HASH_BYTES);
    }
    cm_root(stele_hash_state_inner, hashes, state->n, out);
    stele_free(hashes);
}

static uint64_t append_control(struct cm_log *log, stele_control_kind kind, uint64_t time_us,
                               const char *key, stele_view value) {
    struct cm_entry *made = make_entry();
    stele_buf copy = STELE_BUF_EMPTY;
    must(stele_state_put(&log->state, stele_view_str(key), value, NULL), "state");
    made->entry = (struct stele_entry){
        .type = STELE_ENTRY_CONTROL, .era = log->era, .seq = log->n, .time_us = time_us};
    made->entry.as.control.kind = kind;
    made->entry.as.control.prev =
        log->n_controls == 0 ? STELE_NO_SEQ : log->control[log->n_controls - 1].seq;
    made->entry.as.control.n_state = log->state.n;
    recipe(log, "body", log->n, made->entry.as.control.body_digest);
    state_root(&log->state, made->entry.as.control.state_root);
    log->control = grown(log->control, log->n_controls + 1, sizeof *log->control);
    struct cm_control *control = &log->control[log->n_controls++];
    control->seq = log->n;
    must(stele_state_encode(&log->state, &copy, NULL), "state copy");
    struct stele_reader bytes = stele_reader_of(stele_view_buf(&copy), "model state");
    must(stele_state_decode(&bytes, &control->state, NULL), "state copy");
    stele_buf_done(&copy);
    return append(log, made);
}

/* The EPOCH of a new month. */
static void enter(struct cm_log *log, uint64_t time_us) {
    uint8_t value[80] = {0};
    uint8_t key[32];
    char name[32];
    uint32_t era = stele_entry_month(time_us) * 100;
    if (era == log->era && log->n != 1) {
        return;
    }
    log->era = era;
    (void)snprintf(name, sizeof name, "epoch/%u", era);
    cm_tag_key(log, era, key);
    stele_put_u32(value, era);
    stele_put_u16(value + 4, log->tag_alg);
    stele_put_u16(value + 6, log->map_version);
    stele_hash_tag_key(key, value + 8);
    stele_put_u64(value + 72, log->n);
    (void)append_control(log, STELE_CONTROL_EPOCH, time_us, name,
                         stele_view_of(value, sizeof value));
}

struct cm_log *cm_log_new(const char *origin, uint8_t seed, uint8_t years, uint64_t time_us) {
    struct cm_log *log = stele_alloc(1, sizeof *log);
    uint8_t bytes[32];
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    must(log == NULL ? STELE_NO_MEMORY : STELE_OK, "log");
    memset(bytes, seed, sizeof bytes);
    (void)snprintf(log->origin, sizeof log->origin, "%s", origin);
    log->years = years;
    log->map_version = STELE_EVENT_MAP_VERSION;
    log->tag_alg = STELE_TAG_ALG;
    must(stele_signer_sodium_of_seed(bytes, &log->signer, NULL), "signer");
    log->signer->ops->public_key(log->signer, public_key);
    must(stele_vkey_of(origin, public_key, &log->key, NULL), "key");
    stele_state_init(&log->state);
    log->era = stele_entry_month(time_us) * 100;
    (void)append_control(log, STELE_CONTROL_GENESIS, time_us, "class", stele_view_of(&years, 1));
    enter(log, time_us);
    return log;
}

void cm_log_free(struct cm_log *log) {
    if (log == NULL) {
        return;
    }
    for (size_t i = 0; i < log->n; i++) {
        free_entry(log->entry[i]);
    }
    for (size_t i = 0; i < log->n_controls; i++) {
        stele_state_done(&log->control[i].state);
    }
    for (size_t i = 0; i < log->n_indexes; i++) {
        stele_free(log->index[i].descriptor);
    }
    for (size_t i = 0; i < log->n_gone; i++) {
        stele_free(log->gone[i].descriptor);
    }
    free_entry(log->phantom);
    stele_free(log->entry);
    stele_free(log->control);
    stele_free(log->index);
    stele_buf_done(&log->leaves);
    stele_state_done(&log->state);
    stele_signer_free(log->signer);
    stele_free(log);
}

uint64_t cm_control(struct cm_log *log, stele_control_kind kind, uint64_t time_us, const char *key,
                    stele_view value) {
    enter(log, time_us);
    return append_control(log, kind, time_us, key, value);
}

uint64_t cm_list_log(struct cm_log *system, uint64_t time_us, const struct cm_log *listed) {
    char key[64];
    stele_buf value = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&value);
    (void)snprintf(key, sizeof key, "logs/%s", strrchr(listed->origin, '/') + 1);
    stele_write_lp(&w, stele_view_str(listed->origin));
    stele_write_u8(&w, listed->years);
    stele_write_view(&w, stele_view_of(listed->leaves.data, STELE_HASH_BYTES));
    must(stele_writer_end(&w, NULL), "logs");
    uint64_t seq = cm_control(system, STELE_CONTROL_LOGS, time_us, key, stele_view_buf(&value));
    stele_buf_done(&value);
    return seq;
}

uint64_t cm_erase(struct cm_log *log, uint64_t time_us, uint64_t seq) {
    char key[64];
    uint8_t value[16];
    enter(log, time_us);
    (void)snprintf(key, sizeof key, "erased/%" PRIu64, seq);
    stele_put_u64(value, seq);
    stele_put_u64(value + 8, time_us);
    log->entry[seq]->missing = true;
    return append_control(log, STELE_CONTROL_ERASURE, time_us, key,
                          stele_view_of(value, sizeof value));
}

uint64_t cm_dispose(struct cm_log *log, uint64_t time_us, uint64_t lo, uint64_t hi, uint8_t years) {
    char key[64];
    uint8_t value[25];
    enter(log, time_us);
    (void)snprintf(key, sizeof key, "disposed/%" PRIu64, lo);
    stele_put_u64(value, hi);
    stele_put_u64(value + 8, log->n);
    stele_put_u64(value + 16, time_us);
    value[24] = years;
    for (uint64_t i = lo; i < hi; i++) {
        log->entry[i]->missing = true;
    }
    return append_control(log, STELE_CONTROL_DISPOSAL, time_us, key,
                          stele_view_of(value, sizeof value));
}

uint64_t cm_gone(struct cm_log *log, uint64_t time_us, uint32_t era) {
    const struct cm_index *index = cm_index_newest(log);
    struct cm_gone *gone = &log->gone[log->n_gone];
    char key[64];
    uint8_t value[20 + STELE_HASH_BYTES];
    enter(log, time_us);
    gone->era = era;
    gone->n = 0;
    gone->descriptor = grown(NULL, index->n, sizeof *gone->descriptor);
    uint8_t *hashes = grown(NULL, index->n, STELE_HASH_BYTES);
    for (size_t i = 0; i < index->n; i++) {
        if (index->descriptor[i].info.era == era) {
            stele_descriptor_hash(&index->descriptor[i], hashes + gone->n * STELE_HASH_BYTES);
            gone->descriptor[gone->n++] = index->descriptor[i];
        }
    }
    (void)snprintf(key, sizeof key, "gone/%u", era);
    stele_put_u64(value, log->n);
    stele_put_u64(value + 8, time_us);
    stele_put_u32(value + 16, (uint32_t)gone->n);
    cm_root(stele_hash_manifest_inner, hashes, gone->n, value + 20);
    stele_free(hashes);
    log->n_gone++;
    return append_control(log, STELE_CONTROL_DISPOSAL, time_us, key,
                          stele_view_of(value, sizeof value));
}

/* Fills salts, payload, tags and commitments of an EVENT whose entry has its other fields. */
static void commit(const struct cm_log *log, struct cm_entry *made,
                   const struct sample_event *event, cm_spoil spoil) {
    static struct stele_event_facts facts; /* too large for a stack; tests have one thread */
    struct stele_tag_key key;
    struct stele_tag_set tags;
    uint8_t bytes[32];
    struct stele_entry_event *of = &made->entry.as.event;
    struct sample_event tagged = *event;
    stele_buf other = STELE_BUF_EMPTY;
    tagged.actor = spoil == CM_TAGS_OF_OTHER ? "u-other" : event->actor;
    tagged.tenant = spoil == CM_TAGS_OF_TENANT ? "acme" : event->tenant;
    sample_event_encode(event, &made->payload);
    sample_event_encode(&tagged, &other);
    recipe(log, "salt", made->entry.seq, bytes);
    memcpy(made->salt, bytes, sizeof made->salt);
    memcpy(made->ksalt, bytes + sizeof made->salt, sizeof made->ksalt);
    must(stele_event_map_v1(NULL, stele_view_buf(&other), &facts, NULL), "map");
    cm_tag_key(log, made->entry.era, bytes);
    stele_tag_key_init(&key, bytes);
    must(stele_tag_set_of(&key, &facts, of->late != (spoil == CM_TAGS_OF_OTHER_TIME), &tags, NULL),
         "tags");
    put(&made->tags, tags.tag, (size_t)tags.n * STELE_TAG_BYTES);
    stele_hash_payload(made->salt, stele_view_buf(&made->payload), of->payload_commit);
    stele_hash_keys(made->ksalt, made->tags.data, tags.n, of->keys_commit);
    stele_buf_done(&other);
}

uint64_t cm_event(struct cm_log *log, uint64_t time_us, const struct sample_event *event,
                  cm_spoil spoil) {
    enter(log, time_us);
    struct cm_entry *made = make_entry();
    made->entry = (struct stele_entry){
        .type = STELE_ENTRY_EVENT, .era = log->era, .seq = log->n, .time_us = time_us};
    struct stele_entry_event *of = &made->entry.as.event;
    of->retention_years = spoil == CM_CLASS ? (uint8_t)(log->years % 7 + 1) : log->years;
    of->event_us = event->time_unix_nano / 1000 + (spoil == CM_EVENT_US ? 1 : 0);
    of->late = time_us > of->event_us && time_us - of->event_us > CM_DAY_US;
    commit(log, made, event, spoil);
    return append(log, made);
}

void cm_phantom(struct cm_log *log, uint64_t seq, const struct sample_event *event) {
    log->phantom = make_entry();
    log->phantom->entry = log->entry[seq]->entry;
    commit(log, log->phantom, event, CM_HONEST);
    log->phantom->size = stele_entry_encode(&log->phantom->entry, log->phantom->bytes);
}

const struct cm_entry *cm_indexed(const struct cm_log *log, uint64_t seq) {
    return log->phantom != NULL && log->phantom->entry.seq == seq ? log->phantom : log->entry[seq];
}

/* ------------------------------------------------------------------ index */

/* Where the segment that begins with lo ends: at a multiple of segment_entries, or with the era. */
static uint64_t segment_end(const struct cm_log *log, uint64_t lo, uint64_t covered,
                            uint64_t segment_entries) {
    uint64_t hi = lo + 1;
    while (hi < covered && hi % segment_entries != 0) {
        const struct stele_entry *entry = &log->entry[hi]->entry;
        if (hi > 1 && entry->type == STELE_ENTRY_CONTROL &&
            entry->as.control.kind == STELE_CONTROL_EPOCH) {
            break;
        }
        hi++;
    }
    return hi;
}

static const struct cm_gone *gone_with(const struct cm_log *log, uint64_t lo,
                                       const struct stele_descriptor **ret) {
    for (size_t i = 0; i < log->n_gone; i++) {
        for (size_t k = 0; k < log->gone[i].n; k++) {
            if (log->gone[i].descriptor[k].info.lo == lo) {
                *ret = &log->gone[i].descriptor[k];
                return &log->gone[i];
            }
        }
    }
    return NULL;
}

uint64_t cm_index(struct cm_log *log, uint64_t time_us, uint64_t covered,
                  uint64_t segment_entries) {
    struct stele_descriptor *descriptor = NULL;
    size_t n = 0;
    enter(log, time_us);
    for (uint64_t lo = 0; lo < covered;) {
        struct cm_segment segment;
        const struct stele_descriptor *kept = NULL;
        descriptor = grown(descriptor, n + 1, sizeof *descriptor);
        if (gone_with(log, lo, &kept) != NULL) {
            descriptor[n++] = *kept;
            lo = kept->info.hi;
            continue;
        }
        uint64_t hi = segment_end(log, lo, covered, segment_entries);
        cm_segment_build(log, lo, hi, &segment);
        descriptor[n++] = segment.descriptor;
        cm_segment_done(&segment);
        lo = hi;
    }
    return cm_index_of(log, time_us, covered, descriptor, n);
}

uint64_t cm_index_of(struct cm_log *log, uint64_t time_us, uint64_t covered,
                     struct stele_descriptor *descriptor, size_t n) {
    uint8_t *hashes = grown(NULL, n, STELE_HASH_BYTES);
    for (size_t i = 0; i < n; i++) {
        stele_descriptor_hash(&descriptor[i], hashes + i * STELE_HASH_BYTES);
    }
    log->index = grown(log->index, log->n_indexes + 1, sizeof *log->index);
    log->index[log->n_indexes++] = (struct cm_index){log->n, n, descriptor};
    struct cm_entry *made = make_entry();
    made->entry =
        (struct stele_entry){.type = STELE_ENTRY_INDEX, .seq = log->n, .time_us = time_us};
    made->entry.as.index.n_segments = (uint32_t)n;
    made->entry.as.index.covered = covered;
    made->entry.as.index.control = log->control[log->n_controls - 1].seq;
    cm_root(stele_hash_manifest_inner, hashes, n, made->entry.as.index.manifest_root);
    stele_free(hashes);
    return append(log, made);
}

struct stele_descriptor *cm_descriptors(const struct cm_log *log, size_t *ret_n) {
    const struct cm_index *index = cm_index_newest(log);
    struct stele_descriptor *copy = grown(NULL, index->n, sizeof *copy);
    memcpy(copy, index->descriptor, index->n * sizeof *copy);
    *ret_n = index->n;
    return copy;
}

const struct cm_control *cm_control_at(const struct cm_log *log, uint64_t seq) {
    for (size_t i = 0; i < log->n_controls; i++) {
        if (log->control[i].seq == seq) {
            return &log->control[i];
        }
    }
    abort();
}

const struct cm_index *cm_index_at(const struct cm_log *log, uint64_t seq) {
    for (size_t i = 0; i < log->n_indexes; i++) {
        if (log->index[i].seq == seq) {
            return &log->index[i];
        }
    }
    abort();
}

const struct cm_index *cm_index_newest(const struct cm_log *log) {
    return &log->index[log->n_indexes - 1];
}

void cm_sign(const struct cm_log *log, stele_buf *note) {
    struct stele_checkpoint checkpoint = {.size_leaves = log->n};
    memcpy(checkpoint.origin, log->origin, sizeof checkpoint.origin);
    must(stele_tree_root(log->leaves.data, log->n, checkpoint.root, NULL), "root");
    must(stele_checkpoint_sign(&checkpoint, log->signer, note, NULL), "sign");
}

stele_status cm_node(void *ctx, unsigned level, uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                     stele_err *err) {
    const struct cm_log *log = ctx;
    struct model_leaves leaves = {log->leaves.data, log->n};
    return model_node(&leaves, level, index, ret, err);
}

/* ------------------------------------------------------------------ made-up logs */

void cm_fill(struct cm_log *log, struct rng *rng, size_t n, uint64_t time_us, unsigned days) {
    static const char *const tenants[] = {"acme", "acme", "acme", "zenith"};
    static const char *const sessions[] = {NULL, "s-1", "s-2", "s-3"};
    uint64_t step_us = days * CM_DAY_US / n;
    const char *known[2] = {"acme", "zenith"};
    for (size_t i = 0; i < 2; i++) {
        char key[64];
        uint8_t value[9] = {[8] = 1};
        (void)snprintf(key, sizeof key, "tenant/%s", known[i]);
        stele_put_u64(value, log->n);
        (void)cm_control(log, STELE_CONTROL_TENANTS, time_us, key,
                         stele_view_of(value, sizeof value));
    }
    for (size_t i = 0; i < n; i++) {
        char actor[16];
        char resource[16];
        time_us += rng_below(rng, 4) == 0 ? 0 : rng_below(rng, 2 * step_us + 1);
        /* The first actors do most. */
        (void)snprintf(actor, sizeof actor, "u-%" PRIu64, rng_below(rng, 1 + rng_below(rng, 10)));
        (void)snprintf(resource, sizeof resource, "r-%" PRIu64, rng_below(rng, 40));
        struct sample_event event = {.tenant = tenants[rng_below(rng, 4)],
                                     .actor = actor,
                                     .session = sessions[rng_below(rng, 4)],
                                     .resource = resource,
                                     .action = 1 + (uint32_t)rng_below(rng, 3)};
        uint64_t own_us = time_us - rng_below(rng, 3600000000);
        uint64_t turn = rng_below(rng, 20);
        if (turn < 2) {
            own_us = time_us - CM_DAY_US - rng_below(rng, 40 * CM_DAY_US);
        } else if (turn == 2) {
            own_us = time_us + rng_below(rng, CM_DAY_US);
        }
        event.time_unix_nano = own_us * 1000 + rng_below(rng, 1000);
        (void)cm_event(log, time_us, &event, CM_HONEST);
        if (i % 97 == 96) {
            (void)cm_index(log, time_us, log->n - rng_below(rng, 3), 32);
        }
    }
    (void)cm_index(log, time_us + 5, log->n, 64);
}
