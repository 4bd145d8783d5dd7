/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/base64.h"
#include "storage/cursor.h"
#include "storage/receipt.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"
#include "tests/support/sample_log.h"

#define ORIGIN "stele.example/eu-1/3y"
#define SIZE 11

struct fixture {
    struct sample_log log;
    stele_buf note;
    stele_buf path;
    stele_buf text;
};

static int setup(void **state) {
    struct fixture *f = stele_alloc(1, sizeof *f);
    static const struct sample_event event = {
        .session = "s-1", .resource = "data/a", .resource_version = "7"};
    sample_log_init(&f->log, ORIGIN, 7);
    (void)sample_log_control(&f->log, SAMPLE_TIME_US);
    (void)sample_log_index(&f->log, SAMPLE_TIME_US + 1);
    for (uint64_t i = 2; i < SIZE; i++) {
        (void)sample_log_event(&f->log, SAMPLE_TIME_US + i, &event);
    }
    sample_log_sign(&f->log, SIZE, &f->note);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    sample_log_done(&f->log);
    stele_buf_done(&f->note);
    stele_buf_done(&f->path);
    stele_buf_done(&f->text);
    stele_free(f);
    return 0;
}

static struct stele_receipt receipt_of(struct fixture *f, uint64_t seq) {
    return sample_log_receipt(&f->log, seq, stele_view_buf(&f->note), SIZE, &f->path);
}

/* Decodes and verifies, as a holder of a receipt does. */
static stele_status judge(struct fixture *f, stele_view text, stele_view payload,
                          struct stele_receipt_report *ret) {
    stele_buf scratch = STELE_BUF_EMPTY;
    struct stele_receipt receipt;
    stele_status st = stele_receipt_decode(text, &scratch, &receipt, NULL);
    if (st == STELE_OK) {
        st = stele_receipt_verify(&receipt, payload, &f->log.key, 1, ret, NULL);
    }
    stele_buf_done(&scratch);
    return st;
}

static stele_status verify(struct fixture *f, const struct stele_receipt *receipt) {
    struct stele_receipt_report report;
    return stele_receipt_verify(receipt, stele_view_of(NULL, 0), &f->log.key, 1, &report, NULL);
}

static void test_receipt__every_entry_has_one_that_verifies(void **state) {
    struct fixture *f = *state;
    for (uint64_t seq = 0; seq < SIZE; seq++) {
        struct stele_receipt receipt = receipt_of(f, seq);
        struct stele_receipt_report report;
        stele_buf_clear(&f->text);
        assert_ok(stele_receipt_encode(&receipt, &f->text, NULL));
        assert_ok(judge(f, stele_view_buf(&f->text), stele_view_of(NULL, 0), &report));
        assert_int_equal(report.entry.seq, seq);
        assert_string_equal(report.checkpoint.origin, ORIGIN);
        assert_int_equal(report.checkpoint.size_leaves, SIZE);
        assert_true(report.payload_checked == (seq >= 2));
        assert_true(report.tags_checked == (seq >= 2));
    }
}

static void test_receipt__decoding_gives_back_what_was_encoded(void **state) {
    struct fixture *f = *state;
    for (unsigned parts = 0; parts < 4; parts++) {
        struct stele_receipt in = receipt_of(f, 5);
        struct stele_receipt out;
        stele_buf scratch = STELE_BUF_EMPTY;
        in.tags.size = (parts & 1) != 0 ? in.tags.size : 0;
        in.has_payload = (parts & 2) != 0;
        stele_buf_clear(&f->text);
        assert_ok(stele_receipt_encode(&in, &f->text, NULL));
        assert_ok(stele_receipt_decode(stele_view_buf(&f->text), &scratch, &out, NULL));
        assert_true(stele_view_equal(in.entry, out.entry) && stele_view_equal(in.path, out.path));
        assert_true(stele_view_equal(in.note, out.note) && in.index == out.index);
        assert_memory_equal(in.salt, out.salt, sizeof in.salt);
        assert_true(stele_view_equal(in.tags, out.tags));
        assert_true(in.tags.size == 0 || memcmp(in.ksalt, out.ksalt, sizeof in.ksalt) == 0);
        assert_true(in.has_payload == out.has_payload);
        assert_true(!in.has_payload || stele_view_equal(in.payload, out.payload));
        stele_buf_done(&scratch);
    }
}

static void test_receipt__text_is_a_tlog_proof(void **state) {
    struct fixture *f = *state;
    static const char start[] = "c2sp.org/tlog-proof@v1\nextra AQMAYAEB";
    struct stele_receipt receipt = receipt_of(f, 5);
    assert_ok(stele_receipt_encode(&receipt, &f->text, NULL));
    assert_true(f->text.size > sizeof start);
    assert_memory_equal(f->text.data, start, sizeof start - 1);
    stele_buf rest = STELE_BUF_EMPTY;
    assert_ok(stele_buf_printf(&rest, NULL, "\nindex 5\n"));
    for (size_t i = 0; i < receipt.path.size; i += 32) {
        assert_ok(stele_base64_encode(stele_view_slice(receipt.path, i, 32), &rest, NULL));
        assert_ok(stele_buf_printf(&rest, NULL, "\n"));
    }
    assert_ok(stele_buf_printf(&rest, NULL, "\n%.*s", (int)f->note.size, f->note.data));
    assert_memory_equal(f->text.data + f->text.size - rest.size, rest.data, rest.size);
    stele_buf_done(&rest);
}

static void test_receipt__a_payload_from_elsewhere_is_checked(void **state) {
    struct fixture *f = *state;
    struct stele_receipt receipt = receipt_of(f, 5);
    stele_view payload = receipt.payload;
    struct stele_receipt_report report;
    receipt.has_payload = false;
    assert_ok(stele_receipt_encode(&receipt, &f->text, NULL));
    assert_ok(judge(f, stele_view_buf(&f->text), stele_view_of(NULL, 0), &report));
    assert_false(report.payload_checked);
    assert_ok(judge(f, stele_view_buf(&f->text), payload, &report));
    assert_true(report.payload_checked);
    payload.size--;
    assert_status(judge(f, stele_view_buf(&f->text), payload, &report), UNVERIFIED);
}

static void test_receipt__a_failed_call_leaves_its_outputs(void **state) {
    struct fixture *f = *state;
    struct stele_receipt receipt = receipt_of(f, 5);
    stele_buf out = STELE_BUF_EMPTY;
    assert_ok(stele_buf_printf(&out, NULL, "kept"));
    receipt.tags.size--;
    assert_status(stele_receipt_encode(&receipt, &out, NULL), INVALID);
    assert_true(stele_view_is(stele_view_buf(&out), "kept"));
    stele_buf_done(&out);
}

static void test_receipt__each_part_that_is_wrong_is_found(void **state) {
    struct fixture *f = *state;
    struct sample_log other;
    sample_log_init(&other, ORIGIN, 8);
    uint8_t copy[96];
    struct stele_receipt_report report;
    struct stele_receipt good = receipt_of(f, 5);
    struct stele_receipt bad = good;
    assert_ok(verify(f, &good));
    assert_status(stele_receipt_verify(&good, stele_view_of(NULL, 0), &other.key, 1, &report, NULL),
                  UNVERIFIED);
    assert_status(stele_receipt_verify(&good, stele_view_of(NULL, 0), NULL, 0, &report, NULL),
                  UNVERIFIED);
    bad.index = 6;
    assert_status(verify(f, &bad), INVALID);
    bad = good;
    bad.salt[3] ^= 1;
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = good;
    bad.ksalt[3] ^= 1;
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = good;
    bad.tags.size -= STELE_TAG_BYTES;
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = good;
    bad.path.size -= 32;
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = good;
    bad.payload.size--;
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = good;
    memcpy(copy, good.entry.data,
           sizeof copy); /* another entry, well formed: the leaf is not in the tree */
    copy[40] ^= 1;
    bad.entry = stele_view_of(copy, sizeof copy);
    assert_status(verify(f, &bad), UNVERIFIED);
    bad = receipt_of(f, 1); /* an index entry has nothing to open */
    bad.has_payload = true;
    assert_status(verify(f, &bad), INVALID);
    sample_log_done(&other);
}

static void test_receipt__tags_are_ascending_and_late_alike(void **state) {
    struct fixture *f = *state;
    uint8_t tags[STELE_TAGS_MAX * STELE_TAG_BYTES];
    struct stele_receipt receipt = receipt_of(f, 5);
    assert_true(receipt.tags.size >= 4 * STELE_TAG_BYTES);
    memcpy(tags, receipt.tags.data, receipt.tags.size);
    receipt.tags.data = tags;
    assert_ok(verify(f, &receipt));
    /* Equal neighbours: refused for the order, before any commitment is looked at. */
    memcpy(tags + STELE_TAG_BYTES, tags, STELE_TAG_BYTES);
    assert_status(verify(f, &receipt), INVALID);
    receipt = receipt_of(f, 5);
    memcpy(tags, receipt.tags.data, receipt.tags.size);
    receipt.tags.data = tags;
    tags[STELE_TAG_BYTES - 1] ^= 1;
    assert_status(verify(f, &receipt), UNVERIFIED);
}

/* A commitment to tags of which one has another late bit than the entry: only the bit's rule finds
 * it. */
static void test_receipt__a_committed_tag_with_another_late_bit_is_refused(void **state) {
    (void)state;
    struct fixture g;
    memset(&g, 0, sizeof g);
    static const struct sample_event event = {0};
    uint8_t leaf[32];
    sample_log_init(&g.log, ORIGIN, 7);
    (void)sample_log_event(&g.log, SAMPLE_TIME_US, &event);
    struct sample_entry *entry = &g.log.entry[0];
    entry->tags.data[entry->tags.size - 1] ^= 1;
    stele_hash_keys(entry->ksalt, entry->tags.data, (uint16_t)(entry->tags.size / STELE_TAG_BYTES),
                    entry->bytes + 64);
    stele_hash_leaf(sample_log_entry(&g.log, 0), leaf);
    memcpy(g.log.leaves.data, leaf, sizeof leaf);
    sample_log_sign(&g.log, 1, &g.note);
    struct stele_receipt receipt =
        sample_log_receipt(&g.log, 0, stele_view_buf(&g.note), 1, &g.path);
    assert_status(verify(&g, &receipt), UNVERIFIED);
    receipt.tags.size = 0;
    assert_ok(verify(&g, &receipt));
    sample_log_done(&g.log);
    stele_buf_done(&g.note);
    stele_buf_done(&g.path);
}

/* ------------------------------------------------------------------ other texts */

static void assert_refused(struct fixture *f, const stele_buf *text, size_t at) {
    struct stele_receipt_report report;
    if (judge(f, stele_view_buf(text), stele_view_of(NULL, 0), &report) == STELE_OK) {
        fail_msg("a receipt changed at byte %zu verified", at);
    }
}

static void test_receipt__any_changed_byte_is_refused(void **state) {
    struct fixture *f = *state;
    static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff};
    struct stele_receipt receipt = receipt_of(f, 5);
    assert_ok(stele_receipt_encode(&receipt, &f->text, NULL));
    for (size_t at = 0; at < f->text.size; at++) {
        for (size_t i = 0; i < sizeof flips; i++) {
            f->text.data[at] ^= flips[i];
            assert_refused(f, &f->text, at);
            f->text.data[at] ^= flips[i];
        }
    }
    struct stele_receipt_report report;
    assert_ok(judge(f, stele_view_buf(&f->text), stele_view_of(NULL, 0), &report));
}

static void test_receipt__any_cut_insertion_and_repetition_is_refused(void **state) {
    struct fixture *f = *state;
    struct stele_receipt receipt = receipt_of(f, 5);
    stele_buf bad = STELE_BUF_EMPTY;
    assert_ok(stele_receipt_encode(&receipt, &f->text, NULL));
    stele_view text = stele_view_buf(&f->text);
    for (size_t at = 0; at < text.size; at++) {
        static const char added[] = {'\n', ' ', 'A', '='};
        for (size_t i = 0; i < sizeof added; i++) {
            stele_buf_clear(&bad);
            assert_ok(stele_buf_append(&bad, stele_view_slice(text, 0, at), NULL));
            assert_ok(stele_buf_append(&bad, stele_view_of(&added[i], 1), NULL));
            assert_ok(stele_buf_append(&bad, stele_view_slice(text, at, text.size - at), NULL));
            assert_refused(f, &bad, at);
        }
        bad.size = at;
        memcpy(bad.data, text.data, at);
        assert_refused(f, &bad, at);
    }
    stele_buf_done(&bad);
}

static void put_extra(struct fixture *f, stele_view extra, stele_buf *text) {
    stele_buf_clear(text);
    assert_ok(stele_buf_printf(text, NULL, "c2sp.org/tlog-proof@v1\nextra "));
    assert_ok(stele_base64_encode(extra, text, NULL));
    assert_ok(stele_buf_printf(text, NULL, "\nindex 0\n\n%.*s", (int)f->note.size, f->note.data));
}

static void test_receipt__other_forms_of_the_extra_line_are_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        uint8_t version, flags;
        uint16_t entry_bytes, tags, tag_bytes;
        size_t more;
        bool good;
    } cases[] = {
        {1, 0, 96, 0, 0, 16, true},       /* the salt */
        {1, 1, 96, 1, 16, 32, true},      /* salt and ksalt */
        {1, 1, 96, 0, 0, 32, false},      /* tags that are none */
        {1, 1, 96, 513, 8208, 32, false}, /* more than 512 */
        {1, 1, 96, 2, 16, 32, false},     /* cut off */
        {1, 0, 96, 0, 0, 17, false},      /* left over */
        {1, 0, 96, 0, 0, 15, false},      {0, 0, 96, 0, 0, 16, false}, {2, 0, 96, 0, 0, 16, false},
        {1, 4, 96, 0, 0, 16, false}, /* unknown flags */
        {1, 128, 96, 0, 0, 16, false},    {1, 0, 72, 0, 0, 0, true},   {1, 0, 112, 0, 0, 0, true},
        {1, 0, 72, 0, 0, 16, false}, /* no salt with what is no event */
        {1, 1, 112, 1, 16, 16, false},    {1, 0, 95, 0, 0, 0, false},  {1, 0, 0, 0, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t zeros[9000] = {0};
        stele_buf extra = STELE_BUF_EMPTY;
        stele_buf scratch = STELE_BUF_EMPTY;
        struct stele_receipt receipt;
        struct stele_writer w = stele_writer_to(&extra);
        stele_write_u8(&w, cases[i].version);
        stele_write_u8(&w, cases[i].flags);
        stele_write_lp(&w, stele_view_of(zeros, cases[i].entry_bytes));
        stele_write_view(&w, stele_view_of(zeros, cases[i].more));
        if ((cases[i].flags & 1) != 0) {
            stele_write_u16(&w, cases[i].tags);
            stele_write_view(&w, stele_view_of(zeros, cases[i].tag_bytes));
        }
        assert_ok(stele_writer_end(&w, NULL));
        put_extra(f, stele_view_buf(&extra), &f->text);
        stele_status st = stele_receipt_decode(stele_view_buf(&f->text), &scratch, &receipt, NULL);
        if (st != (cases[i].good ? STELE_OK : STELE_INVALID)) {
            fail_msg("case %zu: %s", i, stele_status_name(st));
        }
        stele_buf_done(&extra);
        stele_buf_done(&scratch);
    }
}

static void test_receipt__sizes_are_bounded(void **state) {
    struct fixture *f = *state;
    static uint8_t zeros[STELE_RECEIPT_BYTES_MAX + 1];
    stele_buf scratch = STELE_BUF_EMPTY;
    struct stele_receipt receipt = receipt_of(f, 5);
    struct stele_receipt bad = receipt;
    stele_err err;
    assert_status(stele_receipt_decode(stele_view_of(zeros, sizeof zeros), &scratch, &bad, &err),
                  INVALID);
    assert_non_null(strstr(err.text, "at most 262144"));
    bad = receipt;
    bad.payload = stele_view_of(zeros, STELE_PAYLOAD_BYTES_MAX + 1);
    assert_status(stele_receipt_encode(&bad, &f->text, NULL), INVALID);
    bad = receipt;
    bad.path = stele_view_of(zeros, 65 * 32);
    assert_status(stele_receipt_encode(&bad, &f->text, NULL), INVALID);
    bad.path = stele_view_of(zeros, 33);
    assert_status(stele_receipt_encode(&bad, &f->text, NULL), INVALID);
    bad = receipt;
    bad.note = stele_view_of(zeros, STELE_CHECKPOINT_BYTES_MAX + 1);
    assert_status(stele_receipt_encode(&bad, &f->text, NULL), INVALID);
    bad.note.size = 0;
    assert_status(stele_receipt_encode(&bad, &f->text, NULL), INVALID);
    /* The largest of everything still fits the bound. */
    bad = receipt;
    bad.payload = stele_view_of(zeros, STELE_PAYLOAD_BYTES_MAX);
    bad.tags = stele_view_of(zeros, STELE_TAGS_MAX * STELE_TAG_BYTES);
    bad.path = stele_view_of(zeros, 64 * 32);
    bad.note = stele_view_of(zeros, STELE_CHECKPOINT_BYTES_MAX);
    assert_ok(stele_receipt_encode(&bad, &f->text, NULL));
    assert_true(f->text.size <= STELE_RECEIPT_BYTES_MAX);
    assert_ok(stele_receipt_decode(stele_view_buf(&f->text), &scratch, &bad, NULL));
    /* One hash more than a path has. */
    stele_buf text = STELE_BUF_EMPTY;
    assert_ok(stele_buf_printf(&text, NULL, "c2sp.org/tlog-proof@v1\nextra "));
    uint8_t extra[4 + 72] = {1, 0, 0, 72};
    assert_ok(stele_base64_encode(stele_view_of(extra, sizeof extra), &text, NULL));
    assert_ok(stele_buf_printf(&text, NULL, "\nindex 0\n"));
    for (size_t i = 0; i < 65; i++) {
        assert_ok(stele_base64_encode(stele_view_of(zeros, 32), &text, NULL));
        assert_ok(stele_buf_printf(&text, NULL, "\n"));
    }
    assert_ok(stele_buf_printf(&text, NULL, "\nx\n"));
    assert_status(stele_receipt_decode(stele_view_buf(&text), &scratch, &bad, NULL), INVALID);
    stele_buf_done(&text);
    stele_buf_done(&scratch);
}

static void test_receipt__numbers_have_one_form(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *line;
        bool good;
    } cases[] = {
        {"index 0", true},
        {"index 18446744073709551615", true},
        {"index 18446744073709551616", false},
        {"index 00", false},
        {"index 07", false},
        {"index ", false},
        {"index", false},
        {"index -1", false},
        {"index +1", false},
        {"index 1 ", false},
        {"index  1", false},
        {"Index 1", false},
        {"index 0x1", false},
        {"index 99999999999999999999", false},
        {"index 1\r", false},
    };
    uint8_t extra[4 + 72] = {1, 0, 0, 72};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stele_buf text = STELE_BUF_EMPTY;
        stele_buf scratch = STELE_BUF_EMPTY;
        struct stele_receipt receipt;
        assert_ok(stele_buf_printf(&text, NULL, "c2sp.org/tlog-proof@v1\nextra "));
        assert_ok(stele_base64_encode(stele_view_of(extra, sizeof extra), &text, NULL));
        assert_ok(stele_buf_printf(&text, NULL, "\n%s\n\n%.*s", cases[i].line, (int)f->note.size,
                                   f->note.data));
        stele_status st = stele_receipt_decode(stele_view_buf(&text), &scratch, &receipt, NULL);
        if (st != (cases[i].good ? STELE_OK : STELE_INVALID)) {
            fail_msg("'%s': %s", cases[i].line, stele_status_name(st));
        }
        stele_buf_done(&text);
        stele_buf_done(&scratch);
    }
}

/* Logs of every size up to 40, every leaf: decode(encode(x)) verifies. */
static void test_receipt__holds_in_trees_of_any_shape(void **state) {
    (void)state;
    struct rng rng = rng_start("receipt");
    struct sample_log log;
    stele_buf path = STELE_BUF_EMPTY;
    sample_log_init(&log, ORIGIN, 9);
    for (uint64_t i = 0; i < 40; i++) {
        struct sample_event event = {.session = (rng_next(&rng) & 1) != 0 ? "s" : NULL};
        (void)sample_log_event(&log, SAMPLE_TIME_US + i, &event);
    }
    struct fixture f = {.log = log};
    for (uint64_t size = 1; size <= 40; size++) {
        stele_buf note = STELE_BUF_EMPTY;
        sample_log_sign(&log, size, &note);
        for (uint64_t seq = 0; seq < size; seq++) {
            struct stele_receipt receipt =
                sample_log_receipt(&log, seq, stele_view_buf(&note), size, &path);
            struct stele_receipt_report report;
            stele_buf text = STELE_BUF_EMPTY;
            assert_ok(stele_receipt_encode(&receipt, &text, NULL));
            assert_ok(judge(&f, stele_view_buf(&text), stele_view_of(NULL, 0), &report));
            stele_buf_done(&text);
        }
        stele_buf_done(&note);
    }
    stele_buf_done(&path);
    sample_log_done(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_receipt__every_entry_has_one_that_verifies, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_receipt__decoding_gives_back_what_was_encoded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_receipt__text_is_a_tlog_proof, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receipt__a_payload_from_elsewhere_is_checked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_receipt__a_failed_call_leaves_its_outputs, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_receipt__each_part_that_is_wrong_is_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_receipt__tags_are_ascending_and_late_alike, setup,
                                        teardown),
        cmocka_unit_test(test_receipt__a_committed_tag_with_another_late_bit_is_refused),
        cmocka_unit_test_setup_teardown(test_receipt__any_changed_byte_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receipt__any_cut_insertion_and_repetition_is_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_receipt__other_forms_of_the_extra_line_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_receipt__sizes_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receipt__numbers_have_one_form, setup, teardown),
        cmocka_unit_test(test_receipt__holds_in_trees_of_any_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
