/* SPDX-License-Identifier: Apache-2.0 */
/* Notes: whatever opens is signed text of the very bytes given, and nothing changed opens by
 * chance. */
#include <string.h>

#include "storage/note.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The keys of the public vectors' first notes; the corpus has notes signed by them. */
    static const char *const texts[] = {
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    };
    struct stele_vkey keys[2];
    bool verified[2] = {false, false};
    stele_view note = stele_view_of(data, size);
    stele_view text = stele_view_of(NULL, 0);
    stele_err err;
    for (size_t i = 0; i < 2; i++) {
        fuzz_require(stele_vkey_parse(stele_view_str(texts[i]), &keys[i], NULL) == STELE_OK);
    }
    stele_status st = stele_note_open(note, keys, 2, &text, verified, &err);
    fuzz_require(st == STELE_OK || st == STELE_INVALID || st == STELE_UNVERIFIED);
    fuzz_require(st == STELE_OK || (err.status == st && text.data == NULL));
    if (st == STELE_OK) {
        fuzz_require(verified[0] || verified[1]);
        fuzz_require(text.data == data && text.size > 0 && text.size < size);
        fuzz_require(text.data[text.size - 1] == '\n' && data[text.size] == '\n');
    }
    return 0;
}
