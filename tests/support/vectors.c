/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/base64.h"
#include "tests/support/cmocka.h"

#define VECTORS STELE_SOURCE_DIR "/../shared/vectors/"
#define FILE_BYTES_MAX (1u << 20) /* the largest has 65 KB */

void vectors_need(void) {
    struct stat about;
    if (stat(VECTORS "README.md", &about) != 0) {
        (void)printf("skipped: the conformance vectors are not at " VECTORS "\n");
        exit(77);
    }
}

static void read_file(const char *path, stele_buf *out) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
        return;
    }
    assert_ok(stele_buf_reserve(out, FILE_BYTES_MAX, NULL));
    out->size = fread(out->data, 1, FILE_BYTES_MAX, file);
    assert_true(feof(file));
    (void)fclose(file);
}

/* Copies JSON text with every number outside of strings put into quotes. */
static void quote_numbers(stele_view text, stele_buf *out) {
    bool in_string = false;
    bool in_number = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool digit = !in_string && ((c >= '0' && c <= '9') || c == '-');
        if (digit != in_number) {
            assert_ok(stele_buf_append(out, stele_view_str("\""), NULL));
            in_number = digit;
        }
        if (c == '"' && (i == 0 || text.data[i - 1] != '\\')) {
            in_string = !in_string;
        }
        assert_ok(stele_buf_append(out, stele_view_of(&c, 1), NULL));
    }
}

static json_t *parse(stele_view text, const char *path) {
    json_error_t error;
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return value;
}

static json_t *parse_lines(stele_view text, const char *path) {
    json_t *lines = json_array();
    for (size_t at = 0; at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - text.data) - at;
        assert_int_equal(
            json_array_append_new(lines, parse(stele_view_slice(text, at, size), path)), 0);
        at += size + 1;
    }
    return lines;
}

json_t *vectors_load(const char *path) {
    stele_buf raw = STELE_BUF_EMPTY;
    stele_buf text = STELE_BUF_EMPTY;
    stele_buf full = STELE_BUF_EMPTY;
    assert_ok(stele_buf_printf(&full, NULL, "%s%s", path[0] == '/' ? "" : VECTORS, path));
    read_file((const char *)full.data, &raw);
    quote_numbers(stele_view_buf(&raw), &text);
    bool lines = strstr(path, ".jsonl") != NULL;
    json_t *value =
        lines ? parse_lines(stele_view_buf(&text), path) : parse(stele_view_buf(&text), path);
    stele_buf_done(&full);
    stele_buf_done(&text);
    stele_buf_done(&raw);
    return value;
}

const char *vectors_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        fail_msg("no text '%s' in a vector", key);
    }
    return text;
}

bool vectors_bool(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_boolean(value));
    return json_is_true(value);
}

uint64_t vectors_u64(const json_t *object, const char *key) {
    uint64_t value = 0;
    int read = 0;
    const char *text = vectors_text(object, key);
    if (sscanf(text, "%" SCNu64 "%n", &value, &read) != 1 || text[read] != '\0') {
        fail_msg("'%s' of '%s' is no number", text, key);
    }
    return value;
}

void vectors_hex(const json_t *value, stele_buf *out) {
    const char *text = json_string_value(value);
    assert_non_null(text);
    size_t size = strlen(text) / 2;
    assert_ok(stele_buf_reserve(out, size + 1, NULL));
    assert_ok(stele_hex_decode(stele_view_str(text), out->data + out->size, size, NULL));
    out->size += size;
}

void vectors_base64(const json_t *value, stele_buf *out) {
    const char *text = json_string_value(value);
    assert_non_null(text);
    assert_ok(stele_base64_decode(stele_view_str(text), out, NULL));
}
