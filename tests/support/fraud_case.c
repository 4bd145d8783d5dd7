/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fraud_case.h"

#include <string.h>

#include "storage/catalog.h"
#include "tests/support/cmocka.h"

#define SEGMENT_ENTRIES 64

/* ------------------------------------------------------------------ parts of proofs */

/* A leaf of the lying log; its path lives as long as `path`. */
static struct stele_fraud_leaf leaf_of(const struct cm_log *log, uint64_t seq,
                                       struct stele_tree_path *path) {
    struct stele_leaf_pos pos = {seq, log->n};
    assert_ok(stele_tree_prove_inclusion(pos, cm_node, (void *)(uintptr_t)log, path, NULL));
    return (struct stele_fraud_leaf){stele_view_of(log->entry[seq]->bytes, log->entry[seq]->size),
                                     seq, stele_view_of(path->node, path->n * STELE_HASH_BYTES)};
}

static stele_status leaf_hash(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                              stele_err *err) {
    const struct cm_log *log = ctx;
    (void)err;
    memcpy(ret, log->leaves.data + seq * STELE_HASH_BYTES, STELE_HASH_BYTES);
    return STELE_OK;
}

/* The segment as the log's index has it, made by the store's code. */
static struct stele_segment_ref *build(const struct cm_log *log,
                                       const struct stele_descriptor *committed) {
    struct stele_segment_info info = committed->info;
    struct stele_leaf_source leaves = {leaf_hash, (void *)(uintptr_t)log};
    struct stele_segment_ref *ref = NULL;
    size_t n = 0;
    struct stele_posting *postings = stele_alloc(2 * info.n_postings + 1, sizeof *postings);
    assert_non_null(postings);
    for (uint64_t seq = info.lo; seq < info.hi; seq++) {
        const stele_buf *tags = &cm_indexed(log, seq)->tags;
        for (size_t i = 0; i < tags->size; i += STELE_TAG_BYTES, n++) {
            memcpy(postings[n].tag, tags->data + i, STELE_TAG_BYTES);
            postings[n].offset = (uint32_t)(seq - info.lo);
        }
    }
    assert_int_equal(n, info.n_postings);
    assert_ok(stele_segment_ref_build(&info, postings, n, leaves, &ref, NULL));
    assert_memory_equal(stele_seal_descriptor(ref->seal)->key_root, committed->key_root,
                        STELE_HASH_BYTES);
    stele_free(postings);
    return ref;
}

static size_t segment_of(const struct cm_index *index, uint64_t seq) {
    size_t i = 0;
    while (index->descriptor[i].info.hi <= seq) {
        i++;
    }
    return i;
}

/* As the auditor makes it, from the newest INDEX. */
static void prove(struct fraud_case *c, const struct stele_audit_difference *difference) {
    const struct cm_log *log = c->x.log;
    const struct cm_index *index = cm_index_newest(log);
    const struct cm_entry *event = log->entry[difference->seq];
    static struct stele_tree_path path[2];
    stele_err err = {.text = ""};
    cm_sign(log, &c->note);
    struct stele_audit_case wrong = {
        .note = stele_view_buf(&c->note),
        .index = leaf_of(log, index->seq, &path[0]),
        .committed = index->descriptor,
        .n_committed = index->n,
        .segment = (uint32_t)segment_of(index, difference->seq),
        .leaves = {leaf_hash, (void *)(uintptr_t)log},
        .difference = *difference,
        .event = leaf_of(log, difference->seq, &path[1]),
        .tags = stele_view_buf(&event->tags),
    };
    memcpy(wrong.ksalt, event->ksalt, sizeof wrong.ksalt);
    struct stele_segment_ref *ref = NULL;
    if (difference->kind != STELE_FRAUD_BOUNDS) {
        ref = build(log, &index->descriptor[wrong.segment]);
        wrong.postings = ref->segment;
        wrong.seal = ref->seal;
    }
    if (stele_audit_prove(&wrong, &c->proof, &err) != STELE_OK) {
        fail_msg("prove: %s (%s)", err.text, err.where);
    }
    stele_segment_ref_unref(ref);
}

/* ------------------------------------------------------------------ a false index */

/* An indexed copy of the entry, with tags of its own. */
static stele_buf *index_otherwise(struct cm_log *log, uint64_t seq) {
    const struct cm_entry *real = log->entry[seq];
    const struct sample_event event = {
        .tenant = "acme", .actor = "u-1", .time_unix_nano = real->entry.as.event.event_us * 1000};
    cm_phantom(log, seq, &event);
    memcpy(log->phantom->bytes, real->bytes, sizeof real->bytes);
    memcpy(log->phantom->salt, real->salt, sizeof real->salt);
    log->phantom->size = real->size;
    stele_buf_clear(&log->phantom->payload);
    assert_ok(stele_buf_append(&log->phantom->payload, stele_view_buf(&real->payload), NULL));
    stele_buf_clear(&log->phantom->tags);
    assert_ok(stele_buf_append(&log->phantom->tags, stele_view_buf(&real->tags), NULL));
    return &log->phantom->tags;
}

/* The k-th tag of the event is in the index of every other event that has it, and not of this. */
static void omit(struct fraud_case *c, uint64_t seq, size_t k) {
    struct stele_audit_difference difference = {.kind = STELE_FRAUD_OMISSION, .seq = seq};
    stele_buf *tags = index_otherwise(c->x.log, seq);
    uint8_t *tag = tags->data + k * STELE_TAG_BYTES;
    assert_true((k + 1) * STELE_TAG_BYTES <= tags->size);
    memcpy(difference.tag, tag, sizeof difference.tag);
    memmove(tag, tag + STELE_TAG_BYTES, tags->size - (k + 1) * STELE_TAG_BYTES);
    tags->size -= STELE_TAG_BYTES;
    (void)cm_index(c->x.log, one_now_us(&c->x), c->x.log->n, SEGMENT_ENTRIES);
    prove(c, &difference);
}
#define OMISSION(k)                                                                                \
    static void omission_##k(struct fraud_case *c) {                                               \
        omit(c, one_event(&c->x, false, 2), k);                                                    \
    }
OMISSION(0)
OMISSION(1)
OMISSION(2)
OMISSION(3)
static void omission_late(struct fraud_case *c) {
    omit(c, one_event(&c->x, true, 0), 0);
}
/* A tag that no other event has: the key is absent, at the end, the start or between others. */
static void omission_of_a_single(struct fraud_case *c, const char *actor) {
    uint64_t seq = one_add(&c->x, actor, "acme", false, CM_HONEST);
    const stele_buf *tags = &c->x.log->entry[seq]->tags;
    const stele_buf *others = &c->x.log->entry[one_event(&c->x, false, 0)]->tags;
    size_t k = 0;
    while (k * STELE_TAG_BYTES < others->size && k * STELE_TAG_BYTES < tags->size &&
           memcmp(others->data + k * STELE_TAG_BYTES, tags->data + k * STELE_TAG_BYTES,
                  STELE_TAG_BYTES) == 0) {
        k++;
    }
    omit(c, seq, k);
}
#define SINGLE(n)                                                                                  \
    static void omission_single_##n(struct fraud_case *c) {                                        \
        omission_of_a_single(c, "single-" #n);                                                     \
    }
SINGLE(1)
SINGLE(2)
SINGLE(3)

static int compare_tags(const void *a, const void *b) {
    return memcmp(a, b, STELE_TAG_BYTES);
}

/* The index lists the event under a tag of another one that is in the same segment. */
static void phantom(struct fraud_case *c) {
    struct stele_audit_difference difference = {.kind = STELE_FRAUD_PHANTOM};
    struct cm_log *log = c->x.log;
    uint64_t of = one_add(&c->x, "u-1", "acme", false, CM_HONEST);
    difference.seq = one_add(&c->x, "u-other", "acme", false, CM_HONEST);
    const stele_buf *others = &log->entry[of]->tags;
    stele_buf *tags = index_otherwise(log, difference.seq);
    size_t k = 0;
    while (bsearch(others->data + k * STELE_TAG_BYTES, tags->data, tags->size / STELE_TAG_BYTES,
                   STELE_TAG_BYTES, compare_tags) != NULL) {
        k++;
    }
    memcpy(difference.tag, others->data + k * STELE_TAG_BYTES, STELE_TAG_BYTES);
    assert_ok(stele_buf_append(tags, stele_view_of(difference.tag, STELE_TAG_BYTES), NULL));
    qsort(tags->data, tags->size / STELE_TAG_BYTES, STELE_TAG_BYTES, compare_tags);
    (void)cm_index(log, one_now_us(&c->x), log->n, SEGMENT_ENTRIES);
    prove(c, &difference);
}

/* Seals with one descriptor changed, and shows an entry of it that it does not fit. */
static void bounds(struct fraud_case *c, void (*change)(struct stele_segment_info *info),
                   bool late) {
    struct stele_audit_difference difference = {.kind = STELE_FRAUD_BOUNDS};
    size_t n = 0;
    struct stele_descriptor *descriptors = cm_descriptors(c->x.log, &n);
    uint64_t covered = descriptors[n - 1].info.hi;
    size_t at = 1;
    while (late && descriptors[at].info.late_first == UINT64_MAX) {
        at++;
    }
    uint64_t least_us = descriptors[at].info.late_first;
    difference.seq = descriptors[at].info.lo;
    change(&descriptors[at].info);
    while (late && c->x.log->entry[difference.seq]->entry.as.event.event_us != least_us) {
        difference.seq++;
    }
    while (c->x.log->entry[difference.seq]->entry.type == STELE_ENTRY_INDEX) {
        difference.seq++;
    }
    (void)cm_index_of(c->x.log, one_now_us(&c->x), covered, descriptors, n);
    prove(c, &difference);
}
static void later(struct stele_segment_info *info) {
    info->t_first = info->t_last;
}
static void none_late(struct stele_segment_info *info) {
    info->late_first = UINT64_MAX;
    info->late_last = 0;
}
static void another_era(struct stele_segment_info *info) {
    info->era++;
}
static void bounds_time(struct fraud_case *c) {
    bounds(c, later, false);
}
static void bounds_late(struct fraud_case *c) {
    bounds(c, none_late, true);
}
static void bounds_era(struct fraud_case *c) {
    bounds(c, another_era, false);
}

/* Two key leaves of the first segment in another order, or the first one twice. */
static void keys(struct fraud_case *c, bool twice) {
    static struct stele_fraud fraud;
    struct cm_log *log = c->x.log;
    static struct stele_tree_path path;
    struct cm_segment segment;
    stele_buf siblings[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    uint8_t bytes[STELE_DESCRIPTOR_BYTES];
    uint8_t hash[64][STELE_HASH_BYTES];
    size_t n = 0;
    struct stele_descriptor *descriptors = cm_descriptors(log, &n);
    const struct stele_segment_info *info = &descriptors[0].info;
    cm_segment_build(log, info->lo, info->hi, &segment);
    struct cm_key first = segment.key[5];
    segment.key[5] = twice ? first : segment.key[6];
    segment.key[6] = first;
    for (size_t i = 5; i < 7; i++) {
        stele_hash_key_leaf(segment.key[i].tag, segment.key[i].value,
                            segment.leaf + i * STELE_HASH_BYTES);
    }
    cm_root(stele_hash_key_inner, segment.leaf, segment.n_keys, descriptors[0].key_root);
    uint64_t seq = cm_index_of(log, one_now_us(&c->x), descriptors[n - 1].info.hi, descriptors, n);
    cm_sign(log, &c->note);
    fraud = (struct stele_fraud){.kind = STELE_FRAUD_KEY_ORDER,
                                 .note = stele_view_buf(&c->note),
                                 .has_index = true,
                                 .index = leaf_of(log, seq, &path),
                                 .n_keys = 2,
                                 .first_key = 5};
    for (size_t i = 0; i < n; i++) {
        stele_descriptor_hash(&descriptors[i], hash[i]);
    }
    stele_descriptor_encode(&descriptors[0], bytes);
    fraud.descriptor = stele_view_of(bytes, sizeof bytes);
    cm_siblings(stele_hash_manifest_inner, hash[0], n, 0, 1, &siblings[0]);
    cm_siblings(stele_hash_key_inner, segment.leaf, segment.n_keys, 5, 2, &siblings[1]);
    fraud.siblings = stele_view_buf(&siblings[0]);
    fraud.key_siblings = stele_view_buf(&siblings[1]);
    for (size_t i = 0; i < 2; i++) {
        memcpy(fraud.key[i].tag, segment.key[5 + i].tag, STELE_TAG_BYTES);
        memcpy(fraud.key[i].value, segment.key[5 + i].value, STELE_HASH_BYTES);
    }
    assert_ok(stele_fraud_encode(&fraud, &c->proof, NULL));
    stele_buf_done(&siblings[0]);
    stele_buf_done(&siblings[1]);
    cm_segment_done(&segment);
}
static void key_order(struct fraud_case *c) {
    keys(c, false);
}
static void key_twice(struct fraud_case *c) {
    keys(c, true);
}

/* ------------------------------------------------------------------ false entries */

static void encode_leaves(struct fraud_case *c, stele_fraud_kind kind, const uint64_t *seq,
                          size_t n) {
    static struct stele_fraud fraud;
    static struct stele_tree_path path[2];
    cm_sign(c->x.log, &c->note);
    fraud = (struct stele_fraud){.kind = kind, .note = stele_view_buf(&c->note), .n_leaves = n};
    for (size_t i = 0; i < n; i++) {
        fraud.leaf[i] = leaf_of(c->x.log, seq[i], &path[i]);
    }
    assert_ok(stele_fraud_encode(&fraud, &c->proof, NULL));
}

/* Changes a bit of the newest entry. */
static void flip_newest(struct cm_log *log, size_t at) {
    struct cm_entry *entry = log->entry[log->n - 1];
    entry->bytes[at] ^= 1;
    stele_hash_leaf(stele_view_of(entry->bytes, entry->size),
                    log->leaves.data + (log->n - 1) * STELE_HASH_BYTES);
}

static void time_falls(struct fraud_case *c) {
    struct sample_event event = {.tenant = "acme", .actor = "u-1"};
    uint64_t time_us = one_now_us(&c->x) - 1000000;
    event.time_unix_nano = time_us * 1000;
    uint64_t seq[2];
    seq[1] = cm_event(c->x.log, time_us, &event, CM_HONEST);
    seq[0] = seq[1] - 1;
    encode_leaves(c, STELE_FRAUD_ORDER, seq, 2);
}
static void another_place(struct fraud_case *c) {
    uint64_t seq = one_add(&c->x, "u-1", "acme", false, CM_HONEST);
    flip_newest(c->x.log, 15); /* the last byte of its seq */
    encode_leaves(c, STELE_FRAUD_ORDER, &seq, 1);
}
static void late_bit(struct fraud_case *c) {
    uint64_t seq = one_add(&c->x, "u-1", "acme", false, CM_HONEST);
    flip_newest(c->x.log, 3); /* its flags */
    encode_leaves(c, STELE_FRAUD_ENTRY, &seq, 1);
}

/* ------------------------------------------------------------------ two logs */

static void fork(struct fraud_case *c, bool of_one_size) {
    static struct stele_fraud fraud;
    static struct stele_tree_path path[2];
    stele_buf other = STELE_BUF_EMPTY;
    (void)one_add(&c->x, "u-1", "acme", false, CM_HONEST);
    uint64_t seq = c->x.log->n - 1;
    struct one twin = c->x;
    twin.log = c->honest;
    (void)one_add(&twin, "u-2", "acme", false, CM_HONEST);
    if (!of_one_size) {
        (void)one_add(&twin, "u-2", "acme", false, CM_HONEST);
    }
    cm_sign(c->x.log, &c->note);
    cm_sign(c->honest, &other);
    fraud = (struct stele_fraud){.kind = STELE_FRAUD_FORK,
                                 .note = stele_view_buf(&c->note),
                                 .other_note = stele_view_buf(&other)};
    if (!of_one_size) {
        fraud.n_leaves = 2;
        fraud.leaf[0] = leaf_of(c->x.log, seq, &path[0]);
        fraud.leaf[1] = leaf_of(c->honest, seq, &path[1]);
    }
    assert_ok(stele_fraud_encode(&fraud, &c->proof, NULL));
    stele_buf_done(&other);
}
static void fork_of_one_size(struct fraud_case *c) {
    fork(c, true);
}
static void fork_of_two_sizes(struct fraud_case *c) {
    fork(c, false);
}

/* ------------------------------------------------------------------ all of them */

const struct fraud_lie fraud_lies[] = {
#define ROW(name, kind)                                                                            \
    { #name, STELE_FRAUD_##kind, name }
    ROW(omission_0, OMISSION),
    ROW(omission_1, OMISSION),
    ROW(omission_2, OMISSION),
    ROW(omission_3, OMISSION),
    ROW(omission_late, OMISSION),
    ROW(omission_single_1, OMISSION),
    ROW(omission_single_2, OMISSION),
    ROW(omission_single_3, OMISSION),
    ROW(phantom, PHANTOM),
    ROW(key_order, KEY_ORDER),
    ROW(key_twice, KEY_ORDER),
    ROW(bounds_time, BOUNDS),
    ROW(bounds_late, BOUNDS),
    ROW(bounds_era, BOUNDS),
    ROW(fork_of_one_size, FORK),
    ROW(fork_of_two_sizes, FORK),
    ROW(time_falls, ORDER),
    ROW(another_place, ORDER),
    ROW(late_bit, ENTRY),
};
const size_t n_fraud_lies = sizeof fraud_lies / sizeof fraud_lies[0];

void fraud_case_begin(struct fraud_case *c, const struct fraud_lie *lie) {
    struct rng rng = {11};
    memset(c, 0, sizeof *c);
    one_begin(&c->x, 120);
    c->honest = cm_log_new("stele.example/eu-1/1y", 5, 1, CM_START_US);
    cm_fill(c->honest, &rng, 120, CM_START_US, 80);
    lie->make(c);
    while (c->honest->n < c->x.log->n) {
        struct one twin = c->x;
        twin.log = c->honest;
        (void)one_add(&twin, "u-1", "acme", false, CM_HONEST);
    }
    cm_sign(c->honest, &c->honest_note);
}

void fraud_case_end(struct fraud_case *c) {
    one_end(&c->x);
    cm_log_free(c->honest);
    stele_buf_done(&c->note);
    stele_buf_done(&c->honest_note);
    stele_buf_done(&c->proof);
}
