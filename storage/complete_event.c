/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_event.c: one event: whose it is, under which tags, and what its entry commits
 * to; and of an entry without payload, why it may be missing.
 */
#include "storage/complete_reader_parts.h"

#include <inttypes.h>
#include <string.h>

/* Where the commitments stand in the bytes of an entry: FORMAT.md, section 2. */
#define PAYLOAD_COMMIT_AT STELE_COMPLETE_EVENT_HEAD_BYTES
#define KEYS_COMMIT_AT (PAYLOAD_COMMIT_AT + STELE_HASH_BYTES)

bool stele_complete__is_asked(const struct stele_complete_reader *r,
                              const struct stele_entry *entry) {
    const struct stele_time_range *range = &r->windows.range;
    uint64_t event_us = entry->as.event.event_us;
    return event_us >= range->since_us &&
           (event_us < range->until_us || range->until_us == UINT64_MAX);
}

static bool has_tag(const struct stele_tag_set *tags, const uint8_t *tag) {
    for (size_t i = 0; i < tags->n; i++) {
        if (memcmp(tags->tag[i], tag, STELE_TAG_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static stele_status refuse(const struct complete_log *log, const struct stele_entry *entry,
                           const char *why, stele_err *err) {
    return STELE_FAIL(err, UNVERIFIED, "answer: event %" PRIu64 " of '%.80s': %s", entry->seq,
                      log->checkpoint.origin, why);
}

stele_status stele_complete__commit_event(struct stele_complete_reader *r, struct complete_log *log,
                                          const struct stele_entry *head, stele_view salts,
                                          stele_view payload, uint8_t ret_bytes[STELE_AT_LEAST(96)],
                                          stele_err *err) {
    const struct complete_segment *segment = log->opening.segment;
    const struct stele_event_map *map = &segment->map->map;
    const struct stele_tag_key *key = &segment->epoch->key;
    bool late = head->as.event.late;
    uint8_t tag[STELE_TAG_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(map->map(map->ctx, payload, &r->facts, err));
    if (r->facts.event_us != head->as.event.event_us) {
        return refuse(log, head, "its entry has another time than its payload", err);
    }
    if (!stele_view_equal(r->facts.tenant, r->question.tenant)) {
        return refuse(log, head, "it is another tenant's", err);
    }
    STELE_TRY(stele_tag_set_of(key, &r->facts, late, &r->tags, err));
    stele_tag_of(key, r->question.tenant, log->key.field, log->key.value, late, tag);
    if (!has_tag(&r->tags, tag)) {
        return refuse(log, head, "it is listed under the asked key, and does not have it", err);
    }
    stele_hash_payload(salts.data, payload, ret_bytes + PAYLOAD_COMMIT_AT);
    stele_hash_keys(salts.data + STELE_SALT_BYTES, r->tags.tag[0], r->tags.n,
                    ret_bytes + KEYS_COMMIT_AT);
cleanup:
    return st;
}

stele_status stele_complete__check_missing(struct stele_complete_reader *r, uint8_t number,
                                           const struct stele_entry *entry, stele_err *err) {
    struct complete_log *log = r->log[number];
    uint8_t years = log->state.years;
    struct complete_leaf *erased = stele_complete__leaf(&log->state, STELE_GAP_ERASED, entry->seq);
    if (erased != NULL) {
        erased->used = true;
        return stele_complete__gap(r, number, STELE_GAP_ERASED, entry->seq, entry->seq + 1, err);
    }
    struct complete_leaf *disposed =
        stele_complete__leaf(&log->state, STELE_GAP_DISPOSED, entry->seq);
    if (disposed == NULL) {
        return refuse(
            log, entry,
            "it is asked for and comes without its payload, and the state does not say that "
            "it was erased or disposed of",
            err);
    }
    if (disposed->years != years ||
        disposed->time_us < stele_complete__disposable_us(entry->time_us, years)) {
        return refuse(log, entry,
                      "it was disposed of before its retention was over, or under another class",
                      err);
    }
    disposed->used = true;
    return stele_complete__gap(r, number, STELE_GAP_DISPOSED, entry->seq, entry->seq + 1, err);
}
