/* SPDX-License-Identifier: Apache-2.0 */
/* tools/import_command.c: `stele import cloudtrail`: records of another system, shipped like
 * `append` does. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ingest/import_cloudtrail.h"
#include "tools/acks.h"
#include "tools/cli.h"
#include "tools/flags.h"

static const char usage[] =
    "usage: stele --config client.conf import cloudtrail --region R --tenant T [--timeout 10s]\n"
    "                                                    [-o jsonl] [FILE|-]\n"
    "\n"
    "Reads CloudTrail records as JSON lines or as CloudTrail's own {\"Records\":[...]}, also .gz, "
    "turns\n"
    "each into a normalized event and ships it. Prints one acknowledgement a record, as append "
    "does.\n"
    "\n"
    "  --region R     the residency region the events go to; the record's awsRegion becomes\n"
    "                 resource.region\n"
    "  --tenant T     whose events they are; the record's account becomes source.account\n"
    "  --timeout 10s  give up when nothing was acknowledged for so long (exit 3)\n"
    "\n"
    "Importing a file again stores nothing twice: eventID is the event's id.\n"
    "Exit codes: 0 all stored, 5 some refused, 2 usage, 3 server unreachable.\n"
    "\n"
    "examples:\n"
    "  stele --config client.conf import cloudtrail --region eu-central-1 --tenant acme \\\n"
    "        123_CloudTrail.json.gz\n"
    "  jq -c '.Records[]' *.json | \\\n"
    "        stele --config client.conf import cloudtrail --region eu-central-1 --tenant acme -\n";

struct options {
    struct stele_cloudtrail_target target;
    const char *file;
    uint32_t timeout_ms;
};

/* What stands behind the flags: the kind of records, perhaps a file. */
static int parse_words(int n, char **words, struct options *ret) {
    if (n == 0 || strcmp(words[0], "cloudtrail") != 0) {
        return stele_usage_error("import", "what? `stele import cloudtrail` is what there is");
    }
    if (n > 2) {
        return stele_usage_error("import", "'%s': one file at a time, or - for stdin", words[2]);
    }
    if (ret->target.region == NULL || ret->target.region[0] == '\0') {
        return stele_usage_error("import", "--region is needed: where the events are to stay");
    }
    if (ret->target.tenant == NULL || ret->target.tenant[0] == '\0') {
        return stele_usage_error("import", "--tenant is needed: whose events they are");
    }
    ret->file = n == 2 ? words[1] : "-";
    return STELE_GO_ON;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {
        {"region", required_argument, NULL, 'r'},  {"tenant", required_argument, NULL, 't'},
        {"timeout", required_argument, NULL, 'w'}, {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    stele_err err;
    ret->timeout_ms = 10000;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'r') {
            ret->target.region = optarg;
        } else if (c == 't') {
            ret->target.tenant = optarg;
        } else if (c == 'w') {
            if (stele_cli_duration(optarg, &ret->timeout_ms, &err) != STELE_OK) {
                return stele_usage_error("import", "--timeout: %s", err.text);
            }
        } else if (c == 'o') {
            if (strcmp(optarg, "jsonl") != 0) {
                return stele_usage_error("import", "-o %s: acknowledgements are jsonl", optarg);
            }
        } else {
            return stele_flag_other("import", usage, c, argv);
        }
    }
    return parse_words(argc - optind, argv + optind, ret);
}

/* Ships every record. A record that cannot be an event is reported in its place; input that cannot
 * be read further ends the import after everything before it was decided. */
static stele_status ship(struct stele_cloudtrail *records, struct stele_shipper *shipper,
                         const struct stele_acks *acks, stele_err *err) {
    stele_buf payload = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_status read = STELE_OK;
    stele_err refused;
    for (;;) {
        STELE_TRY(stele_acks_check(acks, err));
        read = stele_cloudtrail_next(records, &payload, &refused);
        uint64_t number = stele_cloudtrail_record(records);
        if (read == STELE_OK) {
            STELE_TRY(stele_shipper_put(shipper, number, stele_view_buf(&payload), err));
        } else if (read == STELE_INVALID || read == STELE_LIMIT) {
            STELE_TRY(stele_shipper_put_refused(shipper, number, stele_rpc_code_of(read),
                                                refused.text, err));
        } else {
            break;
        }
    }
    STELE_TRY(stele_shipper_finish(shipper, err));
    STELE_TRY(stele_acks_check(acks, err));
    if (read != STELE_END) {
        *err = refused;
        st = read == STELE_CORRUPT ? STELE_IO : read; /* damaged input is no failed verification */
    }
cleanup:
    stele_buf_done(&payload);
    return st;
}

int stele_import_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_cloudtrail *records = NULL;
    struct stele_shipper *shipper = NULL;
    struct stele_acks acks = {.stored = 0};
    stele_err err;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    stele_status st = STELE_OK;
    STELE_TRY(stele_cli_open("import", config, &cli, &err));
    STELE_TRY(
        stele_cli_named(stele_cloudtrail_open(options.file, &options.target, &records, &err)));
    struct stele_shipper_options shipping = {.timeout_ms = options.timeout_ms};
    STELE_TRY(stele_shipper_open(cli.client, &shipping, stele_acks_print, &acks, &shipper, &err));
    STELE_TRY(ship(records, shipper, &acks, &err));
cleanup:
    code = stele_acks_exit("import", &acks, st, &err);
    if (st == STELE_CLOSED) {
        stele_acks_tell_undecided("import", shipper);
    }
    stele_shipper_close(shipper);
    stele_cloudtrail_close(records);
    stele_cli_close(&cli);
    return code;
}
