/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cloudtrail_text.c: members by path, and texts made to fit the schema. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ingest/cloudtrail_map.h"
#include "storage/hash.h"

#define TEXT_BYTES_MAX 1024 /* the longest text of the schema; attributes have it */
#define DIGEST_MARK "#sha256:"

const json_t *stele_cloudtrail_value(const json_t *from, const char *path) {
    while (from != NULL) {
        const char *dot = strchr(path, '.');
        char key[64];
        size_t n = dot == NULL ? strlen(path) : (size_t)(dot - path);
        if (n >= sizeof key) {
            return NULL; /* no member we ask for is so long */
        }
        memcpy(key, path, n);
        key[n] = '\0';
        from = json_object_get(from, key);
        if (dot == NULL) {
            return from;
        }
        path = dot + 1;
    }
    return NULL;
}

const char *stele_cloudtrail_text(const json_t *from, const char *path) {
    const char *text = json_string_value(stele_cloudtrail_value(from, path));
    return text == NULL ? "" : text;
}

/* ------------------------------------------------------------------ texts */

/* Bytes of the longest beginning of at most `max` bytes that ends between characters. The text is
 * UTF-8: the parser checked it. */
static size_t cut_at(const char *text, size_t size, size_t max) {
    if (size <= max) {
        return size;
    }
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

static void copy_clean(const char *text, size_t size, char *out) {
    for (size_t i = 0; i < size; i++) {
        out[i] = (unsigned char)text[i] < 0x20 ? ' ' : text[i];
    }
    out[size] = '\0';
}

void stele_cloudtrail_fit_id(const char *text, char *out, size_t max) {
    size_t size = strlen(text);
    if (size <= max) {
        copy_clean(text, size, out);
        return;
    }
    uint8_t digest[STELE_HASH_BYTES];
    size_t tail = sizeof DIGEST_MARK - 1 + 2 * STELE_HASH_BYTES;
    assert(max > tail); /* the schema gives ids at least 128 bytes */
    size_t kept = cut_at(text, size, max - tail);
    stele_sha256_of(stele_view_of(text, size), digest);
    copy_clean(text, kept, out);
    memcpy(out + kept, DIGEST_MARK, sizeof DIGEST_MARK - 1);
    stele_hex_encode(stele_view_of(digest, sizeof digest), out + kept + sizeof DIGEST_MARK - 1);
}

/* ------------------------------------------------------------------ members */

void stele_cloudtrail_put(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                          json_t *value) {
    if (value == NULL || json_object_set_new(object, key, value) != 0) {
        m->failed = true;
    }
}

void stele_cloudtrail_put_text(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                               const char *text, size_t max) {
    char clean[TEXT_BYTES_MAX + 1];
    size_t size = cut_at(text, strlen(text), max < TEXT_BYTES_MAX ? max : TEXT_BYTES_MAX);
    if (size > 0) {
        copy_clean(text, size, clean);
        stele_cloudtrail_put(m, object, key, json_string(clean));
    }
}

void stele_cloudtrail_put_id(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                             const char *text, size_t max) {
    char fitted[TEXT_BYTES_MAX + 1];
    if (text[0] != '\0') {
        stele_cloudtrail_fit_id(text, fitted, max < TEXT_BYTES_MAX ? max : TEXT_BYTES_MAX);
        stele_cloudtrail_put(m, object, key, json_string(fitted));
    }
}

/* `value` may be NULL. The event owns what is returned; with no memory, it is the event itself,
 * which is given up anyway. */
static json_t *put_under(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                         json_t *value) {
    stele_cloudtrail_put(m, object, key, value);
    json_t *there = json_object_get(object, key);
    return there == NULL ? m->event : there;
}

json_t *stele_cloudtrail_put_object(struct stele_cloudtrail_map *m, json_t *object,
                                    const char *key) {
    return put_under(m, object, key, json_object());
}

json_t *stele_cloudtrail_put_array(struct stele_cloudtrail_map *m, json_t *object,
                                   const char *key) {
    return put_under(m, object, key, json_array());
}

json_t *stele_cloudtrail_push_object(struct stele_cloudtrail_map *m, json_t *array) {
    json_t *value = json_object();
    if (json_array_append_new(array, value) != 0) { /* also where one of them is missing */
        m->failed = true;
        return m->event;
    }
    return value;
}

void stele_cloudtrail_lacks(struct stele_cloudtrail_map *m, const char *word) {
    size_t used = strlen(m->incomplete);
    int n = snprintf(m->incomplete + used, sizeof m->incomplete - used, "%s%s",
                     used == 0 ? "" : ",", word);
    m->failed = m->failed || n < 0 || (size_t)n >= sizeof m->incomplete - used;
}
