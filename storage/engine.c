/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine.c: what every engine does the same way. */
#include "storage/engine.h"

#include <string.h>

#include "storage/engine_names.h"

stele_status stele_engine_put(struct stele_engine *e, const char *key, stele_view body,
                              const struct stele_lock *lock, stele_err *err) {
    struct stele_blob_writer *w = NULL;
    stele_status st = e->ops->blob_begin(e, key, &w, err);
    if (st != STELE_OK) {
        return st;
    }
    st = e->ops->blob_write(w, body, err);
    if (st != STELE_OK) {
        e->ops->blob_abort(w);
        return st;
    }
    return e->ops->blob_commit(w, lock, err);
}

stele_status stele_name_check(const char *name, size_t max, const char *what, stele_err *err) {
    size_t size = strnlen(name, max + 1);
    bool fine = size >= 1 && size <= max && name[0] != '-';
    for (size_t i = 0; fine && i < size; i++) {
        char c = name[i];
        fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return fine ? STELE_OK
                : STELE_FAIL(
                      err, INVALID,
                      "'%.64s' is no name of a %s: 1 to %zu of [a-z0-9-], not starting with '-'",
                      name, what, max);
}

static bool key_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-';
}

stele_status stele_blob_key_check(const char *key, stele_err *err) {
    size_t size = strnlen(key, STELE_BLOB_KEY_MAX + 1);
    bool fine = size >= 1 && size <= STELE_BLOB_KEY_MAX && key[size - 1] != '/' &&
                strstr(key, "..") == NULL;
    for (size_t i = 0; fine && i < size; i++) {
        bool part_starts = i == 0 || key[i - 1] == '/';
        fine = key_byte(key[i]) && !(part_starts && (key[i] == '.' || key[i] == '/'));
    }
    return fine ? STELE_OK
                : STELE_FAIL(
                      err, INVALID,
                      "'%.100s' is no blob key: 1 to %d of [a-z0-9/.-], no empty part, none that "
                      "starts with a dot, no '..'",
                      key, STELE_BLOB_KEY_MAX);
}
