/* SPDX-License-Identifier: Apache-2.0 */
/* proto/event_identity.c: four members of Event, on the way over the others. */
#include "proto/event_identity.h"

#include "proto/wire.h"

/* Of event.proto. */
enum { EVENT_ID = 1, TENANT = 3, SOURCE = 10, SERVICE = 1 };

/* A member that is there once, and not empty. */
static bool take(stele_view *at, stele_view bytes, size_t bytes_max) {
    bool fits = at->size == 0 && bytes.size > 0 && bytes.size <= bytes_max;
    *at = bytes;
    return fits;
}

static bool take_service(stele_view source, stele_view *ret) {
    struct stele_wire w = stele_wire_of(source);
    while (!stele_wire_at_end(&w)) {
        struct stele_wire_record record;
        if (stele_wire_next(&w, &record) != STELE_OK ||
            (record.number == SERVICE &&
             (record.type != STELE_WIRE_BYTES ||
              !take(ret, record.bytes, STELE_EVENT_SERVICE_BYTES_MAX)))) {
            return false;
        }
    }
    return true;
}

bool stele_event_identify(stele_view payload, struct stele_event_identity *ret) {
    struct stele_wire w = stele_wire_of(payload);
    *ret = (struct stele_event_identity){.tenant = {NULL, 0}};
    bool holds = true;
    while (holds && !stele_wire_at_end(&w)) {
        struct stele_wire_record record;
        if (stele_wire_next(&w, &record) != STELE_OK) {
            return false;
        }
        if (record.type != STELE_WIRE_BYTES) {
            continue;
        }
        switch (record.number) {
        case EVENT_ID:
            holds = take(&ret->event_id, record.bytes, STELE_EVENT_ID_BYTES_MAX);
            break;
        case TENANT:
            holds = take(&ret->tenant, record.bytes, STELE_EVENT_TENANT_BYTES_MAX);
            break;
        case SOURCE:
            holds = take_service(record.bytes, &ret->source_service);
            break;
        default:
            break;
        }
    }
    return holds && ret->event_id.size > 0 && ret->tenant.size > 0 && ret->source_service.size > 0;
}
