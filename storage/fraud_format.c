/* SPDX-License-Identifier: Apache-2.0 */
/* storage/fraud_format.c: the bytes of a fraud proof. Every kind has the same parts, most of them
 * empty. */
#include <string.h>

#include "storage/cursor.h"
#include "storage/fraud.h"
#include "storage/tree.h"

#define MAGIC "stele/fraud@v1\n"
#define MAGIC_BYTES 15
#define NEIGHBOUR_LEFT 0x01
#define NEIGHBOUR_RIGHT 0x02
/* A range proof has at most two hashes a level. */
#define HASHES_MAX (2 * STELE_TREE_PATH_MAX)

/* ------------------------------------------------------------------ writing */

static void write_hashes(struct stele_writer *w, stele_view hashes) {
    if (hashes.size % STELE_HASH_BYTES != 0 || hashes.size > HASHES_MAX * STELE_HASH_BYTES) {
        w->failed = true;
        return;
    }
    stele_write_u8(w, (uint8_t)(hashes.size / STELE_HASH_BYTES));
    stele_write_view(w, hashes);
}

static void write_leaf(struct stele_writer *w, const struct stele_fraud_leaf *leaf) {
    if (leaf->entry.size == 0 || leaf->entry.size > UINT8_MAX) {
        w->failed = true;
        return;
    }
    stele_write_u8(w, (uint8_t)leaf->entry.size);
    stele_write_view(w, leaf->entry);
    stele_write_u64(w, leaf->index);
    write_hashes(w, leaf->path);
}

static void write_opaque(struct stele_writer *w, const struct stele_fraud_opaque *opaque) {
    stele_write_u64(w, opaque->rep);
    stele_write_view(w, stele_view_of(opaque->hash, sizeof opaque->hash));
}

static void write_history(struct stele_writer *w, const struct stele_fraud_history *h) {
    stele_write_u64(w, h->count);
    stele_write_u8(
        w, (uint8_t)((h->has_left ? NEIGHBOUR_LEFT : 0) | (h->has_right ? NEIGHBOUR_RIGHT : 0)));
    if (h->has_left) {
        write_opaque(w, &h->left);
    }
    if (h->has_right) {
        write_opaque(w, &h->right);
    }
    stele_write_u8(w, (uint8_t)h->n_before);
    stele_write_u8(w, (uint8_t)h->n_after);
    for (size_t i = 0; i < h->n_before; i++) {
        write_opaque(w, &h->before[i]);
    }
    for (size_t i = 0; i < h->n_after; i++) {
        write_opaque(w, &h->after[i]);
    }
}

stele_status stele_fraud_encode(const struct stele_fraud *fraud, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_writer w = stele_writer_to(out);
    stele_write_view(&w, stele_view_of(MAGIC, MAGIC_BYTES));
    stele_write_u8(&w, (uint8_t)fraud->kind);
    stele_write_lp(&w, fraud->note);
    stele_write_lp(&w, fraud->other_note);
    stele_write_u8(&w, (uint8_t)fraud->n_leaves);
    for (size_t i = 0; i < fraud->n_leaves; i++) {
        write_leaf(&w, &fraud->leaf[i]);
    }
    stele_write_u8(&w, fraud->has_index ? 1 : 0);
    if (fraud->has_index) {
        write_leaf(&w, &fraud->index);
        stele_write_u32(&w, fraud->segment);
        stele_write_view(&w, fraud->descriptor);
        write_hashes(&w, fraud->siblings);
    }
    stele_write_u8(&w, fraud->has_tags ? 1 : 0);
    if (fraud->has_tags) {
        stele_write_view(&w, stele_view_of(fraud->ksalt, sizeof fraud->ksalt));
        stele_write_lp(&w, fraud->tags);
        stele_write_view(&w, stele_view_of(fraud->tag, sizeof fraud->tag));
    }
    stele_write_u8(&w, (uint8_t)fraud->n_keys);
    if (fraud->n_keys > 0) {
        stele_write_u64(&w, fraud->first_key);
        stele_write_view(&w, stele_view_of(fraud->key, fraud->n_keys * sizeof fraud->key[0]));
        write_hashes(&w, fraud->key_siblings);
    }
    stele_write_u8(&w, fraud->has_history ? 1 : 0);
    if (fraud->has_history) {
        write_history(&w, &fraud->history);
    }
    stele_status st = stele_writer_end(&w, err);
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

/* ------------------------------------------------------------------ reading */

bool stele_fraud_is(stele_view bytes) {
    return bytes.size >= MAGIC_BYTES && memcmp(bytes.data, MAGIC, MAGIC_BYTES) == 0;
}

static stele_status read_hashes(struct stele_reader *r, stele_view *ret, stele_err *err) {
    uint8_t n = 0;
    stele_status st = stele_read_u8(r, &n, err);
    if (st == STELE_OK && n > HASHES_MAX) {
        return STELE_FAIL(err, INVALID, "%s: %u hashes beside a leaf; a proof has at most %d",
                          r->what, n, HASHES_MAX);
    }
    return st == STELE_OK ? stele_read_view(r, (size_t)n * STELE_HASH_BYTES, ret, err) : st;
}

static stele_status read_leaf(struct stele_reader *r, struct stele_fraud_leaf *ret,
                              stele_err *err) {
    uint8_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(r, &n, err));
    STELE_TRY(stele_read_view(r, n, &ret->entry, err));
    STELE_TRY(stele_read_u64(r, &ret->index, err));
    STELE_TRY(read_hashes(r, &ret->path, err));
cleanup:
    return st;
}

/* A count or a flag that is at most `max`. */
static stele_status read_up_to(struct stele_reader *r, uint8_t max, const char *of, uint8_t *ret,
                               stele_err *err) {
    stele_status st = stele_read_u8(r, ret, err);
    return st == STELE_OK && *ret > max
               ? STELE_FAIL(err, INVALID, "%s: %u where %s goes up to %u", r->what, *ret, of, max)
               : st;
}

static stele_status read_opaque(struct stele_reader *r, struct stele_fraud_opaque *ret,
                                stele_err *err) {
    stele_status st = stele_read_u64(r, &ret->rep, err);
    return st == STELE_OK ? stele_read_bytes(r, ret->hash, sizeof ret->hash, err) : st;
}

static stele_status read_history(struct stele_reader *r, struct stele_fraud_history *h,
                                 stele_err *err) {
    uint8_t flags = 0;
    uint8_t n[2] = {0, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(r, &h->count, err));
    STELE_TRY(read_up_to(r, NEIGHBOUR_LEFT | NEIGHBOUR_RIGHT, "neighbours", &flags, err));
    h->has_left = (flags & NEIGHBOUR_LEFT) != 0;
    h->has_right = (flags & NEIGHBOUR_RIGHT) != 0;
    STELE_TRY(h->has_left ? read_opaque(r, &h->left, err) : STELE_OK);
    STELE_TRY(h->has_right ? read_opaque(r, &h->right, err) : STELE_OK);
    STELE_TRY(read_up_to(r, STELE_HISTORY_DEPTH_MAX, "hidden parts", &n[0], err));
    STELE_TRY(read_up_to(r, STELE_HISTORY_DEPTH_MAX, "hidden parts", &n[1], err));
    for (; h->n_before < n[0]; h->n_before++) {
        STELE_TRY(read_opaque(r, &h->before[h->n_before], err));
    }
    for (; h->n_after < n[1]; h->n_after++) {
        STELE_TRY(read_opaque(r, &h->after[h->n_after], err));
    }
cleanup:
    return st;
}

static stele_status read_index(struct stele_reader *r, struct stele_fraud *made, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(read_leaf(r, &made->index, err));
    STELE_TRY(stele_read_u32(r, &made->segment, err));
    STELE_TRY(stele_read_view(r, STELE_DESCRIPTOR_BYTES, &made->descriptor, err));
    STELE_TRY(read_hashes(r, &made->siblings, err));
cleanup:
    return st;
}

static stele_status read_tags(struct stele_reader *r, struct stele_fraud *made, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_bytes(r, made->ksalt, sizeof made->ksalt, err));
    STELE_TRY(stele_read_lp(r, &made->tags, err));
    STELE_TRY(stele_read_bytes(r, made->tag, sizeof made->tag, err));
cleanup:
    return st;
}

static stele_status read_keys(struct stele_reader *r, struct stele_fraud *made, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(r, &made->first_key, err));
    for (size_t i = 0; i < made->n_keys; i++) {
        STELE_TRY(stele_read_bytes(r, made->key[i].tag, sizeof made->key[i].tag, err));
        STELE_TRY(stele_read_bytes(r, made->key[i].value, sizeof made->key[i].value, err));
    }
    STELE_TRY(read_hashes(r, &made->key_siblings, err));
cleanup:
    return st;
}

stele_status stele_fraud_decode(stele_view bytes, struct stele_fraud *ret, stele_err *err) {
    struct stele_reader r = stele_reader_of(bytes, "fraud proof");
    struct stele_fraud made;
    uint8_t byte = 0;
    stele_status st = STELE_OK;
    memset(&made, 0, sizeof made);
    STELE_TRY(stele_read_expect(&r, stele_view_of(MAGIC, MAGIC_BYTES), err));
    STELE_TRY(read_up_to(&r, STELE_FRAUD_ENTRY, "the kind", &byte, err));
    made.kind = (stele_fraud_kind)byte;
    STELE_TRY(stele_read_lp(&r, &made.note, err));
    STELE_TRY(stele_read_lp(&r, &made.other_note, err));
    STELE_TRY(read_up_to(&r, 2, "the number of entries", &byte, err));
    for (; made.n_leaves < byte; made.n_leaves++) {
        STELE_TRY(read_leaf(&r, &made.leaf[made.n_leaves], err));
    }
    STELE_TRY(read_up_to(&r, 1, "a flag", &byte, err));
    made.has_index = byte != 0;
    STELE_TRY(made.has_index ? read_index(&r, &made, err) : STELE_OK);
    STELE_TRY(read_up_to(&r, 1, "a flag", &byte, err));
    made.has_tags = byte != 0;
    STELE_TRY(made.has_tags ? read_tags(&r, &made, err) : STELE_OK);
    STELE_TRY(read_up_to(&r, 2, "the number of key leaves", &byte, err));
    made.n_keys = byte;
    STELE_TRY(made.n_keys > 0 ? read_keys(&r, &made, err) : STELE_OK);
    STELE_TRY(read_up_to(&r, 1, "a flag", &byte, err));
    made.has_history = byte != 0;
    STELE_TRY(made.has_history ? read_history(&r, &made.history, err) : STELE_OK);
    STELE_TRY(stele_reader_end(&r, err));
    *ret = made;
cleanup:
    return st;
}
