/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event.h: checks one event in place, without unpacking it. Layer: proto. Pure, no
 * allocation.
 *
 * This is the hot path's validator and part of the offline verifier: no protobuf-c here. It checks
 * the whole schema of event.proto: required fields, lengths, counts, enum ranges, body matches
 * type, singular fields and the oneof at most once, UTF-8, control characters, and the wire format
 * itself. Unknown fields are let through (they are committed to with the payload, and not indexed).
 */
#ifndef STELE_PROTO_EVENT_H
#define STELE_PROTO_EVENT_H

#include "storage/bytes.h"

#define STELE_EVENT_BYTES_MAX 65536

/*
 * Mandatory hashes an adapter may be unable to have. An event without one is accepted only if
 * source.adapter is set, is not "native", and the attribute "stele.incomplete" is a text that names
 * the hash, comma-separated.
 */
#define STELE_ATTRIBUTE_INCOMPLETE "stele.incomplete"
#define STELE_INCOMPLETE_INPUT "input_hash"       /* inference.input */
#define STELE_INCOMPLETE_OUTPUT "output_hash"     /* inference.output, where outcome is success */
#define STELE_INCOMPLETE_ARTIFACT "artifact_hash" /* deployment.artifact, of deploy and promote */

/* What ingest and the tools need of a checked event. Views borrow the payload; absent ones are
 * empty. */
struct stele_event_head {
    stele_view event_id;
    uint64_t time_unix_nano;
    stele_view tenant;
    stele_view region;
    uint32_t event_type;
    uint32_t action;
    uint32_t outcome;
    uint32_t retention_class; /* 0: by server policy */
    stele_view actor_id;
    stele_view resource_id; /* of resource[0] */
    stele_view source_service;
    stele_view source_adapter;
    stele_view action_detail;
    stele_view incomplete; /* the attribute "stele.incomplete": hashes that are missing */
};

/*
 * Errors: INVALID with the field's path and the rule in the text ("actor.id: missing; every event
 * names who acted"), LIMIT over 64 KiB. ret_head is set only on success. Text that came with the
 * event is never repeated in a message.
 */
STELE_MUST_USE stele_status stele_event_check(stele_view payload, struct stele_event_head *ret_head,
                                              stele_err *err);

/* JSON words of the enums: "inference" <-> 1. `what` is the enum's name in event.proto,
 * "EventType". */
STELE_MUST_USE stele_status stele_event_enum_number(const char *what, stele_view word,
                                                    uint32_t *ret, stele_err *err);
/* NULL for a number the schema does not name. */
const char *stele_event_enum_word(const char *what, uint32_t number);

#endif
