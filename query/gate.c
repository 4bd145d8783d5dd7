/* SPDX-License-Identifier: Apache-2.0 */
/* query/gate.c: grants decide. */
#include "query/gate.h"

#include <assert.h>
#include <string.h>

#include "storage/engine.h"

stele_status stele_gate_pass(const struct stele_access *access, const struct stele_read *read,
                             stele_err *err) {
    char region[STELE_REGION_NAME_MAX + 1];
    assert(read->region.size < sizeof region);
    memcpy(region, read->region.data, read->region.size);
    region[read->region.size] = '\0';
    return stele_access_check(access, read->peer, read->verb, region, read->tenant, err);
}
