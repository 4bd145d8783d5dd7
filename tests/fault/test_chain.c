/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_chain.c: a record chain that somebody has changed, and computed every hash again
 * that needs no key: the store does not open, and says which rule is broken.
 */
#include <string.h>

#include "storage/keyring.h"
#include "tests/fault/batch_book.h"
#include "tests/fault/chain_forge.h"
#include "tests/support/frame_whole.h"

#define LOG_3Y 2 /* in forge_take's order */

static struct fixture f;
static struct book book;
static struct forge_chain chain[3];

static int make_store(void **state) {
    stele_err err;
    (void)state;
    book.rng = rng_start("chain");
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 6; i++) {
        assert_ok(book_append(&book, &f, 5, &err));
    }
    fixture_close(&f);
    return 0;
}

static int remove_store(void **state) {
    (void)state;
    fixture_done(&f);
    book_done(&book);
    return 0;
}

static int take_chains(void **state) {
    (void)state;
    forge_take(&f, chain);
    return 0;
}

static int drop_chains(void **state) {
    (void)state;
    forge_done(chain);
    return 0;
}

/* The nth record of this kind after the first. */
static size_t find(stele_record_kind kind, size_t nth) {
    for (size_t i = 1; i < chain[LOG_3Y].n; i++) {
        if (chain[LOG_3Y].record[i].head.kind == kind && nth-- == 0) {
            return i;
        }
    }
    fail_msg("the log has too few records");
    return 0;
}

static struct forge_record *entries(size_t nth) {
    return &chain[LOG_3Y].record[find(STELE_RECORD_ENTRIES, nth)];
}

static void expect_refused(const char *words) {
    stele_err err;
    forge_put(&f, chain);
    stele_status st = fixture_try_open(&f, false, &err);
    if (st != STELE_CORRUPT || strstr(err.text, words) == NULL) {
        fail_msg("'%s' was expected: %s: %s (%s)", words, stele_status_name(st),
                 st == STELE_OK ? "it opens" : err.text, st == STELE_OK ? "" : err.where);
    }
}

static void test_chain__as_it_was_it_opens(void **state) {
    (void)state;
    forge_put(&f, chain);
    fixture_open(&f);
    assert_int_equal(book_check(&book, &f), 0);
    fixture_close(&f);
}

static void test_chain__a_record_that_names_another_before_it_is_refused(void **state) {
    (void)state;
    struct forge_record *record = entries(2);
    record->keeps_link = true;
    record->head.prev[3] ^= 1;
    expect_refused("does not follow the one before");
}

static void test_chain__a_record_of_another_position_is_refused(void **state) {
    (void)state;
    struct forge_record *record = entries(2);
    record->keeps_pos = true;
    record->head.pos++;
    expect_refused("does not follow the one before");
}

static void test_chain__a_record_with_another_root_is_refused(void **state) {
    (void)state;
    entries(2)->head.root_after[0] ^= 1;
    expect_refused("do not give the tree root");
}

static void test_chain__a_record_that_counts_wrongly_is_refused(void **state) {
    (void)state;
    entries(2)->head.n_entries++;
    expect_refused("do not give the tree root");
}

static void test_chain__a_record_that_is_left_out_is_noticed(void **state) {
    (void)state;
    forge_drop_record(&chain[LOG_3Y], find(STELE_RECORD_ENTRIES, 2));
    expect_refused("missing from its record chain");
}

/* Writes every item of the record again, frames as `change` leaves them; `sealed` is for it. */
static void rewrite_frames(struct forge_record *record,
                           void (*change)(struct stele_item *frame, stele_buf *sealed)) {
    stele_buf made = STELE_BUF_EMPTY;
    stele_buf sealed = STELE_BUF_EMPTY;
    struct stele_reader r = stele_reader_of(stele_view_buf(&record->body), "record");
    struct stele_writer w = stele_writer_to(&made);
    for (uint32_t i = 0; i < record->head.n_items; i++) {
        struct stele_item item;
        stele_view kseed = {NULL, 0};
        assert_ok(stele_item_read(&r, &item, NULL));
        if (item.kind == STELE_ITEM_FRAME) {
            assert_ok(stele_read_view(&r, STELE_SEED_BYTES, &kseed, NULL));
            stele_buf_clear(&sealed);
            change(&item, &sealed);
        }
        stele_item_write(&w, &item);
        stele_write_view(&w, kseed);
    }
    assert_ok(stele_writer_end(&w, NULL));
    stele_buf_done(&record->body);
    stele_buf_done(&sealed);
    record->body = made;
}

static void move_by_one(struct stele_item *frame, stele_buf *sealed) {
    (void)sealed;
    frame->first_seq++;
}

/* As codec 1 has it, which earlier versions wrote. */
static void as_codec_1(struct stele_item *frame, stele_buf *sealed) {
    struct stele_compressor *c = NULL;
    struct stele_frame_content content;
    stele_buf raw = STELE_BUF_EMPTY;
    assert_ok(stele_compressor_mine(&c, NULL));
    assert_ok(stele_frame_open(c, frame->codec, frame->sealed, frame->raw_bytes, frame->n, &raw,
                               &content, NULL));
    frame_whole_seal(&content, sealed, &frame->raw_bytes);
    frame->codec = STELE_FRAME_CODEC_WHOLE;
    frame->sealed = stele_view_buf(sealed);
    frame->digest = stele_view_of(NULL, 0);
    stele_buf_done(&raw);
}

/* Every event is read in both ways, from the chain and then from packs. */
static void test_chain__frames_of_an_earlier_version_are_read(void **state) {
    stele_err err;
    (void)state;
    for (size_t i = 0; i < chain[LOG_3Y].n; i++) {
        if (chain[LOG_3Y].record[i].head.kind == STELE_RECORD_ENTRIES) {
            rewrite_frames(&chain[LOG_3Y].record[i], as_codec_1);
        }
    }
    forge_put(&f, chain);
    fixture_open(&f);
    assert_int_equal(book_check(&book, &f), 0);
    for (int i = 0; i < 8; i++) { /* a pack, and some more */
        assert_ok(book_append(&book, &f, 40, &err));
    }
    fixture_wait_packed(&f, "3y");
    assert_int_equal(book_check(&book, &f), 0);
    fixture_close(&f);
}

static void test_chain__a_frame_with_another_digest_is_refused(void **state) {
    (void)state;
    struct forge_record *record = entries(2);
    struct stele_reader r = stele_reader_of(stele_view_buf(&record->body), "record");
    struct stele_item item;
    assert_ok(stele_item_read(&r, &item, NULL));
    assert_int_equal(item.digest.size, STELE_ITEM_DIGEST_BYTES);
    record->body.data[item.digest.data - record->body.data] ^= 1;
    expect_refused("does not match its digest");
}

static void test_chain__an_item_of_another_place_is_refused(void **state) {
    (void)state;
    rewrite_frames(entries(2), move_by_one);
    expect_refused("stands where");
}

/* A note of the log's own key, in the place of a stored one: only who has the key can do this. */
static void sign_instead(size_t at, uint64_t more, uint8_t flip) {
    struct forge_record *record = &chain[LOG_3Y].record[at];
    struct stele_keyring *ring = NULL;
    struct stele_signer *signer = NULL;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    char path[80];
    (void)snprintf(path, sizeof path, "%s/keys", f.dir);
    assert_ok(stele_keyring_open(path, false, &ring, NULL));
    assert_ok(stele_keyring_signer(ring, "3y", false, &signer, NULL));
    assert_ok(stele_checkpoint_peek(stele_view_buf(&record->body), &checkpoint, NULL));
    checkpoint.size_leaves += more;
    checkpoint.root[5] ^= flip;
    assert_ok(stele_checkpoint_sign(&checkpoint, signer, &note, NULL));
    stele_buf_done(&record->body);
    record->body = note;
    record->head.first_seq = checkpoint.size_leaves;
    memcpy(record->head.root_after, checkpoint.root, sizeof checkpoint.root);
    stele_signer_free(signer);
    stele_keyring_close(ring);
}

static size_t last_checkpoint(void) {
    size_t i = chain[LOG_3Y].n - 1;
    assert_int_equal(chain[LOG_3Y].record[i].head.kind, STELE_RECORD_CHECKPOINT);
    return i;
}

static void test_chain__a_checkpoint_of_more_than_there_is_is_refused(void **state) {
    (void)state;
    sign_instead(last_checkpoint(), 1, 0);
    expect_refused("this is an older copy");
}

static void test_chain__a_checkpoint_of_another_tree_is_refused(void **state) {
    (void)state;
    sign_instead(last_checkpoint(), 0, 1);
    expect_refused("do not give the root that was signed");
}

static void test_chain__a_checkpoint_of_another_key_is_refused(void **state) {
    (void)state;
    stele_buf *body = &chain[LOG_3Y].record[last_checkpoint()].body;
    body->data[body->size - 8] = body->data[body->size - 8] == 'A' ? 'B' : 'A';
    expect_refused("is not signed by this log's key");
}

#define CHAIN_TEST(name) cmocka_unit_test_setup_teardown(name, take_chains, drop_chains)

int main(void) {
    const struct CMUnitTest tests[] = {
        CHAIN_TEST(test_chain__as_it_was_it_opens),
        CHAIN_TEST(test_chain__a_record_that_names_another_before_it_is_refused),
        CHAIN_TEST(test_chain__a_record_of_another_position_is_refused),
        CHAIN_TEST(test_chain__a_record_with_another_root_is_refused),
        CHAIN_TEST(test_chain__a_record_that_counts_wrongly_is_refused),
        CHAIN_TEST(test_chain__a_record_that_is_left_out_is_noticed),
        CHAIN_TEST(test_chain__an_item_of_another_place_is_refused),
        CHAIN_TEST(test_chain__a_checkpoint_of_more_than_there_is_is_refused),
        CHAIN_TEST(test_chain__a_checkpoint_of_another_tree_is_refused),
        CHAIN_TEST(test_chain__a_checkpoint_of_another_key_is_refused),
        CHAIN_TEST(test_chain__a_frame_with_another_digest_is_refused),
        CHAIN_TEST(test_chain__frames_of_an_earlier_version_are_read), /* the last: it appends */
    };
    return cmocka_run_group_tests_name("chain", tests, make_store, remove_store);
}
