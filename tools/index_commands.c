/* SPDX-License-Identifier: Apache-2.0 */
/* tools/index_commands.c: `stele status`, `seal`, `era`: how far the logs are, and what an operator
 * may ask of them. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/log_client.h"
#include "tools/cli.h"
#include "tools/flags.h"

#define TIMEOUT_MS 30000
#define SEAL_MS 10000
#define NAME_MAX_BYTES 128 /* region, '/', log */

struct options {
    const char *log, *region;
    bool json;
};
struct accepts {
    bool log, region, output;
};

/* Flags of all three. Returns an exit code, or STELE_GO_ON. */
static int parse(const char *command, const char *usage, struct accepts accepts, int argc,
                 char **argv, struct options *ret) {
    static const struct option names[] = {{"log", required_argument, NULL, 'l'},
                                          {"region", required_argument, NULL, 'r'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'l' && accepts.log) {
            ret->log = optarg;
        } else if (c == 'r' && accepts.region) {
            ret->region = optarg;
        } else if (c == 'o' && accepts.output) {
            if (strcmp(optarg, "json") != 0 && strcmp(optarg, "table") != 0) {
                return stele_usage_error(command, "-o %s: table or json", optarg);
            }
            ret->json = strcmp(optarg, "json") == 0;
        } else if (c == 'h' || c == '?' || c == ':') {
            return stele_flag_other(command, usage, c, argv);
        } else {
            return stele_usage_error(command, "%s is no flag of this command", argv[optind - 1]);
        }
    }
    if (optind != argc) {
        return stele_usage_error(command, "'%s' belongs to no flag", argv[optind]);
    }
    if (ret->log != NULL && strchr(ret->log, '/') == NULL) {
        return stele_usage_error(command, "name the log with --log REGION/LOG");
    }
    return STELE_GO_ON;
}

/* ------------------------------------------------------------------ status */

static const char status_usage[] =
    "usage: stele --config client.conf status [--region REGION] [-o table|json]\n"
    "\n"
    "Prints for each log: its entries, how many of them the newest checkpoint covers and how many "
    "the\n"
    "newest INDEX entry, how far that is behind, and in how many segments the index is. What the\n"
    "index does not cover yet is found, but not proven complete.\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 unreachable.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf status -o json\n";

struct printer {
    bool json;
    size_t n;
};

/* A name comes from the server: it is printed only if it is one. */
static stele_status check_name(stele_view name, stele_err *err) {
    bool good = name.size > 0 && name.size <= NAME_MAX_BYTES;
    for (size_t i = 0; good && i < name.size; i++) {
        char c = (char)name.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_' || c == '/';
    }
    return good ? STELE_OK
                : STELE_FAIL(err, INVALID,
                             "the server sent a log's name that is none; is it a stele server?");
}

static stele_status print_status(void *ctx, const struct stele_log_status *s, stele_err *err) {
    struct printer *printer = ctx;
    int size = (int)s->log.size;
    const char *name = (const char *)s->log.data;
    stele_status st = check_name(s->log, err);
    if (st != STELE_OK) {
        return st;
    }
    if (printer->json) {
        (void)printf("%s\n{\"log\":\"%.*s\",\"era\":%" PRIu32 ",\"size\":%" PRIu64
                     ",\"checkpoint_size\":%" PRIu64 ",\"covered\":%" PRIu64
                     ",\"lag_entries\":%" PRIu64 ",\"lag_us\":%" PRIu64,
                     printer->n == 0 ? "[" : ",", size, name, s->era, s->size, s->checkpoint_size,
                     s->covered, s->lag_entries, s->lag_us);
        if (s->index_time_us != 0) {
            (void)printf(",\"index_seq\":%" PRIu64 ",\"index_time_us\":%" PRIu64
                         ",\"segments\":%" PRIu64,
                         s->index_seq, s->index_time_us, s->segments);
        }
        (void)printf("}");
    } else {
        if (printer->n == 0) {
            (void)printf("%-28s %9s %14s %14s %14s %10s %8s %8s\n", "LOG", "ERA", "ENTRIES",
                         "CHECKPOINT", "INDEXED", "BEHIND", "SECONDS", "SEGMENTS");
        }
        (void)printf("%-28.*s %9" PRIu32 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %10" PRIu64
                     " %8" PRIu64,
                     size, name, s->era, s->size, s->checkpoint_size, s->covered, s->lag_entries,
                     s->lag_us / 1000000);
        if (s->index_time_us != 0) {
            (void)printf(" %8" PRIu64 "\n", s->segments);
        } else {
            (void)printf(" %8s\n", "-");
        }
    }
    printer->n++;
    return STELE_OK;
}

int stele_status_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct printer printer = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("status", status_usage, (struct accepts){.region = true, .output = true}, argc,
                     argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    printer.json = options.json;
    STELE_TRY(stele_cli_open("status", config, &cli, &err));
    STELE_TRY(stele_cli_named(stele_client_status(cli.client,
                                                  options.region == NULL ? "" : options.region,
                                                  TIMEOUT_MS, print_status, &printer, &err)));
    if (options.json) {
        (void)printf("%s]\n", printer.n == 0 ? "[" : "\n");
    }
cleanup:
    stele_cli_close(&cli);
    return stele_cli_ended("status", st, &err);
}

/* ------------------------------------------------------------------ seal */

static const char seal_usage[] =
    "usage: stele --config client.conf seal [--log REGION/LOG]\n"
    "\n"
    "Commits to the index of a log now, or of every log there is: appends an INDEX entry unless "
    "the\n"
    "newest covers all. Waits for it, at most 10 s a log; a log gets one such entry a second at "
    "most.\n"
    "Needs the right to append events of every tenant.\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 unreachable, or not done in time.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf seal --log eu-central-1/3y\n";

static stele_status seal(struct stele_cli *cli, const char *log, stele_err *err) {
    struct stele_sealed sealed;
    stele_status st = stele_cli_named(stele_client_seal(cli->client, log, SEAL_MS, &sealed, err));
    if (st == STELE_OK) {
        (void)printf("%s: entries below %" PRIu64 " are committed to by entry %" PRIu64 ", %" PRIu64
                     " segments\n",
                     log, sealed.covered, sealed.index_seq, sealed.segments);
    }
    return st;
}

/* The names of all logs, each with its zero byte. */
static stele_status take_name(void *ctx, const struct stele_log_status *status, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_name(status->log, err));
    STELE_TRY(stele_buf_append(ctx, status->log, err));
    STELE_TRY(stele_buf_append(ctx, stele_view_of("", 1), err));
cleanup:
    return st;
}

int stele_seal_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    stele_buf names = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("seal", seal_usage, (struct accepts){.log = true}, argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    STELE_TRY(stele_cli_open("seal", config, &cli, &err));
    if (options.log != NULL) {
        STELE_TRY(seal(&cli, options.log, &err));
    } else {
        STELE_TRY(stele_client_status(cli.client, "", TIMEOUT_MS, take_name, &names, &err));
        for (size_t at = 0; at < names.size; at += strlen((const char *)names.data + at) + 1) {
            STELE_TRY(seal(&cli, (const char *)names.data + at, &err));
        }
    }
cleanup:
    stele_buf_done(&names);
    stele_cli_close(&cli);
    return stele_cli_ended("seal", st, &err);
}

/* ------------------------------------------------------------------ era */

static const char era_usage[] = "usage: stele --config client.conf era cut --log REGION/LOG\n"
                                "\n"
                                "Ends the log's era now: new events are indexed under a new tag "
                                "key. For a tag key that someone\n"
                                "has who should not; what is in the log already stays under the "
                                "old one. At most 99 times a month.\n"
                                "Needs the right to append events of every tenant.\n"
                                "\n"
                                "Exit codes: 0 done, 2 usage, 3 unreachable.\n"
                                "\n"
                                "example:\n"
                                "  stele --config client.conf era cut --log eu-central-1/3y\n";

int stele_era_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    uint32_t era = 0;
    stele_err err;
    stele_status st = STELE_OK;
    bool cut = argc > 1 && strcmp(argv[1], "cut") == 0;
    int code =
        cut ? parse("era", era_usage, (struct accepts){.log = true}, argc - 1, argv + 1, &options)
            : parse("era", era_usage, (struct accepts){0}, argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    if (!cut || options.log == NULL) {
        return stele_usage_error("era", "write era cut --log REGION/LOG");
    }
    STELE_TRY(stele_cli_open("era", config, &cli, &err));
    STELE_TRY(
        stele_cli_named(stele_client_cut_era(cli.client, options.log, TIMEOUT_MS, &era, &err)));
    (void)printf("%s: era %" PRIu32 " has begun\n", options.log, era);
cleanup:
    stele_cli_close(&cli);
    return stele_cli_ended("era", st, &err);
}
