/* SPDX-License-Identifier: Apache-2.0 */
/* tools/not_before.c: reads checkpoints that were kept, and finds the log of each. */
#include "tools/not_before.h"

#include <string.h>

#include "storage/checkpoint.h"
#include "storage/file.h"

#define FILE_BYTES_MAX                                                                             \
    (1u << 20)         /* 64 checkpoints of the greatest size, thousands of real ones              \
                        */
#define NOTES_MAX 4096 /* 64 regions of 64 logs */

static const char signature_mark[] = "\xe2\x80\x94 "; /* each line of signatures begins with it */

static stele_view first_line(stele_view text) {
    const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, '\n', text.size);
    return stele_view_slice(text, 0, end == NULL ? text.size : (size_t)(end - text.data) + 1);
}

static void skip(stele_view *text, stele_view line, size_t *n_lines) {
    *text = stele_view_slice(*text, line.size, text->size - line.size);
    (*n_lines)++;
}

static bool is_signature(stele_view line) {
    size_t n = sizeof signature_mark - 1;
    return line.size >= n && memcmp(line.data, signature_mark, n) == 0;
}

static bool is_empty(stele_view line) {
    return stele_view_is(line, "\n");
}

stele_status stele_not_before_next(stele_view *rest, size_t *line, stele_view *ret,
                                   stele_err *err) {
    stele_view at = *rest;
    stele_view found = first_line(at);
    size_t n_lines = 0;
    size_t n_signatures = 0;
    if (at.size == 0) {
        return STELE_END;
    }
    /* Up to the first line after signatures that is none itself. */
    while (at.size > 0 && (n_signatures == 0 || is_signature(found))) {
        n_signatures += is_signature(found) ? 1 : 0;
        skip(&at, found, &n_lines);
        found = first_line(at);
    }
    if (n_signatures == 0) {
        return STELE_FAIL(err, INVALID, "line %zu: a checkpoint without a signature", *line);
    }
    *ret = stele_view_slice(*rest, 0, rest->size - at.size);
    while (is_empty(found)) {
        skip(&at, found, &n_lines);
        found = first_line(at);
    }
    *rest = at;
    *line += n_lines;
    return STELE_OK;
}

/* The origin is "<operator domain>/<region>/<log>" of a log in the configuration. */
static bool is_configured(const struct stele_server_config *config, const char *origin) {
    size_t domain = strlen(config->operator_domain);
    if (strncmp(origin, config->operator_domain, domain) != 0 || origin[domain] != '/') {
        return false;
    }
    for (unsigned i = 0; i < config->regions_count; i++) {
        const struct stele_config_region *region = &config->regions[i];
        const char *at = origin + domain + 1;
        size_t name = strlen(region->name);
        bool same = strncmp(at, region->name, name) == 0 && at[name] == '/';
        for (unsigned j = 0; same && j < region->logs_count; j++) {
            if (strcmp(at + name + 1, region->logs[j].name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static stele_status take_note(const struct stele_server_config *config, const char *path,
                              size_t line, stele_view note, struct stele_not_before *given,
                              stele_err *err) {
    struct stele_checkpoint checkpoint;
    stele_err why;
    if (stele_checkpoint_peek(note, &checkpoint, &why) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%.80s line %zu: no checkpoint: %.120s", path, line,
                          why.text);
    }
    if (!is_configured(config, checkpoint.origin)) {
        return STELE_FAIL(err, INVALID,
                          "%.60s line %zu: a checkpoint of '%.80s', which is no log of this "
                          "configuration; give those of its logs only",
                          path, line, checkpoint.origin);
    }
    if (given->n == NOTES_MAX) {
        return STELE_FAIL(err, INVALID, "%.80s line %zu: more than %d checkpoints; give the newest",
                          path, line, NOTES_MAX);
    }
    given->note[given->n++] = note;
    return STELE_OK;
}

static stele_status read_text(const char *path, stele_buf *text, stele_err *err) {
    stele_status st = stele_file_read(path, FILE_BYTES_MAX, text, err);
    if (st == STELE_NOT_FOUND || st == STELE_LIMIT) {
        return STELE_INVALID; /* the caller named it: a mistake of theirs */
    }
    return st;
}

static stele_status take_file(const struct stele_server_config *config, const char *path,
                              stele_view text, struct stele_not_before *given, stele_err *err) {
    stele_view note;
    stele_err why;
    size_t line = 1;
    size_t next_line = 1;
    size_t n_before = given->n;
    stele_status st = STELE_OK;
    while ((st = stele_not_before_next(&text, &next_line, &note, &why)) == STELE_OK) {
        if ((st = take_note(config, path, line, note, given, err)) != STELE_OK) {
            return st;
        }
        line = next_line;
    }
    if (st != STELE_END) {
        return STELE_FAIL(err, INVALID, "%.80s: %.120s", path, why.text);
    }
    if (given->n == n_before) {
        return STELE_FAIL(err, INVALID,
                          "'%.120s' holds no checkpoint; `stele checkpoint` saves one", path);
    }
    return STELE_OK;
}

stele_status stele_not_before_read(const struct stele_server_config *config,
                                   const char *const *file, size_t n_files,
                                   struct stele_not_before *ret, stele_err *err) {
    struct stele_not_before given = {.note = stele_alloc(NOTES_MAX, sizeof(stele_view))};
    size_t n_all = config->not_before_count + n_files;
    size_t *end = stele_alloc(n_all, sizeof *end);
    stele_status st = STELE_OK;
    if (given.note == NULL || end == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for %d checkpoints", NOTES_MAX));
    }
    /* All of the text first: views must not move. */
    for (size_t i = 0; i < n_all; i++) {
        STELE_TRY(read_text(i < config->not_before_count ? config->not_before[i]
                                                         : file[i - config->not_before_count],
                            &given.text, err));
        end[i] = given.text.size;
    }
    for (size_t i = 0; i < n_all; i++) {
        size_t start = i == 0 ? 0 : end[i - 1];
        STELE_TRY(take_file(config,
                            i < config->not_before_count ? config->not_before[i]
                                                         : file[i - config->not_before_count],
                            stele_view_slice(stele_view_buf(&given.text), start, end[i] - start),
                            &given, err));
    }
    *ret = given;
    given = (struct stele_not_before){.note = NULL};
cleanup:
    stele_not_before_done(&given);
    stele_free(end);
    return st;
}

void stele_not_before_done(struct stele_not_before *given) {
    stele_buf_done(&given->text);
    stele_free(given->note);
    *given = (struct stele_not_before){.note = NULL};
}
