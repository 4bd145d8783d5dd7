/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_identity.h: who an event is, without looking at the rest of it. Layer: proto. For
 * bytes that were checked before (proto/event.h) and may have been damaged since: they are read
 * with care, but nothing else is said of them. Threads: any.
 */
#ifndef STELE_PROTO_EVENT_IDENTITY_H
#define STELE_PROTO_EVENT_IDENTITY_H

#include "storage/bytes.h"

/* The lengths event.proto allows. */
enum {
    STELE_EVENT_ID_BYTES_MAX = 64,
    STELE_EVENT_TENANT_BYTES_MAX = 64,
    STELE_EVENT_SERVICE_BYTES_MAX = 128
};

/* Views borrow the payload. */
struct stele_event_identity {
    stele_view tenant;
    stele_view source_service;
    stele_view event_id;
};
/* False if the bytes hold no such three names, of the lengths the schema allows, once each. */
bool stele_event_identify(stele_view payload, struct stele_event_identity *ret);

#endif
