/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_encode.c: a plan as a file, twice: by bytes that this file puts down
 * itself from FORMAT.md, which takes any plan, and with the product's writer, which takes honest
 * ones.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/complete_plan.h"
#include "tests/support/tree_model.h"

static void must(stele_status st) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "complete encode: %s\n", stele_status_name(st));
        abort();
    }
}

static size_t begin(struct stele_writer *w, uint8_t type) {
    stele_write_u8(w, type);
    stele_write_u32(w, 0);
    return w->buf->size;
}

static void end(const struct stele_writer *w, size_t start) {
    stele_put_u32(w->buf->data + start - 4, (uint32_t)(w->buf->size - start));
}

static void put_path(struct stele_writer *w, const struct cm_log *log, uint64_t seq) {
    stele_buf path = STELE_BUF_EMPTY;
    if (seq < log->n) {
        model_path(log->leaves.data, log->n, (size_t)seq, &path);
    }
    stele_write_u8(w, (uint8_t)(path.size / STELE_HASH_BYTES));
    stele_write_view(w, stele_view_buf(&path));
    stele_buf_done(&path);
}

static void put_anchor(struct stele_writer *w, uint8_t number, const struct plan_log *of) {
    size_t start = begin(w, STELE_COMPLETE_ANCHOR);
    stele_write_u8(w, number);
    stele_write_u8(w, of->condition);
    stele_write_u8(w, (uint8_t)((of->by_log ? 1 : 0) + (of->counted ? 2 : 0)));
    stele_write_view(w, stele_view_of(of->index, sizeof of->index));
    put_path(w, of->log, stele_get_u64(of->index + 8));
    stele_write_view(w, stele_view_of(of->control, sizeof of->control));
    put_path(w, of->log, stele_get_u64(of->control + 8));
    stele_write_view(w, stele_view_of(of->log->leaves.data, STELE_HASH_BYTES));
    put_path(w, of->log, 0);
    end(w, start);
}

static void put_consistency(struct stele_writer *w, uint8_t number, const struct plan_log *of) {
    stele_buf proof = STELE_BUF_EMPTY;
    if (of->old_leaves > 0) {
        model_proof(of->log->leaves.data, of->log->n, (size_t)of->old_leaves, &proof);
        size_t start = begin(w, STELE_COMPLETE_CONSISTENCY);
        stele_write_u8(w, number);
        stele_write_u64(w, of->old_leaves);
        stele_write_view(w, stele_view_buf(&proof));
        end(w, start);
    }
    stele_buf_done(&proof);
}

static void put_siblings(struct stele_writer *w, stele_tree_inner_fn inner, const uint8_t *hashes,
                         size_t size, size_t first, size_t n) {
    stele_buf siblings = STELE_BUF_EMPTY;
    cm_siblings(inner, hashes, size, first, n, &siblings);
    stele_write_view(w, stele_view_buf(&siblings));
    stele_buf_done(&siblings);
}

static void put_states(struct stele_writer *w, uint8_t number, const struct plan_log *of) {
    const struct stele_state *state = of->state;
    uint8_t *hashes = stele_alloc(state->n, STELE_HASH_BYTES);
    assert(hashes != NULL);
    for (size_t i = 0; i < state->n; i++) {
        stele_hash_state_leaf(stele_view_buf(&state->leaf[i].key),
                              stele_view_buf(&state->leaf[i].value), hashes + i * STELE_HASH_BYTES);
    }
    for (size_t k = 0; k < of->n_states; k++) {
        const struct plan_run *run = &of->states[k];
        size_t start = begin(w, STELE_COMPLETE_STATE);
        stele_write_u8(w, number);
        stele_write_u64(w, run->first);
        stele_write_u16(w, (uint16_t)run->n);
        for (size_t i = run->first; i < run->first + run->n; i++) {
            stele_write_lp(w, stele_view_buf(&state->leaf[i].key));
            stele_write_lp(w, stele_view_buf(&state->leaf[i].value));
        }
        put_siblings(w, stele_hash_state_inner, hashes, state->n, run->first, run->n);
        end(w, start);
    }
    stele_free(hashes);
}

static void put_manifest(struct stele_writer *w, uint8_t number, const struct plan_log *of) {
    size_t n = of->shown.size / STELE_DESCRIPTOR_BYTES;
    uint8_t *hashes = stele_alloc(of->n_all, STELE_HASH_BYTES);
    assert(hashes != NULL);
    for (size_t i = 0; i < of->n_all; i++) {
        stele_descriptor_hash(&of->all[i], hashes + i * STELE_HASH_BYTES);
    }
    size_t start = begin(w, STELE_COMPLETE_MANIFEST);
    stele_write_u8(w, number);
    stele_write_u32(w, (uint32_t)of->first);
    stele_write_u32(w, (uint32_t)n);
    stele_write_view(w, stele_view_buf(&of->shown));
    put_siblings(w, stele_hash_manifest_inner, hashes, of->n_all, of->first, n);
    end(w, start);
    stele_free(hashes);
}

static void put_keys(struct stele_writer *w, uint8_t number, const struct plan_log *of) {
    for (size_t i = 0; i < of->n_keys; i++) {
        size_t start = begin(w, STELE_COMPLETE_KEY);
        stele_write_u8(w, number);
        stele_write_u32(w, of->era[i]);
        stele_write_view(w, stele_view_of(of->key[i], 32));
        end(w, start);
    }
}

static void put_opening(struct stele_writer *w, uint8_t number,
                        const struct plan_opening *opening) {
    static const uint8_t zeros[STELE_HASH_BYTES];
    const struct stele_opening *of = &opening->opening;
    size_t start = begin(w, STELE_COMPLETE_OPENING);
    stele_write_u8(w, number);
    stele_write_u32(w, opening->segment);
    stele_write_u8(w, (uint8_t)of->kind);
    if (of->kind == STELE_OPENING_DISPOSED) {
        stele_write_u32(w, of->place);
    } else if (of->kind == STELE_OPENING_OPENED) {
        stele_write_u64(w, of->first_key);
        stele_write_u8(w, of->n_leaves);
        for (size_t i = 0; i < of->n_leaves; i++) {
            const struct stele_opened_leaf *leaf = &of->leaf[i];
            stele_write_view(w, stele_view_of(leaf->tag, sizeof leaf->tag));
            stele_write_view(
                w, stele_view_of(leaf->opened || leaf->counted ? zeros : leaf->value, 32));
        }
        for (size_t i = 0; i < of->n_leaves; i++) {
            const struct stele_opened_leaf *leaf = &of->leaf[i];
            if (leaf->counted) {
                stele_write_u64(w, leaf->count);
                stele_write_view(w, stele_view_of(leaf->root, 32));
            }
            if (!leaf->opened) {
                continue;
            }
            stele_write_u64(w, leaf->count);
            stele_write_u8(w, leaf->n_left);
            stele_write_u8(w, leaf->n_right);
            for (size_t k = 0; k < (size_t)leaf->n_left + leaf->n_right; k++) {
                stele_write_u64(w, leaf->opaque[k].rep);
                stele_write_view(w, stele_view_of(leaf->opaque[k].hash, 32));
            }
        }
    }
    if (of->kind != STELE_OPENING_EMPTY) {
        stele_write_view(w, of->siblings);
    }
    end(w, start);
}

/* The hashes of the subtrees that make up leaves [*next, to). */
static void put_gap(struct stele_writer *w, const struct plan_log *of, uint64_t next, uint64_t to) {
    while (of->by_log && next < to) {
        uint64_t size = 1;
        while (next % (2 * size) == 0 && next + 2 * size <= to) {
            size *= 2;
        }
        uint8_t root[STELE_HASH_BYTES];
        model_root(of->log->leaves.data + next * STELE_HASH_BYTES, (size_t)size, root);
        stele_write_view(w, stele_view_of(root, sizeof root));
        next += size;
    }
}

/* The openings of a log that stand before an entry with this seq. */
static void put_openings(struct stele_writer *w, const struct plan *plan, uint8_t log, uint64_t seq,
                         size_t *done) {
    const struct plan_log *of = &plan->log[log];
    while (*done < of->n_openings && of->openings[*done].lo <= seq) {
        put_opening(w, log, &of->openings[(*done)++]);
    }
}

static void put_items(struct stele_writer *w, const struct plan *plan, uint64_t *next) {
    size_t done[PLAN_LOGS_MAX] = {0};
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct plan_item *item = &plan->item[i];
        uint64_t seq = plan_seq(item);
        put_openings(w, plan, item->log, seq, &done[item->log]);
        size_t start = begin(w, item->is_event ? STELE_ANSWER_EVENT : STELE_COMPLETE_ENTRY);
        stele_write_u8(w, item->log);
        stele_write_view(w, stele_view_of(item->entry, item->is_event ? 32 : sizeof item->entry));
        if (item->is_event) {
            stele_write_view(w, stele_view_of(item->salt, sizeof item->salt));
            stele_write_view(w, stele_view_of(item->ksalt, sizeof item->ksalt));
        }
        if (seq < plan->log[item->log].log->n) {
            put_gap(w, &plan->log[item->log], next[item->log], seq);
            next[item->log] = seq + 1;
        }
        if (item->is_event) {
            stele_write_view(w, item->payload);
        }
        end(w, start);
    }
    for (size_t i = 0; i < plan->n_logs; i++) {
        put_openings(w, plan, (uint8_t)i, UINT64_MAX, &done[i]);
    }
}

void plan_encode(const struct plan *plan, stele_buf *out) {
    struct stele_writer w = stele_writer_to(out);
    uint64_t next[PLAN_LOGS_MAX] = {0};
    uint64_t n_events = 0;
    uint8_t digest[STELE_HASH_BYTES];
    size_t from = out->size;
    stele_write_view(&w, stele_view_str("stele/answer@v2\n"));
    size_t start = begin(&w, STELE_ANSWER_QUESTION);
    stele_write_view(&w, stele_view_buf(&plan->question));
    end(&w, start);
    for (size_t i = 0; i < plan->n_logs; i++) {
        start = begin(&w, STELE_ANSWER_LOG);
        stele_write_view(&w, stele_view_buf(&plan->log[i].note));
        end(&w, start);
    }
    for (size_t i = 0; i < plan->n_logs; i++) {
        put_anchor(&w, (uint8_t)i, &plan->log[i]);
        put_consistency(&w, (uint8_t)i, &plan->log[i]);
        put_states(&w, (uint8_t)i, &plan->log[i]);
        put_manifest(&w, (uint8_t)i, &plan->log[i]);
        put_keys(&w, (uint8_t)i, &plan->log[i]);
    }
    put_items(&w, plan, next);
    for (size_t i = 0; i < plan->n_logs; i++) {
        start = begin(&w, STELE_ANSWER_LOG_END);
        stele_write_u8(&w, (uint8_t)i);
        put_gap(&w, &plan->log[i], next[i], plan->log[i].log->n);
        end(&w, start);
    }
    for (size_t i = 0; i < plan->n_items; i++) {
        n_events += plan->item[i].is_event;
    }
    stele_write_u8(&w, STELE_ANSWER_END);
    stele_write_u32(&w, 41);
    stele_write_u64(&w, n_events);
    stele_write_u8(&w, 0);
    must(stele_writer_end(&w, NULL));
    stele_sha256_of(stele_view_of(out->data + from, out->size - from), digest);
    must(stele_buf_append(out, stele_view_of(digest, sizeof digest), NULL));
}

/* ------------------------------------------------------------------ the product's writer */

static stele_status write_parts(struct stele_complete_writer *w, const struct plan *plan,
                                stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    for (uint8_t i = 0; i < plan->n_logs; i++) {
        const struct plan_log *of = &plan->log[i];
        const struct stele_complete_anchor anchor = {
            .condition = of->condition,
            .by_log = of->by_log,
            .counted = of->counted,
            .index = stele_view_of(of->index, sizeof of->index),
            .control = stele_view_of(of->control, sizeof of->control)};
        STELE_TRY(stele_complete_write_anchor(w, i, &anchor, out, err));
        if (of->old_leaves > 0) {
            STELE_TRY(stele_complete_write_consistency(w, i, of->old_leaves, out, err));
        }
        for (size_t k = 0; k < of->n_states; k++) {
            STELE_TRY(stele_complete_write_state(w, i, of->state, of->states[k].first,
                                                 of->states[k].n, out, err));
        }
        STELE_TRY(stele_complete_write_manifest(w, i, of->all, of->n_all, of->first,
                                                of->shown.size / STELE_DESCRIPTOR_BYTES, out, err));
        for (size_t k = 0; k < of->n_keys; k++) {
            STELE_TRY(stele_complete_write_key(w, i, of->era[k], of->key[k], out, err));
        }
    }
cleanup:
    return st;
}

static stele_status write_openings(struct stele_complete_writer *w, const struct plan *plan,
                                   uint8_t log, uint64_t seq, size_t *done, stele_buf *out,
                                   stele_err *err) {
    const struct plan_log *of = &plan->log[log];
    stele_status st = STELE_OK;
    while (*done < of->n_openings && of->openings[*done].lo <= seq && st == STELE_OK) {
        const struct plan_opening *opening = &of->openings[(*done)++];
        st = stele_complete_write_opening(w, log, opening->segment, &opening->opening, out, err);
    }
    return st;
}

stele_status plan_write(const struct plan *plan, stele_buf *out, stele_err *err) {
    struct stele_complete_writer *w = NULL;
    size_t done[PLAN_LOGS_MAX] = {0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_complete_writer_new(&w, err));
    STELE_TRY(stele_complete_write_question(w, stele_view_buf(&plan->question), out, err));
    for (size_t i = 0; i < plan->n_logs; i++) {
        uint8_t number = 0;
        struct cm_log *log = NULL;
        memcpy(&log, &plan->log[i].log, sizeof log); /* a node function's ctx is not const */
        STELE_TRY(stele_complete_write_log(w, stele_view_buf(&plan->log[i].note), log->n, cm_node,
                                           log, &number, out, err));
    }
    STELE_TRY(write_parts(w, plan, out, err));
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct plan_item *item = &plan->item[i];
        stele_view entry = stele_view_of(item->entry, sizeof item->entry);
        STELE_TRY(write_openings(w, plan, item->log, plan_seq(item), &done[item->log], out, err));
        STELE_TRY(item->is_event ? stele_complete_write_event(w, item->log, entry, item->salt,
                                                              item->ksalt, item->payload, out, err)
                                 : stele_complete_write_entry(w, item->log, entry, out, err));
    }
    for (uint8_t i = 0; i < plan->n_logs; i++) {
        STELE_TRY(write_openings(w, plan, i, UINT64_MAX, &done[i], out, err));
    }
    STELE_TRY(stele_complete_write_end(w, out, err));
cleanup:
    stele_complete_writer_free(w);
    return st;
}
