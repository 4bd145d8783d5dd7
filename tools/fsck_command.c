/* SPDX-License-Identifier: Apache-2.0 */
/* tools/fsck_command.c: `stele fsck`: re-reads a data folder and says the first thing that does not hold. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/fsck.h"
#include "tools/init_command.h"
#include "tools/exit.h"
#include "tools/regions.h"

static const char usage[] =
    "usage: stele fsck --data DIR [-o text|json]\n"
    "\n"
    "Re-reads every entry, hash, index posting and checkpoint of a data folder that no steled is using.\n"
    "Exit codes: 0 all holds, 4 something does not (the first such thing on stderr), 2 usage, 3 not readable.\n"
    "\n"
    "example:\n"
    "  stele fsck --data /var/lib/stele\n";

static void progress(void *ctx, const char *log, uint64_t done, uint64_t total) {
    (void)ctx;
    if (done > 0) {
        (void)fprintf(stderr, "\rfsck %s: %" PRIu64 " of %" PRIu64 " entries ", log, done, total);
    }
}

static void add(struct stele_fsck_report *sum, const struct stele_fsck_report *part) {
    sum->logs += part->logs;
    sum->entries += part->entries;
    sum->events += part->events;
    sum->packs += part->packs;
    sum->segments += part->segments;
    sum->postings += part->postings;
}

static stele_status check(const char *data, struct stele_fsck_report *sum, stele_err *err) {
    struct stele_server_config *config = NULL;
    struct stele_regions regions = {0};
    struct stele_regions_options options = {.read_only = true};
    char path[4200];
    stele_status st = STELE_OK;
    (void)snprintf(path, sizeof path, "%s/steled.conf", data);
    STELE_TRY(stele_server_config_load(path, &config, err));
    STELE_TRY(stele_regions_open(config, &options, &regions, err));
    for (size_t i = 0; i < regions.n; i++) {
        struct stele_fsck_report report;
        st = stele_fsck(regions.store[i], isatty(STDERR_FILENO) ? progress : NULL, NULL, &report, err);
        add(sum, &report);
        if (st != STELE_OK) {
            break;
        }
    }
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r%*s\r", 70, "");
    }
cleanup:
    stele_regions_close(&regions);
    stele_server_config_free(config);
    return st;
}

static void print_json(stele_status st, const struct stele_fsck_report *sum, const stele_err *err) {
    json_t *out = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", st == STELE_OK, "logs", (json_int_t)sum->logs,
                            "entries", (json_int_t)sum->entries, "events", (json_int_t)sum->events, "packs",
                            (json_int_t)sum->packs, "segments", (json_int_t)sum->segments, "postings",
                            (json_int_t)sum->postings);
    if (out != NULL && st != STELE_OK) {
        (void)json_object_set_new(out, "error", json_string(err->text));
        (void)json_object_set_new(out, "status", json_string(stele_status_name(st)));
    }
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
}

int stele_fsck_command(int argc, char **argv) {
    static const struct option names[] = {
        {"data", required_argument, NULL, 'd'}, {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *data = NULL;
    bool json = false;
    struct stele_fsck_report sum = {0};
    stele_err err = {0};
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "o:h", names, NULL)) != -1;) {
        if (c == 'd') {
            data = optarg;
        } else if (c == 'o' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)) {
            json = strcmp(optarg, "json") == 0;
        } else {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (data == NULL || optind != argc) {
        (void)fputs(usage, stderr);
        return 2;
    }
    stele_status st = check(data, &sum, &err);
    if (json) {
        print_json(st, &sum, &err);
    } else if (st == STELE_OK) {
        (void)printf("%" PRIu64 " logs, %" PRIu64 " entries, %" PRIu64 " events, %" PRIu64 " packs, %" PRIu64
                     " index segments, %" PRIu64 " postings: all holds\n",
                     sum.logs, sum.entries, sum.events, sum.packs, sum.segments, sum.postings);
    }
    if (st != STELE_OK) {
        (void)fprintf(stderr, "stele fsck: %s\n", err.text);
    }
    if (st == STELE_OK) {
        return 0;
    }
    return st == STELE_CORRUPT || st == STELE_UNVERIFIED || st == STELE_INVALID || st == STELE_UNSUPPORTED ? 4 : (st == STELE_NOT_FOUND ? 2 : 3);
}
