/* SPDX-License-Identifier: Apache-2.0 */
/* storage/head.c: the rules for what may come next in a log. */
#include "storage/head.h"

#include <string.h>

#include "storage/boundaries.h"
#include "storage/control.h"

void stele_head_init(struct stele_head *head) {
    *head = (struct stele_head){.control = STELE_NO_SEQ};
    stele_frontier_init(&head->frontier);
    stele_state_init(&head->state);
}

void stele_head_done(struct stele_head *head) {
    stele_state_done(&head->state);
}

stele_status stele_head_copy(const struct stele_head *from, struct stele_head *ret,
                             stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_head copy = *from;
    stele_state_init(&copy.state);
    for (size_t i = 0; i < from->state.n; i++) {
        STELE_TRY(stele_state_put(&copy.state, stele_view_buf(&from->state.leaf[i].key),
                                  stele_view_buf(&from->state.leaf[i].value), err));
    }
    *ret = copy;
    return STELE_OK;
cleanup:
    stele_state_done(&copy.state);
    return st;
}

/* A control body is the one its entry commits to. */
static stele_status check_body(const struct stele_entry *entry, uint64_t seq, stele_view body,
                               stele_err *err) {
    const struct stele_entry_control *control = &entry->as.control;
    uint8_t digest[STELE_HASH_BYTES];
    stele_hash_body(body, digest);
    if (memcmp(digest, control->body_digest, STELE_HASH_BYTES) != 0) {
        return STELE_FAIL(err, CORRUPT,
                          "entry %llu: the control body is not the one its entry commits to",
                          (unsigned long long)seq);
    }
    if (control->kind == STELE_CONTROL_EPOCH &&
        (body.size < 4 || stele_get_u32(body.data) != entry->era)) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: the EPOCH of era %u has a body of another",
                          (unsigned long long)seq, entry->era);
    }
    return STELE_OK;
}

static bool opens_era(const struct stele_entry *entry) {
    return entry->type == STELE_ENTRY_CONTROL && (entry->as.control.kind == STELE_CONTROL_GENESIS ||
                                                  entry->as.control.kind == STELE_CONTROL_EPOCH);
}

static stele_status admit_control(struct stele_head *head, const struct stele_entry *entry,
                                  uint64_t seq, stele_view body, stele_err *err) {
    const struct stele_entry_control *control = &entry->as.control;
    stele_status st = STELE_OK;
    uint8_t digest[STELE_HASH_BYTES];
    if (control->prev != head->control) {
        return STELE_FAIL(err, CORRUPT,
                          "entry %llu: names control entry %llu as the one before, it is %llu",
                          (unsigned long long)seq, (unsigned long long)control->prev,
                          (unsigned long long)head->control);
    }
    STELE_TRY(check_body(entry, seq, body, err));
    STELE_TRY(stele_control_apply(control->kind, body, seq, &head->state, err));
    STELE_TRY(stele_state_root(&head->state, digest, err));
    if (head->state.n != control->n_state ||
        memcmp(digest, control->state_root, STELE_HASH_BYTES) != 0) {
        return STELE_FAIL(err, CORRUPT,
                          "entry %llu: its state root is not the root of the state it makes",
                          (unsigned long long)seq);
    }
    head->control = seq;
    if (opens_era(entry)) {
        head->era = entry->era;
    }
cleanup:
    return stele_corrupt(st, err);
}

/* Without what earlier entries said: an EPOCH is all of the state that is known. */
static stele_status admit_control_of_part(struct stele_head *head, const struct stele_entry *entry,
                                          uint64_t seq, stele_view body, stele_err *err) {
    stele_status st = check_body(entry, seq, body, err);
    if (st == STELE_OK && entry->as.control.kind == STELE_CONTROL_EPOCH) {
        st = stele_control_apply(STELE_CONTROL_EPOCH, body, seq, &head->state, err);
        head->era = entry->era;
    }
    return stele_corrupt(st, err);
}

static stele_status check_month(const struct stele_head *head, const struct stele_entry *entry,
                                stele_err *err) {
    return stele_entry_month(entry->time_us) == head->era / 100
               ? STELE_OK
               : STELE_FAIL(err, CORRUPT, "entry %llu: an INDEX before the EPOCH of its month",
                            (unsigned long long)entry->seq);
}

static stele_status admit_index(struct stele_head *head, const struct stele_entry *entry,
                                stele_view body, stele_err *err) {
    const struct stele_entry_index *index = &entry->as.index;
    stele_status st = STELE_OK;
    STELE_TRY(check_month(head, entry, err));
    if (index->control != head->control) {
        return STELE_FAIL(err, CORRUPT,
                          "entry %llu: an INDEX that names control entry %llu, the newest is %llu",
                          (unsigned long long)entry->seq, (unsigned long long)index->control,
                          (unsigned long long)head->control);
    }
    if (index->covered < head->covered) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: an INDEX of %llu entries after one of %llu",
                          (unsigned long long)entry->seq, (unsigned long long)index->covered,
                          (unsigned long long)head->covered);
    }
    STELE_TRY(stele_boundaries_read(body, index, NULL, err));
    head->covered = index->covered;
cleanup:
    return stele_corrupt(st, err);
}

/* What an era may be followed by: itself, and at an EPOCH the next cut of its month, or a later
 * month. */
static bool era_follows(const struct stele_head *head, const struct stele_entry *entry) {
    if (entry->seq == 0) {
        return entry->era % 100 == 0;
    }
    if (!opens_era(entry) || entry->seq == 1) {
        return entry->era == head->era;
    }
    return entry->era / 100 == head->era / 100 ? entry->era == head->era + 1
                                               : entry->era > head->era && entry->era % 100 == 0;
}

/* What an entry says of its own place. */
static stele_status check_place(const struct stele_head *head, const struct stele_entry *entry,
                                uint64_t seq, stele_err *err) {
    if (entry->seq != seq) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: says it is entry %llu",
                          (unsigned long long)seq, (unsigned long long)entry->seq);
    }
    if (entry->time_us < head->time_us) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: its time falls below that of the entry before",
                          (unsigned long long)seq);
    }
    if ((seq == 0) !=
        (entry->type == STELE_ENTRY_CONTROL && entry->as.control.kind == STELE_CONTROL_GENESIS)) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: genesis is entry 0 and nothing else is",
                          (unsigned long long)seq);
    }
    if (entry->type != STELE_ENTRY_INDEX) {
        if (entry->era / 100 != stele_entry_month(entry->time_us)) {
            return STELE_FAIL(err, CORRUPT, "entry %llu: era %u is not of the month of its time",
                              (unsigned long long)seq, entry->era);
        }
        if (!era_follows(head, entry)) {
            return STELE_FAIL(err, CORRUPT, "entry %llu: era %u, the log is in era %u",
                              (unsigned long long)seq, entry->era, head->era);
        }
    }
    return STELE_OK;
}

stele_status stele_head_admit(struct stele_head *head, const struct stele_entry *entry,
                              uint64_t seq, stele_view body, stele_err *err) {
    stele_status st = check_place(head, entry, seq, err);
    if (st == STELE_OK && entry->type == STELE_ENTRY_INDEX) {
        st = admit_index(head, entry, body, err);
    } else if (st == STELE_OK && entry->type == STELE_ENTRY_CONTROL) {
        st = admit_control(head, entry, seq, body, err);
    }
    if (st == STELE_OK) {
        head->time_us = entry->time_us;
    }
    return st;
}

stele_status stele_head_begin_part(struct stele_head *head, const struct stele_entry *epoch,
                                   stele_view body, stele_err *err) {
    if (epoch->type != STELE_ENTRY_CONTROL || epoch->as.control.kind != STELE_CONTROL_EPOCH) {
        return STELE_FAIL(err, CORRUPT, "entry %llu: an EPOCH should stand there",
                          (unsigned long long)epoch->seq);
    }
    stele_status st = admit_control_of_part(head, epoch, epoch->seq, body, err);
    head->time_us = epoch->time_us;
    return st;
}

stele_status stele_head_admit_part(struct stele_head *head, const struct stele_entry *entry,
                                   uint64_t seq, stele_view body, stele_err *err) {
    stele_status st = check_place(head, entry, seq, err);
    if (st == STELE_OK && entry->type == STELE_ENTRY_INDEX) {
        st = check_month(head, entry, err);
        st = st == STELE_OK
                 ? stele_corrupt(stele_boundaries_read(body, &entry->as.index, NULL, err), err)
                 : st;
    } else if (st == STELE_OK && entry->type == STELE_ENTRY_CONTROL) {
        st = admit_control_of_part(head, entry, seq, body, err);
    }
    if (st == STELE_OK) {
        head->time_us = entry->time_us;
    }
    return st;
}

stele_status stele_head_encode(const struct stele_head *head, stele_buf *out, stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    size_t n = (size_t)__builtin_popcountll(head->frontier.size_leaves);
    stele_write_u64(&w, head->time_us);
    stele_write_u32(&w, head->era);
    stele_write_u64(&w, head->control);
    stele_write_u64(&w, head->covered);
    stele_write_u64(&w, head->frontier.size_leaves);
    stele_write_view(&w, stele_view_of(head->frontier.node, n * STELE_HASH_BYTES));
    stele_status st = stele_writer_end(&w, err);
    return st == STELE_OK ? stele_state_encode(&head->state, out, err) : st;
}

stele_status stele_head_decode(stele_view bytes, struct stele_head *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_head head;
    stele_head_init(&head);
    struct stele_reader r = stele_reader_of(bytes, "log snapshot");
    STELE_TRY(stele_read_u64(&r, &head.time_us, err));
    STELE_TRY(stele_read_u32(&r, &head.era, err));
    STELE_TRY(stele_read_u64(&r, &head.control, err));
    STELE_TRY(stele_read_u64(&r, &head.covered, err));
    STELE_TRY(stele_read_u64(&r, &head.frontier.size_leaves, err));
    size_t n = (size_t)__builtin_popcountll(head.frontier.size_leaves);
    STELE_TRY(stele_read_bytes(&r, head.frontier.node[0], n * STELE_HASH_BYTES, err));
    STELE_TRY(stele_state_decode(&r, &head.state, err));
    STELE_TRY(stele_reader_end(&r, err));
    *ret = head;
    return STELE_OK;
cleanup:
    stele_head_done(&head);
    return stele_corrupt(st, err);
}
