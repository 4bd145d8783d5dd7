/* SPDX-License-Identifier: Apache-2.0 */
/* The map is a function: the same keys twice; every value lies in the payload or in the scratch. */
#include "tests/fuzz/fuzz.h"

#include "proto/event_map.h"

static struct stele_event_facts first;
static struct stele_event_facts second;

static int inside(stele_view view, const uint8_t *data, size_t size) {
    return view.size == 0 || (view.data >= data && view.data + view.size <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view payload = stele_view_of(data, size);
    stele_status st = stele_event_map_v1(NULL, payload, &first, NULL);
    fuzz_require(st == stele_event_map_v1(NULL, payload, &second, NULL));
    fuzz_require(first.n_keys == second.n_keys && first.n_keys <= STELE_EVENT_KEYS_MAX);
    if (st != STELE_OK) {
        fuzz_require(first.n_keys == 0);
        return 0;
    }
    fuzz_require(first.tenant.size >= 1 && first.tenant.size <= STELE_TENANT_MAX);
    fuzz_require(first.scratch_used <= sizeof first.scratch);
    for (size_t i = 0; i < first.n_keys; i++) {
        const struct stele_event_key *key = &first.key[i];
        fuzz_require(stele_key_field_name((stele_key_field)key->field) != NULL);
        fuzz_require((key->value.size == 0) == (key->field == STELE_KEY_TENANT));
        fuzz_require(inside(key->value, data, size) ||
                     inside(key->value, first.scratch, first.scratch_used));
        fuzz_require(stele_view_equal(key->value, second.key[i].value));
    }
    return 0;
}
