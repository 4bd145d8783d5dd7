/* SPDX-License-Identifier: Apache-2.0 */
/* tools/vkeys.c: reads a file of public keys. */
#include "tools/vkeys.h"

#include <string.h>

#include "storage/file.h"

#define KEYS_MAX 4096
#define FILE_BYTES_MAX (KEYS_MAX * 512u)

static stele_status read_line(stele_view line, const char *path, size_t number,
                              struct stele_vkey *keys, size_t *n, stele_err *err) {
    stele_err why;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    if (line.size == 0 || line.data[0] == '#') {
        return STELE_OK;
    }
    if (*n == KEYS_MAX) {
        return STELE_FAIL(err, LIMIT, "%s: more than %d keys", path, KEYS_MAX);
    }
    if (stele_vkey_parse(line, &keys[*n], &why) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%s line %zu: no vkey: %s", path, number, why.text);
    }
    (*n)++;
    return STELE_OK;
}

stele_status stele_vkeys_read(const char *path, struct stele_vkey **ret, size_t *ret_n,
                              stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    struct stele_vkey *keys = NULL;
    size_t n = 0;
    size_t number = 1;
    stele_status st = STELE_OK;
    st = stele_file_read(path, FILE_BYTES_MAX, &text, err);
    STELE_TRY(st == STELE_NOT_FOUND || st == STELE_LIMIT ? STELE_INVALID : st);
    keys = stele_alloc(KEYS_MAX, sizeof *keys);
    if (keys == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for %d keys", KEYS_MAX));
    }
    for (size_t at = 0; at < text.size; number++) {
        uint8_t *newline = memchr(text.data + at, '\n', text.size - at);
        size_t end = newline == NULL ? text.size : (size_t)(newline - text.data);
        STELE_TRY(read_line(stele_view_of(text.data + at, end - at), path, number, keys, &n, err));
        at = end + 1;
    }
    if (n == 0) {
        STELE_TRY(
            STELE_FAIL(err, INVALID, "'%.160s' holds no vkey: `stele init` printed them", path));
    }
    *ret = keys;
    *ret_n = n;
    keys = NULL;
cleanup:
    stele_free(keys);
    stele_buf_done(&text);
    return st;
}
