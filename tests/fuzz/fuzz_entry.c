/* SPDX-License-Identifier: Apache-2.0 */
/* Entries: what decodes encodes to the same bytes, and never trips the encoder's assertions. */
#include <string.h>

#include "storage/entry.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_entry entry;
    uint8_t again[STELE_ENTRY_BYTES_MAX];
    if (stele_entry_decode(stele_view_of(data, size), &entry, NULL) == STELE_OK) {
        fuzz_require(stele_entry_encode(&entry, again) == size);
        fuzz_require(memcmp(again, data, size) == 0);
        fuzz_require(stele_entry_month(entry.time_us) >= 197001);
    }
    return 0;
}
