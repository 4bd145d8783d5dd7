/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seq_stream.c: the seqs of one key, in either direction, out of index segments and unpacked tails.
 *
 * A source is a segment, or a unit no segment covers yet. Each source is read in windows of at most a
 * pack's entries (65,536), so that memory stays bounded (512 KiB of seqs) whatever the answer's size.
 * A key is looked up as two tags in every era, the on-time one and the late one; which of the two a source
 * can hold an answer in is told by its times.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/log_parts.h"

#define DAY_US STELE_LATE_AFTER_US

struct stele_seq_stream {
    struct stele_log_view *view;
    bool scan;
    stele_buf tenant, value;
    uint8_t field;
    struct stele_time_range range;
    bool descending;
    uint64_t at;        /* ascending: the next seq looked for is >= at; descending: < at */
    size_t source;      /* the current one; n_sources + 1 past the end in its direction */
    struct stele_posting_cursor *cursor[2];
    bool source_open;
    uint64_t *seqs;     /* of the current window */
    size_t n_seqs, next, capacity;
};

/* What decides whether a source can hold an answer. */
struct source {
    struct stele_segment *segment; /* NULL: a tail */
    const struct stele_unit *unit;
    uint32_t era;
    uint64_t lo, hi;
    uint64_t t_first, t_last, late_first, late_last;
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
        const struct stele_segment_info *info = stele_segment_info_of(segment);
        return (struct source){segment,      NULL,          info->era,        info->lo,       info->hi,
                               info->t_first, info->t_last, info->late_first, info->late_last};
    }
    size_t first_tail = 0;
    (void)n_sources(view, &first_tail);
    const struct stele_unit *unit = catalog->unit[first_tail + (i - catalog->n_segments)];
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_acquire);
    return (struct source){NULL,
                           unit,
                           unit->era,
                           unit->lo,
                           hi < view->size ? hi : view->size,
                           atomic_load_explicit(&unit->t_first, memory_order_relaxed),
                           atomic_load_explicit(&unit->t_last, memory_order_relaxed),
                           atomic_load_explicit(&unit->late_first, memory_order_relaxed),
                           atomic_load_explicit(&unit->late_last, memory_order_relaxed)};
}

static uint64_t minus(uint64_t a, uint64_t b) {
    return a < b ? 0 : a - b;
}

static uint64_t plus(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* FORMAT.md section 5: the on-time window is [T0 - D, T1 + D), the late one starts at T0 + D + 1. */
static bool can_hold(const struct source *s, const struct stele_time_range *range, bool late) {
    if (s->lo >= s->hi || s->t_first >= range->logged_until_us || s->t_last < range->logged_since_us) {
        return false;
    }
    if (!late) {
        return s->t_first < plus(range->until_us, DAY_US) && s->t_last >= minus(range->since_us, DAY_US);
    }
    return s->late_first < range->until_us && s->late_last >= range->since_us && s->late_first <= s->late_last &&
           s->t_last >= plus(range->since_us, DAY_US + 1);
}

static stele_status tag_for(const struct stele_log_view *view, const struct stele_index_key *key, uint32_t era,
                            bool late, uint8_t ret[STELE_AT_LEAST(16)], stele_err *err) {
    struct stele_log *log = view->log;
    const struct stele_tag_key *tag_key = NULL;
    stele_status st = stele_keyring_tag_key(log->keyring, log->name, era, false, &tag_key, err);
    if (st == STELE_OK) {
        stele_tag_of(tag_key, key->tenant, key->field, key->value, late, ret);
    }
    return st;
}

stele_status stele_log_key_stats(struct stele_log_view *view, const struct stele_index_key *key,
                                 const struct stele_time_range *range, struct stele_index_stats *ret, stele_err *err) {
    struct stele_index_stats stats = {0};
    stele_status st = STELE_OK;
    uint64_t *seqs = NULL;
    size_t capacity = 0;
    size_t first_tail = 0;
    size_t n = n_sources(view, &first_tail);
    for (size_t i = 0; i < n; i++) {
        struct source s = source_at(view, i);
        bool met = false;
        for (int late = 0; late < 2; late++) {
            uint8_t tag[STELE_TAG_BYTES];
            uint64_t count = 0;
            size_t found = 0;
            if (!can_hold(&s, range, late != 0)) {
                continue;
            }
            met = true;
            STELE_TRY(tag_for(view, key, s.era, late != 0, tag, err));
            if (s.segment != NULL) {
                STELE_TRY(stele_segment_count(s.segment, tag, &count, err));
            } else {
                STELE_TRY(stele_tail_find(s.unit, tag, s.hi, &seqs, &found, &capacity, err));
                count = found;
            }
            stats.postings += count;
        }
        stats.segments += met ? 1 : 0;
        stats.segments_skipped += met ? 0 : 1;
    }
    *ret = stats;
cleanup:
    stele_free(seqs);
    return st;
}

stele_status stele_seq_stream_open(struct stele_log_view *view, const struct stele_index_key *key,
                                   const struct stele_time_range *range, bool descending, uint64_t from,
                                   struct stele_seq_stream **ret, stele_err *err) {
    stele_status st = STELE_OK;
    size_t first_tail = 0;
    struct stele_seq_stream *stream = stele_alloc(1, sizeof *stream);
    if (stream == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to read the index of log %s", view->log->full_name);
    }
    stream->view = view;
    stream->scan = key == NULL;
    stream->range = *range;
    stream->descending = descending;
    stream->at = descending && from > view->size ? view->size : from;
    stream->source = descending ? n_sources(view, &first_tail) : 0;
    if (key != NULL) {
        stream->field = key->field;
        STELE_TRY(stele_buf_append(&stream->tenant, key->tenant, err));
        STELE_TRY(stele_buf_append(&stream->value, key->value, err));
    }
    *ret = stream;
    stream = NULL;
cleanup:
    stele_seq_stream_close(stream);
    return st;
}

static void leave_source(struct stele_seq_stream *stream) {
    for (int late = 0; late < 2; late++) {
        stele_posting_cursor_free(stream->cursor[late]);
        stream->cursor[late] = NULL;
    }
    stream->source_open = false;
}

void stele_seq_stream_close(struct stele_seq_stream *stream) {
    if (stream != NULL) {
        leave_source(stream);
        stele_buf_done(&stream->tenant);
        stele_buf_done(&stream->value);
        stele_free(stream->seqs);
        stele_free(stream);
    }
}

static int compare_seqs(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Appends the cursor's seqs in [from, to) to the window. */
static stele_status take_from_cursor(struct stele_seq_stream *stream, struct stele_posting_cursor *cursor,
                                     uint64_t from, uint64_t to, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_posting_seek(cursor, from, err));
    for (;;) {
        uint64_t seq = 0;
        st = stele_posting_next(cursor, &seq, err);
        if (st == STELE_END || (st == STELE_OK && seq >= to)) {
            return STELE_OK;
        }
        STELE_TRY(st);
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
    }
cleanup:
    return st;
}

/* Fills the window with the source's seqs in [from, to), ascending. */
static stele_status load_window(struct stele_seq_stream *stream, const struct source *s, uint64_t from, uint64_t to,
                                stele_err *err) {
    struct stele_index_key key = {stele_view_buf(&stream->tenant), stream->field, stele_view_buf(&stream->value)};
    stele_status st = STELE_OK;
    size_t kept = 0;
    stream->n_seqs = 0;
    for (int late = 0; late < 2; late++) {
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t count = 0;
        if (!can_hold(s, &stream->range, late != 0)) {
            continue;
        }
        STELE_TRY(tag_for(stream->view, &key, s->era, late != 0, tag, err));
        if (s->segment == NULL) {
            STELE_TRY(stele_tail_find(s->unit, tag, to, &stream->seqs, &stream->n_seqs, &stream->capacity, err));
            continue;
        }
        if (!stream->source_open) {
            st = stele_segment_find(s->segment, tag, &stream->cursor[late], &count, err);
            if (st != STELE_END) {
                STELE_TRY(st);
            }
            st = STELE_OK;
        }
        if (stream->cursor[late] != NULL) {
            STELE_TRY(take_from_cursor(stream, stream->cursor[late], from, to, err));
        }
    }
    stream->source_open = true;
    for (size_t i = 0; i < stream->n_seqs; i++) {
        if (stream->seqs[i] >= from) {
            stream->seqs[kept++] = stream->seqs[i];
        }
    }
    stream->n_seqs = kept;
    if (kept > 1) {
        qsort(stream->seqs, kept, sizeof *stream->seqs, compare_seqs);
    }
cleanup:
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
        struct source s = source_at(stream->view, stream->descending ? stream->source - 1 : stream->source);
        bool live = stream->descending ? s.lo < stream->at : s.hi > stream->at;
        if (!live || (!can_hold(&s, &stream->range, false) && !can_hold(&s, &stream->range, true))) {
            leave_source(stream);
            stream->source = stream->descending ? stream->source - 1 : stream->source + 1;
            continue;
        }
        uint64_t from = stream->descending ? s.lo : (stream->at > s.lo ? stream->at : s.lo);
        uint64_t to = stream->descending ? (stream->at < s.hi ? stream->at : s.hi) : s.hi;
        uint64_t window = stream->view->log->pack_entries;
        if (to - from > window) {
            from = stream->descending ? to - window : from;
            to = stream->descending ? to : from + window;
        }
        stele_status st = load_window(stream, &s, from, to, err);
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

stele_status stele_seq_stream_next(struct stele_seq_stream *stream, uint64_t *ret_seq, stele_err *err) {
    if (stream->scan) {
        return next_of_scan(stream, ret_seq);
    }
    if (stream->next == stream->n_seqs) {
        stele_status st = next_window(stream, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    *ret_seq = stream->seqs[stream->descending ? stream->n_seqs - 1 - stream->next : stream->next];
    stream->next++;
    return STELE_OK;
}
