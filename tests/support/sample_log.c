/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/sample_log.c: events, entries and signatures by recipe. */
#include "tests/support/sample_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_map.h"
#include "storage/cursor.h"
#include "tests/support/tree_model.h"

static void must(stele_status st, const char *what) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "sample log: %s: %s\n", what, stele_status_name(st));
        abort();
    }
}

/* ------------------------------------------------------------------ events */

static void put(stele_buf *out, const void *bytes, size_t size) {
    must(stele_buf_append(out, stele_view_of(bytes, size), NULL), "append");
}

static void put_varint(stele_buf *out, uint64_t value) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_varint(&w, value);
    must(stele_writer_end(&w, NULL), "varint");
}

static void put_number(stele_buf *out, uint32_t field, uint64_t value) {
    put_varint(out, (uint64_t)field << 3);
    put_varint(out, value);
}

static void put_bytes(stele_buf *out, uint32_t field, stele_view bytes) {
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, bytes.size);
    put(out, bytes.data, bytes.size);
}

static void put_text(stele_buf *out, uint32_t field, const char *text) {
    if (text != NULL) {
        put_bytes(out, field, stele_view_str(text));
    }
}

static void put_inner(stele_buf *out, uint32_t field, stele_buf *inner) {
    put_bytes(out, field, stele_view_buf(inner));
    stele_buf_done(inner);
}

static const char *text_or(const char *text, const char *otherwise) {
    return text == NULL ? otherwise : text;
}

void sample_event_encode(const struct sample_event *event, stele_buf *payload) {
    stele_buf inner = STELE_BUF_EMPTY;
    uint64_t time =
        event->time_unix_nano == 0 ? SAMPLE_TIME_US * 1000 + 789 : event->time_unix_nano;
    uint8_t little[8];
    for (unsigned i = 0; i < 8; i++) {
        little[i] = (uint8_t)(time >> (8 * i));
    }
    put_text(payload, 1, "e-0001");
    put_varint(payload, 2 << 3 | 1);
    put(payload, little, sizeof little);
    put_text(payload, 3, text_or(event->tenant, "acme"));
    put_text(payload, 4, text_or(event->region, "eu-1"));
    put_number(payload, 5, 12); /* EVENT_TYPE_GENERIC */
    put_text(&inner, 1, text_or(event->actor, "u-1"));
    put_number(&inner, 2, 1); /* ACTOR_TYPE_USER */
    put_text(&inner, 4, event->session);
    put_inner(payload, 6, &inner);
    put_number(payload, 7, event->action == 0 ? 2 : event->action);
    put_number(payload, 8, event->outcome == 0 ? 1 : event->outcome);
    if (event->resource != NULL) {
        put_text(&inner, 1, event->resource);
        put_number(&inner, 2, 4); /* RESOURCE_TYPE_DATASET */
        put_text(&inner, 3, event->resource_version);
        put_inner(payload, 9, &inner);
    }
    put_text(&inner, 1, "billing");
    put_inner(payload, 10, &inner);
    if (event->retention_class != 0) {
        put_number(payload, 12, event->retention_class);
    }
    put_text(&inner, 2, "probe");
    put_inner(payload, 51, &inner);
}

/* ------------------------------------------------------------------ logs */

void sample_log_init(struct sample_log *log, const char *origin, uint8_t seed) {
    uint8_t bytes[32];
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    memset(log, 0, sizeof *log);
    memset(bytes, seed, sizeof bytes);
    (void)snprintf(log->origin, sizeof log->origin, "%s", origin);
    log->retention_years = 3;
    must(stele_signer_sodium_of_seed(bytes, &log->signer, NULL), "signer");
    log->signer->ops->public_key(log->signer, public_key);
    must(stele_vkey_of(origin, public_key, &log->key, NULL), "key");
}

void sample_log_done(struct sample_log *log) {
    for (size_t i = 0; i < log->n; i++) {
        stele_buf_done(&log->entry[i].tags);
        stele_buf_done(&log->entry[i].payload);
    }
    stele_free(log->entry);
    stele_buf_done(&log->leaves);
    stele_signer_free(log->signer);
    memset(log, 0, sizeof *log);
}

static struct sample_entry *add(struct sample_log *log) {
    struct sample_entry *grown = stele_realloc(log->entry, log->n + 1, sizeof *grown);
    must(grown == NULL ? STELE_NO_MEMORY : STELE_OK, "entries");
    log->entry = grown;
    memset(&grown[log->n], 0, sizeof *grown);
    return &grown[log->n];
}

static uint64_t finish(struct sample_log *log, struct sample_entry *made,
                       const struct stele_entry *entry) {
    uint8_t leaf[STELE_HASH_BYTES];
    made->size = stele_entry_encode(entry, made->bytes);
    stele_hash_leaf(stele_view_of(made->bytes, made->size), leaf);
    put(&log->leaves, leaf, sizeof leaf);
    return log->n++;
}

/* 32 bytes that depend on the log's key, a word and a number. */
static void recipe(const struct sample_log *log, const char *word, uint64_t n,
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

uint64_t sample_log_control(struct sample_log *log, uint64_t time_us) {
    struct stele_entry entry = {.type = STELE_ENTRY_CONTROL, .seq = log->n, .time_us = time_us};
    entry.era = stele_entry_month(time_us) * 100;
    entry.as.control.kind = STELE_CONTROL_GENESIS;
    entry.as.control.prev = STELE_NO_SEQ;
    entry.as.control.n_state = 1;
    recipe(log, "body", log->n, entry.as.control.body_digest);
    recipe(log, "state", log->n, entry.as.control.state_root);
    return finish(log, add(log), &entry);
}

uint64_t sample_log_index(struct sample_log *log, uint64_t time_us) {
    struct stele_entry entry = {.type = STELE_ENTRY_INDEX, .seq = log->n, .time_us = time_us};
    entry.as.index.n_segments = 1;
    entry.as.index.covered = log->n;
    recipe(log, "manifest", log->n, entry.as.index.manifest_root);
    return finish(log, add(log), &entry);
}

uint64_t sample_log_event(struct sample_log *log, uint64_t time_us,
                          const struct sample_event *event) {
    uint64_t nano =
        event->time_unix_nano == 0 ? SAMPLE_TIME_US * 1000 + 789 : event->time_unix_nano;
    return sample_log_event_as(log, time_us, nano / 1000, event);
}

uint64_t sample_log_event_as(struct sample_log *log, uint64_t time_us, uint64_t event_us,
                             const struct sample_event *event) {
    static struct stele_event_facts facts; /* too large for a stack; tests have one thread */
    struct stele_tag_key key;
    struct stele_tag_set tags;
    uint8_t bytes[32];
    struct stele_entry entry = {.type = STELE_ENTRY_EVENT, .seq = log->n, .time_us = time_us};
    struct sample_entry *made = add(log);
    sample_event_encode(event, &made->payload);
    recipe(log, "salt", log->n, bytes);
    memcpy(made->salt, bytes, sizeof made->salt);
    memcpy(made->ksalt, bytes + sizeof made->salt, sizeof made->ksalt);
    entry.era = stele_entry_month(time_us) * 100;
    entry.as.event.retention_years = log->retention_years;
    entry.as.event.event_us = event_us;
    entry.as.event.late = stele_entry_is_late(time_us, event_us);
    must(stele_event_map_v1(NULL, stele_view_buf(&made->payload), &facts, NULL), "map");
    recipe(log, "tags", entry.era, bytes);
    stele_tag_key_init(&key, bytes);
    must(stele_tag_set_of(&key, &facts, entry.as.event.late, &tags, NULL), "tags");
    put(&made->tags, tags.tag, (size_t)tags.n * STELE_TAG_BYTES);
    stele_hash_payload(made->salt, stele_view_buf(&made->payload), entry.as.event.payload_commit);
    stele_hash_keys(made->ksalt, made->tags.data, tags.n, entry.as.event.keys_commit);
    return finish(log, made, &entry);
}

stele_view sample_log_entry(const struct sample_log *log, uint64_t seq) {
    return stele_view_of(log->entry[seq].bytes, log->entry[seq].size);
}

void sample_log_sign(const struct sample_log *log, uint64_t size, stele_buf *note) {
    struct stele_checkpoint checkpoint = {.size_leaves = size};
    memcpy(checkpoint.origin, log->origin, sizeof checkpoint.origin);
    must(stele_tree_root(log->leaves.data, (size_t)size, checkpoint.root, NULL), "root");
    must(stele_checkpoint_sign(&checkpoint, log->signer, note, NULL), "sign");
}

stele_status sample_log_node(void *ctx, unsigned level, uint64_t index,
                             uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    const struct sample_log *log = ctx;
    struct model_leaves leaves = {log->leaves.data, log->n};
    return model_node(&leaves, level, index, ret, err);
}

struct stele_receipt sample_log_receipt(const struct sample_log *log, uint64_t seq, stele_view note,
                                        uint64_t size, stele_buf *path) {
    const struct sample_entry *entry = &log->entry[seq];
    struct stele_receipt receipt;
    memset(&receipt, 0, sizeof receipt);
    stele_buf_clear(path);
    model_path(log->leaves.data, (size_t)size, (size_t)seq, path);
    receipt.entry = sample_log_entry(log, seq);
    receipt.index = seq;
    receipt.path = stele_view_buf(path);
    receipt.note = note;
    if (entry->size == STELE_ENTRY_EVENT_BYTES) {
        memcpy(receipt.salt, entry->salt, sizeof receipt.salt);
        memcpy(receipt.ksalt, entry->ksalt, sizeof receipt.ksalt);
        receipt.tags = stele_view_buf(&entry->tags);
        receipt.has_payload = true;
        receipt.payload = stele_view_buf(&entry->payload);
    }
    return receipt;
}
