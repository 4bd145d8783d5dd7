/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/batch_book.c: see the header. */
#include "tests/fault/batch_book.h"

#include "storage/fsck.h"

stele_status book_append(struct book *book, struct fixture *f, size_t n, stele_err *err) {
    stele_view view[STELE_BATCH_EVENTS_MAX];
    struct stele_batch_place place = {0};
    assert_true(book->n_events + n <= BOOK_EVENTS_MAX && book->n_batches < BOOK_BATCHES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct stele_gen_options options = {.region = "eu-test",
                                            .n_actors = 10,
                                            .n_resources = 10,
                                            .tenant =
                                                rng_below(&book->rng, 2) == 0 ? "acme" : "globex",
                                            .time_unix_nano = atomic_load(&f->now_us) * 1000};
        stele_buf *payload = &book->payload[book->n_events + i];
        stele_buf_clear(payload);
        stele_gen_event(&book->rng, &options, payload);
        view[i] = stele_view_buf(payload);
    }
    stele_status st = fixture_append(f, "3y", view, n, &place, err);
    book->batch[book->n_batches++] = (struct book_batch){book->n_events, n, st, place.first_seq};
    book->n_events += n;
    return st;
}

static bool is_payload(const struct book *book, size_t i, stele_view payload) {
    return stele_view_equal(payload, stele_view_buf(&book->payload[i]));
}

stele_status book_read_one(struct book *book, struct fixture *f, stele_err *err) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    stele_status st = STELE_OK;
    size_t at = book->n_batches == 0 ? 0 : rng_below(&book->rng, book->n_batches);
    const struct book_batch *batch = &book->batch[at];
    if (book->n_batches == 0 || batch->st != STELE_OK) {
        return STELE_OK;
    }
    size_t i = rng_below(&book->rng, batch->n);
    STELE_TRY(stele_log_view_open(stele_store_log(f->store, "3y"), &view, err));
    STELE_TRY(stele_log_reader_new(view, &reader, err));
    STELE_TRY(stele_log_read(reader, batch->seq + i, &stored, err));
    assert_true(is_payload(book, batch->first + i, stored.payload));
cleanup:
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return st;
}

/* In both ways: by the frame's digest, and by the leaf hash. */
static void read_or_fail(struct stele_log_reader *reader, uint64_t seq,
                         struct stele_stored_entry *ret) {
    struct stele_stored_entry event;
    stele_err err;
    stele_status st = stele_log_read_event(reader, seq, &event, &err);
    if (st == STELE_OK) {
        st = stele_log_read(reader, seq, ret, &err);
        assert_true(st != STELE_OK || (event.entry.time_us == ret->entry.time_us &&
                                       stele_view_equal(event.payload, ret->payload)));
    }
    if (st != STELE_OK) {
        fail_msg("entry %" PRIu64 ": %s: %s (%s)", seq, stele_status_name(st), err.text, err.where);
    }
}

size_t book_check(const struct book *book, struct fixture *f) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    size_t at = 0;
    size_t n_adopted = 0;
    assert_ok(stele_log_view_open(stele_store_log(f->store, "3y"), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < stele_log_view_size(view);) {
        read_or_fail(reader, seq, &stored);
        if (stored.entry.type != STELE_ENTRY_EVENT) {
            seq++;
            continue;
        }
        /* Batches are there in the order of sending; those that are not were refused. */
        while (at < book->n_batches && !is_payload(book, book->batch[at].first, stored.payload)) {
            assert_true(book->batch[at].st != STELE_OK);
            at++;
        }
        assert_true(at < book->n_batches);
        const struct book_batch *batch = &book->batch[at];
        assert_true(batch->st != STELE_OK || batch->seq == seq);
        n_adopted += batch->st != STELE_OK ? 1 : 0;
        for (size_t i = 0; i < batch->n; i++, seq++) {
            read_or_fail(reader, seq, &stored);
            assert_true(is_payload(book, batch->first + i, stored.payload));
        }
        at++;
    }
    for (; at < book->n_batches; at++) {
        assert_true(book->batch[at].st != STELE_OK);
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return n_adopted;
}

size_t book_fsck(const struct book *book, struct fixture *f) {
    struct stele_fsck_report report;
    stele_err err;
    fixture_close(f);
    size_t n_adopted = 0;
    stele_status st = fixture_try_open(f, true, &err);
    if (st == STELE_OK) {
        n_adopted = book_check(book, f);
        st = stele_fsck(f->store, NULL, NULL, &report, &err);
    }
    if (st != STELE_OK) {
        fail_msg("fsck: %s (%s)", err.text, err.where);
    }
    fixture_close(f);
    return n_adopted;
}

size_t book_n_refused(const struct book *book) {
    size_t n = 0;
    for (size_t i = 0; i < book->n_batches; i++) {
        n += book->batch[i].st != STELE_OK ? 1 : 0;
    }
    return n;
}

void book_clear(struct book *book) {
    book->n_events = 0;
    book->n_batches = 0;
}

void book_done(struct book *book) {
    for (size_t i = 0; i < BOOK_EVENTS_MAX; i++) {
        stele_buf_done(&book->payload[i]);
    }
}
