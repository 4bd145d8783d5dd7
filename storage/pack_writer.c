/* SPDX-License-Identifier: Apache-2.0 */
/* storage/pack_writer.c: writes a closed tail as blobs, streaming, in one fixed order. */
#include <assert.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/leaf_window.h"
#include "storage/pack.h"
#include "storage/pack_format.h"

static void put_digits(char *out, uint64_t number) {
    for (size_t i = 20; i > 0; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* By hand: a reader makes a key for every read, and printf takes as long as the rest of it. */
void stele_pack_key(const char *log, char kind, uint64_t lo, uint64_t hi,
                    char out[STELE_AT_LEAST(STELE_BLOB_KEY_MAX)]) {
    size_t n = strlen(log);
    assert(n <= STELE_LOG_NAME_MAX);
    memcpy(out, log, n);
    out[n] = '/';
    out[n + 1] = kind;
    out[n + 2] = '/';
    put_digits(out + n + 3, lo);
    out[n + 23] = '-';
    put_digits(out + n + 24, hi);
    out[n + 44] = '\0';
}

/* A blob being written, and the digest of what went into it. */
struct sink {
    struct stele_engine *engine;
    struct stele_blob_writer *blob;
    struct stele_sha256 sha;
    uint64_t written;
};

static stele_status sink_open(struct sink *sink, struct stele_engine *engine, const char *log,
                              char kind, const struct stele_unit *unit, stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    stele_pack_key(log, kind, unit->lo, atomic_load(&unit->hi), key);
    *sink = (struct sink){.engine = engine};
    stele_sha256_init(&sink->sha);
    return engine->ops->blob_begin(engine, key, &sink->blob, err);
}

static stele_status sink_write(void *ctx, stele_view bytes, stele_err *err) {
    struct sink *sink = ctx;
    sink->written += bytes.size;
    return sink->engine->ops->blob_write(sink->blob, bytes, err);
}

static stele_status sink_hash_and_write(struct sink *sink, stele_view bytes, stele_err *err) {
    stele_sha256_update(&sink->sha, bytes);
    return sink_write(sink, bytes, err);
}

/* Commits if `st` is OK, else aborts; either way the writer is gone. */
static stele_status sink_close(struct sink *sink, stele_status st, const struct stele_lock *lock,
                               stele_err *err) {
    if (sink->blob == NULL) {
        return st;
    }
    if (st == STELE_OK) {
        st = sink->engine->ops->blob_commit(sink->blob, lock, err);
    } else {
        sink->engine->ops->blob_abort(sink->blob);
    }
    sink->blob = NULL;
    return st;
}

/* Counts, digest of everything written so far and of the counts, magic. */
static stele_status write_side_foot(struct sink *sink, const struct stele_unit *unit, size_t count,
                                    const char *magic, stele_err *err) {
    uint8_t foot[SIDE_FOOT_BYTES] = {0};
    stele_put_u64(foot, unit->lo);
    stele_put_u64(foot + 8, atomic_load(&unit->hi));
    stele_put_u32(foot + 16, (uint32_t)count);
    stele_sha256_update(&sink->sha, stele_view_of(foot, SIDE_FOOT_FIELDS_BYTES));
    stele_sha256_final(&sink->sha, foot + SIDE_FOOT_FIELDS_BYTES);
    memcpy(foot + SIDE_FOOT_FIELDS_BYTES + STELE_HASH_BYTES, magic, MAGIC_BYTES);
    return sink_write(sink, stele_view_of(foot, sizeof foot), err);
}

static stele_status write_hashes(struct stele_engine *engine, const char *log,
                                 const struct stele_unit *unit, stele_err *err) {
    struct sink sink = {0};
    stele_status st = STELE_OK;
    uint64_t hi = atomic_load(&unit->hi);
    uint64_t first = stele_unit_first_tile(unit);
    size_t n_tiles = hi / STELE_TILE_LEAVES > first ? (size_t)(hi / STELE_TILE_LEAVES - first) : 0;
    STELE_TRY(sink_open(&sink, engine, log, 'h', unit, err));
    STELE_TRY(sink_hash_and_write(
        &sink, stele_view_of(unit->tail->leaves, (size_t)(hi - unit->lo) * STELE_HASH_BYTES), err));
    STELE_TRY(sink_hash_and_write(
        &sink, stele_view_of(unit->tail->tile_roots, n_tiles * STELE_HASH_BYTES), err));
    STELE_TRY(write_side_foot(&sink, unit, n_tiles, HASH_FOOT_MAGIC, err));
cleanup:
    return sink_close(&sink, st, NULL, err);
}

static stele_status write_kseeds(struct stele_engine *engine, const char *log,
                                 const struct stele_unit *unit, size_t *ret_n_frames,
                                 stele_err *err) {
    struct sink sink = {0};
    stele_status st = STELE_OK;
    size_t n_frames = 0;
    size_t n_items = atomic_load(&unit->tail->n_items);
    STELE_TRY(sink_open(&sink, engine, log, 'k', unit, err));
    for (size_t i = 0; i < n_items; i++) {
        const struct stele_tail_item *item = &unit->tail->item[i];
        if (item->bytes.data[0] == STELE_ITEM_FRAME) {
            uint8_t row[KSEED_ENTRY_BYTES];
            stele_put_u32(row, (uint32_t)(item->first_seq - unit->lo));
            memcpy(row + 4, item->bytes.data + item->bytes.size, STELE_SEED_BYTES);
            STELE_TRY(sink_hash_and_write(&sink, stele_view_of(row, sizeof row), err));
            n_frames++;
        }
    }
    STELE_TRY(write_side_foot(&sink, unit, n_frames, KSEED_FOOT_MAGIC, err));
    *ret_n_frames = n_frames;
cleanup:
    return sink_close(&sink, st, NULL, err);
}

/* The segment is stored. */
static stele_status write_seal(struct stele_engine *engine, const char *log,
                               const struct stele_unit *unit, const struct stele_posting *postings,
                               size_t n, stele_err *err) {
    struct stele_leaf_window window;
    char key[STELE_BLOB_KEY_MAX];
    stele_pack_key(log, 'i', unit->lo, atomic_load(&unit->hi), key);
    stele_leaf_window_init_unit(&window, unit);
    stele_status st =
        stele_segment_ref_seal(engine, key, postings, n, stele_leaf_window_source(&window), err);
    stele_leaf_window_done(&window);
    return st;
}

stele_status stele_pack_put_segment(struct stele_engine *engine, const char *log,
                                    const struct stele_unit *unit, const struct stele_epoch *epoch,
                                    struct stele_posting *postings, size_t n, stele_err *err) {
    struct sink sink = {0};
    struct stele_segment_writer *writer = NULL;
    stele_status st = STELE_OK;
    struct stele_segment_info info = {.era = unit->era,
                                      .map_version = epoch->map_version,
                                      .tag_alg = epoch->tag_alg,
                                      .lo = unit->lo,
                                      .hi = atomic_load(&unit->hi),
                                      .t_first = atomic_load(&unit->t_first),
                                      .t_last = atomic_load(&unit->t_last),
                                      .late_first = atomic_load(&unit->late_first),
                                      .late_last = atomic_load(&unit->late_last)};
    memcpy(info.tag_key_commit, epoch->tag_key_commit, STELE_HASH_BYTES);
    stele_postings_sort(postings, n, postings + n);
    STELE_TRY(sink_open(&sink, engine, log, 'i', unit, err));
    STELE_TRY(stele_segment_writer_new(&info, sink_write, &sink, &writer, err));
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(
            stele_segment_writer_add(writer, postings[i].tag, unit->lo + postings[i].offset, err));
    }
    STELE_TRY(stele_segment_writer_end(writer, err));
cleanup:
    stele_segment_writer_free(writer);
    st = sink_close(&sink, st, NULL, err);
    return st == STELE_OK ? write_seal(engine, log, unit, postings, n, err) : st;
}

static stele_status write_segment(struct stele_engine *engine, const char *log,
                                  const struct stele_unit *unit, const struct stele_epoch *epoch,
                                  stele_err *err) {
    const struct stele_tail *tail = unit->tail;
    size_t n = atomic_load(&tail->n_postings);
    struct stele_posting *postings = stele_alloc(2 * n, sizeof *postings);
    if (postings == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to sort %zu index postings", n);
    }
    for (size_t at = 0; at < n; at += STELE_POSTING_CHUNK) {
        size_t part = n - at < STELE_POSTING_CHUNK ? n - at : STELE_POSTING_CHUNK;
        memcpy(postings + at, tail->chunk[at / STELE_POSTING_CHUNK], part * sizeof *postings);
    }
    stele_status st = stele_pack_put_segment(engine, log, unit, epoch, postings, n, err);
    stele_free(postings);
    return st;
}

static stele_status write_items(struct sink *sink, const struct stele_unit *unit, stele_buf *dir,
                                stele_err *err) {
    stele_status st = STELE_OK;
    size_t n_items = atomic_load(&unit->tail->n_items);
    struct stele_writer w = stele_writer_to(dir);
    for (size_t i = 0; i < n_items; i++) {
        const struct stele_tail_item *item = &unit->tail->item[i];
        stele_write_u32(&w, (uint32_t)(item->first_seq - unit->lo));
        stele_write_u64(&w, sink->written);
        STELE_TRY(sink_write(sink, item->bytes, err));
    }
    STELE_TRY(stele_writer_end(&w, err));
cleanup:
    return st;
}

static stele_status write_pack(struct stele_engine *engine, const char *log,
                               const struct stele_unit *unit, size_t n_frames,
                               const struct stele_lock *lock, stele_err *err) {
    struct sink sink = {0};
    stele_buf dir = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint8_t head[PACK_HEAD_BYTES] = {0};
    uint8_t foot[PACK_FOOT_BYTES] = {0};
    const struct stele_tail *tail = unit->tail;
    memcpy(head, PACK_HEAD_MAGIC, MAGIC_BYTES);
    stele_put_u16(head + 8, 1);
    stele_put_u32(head + 12, unit->era);
    stele_put_u64(head + 16, unit->lo);
    stele_put_u64(head + 24, atomic_load(&unit->hi));
    stele_put_u64(head + 32, atomic_load(&unit->t_first));
    stele_put_u64(head + 40, atomic_load(&unit->t_last));
    stele_put_u64(head + 48, atomic_load(&unit->late_first));
    stele_put_u64(head + 56, atomic_load(&unit->late_last));
    STELE_TRY(sink_open(&sink, engine, log, 'p', unit, err));
    STELE_TRY(sink_hash_and_write(&sink, stele_view_of(head, sizeof head), err));
    STELE_TRY(write_items(&sink, unit, &dir, err));
    stele_put_u64(foot, sink.written);
    STELE_TRY(sink_hash_and_write(&sink, stele_view_buf(&dir), err));
    stele_put_u32(foot + 8, (uint32_t)(dir.size / PACK_DIR_ENTRY_BYTES));
    stele_put_u32(foot + 12, (uint32_t)n_frames);
    stele_put_u64(foot + 16, sink.written);
    STELE_TRY(sink_hash_and_write(&sink, stele_view_buf(&tail->snapshot), err));
    stele_put_u32(foot + 24, (uint32_t)tail->snapshot.size);
    stele_sha256_update(&sink.sha, stele_view_of(foot, PACK_FOOT_FIELDS_BYTES));
    stele_sha256_final(&sink.sha, foot + PACK_FOOT_FIELDS_BYTES);
    memcpy(foot + PACK_FOOT_FIELDS_BYTES + STELE_HASH_BYTES, PACK_FOOT_MAGIC, MAGIC_BYTES);
    STELE_TRY(sink_write(&sink, stele_view_of(foot, sizeof foot), err));
cleanup:
    stele_buf_done(&dir);
    return sink_close(&sink, st, lock, err);
}

stele_status stele_pack_write(struct stele_engine *engine, const char *log,
                              const struct stele_unit *unit, const struct stele_epoch *epoch,
                              const struct stele_lock *lock, stele_err *err) {
    assert(unit->tail != NULL && unit->tail->snapshot.size > 0);
    stele_status st = STELE_OK;
    size_t n_frames = 0;
    STELE_TRY(write_kseeds(engine, log, unit, &n_frames, err));
    STELE_TRY(write_hashes(engine, log, unit, err));
    STELE_TRY(write_segment(engine, log, unit, epoch, err));
    STELE_TRY(write_pack(engine, log, unit, n_frames, lock, err));
cleanup:
    return st;
}
