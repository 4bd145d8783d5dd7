/* SPDX-License-Identifier: Apache-2.0 */
/* storage/history.c against the trie's definition, and against what a prover would like to hide. */
#include <string.h>

#include "storage/history.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define N_MAX 60

static uint64_t seqs[N_MAX];
static uint8_t leaf[N_MAX][32];
static size_t n_seqs;

/* Distinct ascending seqs in [lo, lo + span). */
static void draw(struct rng *rng, uint64_t lo, uint64_t span) {
    n_seqs = 0;
    size_t wanted = 1 + (size_t)rng_below(rng, N_MAX - 1);
    for (uint64_t i = 0; i < span && n_seqs < wanted; i++) {
        if (rng_below(rng, span - i) < wanted - n_seqs) {
            seqs[n_seqs++] = lo + i;
        }
    }
    rng_bytes(rng, (uint8_t *)leaf, sizeof leaf);
}

/* FORMAT.md, "History", word for word: [from, to) of seqs. */
static void model_root(size_t from, size_t to, uint8_t out[static 32]) {
    if (to - from == 1) {
        stele_hash_posting(seqs[from], leaf[from], out);
        return;
    }
    unsigned bit = 63;
    while ((seqs[from] >> bit & 1) == (seqs[to - 1] >> bit & 1)) {
        bit--;
    }
    size_t middle = from;
    while ((seqs[middle] >> bit & 1) == 0) {
        middle++;
    }
    uint8_t right[32];
    model_root(from, middle, out);
    model_root(middle, to, right);
    stele_hash_history((uint8_t)bit, out, right, out);
}

static void test_history__is_the_trie_of_the_format(void **state) {
    (void)state;
    struct rng rng = rng_start("history");
    for (int round = 0; round < 2000; round++) {
        struct stele_history h;
        uint8_t expected[32];
        uint8_t posting[32];
        uint8_t root[32];
        draw(&rng, rng_next(&rng) >> (1 + rng_below(&rng, 62)), 1 + rng_below(&rng, 300));
        stele_history_init(&h);
        for (size_t i = 0; i < n_seqs; i++) {
            stele_hash_posting(seqs[i], leaf[i], posting);
            stele_history_push(&h, seqs[i], posting);
        }
        stele_history_root(&h, root);
        model_root(0, n_seqs, expected);
        assert_memory_equal(root, expected, 32);
    }
}

static void test_history__blocks_stand_for_their_postings(void **state) {
    (void)state;
    struct rng rng = rng_start("history, blocks");
    for (int round = 0; round < 500; round++) {
        struct stele_history h;
        uint8_t hash[32];
        uint8_t expected[32];
        unsigned shift = (unsigned)rng_below(&rng, 7);
        draw(&rng, rng_below(&rng, 1u << 20), 400);
        stele_history_init(&h);
        for (size_t i = 0; i < n_seqs;) {
            size_t end = i;
            while (end < n_seqs && seqs[end] >> shift == seqs[i] >> shift) {
                end++;
            }
            model_root(i, end, hash);
            stele_history_push(&h, seqs[i] >> shift << shift,
                               hash); /* any place in the block will do */
            i = end;
        }
        stele_history_root(&h, hash);
        model_root(0, n_seqs, expected);
        assert_memory_equal(hash, expected, 32);
    }
}

/* ------------------------------------------------------------------ opened histories */

struct item {
    stele_history_role role;
    uint64_t seq;
    uint8_t hash[32];
};
static struct item items[4 * N_MAX];
static size_t n_items;

/* Of the segment: some entries before the first posting. */
static uint64_t lo_of(void) {
    return seqs[0] > 5 ? seqs[0] - 5 : 0;
}

/* The name of the subtree that holds seq under a parent of this bit. */
static uint64_t name_of(uint64_t seq, unsigned bit) {
    uint64_t first = seq - seq % (UINT64_C(1) << bit);
    return first < lo_of() ? lo_of() : first;
}

/* [from, to) of seqs as one item, if there are any. bit: of its parent. */
static void hide(size_t from, size_t to, unsigned bit) {
    if (to > from) {
        struct item *item = &items[n_items++];
        *item = (struct item){.role = STELE_HISTORY_OPAQUE, .seq = name_of(seqs[from], bit)};
        model_root(from, to, item->hash);
    }
}

static void show(stele_history_role role, size_t i) {
    struct item *item = &items[n_items++];
    *item = (struct item){.role = role, .seq = seqs[i]};
    memcpy(item->hash, leaf[i], 32);
}

/* The greatest subtrees of [from, to) that do not hold seqs[apart], which is beside it. */
static void hide_beside(size_t from, size_t to, size_t apart) {
    for (unsigned bit = 64; bit-- > 0;) {
        unsigned at =
            apart < from ? 63 - bit : bit; /* nearest first on the right, farthest on the left */
        size_t first = from;
        while (first < to && (63u - (unsigned)__builtin_clzll(seqs[first] ^ seqs[apart])) != at) {
            first++;
        }
        size_t end = first;
        while (end < to && (63u - (unsigned)__builtin_clzll(seqs[end] ^ seqs[apart])) == at) {
            end++;
        }
        hide(first, end, at);
    }
}

/* Opens seqs[a .. b) honestly. */
static void open_window(size_t a, size_t b) {
    n_items = 0;
    if (a > 0) {
        hide_beside(0, a - 1, a - 1);
        show(STELE_HISTORY_LEFT, a - 1);
    }
    for (size_t i = a; i < b; i++) {
        show(STELE_HISTORY_INSIDE, i);
    }
    if (b < n_seqs) {
        show(STELE_HISTORY_RIGHT, b);
        hide_beside(b + 1, n_seqs, b);
    }
}

/* OK iff the items are accepted and make the true root. */
static stele_status judge(uint64_t count) {
    struct stele_history_check check;
    uint8_t root[32];
    uint8_t expected[32];
    stele_status st = STELE_OK;
    stele_history_check_init(&check, lo_of(), seqs[n_seqs - 1] + 5);
    for (size_t i = 0; i < n_items && st == STELE_OK; i++) {
        st = stele_history_check_push(&check, items[i].role, items[i].seq, items[i].hash, NULL);
    }
    st = st == STELE_OK ? stele_history_check_end(&check, count, root, NULL) : st;
    model_root(0, n_seqs, expected);
    return st == STELE_OK && memcmp(root, expected, 32) != 0 ? STELE_UNVERIFIED : st;
}

static void test_history__every_window_opens(void **state) {
    (void)state;
    struct rng rng = rng_start("history, windows");
    for (int round = 0; round < 300; round++) {
        draw(&rng, rng_below(&rng, 1u << 30), 1 + rng_below(&rng, 300));
        size_t a = (size_t)rng_below(&rng, n_seqs + 1);
        size_t b = a + (size_t)rng_below(&rng, n_seqs - a + 1);
        open_window(a, b);
        assert_ok(judge(n_seqs));
    }
}

static void test_history__a_hidden_part_has_one_name(void **state) {
    (void)state;
    struct rng rng = rng_start("history, names");
    size_t tried = 0;
    for (int round = 0; round < 300; round++) {
        draw(&rng, rng_below(&rng, 1u << 16), 300);
        open_window((size_t)rng_below(&rng, n_seqs), n_seqs);
        for (size_t i = 0; i < n_items; i++) {
            if (items[i].role == STELE_HISTORY_OPAQUE) {
                uint64_t name = items[i].seq;
                items[i].seq += 1 + rng_below(&rng, 3);
                assert_status(judge(n_seqs), UNVERIFIED);
                items[i].seq = name;
                tried++;
            }
        }
        assert_ok(judge(n_seqs));
    }
    assert_true(tried > 0);
}

/* The bit of the parent of posting i, of several. */
static unsigned parent_bit(size_t i) {
    unsigned left = i == 0 ? 64 : 63u - (unsigned)__builtin_clzll(seqs[i - 1] ^ seqs[i]);
    unsigned right = i + 1 == n_seqs ? 64 : 63u - (unsigned)__builtin_clzll(seqs[i] ^ seqs[i + 1]);
    return left < right ? left : right;
}

static void test_history__nothing_can_be_hidden_inside_the_window(void **state) {
    (void)state;
    struct rng rng = rng_start("history, hiding");
    size_t tried = 0;
    for (int round = 0; round < 600; round++) {
        draw(&rng, rng_below(&rng, 1u << 16), 300);
        size_t a = (size_t)rng_below(&rng, n_seqs);
        size_t b = a + 1 + (size_t)rng_below(&rng, n_seqs - a);
        open_window(a, b);
        size_t inside = 0;
        while (items[inside].role != STELE_HISTORY_INSIDE) {
            inside++;
        }
        size_t victim = inside + (size_t)rng_below(&rng, b - a);
        struct item saved = items[victim];
        stele_hash_posting(saved.seq, saved.hash, items[victim].hash);
        items[victim].role = STELE_HISTORY_OPAQUE; /* shown as a hash, at its place */
        if (n_seqs > 1) {
            items[victim].seq = name_of(saved.seq, parent_bit(a + victim - inside));
        }
        assert_status(judge(n_seqs), UNVERIFIED);
        items[victim] = saved;
        memmove(&items[victim], &items[victim + 1], (n_items - victim - 1) * sizeof items[0]);
        n_items--; /* left out, with the true count and with a lower one */
        if (n_items > 0) {
            assert_status(judge(n_seqs), UNVERIFIED);
            assert_status(judge(n_seqs - 1), UNVERIFIED);
        }
        tried++;
    }
    assert_true(tried > 0);
}

static void test_history__parts_that_are_hidden_need_a_neighbour(void **state) {
    (void)state;
    struct rng rng = rng_start("history, neighbours");
    for (int round = 0; round < 300; round++) {
        draw(&rng, rng_below(&rng, 1u << 16), 300);
        if (n_seqs < 3) {
            continue;
        }
        n_items = 0; /* everything as one hash */
        hide(0, n_seqs, 63);
        assert_status(judge(n_seqs), UNVERIFIED);
        open_window(2, 3); /* the left neighbour as a hash too */
        for (size_t i = 0; i < n_items; i++) {
            if (items[i].role == STELE_HISTORY_LEFT) {
                items[i].role = STELE_HISTORY_OPAQUE;
                stele_hash_posting(items[i].seq, items[i].hash, items[i].hash);
            }
        }
        assert_status(judge(n_seqs), UNVERIFIED);
        open_window(0, n_seqs); /* repeated, out of order, outside of the segment */
        items[1] = items[0];
        assert_status(judge(n_seqs), UNVERIFIED);
        open_window(0, n_seqs);
        items[0].seq = seqs[n_seqs - 1] + 6;
        assert_status(judge(n_seqs), UNVERIFIED);
    }
}

static void test_history__a_count_must_fit(void **state) {
    (void)state;
    struct rng rng = rng_start("history, count");
    draw(&rng, 1000, 300);
    open_window(0, n_seqs);
    assert_status(judge(n_seqs + 1), UNVERIFIED);
    assert_status(judge(0), UNVERIFIED);
    n_items = 0;
    assert_status(judge(0), UNVERIFIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__is_the_trie_of_the_format),
        cmocka_unit_test(test_history__blocks_stand_for_their_postings),
        cmocka_unit_test(test_history__every_window_opens),
        cmocka_unit_test(test_history__a_hidden_part_has_one_name),
        cmocka_unit_test(test_history__nothing_can_be_hidden_inside_the_window),
        cmocka_unit_test(test_history__parts_that_are_hidden_need_a_neighbour),
        cmocka_unit_test(test_history__a_count_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
