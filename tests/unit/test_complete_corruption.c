/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random corruptions of valid complete answers: of the file's bytes, of whole chunks, and of the
 * parts of the plan before paths and gaps are made, each with a digest that holds. None is accepted
 * unless the events are those that a scan finds for the question that the file then bears.
 * STELE_SOAK=1 for 100,000.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/complete_forge.h"

#define ROUNDS 2000
#define SOAK_ROUNDS 100000

/* ------------------------------------------------------------------ the plan */

static void spoil_bytes(struct rng *rng, uint8_t *bytes, size_t size) {
    bytes[rng_below(rng, size)] ^= (uint8_t)(1u << rng_below(rng, 8));
}

static void spoil_opening(struct forge *f, struct rng *rng) {
    struct plan_log *of = &f->plan.log[rng_below(rng, f->plan.n_logs)];
    if (of->n_openings == 0) {
        return;
    }
    struct plan_opening *o = &of->openings[rng_below(rng, of->n_openings)];
    struct stele_opened_leaf *leaf = &o->opening.leaf[rng_below(rng, 2)];
    switch (rng_below(rng, 11)) {
    case 0:
        leaf->count += rng_below(rng, 2) == 0 ? 1 : UINT64_MAX;
        break;
    case 1:
        leaf->opened = leaf->opaque != NULL && !leaf->opened;
        break;
    case 2:
        leaf->n_left = (uint8_t)(leaf->n_left - (leaf->n_left > 0));
        break;
    case 3:
        leaf->n_right = (uint8_t)(leaf->n_right - (leaf->n_right > 0));
        break;
    case 4:
        o->opening.first_key += rng_below(rng, 3) - 1;
        break;
    case 5:
        spoil_bytes(rng, leaf->tag, sizeof leaf->tag);
        break;
    case 6:
        o->opening.n_leaves = (uint8_t)(1 + rng_below(rng, 2));
        break;
    case 7:
        if (leaf->n_left + leaf->n_right > 0) {
            o->opaque[leaf - o->opening.leaf][0].rep += rng_below(rng, 3) - 1;
        }
        break;
    case 8:
        leaf->counted = !leaf->counted;
        break;
    case 9:
        leaf->root[rng_below(rng, sizeof leaf->root)] ^= 1;
        break;
    default:
        o->segment += (uint32_t)rng_below(rng, 3) - 1;
        break;
    }
}

static void spoil_plan(struct forge *f, struct rng *rng) {
    size_t i = f->plan.n_items == 0 ? 0 : rng_below(rng, f->plan.n_items);
    struct plan_log *of = &f->plan.log[rng_below(rng, f->plan.n_logs)];
    uint64_t what = rng_below(rng, 9);
    if (f->plan.n_items == 0 || what == 0) {
        spoil_opening(f, rng);
        return;
    }
    switch (what) {
    case 1:
        plan_drop(&f->plan, i);
        break;
    case 2:
        plan_add(&f->plan, i, &f->plan.item[i]);
        break;
    case 3:
        f->plan.item[i].is_event = !f->plan.item[i].is_event;
        break;
    case 4:
        spoil_bytes(rng, f->plan.item[i].entry, sizeof f->plan.item[i].entry);
        break;
    case 5:
        if (of->n_openings > 0) {
            stele_buf_done(&of->openings[--of->n_openings].siblings);
        }
        break;
    case 6:
        of->n_keys -= of->n_keys > 0;
        break;
    case 7:
        of->counted = !of->counted;
        break;
    default:
        of->by_log = !of->by_log;
        break;
    }
    if (rng_below(rng, 3) == 0) {
        spoil_opening(f, rng);
    }
}

/* ------------------------------------------------------------------ the file */

/* A chunk's head, by chance. */
static size_t any_chunk(const stele_buf *file, struct rng *rng, size_t *ret_size) {
    size_t n = 0;
    size_t chosen = 16;
    for (size_t at = 16; at + 5 <= file->size;) {
        size_t size = 5 + stele_get_u32(file->data + at + 1);
        if (rng_below(rng, ++n) == 0) {
            chosen = at;
            *ret_size = size;
        }
        at += size;
    }
    return chosen;
}

static void remove_bytes(stele_buf *file, size_t at, size_t size) {
    memmove(file->data + at, file->data + at + size, file->size - at - size);
    file->size -= size;
}

static void spoil_file(stele_buf *file, struct rng *rng) {
    size_t size = 0;
    size_t chunk = any_chunk(file, rng, &size);
    uint8_t extra[40];
    switch (rng_below(rng, 7)) {
    case 0: /* anywhere */
        file->data[rng_below(rng, file->size)] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 1: /* in any chunk: large ones do not hide the small ones */
    case 2:
        file->data[chunk + rng_below(rng, size)] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 3:
        file->data[chunk + rng_below(rng, size)] = (uint8_t)rng_next(rng);
        break;
    case 4:
        remove_bytes(file, chunk, size);
        break;
    case 5: /* bytes of a body, with a head that fits */
        if (size > 6) {
            size_t cut = 1 + rng_below(rng, size - 6 < 40 ? size - 6 : 40);
            stele_put_u32(file->data + chunk + 1, (uint32_t)(size - 5 - cut));
            remove_bytes(file, chunk + 5 + rng_below(rng, size - 4 - cut), cut);
        }
        break;
    default: { /* a body that is longer */
        size_t more = 1 + rng_below(rng, sizeof extra);
        size_t at = chunk + 5 + rng_below(rng, size - 4);
        rng_bytes(rng, extra, sizeof extra);
        assert_ok(stele_buf_append(file, stele_view_of(extra, more), NULL));
        memmove(file->data + at + more, file->data + at, file->size - more - at);
        memcpy(file->data + at, extra, more);
        stele_put_u32(file->data + chunk + 1, (uint32_t)(size - 5 + more));
        break;
    }
    }
}

/* ------------------------------------------------------------------ judging */

static void check_accepted(struct complete_bed *bed, size_t round) {
    size_t n = plan_scan(bed->logs, bed->n_logs, &bed->report.question, bed->wanted,
                         COMPLETE_BED_HITS_MAX);
    bool counted = bed->report.complete.proof.counted;
    bool same = n == bed->report.n_events && bed->n_found == (counted ? 0 : n) &&
                bed->report.complete.proof.n_gaps == 0;
    for (size_t i = 0; i < bed->n_found && same; i++) {
        same = bed->found[i].log == bed->wanted[i].log && bed->found[i].seq == bed->wanted[i].seq;
    }
    if (!same) {
        fail_msg("round %zu: accepted with another answer: %zu events, %zu shown, of %zu", round,
                 (size_t)bed->report.n_events, bed->n_found, n);
    }
}

static void test_complete__no_corruption_gives_another_answer(void **state) {
    struct complete_bed *bed = *state;
    struct rng rng = rng_start("complete corruption");
    size_t n_accepted = 0;
    size_t rounds = getenv("STELE_SOAK") != NULL ? SOAK_ROUNDS : ROUNDS;
    static struct forge f;
    for (size_t round = 0; round < rounds; round++) {
        stele_err err = {.text = ""};
        if (round % 50 == 0) { /* a new question */
            if (round > 0) {
                forge_end(&f);
            }
            forge_begin(bed, (forge_question)(round / 50 % 4), &f);
            if (round / 200 % 2 == 1) { /* the number alone */
                plan_done(&f.plan);
                f.options.counted = true;
                plan_make(bed->logs, bed->n_logs, &f.question, &f.options, &f.plan);
            }
            stele_buf_clear(&bed->file);
            plan_encode(&f.plan, &bed->file);
        }
        stele_buf_clear(&f.file);
        if (round % 50 >= 25 && round % 3 == 0) { /* the plan stays spoiled: a few together */
            spoil_plan(&f, &rng);
            plan_encode(&f.plan, &f.file);
        } else {
            assert_ok(stele_buf_append(&f.file, stele_view_buf(&bed->file), NULL));
            spoil_file(&f.file, &rng);
        }
        if (f.file.size > STELE_HASH_BYTES) {
            forge_digest(&f);
        }
        if (forge_judge_file(&f, &err) == STELE_OK) {
            n_accepted++;
            check_accepted(bed, round);
        }
    }
    forge_end(&f);
    print_message("%zu corruptions, %zu of them accepted with the same answer\n", rounds,
                  n_accepted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_complete__no_corruption_gives_another_answer,
                                        complete_bed_setup, complete_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
