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

/* Text of others, made safe for a terminal: control characters and broken UTF-8 cannot come through,
 * the schema has refused them; only the width is cut. */
static void print_cell(stele_view text, int width) {
    int columns = 0;
    size_t i = 0;
    while (i < text.size && columns < width) {
        size_t length = text.data[i] < 0x80 ? 1 : (text.data[i] >= 0xf0 ? 4 : (text.data[i] >= 0xe0 ? 3 : 2));
        bool cut = columns + 1 == width && i + length < text.size;
        (void)fprintf(stdout, "%.*s", cut ? 3 : (int)length, cut ? "\xe2\x80\xa6" : (const char *)text.data + i);
        i += length;
        columns++;
    }
    (void)fprintf(stdout, "%*s ", width - columns, "");
}

static void print_table(struct stele_hit_printer *printer, const struct stele_hit *hit, const struct row *row) {
    if (printer->n == 0) {
        (void)printf("%-20s %-24s %-14s %-12s %-8s %-44s %s\n", "TIME", "ACTOR", "TYPE", "ACTION", "OUTCOME", "RESOURCE", "PLACE");
    }
    (void)printf("%.19sZ ", row->time);
    print_cell(row->head.actor_id, 24);
    (void)printf("%-14s %-12s %-8s ", row->type, row->action, row->outcome);
    print_cell(row->head.resource_id, 44);
    (void)printf("%.*s:%" PRIu64 "\n", (int)hit->log.size, (const char *)hit->log.data, hit->seq);
}

static void print_csv_cell(stele_view text, bool last) {
    bool quote = text.size > 0 && (memchr(text.data, ',', text.size) != NULL || memchr(text.data, '"', text.size) != NULL ||
                                   memchr(text.data, '\n', text.size) != NULL || memchr(text.data, '\r', text.size) != NULL);
    /* A cell that a spreadsheet would take for a formula is quoted behind an apostrophe. */
    bool formula = text.size > 0 && strchr("=+-@", text.data[0]) != NULL;
    (void)fputs(quote ? "\"" : "", stdout);
    (void)fputs(formula ? "'" : "", stdout);
    for (size_t i = 0; i < text.size; i++) {
        (void)fputs(text.data[i] == '"' ? "\"" : "", stdout);
        (void)fputc(text.data[i], stdout);
    }
    (void)fputs(quote ? "\"" : "", stdout);
    (void)fputc(last ? '\n' : ',', stdout);
}

static void print_csv(struct stele_hit_printer *printer, const struct stele_hit *hit, const struct row *row) {
    if (printer->n == 0) {
        (void)puts("log,seq,log_time,time,event_id,tenant,actor,event_type,action,outcome,resource,source,action_detail");
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

static stele_status print_json(struct stele_hit_printer *printer, const struct stele_hit *hit, stele_err *err) {
    char log_time[STELE_TIME_TEXT_BYTES];
    stele_status st = STELE_OK;
    bool lines = printer->output == STELE_OUTPUT_JSONL;
    stele_time_print(hit->log_time_unix_nano, log_time);
    stele_buf_clear(&printer->text);
    /* Log names need no escapes: region and log are of a-z, 0-9 and '-'. */
    STELE_TRY(stele_buf_printf(&printer->text, err, "%s{\"log\":\"%.*s\",\"seq\":%" PRIu64 ",\"log_time\":\"%s\",\"event\":",
                               lines ? "" : (printer->n == 0 ? "[\n" : ",\n"), (int)hit->log.size,
                               (const char *)hit->log.data, hit->seq, log_time));
    STELE_TRY(stele_event_json_encode(hit->event, &printer->text, err));
    STELE_TRY(stele_buf_printf(&printer->text, err, "}%s", lines ? "\n" : ""));
    (void)fwrite(printer->text.data, 1, printer->text.size, stdout);
cleanup:
    return st;
}

stele_status stele_hit_print(struct stele_hit_printer *printer, const struct stele_hit *hit, stele_err *err) {
    struct row row;
    stele_status st = STELE_OK;
    if (printer->output == STELE_OUTPUT_JSON || printer->output == STELE_OUTPUT_JSONL) {
        STELE_TRY(print_json(printer, hit, err));
    } else {
        STELE_TRY(make_row(hit, &row, err));
        if (printer->output == STELE_OUTPUT_TABLE) {
            print_table(printer, hit, &row);
        } else {
            print_csv(printer, hit, &row);
        }
    }
    printer->n++;
    if (ferror(stdout)) {
        st = STELE_FAIL_ERRNO(err, errno, "cannot write the output");
    }
cleanup:
    return st;
}

stele_status stele_hit_printer_end(struct stele_hit_printer *printer, stele_err *err) {
    if (printer->output == STELE_OUTPUT_JSON) {
        (void)fputs(printer->n == 0 ? "[]\n" : "\n]\n", stdout);
    }
    return fflush(stdout) == 0 ? STELE_OK : STELE_FAIL_ERRNO(err, errno, "cannot write the output");
}

void stele_hit_printer_done(struct stele_hit_printer *printer) {
    stele_buf_done(&printer->text);
}
