/* SPDX-License-Identifier: Apache-2.0 */
/* tools/state_file.c: read whole, and replaced whole. */
#include "tools/state_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

stele_status stele_text_file_read(const char *path, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return errno == ENOENT
                   ? STELE_FAIL(err, NOT_FOUND, "there is no such file")
                   : STELE_FAIL_ERRNO(err, errno, "cannot be opened: %s", strerror(errno));
    }
    STELE_TRY(stele_buf_reserve(out, STELE_TEXT_FILE_BYTES_MAX + 1, err));
    out->size = fread(out->data, 1, STELE_TEXT_FILE_BYTES_MAX + 1, file);
    if (ferror(file) != 0) {
        st = STELE_FAIL_ERRNO(err, errno, "cannot be read: %s", strerror(errno));
    } else if (out->size > STELE_TEXT_FILE_BYTES_MAX) {
        st = STELE_FAIL(err, LIMIT, "over %u bytes; this is no such file",
                        STELE_TEXT_FILE_BYTES_MAX);
    }
cleanup:
    (void)fclose(file);
    return st;
}

stele_status stele_state_file_load(const char *path, struct stele_verify_state **ret,
                                   stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_err missing;
    stele_status st = stele_verify_state_new(ret, err);
    if (st == STELE_OK) {
        st = stele_text_file_read(path, &text, &missing);
        if (st == STELE_NOT_FOUND) {
            st = STELE_OK;
        } else if (st != STELE_OK) {
            *err = missing;
        } else {
            st = stele_verify_state_decode(stele_view_buf(&text), *ret, err);
        }
    }
    stele_buf_done(&text);
    return st;
}

/* Beside its name first: a run that is stopped leaves the old state. */
static stele_status replace_file(const char *path, stele_view text, stele_err *err) {
    stele_buf part = STELE_BUF_EMPTY;
    FILE *file = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_printf(&part, err, "%s.part", path));
    STELE_TRY(stele_buf_append(&part, stele_view_of("", 1), err));
    file = fopen((const char *)part.data, "wb");
    if (file == NULL) {
        st = STELE_FAIL_ERRNO(err, errno, "cannot be written: %s", strerror(errno));
        goto cleanup;
    }
    bool written = fwrite(text.data, 1, text.size, file) == text.size && fflush(file) == 0 &&
                   fsync(fileno(file)) == 0;
    written = fclose(file) == 0 && written;
    if (!written || rename((const char *)part.data, path) != 0) {
        st = STELE_FAIL_ERRNO(err, errno, "cannot be written: %s", strerror(errno));
        (void)remove((const char *)part.data);
    }
cleanup:
    stele_buf_done(&part);
    return st;
}

stele_status stele_state_file_save(const char *path, const struct stele_verify_state *state,
                                   stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = stele_verify_state_encode(state, &text, err);
    if (st == STELE_OK) {
        st = replace_file(path, stele_view_buf(&text), err);
    }
    stele_buf_done(&text);
    return st;
}
