/* SPDX-License-Identifier: Apache-2.0 */
/* storage/checkpoint.c: a tree head has one text, and only that text is read back. */
#include "storage/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "storage/base64.h"

#define SIZE_DIGITS_MAX 20 /* 2^64 - 1 */

/* Cuts the first line, without its newline, off the front of `text`. */
static bool take_line(stele_view *text, stele_view *ret) {
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '\n', text->size);
    if (end == NULL) {
        return false;
    }
    size_t size = (size_t)(end - text->data);
    *ret = stele_view_slice(*text, 0, size);
    *text = stele_view_slice(*text, size + 1, text->size - size - 1);
    return true;
}

static bool parse_size(stele_view line, uint64_t *ret) {
    if (line.size == 0 || line.size > SIZE_DIGITS_MAX || (line.data[0] == '0' && line.size > 1)) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}

stele_status stele_checkpoint_parse(stele_view text, struct stele_checkpoint *ret, stele_err *err) {
    struct stele_checkpoint made = {.size_leaves = 0};
    stele_buf root = STELE_BUF_EMPTY;
    stele_view origin;
    stele_view size;
    stele_view root_text;
    stele_status st = STELE_OK;
    if (!take_line(&text, &origin) || !take_line(&text, &size) || !take_line(&text, &root_text) ||
        text.size != 0) {
        return STELE_FAIL(err, INVALID, "a checkpoint is exactly three lines: origin, size, root");
    }
    if (!stele_note_name_valid(origin)) {
        return STELE_FAIL(err, INVALID,
                          "checkpoint line 1: the origin is no valid key name of at most %d bytes",
                          STELE_ORIGIN_MAX);
    }
    memcpy(made.origin, origin.data, origin.size);
    if (!parse_size(size, &made.size_leaves)) {
        return STELE_FAIL(err, INVALID,
                          "checkpoint of '%.80s', line 2: the size is no decimal number below 2^64 "
                          "without leading zeros",
                          made.origin);
    }
    STELE_TRY(stele_base64_decode(root_text, &root, err));
    if (root.size != sizeof made.root) {
        st = STELE_FAIL(err, INVALID,
                        "checkpoint of '%.80s', line 3: a root of %zu bytes, 32 are needed",
                        made.origin, root.size);
        goto cleanup;
    }
    memcpy(made.root, root.data, sizeof made.root);
    *ret = made;
cleanup:
    stele_buf_done(&root);
    return st;
}

stele_status stele_checkpoint_print(const struct stele_checkpoint *checkpoint, stele_buf *out,
                                    stele_err *err) {
    size_t before = out->size;
    stele_status st = STELE_OK;
    if (!stele_note_name_valid(stele_view_str(checkpoint->origin))) {
        return STELE_FAIL(err, INVALID,
                          "origin '%.80s' is no valid key name: 1 to %d bytes of UTF-8 without "
                          "spaces, control characters and '+' are needed",
                          checkpoint->origin, STELE_ORIGIN_MAX);
    }
    STELE_TRY(stele_buf_printf(out, err, "%s\n%" PRIu64 "\n", checkpoint->origin,
                               checkpoint->size_leaves));
    STELE_TRY(
        stele_base64_encode(stele_view_of(checkpoint->root, sizeof checkpoint->root), out, err));
    STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
cleanup:
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

stele_status stele_checkpoint_sign(const struct stele_checkpoint *checkpoint,
                                   struct stele_signer *signer, stele_buf *out, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_checkpoint_print(checkpoint, &text, err));
    STELE_TRY(stele_note_sign(stele_view_buf(&text), checkpoint->origin, signer, out, err));
cleanup:
    stele_buf_done(&text);
    return st;
}

stele_status stele_checkpoint_open(stele_view note, const struct stele_vkey *keys, size_t n_keys,
                                   struct stele_checkpoint *ret, stele_err *err) {
    struct stele_checkpoint made;
    stele_view text = {NULL, 0};
    stele_status st = STELE_OK;
    if (note.size > STELE_CHECKPOINT_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "a signed checkpoint of %zu bytes, at most %d are read",
                          note.size, STELE_CHECKPOINT_BYTES_MAX);
    }
    bool *verified = stele_alloc(n_keys, sizeof *verified);
    if (verified == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu keys of a checkpoint", n_keys);
    }
    STELE_TRY(stele_note_open(note, keys, n_keys, &text, verified, err));
    STELE_TRY(stele_checkpoint_parse(text, &made, err));
    bool by_origin = false;
    for (size_t i = 0; i < n_keys; i++) {
        by_origin = by_origin || (verified[i] && strcmp(keys[i].name, made.origin) == 0);
    }
    if (!by_origin) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "the checkpoint of '%.80s' is signed, but not by a known key of that "
                        "name: give the log's own verifier key",
                        made.origin);
        goto cleanup;
    }
    *ret = made;
cleanup:
    stele_free(verified);
    return st;
}

stele_status stele_checkpoint_peek(stele_view note, struct stele_checkpoint *ret, stele_err *err) {
    size_t text = 0;
    if (note.size > STELE_CHECKPOINT_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "a signed checkpoint of %zu bytes, at most %d are read",
                          note.size, STELE_CHECKPOINT_BYTES_MAX);
    }
    while (text + 1 < note.size && !(note.data[text] == '\n' && note.data[text + 1] == '\n')) {
        text++;
    }
    if (text + 1 >= note.size) {
        return STELE_FAIL(err, INVALID,
                          "a signed checkpoint without an empty line before its signatures");
    }
    return stele_checkpoint_parse(stele_view_slice(note, 0, text + 1), ret, err);
}
