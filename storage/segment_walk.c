/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/segment_walk.c: every posting of a segment in order.
 *
 * Invariant: a walk that reaches END has seen every block, and each claim of index and footer held:
 * tags and postings rise over block borders too, and keys and postings are as many as the footer
 * counts.
 */
#include "storage/segment_format.h"

#include <inttypes.h>

/* One read of 256 KiB: a merge of 64 segments then holds 16 MiB, and a remote read is worth its
 * trip. */
#define BLOCKS_AHEAD 16

struct stele_segment_walker {
    const struct stele_segment *s;
    uint64_t next;        /* the next block to scan */
    uint64_t ahead_first; /* blocks [ahead_first, ahead_end) are in buf */
    uint64_t ahead_end;
    stele_buf buf;
    struct stele_segment__scan scan; /* left == 0 before the first block */
    uint64_t n_keys, n_postings;
    bool started;
    stele_status broken;
};

stele_status stele_segment_walk(struct stele_segment *s, struct stele_segment_walker **ret,
                                stele_err *err) {
    struct stele_segment_walker *w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a segment walker");
    }
    w->s = s;
    *ret = w;
    return STELE_OK;
}

void stele_segment_walk_free(struct stele_segment_walker *w) {
    if (w != NULL) {
        stele_buf_done(&w->buf);
        stele_free(w);
    }
}

static stele_status walk_bad(const struct stele_segment_walker *w, const char *what,
                             stele_err *err) {
    return STELE_FAIL(err, CORRUPT,
                      "segment [%" PRIu64 ", %" PRIu64 "): before block %" PRIu64
                      ": %s; restore or rebuild the segment",
                      w->s->footer.info.lo, w->s->footer.info.hi, w->next, what);
}

/* After the last block: the footer's counts must be what was seen. */
static stele_status walk_ended(const struct stele_segment_walker *w, stele_err *err) {
    if (w->n_keys != w->s->footer.info.n_keys || w->n_postings != w->s->footer.info.n_postings) {
        return walk_bad(w, "keys or postings are not as many as the footer counts", err);
    }
    return STELE_END;
}

/* The record at the scan follows the one before it across a block border. */
static stele_status check_border(struct stele_segment_walker *w, const uint8_t *tag_before,
                                 uint64_t offset_least, stele_err *err) {
    struct stele_segment__index_entry entry;
    stele_segment__get_index_entry(
        w->s->index.data + (w->next - 1) * STELE_SEGMENT__INDEX_ENTRY_BYTES, &entry);
    int order = w->started ? memcmp(w->scan.tag, tag_before, STELE_TAG_BYTES) : 1;
    if (order < 0 || (order == 0) != (entry.continued != 0)) {
        return walk_bad(w, "tags do not rise over the border, or a key goes on unannounced", err);
    }
    if (order == 0 && entry.first < offset_least) {
        return walk_bad(w, "a key's postings do not rise over the border", err);
    }
    w->n_keys += order > 0;
    return STELE_OK;
}

static stele_status next_block(struct stele_segment_walker *w, stele_err *err) {
    const struct stele_segment *s = w->s;
    uint8_t tag_before[STELE_TAG_BYTES];
    uint64_t offset_least = w->scan.offset_least;
    memcpy(tag_before, w->scan.tag, sizeof tag_before);
    if (w->next == s->footer.n_blocks) {
        return walk_ended(w, err);
    }
    if (w->next == w->ahead_end) {
        uint64_t left = s->footer.n_blocks - w->next;
        uint64_t n = left < BLOCKS_AHEAD ? left : BLOCKS_AHEAD;
        stele_status st = stele_segment__read_blocks(s, w->next, n, &w->buf, err);
        if (st != STELE_OK) {
            return st;
        }
        w->ahead_first = w->next;
        w->ahead_end = w->next + n;
    }
    size_t at =
        (size_t)(stele_segment__block_at(s, w->next) - stele_segment__block_at(s, w->ahead_first));
    size_t size =
        (size_t)(stele_segment__block_at(s, w->next + 1) - stele_segment__block_at(s, w->next));
    stele_status st = stele_segment__scan_block(
        s, w->next, stele_view_slice(stele_view_buf(&w->buf), at, size), &w->scan, err);
    w->next++;
    if (st == STELE_OK) {
        st = check_border(w, tag_before, offset_least, err);
    }
    w->started = true;
    return st;
}

/* The next record in this block or the next one. */
static stele_status next_record(struct stele_segment_walker *w, stele_err *err) {
    stele_status st = STELE_END;
    if (w->started) {
        st = stele_segment__scan_record(&w->scan, err);
        w->n_keys += st == STELE_OK;
    }
    if (st == STELE_END) {
        st = next_block(w, err);
    }
    if (st == STELE_OK) {
        w->n_postings += w->scan.n;
    }
    return st;
}

/* A walk that failed or ended stays so. */
static stele_status check_whole(const struct stele_segment_walker *w, stele_err *err) {
    if (w->broken == STELE_OK || w->broken == STELE_END) {
        return w->broken;
    }
    return stele_err__set(err, w->broken, 0, STELE_WHERE, "this segment walk failed before");
}

stele_status stele_segment_walk_next(struct stele_segment_walker *w,
                                     uint8_t ret_tag[STELE_AT_LEAST(16)], uint64_t *ret_seq,
                                     stele_err *err) {
    if (w->broken != STELE_OK) {
        return check_whole(w, err);
    }
    stele_status st = w->scan.left > 0 ? STELE_OK : next_record(w, err);
    uint64_t offset = 0;
    if (st == STELE_OK) {
        st = stele_segment__scan_posting(&w->scan, &offset, err);
    }
    if (st != STELE_OK) {
        w->broken = st;
        return st;
    }
    memcpy(ret_tag, w->scan.tag, STELE_TAG_BYTES);
    *ret_seq = w->s->footer.info.lo + offset;
    return STELE_OK;
}

stele_status stele_segment__walk_run(struct stele_segment_walker *w, struct stele_segment__run *ret,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t first = 0;
    STELE_TRY(check_whole(w, err));
    STELE_TRY(next_record(w, err));
    STELE_TRY(stele_segment__scan_posting(&w->scan, &first, err));
    const uint8_t *gaps = w->scan.at;
    STELE_TRY(stele_segment__scan_rest(&w->scan, err));
    uint64_t lo = w->s->footer.info.lo;
    *ret = (struct stele_segment__run){.tag = w->scan.tag,
                                       .first = lo + first,
                                       .last = lo + w->scan.offset_least - 1,
                                       .n = w->scan.n,
                                       .gaps = stele_view_of(gaps, (size_t)(w->scan.at - gaps))};
cleanup:
    w->broken = st;
    return st;
}

stele_status stele_segment__walk_key(struct stele_segment_walker *w, struct stele_segment__key *ret,
                                     stele_err *err) {
    uint8_t before[STELE_TAG_BYTES];
    bool had = w->started;
    stele_status st = STELE_OK;
    if (w->broken != STELE_OK) {
        return check_whole(w, err);
    }
    memcpy(before, w->scan.tag, sizeof before);
    do {
        st = next_record(w, err);
    } while (st == STELE_OK && had && memcmp(w->scan.tag, before, sizeof before) == 0);
    uint64_t offset = 0;
    if (st == STELE_OK) {
        struct stele_segment__scan peek = w->scan;
        st = stele_segment__scan_posting(&peek, &offset, err);
    }
    if (st != STELE_OK) {
        w->broken = st;
        return st;
    }
    memcpy(ret->tag, w->scan.tag, STELE_TAG_BYTES);
    ret->first = w->s->footer.info.lo + offset;
    ret->count = w->scan.n + stele_segment__count_beyond(w->s, w->next - 1, ret->tag);
    return STELE_OK;
}
