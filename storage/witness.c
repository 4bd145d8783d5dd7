/* SPDX-License-Identifier: Apache-2.0 */
/* storage/witness.c: what a witness signs is its time and the note's text, under a heading of its
 * own. */
#include "storage/witness.h"

#include <inttypes.h>
#include <string.h>

#include "storage/base64.h"
#include "storage/cursor.h"
#include "storage/hash.h"

#define ALGORITHM_COSIGNATURE 0x04
#define KEY_ID_BYTES 4
#define KEY_BYTES (1 + STELE_ED25519_PUBLIC_BYTES)
/* key id, time, signature */
#define LINE_BYTES (KEY_ID_BYTES + 8 + STELE_ED25519_SIGNATURE_BYTES)

static const char line_start[] = "\xe2\x80\x94 "; /* U+2014 EM DASH and a space */
#define LINE_START_BYTES (sizeof line_start - 1)

stele_status stele_witness_of(const char *name, const uint8_t public_key[STELE_AT_LEAST(32)],
                              struct stele_witness *ret, stele_err *err) {
    static const uint8_t between[2] = {'\n', ALGORITHM_COSIGNATURE};
    stele_view name_view = stele_view_str(name);
    struct stele_sha256 h;
    uint8_t hash[STELE_HASH_BYTES];
    if (!stele_note_name_valid(name_view)) {
        return STELE_FAIL(err, INVALID,
                          "witness name '%.80s': 1 to %d bytes of UTF-8 without spaces, control "
                          "characters and '+' are needed",
                          name, STELE_NOTE_NAME_MAX);
    }
    stele_sha256_init(&h);
    stele_sha256_update(&h, name_view);
    stele_sha256_update(&h, stele_view_of(between, sizeof between));
    stele_sha256_update(&h, stele_view_of(public_key, STELE_ED25519_PUBLIC_BYTES));
    stele_sha256_final(&h, hash);
    memset(ret, 0, sizeof *ret);
    memcpy(ret->name, name, name_view.size);
    ret->key_id = stele_get_u32(hash);
    memcpy(ret->public_key, public_key, sizeof ret->public_key);
    return STELE_OK;
}

/* The first `c` of a view, or its size. */
static size_t find_byte(stele_view view, uint8_t c) {
    const uint8_t *found = view.size == 0 ? NULL : memchr(view.data, c, view.size);
    return found == NULL ? view.size : (size_t)(found - view.data);
}

stele_status stele_witness_parse(stele_view text, struct stele_witness *ret, stele_err *err) {
    stele_buf key = STELE_BUF_EMPTY;
    struct stele_witness made;
    char name[STELE_NOTE_NAME_MAX + 1] = {0};
    char id[2 * KEY_ID_BYTES + 1];
    uint8_t id_bytes[KEY_ID_BYTES];
    stele_status st = STELE_OK;
    size_t name_bytes = find_byte(text, '+');
    size_t key_at = name_bytes + 1 + 2 * KEY_ID_BYTES + 1;
    if (text.size <= key_at || text.data[key_at - 1] != '+' ||
        !stele_note_name_valid(stele_view_slice(text, 0, name_bytes))) {
        return STELE_FAIL(err, INVALID,
                          "a witness key of %zu bytes is not <name>+<8 hex digits>+<base64>",
                          text.size);
    }
    memcpy(name, text.data, name_bytes);
    STELE_TRY(stele_base64_decode(stele_view_slice(text, key_at, text.size - key_at), &key, err));
    if (key.size != KEY_BYTES || key.data[0] != ALGORITHM_COSIGNATURE) {
        st = STELE_FAIL(
            err, INVALID,
            "witness key '%.80s': only cosignature keys, a byte 04 and 32 bytes, are known", name);
        goto cleanup;
    }
    STELE_TRY(stele_witness_of(name, key.data + 1, &made, err));
    stele_put_u32(id_bytes, made.key_id);
    stele_hex_encode(stele_view_of(id_bytes, sizeof id_bytes), id);
    if (!stele_view_is(stele_view_slice(text, name_bytes + 1, 2 * KEY_ID_BYTES), id)) {
        st =
            STELE_FAIL(err, INVALID,
                       "witness key '%.80s': the key id is not '%s', the one of this name and key; "
                       "copy the key again",
                       name, id);
        goto cleanup;
    }
    *ret = made;
cleanup:
    stele_buf_done(&key);
    return st;
}

stele_status stele_witness_print(const struct stele_witness *witness, stele_buf *out,
                                 stele_err *err) {
    size_t before = out->size;
    uint8_t bytes[KEY_BYTES] = {ALGORITHM_COSIGNATURE};
    memcpy(bytes + 1, witness->public_key, sizeof witness->public_key);
    stele_status st =
        stele_buf_printf(out, err, "%s+%08" PRIx32 "+", witness->name, witness->key_id);
    if (st == STELE_OK) {
        st = stele_base64_encode(stele_view_of(bytes, sizeof bytes), out, err);
    }
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

/* Where the text ends and the signature lines begin; the last empty line separates them. */
static bool split(stele_view note, stele_view *ret_text, stele_view *ret_lines) {
    size_t at = note.size;
    while (at >= 2 && !(note.data[at - 1] == '\n' && note.data[at - 2] == '\n')) {
        at--;
    }
    if (at < 2) {
        return false;
    }
    *ret_text = stele_view_slice(note, 0, at - 1);
    *ret_lines = stele_view_slice(note, at, note.size - at);
    return true;
}

static stele_status message(stele_view text, uint64_t time_s, stele_buf *out, stele_err *err) {
    stele_status st = stele_buf_printf(out, err, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    return st == STELE_OK ? stele_buf_append(out, text, err) : st;
}

/* One line against one witness. ret_time_s is set if the line is that witness's. */
static stele_status check_line(stele_view text, stele_view line,
                               const struct stele_witness *witness, bool *ret_is,
                               uint64_t *ret_time_s, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf signed_bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    size_t name_bytes = find_byte(line, ' ');
    *ret_is = false;
    if (name_bytes == line.size ||
        !stele_view_is(stele_view_slice(line, 0, name_bytes), witness->name)) {
        return STELE_OK;
    }
    STELE_TRY(stele_base64_decode(
        stele_view_slice(line, name_bytes + 1, line.size - name_bytes - 1), &bytes, err));
    if (bytes.size < KEY_ID_BYTES || stele_get_u32(bytes.data) != witness->key_id) {
        goto cleanup; /* of a key that is not in the list */
    }
    st = STELE_UNVERIFIED;
    if (bytes.size == LINE_BYTES) {
        *ret_time_s = stele_get_u64(bytes.data + KEY_ID_BYTES);
        STELE_TRY(message(text, *ret_time_s, &signed_bytes, err));
        st = stele_signature_check(witness->public_key, stele_view_buf(&signed_bytes),
                                   bytes.data + KEY_ID_BYTES + 8, err);
    }
    if (st == STELE_UNVERIFIED) {
        st = STELE_FAIL(
            err, UNVERIFIED,
            "the cosignature of witness '%.80s' does not hold: the checkpoint was changed, "
            "or the key is another one",
            witness->name);
    }
    *ret_is = st == STELE_OK;
cleanup:
    stele_buf_done(&bytes);
    stele_buf_done(&signed_bytes);
    return st;
}

stele_status stele_witness_count(stele_view note, const struct stele_witness *witnesses,
                                 size_t n_witnesses, struct stele_witnessed *ret, stele_err *err) {
    struct stele_witnessed made = {0, 0};
    stele_view text = {NULL, 0};
    stele_view lines = {NULL, 0};
    stele_status st = STELE_OK;
    if (!split(note, &text, &lines)) {
        return STELE_FAIL(err, INVALID, "a note without an empty line before its signatures");
    }
    for (size_t i = 0; i < n_witnesses; i++) {
        bool counted = false;
        for (stele_view left = lines; left.size > 0;) {
            size_t end = find_byte(left, '\n');
            stele_view line = stele_view_slice(left, 0, end);
            left = stele_view_slice(left, end < left.size ? end + 1 : end,
                                    end < left.size ? left.size - end - 1 : 0);
            bool is_its = false;
            uint64_t time_s = 0;
            if (line.size < LINE_START_BYTES ||
                memcmp(line.data, line_start, LINE_START_BYTES) != 0) {
                return STELE_FAIL(err, INVALID, "a signature line without U+2014 and a space");
            }
            line = stele_view_slice(line, LINE_START_BYTES, line.size - LINE_START_BYTES);
            STELE_TRY(check_line(text, line, &witnesses[i], &is_its, &time_s, err));
            made.n += is_its && !counted ? 1 : 0;
            made.newest_s = is_its && time_s > made.newest_s ? time_s : made.newest_s;
            counted = counted || is_its;
        }
    }
    *ret = made;
cleanup:
    return st;
}

stele_status stele_witness_cosign(stele_view note, const char *name, uint64_t time_s,
                                  struct stele_signer *signer, stele_buf *out, stele_err *err) {
    struct stele_witness witness;
    stele_buf signed_bytes = STELE_BUF_EMPTY;
    stele_view text = {NULL, 0};
    stele_view lines = {NULL, 0};
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    uint8_t bytes[LINE_BYTES];
    size_t before = out->size;
    stele_status st = STELE_OK;
    if (!split(note, &text, &lines)) {
        return STELE_FAIL(err, INVALID, "a note without an empty line before its signatures");
    }
    signer->ops->public_key(signer, public_key);
    STELE_TRY(stele_witness_of(name, public_key, &witness, err));
    STELE_TRY(message(text, time_s, &signed_bytes, err));
    stele_put_u32(bytes, witness.key_id);
    stele_put_u64(bytes + KEY_ID_BYTES, time_s);
    STELE_TRY(
        signer->ops->sign(signer, stele_view_buf(&signed_bytes), bytes + KEY_ID_BYTES + 8, err));
    STELE_TRY(stele_buf_printf(out, err, "%s%s ", line_start, witness.name));
    STELE_TRY(stele_base64_encode(stele_view_of(bytes, sizeof bytes), out, err));
    STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
cleanup:
    stele_buf_done(&signed_bytes);
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}
