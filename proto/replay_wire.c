/* SPDX-License-Identifier: Apache-2.0 */
/* proto/replay_wire.c: see replay_wire.h. */
#include "proto/replay_wire.h"

#include <string.h>

#include "proto/wire.h"
#include "proto/wire_out.h"

/* Member numbers of ReplayResponse and ReplayedEntry. */
enum { FIRST = 1, ENTRY = 2 };
enum { BYTES = 1, BODY = 2, TAGS = 3, KSALT = 4, DESCRIPTORS = 5 };

stele_status stele_replay_response_begin(uint64_t first, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, FIRST, first);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_replay_response_put(stele_buf *out, const struct stele_audit_entry *entry,
                                       stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    size_t mark = stele_wire_out_begin(&w, ENTRY);
    stele_wire_out_bytes(&w, BYTES, entry->entry);
    stele_wire_out_bytes(&w, BODY, entry->body);
    stele_wire_out_bytes(&w, TAGS, entry->tags);
    if (entry->entry.size > 0 && entry->entry.data[0] == STELE_ENTRY_EVENT) {
        stele_wire_out_bytes(&w, KSALT, stele_view_of(entry->ksalt, sizeof entry->ksalt));
    }
    stele_wire_out_bytes(&w, DESCRIPTORS, entry->descriptors);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

static stele_status refuse(const struct stele_wire *wire, stele_err *err) {
    return STELE_FAIL(err, INVALID, "the server's replay cannot be read: %s",
                      wire->problem == NULL ? "a member is of another type" : wire->problem);
}

/* Members before the entries; those that are not known are passed over. */
stele_status stele_replay_response_read(stele_view message, struct stele_replay_response *ret,
                                        stele_err *err) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_replay_response response = {0, message};
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record;
        const uint8_t *at = wire.at;
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return refuse(&wire, err);
        }
        if (record.number == ENTRY) {
            wire.at = at;
            break;
        }
        if (record.number == FIRST) {
            if (record.type != STELE_WIRE_VARINT) {
                return refuse(&wire, err);
            }
            response.first = record.value;
        }
    }
    response.left = stele_view_of(wire.at, (size_t)(wire.end - wire.at));
    *ret = response;
    return STELE_OK;
}

static stele_status read_entry(stele_view bytes, struct stele_audit_entry *ret, stele_err *err) {
    struct stele_wire wire = stele_wire_of(bytes);
    struct stele_audit_entry entry = {.entry = {NULL, 0}};
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record;
        if (stele_wire_next(&wire, &record) != STELE_OK ||
            (record.number <= DESCRIPTORS && record.type != STELE_WIRE_BYTES)) {
            return refuse(&wire, err);
        }
        if (record.number == BYTES) {
            entry.entry = record.bytes;
        } else if (record.number == BODY) {
            entry.body = record.bytes;
        } else if (record.number == TAGS) {
            entry.tags = record.bytes;
        } else if (record.number == KSALT) {
            if (record.bytes.size != sizeof entry.ksalt) {
                return STELE_FAIL(err, INVALID,
                                  "the server's replay cannot be read: a salt of %zu bytes",
                                  record.bytes.size);
            }
            memcpy(entry.ksalt, record.bytes.data, sizeof entry.ksalt);
        } else if (record.number == DESCRIPTORS) {
            entry.descriptors = record.bytes;
        }
    }
    *ret = entry;
    return STELE_OK;
}

stele_status stele_replay_response_next(struct stele_replay_response *response,
                                        struct stele_audit_entry *ret, stele_err *err) {
    struct stele_wire wire = stele_wire_of(response->left);
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record;
        if (stele_wire_next(&wire, &record) != STELE_OK ||
            (record.number == ENTRY && record.type != STELE_WIRE_BYTES)) {
            return refuse(&wire, err);
        }
        if (record.number == ENTRY) {
            response->left = stele_view_of(wire.at, (size_t)(wire.end - wire.at));
            return read_entry(record.bytes, ret, err);
        }
    }
    response->left = stele_view_of(NULL, 0);
    return STELE_END;
}
