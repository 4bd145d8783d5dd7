/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/note.c: signed notes. All syntax is checked before any signature: a note is either well
 * formed, with every line a canonical one, or refused, whatever valid signatures it also carries.
 */
#include "storage/note.h"

#include <inttypes.h>
#include <string.h>

#include "storage/base64.h"
#include "storage/cursor.h"
#include "storage/hash.h"

#define ALGORITHM_ED25519 0x01
#define KEY_ID_BYTES 4
#define VKEY_BYTES (1 + STELE_ED25519_PUBLIC_BYTES)

static const char line_start[] = "\xe2\x80\x94 "; /* U+2014 EM DASH and a space */
#define LINE_START_BYTES (sizeof line_start - 1)

/* One code point of RFC 3629 UTF-8 at the front of `text`; its length, or 0 if there is none. */
static size_t utf8_front(stele_view text, uint32_t *ret) {
    const uint8_t *s = text.data;
    if (s[0] < 0x80) {
        *ret = s[0];
        return 1;
    }
    size_t size = s[0] >= 0xf0 ? 4 : (s[0] >= 0xe0 ? 3 : 2);
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0xc2 || s[0] > 0xf4 || text.size < size) {
        return 0;
    }
    uint32_t point = s[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (s[i] & 0x3fu);
    }
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *ret = point;
    return size;
}

/* The code points with the Unicode property White_Space. */
static bool is_space(uint32_t point) {
    return (point >= 0x09 && point <= 0x0d) || point == 0x20 || point == 0x85 || point == 0xa0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
           point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

/* UTF-8 without control characters below U+0020; newlines only if allowed, spaces and '+' only if
 * this is no name. Gives the offset of the first byte that does not belong, or the size. */
static size_t valid_prefix(stele_view text, bool is_name) {
    size_t at = 0;
    while (at < text.size) {
        uint32_t point = 0;
        size_t size = utf8_front(stele_view_slice(text, at, text.size - at), &point);
        bool barred = is_name ? point < 0x20 || point == '+' || is_space(point)
                              : point < 0x20 && point != '\n';
        if (size == 0 || barred) {
            break;
        }
        at += size;
    }
    return at;
}

static bool name_characters_valid(stele_view name) {
    return name.size > 0 && valid_prefix(name, true) == name.size;
}

bool stele_note_name_valid(stele_view name) {
    return name.size <= STELE_NOTE_NAME_MAX && name_characters_valid(name);
}

/* The first `c` of a view, or its size. */
static size_t find_byte(stele_view view, uint8_t c) {
    const uint8_t *found = view.size == 0 ? NULL : memchr(view.data, c, view.size);
    return found == NULL ? view.size : (size_t)(found - view.data);
}

stele_status stele_vkey_of(const char *name, const uint8_t public_key[STELE_AT_LEAST(32)],
                           struct stele_vkey *ret, stele_err *err) {
    stele_view name_view = stele_view_str(name);
    if (!stele_note_name_valid(name_view)) {
        return STELE_FAIL(err, INVALID,
                          "key name '%.80s': 1 to %d bytes of UTF-8 without spaces, control "
                          "characters and '+' are needed",
                          name, STELE_NOTE_NAME_MAX);
    }
    struct stele_sha256 h;
    uint8_t hash[STELE_HASH_BYTES];
    const uint8_t between[2] = {'\n', ALGORITHM_ED25519};
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

stele_status stele_vkey_parse(stele_view text, struct stele_vkey *ret, stele_err *err) {
    stele_buf key = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_vkey made;
    char name[STELE_NOTE_NAME_MAX + 1] = {0};
    uint8_t id[KEY_ID_BYTES];
    char id_text[2 * KEY_ID_BYTES + 1];
    size_t name_bytes = find_byte(text, '+');
    size_t id_at = name_bytes + 1;
    size_t key_at = id_at + 2 * KEY_ID_BYTES + 1;
    if (text.size <= key_at || text.data[key_at - 1] != '+' ||
        !stele_note_name_valid(stele_view_slice(text, 0, name_bytes))) {
        return STELE_FAIL(err, INVALID,
                          "a verifier key of %zu bytes is not <name>+<8 hex digits>+<base64>",
                          text.size);
    }
    memcpy(name, text.data, name_bytes);
    stele_view id_view = stele_view_slice(text, id_at, 2 * KEY_ID_BYTES);
    STELE_TRY(stele_hex_decode(id_view, id, sizeof id, err));
    stele_hex_encode(stele_view_of(id, sizeof id), id_text);
    STELE_TRY(stele_base64_decode(stele_view_slice(text, key_at, text.size - key_at), &key, err));
    if (key.size < 1 || key.data[0] != ALGORITHM_ED25519 || key.size != VKEY_BYTES) {
        st = STELE_FAIL(err, INVALID,
                        "verifier key '%.80s': only Ed25519 keys, a byte 01 and 32 bytes, are "
                        "known",
                        name);
        goto cleanup;
    }
    STELE_TRY(stele_vkey_of(name, key.data + 1, &made, err));
    if (made.key_id != stele_get_u32(id) || !stele_view_is(id_view, id_text)) {
        st = STELE_FAIL(err, INVALID,
                        "verifier key '%.80s': the key id is not '%08" PRIx32 "', the one of "
                        "this name and key; copy the key again",
                        name, made.key_id);
        goto cleanup;
    }
    *ret = made;
cleanup:
    stele_buf_done(&key);
    return st;
}

stele_status stele_vkey_print(const struct stele_vkey *key, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    uint8_t bytes[VKEY_BYTES] = {ALGORITHM_ED25519};
    memcpy(bytes + 1, key->public_key, sizeof key->public_key);
    stele_status st = stele_buf_printf(out, err, "%s+%08" PRIx32 "+", key->name, key->key_id);
    if (st == STELE_OK) {
        st = stele_base64_encode(stele_view_of(bytes, sizeof bytes), out, err);
    }
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

/* A parsed signature line. A signature longer than Ed25519's is of a kind we do not know: only its
 * size is kept. */
struct signature_line {
    stele_view name;
    uint32_t key_id;
    size_t signature_bytes;
    uint8_t signature[STELE_ED25519_SIGNATURE_BYTES];
};

struct parsed_note {
    stele_view text;
    size_t n;
    struct signature_line line[STELE_NOTE_SIGNATURES_MAX];
};

/* `line` comes without its newline; `scratch` is reused from line to line. */
static stele_status parse_line(stele_view line, size_t number, stele_buf *scratch,
                               struct signature_line *ret, stele_err *err) {
    if (line.size < LINE_START_BYTES || memcmp(line.data, line_start, LINE_START_BYTES) != 0) {
        return STELE_FAIL(err, INVALID,
                          "signature line %zu of a note does not begin with U+2014 and a space",
                          number);
    }
    line = stele_view_slice(line, LINE_START_BYTES, line.size - LINE_START_BYTES);
    size_t name_bytes = find_byte(line, ' ');
    ret->name = stele_view_slice(line, 0, name_bytes);
    if (name_bytes == line.size || !name_characters_valid(ret->name)) {
        return STELE_FAIL(err, INVALID,
                          "signature line %zu of a note has no valid key name followed by a "
                          "space and a signature",
                          number);
    }
    stele_buf_clear(scratch);
    stele_view encoded = stele_view_slice(line, name_bytes + 1, line.size - name_bytes - 1);
    stele_status st = stele_base64_decode(encoded, scratch, err);
    if (st != STELE_OK) {
        return st;
    }
    if (scratch->size <= KEY_ID_BYTES) {
        return STELE_FAIL(err, INVALID,
                          "signature line %zu of a note has %zu bytes: a key id of 4 and a "
                          "signature are needed",
                          number, scratch->size);
    }
    ret->key_id = stele_get_u32(scratch->data);
    ret->signature_bytes = scratch->size - KEY_ID_BYTES;
    if (ret->signature_bytes == sizeof ret->signature) {
        memcpy(ret->signature, scratch->data + KEY_ID_BYTES, sizeof ret->signature);
    }
    return STELE_OK;
}

static stele_status split_note(stele_view note, stele_view *ret_text, stele_view *ret_lines,
                               stele_err *err) {
    if (note.size == 0 || note.size > STELE_NOTE_BYTES_MAX || note.data[note.size - 1] != '\n') {
        return STELE_FAIL(err, INVALID,
                          "a note has 1 to %u bytes and ends in a newline, this one has %zu",
                          STELE_NOTE_BYTES_MAX, note.size);
    }
    size_t valid = valid_prefix(note, false);
    if (valid != note.size) {
        return STELE_FAIL(err, INVALID, "byte %zu of a note is a control character or not UTF-8",
                          valid);
    }
    /* The last empty line separates; it is found from the end. */
    size_t lines_at = note.size;
    while (lines_at >= 2 && !(note.data[lines_at - 1] == '\n' && note.data[lines_at - 2] == '\n')) {
        lines_at--;
    }
    if (lines_at < 2 || lines_at == note.size) {
        return STELE_FAIL(err, INVALID,
                          "a note of %zu bytes has no empty line with signatures after it",
                          note.size);
    }
    *ret_text = stele_view_slice(note, 0, lines_at - 1);
    *ret_lines = stele_view_slice(note, lines_at, note.size - lines_at);
    return STELE_OK;
}

static stele_status parse_note(stele_view note, struct parsed_note *ret, stele_err *err) {
    stele_buf scratch = STELE_BUF_EMPTY;
    stele_view lines = {NULL, 0};
    stele_status st = STELE_OK;
    ret->n = 0;
    STELE_TRY(split_note(note, &ret->text, &lines, err));
    while (lines.size > 0) {
        if (ret->n == STELE_NOTE_SIGNATURES_MAX) {
            st = STELE_FAIL(err, INVALID, "a note has more than %d signature lines",
                            STELE_NOTE_SIGNATURES_MAX);
            goto cleanup;
        }
        size_t end = find_byte(lines, '\n'); /* there is one: the note ends in it */
        STELE_TRY(parse_line(stele_view_slice(lines, 0, end), ret->n + 1, &scratch,
                             &ret->line[ret->n], err));
        ret->n++;
        lines = stele_view_slice(lines, end + 1, lines.size - end - 1);
    }
cleanup:
    stele_buf_done(&scratch);
    return st;
}

static stele_status check_line(stele_view text, const struct signature_line *line,
                               const struct stele_vkey *key, stele_err *err) {
    stele_status st = STELE_UNVERIFIED;
    if (line->signature_bytes == sizeof line->signature) {
        st = stele_signature_check(key->public_key, text, line->signature, err);
    }
    if (st == STELE_UNVERIFIED) {
        return STELE_FAIL(err, UNVERIFIED,
                          "the signature of '%.80s' (key id %08" PRIx32 ") under the note does "
                          "not hold: the note was changed, or the key is another one",
                          key->name, key->key_id);
    }
    return st;
}

stele_status stele_note_open(stele_view note, const struct stele_vkey *keys, size_t n_keys,
                             stele_view *ret_text, bool *ret_verified, stele_err *err) {
    struct parsed_note parsed;
    stele_status st = parse_note(note, &parsed, err);
    if (st != STELE_OK) {
        return st;
    }
    bool *verified = stele_alloc(n_keys, sizeof *verified);
    if (verified == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu keys of a note", n_keys);
    }
    bool any = false;
    for (size_t i = 0; i < parsed.n && st == STELE_OK; i++) {
        for (size_t k = 0; k < n_keys && st == STELE_OK; k++) {
            if (parsed.line[i].key_id == keys[k].key_id &&
                stele_view_is(parsed.line[i].name, keys[k].name)) {
                st = check_line(parsed.text, &parsed.line[i], &keys[k], err);
                verified[k] = st == STELE_OK;
                any = true;
            }
        }
    }
    if (st == STELE_OK && !any) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "none of the %zu known keys signed the note (it has %zu signature "
                        "lines): give the key of its signer",
                        n_keys, parsed.n);
    }
    if (st == STELE_OK) {
        *ret_text = parsed.text;
        if (ret_verified != NULL && n_keys > 0) {
            memcpy(ret_verified, verified, n_keys * sizeof *verified);
        }
    }
    stele_free(verified);
    return st;
}

stele_status stele_note_sign(stele_view text, const char *name, struct stele_signer *signer,
                             stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_vkey key;
    uint8_t bytes[KEY_ID_BYTES + STELE_ED25519_SIGNATURE_BYTES];
    stele_status st = STELE_OK;
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    /* 1,024 covers one signature line with the longest name. */
    if (text.size == 0 || text.size > STELE_NOTE_BYTES_MAX - 1024 ||
        text.data[text.size - 1] != '\n' || valid_prefix(text, false) != text.size) {
        return STELE_FAIL(err, INVALID,
                          "a text of %zu bytes cannot be signed as a note: it must be UTF-8 "
                          "without control characters and end in a newline",
                          text.size);
    }
    signer->ops->public_key(signer, public_key);
    STELE_TRY(stele_vkey_of(name, public_key, &key, err));
    stele_put_u32(bytes, key.key_id);
    STELE_TRY(signer->ops->sign(signer, text, bytes + KEY_ID_BYTES, err));
    STELE_TRY(stele_buf_append(out, text, err));
    STELE_TRY(stele_buf_printf(out, err, "\n%s%s ", line_start, key.name));
    STELE_TRY(stele_base64_encode(stele_view_of(bytes, sizeof bytes), out, err));
    STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
cleanup:
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}
