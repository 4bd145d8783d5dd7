/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/json_records.c: a small automaton over bytes: depth, inside a text, after a backslash. */
#include "ingest/json_records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK_BYTES 65536
#define END_OF_INPUT (-1)

/* What begins the form AWS delivers, without white space. */
static const char records_prefix[] = "{\"Records\":[";

struct stele_json_records {
    gzFile file; /* NULL: bytes */
    stele_view bytes;
    char path[256]; /* for messages: a longer one is cut */
    uint8_t chunk[CHUNK_BYTES];
    size_t n_chunk;
    size_t at;
    bool line_start; /* the next byte is the first of its line */
    bool in_array;   /* between the elements of "Records" */
    uint64_t number;
    stele_buf record;
    stele_status dead; /* not OK: the rest cannot be read */
    stele_err dead_err;
};

/* ------------------------------------------------------------------ bytes */

static void die(struct stele_json_records *r, stele_status st, const stele_err *err) {
    r->dead = st;
    r->dead_err = *err;
    r->n_chunk = r->at = 0;
}

static void fill_from_file(struct stele_json_records *r) {
    stele_err err = {0};
    int n = gzread(r->file, r->chunk, CHUNK_BYTES);
    int code = Z_OK;
    const char *text = gzerror(r->file, &code);
    if (n < 0 || (n == 0 && code == Z_BUF_ERROR)) {
        stele_status st =
            code == Z_ERRNO ? STELE_FAIL_ERRNO(&err, errno, "%s: cannot be read", r->path)
                            : STELE_FAIL(&err, CORRUPT, "%s: broken or cut off: %s", r->path, text);
        die(r, st, &err);
        return;
    }
    r->n_chunk = (size_t)n;
}

/* The next byte without taking it, or END_OF_INPUT, also where the rest cannot be read. */
static int peek(struct stele_json_records *r) {
    if (r->at == r->n_chunk) {
        r->at = r->n_chunk = 0;
        if (r->dead != STELE_OK) {
            return END_OF_INPUT;
        }
        if (r->file != NULL) {
            fill_from_file(r);
        } else {
            r->n_chunk = r->bytes.size < CHUNK_BYTES ? r->bytes.size : CHUNK_BYTES;
            if (r->n_chunk > 0) {
                memcpy(r->chunk, r->bytes.data, r->n_chunk);
            }
            r->bytes = stele_view_slice(r->bytes, r->n_chunk, r->bytes.size - r->n_chunk);
        }
    }
    return r->at < r->n_chunk ? r->chunk[r->at] : END_OF_INPUT;
}

static void take(struct stele_json_records *r) {
    r->line_start = r->chunk[r->at] == '\n';
    r->at++;
}

static bool is_space(int c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(struct stele_json_records *r, bool commas) {
    int c = 0;
    while (is_space(c = peek(r)) || (commas && c == ',')) {
        take(r);
    }
}

static void skip_line(struct stele_json_records *r) {
    int c = 0;
    while ((c = peek(r)) != END_OF_INPUT && c != '\n') {
        take(r);
    }
}

/* ------------------------------------------------------------------ one record */

struct scan {
    unsigned depth;
    bool in_text;
    bool escaped;
    size_t prefix; /* bytes of records_prefix seen; SIZE_MAX: it is something else */
};

typedef enum scan_result {
    SCAN_RECORD,  /* the last brace is closed */
    SCAN_ARRAY,   /* this is no record but the beginning of {"Records":[ */
    SCAN_CUT_OFF, /* the input, or a line, ended inside */
} scan_result;

static void step_prefix(struct scan *s, int c) {
    if (s->prefix < sizeof records_prefix - 1 && (s->in_text || !is_space(c))) {
        s->prefix = records_prefix[s->prefix] == c ? s->prefix + 1 : SIZE_MAX;
    }
}

static void step(struct scan *s, int c) {
    step_prefix(s, c);
    if (s->escaped) {
        s->escaped = false;
    } else if (s->in_text) {
        s->escaped = c == '\\';
        s->in_text = c != '"';
    } else if (c == '"') {
        s->in_text = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        s->depth--; /* began at 1: the first byte was '{' */
    }
}

/* Takes bytes until the record ends. What passes the limit is counted in *size and not kept. */
static stele_status scan_record(struct stele_json_records *r, bool top, scan_result *ret,
                                size_t *size, stele_err *err) {
    struct scan s = {0};
    stele_buf_clear(&r->record);
    *size = 0;
    for (;;) {
        int c = peek(r);
        bool new_line = top && r->line_start && *size > 0 && c == '{';
        if (c == END_OF_INPUT || new_line || (s.in_text && c == '\n')) {
            *ret = SCAN_CUT_OFF;
            return STELE_OK;
        }
        uint8_t byte = (uint8_t)c;
        if (*size < STELE_JSON_RECORD_BYTES_MAX) {
            stele_status st = stele_buf_append(&r->record, stele_view_of(&byte, 1), err);
            if (st != STELE_OK) {
                return st;
            }
        }
        ++*size;
        step(&s, c);
        take(r);
        if (s.depth == 0) {
            *ret = SCAN_RECORD;
            return STELE_OK;
        }
        if (top && s.prefix == sizeof records_prefix - 1) {
            *ret = SCAN_ARRAY;
            return STELE_OK;
        }
    }
}

/* Behind the last element: the end of the document, with whatever other members it has. */
static void leave_array(struct stele_json_records *r) {
    struct scan s = {.depth = 1, .prefix = SIZE_MAX};
    int c = 0;
    r->in_array = false;
    while (s.depth > 0 && (c = peek(r)) != END_OF_INPUT) {
        step(&s, c);
        take(r);
    }
    if (s.depth > 0 && r->dead == STELE_OK) {
        stele_err err = {0};
        stele_status st =
            STELE_FAIL(&err, CORRUPT, "the list of records has no end: it is cut off");
        die(r, st, &err);
    }
}

/* ------------------------------------------------------------------ records */

static stele_status fail_dead(const struct stele_json_records *r, stele_err *err) {
    if (err != NULL) {
        *err = r->dead_err;
    }
    return r->dead;
}

/* The input cannot be followed any further. */
static stele_status fail_for_good(struct stele_json_records *r, stele_err *err) {
    stele_err detail = {0};
    r->number++;
    stele_status st =
        STELE_FAIL(&detail, CORRUPT, "record %llu: the list of records is broken or cut off there",
                   (unsigned long long)r->number);
    die(r, st, &detail);
    return fail_dead(r, err);
}

/* Skips to the beginning of a record. OK, END, or why there is none. */
static stele_status find_record(struct stele_json_records *r, stele_err *err) {
    for (;;) {
        skip_spaces(r, r->in_array);
        int c = peek(r);
        if (r->dead != STELE_OK) {
            return fail_dead(r, err);
        }
        if (c == '{') {
            return STELE_OK;
        }
        if (r->in_array) {
            if (c != ']') {
                return fail_for_good(r, err);
            }
            take(r);
            leave_array(r);
        } else if (c == END_OF_INPUT) {
            return STELE_END;
        } else {
            r->number++;
            skip_line(r);
            return STELE_FAIL(err, INVALID, "record %llu: does not begin with '{'",
                              (unsigned long long)r->number);
        }
    }
}

stele_status stele_json_records_next(struct stele_json_records *r, stele_view *ret,
                                     stele_err *err) {
    for (;;) {
        scan_result result = SCAN_RECORD;
        size_t size = 0;
        stele_status st = find_record(r, err);
        if (st == STELE_OK) {
            st = scan_record(r, !r->in_array, &result, &size, err);
        }
        if (st != STELE_OK) {
            return st;
        }
        if (result == SCAN_ARRAY) {
            r->in_array = true;
            continue;
        }
        if (result == SCAN_CUT_OFF && r->dead != STELE_OK) {
            return fail_dead(r, err);
        }
        if (result == SCAN_CUT_OFF && r->in_array) {
            return fail_for_good(r, err);
        }
        r->number++;
        if (result == SCAN_CUT_OFF) {
            return STELE_FAIL(err, INVALID, "record %llu: cut off after %zu bytes",
                              (unsigned long long)r->number, size);
        }
        if (size > STELE_JSON_RECORD_BYTES_MAX) {
            return STELE_FAIL(err, LIMIT, "record %llu: %zu bytes, at most %u",
                              (unsigned long long)r->number, size, STELE_JSON_RECORD_BYTES_MAX);
        }
        *ret = stele_view_buf(&r->record);
        return STELE_OK;
    }
}

uint64_t stele_json_records_number(const struct stele_json_records *records) {
    return records->number;
}

/* ------------------------------------------------------------------ life */

static stele_status open_empty(struct stele_json_records **ret, stele_err *err) {
    struct stele_json_records *r = stele_alloc(1, sizeof *r);
    if (r == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a reader of records");
    }
    r->line_start = true;
    *ret = r;
    return STELE_OK;
}

/* A byte order mark is no part of JSON, and some tools write one. */
static void skip_mark(struct stele_json_records *r) {
    if (peek(r) == 0xef && r->n_chunk >= 3 && r->chunk[1] == 0xbb && r->chunk[2] == 0xbf) {
        r->at = 3;
    }
}

stele_status stele_json_records_open_bytes(stele_view bytes, struct stele_json_records **ret,
                                           stele_err *err) {
    stele_status st = open_empty(ret, err);
    if (st == STELE_OK) {
        (*ret)->bytes = bytes;
        skip_mark(*ret);
    }
    return st;
}

stele_status stele_json_records_open(const char *path, struct stele_json_records **ret,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_json_records *r = NULL;
    struct stat info;
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return STELE_FAIL(err, NOT_FOUND, "%s: no such file", path);
    }
    if (fd < 0) {
        return STELE_FAIL_ERRNO(err, errno, "%s: cannot be opened", path);
    }
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        STELE_TRY(STELE_FAIL(err, NOT_FOUND, "%s: is a folder: name a file of records", path));
    }
    STELE_TRY(open_empty(&r, err));
    (void)snprintf(r->path, sizeof r->path, "%s", standard ? "standard input" : path);
    r->file = gzdopen(fd, "rb"); /* reads what is not compressed as it is */
    if (r->file == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "%s: no memory to read it", path);
        goto cleanup;
    }
    fd = -1; /* the file's now */
    skip_mark(r);
    *ret = r;
    r = NULL;
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    stele_json_records_close(r);
    return st;
}

void stele_json_records_close(struct stele_json_records *records) {
    if (records == NULL) {
        return;
    }
    if (records->file != NULL) {
        (void)gzclose(records->file);
    }
    stele_buf_done(&records->record);
    stele_free(records);
}
