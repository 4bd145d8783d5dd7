/* SPDX-License-Identifier: Apache-2.0 */
/* tools/import_command.c: `stele import cloudtrail`: records of another system, shipped like `append` does. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ingest/import_cloudtrail.h"
#include "tools/acks.h"
#include "tools/cli.h"

static const char usage[] =
    "usage: stele --config client.conf import cloudtrail --region R --tenant T [--timeout 10s] [FILE|-]\n"
    "\n"
    "Reads CloudTrail records as JSON lines or as CloudTrail's own {\"Records\":[...]}, also .gz, turns each\n"
    "into a normalized event and ships it. Prints one acknowledgement a record, as append does.\n"
    "\n"
    "  --region R   the residency region the events go to; the record's awsRegion becomes resource.region\n"
    "  --tenant T   whose events they are; the record's account becomes source.account\n"
    "\n"
    "Importing a file again stores nothing twice: eventID is the event's id.\n"
    "Exit codes: 0 all stored, 5 some refused, 2 usage, 3 server unreachable.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf import cloudtrail --region eu-central-1 --tenant acme 123_CloudTrail.json.gz\n";

struct options {
    struct stele_cloudtrail_target target;
    const char *file;
    uint32_t timeout_ms;
};

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"region", required_argument, NULL, 'r'},
                                          {"tenant", required_argument, NULL, 't'},
                                          {"timeout", required_argument, NULL, 'w'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    ret->timeout_ms = 10000;
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "h", names, NULL)) != -1;) {
        if (c == 'r') {
            ret->target.region = optarg;
        } else if (c == 't') {
            ret->target.tenant = optarg;
        } else if (c == 'w' && stele_cli_duration(optarg, &ret->timeout_ms, &err) != STELE_OK) {
            return stele_cli_failed("import", STELE_INVALID, &err);
        } else if (c == 'h' || c == '?') {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
        }
    }
    bool known = optind < argc && strcmp(argv[optind], "cloudtrail") == 0;
    if (!known || argc - optind > 2 || ret->target.region == NULL || ret->target.tenant == NULL) {
        (void)fputs(usage, stderr);
        return STELE_EXIT_USAGE;
    }
    ret->file = optind + 1 < argc ? argv[optind + 1] : "-";
    return STELE_GO_ON;
}

/* Ships every record. A record that cannot be an event is reported in its place; input that cannot be read
 * further ends the import after everything before it was decided. */
static stele_status ship(struct stele_cloudtrail *records, struct stele_shipper *shipper, stele_err *err) {
    stele_buf payload = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_status read = STELE_OK;
    stele_err refused;
    for (;;) {
        read = stele_cloudtrail_next(records, &payload, &refused);
        if (read == STELE_OK) {
            STELE_TRY(stele_shipper_put(shipper, stele_cloudtrail_record(records), stele_view_buf(&payload), err));
        } else if (read == STELE_INVALID || read == STELE_LIMIT) {
            STELE_TRY(stele_shipper_put_refused(shipper, stele_cloudtrail_record(records), stele_rpc_code_of(read),
                                                refused.text, err));
        } else {
            break;
        }
    }
    STELE_TRY(stele_shipper_finish(shipper, err));
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
    struct stele_acks acks = {.line_name = "line"};
    stele_err err;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    stele_status st = STELE_OK;
    STELE_TRY(stele_cli_open("import", config, &cli, &err));
    STELE_TRY(stele_cloudtrail_open(options.file, &options.target, &records, &err));
    struct stele_shipper_options shipping = {.timeout_ms = options.timeout_ms};
    STELE_TRY(stele_shipper_open(cli.client, &shipping, stele_acks_print, &acks, &shipper, &err));
    STELE_TRY(ship(records, shipper, &err));
cleanup:
    code = stele_acks_exit("import", &acks, st, &err);
    stele_shipper_close(shipper);
    stele_cloudtrail_close(records);
    stele_cli_close(&cli);
    return code;
}
