/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_not_before.c: files of kept checkpoints. The checkpoints of a file are pieces of
 * it, in order; what is peeked at is what a reader with the key would open; nobody's signature
 * opens by chance.
 */
#include <string.h>

#include "storage/checkpoint.h"
#include "tests/fuzz/golden_keys.h"
#include "tools/not_before.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view rest = stele_view_of(data, size);
    stele_view note;
    size_t line = 1;
    size_t used = 0;
    while (stele_not_before_next(&rest, &line, &note, NULL) == STELE_OK) {
        struct stele_checkpoint says;
        struct stele_checkpoint opened;
        fuzz_require(note.size > 0 && note.data >= data + used);
        used = (size_t)(note.data - data) + note.size;
        fuzz_require(used <= size && rest.size <= size - used);
        bool peeked = stele_checkpoint_peek(note, &says, NULL) == STELE_OK;
        if (stele_checkpoint_open(note, golden_keys(), GOLDEN_KEYS, &opened, NULL) == STELE_OK) {
            fuzz_require(peeked && strcmp(says.origin, opened.origin) == 0 &&
                         says.size_leaves == opened.size_leaves);
        }
    }
    return 0;
}
