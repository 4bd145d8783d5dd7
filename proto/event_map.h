/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_map.h: the map from an event's fields to its index keys, version 1. Layer: proto.
 * Pure. Source: proto/event_map_v1.md, whose digest stands in every EPOCH. A change of this map
 * needs a new version and an EPOCH. It is defined for any well-formed payload, also one
 * stele_event_check refuses.
 */
#ifndef STELE_PROTO_EVENT_MAP_H
#define STELE_PROTO_EVENT_MAP_H

#include "storage/tag.h"

#define STELE_EVENT_MAP_VERSION 1

typedef enum stele_key_field {
    STELE_KEY_ACTOR = 1,
    STELE_KEY_RESOURCE = 2,
    STELE_KEY_EVENT_TYPE = 3,
    STELE_KEY_ACTION = 4,
    STELE_KEY_OUTCOME = 5,
    STELE_KEY_MODEL = 6,
    STELE_KEY_SESSION = 7,
    STELE_KEY_CORRELATION = 8,
    STELE_KEY_DATA_SUBJECT = 9,
    STELE_KEY_DIGEST = 10,
    STELE_KEY_CREDENTIAL = 11,
    STELE_KEY_SOURCE = 12,
    STELE_KEY_POLICY = 13,
    STELE_KEY_PARENT = 14,
    STELE_KEY_CLIENT_IP = 15,
    STELE_KEY_TENANT = 16,
    STELE_KEY_RESOURCE_VERSION = 17,
    STELE_KEY_MODEL_VERSION = 18,
} stele_key_field;

/*
 * A stele_event_map_fn; `ctx` is not used. Keys come in no particular order and may repeat. On
 * failure ret->n_keys is 0 and the rest undefined: it is too large to be kept as it was. Errors:
 * INVALID: not well-formed, a singular field or the oneof occurs twice, no tenant. LIMIT: too
 * large, or over STELE_EVENT_KEYS_MAX keys.
 */
STELE_MUST_USE stele_status stele_event_map_v1(void *ctx, stele_view payload,
                                               struct stele_event_facts *ret, stele_err *err);
/* The map as storage wants it, with version and the digest of its specification. */
struct stele_event_map stele_event_map_current(void);

/* "actor", "resource", ... for explain and messages; NULL if out of range. */
const char *stele_key_field_name(stele_key_field field);

#endif
