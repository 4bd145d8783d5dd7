/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/append_command.c: `stele append`: JSON lines in, one acknowledgement a line out, in order
 * and as soon as the server has synced it, also while the input stays open.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/event_json.h"
#include "tools/acks.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/lines.h"

static const char usage[] =
    "usage: stele --config client.conf append [--region R] [--timeout 10s] [-o jsonl] [FILE|-]\n"
    "\n"
    "Ships events, one JSON object a line (the normalized form, see README), and prints for each "
    "line\n"
    "  {\"line\":1,\"log\":\"eu/3y\",\"seq\":12,\"log_time\":\"...Z\"}   once it is synced to the "
    "server's disk, or\n"
    "  {\"line\":2,\"code\":\"INVALID_ARGUMENT\",\"error\":\"...\"}      and why.\n"
    "\"duplicate\":true says that the same event was stored before; its first place is given. "
    "Empty lines\n"
    "are passed over. What the server cannot take now is sent again, also over a new connection.\n"
    "\n"
    "  --region R     fills a missing region; a line that names another is refused\n"
    "  --timeout 10s  give up when nothing was acknowledged for so long (exit 3)\n"
    "\n"
    "Exit codes: 0 all stored, 5 some refused, 2 usage, 3 server unreachable.\n"
    "\n"
    "examples:\n"
    "  stele --config client.conf append events.jsonl\n"
    "  my-exporter | stele --config client.conf append --region eu-central-1 -\n";

/* So long a decision is waited for before the input is looked at again. */
#define WAIT_MS 10

struct options {
    const char *region, *file;
    uint32_t timeout_ms;
};

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"region", required_argument, NULL, 'r'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    ret->timeout_ms = 10000;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'r') {
            ret->region = optarg;
        } else if (c == 't') {
            if (stele_cli_duration(optarg, &ret->timeout_ms, &err) != STELE_OK) {
                return stele_usage_error("append", "--timeout: %s", err.text);
            }
        } else if (c == 'o') {
            if (strcmp(optarg, "jsonl") != 0) {
                return stele_usage_error("append", "-o %s: acknowledgements are jsonl", optarg);
            }
        } else {
            return stele_flag_other("append", usage, c, argv);
        }
    }
    if (ret->region != NULL && ret->region[0] == '\0') {
        return stele_usage_error("append", "--region is empty; leave it out");
    }
    if (argc - optind > 1) {
        return stele_usage_error("append", "'%s': one file at a time, or - for stdin",
                                 argv[optind + 1]);
    }
    ret->file = optind < argc ? argv[optind] : "-";
    return STELE_GO_ON;
}

/* The region rule of the command, then the normalized form. */
static stele_status encode(stele_view line, const char *region, stele_buf *payload,
                           stele_err *err) {
    stele_status st = STELE_OK;
    json_error_t error;
    json_t *json = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL || !json_is_object(json)) {
        st = json == NULL
                 ? STELE_FAIL(err, INVALID, "not JSON: %s (column %d)", error.text, error.column)
                 : STELE_FAIL(err, INVALID, "not a JSON object");
        goto cleanup;
    }
    const json_t *own = json_object_get(json, "region");
    if (region != NULL && own == NULL &&
        json_object_set_new(json, "region", json_string(region)) != 0) {
        STELE_TRY(STELE_FAIL(err, INVALID, "--region: not UTF-8"));
    }
    if (region != NULL && own != NULL &&
        (!json_is_string(own) || strcmp(json_string_value(own), region) != 0)) {
        STELE_TRY(STELE_FAIL(err, INVALID,
                             "region: the event names another region than --region %s", region));
    }
    STELE_TRY(stele_event_json_decode_value(json, payload, err));
cleanup:
    json_decref(json);
    return st;
}

static bool is_blank(stele_view line) {
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* Until a line can be read without waiting, or nothing is outstanding and waiting harms nobody. */
static stele_status await_line(struct stele_shipper *shipper, struct stele_lines *lines,
                               const struct stele_acks *acks, stele_err *err) {
    stele_status st = STELE_OK;
    bool idle = false;
    while (!idle && stele_lines_would_wait(lines)) {
        STELE_TRY(stele_shipper_wait(shipper, WAIT_MS, &idle, err));
        STELE_TRY(stele_acks_check(acks, err));
    }
cleanup:
    return st;
}

static stele_status ship(struct stele_shipper *shipper, struct stele_lines *lines,
                         const char *region, const struct stele_acks *acks, stele_err *err) {
    stele_buf payload = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    for (;;) {
        stele_view line;
        uint64_t number = 0;
        stele_err refused;
        STELE_TRY(stele_acks_check(acks, err));
        STELE_TRY(await_line(shipper, lines, acks, err));
        stele_status read = stele_lines_next(lines, &line, &number, &refused);
        if (read == STELE_END) {
            break;
        }
        if (read != STELE_OK && read != STELE_LIMIT) {
            *err = refused;
            STELE_TRY(read);
        }
        if (read == STELE_OK && is_blank(line)) {
            continue;
        }
        stele_buf_clear(&payload);
        stele_status encoded = read == STELE_OK ? encode(line, region, &payload, &refused) : read;
        if (encoded == STELE_OK) {
            STELE_TRY(stele_shipper_put(shipper, number, stele_view_buf(&payload), err));
        } else {
            STELE_TRY(stele_shipper_put_refused(shipper, number, stele_rpc_code_of(encoded),
                                                refused.text, err));
        }
    }
    STELE_TRY(stele_shipper_finish(shipper, err));
    STELE_TRY(stele_acks_check(acks, err));
cleanup:
    stele_buf_done(&payload);
    return st;
}

int stele_append_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_lines *lines = NULL;
    struct stele_shipper *shipper = NULL;
    struct stele_acks acks = {.stored = 0};
    stele_err err;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    stele_status st = STELE_OK;
    STELE_TRY(stele_cli_open("append", config, &cli, &err));
    STELE_TRY(stele_lines_open(options.file, &lines, &err));
    struct stele_shipper_options shipping = {.timeout_ms = options.timeout_ms};
    STELE_TRY(stele_shipper_open(cli.client, &shipping, stele_acks_print, &acks, &shipper, &err));
    STELE_TRY(ship(shipper, lines, options.region, &acks, &err));
cleanup:
    code = stele_acks_exit("append", &acks, st, &err);
    if (st == STELE_CLOSED) {
        stele_acks_tell_undecided("append", shipper);
    }
    stele_shipper_close(shipper);
    stele_lines_close(lines);
    stele_cli_close(&cli);
    return code;
}
