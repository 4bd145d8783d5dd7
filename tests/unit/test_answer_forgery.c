/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forged answer files: each is changed and its digest made new, so that only the rules of the
 * format stand in the way.
 */
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/answer_pair.h"
#include "tests/support/cmocka.h"

#define ENTRY_AT 1 /* in an event's body */
#define SALT_AT (ENTRY_AT + 96)
#define GAP_AT (SALT_AT + 16)

static size_t event_at(const struct pair *x, size_t i) {
    return forge_find(&x->f, STELE_ANSWER_EVENT, i);
}

static void replace(struct pair *x, size_t at, stele_view bytes) {
    uint8_t type = x->f.chunk[at].type;
    forge_insert(&x->f, at, type, bytes);
    forge_remove(&x->f, at + 1);
}

static void nothing(struct pair *x) {
    (void)x;
}
static void payload_changed(struct pair *x) {
    stele_buf *event = pair_body(x, STELE_ANSWER_EVENT, 0);
    event->data[event->size - 1] ^= 1;
}
static void payload_longer(struct pair *x) {
    size_t at = event_at(x, 0);
    forge_resize(&x->f, at, x->f.chunk[at].body.size + 1);
}
static void payload_shorter(struct pair *x) {
    size_t at = event_at(x, 0);
    forge_resize(&x->f, at, x->f.chunk[at].body.size - 1);
}
/* The entry's commitment is made to fit the other payload: the tree does not. */
static void payload_and_commitment_changed(struct pair *x) {
    stele_buf *event = pair_body(x, STELE_ANSWER_EVENT, 0); /* b's 0: no gap before it */
    event->data[event->size - 1] ^= 1;
    stele_hash_payload(event->data + SALT_AT,
                       stele_view_of(event->data + GAP_AT, event->size - GAP_AT),
                       event->data + ENTRY_AT + 32);
}
static void payload_over_the_limit(struct pair *x) {
    forge_resize(&x->f, event_at(x, 0), GAP_AT + STELE_PAYLOAD_BYTES_MAX + 1);
}
static void salt_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[SALT_AT] ^= 1;
}
static void keys_commit_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 64] ^= 1;
}
static void log_time_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[ENTRY_AT + 23] ^= 1; /* 8 -> 9: still in order */
}
static void event_time_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 31] ^= 1;
}
static void class_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 2] = 7;
}
static void class_of_no_years(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 2] = 0;
}
static void late_bit_set(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 3] = 1;
}
static void reserved_bit_set(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 3] = 2;
}
static void entry_version_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT + 1] = 2;
}
static void entry_type_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 2)->data[ENTRY_AT] = STELE_ENTRY_INDEX;
}
/* b's 8 as 7: the gap before it has one hash either way, and one leaf is left after it. */
static void seq_moved_down(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[ENTRY_AT + 15] = 7;
    forge_resize(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 1), 1 + 32);
}
static void seq_not_below_size(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[ENTRY_AT + 15] = 9;
}
static void seq_repeated(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[ENTRY_AT + 15] = 5;
}
static void seq_huge(struct pair *x) {
    memset(pair_body(x, STELE_ANSWER_EVENT, 5)->data + ENTRY_AT + 8, 0xff, 8);
}
static void events_reordered(struct pair *x) {
    forge_swap(&x->f, event_at(x, 1), event_at(x, 2));
}
/* Equal times: a's event 5 stands before b's; no tree would notice the other order. */
static void equal_times_reordered(struct pair *x) {
    forge_swap(&x->f, event_at(x, 3), event_at(x, 4));
}
static void event_duplicated(struct pair *x) {
    size_t at = event_at(x, 5);
    forge_insert(&x->f, at, STELE_ANSWER_EVENT, stele_view_buf(&x->f.chunk[at].body));
    pair_body(x, STELE_ANSWER_END, 0)->data[7]++;
}
/* b's 8 as a's 8, with as many hashes as each log then needs. */
static void event_of_another_log(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[0] = 0;
    forge_resize(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 0), 1);
    forge_resize(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 1), 1 + 2 * 32);
}
static void event_of_no_log(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 5)->data[0] = 2;
}
static void put_foreign(struct pair *x, uint8_t log, uint64_t seq, size_t before, stele_view gap) {
    const struct sample_entry *entry = &x->stranger.entry[seq];
    stele_buf event = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&event);
    stele_write_u8(&w, log);
    stele_write_view(&w, stele_view_of(entry->bytes, 96));
    stele_write_view(&w, stele_view_of(entry->salt, 16));
    stele_write_view(&w, gap);
    stele_write_view(&w, stele_view_buf(&entry->payload));
    assert_ok(stele_writer_end(&w, NULL));
    forge_insert(&x->f, before, STELE_ANSWER_EVENT, stele_view_buf(&event));
    pair_body(x, STELE_ANSWER_END, 0)->data[7]++;
    stele_buf_done(&event);
}
/* A real event of a log that is not in the file, put where b's 1 would stand. */
static void foreign_event(struct pair *x) {
    put_foreign(x, 1, 1, event_at(x, 1), stele_view_of(NULL, 0));
}
static void foreign_event_in_place(struct pair *x) {
    put_foreign(x, 1, 0, event_at(x, 0), stele_view_of(NULL, 0));
    forge_remove(&x->f, event_at(x, 1));
    pair_body(x, STELE_ANSWER_END, 0)->data[7]--;
}
static void gap_hash_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_EVENT, 1)->data[GAP_AT + 5] ^= 1; /* a's 2: one subtree before it */
}
static void gap_hash_removed(struct pair *x) {
    stele_buf *event = pair_body(x, STELE_ANSWER_EVENT, 1);
    memmove(event->data + GAP_AT, event->data + GAP_AT + 32, event->size - GAP_AT - 32);
    event->size -= 32;
}
static void gap_hash_added(struct pair *x) {
    size_t at = event_at(x, 1);
    forge_resize(&x->f, at, x->f.chunk[at].body.size + 32);
    stele_buf *event = &x->f.chunk[at].body;
    memmove(event->data + GAP_AT + 32, event->data + GAP_AT, event->size - GAP_AT - 32);
}
static void event_cut_in_gap(struct pair *x) {
    forge_resize(&x->f, event_at(x, 1), GAP_AT + 31);
}
static void event_cut_in_entry(struct pair *x) {
    forge_resize(&x->f, event_at(x, 1), 50);
}
static void event_empty(struct pair *x) {
    forge_resize(&x->f, event_at(x, 1), 0);
}
static void last_gap_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_LOG_END, 0)->data[1] ^= 1;
}
static void last_gap_longer(struct pair *x) {
    size_t at = forge_find(&x->f, STELE_ANSWER_LOG_END, 0);
    forge_resize(&x->f, at, x->f.chunk[at].body.size + 32);
}
static void last_gap_a_byte_longer(struct pair *x) {
    size_t at = forge_find(&x->f, STELE_ANSWER_LOG_END, 0);
    forge_resize(&x->f, at, x->f.chunk[at].body.size + 1);
}
static void last_gap_shorter(struct pair *x) {
    size_t at = forge_find(&x->f, STELE_ANSWER_LOG_END, 0);
    forge_resize(&x->f, at, x->f.chunk[at].body.size - 32);
}
static void log_end_empty(struct pair *x) {
    forge_resize(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 0), 0);
}
static void log_end_removed(struct pair *x) {
    forge_remove(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 1));
}
static void log_end_twice(struct pair *x) {
    size_t at = forge_find(&x->f, STELE_ANSWER_LOG_END, 1);
    forge_insert(&x->f, at, STELE_ANSWER_LOG_END, stele_view_buf(&x->f.chunk[at].body));
}
static void log_end_of_no_log(struct pair *x) {
    forge_insert(&x->f, x->f.n - 1, STELE_ANSWER_LOG_END, stele_view_of("\2", 1));
}
static void log_ends_swapped(struct pair *x) {
    forge_swap(&x->f, forge_find(&x->f, STELE_ANSWER_LOG_END, 0),
               forge_find(&x->f, STELE_ANSWER_LOG_END, 1));
}
static void event_after_log_end(struct pair *x) {
    forge_swap(&x->f, event_at(x, 5), forge_find(&x->f, STELE_ANSWER_LOG_END, 0));
}
/* b is declared after an event of a; b's own events come later. */
static void log_after_event(struct pair *x) {
    forge_remove(&x->f, event_at(x, 0)); /* b's 0 */
    forge_swap(&x->f, forge_find(&x->f, STELE_ANSWER_LOG, 1), event_at(x, 0));
    forge_remove(&x->f,
                 event_at(x, 4)); /* b's 8 and 5: their hashes are not missed before the end */
    forge_remove(&x->f, event_at(x, 3));
    pair_body(x, STELE_ANSWER_END, 0)->data[7] = 3;
    stele_buf *end = pair_body(x, STELE_ANSWER_LOG_END, 1);
    stele_buf_clear(end);
    assert_ok(stele_buf_append(end, stele_view_of("\1", 1), NULL));
    struct stele_tree_path gap;
    assert_ok(stele_tree_prove_gap(0, 9, sample_log_node, &x->b, &gap, NULL));
    assert_ok(stele_buf_append(end, stele_view_of(gap.node, gap.n * 32), NULL));
}
static void log_twice(struct pair *x) {
    size_t at = forge_find(&x->f, STELE_ANSWER_LOG, 1);
    forge_insert(&x->f, at, STELE_ANSWER_LOG, stele_view_buf(&x->f.chunk[at].body));
}
static void logs_swapped(struct pair *x) {
    forge_swap(&x->f, forge_find(&x->f, STELE_ANSWER_LOG, 0),
               forge_find(&x->f, STELE_ANSWER_LOG, 1));
}
static void log_removed(struct pair *x) {
    forge_remove(&x->f, forge_find(&x->f, STELE_ANSWER_LOG, 1));
}
static void no_logs(struct pair *x) {
    while (x->f.n > 2) {
        forge_remove(&x->f, 1);
    }
    memset(pair_body(x, STELE_ANSWER_END, 0)->data, 0, 9);
}
static void sign(struct pair *x, size_t log, const struct sample_log *by, uint64_t size) {
    stele_buf note = STELE_BUF_EMPTY;
    sample_log_sign(by, size, &note);
    replace(x, forge_find(&x->f, STELE_ANSWER_LOG, log), stele_view_buf(&note));
    stele_buf_done(&note);
}
/* A real, older checkpoint of the same log. */
static void checkpoint_of_another_size(struct pair *x) {
    sign(x, 0, &x->a, 8);
}
static void checkpoint_below_the_events(struct pair *x) {
    sign(x, 1, &x->b, 8);
}
static void checkpoint_of_a_stranger(struct pair *x) {
    sign(x, 1, &x->stranger, 9);
}
/* A third party's tree under a's name. */
static void checkpoint_of_another_key(struct pair *x) {
    struct sample_log fake;
    pair_fill(&fake, "stele.example/eu-1/a", 9);
    sign(x, 0, &fake, 9);
    sample_log_done(&fake);
}
static void checkpoint_text_changed(struct pair *x) {
    stele_buf *note = pair_body(x, STELE_ANSWER_LOG, 0);
    uint8_t *size = memchr(note->data, '\n', note->size);
    assert_non_null(size);
    assert_int_equal(size[1], '9');
    size[1] = '8';
}
static void checkpoint_without_signature(struct pair *x) {
    stele_buf *note = pair_body(x, STELE_ANSWER_LOG, 0);
    size_t text = 0;
    while (!(note->data[text] == '\n' && note->data[text + 1] == '\n')) {
        text++;
    }
    note->size = text + 2;
}
static void question_missing(struct pair *x) {
    forge_remove(&x->f, 0);
}
static void question_twice(struct pair *x) {
    forge_insert(&x->f, 0, STELE_ANSWER_QUESTION, stele_view_str("the question"));
}
static void question_late(struct pair *x) {
    forge_swap(&x->f, 0, 1);
}
static void question_over_the_limit(struct pair *x) {
    forge_resize(&x->f, 0, STELE_ANSWER_QUESTION_BYTES_MAX + 1);
}
static void count_changed(struct pair *x) {
    pair_body(x, STELE_ANSWER_END, 0)->data[7]--;
}
static void flags_reserved(struct pair *x) {
    pair_body(x, STELE_ANSWER_END, 0)->data[8] = 2;
}
static void end_removed(struct pair *x) {
    forge_remove(&x->f, x->f.n - 1);
}
static void end_twice(struct pair *x) {
    forge_insert(&x->f, x->f.n, STELE_ANSWER_END, stele_view_buf(&x->f.chunk[x->f.n - 1].body));
}
static void end_shorter(struct pair *x) {
    stele_buf *end = pair_body(x, STELE_ANSWER_END, 0);
    memmove(end->data + 8, end->data + 9, 32);
    end->size--;
}
static void end_longer(struct pair *x) {
    forge_resize(&x->f, x->f.n - 1, 42);
}
static void end_early(struct pair *x) {
    forge_swap(&x->f, x->f.n - 1, x->f.n - 2);
}
static void chunk_of_type_0(struct pair *x) {
    forge_insert(&x->f, 1, 0, stele_view_of(NULL, 0));
}
static void chunk_of_type_6(struct pair *x) {
    forge_insert(&x->f, 3, 6, stele_view_of(NULL, 0));
}
static void chunk_of_type_255(struct pair *x) {
    forge_insert(&x->f, 3, 255, stele_view_str("x"));
}
static void only_an_end(struct pair *x) {
    while (x->f.n > 1) {
        forge_remove(&x->f, 0);
    }
}

#define FORGERY(name, status)                                                                      \
    { #name, name, STELE_##status }
static const struct forgery {
    const char *name;
    void (*apply)(struct pair *x);
    stele_status expected;
} forgeries[] = {
    FORGERY(nothing, OK),
    FORGERY(payload_changed, UNVERIFIED),
    FORGERY(payload_longer, UNVERIFIED),
    FORGERY(payload_shorter, UNVERIFIED),
    FORGERY(payload_and_commitment_changed, UNVERIFIED),
    FORGERY(payload_over_the_limit, INVALID),
    FORGERY(salt_changed, UNVERIFIED),
    FORGERY(keys_commit_changed, UNVERIFIED),
    FORGERY(log_time_changed, UNVERIFIED),
    FORGERY(event_time_changed, UNVERIFIED),
    FORGERY(class_changed, UNVERIFIED),
    FORGERY(class_of_no_years, INVALID),
    FORGERY(late_bit_set, INVALID),
    FORGERY(reserved_bit_set, INVALID),
    FORGERY(entry_version_changed, INVALID),
    FORGERY(entry_type_changed, INVALID),
    FORGERY(seq_moved_down, UNVERIFIED),
    FORGERY(seq_not_below_size, INVALID),
    FORGERY(seq_repeated, INVALID),
    FORGERY(seq_huge, INVALID),
    FORGERY(events_reordered, INVALID),
    FORGERY(equal_times_reordered, INVALID),
    FORGERY(event_duplicated, INVALID),
    FORGERY(event_of_another_log, UNVERIFIED),
    FORGERY(event_of_no_log, INVALID),
    FORGERY(foreign_event, UNVERIFIED),
    FORGERY(foreign_event_in_place, UNVERIFIED),
    FORGERY(gap_hash_changed, UNVERIFIED),
    FORGERY(gap_hash_removed, UNVERIFIED),
    FORGERY(gap_hash_added, UNVERIFIED),
    FORGERY(event_cut_in_gap, INVALID),
    FORGERY(event_cut_in_entry, INVALID),
    FORGERY(event_empty, INVALID),
    FORGERY(last_gap_changed, UNVERIFIED),
    FORGERY(last_gap_longer, INVALID),
    FORGERY(last_gap_a_byte_longer, INVALID),
    FORGERY(last_gap_shorter, INVALID),
    FORGERY(log_end_empty, INVALID),
    FORGERY(log_end_removed, INVALID),
    FORGERY(log_end_twice, INVALID),
    FORGERY(log_end_of_no_log, INVALID),
    FORGERY(log_ends_swapped, INVALID),
    FORGERY(event_after_log_end, INVALID),
    FORGERY(log_after_event, INVALID),
    FORGERY(log_twice, INVALID),
    FORGERY(logs_swapped, INVALID),
    FORGERY(log_removed, INVALID),
    FORGERY(no_logs, INVALID),
    FORGERY(checkpoint_of_another_size, INVALID),
    FORGERY(checkpoint_below_the_events, INVALID),
    FORGERY(checkpoint_of_a_stranger, UNVERIFIED),
    FORGERY(checkpoint_of_another_key, UNVERIFIED),
    FORGERY(checkpoint_text_changed, UNVERIFIED),
    FORGERY(checkpoint_without_signature, INVALID),
    FORGERY(question_missing, INVALID),
    FORGERY(question_twice, INVALID),
    FORGERY(question_late, INVALID),
    FORGERY(question_over_the_limit, INVALID),
    FORGERY(count_changed, INVALID),
    FORGERY(flags_reserved, INVALID),
    FORGERY(end_removed, INVALID),
    FORGERY(end_twice, INVALID),
    FORGERY(end_shorter, INVALID),
    FORGERY(end_longer, INVALID),
    FORGERY(end_early, INVALID),
    FORGERY(chunk_of_type_0, INVALID),
    FORGERY(chunk_of_type_6, INVALID),
    FORGERY(chunk_of_type_255, INVALID),
    FORGERY(only_an_end, INVALID),
};

static void test_answer__each_forgery_is_found_without_the_digest(void **state) {
    struct pair *x = *state;
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        stele_err err = {.text = ""};
        forge_done(&x->f);
        forge_take_apart(stele_view_buf(&x->file), &x->f);
        forgeries[i].apply(x);
        stele_buf_clear(&x->out);
        forge_put_together(&x->f, &x->out);
        stele_status st = pair_judge(x, stele_view_buf(&x->out), &err);
        if (st != forgeries[i].expected) {
            fail_msg("%s: %s (%s)", forgeries[i].name, stele_status_name(st), err.text);
        }
        if (st != STELE_OK && strstr(err.text, "digest") != NULL) {
            fail_msg("%s: found by the digest, not by a rule", forgeries[i].name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer__each_forgery_is_found_without_the_digest,
                                        pair_setup, pair_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
