/* SPDX-License-Identifier: Apache-2.0 */
/* query/cursor.c: nothing of a cursor is believed before its hash holds. */
#include "query/cursor.h"

#include <assert.h>
#include <string.h>

#include "storage/base64.h"
#include "storage/cursor.h"
#include "storage/hash.h"

#define VERSION 1
#define BLOCK_BYTES 64 /* of SHA-256 */
#define MAC_BYTES STELE_HASH_BYTES

/* ------------------------------------------------------------------ the keyed hash */

void stele_cursor__hmac(stele_view key, stele_view message, uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t inner_pad[BLOCK_BYTES];
    uint8_t outer_pad[BLOCK_BYTES];
    uint8_t inner[STELE_HASH_BYTES];
    struct stele_sha256 hash;
    assert(key.size <= BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        uint8_t byte = i < key.size ? key.data[i] : 0;
        inner_pad[i] = byte ^ 0x36;
        outer_pad[i] = byte ^ 0x5c;
    }
    stele_sha256_init(&hash);
    stele_sha256_update(&hash, stele_view_of(inner_pad, sizeof inner_pad));
    stele_sha256_update(&hash, message);
    stele_sha256_final(&hash, inner);
    stele_sha256_init(&hash);
    stele_sha256_update(&hash, stele_view_of(outer_pad, sizeof outer_pad));
    stele_sha256_update(&hash, stele_view_of(inner, sizeof inner));
    stele_sha256_final(&hash, out);
}

/* In constant time, so that no one finds a hash byte by byte. */
static bool same_mac(const uint8_t *a, const uint8_t *b) {
    unsigned difference = 0;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        difference |= (unsigned)(a[i] ^ b[i]);
    }
    return difference == 0;
}

static void mac_of(const struct stele_cursor_binding *binding, stele_view body,
                   uint8_t out[STELE_AT_LEAST(32)]) {
    stele_cursor__hmac(stele_view_of(binding->secret, sizeof binding->secret), body, out);
}

/* ------------------------------------------------------------------ what it is bound to */

static void put_text(struct stele_sha256 *hash, const char *text) {
    uint8_t size[4];
    stele_put_u32(size, (uint32_t)strlen(text));
    stele_sha256_update(hash, stele_view_of(size, sizeof size));
    stele_sha256_update(hash, stele_view_str(text));
}

static void client_of(const struct stele_rpc_peer *peer, uint8_t *out) {
    struct stele_sha256 hash;
    uint8_t digest[STELE_HASH_BYTES];
    stele_sha256_init(&hash);
    put_text(&hash, peer->authenticated ? "stele cursor: certificate" : "stele cursor: anonymous");
    put_text(&hash, peer->common_name == NULL ? "" : peer->common_name);
    for (size_t i = 0; i < peer->n_sans; i++) {
        put_text(&hash, peer->san[i]);
    }
    stele_sha256_final(&hash, digest);
    memcpy(out, digest, STELE_CURSOR_DIGEST_BYTES);
}

stele_status stele_cursor_bind(const struct stele_query_question *question,
                               const struct stele_rpc_peer *peer, struct stele_cursor_binding *ret,
                               stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    struct stele_question asked = question->asked; /* borrows; only the limit differs */
    asked.limit = 0;
    STELE_TRY(stele_buf_append(
        &bytes, stele_view_str(question->descending ? "stele cursor: down" : "stele cursor: up"),
        err));
    STELE_TRY(stele_question_encode(&asked, &bytes, err));
    stele_sha256_of(stele_view_buf(&bytes), digest);
    memcpy(ret->question, digest, sizeof ret->question);
    client_of(peer, ret->client);
cleanup:
    stele_buf_done(&bytes);
    return st;
}

/* ------------------------------------------------------------------ base64url */

/* Characters that base64url has instead, and back. */
static void replace(stele_buf *text, const char *from, const char *to) {
    for (size_t i = 0; i < text->size; i++) {
        for (size_t k = 0; k < 2; k++) {
            if (text->data[i] == (uint8_t)from[k]) {
                text->data[i] = (uint8_t)to[k];
                break;
            }
        }
    }
}

static stele_status to_text(stele_view bytes, stele_buf *text, stele_err *err) {
    stele_buf plain = STELE_BUF_EMPTY;
    stele_status st = stele_base64_encode(bytes, &plain, err);
    while (plain.size > 0 && plain.data[plain.size - 1] == '=') {
        plain.size--;
    }
    if (st == STELE_OK) {
        replace(&plain, "+/", "-_");
        st = stele_buf_append(text, stele_view_buf(&plain), err);
    }
    stele_buf_done(&plain);
    return st;
}

static bool has_plain_base64(stele_view text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '+' || text.data[i] == '/' || text.data[i] == '=') {
            return true;
        }
    }
    return false;
}

static stele_status of_text(stele_view text, stele_buf *bytes, stele_err *err) {
    stele_buf plain = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_append(&plain, text, err));
    replace(&plain, "-_", "+/");
    while (plain.size % 4 != 0) {
        STELE_TRY(stele_buf_append(&plain, stele_view_str("="), err));
    }
    st = stele_base64_decode(stele_view_buf(&plain), bytes, NULL);
    if (st == STELE_INVALID) {
        st =
            STELE_FAIL(err, INVALID, "cursor: not one of this server's: it is damaged, or cut off");
    } else if (st != STELE_OK) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a cursor of %zu bytes", text.size);
    }
cleanup:
    stele_buf_done(&plain);
    return st;
}

/* ------------------------------------------------------------------ the whole */

stele_status stele_cursor_encode(const struct stele_cursor_binding *binding,
                                 const struct stele_places *places, stele_buf *text,
                                 stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t mac[MAC_BYTES];
    stele_status st = STELE_OK;
    struct stele_writer w = stele_writer_to(&bytes);
    stele_write_u8(&w, VERSION);
    stele_write_view(&w, stele_view_of(binding->question, sizeof binding->question));
    stele_write_view(&w, stele_view_of(binding->client, sizeof binding->client));
    stele_write_u8(&w, (uint8_t)places->n);
    for (size_t i = 0; i < places->n; i++) {
        stele_write_lp(&w, stele_view_str(places->at[i].log));
        stele_write_varint(&w, places->at[i].seq);
    }
    STELE_TRY(stele_writer_end(&w, err));
    mac_of(binding, stele_view_buf(&bytes), mac);
    STELE_TRY(stele_buf_append(&bytes, stele_view_of(mac, sizeof mac), err));
    STELE_TRY(to_text(stele_view_buf(&bytes), text, err));
cleanup:
    stele_buf_done(&bytes);
    return st;
}

static stele_status read_place(struct stele_reader *r, struct stele_places *places,
                               stele_err *err) {
    stele_view name;
    stele_status st = STELE_OK;
    struct stele_place *place = &places->at[places->n];
    STELE_TRY(stele_read_lp(r, &name, err));
    if (name.size == 0 || name.size > STELE_LOG_NAME_MAX ||
        memchr(name.data, 0, name.size) != NULL) {
        return STELE_FAIL(err, INVALID, "cursor: a log name of %zu bytes", name.size);
    }
    memcpy(place->log, name.data, name.size);
    place->log[name.size] = '\0';
    if (places->n > 0 && strcmp(places->at[places->n - 1].log, place->log) >= 0) {
        return STELE_FAIL(err, INVALID, "cursor: its logs do not ascend");
    }
    STELE_TRY(stele_read_varint(r, &place->seq, err));
    places->n++;
cleanup:
    return st;
}

static stele_status read_body(const struct stele_cursor_binding *binding, struct stele_reader *r,
                              struct stele_places *ret, stele_err *err) {
    stele_view question;
    stele_view client;
    uint8_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_view(r, STELE_CURSOR_DIGEST_BYTES, &question, err));
    STELE_TRY(stele_read_view(r, STELE_CURSOR_DIGEST_BYTES, &client, err));
    if (!stele_view_equal(client, stele_view_of(binding->client, sizeof binding->client))) {
        return STELE_FAIL(err, DENIED,
                          "cursor: it was given to another client; ask the question again");
    }
    if (!stele_view_equal(question, stele_view_of(binding->question, sizeof binding->question))) {
        return STELE_FAIL(err, INVALID,
                          "cursor: it belongs to another question; send it with the "
                          "region, logs, filter and order it was given for");
    }
    STELE_TRY(stele_read_u8(r, &n, err));
    if (n > STELE_QUERY_LOGS_MAX) {
        return STELE_FAIL(err, INVALID, "cursor: %u logs", n);
    }
    while (ret->n < n) {
        STELE_TRY(read_place(r, ret, err));
    }
    STELE_TRY(stele_reader_end(r, err));
cleanup:
    return st;
}

stele_status stele_cursor_decode(const struct stele_cursor_binding *binding, stele_view text,
                                 struct stele_places *ret, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_places places = {0};
    uint8_t mac[MAC_BYTES];
    stele_status st = STELE_OK;
    if (text.size > STELE_QUERY_CURSOR_BYTES_MAX || has_plain_base64(text)) {
        return STELE_FAIL(err, INVALID,
                          "cursor: not one of this server's: over %u bytes, or not base64url",
                          STELE_QUERY_CURSOR_BYTES_MAX);
    }
    STELE_TRY(of_text(text, &bytes, err));
    if (bytes.size < 1 + MAC_BYTES || bytes.data[0] != VERSION) {
        st = STELE_FAIL(err, INVALID,
                        "cursor: not one of this server's: too short, or of another version");
        goto cleanup;
    }
    stele_view body = stele_view_of(bytes.data, bytes.size - MAC_BYTES);
    mac_of(binding, body, mac);
    if (!same_mac(mac, bytes.data + body.size)) {
        st = STELE_FAIL(err, DENIED,
                        "cursor: its keyed hash does not hold: it was changed, or another "
                        "region or server made it; ask the question again");
        goto cleanup;
    }
    struct stele_reader r = stele_reader_of(stele_view_slice(body, 1, body.size - 1), "cursor");
    STELE_TRY(read_body(binding, &r, &places, err));
    *ret = places;
cleanup:
    stele_buf_done(&bytes);
    return st;
}
