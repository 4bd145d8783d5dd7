/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_asked.h"
#include "tests/support/complete_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_map.h"
#include "storage/cursor.h"

static void must(stele_status st, const char *what) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "complete plan: %s: %s\n", what, stele_status_name(st));
        abort();
    }
}

static void *grown(void *items, size_t n, size_t size) {
    void *made = stele_realloc(items, n, size);
    must(made == NULL ? STELE_NO_MEMORY : STELE_OK, "memory");
    return made;
}

/* ------------------------------------------------------------------ one log */

struct making {
    struct plan *plan;
    struct plan_log *of;
    uint8_t number;
    struct asked asked;
    bool wanted[STELE_STATE_LEAVES_MAX]; /* state leaves */
};

/* The state leaf with this key; false if there is none. */
static bool want(struct making *m, const char *key) {
    for (size_t i = 0; i < m->of->state->n; i++) {
        if (stele_view_is(stele_view_buf(&m->of->state->leaf[i].key), key)) {
            m->wanted[i] = true;
            return true;
        }
    }
    return false;
}

static bool want_number(struct making *m, const char *prefix, uint64_t number) {
    char key[64];
    (void)snprintf(key, sizeof key, "%s%" PRIu64, prefix, number);
    return want(m, key);
}

/* Why the entry has no payload, and the disposed/ range's end. */
static uint64_t want_disposed(struct making *m, uint64_t seq) {
    const struct stele_state *state = m->of->state;
    for (size_t i = 0; i < state->n; i++) {
        uint64_t lo = 0;
        char key[64] = "";
        (void)snprintf(key, sizeof key, "%.*s", (int)state->leaf[i].key.size,
                       (const char *)state->leaf[i].key.data);
        if (sscanf(key, "disposed/%" SCNu64, &lo) == 1 && lo <= seq &&
            seq < stele_get_u64(state->leaf[i].value.data)) {
            m->wanted[i] = true;
            return stele_get_u64(state->leaf[i].value.data);
        }
    }
    return seq + 1; /* there is none: what the file lacks, the verifier is to find */
}

static void want_logs(struct making *m) {
    const struct stele_state *state = m->of->state;
    for (size_t i = 0; i < state->n; i++) {
        if (state->leaf[i].key.size > 5 && memcmp(state->leaf[i].key.data, "logs/", 5) == 0) {
            m->wanted[i] = true;
            m->wanted[i == 0 ? 0 : i - 1] = true;
            m->wanted[i + 1 == state->n ? i : i + 1] = true;
        }
    }
}

static void make_runs(struct making *m) {
    for (size_t i = 0; i < m->of->state->n; i++) {
        if (!m->wanted[i]) {
            continue;
        }
        struct plan_run *last = m->of->n_states == 0 ? NULL : &m->of->states[m->of->n_states - 1];
        if (last != NULL && last->first + last->n == i) {
            last->n++;
        } else {
            must(m->of->n_states == PLAN_STATES_MAX ? STELE_LIMIT : STELE_OK, "states");
            m->of->states[m->of->n_states++] = (struct plan_run){i, 1};
        }
    }
}

void plan_item_of(const struct plan *plan, uint8_t log, uint64_t seq, bool is_event,
                  struct plan_item *ret) {
    const struct cm_entry *entry = cm_indexed(plan->log[log].log, seq);
    *ret = (struct plan_item){.log = log, .is_event = is_event};
    memcpy(ret->entry, entry->bytes, sizeof ret->entry);
    memcpy(ret->salt, entry->salt, sizeof ret->salt);
    memcpy(ret->ksalt, entry->ksalt, sizeof ret->ksalt);
    ret->payload = stele_view_buf(&entry->payload);
}

void plan_add(struct plan *plan, size_t i, const struct plan_item *item) {
    struct plan_item copy = *item;
    plan->item = grown(plan->item, plan->n_items + 1, sizeof *plan->item);
    memmove(&plan->item[i + 1], &plan->item[i], (plan->n_items - i) * sizeof *plan->item);
    plan->item[i] = copy;
    plan->n_items++;
}

static void add_posting(struct making *m, uint64_t seq, bool inside) {
    const struct cm_entry *entry = cm_indexed(m->of->log, seq);
    uint64_t event_us = entry->entry.as.event.event_us;
    bool asked =
        inside && event_us >= m->asked.t0 && (event_us < m->asked.t1 || m->asked.t1 == UINT64_MAX);
    struct plan_item item;
    plan_item_of(m->plan, m->number, seq, asked && !entry->missing && !m->of->counted, &item);
    if (asked && entry->missing && !m->of->counted && !want_number(m, "erased/", seq)) {
        (void)want_disposed(m, seq);
    }
    plan_add(m->plan, m->plan->n_items, &item);
}

/* Opaque subtrees over the postings outside of [from, to), left to right. above: the bit of the
 * parent; least: the segment's first entry. */
static void hide(const struct cm_log *log, const uint64_t *seq, size_t lo, size_t hi, size_t from,
                 size_t to, unsigned above, uint64_t least, struct stele_opened_leaf *leaf,
                 struct stele_opaque *out) {
    if (hi <= from || lo >= to) {
        struct stele_opaque *made = &out[leaf->n_left + leaf->n_right];
        made->rep = seq[lo] - seq[lo] % (UINT64_C(1) << above);
        made->rep = made->rep < least ? least : made->rep;
        cm_trie_root(log, seq + lo, hi - lo, made->hash);
        if (hi <= from) {
            leaf->n_left++;
        } else {
            leaf->n_right++;
        }
        return;
    }
    if (lo >= from && hi <= to) {
        return;
    }
    unsigned bit = 63;
    while ((seq[lo] >> bit & 1) == (seq[hi - 1] >> bit & 1)) {
        bit--;
    }
    size_t k = lo;
    while ((seq[k] >> bit & 1) == 0) {
        k++;
    }
    hide(log, seq, lo, k, from, to, bit, least, leaf, out);
    hide(log, seq, k, hi, from, to, bit, least, leaf, out);
}

/* Opens one history: the postings inside its window and their neighbours become items. */
static void open_history(struct making *m, const struct cm_key *key, uint64_t least, int late,
                         struct stele_opened_leaf *leaf, struct stele_opaque *out) {
    size_t from = 0;
    size_t to = key->n;
    while (from < key->n &&
           m->of->log->entry[key->seq[from]]->entry.time_us < m->asked.from[late]) {
        from++;
    }
    while (to > from && m->of->log->entry[key->seq[to - 1]]->entry.time_us >= m->asked.to[late]) {
        to--;
    }
    size_t first = from > 0 ? from - 1 : 0;
    size_t end = to < key->n ? to + 1 : key->n;
    leaf->opened = true;
    leaf->count = key->n;
    leaf->opaque = out;
    hide(m->of->log, key->seq, 0, key->n, first, end, 63, least, leaf, out);
    for (size_t i = first; i < end; i++) {
        add_posting(m, key->seq[i], i >= from && i < to);
    }
}

static void show_leaves(const struct cm_segment *segment, size_t first, size_t n,
                        struct plan_opening *ret) {
    ret->opening.kind = STELE_OPENING_OPENED;
    ret->opening.first_key = first;
    ret->opening.n_leaves = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
        struct stele_opened_leaf *leaf = &ret->opening.leaf[i];
        memset(leaf, 0, sizeof *leaf);
        memcpy(leaf->tag, segment->key[first + i].tag, sizeof leaf->tag);
        memcpy(leaf->value, segment->key[first + i].value, sizeof leaf->value);
    }
    stele_buf_clear(&ret->siblings);
    cm_siblings(stele_hash_key_inner, segment->leaf, segment->n_keys, first, n, &ret->siblings);
    ret->opening.siblings = stele_view_buf(&ret->siblings);
}

void plan_show_leaves(const struct cm_log *log, const struct stele_descriptor *descriptor,
                      size_t first, size_t n, struct plan_opening *ret) {
    struct cm_segment segment;
    cm_segment_build(log, descriptor->info.lo, descriptor->info.hi, &segment);
    show_leaves(&segment, first, n, ret);
    cm_segment_done(&segment);
}

static void open_segment(struct making *m, const struct stele_descriptor *descriptor,
                         struct plan_opening *ret) {
    struct cm_segment segment;
    struct stele_tag_key tag_key;
    uint8_t key[32];
    uint8_t t[2][STELE_TAG_BYTES];
    cm_segment_build(m->of->log, descriptor->info.lo, descriptor->info.hi, &segment);
    cm_tag_key(m->of->log, descriptor->info.era, key);
    stele_tag_key_init(&tag_key, key);
    size_t at[2];
    bool found[2];
    for (int late = 0; late < 2; late++) {
        stele_tag_of(&tag_key, m->asked.tenant, m->asked.field, m->asked.value, late == 1, t[late]);
        at[late] = 0;
        while (at[late] < segment.n_keys &&
               memcmp(segment.key[at[late]].tag, t[late], STELE_TAG_BYTES) < 0) {
            at[late]++;
        }
        found[late] = at[late] < segment.n_keys &&
                      memcmp(segment.key[at[late]].tag, t[late], STELE_TAG_BYTES) == 0;
    }
    /* From the one before t' alone, or before where they would stand, to the one after. */
    size_t first = found[0] || at[0] == 0 ? at[0] : at[0] - 1;
    size_t end = found[0] ? at[0] + 2 : at[1] + 1;
    end = end > segment.n_keys ? segment.n_keys : end;
    show_leaves(&segment, first, end - first, ret);
    for (size_t i = first; i < end; i++) {
        struct stele_opened_leaf *leaf = &ret->opening.leaf[i - first];
        for (int late = 0; late < 2; late++) {
            if (!found[late] || i != at[late] || !asked_meets(&m->asked, late, &descriptor->info)) {
                continue;
            }
            if (m->of->counted && asked_covers(&m->asked, late, &descriptor->info)) {
                const struct cm_key *key_of = &segment.key[i];
                leaf->counted = true;
                leaf->count = key_of->n;
                cm_trie_root(m->of->log, key_of->seq, key_of->n, leaf->root);
            } else {
                open_history(m, &segment.key[i], descriptor->info.lo, late, leaf,
                             ret->opaque[i - first]);
            }
        }
    }
    cm_segment_done(&segment);
    struct plan_log *of = m->of;
    if (of->n_keys == 0 || of->era[of->n_keys - 1] != descriptor->info.era) {
        of->era[of->n_keys] = descriptor->info.era;
        memcpy(of->key[of->n_keys++], key, sizeof key);
    }
}

static bool dispose_segment(struct making *m, const struct stele_descriptor *descriptor,
                            struct plan_opening *ret) {
    const struct cm_log *log = m->of->log;
    for (size_t i = 0; i < log->n_gone; i++) {
        const struct cm_gone *gone = &log->gone[i];
        if (gone->era != descriptor->info.era) {
            continue;
        }
        uint8_t *hashes = grown(NULL, gone->n, STELE_HASH_BYTES);
        for (size_t k = 0; k < gone->n; k++) {
            stele_descriptor_hash(&gone->descriptor[k], hashes + k * STELE_HASH_BYTES);
            if (gone->descriptor[k].info.lo == descriptor->info.lo) {
                ret->opening.place = (uint32_t)k;
            }
        }
        cm_siblings(stele_hash_manifest_inner, hashes, gone->n, ret->opening.place, 1,
                    &ret->siblings);
        stele_free(hashes);
        ret->opening.kind = STELE_OPENING_DISPOSED;
        ret->opening.siblings = stele_view_buf(&ret->siblings);
        (void)want_number(m, "gone/", gone->era);
        for (uint64_t seq = descriptor->info.lo; seq < descriptor->info.hi;) {
            seq = want_disposed(m, seq);
        }
        return true;
    }
    return false;
}

static void open_all(struct making *m, size_t end, const struct plan_options *options) {
    struct plan_log *of = m->of;
    for (size_t i = of->first; i < end; i++) {
        const struct stele_descriptor *descriptor = &of->all[i];
        uint8_t bytes[STELE_DESCRIPTOR_BYTES];
        stele_descriptor_encode(descriptor, bytes);
        must(stele_buf_append(&of->shown, stele_view_of(bytes, sizeof bytes), NULL), "shown");
        (void)want_number(m, "epoch/", descriptor->info.era);
        if (descriptor->info.map_version == options->fields_missing ||
            (!asked_meets(&m->asked, 0, &descriptor->info) &&
             !asked_meets(&m->asked, 1, &descriptor->info))) {
            continue;
        }
        struct plan_opening *opening = &of->openings[of->n_openings++];
        opening->segment = (uint32_t)i;
        opening->lo = descriptor->info.lo;
        if (descriptor->info.n_keys == 0) {
            opening->opening.kind = STELE_OPENING_EMPTY;
        } else if (!dispose_segment(m, descriptor, opening)) {
            open_segment(m, descriptor, opening);
        }
    }
}

static void make_log(struct making *m, const struct stele_question *question,
                     const struct plan_options *options) {
    struct plan_log *of = m->of;
    const struct cm_log *log = of->log;
    bool first_log = m->number == 0;
    const struct cm_index *index = first_log && options->index_seq != 0
                                       ? cm_index_at(log, options->index_seq)
                                       : cm_index_newest(log);
    uint64_t control = log->entry[index->seq]->entry.as.index.control;
    control = first_log && options->control_seq != 0 ? options->control_seq : control;
    of->condition = options->condition;
    of->by_log = !options->by_index && !options->counted;
    of->counted = options->counted;
    cm_sign(log, &of->note);
    memcpy(of->index, log->entry[index->seq]->bytes, sizeof of->index);
    memcpy(of->control, log->entry[control]->bytes, sizeof of->control);
    of->state = &cm_control_at(log, control)->state;
    of->all = index->descriptor;
    of->n_all = index->n;
    of->openings = grown(NULL, index->n, sizeof *of->openings);
    memset(of->openings, 0, index->n * sizeof *of->openings);
    uint64_t w0 = asked_least(m->asked.from[0], m->asked.from[1]);
    uint64_t w1 = asked_greatest(m->asked.to[0], m->asked.to[1]);
    for (size_t i = 0; i < index->n && index->descriptor[i].info.t_last < w0; i++) {
        of->first = i;
    }
    size_t end = of->first + 1;
    while (end < index->n && index->descriptor[end - 1].info.t_first < w1) {
        end++;
    }
    (void)want(m, "class");
    open_all(m, end, options);
    if (question->n_logs == 0 && strcmp(strrchr(log->origin, '/'), "/system") == 0) {
        want_logs(m);
    }
    make_runs(m);
}

static int compare_items(const void *a, const void *b) {
    const struct plan_item *x = a;
    const struct plan_item *y = b;
    int order = memcmp(x->entry + 16, y->entry + 16, 8); /* time_us, big-endian */
    order = order != 0 ? order : (x->log > y->log) - (x->log < y->log);
    return order != 0 ? order : memcmp(x->entry + 8, y->entry + 8, 8);
}

void plan_make(struct cm_log *const *logs, size_t n_logs, const struct stele_question *question,
               const struct plan_options *options, struct plan *ret) {
    static struct making m;
    memset(ret, 0, sizeof *ret);
    must(stele_question_encode(question, &ret->question, NULL), "question");
    ret->n_logs = n_logs;
    for (size_t i = 0; i < n_logs; i++) {
        ret->log[i].log = logs[i];
    }
    for (size_t i = 0; i < n_logs; i++) {
        memset(&m, 0, sizeof m);
        m.plan = ret;
        m.of = &ret->log[i];
        m.number = (uint8_t)i;
        m.asked = asked_of(question, options->condition);
        make_log(&m, question, options);
    }
    if (ret->n_items > 1) {
        qsort(ret->item, ret->n_items, sizeof *ret->item, compare_items);
    }
}

void plan_done(struct plan *plan) {
    for (size_t i = 0; i < plan->n_logs; i++) {
        struct plan_log *of = &plan->log[i];
        for (size_t k = 0; k < of->n_openings; k++) {
            stele_buf_done(&of->openings[k].siblings);
        }
        stele_free(of->openings);
        stele_buf_done(&of->note);
        stele_buf_done(&of->shown);
    }
    stele_buf_done(&plan->question);
    stele_free(plan->item);
    memset(plan, 0, sizeof *plan);
}

void plan_drop(struct plan *plan, size_t i) {
    memmove(&plan->item[i], &plan->item[i + 1], (plan->n_items - i - 1) * sizeof *plan->item);
    plan->n_items--;
}

size_t plan_find(const struct plan *plan, bool is_event, size_t i) {
    for (size_t at = 0; at < plan->n_items; at++) {
        if (plan->item[at].is_event == is_event && i-- == 0) {
            return at;
        }
    }
    (void)fprintf(stderr, "complete plan: it has no such item\n");
    abort();
}

uint64_t plan_seq(const struct plan_item *item) {
    return stele_get_u64(item->entry + 8);
}

/* ------------------------------------------------------------------ a plain scan */

static int compare_hits(const void *a, const void *b) {
    const struct plan_hit *x = a;
    const struct plan_hit *y = b;
    if (x->time_us != y->time_us) {
        return x->time_us < y->time_us ? -1 : 1;
    }
    if (x->log != y->log) {
        return x->log < y->log ? -1 : 1;
    }
    return (x->seq > y->seq) - (x->seq < y->seq);
}

size_t plan_scan(struct cm_log *const *logs, size_t n_logs, const struct stele_question *question,
                 struct plan_hit *out, size_t room) {
    static struct stele_event_facts facts;
    size_t n = 0;
    for (size_t i = 0; i < n_logs; i++) {
        const struct cm_log *log = logs[i];
        uint64_t covered = log->entry[cm_index_newest(log)->seq]->entry.as.index.covered;
        for (uint64_t seq = 0; seq < covered; seq++) {
            const struct cm_entry *entry = log->entry[seq];
            if (entry->entry.type != STELE_ENTRY_EVENT || entry->missing) {
                continue;
            }
            must(stele_event_map_v1(NULL, stele_view_buf(&entry->payload), &facts, NULL), "map");
            if (stele_event_filter_matches(&question->filter, &facts, entry->entry.time_us)) {
                must(n == room ? STELE_LIMIT : STELE_OK, "hits");
                out[n++] = (struct plan_hit){(uint8_t)i, seq, entry->entry.time_us};
            }
        }
    }
    if (n > 1) {
        qsort(out, n, sizeof *out, compare_hits);
    }
    return n;
}
