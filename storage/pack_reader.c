/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/pack_reader.c: reads a pack's blobs. The directory, the snapshot and the bounds are
 * covered by the pack's own digest, checked when the pack is opened; items are covered by digests
 * of their own and by their leaf hashes, which the log's reader checks; leaf hashes by the tile
 * roots and, in the end, by the signed tree root.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/pack.h"
#include "storage/pack_format.h"

stele_status stele_pack_key_parse(const char *key, uint64_t *ret_lo, uint64_t *ret_hi,
                                  stele_err *err) {
    size_t length = strlen(key);
    const char *range = key + (length < 41 ? 0 : length - 41);
    uint64_t bound[2] = {0, 0};
    bool good = length > 41 && range[20] == '-' && range[-1] == '/';
    for (size_t i = 0; good && i < 41; i++) {
        if (i != 20) {
            unsigned digit = (unsigned)(range[i] - '0');
            good = digit <= 9 && !__builtin_mul_overflow(bound[i > 20], 10u, &bound[i > 20]) &&
                   !__builtin_add_overflow(bound[i > 20], digit, &bound[i > 20]);
        }
    }
    if (!good || bound[0] >= bound[1]) {
        return STELE_FAIL(err, CORRUPT, "blob '%s': its name holds no range of entries", key);
    }
    *ret_lo = bound[0];
    *ret_hi = bound[1];
    return STELE_OK;
}

/* Replaces `out` by exactly `size` bytes. */
static stele_status get_exactly(const struct stele_unit *unit, char kind, uint64_t offset,
                                size_t size, stele_buf *out, stele_err *err) {
    const struct stele_pack *pack = unit->pack;
    char key[STELE_BLOB_KEY_MAX];
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_relaxed);
    size_t before = out->size;
    stele_pack_key(pack->log, kind, unit->lo, hi, key);
    stele_status st = pack->engine->ops->blob_get(pack->engine, key, offset, size, out, err);
    if (st == STELE_OK && out->size - before != size) {
        return STELE_FAIL(err, CORRUPT,
                          "blob '%s' ends at %" PRIu64 ", %zu bytes at %" PRIu64 " were expected",
                          key, offset + (out->size - before), size, offset);
    }
    if (st == STELE_NOT_FOUND) {
        return STELE_FAIL(err, CORRUPT, "blob '%s' is missing; restore it from a backup", key);
    }
    return st;
}

static stele_status blob_bytes(const struct stele_unit *unit, char kind, uint64_t *ret,
                               stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    stele_pack_key(unit->pack->log, kind, unit->lo,
                   atomic_load_explicit(&unit->hi, memory_order_relaxed), key);
    stele_status st = unit->pack->engine->ops->blob_size(unit->pack->engine, key, ret, err);
    if (st == STELE_NOT_FOUND) {
        return STELE_FAIL(err, CORRUPT, "blob '%s' is missing; restore it from a backup", key);
    }
    return st;
}

/* Fills the pack's numbers from header and footer and checks that they fit the blob and its name.
 */
static stele_status read_layout(struct stele_unit *unit, const stele_buf *head,
                                const stele_buf *foot, uint64_t size, stele_err *err) {
    struct stele_pack *pack = unit->pack;
    uint64_t hi = atomic_load(&unit->hi);
    const uint8_t *f = foot->data;
    pack->dir_offset = stele_get_u64(f);
    pack->n_items = stele_get_u32(f + 8);
    pack->n_frames = stele_get_u32(f + 12);
    pack->snapshot_offset = stele_get_u64(f + 16);
    pack->snapshot_bytes = stele_get_u32(f + 24);
    unit->era = stele_get_u32(head->data + 12);
    atomic_init(&unit->t_first, stele_get_u64(head->data + 32));
    atomic_init(&unit->t_last, stele_get_u64(head->data + 40));
    atomic_init(&unit->late_first, stele_get_u64(head->data + 48));
    atomic_init(&unit->late_last, stele_get_u64(head->data + 56));
    bool fits = memcmp(head->data, PACK_HEAD_MAGIC, MAGIC_BYTES) == 0 &&
                stele_get_u16(head->data + 8) == 1 && stele_get_u64(head->data + 16) == unit->lo &&
                stele_get_u64(head->data + 24) == hi &&
                memcmp(f + PACK_FOOT_BYTES - MAGIC_BYTES, PACK_FOOT_MAGIC, MAGIC_BYTES) == 0 &&
                pack->dir_offset >= PACK_HEAD_BYTES && pack->dir_offset <= size &&
                pack->n_items > 0 && pack->n_items <= hi - unit->lo &&
                pack->n_frames <= pack->n_items &&
                pack->snapshot_offset ==
                    pack->dir_offset + (uint64_t)pack->n_items * PACK_DIR_ENTRY_BYTES &&
                pack->snapshot_offset + pack->snapshot_bytes + PACK_FOOT_BYTES == size;
    if (!fits) {
        return STELE_FAIL(err, CORRUPT,
                          "pack [%" PRIu64 ", %" PRIu64 ") of log %s: header and footer do not fit",
                          unit->lo, hi, pack->log);
    }
    return STELE_OK;
}

/* Re-reads what the digest covers and compares. */
static stele_status check_digest(const struct stele_unit *unit, stele_err *err) {
    const struct stele_pack *pack = unit->pack;
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_sha256 sha;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    size_t rest = (size_t)pack->n_items * PACK_DIR_ENTRY_BYTES + pack->snapshot_bytes;
    stele_sha256_init(&sha);
    STELE_TRY(get_exactly(unit, 'p', 0, PACK_HEAD_BYTES, &bytes, err));
    STELE_TRY(get_exactly(unit, 'p', pack->dir_offset, rest + PACK_FOOT_BYTES, &bytes, err));
    stele_sha256_update(&sha, stele_view_slice(stele_view_buf(&bytes), 0,
                                               PACK_HEAD_BYTES + rest + PACK_FOOT_FIELDS_BYTES));
    stele_sha256_final(&sha, digest);
    if (memcmp(digest, bytes.data + PACK_HEAD_BYTES + rest + PACK_FOOT_FIELDS_BYTES,
               STELE_HASH_BYTES) != 0) {
        st = STELE_FAIL(err, CORRUPT,
                        "pack [%" PRIu64
                        ", ...) of log %s: directory or snapshot do not match the pack's digest",
                        unit->lo, pack->log);
    }
cleanup:
    stele_buf_done(&bytes);
    return st;
}

stele_status stele_pack_open(struct stele_engine *engine, const char *log, uint64_t lo, uint64_t hi,
                             struct stele_unit **ret, stele_err *err) {
    stele_buf head = STELE_BUF_EMPTY;
    stele_buf foot = STELE_BUF_EMPTY;
    uint64_t size = 0;
    stele_status st = STELE_OK;
    struct stele_unit *unit = stele_alloc(1, sizeof *unit);
    struct stele_pack *pack = stele_alloc(1, sizeof *pack);
    if (unit == NULL || pack == NULL || strlen(log) > STELE_LOG_NAME_MAX) {
        stele_free(pack);
        stele_free(unit);
        return STELE_FAIL(err, NO_MEMORY, "no memory to open a pack");
    }
    atomic_init(&unit->refs, 1);
    unit->pack = pack;
    unit->lo = lo;
    unit->end = hi;
    atomic_init(&unit->hi, hi);
    pack->engine = engine;
    memcpy(pack->log, log, strlen(log) + 1);
    STELE_TRY(blob_bytes(unit, 'p', &size, err));
    if (size < PACK_HEAD_BYTES + PACK_FOOT_BYTES) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "pack [%" PRIu64 ", %" PRIu64 ") of log %s: %" PRIu64
                             " bytes are no pack",
                             lo, hi, log, size));
    }
    STELE_TRY(get_exactly(unit, 'p', 0, PACK_HEAD_BYTES, &head, err));
    STELE_TRY(get_exactly(unit, 'p', size - PACK_FOOT_BYTES, PACK_FOOT_BYTES, &foot, err));
    STELE_TRY(read_layout(unit, &head, &foot, size, err));
    STELE_TRY(check_digest(unit, err));
    *ret = unit;
    unit = NULL;
cleanup:
    stele_buf_done(&head);
    stele_buf_done(&foot);
    stele_unit_unref(unit);
    return st;
}

stele_status stele_pack_snapshot(const struct stele_unit *unit, struct stele_head *ret,
                                 stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(get_exactly(unit, 'p', unit->pack->snapshot_offset, unit->pack->snapshot_bytes,
                          &bytes, err));
    STELE_TRY(stele_head_decode(stele_view_buf(&bytes), ret, err));
cleanup:
    stele_buf_done(&bytes);
    return st;
}

stele_status stele_pack_directory(const struct stele_unit *unit, stele_buf *dir, stele_err *err) {
    const struct stele_pack *pack = unit->pack;
    return get_exactly(unit, 'p', pack->dir_offset, (size_t)pack->n_items * PACK_DIR_ENTRY_BYTES,
                       dir, err);
}

/* Some 16 frames of small events. A frame that is larger is read alone. */
#define WINDOW_BYTES ((uint64_t)32 << 10)
/* Two threads that read one after the other pass over a few items each. */
#define PASSED_BYTES ((uint64_t)8 << 10)

/* Reads [at, end), and what follows it if the item before was read last. */
static stele_status fill_window(const struct stele_unit *unit, uint64_t at, uint64_t end,
                                struct stele_pack_window *window, stele_err *err) {
    uint64_t ahead =
        at + WINDOW_BYTES < unit->pack->dir_offset ? at + WINDOW_BYTES : unit->pack->dir_offset;
    bool near = window->next > 0 && at >= window->next && at - window->next < PASSED_BYTES;
    uint64_t to = near && ahead > end ? ahead : end;
    stele_buf_clear(&window->bytes);
    stele_status st = get_exactly(unit, 'p', at, (size_t)(to - at), &window->bytes, err);
    if (st != STELE_OK) {
        stele_buf_clear(&window->bytes);
    }
    window->at = at;
    return st;
}

/* Where an item lies in its pack, as the directory says, and which entries it holds. */
struct place {
    uint64_t at, end;
    uint64_t first_seq, end_seq;
};

static struct place find_place(const struct stele_unit *unit, const stele_buf *dir, uint64_t seq) {
    const struct stele_pack *pack = unit->pack;
    size_t low = 0;
    size_t high = pack->n_items;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (stele_get_u32(dir->data + middle * PACK_DIR_ENTRY_BYTES) <= seq - unit->lo) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const uint8_t *row = dir->data + low * PACK_DIR_ENTRY_BYTES;
    const uint8_t *next = low + 1 < pack->n_items ? row + PACK_DIR_ENTRY_BYTES : NULL;
    return (struct place){
        .at = stele_get_u64(row + 4),
        .end = next != NULL ? stele_get_u64(next + 4) : pack->dir_offset,
        .first_seq = unit->lo + stele_get_u32(row),
        .end_seq = next != NULL ? unit->lo + stele_get_u32(next)
                                : atomic_load_explicit(&unit->hi, memory_order_relaxed),
    };
}

static bool is_possible(const struct stele_unit *unit, const struct place *place) {
    return place->at >= PACK_HEAD_BYTES && place->at < place->end &&
           place->end <= unit->pack->dir_offset && place->end - place->at <= STELE_RECORD_BYTES_MAX;
}

/* A call that has a place fetched takes as long as a fast disk takes for this much: what lies
 * nearer is one place. */
#define NEAR_BYTES ((uint64_t)16 << 10)

/* Bytes of one blob that are asked for together. */
struct fetch {
    char kind;
    uint64_t lo, hi; /* lo == hi: nothing yet */
};

static void fetch_now(const struct stele_unit *unit, struct fetch *fetch) {
    struct stele_engine *engine = unit->pack->engine;
    char key[STELE_BLOB_KEY_MAX];
    if (fetch->lo < fetch->hi && engine->ops->blob_will_need != NULL) {
        stele_pack_key(unit->pack->log, fetch->kind, unit->lo,
                       atomic_load_explicit(&unit->hi, memory_order_relaxed), key);
        engine->ops->blob_will_need(engine, key, fetch->lo, (size_t)(fetch->hi - fetch->lo));
    }
    fetch->lo = fetch->hi = 0;
}

static void fetch_add(const struct stele_unit *unit, struct fetch *fetch, uint64_t lo,
                      uint64_t hi) {
    if (fetch->lo == fetch->hi || lo > fetch->hi + NEAR_BYTES || hi + NEAR_BYTES < fetch->lo) {
        fetch_now(unit, fetch);
        fetch->lo = lo;
        fetch->hi = hi;
        return;
    }
    fetch->lo = lo < fetch->lo ? lo : fetch->lo;
    fetch->hi = hi > fetch->hi ? hi : fetch->hi;
}

void stele_pack_will_need(const struct stele_unit *unit, const stele_buf *dir, const uint64_t *seq,
                          size_t n, bool leaves, struct stele_pack_window *window) {
    uint64_t unit_hi = atomic_load_explicit(&unit->hi, memory_order_relaxed);
    struct fetch items = {'p', 0, 0};
    struct fetch hashes = {'h', 0, 0};
    if (unit->pack->engine->ops->blob_will_need == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (seq[i] < unit->lo || seq[i] >= unit_hi) {
            continue;
        }
        struct place place = find_place(unit, dir, seq[i]);
        bool told = place.at >= window->told_lo && place.end <= window->told_hi;
        if (told || !is_possible(unit, &place) || place.end_seq <= place.first_seq ||
            place.end_seq > unit_hi) {
            continue;
        }
        fetch_add(unit, &items, place.at, place.end);
        if (leaves) {
            fetch_add(unit, &hashes, (place.first_seq - unit->lo) * STELE_HASH_BYTES,
                      (place.end_seq - unit->lo) * STELE_HASH_BYTES);
        }
        bool none = window->told_lo == window->told_hi;
        window->told_lo = none || place.at < window->told_lo ? place.at : window->told_lo;
        window->told_hi = none || place.end > window->told_hi ? place.end : window->told_hi;
    }
    fetch_now(unit, &items);
    fetch_now(unit, &hashes);
}

/* The directory of a pack of frames, its snapshot and its footer take some 50 KiB. */
#define END_BYTES ((uint64_t)64 << 10)

void stele_pack_will_open(struct stele_engine *engine, const char *log, uint64_t lo, uint64_t hi) {
    char key[STELE_BLOB_KEY_MAX];
    uint64_t size = 0;
    if (engine->ops->blob_will_need == NULL) {
        return;
    }
    stele_pack_key(log, 'p', lo, hi, key);
    if (engine->ops->blob_size(engine, key, &size, NULL) == STELE_OK && size > 0) {
        uint64_t end = size < END_BYTES ? size : END_BYTES;
        engine->ops->blob_will_need(engine, key, size - end, (size_t)end);
        if (end < size) {
            engine->ops->blob_will_need(engine, key, 0, PACK_HEAD_BYTES);
        }
    }
    stele_pack_key(log, 'h', lo, hi, key);
    if (engine->ops->blob_size(engine, key, &size, NULL) == STELE_OK &&
        size > (hi - lo) * STELE_HASH_BYTES) { /* else opening says what is wrong */
        uint64_t roots = (hi - lo) * STELE_HASH_BYTES;
        engine->ops->blob_will_need(engine, key, roots, (size_t)(size - roots));
    }
}

void stele_pack_will_enter(const struct stele_unit *unit) {
    const struct stele_pack *pack = unit->pack;
    struct fetch directory = {'p', pack->dir_offset,
                              pack->dir_offset + (uint64_t)pack->n_items * PACK_DIR_ENTRY_BYTES};
    fetch_now(unit, &directory);
}

stele_status stele_pack_item_bytes(const struct stele_unit *unit, const stele_buf *dir,
                                   uint64_t seq, struct stele_pack_window *window, stele_view *ret,
                                   stele_err *err) {
    const struct stele_pack *pack = unit->pack;
    struct place place = find_place(unit, dir, seq);
    uint64_t at = place.at;
    uint64_t end = place.end;
    if (!is_possible(unit, &place)) {
        return STELE_FAIL(err, CORRUPT,
                          "pack [%" PRIu64 ", ...) of log %s: entry %" PRIu64
                          " lies at impossible offsets",
                          unit->lo, pack->log, seq);
    }
    if (at < window->at || end > window->at + window->bytes.size) {
        stele_status st = fill_window(unit, at, end, window, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    window->next = end;
    *ret = stele_view_of(window->bytes.data + (at - window->at), (size_t)(end - at));
    return STELE_OK;
}

stele_status stele_pack_kseeds(const struct stele_unit *unit, stele_buf *kseeds, stele_err *err) {
    return get_exactly(unit, 'k', 0, (size_t)unit->pack->n_frames * KSEED_ENTRY_BYTES, kseeds, err);
}

stele_status stele_pack_kseed_find(const struct stele_unit *unit, const stele_buf *kseeds,
                                   uint64_t first_seq, uint8_t ret[STELE_AT_LEAST(32)],
                                   stele_err *err) {
    size_t low = 0;
    size_t high = kseeds->size / KSEED_ENTRY_BYTES;
    while (high > low) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *row = kseeds->data + middle * KSEED_ENTRY_BYTES;
        uint32_t at = stele_get_u32(row);
        if (at == first_seq - unit->lo) {
            memcpy(ret, row + 4, STELE_SEED_BYTES);
            return STELE_OK;
        }
        if (at < first_seq - unit->lo) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return STELE_FAIL(err, CORRUPT,
                      "pack [%" PRIu64
                      ", ...) of log %s: no keys seed for the frame at entry %" PRIu64,
                      unit->lo, unit->pack->log, first_seq);
}

stele_status stele_pack_leaves(const struct stele_unit *unit, uint64_t from, size_t n,
                               stele_buf *out, stele_err *err) {
    return get_exactly(unit, 'h', (from - unit->lo) * STELE_HASH_BYTES, n * STELE_HASH_BYTES, out,
                       err);
}

stele_status stele_pack_tile_roots(const struct stele_unit *unit, uint64_t first, size_t n,
                                   stele_buf *out, stele_err *err) {
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_relaxed);
    uint64_t at = (hi - unit->lo) + (first - stele_unit_first_tile(unit));
    return get_exactly(unit, 'h', at * STELE_HASH_BYTES, n * STELE_HASH_BYTES, out, err);
}

static stele_status check_side(const struct stele_unit *unit, char kind, const char *magic,
                               stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint64_t size = 0;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(blob_bytes(unit, kind, &size, err));
    /* 65,536 entries make at most 2.3 MB of either; the largest unit allowed makes 16 times that.
     */
    if (size < SIDE_FOOT_BYTES || size > (64u << 20)) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "blob %s/%c of entries from %" PRIu64 ": %" PRIu64
                             " bytes are impossible",
                             unit->pack->log, kind, unit->lo, size));
    }
    STELE_TRY(get_exactly(unit, kind, 0, (size_t)size, &bytes, err));
    const uint8_t *foot = bytes.data + size - SIDE_FOOT_BYTES;
    stele_sha256_of(stele_view_of(bytes.data, (size_t)size - MAGIC_BYTES - STELE_HASH_BYTES),
                    digest);
    if (memcmp(digest, foot + SIDE_FOOT_FIELDS_BYTES, STELE_HASH_BYTES) != 0 ||
        memcmp(foot + SIDE_FOOT_BYTES - MAGIC_BYTES, magic, MAGIC_BYTES) != 0 ||
        stele_get_u64(foot) != unit->lo || stele_get_u64(foot + 8) != atomic_load(&unit->hi)) {
        st = STELE_FAIL(err, CORRUPT,
                        "blob %s/%c of entries from %" PRIu64 ": its bytes do not match its digest",
                        unit->pack->log, kind, unit->lo);
    }
cleanup:
    stele_buf_done(&bytes);
    return st;
}

stele_status stele_pack_check(const struct stele_unit *unit, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_digest(unit, err));
    STELE_TRY(check_side(unit, 'h', HASH_FOOT_MAGIC, err));
    STELE_TRY(check_side(unit, 'k', KSEED_FOOT_MAGIC, err));
cleanup:
    return st;
}
