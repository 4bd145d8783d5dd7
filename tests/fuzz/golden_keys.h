/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/golden_keys.h: the keys that signed the corpora of receipts and answers (golden/v1).
 */
#ifndef STELE_TESTS_FUZZ_GOLDEN_KEYS_H
#define STELE_TESTS_FUZZ_GOLDEN_KEYS_H

#include "storage/note.h"
#include "tests/fuzz/fuzz.h"

#define GOLDEN_KEYS 3

static inline const struct stele_vkey *golden_keys(void) {
    static const char *const texts[GOLDEN_KEYS] = {
        "stele.example/eu-1/1y+49149e60+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        "stele.example/eu-1/3y+1320e680+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
        "stele.example/eu-1/system+0edbffb9+Ae1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR",
    };
    static struct stele_vkey keys[GOLDEN_KEYS];
    if (keys[0].name[0] == '\0') {
        for (size_t i = 0; i < GOLDEN_KEYS; i++) {
            fuzz_require(stele_vkey_parse(stele_view_str(texts[i]), &keys[i], NULL) == STELE_OK);
        }
    }
    return keys;
}

#endif
