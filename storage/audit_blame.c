/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_blame.c: which segment of an INDEX is wrong, what is wrong in it, and the proof. */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_log.h"
#include "storage/leaf_window.h"
#include "storage/log_parts.h"

struct case_file {
    const struct stele_audit_blame *blame;
    struct stele_log_reader *reader;
    struct stele_leaf_window window;
    size_t n;
    struct stele_descriptor *committed; /* n of them */
    size_t segment;                     /* the first that is not as it should be; n: none */
    struct stele_descriptor should;
    struct stele_segment_ref *should_ref;
    struct stele_segment_ref *ref;       /* the committed one; the catalog's */
    struct stele_segment_ref *any_order; /* the same, read without trust in its order; or NULL */
    struct stele_tree_path index_path, event_path;
    uint8_t index_bytes[STELE_ENTRY_BYTES_MAX];
    struct stele_stored_entry event;
    const struct stele_tag_set *tags;
};

/* The stored segment of exactly these entries; NULL if it is stored no more, or never was. */
static struct stele_segment_ref *stored_segment(const struct stele_catalog *catalog, uint64_t lo,
                                                uint64_t hi) {
    for (size_t i = 0; i < catalog->n_segments; i++) {
        const struct stele_segment_info *info = stele_segment_info_of(catalog->segment[i]->segment);
        if (info->lo == lo && info->hi == hi) {
            return catalog->segment[i];
        }
    }
    return NULL;
}

static bool same(const struct stele_descriptor *a, const struct stele_descriptor *b) {
    uint8_t bytes[2][STELE_DESCRIPTOR_BYTES];
    stele_descriptor_encode(a, bytes[0]);
    stele_descriptor_encode(b, bytes[1]);
    return memcmp(bytes[0], bytes[1], sizeof bytes[0]) == 0;
}

/* What the INDEX committed to, of stored segments where there are, and whether it is that. */
static stele_status find_segment(struct case_file *c, stele_err *err) {
    const struct stele_audit_blame *blame = c->blame;
    struct stele_descriptor should;
    uint64_t lo = 0;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    uint8_t *hash = stele_alloc(c->n, STELE_HASH_BYTES);
    if (hash == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu descriptors", c->n);
    }
    for (size_t i = 0; i < c->n; i++) {
        STELE_TRY(stele_auditor_segment(blame->auditor, i, &should, NULL, err));
        struct stele_segment_ref *ref = stored_segment(blame->view->catalog, lo, should.info.hi);
        c->committed[i] = ref == NULL ? should : *stele_seal_descriptor(ref->seal);
        if (c->segment == c->n && !same(&should, &c->committed[i])) {
            c->segment = i;
            c->should = should;
            c->ref = ref;
        }
        stele_descriptor_hash(&c->committed[i], hash + i * STELE_HASH_BYTES);
        lo = should.info.hi;
    }
    STELE_TRY(stele_tree_shape_root(stele_hash_manifest_inner, hash, c->n, root, err));
    if (c->segment == c->n ||
        memcmp(root, blame->index->as.index.manifest_root, sizeof root) != 0) {
        st = STELE_FAIL(err, NOT_FOUND,
                        "the store does not have the index that entry %" PRIu64
                        " committed to: what is wrong in it cannot be shown to others",
                        blame->index->seq);
    }
cleanup:
    stele_free(hash);
    return st;
}

static bool fits(const struct stele_segment_info *info, const struct stele_entry *entry) {
    bool late = entry->type == STELE_ENTRY_EVENT && entry->as.event.late;
    return entry->time_us >= info->t_first && entry->time_us <= info->t_last &&
           (entry->seq != info->lo || entry->time_us == info->t_first) &&
           (entry->seq != info->hi - 1 || entry->time_us == info->t_last) &&
           (!late || (entry->as.event.event_us >= info->late_first &&
                      entry->as.event.event_us <= info->late_last)) &&
           (entry->type == STELE_ENTRY_INDEX || entry->era == info->era);
}

/* An entry that the committed descriptor does not fit. */
static stele_status find_bounds(struct case_file *c, struct stele_audit_difference *ret,
                                stele_err *err) {
    const struct stele_segment_info *info = &c->committed[c->segment].info;
    for (uint64_t seq = info->lo; seq < info->hi; seq++) {
        stele_status st = stele_log_read(c->reader, seq, &c->event, err);
        if (st != STELE_OK) {
            return st;
        }
        if (!fits(info, &c->event.entry)) {
            *ret = (struct stele_audit_difference){.kind = STELE_FRAUD_BOUNDS, .seq = seq};
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, NOT_FOUND,
                      "segment %zu of the index of entry %" PRIu64
                      " has the right postings, and says nothing false of an entry, but is not "
                      "the one it must be: there is no proof of that kind",
                      c->segment, c->blame->index->seq);
}

/* Two neighbours among the committed keys that do not ascend. END: all ascend. */
static stele_status find_disorder(struct case_file *c, struct stele_audit_difference *ret,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    if (c->ref->engine == NULL) {
        return STELE_END; /* in memory, of postings that were sorted in this process */
    }
    STELE_TRY(stele_segment_ref_open_any_order(c->ref->engine, c->ref->key, &c->any_order, err));
    STELE_TRY(stele_seal_find_disorder(c->any_order->seal, &ret->rank, err));
    ret->kind = STELE_FRAUD_KEY_ORDER;
    c->ref = c->any_order;
cleanup:
    return st;
}

static stele_status find_difference(struct case_file *c, struct stele_audit_difference *ret,
                                    stele_err *err) {
    struct stele_descriptor unused;
    stele_status st = find_disorder(c, ret, err);
    if (st != STELE_END) {
        return st; /* no other proof is looked for where keys do not ascend, or cannot be read */
    }
    STELE_TRY(stele_auditor_segment(c->blame->auditor, c->segment, &unused, &c->should_ref, err));
    st = c->should_ref == NULL
             ? STELE_NOT_FOUND
             : stele_audit_compare(c->should_ref->segment, c->ref->segment, ret, err);
    st = st == STELE_NOT_FOUND ? find_bounds(c, ret, err) : st;
cleanup:
    return st;
}

static stele_status path_of(const struct case_file *c, uint64_t seq, struct stele_tree_path *ret,
                            stele_err *err) {
    struct stele_leaf_pos pos = {seq, c->blame->size};
    return stele_tree_prove_inclusion(pos, stele_log_view_node, c->blame->view, ret, err);
}

/* The entry of the difference, and its tags. */
static stele_status show_event(struct case_file *c, struct stele_audit_case *wrong,
                               stele_err *err) {
    uint64_t seq = wrong->difference.seq;
    stele_status st = STELE_OK;
    STELE_TRY(path_of(c, seq, &c->event_path, err));
    STELE_TRY(stele_log_read(c->reader, seq, &c->event, err));
    if (wrong->difference.kind != STELE_FRAUD_BOUNDS) {
        STELE_TRY(stele_log_read_tags(c->reader, &c->tags, err));
        wrong->tags = stele_view_of(c->tags->tag[0], (size_t)c->tags->n * STELE_TAG_BYTES);
        memcpy(wrong->ksalt, c->event.ksalt, sizeof wrong->ksalt);
    }
    wrong->event = (struct stele_fraud_leaf){
        stele_view_of(c->event.bytes, c->event.n_bytes), seq,
        stele_view_of(c->event_path.node, c->event_path.n * STELE_HASH_BYTES)};
cleanup:
    return st;
}

static stele_status prove(struct case_file *c, const struct stele_audit_difference *difference,
                          stele_buf *out, stele_err *err) {
    const struct stele_audit_blame *blame = c->blame;
    struct stele_audit_case wrong = {.note = blame->note,
                                     .committed = c->committed,
                                     .n_committed = c->n,
                                     .segment = (uint32_t)c->segment,
                                     .postings = c->ref->segment,
                                     .seal = c->ref->seal,
                                     .leaves = stele_leaf_window_source(&c->window),
                                     .difference = *difference};
    stele_status st = STELE_OK;
    STELE_TRY(path_of(c, blame->index->seq, &c->index_path, err));
    if (difference->kind != STELE_FRAUD_KEY_ORDER) {
        STELE_TRY(show_event(c, &wrong, err));
    }
    wrong.index = (struct stele_fraud_leaf){
        stele_view_of(c->index_bytes, stele_entry_encode(blame->index, c->index_bytes)),
        blame->index->seq, stele_view_of(c->index_path.node, c->index_path.n * STELE_HASH_BYTES)};
    STELE_TRY(stele_audit_prove(&wrong, out, err));
cleanup:
    return st;
}

/* What is shown to others holds by the log's key alone. */
static stele_status verify(const struct case_file *c, stele_view proof, stele_err *err) {
    struct stele_vkey key;
    struct stele_fraud_report report;
    stele_status st = STELE_OK;
    struct stele_fraud *fraud = stele_alloc(1, sizeof *fraud);
    if (fraud == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a fraud proof");
    }
    stele_log_vkey(stele_log_view_log(c->blame->view), &key);
    STELE_TRY(stele_fraud_decode(proof, fraud, err));
    STELE_TRY(stele_fraud_verify(fraud, &key, 1, &report, err));
cleanup:
    stele_free(fraud);
    return st;
}

stele_status stele_audit__blame(const struct stele_audit_blame *blame, stele_buf *out,
                                stele_err *err) {
    struct stele_audit_difference difference = {.kind = STELE_FRAUD_BOUNDS};
    stele_status st = STELE_OK;
    size_t before = out->size;
    struct case_file *c = stele_alloc(1, sizeof *c);
    if (c == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a fraud proof");
    }
    c->blame = blame;
    c->n = c->segment = stele_auditor_n_segments(blame->auditor);
    stele_leaf_window_init(&c->window, blame->view->catalog);
    if (blame->index->seq >= blame->size) {
        STELE_TRY(STELE_FAIL(err, NOT_FOUND,
                             "entry %" PRIu64
                             " is in no signed checkpoint yet: nobody is bound by it",
                             blame->index->seq));
    }
    c->committed = stele_alloc(c->n, sizeof *c->committed);
    if (c->committed == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for %zu descriptors", c->n));
    }
    STELE_TRY(stele_log_reader_new(blame->view, &c->reader, err));
    STELE_TRY(find_segment(c, err));
    STELE_TRY(find_difference(c, &difference, err));
    STELE_TRY(prove(c, &difference, out, err));
    STELE_TRY(verify(c, stele_view_of(out->data + before, out->size - before), err));
cleanup:
    if (st != STELE_OK) {
        out->size = before;
    }
    stele_segment_ref_unref(c->should_ref);
    stele_segment_ref_unref(c->any_order);
    stele_log_reader_free(c->reader);
    stele_leaf_window_done(&c->window);
    stele_free(c->committed);
    stele_free(c);
    return st;
}
