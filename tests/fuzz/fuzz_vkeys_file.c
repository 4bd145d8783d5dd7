/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_vkeys_file.c: a file of public keys: each key that is taken prints as a line of
 * the file. */
#include "tests/fuzz/file_input.h"
#include "tools/vkeys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_vkey *keys = NULL;
    size_t n = 0;
    stele_err err;
    if (stele_vkeys_read(fuzz_file(data, size), &keys, &n, &err) != STELE_OK) {
        fuzz_require(keys == NULL && err.text[0] != '\0');
        return 0;
    }
    fuzz_require(n > 0);
    for (size_t i = 0; i < n; i++) {
        stele_buf text = STELE_BUF_EMPTY;
        fuzz_require(stele_vkey_print(&keys[i], &text, NULL) == STELE_OK);
        fuzz_require(memmem(data, size, text.data, text.size) != NULL);
        stele_buf_done(&text);
    }
    stele_free(keys);
    return 0;
}
