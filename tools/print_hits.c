/* SPDX-License-Identifier: Apache-2.0 */
/* tools/print_hits.c: the output formats. */
#include "tools/print_hits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_json.h"
#include "proto/time.h"

stele_status stele_output_parse(const char *text, stele_output *ret, stele_err *err) {
    static const char *const words[] = {"table", "json", "jsonl", "csv"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = (stele_output)i;
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, INVALID, "-o %s: there are table, json, jsonl and csv", text);
}

#define TABLE_HEADER "%-20s %-24s %-20s %-12s %-8s %-40s %s\n"
#define CSV_HEADER                                                                                 \
    "log,seq,log_time,time,event_id,tenant,actor,event_type,action,outcome,resource,source,"       \
    "action_detail\n"

/* What is printed of an event in columns. */
struct row {
    char log_time[STELE_TIME_TEXT_BYTES];
    char time[STELE_TIME_TEXT_BYTES];
    struct stele_event_head head;
    const char *type, *action, *outcome;
};

static const char *word(const char *what, uint32_t number) {
    const char *text = stele_event_enum_word(what, number);
    return text == NULL ? "?" : text;
}

static stele_status make_row(const struct stele_hit *hit, struct row *ret, stele_err *err) {
    stele_status st = stele_event_check(hit->event, &ret->head, err);
    if (st == STELE_OK) {
        stele_time_print(hit->log_time_unix_nano, ret->log_time);
        stele_time_print(ret->head.time_unix_nano, ret->time);
        ret->type = word("EventType", ret->head.event_type);
        ret->action = word("Action", ret->head.action);
        ret->outcome = word("Outcome", ret->head.outcome);
    }
    return st;
}

static size_t utf8_bytes(uint8_t first) {
    return first < 0x80 ? 1 : (first >= 0xf0 ? 4 : (first >= 0xe0 ? 3 : 2));
}

/* Characters that a terminal obeys instead of showing: C0 and C1 controls, and those that turn the
 * writing direction around or end a line (U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069). */
static bool is_unsafe(const uint8_t *at, size_t length) {
    if (length == 1) {
        return at[0] < 0x20 || at[0] == 0x7f;
    }
    if (length == 2) {
        return at[0] == 0xc2 && at[1] < 0xa0;
    }
    bool general = length == 3 && at[0] == 0xe2;
    return general && ((at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f)) ||
                       (at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
                       (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* Valid UTF-8 (the event was checked), a column a character, cut with an ellipsis. */
static void print_cell(stele_view text, int width) {
    int columns = 0;
    size_t i = 0;
    while (i < text.size && columns < width) {
        size_t length = utf8_bytes(text.data[i]);
        if (columns + 1 == width && i + length < text.size) {
            (void)fputs("\xe2\x80\xa6", stdout);
        } else if (is_unsafe(text.data + i, length)) {
            (void)fputs("\xef\xbf\xbd", stdout);
        } else {
            (void)fwrite(text.data + i, 1, length, stdout);
        }
        i += length;
        columns++;
    }
    (void)fprintf(stdout, "%*s ", width - columns, "");
}

static void print_table(struct stele_hit_printer *printer, const struct stele_hit *hit,
                        const struct row *row) {
    if (printer->n == 0) {
        (void)printf(TABLE_HEADER, "TIME", "ACTOR", "TYPE", "ACTION", "OUTCOME", "RESOURCE",
                     "PLACE");
    }
    (void)printf("%.19sZ ", row->time);
    print_cell(row->head.actor_id, 24);
    (void)printf("%-20s %-12s %-8s ", row->type, row->action, row->outcome);
    print_cell(row->head.resource_id, 40);
    (void)printf("%.*s:%" PRIu64 "\n", (int)hit->log.size, (const char *)hit->log.data, hit->seq);
}

static bool holds_any(stele_view text, const char *characters) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\0' && strchr(characters, text.data[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void print_csv_cell(stele_view text, bool last) {
    bool quote = holds_any(text, ",\"\r\n");
    bool formula = holds_any(stele_view_of(text.data, text.size > 0 ? 1 : 0), "=+-@");
    (void)fputs(quote ? "\"" : "", stdout);
    (void)fputs(formula ? "'" : "", stdout);
    for (size_t i = 0; i < text.size; i++) {
        (void)fputs(text.data[i] == '"' ? "\"" : "", stdout);
        (void)fputc(text.data[i], stdout);
    }
    (void)fputs(quote ? "\"" : "", stdout);
    (void)fputc(last ? '\n' : ',', stdout);
}

static void print_csv(struct stele_hit_printer *printer, const struct stele_hit *hit,
                      const struct row *row) {
    if (printer->n == 0) {
        (void)fputs(CSV_HEADER, stdout);
    }
    print_csv_cell(hit->log, false);
    (void)printf("%" PRIu64 ",%s,%s,", hit->seq, row->log_time, row->time);
    print_csv_cell(row->head.event_id, false);
    print_csv_cell(row->head.tenant, false);
    print_csv_cell(row->head.actor_id, false);
    (void)printf("%s,%s,%s,", row->type, row->action, row->outcome);
    print_csv_cell(row->head.resource_id, false);
    print_csv_cell(row->head.source_service, false);
    print_csv_cell(row->head.action_detail, true);
}

static stele_status print_json(struct stele_hit_printer *printer, const struct stele_hit *hit,
                               stele_err *err) {
    char log_time[STELE_TIME_TEXT_BYTES];
    stele_status st = STELE_OK;
    bool lines = printer->output == STELE_OUTPUT_JSONL;
    stele_time_print(hit->log_time_unix_nano, log_time);
    stele_buf_clear(&printer->text);
    /* Log names need no escapes: region and log are of a-z, 0-9 and '-'. */
    STELE_TRY(stele_buf_printf(&printer->text, err,
                               "%s{\"log\":\"%.*s\",\"seq\":%" PRIu64
                               ",\"log_time\":\"%s\",\"event\":",
                               lines ? "" : (printer->n == 0 ? "[\n" : ",\n"), (int)hit->log.size,
                               (const char *)hit->log.data, hit->seq, log_time));
    STELE_TRY(stele_event_json_encode(hit->event, &printer->text, err));
    STELE_TRY(stele_buf_printf(&printer->text, err, "}%s", lines ? "\n" : ""));
    (void)fwrite(printer->text.data, 1, printer->text.size, stdout);
cleanup:
    return st;
}

/* What a server names is printed without escapes, so it must need none. */
static bool is_log_name(stele_view log) {
    for (size_t i = 0; i < log.size; i++) {
        char c = (char)log.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/')) {
            return false;
        }
    }
    return log.size > 0;
}

static stele_status print_hit(struct stele_hit_printer *printer, const struct stele_hit *hit,
                              stele_err *err) {
    struct row row;
    if (printer->output == STELE_OUTPUT_JSON || printer->output == STELE_OUTPUT_JSONL) {
        return print_json(printer, hit, err);
    }
    stele_status st = make_row(hit, &row, err);
    if (st == STELE_OK && printer->output == STELE_OUTPUT_TABLE) {
        print_table(printer, hit, &row);
    } else if (st == STELE_OK) {
        print_csv(printer, hit, &row);
    }
    return st;
}

stele_status stele_hit_print(struct stele_hit_printer *printer, const struct stele_hit *hit,
                             stele_err *err) {
    stele_err why;
    if (!is_log_name(hit->log)) {
        return STELE_FAIL(err, IO, "the server names a log that can be none of its own");
    }
    if (print_hit(printer, hit, &why) != STELE_OK) {
        return STELE_FAIL(err, IO,
                          "event %" PRIu64 " of %.*s cannot be printed: %.140s; is the server of a "
                          "later version?",
                          hit->seq, (int)hit->log.size, (const char *)hit->log.data, why.text);
    }
    printer->n++;
    return ferror(stdout) == 0
               ? STELE_OK
               : STELE_FAIL_ERRNO(err, errno, "cannot write the output: %s", strerror(errno));
}

stele_status stele_hit_printer_end(struct stele_hit_printer *printer, stele_err *err) {
    if (printer->output == STELE_OUTPUT_JSON) {
        (void)fputs(printer->n == 0 ? "[]\n" : "\n]\n", stdout);
    } else if (printer->output == STELE_OUTPUT_CSV && printer->n == 0) {
        (void)fputs(CSV_HEADER, stdout);
    }
    return fflush(stdout) == 0 && ferror(stdout) == 0
               ? STELE_OK
               : STELE_FAIL_ERRNO(err, errno, "cannot write the output: %s", strerror(errno));
}

void stele_hit_printer_done(struct stele_hit_printer *printer) {
    stele_buf_done(&printer->text);
}
