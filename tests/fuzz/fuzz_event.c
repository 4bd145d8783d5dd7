/* SPDX-License-Identifier: Apache-2.0 */
/* What the walker accepts, the map maps and the JSON form prints; its head lies inside the payload,
 * and says who the event is as the shorter look does. */
#include "tests/fuzz/fuzz.h"

#include "proto/event.h"
#include "proto/event_identity.h"
#include "proto/event_json.h"
#include "proto/event_map.h"

static struct stele_event_facts facts;

static void require_inside(stele_view view, const uint8_t *data, size_t size) {
    fuzz_require(view.size == 0 || (view.data >= data && view.data + view.size <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view payload = stele_view_of(data, size);
    struct stele_event_head head;
    stele_buf text = STELE_BUF_EMPTY;
    stele_err err;
    struct stele_event_identity who;
    bool identified = stele_event_identify(payload, &who);
    if (identified) {
        require_inside(who.event_id, data, size);
        require_inside(who.tenant, data, size);
        require_inside(who.source_service, data, size);
        fuzz_require(who.event_id.size <= 64 && who.tenant.size <= 64 &&
                     who.source_service.size <= 128);
    }
    if (stele_event_check(payload, &head, &err) == STELE_OK) {
        require_inside(head.event_id, data, size);
        require_inside(head.tenant, data, size);
        require_inside(head.region, data, size);
        require_inside(head.actor_id, data, size);
        require_inside(head.resource_id, data, size);
        require_inside(head.source_service, data, size);
        require_inside(head.source_adapter, data, size);
        require_inside(head.action_detail, data, size);
        require_inside(head.incomplete, data, size);
        fuzz_require(identified && stele_view_equal(who.event_id, head.event_id) &&
                     stele_view_equal(who.tenant, head.tenant) &&
                     stele_view_equal(who.source_service, head.source_service));
        fuzz_require(head.event_type >= 1 && head.event_type <= 12 && head.time_unix_nano > 0);
        fuzz_require(stele_event_map_v1(NULL, payload, &facts, NULL) == STELE_OK);
        fuzz_require(stele_event_json_encode(payload, &text, NULL) == STELE_OK);
    } else {
        fuzz_require(err.text[0] != '\0');
    }
    stele_buf_done(&text);
    return 0;
}
