/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seq_stream.c: the seqs of one key, in either direction, out of index segments and
 * unpacked tails.
 *
 * The seqs that have a second key too are those that both windows hold; the second key is looked up
 * only where the first has any.
 *
 * A source is a segment, or a unit no segment covers yet. Each source is read in windows of a
 * pack's entries (65,536), so that memory stays bounded (512 KiB of seqs) whatever the answer's
 * size. Windows of a rare key are several packs, so that who reads the entries sees where they go
 * on behind a pack's end; one that has more than a pack's entries is read again in parts. A key is
 * looked up as two tags in every era, the on-time one and the late one; which of the two a source
 * can hold an answer in is told by its times.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "storage/key_tags.h"
#include "storage/log_parts.h"

/* Cursors kept between windows: two of 16 KiB a tenant. */
#define CURSOR_TENANTS_MAX 16
/* A key with fewer postings than one in so many entries is rare; its windows have so many packs. */
#define RARE_ENTRIES 64u
#define RARE_WINDOW_PACKS 8u

struct stele_seq_stream {
    struct stele_log_view *view;
    bool scan;
    struct stele_key_query query;
    struct stele_windows windows;
    bool descending;
    uint64_t at;                /* ascending: the next seq looked for is >= at; descending: < at */
    size_t source;              /* the current one; n_sources + 1 past the end in its direction */
    struct stele_key_tags tags; /* of the current source's era */
    struct stele_posting_cursor **cursor; /* two a tag, on-time and late; only for few tags */
    bool source_open;
    uint64_t *seqs; /* of the current window */
    size_t n_seqs, next, capacity;
    uint64_t window;                    /* entries of the next window, at the most */
    struct stele_seq_stream *narrowing; /* NULL, or the other key's: its windows are this one's */
};

struct source {
    struct stele_segment *segment; /* NULL: a tail */
    const struct stele_unit *unit;
    struct stele_segment_info info; /* of a tail: era, lo, hi and the times */
};

static size_t n_sources(const struct stele_log_view *view, size_t *ret_first_tail) {
    const struct stele_catalog *catalog = view->catalog;
    uint64_t covered = stele_catalog_segments_end(catalog);
    size_t first = catalog->n_units;
    while (first > 0 && catalog->unit[first - 1]->lo >= covered) {
        first--;
    }
    *ret_first_tail = first;
    return catalog->n_segments + (catalog->n_units - first);
}

static struct source source_at(const struct stele_log_view *view, size_t i) {
    const struct stele_catalog *catalog = view->catalog;
    if (i < catalog->n_segments) {
        struct stele_segment *segment = catalog->segment[i]->segment;
        return (struct source){segment, NULL, *stele_segment_info_of(segment)};
    }
    size_t first_tail = 0;
    (void)n_sources(view, &first_tail);
    const struct stele_unit *unit = catalog->unit[first_tail + (i - catalog->n_segments)];
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_acquire);
    struct stele_segment_info info = {
        .era = unit->era,
        .lo = unit->lo,
        .hi = hi < view->size ? hi : view->size,
        .t_first = atomic_load_explicit(&unit->t_first, memory_order_relaxed),
        .t_last = atomic_load_explicit(&unit->t_last, memory_order_relaxed),
        .late_first = atomic_load_explicit(&unit->late_first, memory_order_relaxed),
        .late_last = atomic_load_explicit(&unit->late_last, memory_order_relaxed),
    };
    return (struct source){NULL, unit, info};
}

/* A source without late events holds no late tag, whatever the window. */
static bool can_hold(const struct source *s, const struct stele_windows *windows, bool late) {
    return s->info.lo < s->info.hi && stele_windows_meet(windows, late, &s->info) &&
           (!late || s->info.late_first <= s->info.late_last);
}

/* Adds up the postings of a key in one source. */
struct counting {
    const struct stele_key_tags *tags;
    bool wanted[2];
    uint64_t n;
};

static stele_status count_posting(void *ctx, const uint8_t tag[STELE_AT_LEAST(16)], uint64_t seq,
                                  stele_err *err) {
    struct counting *counting = ctx;
    (void)seq;
    (void)err;
    if (counting->wanted[tag[STELE_TAG_BYTES - 1] & 1] &&
        stele_key_tags_have(counting->tags, tag)) {
        counting->n++;
    }
    return STELE_OK;
}

static stele_status count_in_source(const struct source *s, struct counting *counting,
                                    stele_err *err) {
    stele_status st = STELE_OK;
    if (s->segment == NULL) {
        return stele_tail_scan(s->unit, s->info.hi, counting->tags->tag[0], counting->tags->n,
                               count_posting, counting, err);
    }
    for (size_t i = 0; i < counting->tags->n; i++) {
        for (uint8_t late = 0; late < 2; late++) {
            uint8_t tag[STELE_TAG_BYTES];
            uint64_t count = 0;
            memcpy(tag, counting->tags->tag[i], STELE_TAG_BYTES);
            tag[STELE_TAG_BYTES - 1] |= late;
            if (counting->wanted[late]) {
                STELE_TRY(stele_segment_count(s->segment, tag, &count, err));
                counting->n += count;
            }
        }
    }
cleanup:
    return st;
}

stele_status stele_log_key_stats(struct stele_log_view *view, const struct stele_index_key *key,
                                 const struct stele_time_range *range, uint64_t enough,
                                 struct stele_index_stats *ret, stele_err *err) {
    struct stele_index_stats stats = {0};
    struct stele_key_query query;
    struct stele_key_tags tags = {0, NULL};
    struct stele_windows windows;
    stele_status st = stele_key_query_init(&query, view->log, key, err);
    size_t first_tail = 0;
    stele_windows_of(range, &windows);
    size_t n = n_sources(view, &first_tail);
    for (size_t i = 0; st == STELE_OK && i < n && stats.postings <= enough; i++) {
        struct source s = source_at(view, i);
        struct counting counting = {
            &tags, {can_hold(&s, &windows, false), can_hold(&s, &windows, true)}, 0};
        if (!counting.wanted[0] && !counting.wanted[1]) {
            stats.segments_skipped++;
            continue;
        }
        STELE_TRY(stele_key_tags_make(&tags, view->log, &query, s.info.era, err));
        STELE_TRY(count_in_source(&s, &counting, err));
        stats.postings += counting.n;
        stats.segments++;
    }
    if (st == STELE_OK) {
        *ret = stats;
    }
cleanup:
    stele_key_tags_done(&tags);
    stele_key_query_done(&query);
    return st;
}

static stele_status make_stream(struct stele_log_view *view, const struct stele_index_key *key,
                                struct stele_seq_stream **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_seq_stream *stream = stele_alloc(1, sizeof *stream);
    if (stream == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to read the index of log %s",
                          view->log->full_name);
    }
    stream->view = view;
    stream->scan = key == NULL;
    if (key != NULL) {
        STELE_TRY(stele_key_query_init(&stream->query, view->log, key, err));
        if (stream->query.n_tenants <= CURSOR_TENANTS_MAX) {
            stream->cursor =
                stele_alloc(2 * stream->query.n_tenants, sizeof(struct stele_posting_cursor *));
            STELE_TRY(stream->cursor == NULL
                          ? STELE_FAIL(err, NO_MEMORY, "no memory to read an index")
                          : STELE_OK);
        }
    }
    *ret = stream;
    stream = NULL;
cleanup:
    stele_seq_stream_close(stream);
    return st;
}

stele_status stele_seq_stream_open(struct stele_log_view *view, const struct stele_index_key *key,
                                   const struct stele_time_range *range, bool descending,
                                   uint64_t from, struct stele_seq_stream **ret, stele_err *err) {
    struct stele_seq_stream *stream = NULL;
    size_t first_tail = 0;
    stele_status st = make_stream(view, key, &stream, err);
    if (st == STELE_OK) {
        stele_windows_of(range, &stream->windows);
        stream->descending = descending;
        stream->at = descending && from > view->size ? view->size : from;
        stream->window = view->log->pack_entries;
        stream->source = descending ? n_sources(view, &first_tail) : 0;
        *ret = stream;
    }
    return st;
}

stele_status stele_seq_stream_narrow(struct stele_seq_stream *stream,
                                     const struct stele_index_key *key, stele_err *err) {
    assert(!stream->scan && stream->narrowing == NULL && !stream->source_open);
    stele_status st = make_stream(stream->view, key, &stream->narrowing, err);
    if (st == STELE_OK) {
        stream->narrowing->windows = stream->windows;
    }
    return st;
}

static void leave_source(struct stele_seq_stream *stream) {
    for (size_t i = 0; stream->cursor != NULL && i < 2 * stream->query.n_tenants; i++) {
        stele_posting_cursor_free(stream->cursor[i]);
        stream->cursor[i] = NULL;
    }
    stream->source_open = false;
    if (stream->narrowing != NULL) {
        leave_source(stream->narrowing);
    }
}

void stele_seq_stream_close(struct stele_seq_stream *stream) {
    if (stream != NULL) {
        leave_source(stream);
        stele_seq_stream_close(stream->narrowing);
        stele_key_query_done(&stream->query);
        stele_key_tags_done(&stream->tags);
        stele_free(stream->cursor);
        stele_free(stream->seqs);
        stele_free(stream);
    }
}

static int compare_seqs(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A window being filled: which entries, and which of the two tags can hold an answer. */
struct window {
    struct stele_seq_stream *stream;
    uint64_t from, to;
    bool wanted[2];
    bool full; /* there are more seqs in it than the stream holds */
};

/* A window of a pack's entries has no more seqs than those. */
static stele_status add_seq(struct window *window, uint64_t seq, stele_err *err) {
    struct stele_seq_stream *stream = window->stream;
    if (stream->n_seqs == stream->view->log->pack_entries) {
        window->full = true;
        return STELE_END;
    }
    if (stream->n_seqs == stream->capacity) {
        size_t grown = stream->capacity == 0 ? 256 : stream->capacity * 2;
        uint64_t *seqs = stele_realloc(stream->seqs, grown, sizeof *seqs);
        if (seqs == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for %zu postings", grown);
        }
        stream->seqs = seqs;
        stream->capacity = grown;
    }
    stream->seqs[stream->n_seqs++] = seq;
    return STELE_OK;
}

static stele_status take_posting(void *ctx, const uint8_t tag[STELE_AT_LEAST(16)], uint64_t seq,
                                 stele_err *err) {
    struct window *window = ctx;
    if (seq < window->from || !window->wanted[tag[STELE_TAG_BYTES - 1] & 1] ||
        !stele_key_tags_have(&window->stream->tags, tag)) {
        return STELE_OK;
    }
    return add_seq(window, seq, err);
}

/* Appends the cursor's seqs in the window. */
static stele_status take_from_cursor(struct window *window, struct stele_posting_cursor *cursor,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t seq = 0;
    STELE_TRY(stele_posting_seek(cursor, window->from, err));
    while ((st = stele_posting_next(cursor, &seq, err)) == STELE_OK && seq < window->to) {
        STELE_TRY(add_seq(window, seq, err));
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    return st;
}

/* One tag's postings in a segment. With few tags the cursor is kept for the next window; with many
 * it is looked up again, so that memory does not grow with the tenants. */
static stele_status take_tag(struct window *window, const struct source *s, size_t i, uint8_t late,
                             stele_err *err) {
    struct stele_seq_stream *stream = window->stream;
    struct stele_posting_cursor *own = NULL;
    struct stele_posting_cursor **cursor =
        stream->cursor == NULL ? &own : &stream->cursor[2 * i + late];
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count = 0;
    stele_status st = STELE_OK;
    memcpy(tag, stream->tags.tag[i], STELE_TAG_BYTES);
    tag[STELE_TAG_BYTES - 1] |= late;
    if (stream->cursor == NULL || !stream->source_open) {
        st = stele_segment_find(s->segment, tag, cursor, &count, err);
        STELE_TRY(st == STELE_END ? STELE_OK : st);
    }
    if (*cursor != NULL) {
        STELE_TRY(take_from_cursor(window, *cursor, err));
    }
cleanup:
    stele_posting_cursor_free(own);
    return st == STELE_END ? STELE_OK : st;
}

/* Fills the window with the source's seqs in [from, to), ascending. END: there are too many. */
static stele_status load_window(struct stele_seq_stream *stream, const struct source *s,
                                uint64_t from, uint64_t to, stele_err *err) {
    struct window window = {
        stream,
        from,
        to,
        {can_hold(s, &stream->windows, false), can_hold(s, &stream->windows, true)},
        false};
    stele_status st = STELE_OK;
    stream->n_seqs = 0;
    if (!stream->source_open) {
        STELE_TRY(stele_key_tags_make(&stream->tags, stream->view->log, &stream->query, s->info.era,
                                      err));
    }
    if (s->segment == NULL) {
        STELE_TRY(stele_tail_scan(s->unit, to, stream->tags.tag[0], stream->tags.n, take_posting,
                                  &window, err));
    }
    for (size_t i = 0; s->segment != NULL && i < stream->tags.n; i++) {
        for (uint8_t late = 0; late < 2; late++) {
            STELE_TRY(window.wanted[late] ? take_tag(&window, s, i, late, err) : STELE_OK);
        }
    }
    stream->source_open = true;
    st = window.full ? STELE_END : STELE_OK;
    if (stream->n_seqs > 1) {
        qsort(stream->seqs, stream->n_seqs, sizeof *stream->seqs, compare_seqs);
    }
cleanup:
    return st;
}

/* Leaves those of the window that the other key has, too. */
static stele_status narrow_window(struct stele_seq_stream *stream, const struct source *s,
                                  uint64_t from, uint64_t to, stele_err *err) {
    struct stele_seq_stream *other = stream->narrowing;
    size_t n = 0;
    if (other == NULL || stream->n_seqs == 0) {
        return STELE_OK;
    }
    stele_status st = load_window(other, s, from, to, err);
    for (size_t i = 0, k = 0; st == STELE_OK && i < stream->n_seqs; i++) {
        while (k < other->n_seqs && other->seqs[k] < stream->seqs[i]) {
            k++;
        }
        if (k < other->n_seqs && other->seqs[k] == stream->seqs[i]) {
            stream->seqs[n++] = stream->seqs[i];
        }
    }
    stream->n_seqs = st == STELE_OK ? n : stream->n_seqs;
    return st;
}

/* Moves to the next window that is not outside the range; END if there is none. */
static stele_status next_window(struct stele_seq_stream *stream, stele_err *err) {
    size_t first_tail = 0;
    size_t n = n_sources(stream->view, &first_tail);
    for (;;) {
        if (stream->descending ? stream->source == 0 : stream->source >= n) {
            return STELE_END;
        }
        struct source s =
            source_at(stream->view, stream->descending ? stream->source - 1 : stream->source);
        bool live = stream->descending ? s.info.lo < stream->at : s.info.hi > stream->at;
        if (!live ||
            (!can_hold(&s, &stream->windows, false) && !can_hold(&s, &stream->windows, true))) {
            leave_source(stream);
            stream->source = stream->descending ? stream->source - 1 : stream->source + 1;
            continue;
        }
        uint64_t from =
            stream->descending ? s.info.lo : (stream->at > s.info.lo ? stream->at : s.info.lo);
        uint64_t to =
            stream->descending ? (stream->at < s.info.hi ? stream->at : s.info.hi) : s.info.hi;
        if (to - from > stream->window) {
            from = stream->descending ? to - stream->window : from;
            to = stream->descending ? to : from + stream->window;
        }
        stele_status st = load_window(stream, &s, from, to, err);
        bool rare = stream->narrowing == NULL && stream->n_seqs < (to - from) / RARE_ENTRIES;
        stream->window = stream->view->log->pack_entries * (rare ? RARE_WINDOW_PACKS : 1);
        if (st == STELE_END && to - from <= stream->view->log->pack_entries) {
            return STELE_FAIL(err, CORRUPT,
                              "log %s: the index of entries %" PRIu64 " to %" PRIu64
                              " lists more than there are; run stele fsck",
                              stream->view->log->full_name, from, to - 1);
        }
        if (st == STELE_END) {
            leave_source(stream);
            continue;
        }
        if (st == STELE_OK) {
            st = narrow_window(stream, &s, from, to, err);
        }
        if (st != STELE_OK) {
            return st;
        }
        stream->at = stream->descending ? from : to;
        stream->next = 0;
        if (stream->n_seqs > 0) {
            return STELE_OK;
        }
    }
}

static stele_status next_of_scan(struct stele_seq_stream *stream, uint64_t *ret_seq) {
    if (stream->descending) {
        if (stream->at == 0) {
            return STELE_END;
        }
        *ret_seq = --stream->at;
        return STELE_OK;
    }
    if (stream->at >= stream->view->size) {
        return STELE_END;
    }
    *ret_seq = stream->at++;
    return STELE_OK;
}

/* Number i of the window, in the stream's direction. */
static uint64_t seq_at(const struct stele_seq_stream *stream, size_t i) {
    return stream->seqs[stream->descending ? stream->n_seqs - 1 - i : i];
}

stele_status stele_seq_stream_next(struct stele_seq_stream *stream, uint64_t *ret_seq,
                                   stele_err *err) {
    if (stream->scan) {
        return next_of_scan(stream, ret_seq);
    }
    if (stream->next == stream->n_seqs) {
        stele_status st = next_window(stream, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    *ret_seq = seq_at(stream, stream->next++);
    return STELE_OK;
}

size_t stele_seq_stream_ahead(const struct stele_seq_stream *stream, uint64_t *out, size_t max) {
    size_t left = stream->n_seqs - stream->next;
    size_t n = left < max ? left : max;
    for (size_t i = 0; i < n; i++) {
        out[i] = seq_at(stream, stream->next + i);
    }
    return n;
}

bool stele_seq_stream_beyond(const struct stele_seq_stream *stream, uint64_t seq, uint64_t apart,
                             uint64_t *ret) {
    size_t low = stream->next;
    size_t high = stream->n_seqs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at = seq_at(stream, middle);
        bool beyond =
            stream->descending ? at < seq && seq - at >= apart : at > seq && at - seq >= apart;
        low = beyond ? low : middle + 1;
        high = beyond ? middle : high;
    }
    if (low < stream->n_seqs) {
        *ret = seq_at(stream, low);
    }
    return low < stream->n_seqs;
}
