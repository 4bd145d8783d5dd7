/* SPDX-License-Identifier: Apache-2.0 */
/* tools/fsck_command.c: `stele fsck`: re-reads a data folder and says the first thing that does not
 * hold. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "storage/file.h"
#include "storage/fsck.h"
#include "tools/flags.h"
#include "tools/init_command.h"
#include "tools/not_before.h"
#include "tools/progress.h"
#include "tools/regions.h"

static const char usage[] =
    "usage: stele fsck --data DIR [--not-before FILE]... [-o text|json]\n"
    "\n"
    "Re-reads every entry, hash, index posting and checkpoint of a data folder that no steled is\n"
    "using, and names the first thing that does not hold.\n"
    "\n"
    "  --not-before FILE  signed checkpoints you kept; each log must extend its own. One a file,\n"
    "                     or several; those of `not_before` in DIR/steled.conf count too.\n"
    "\n"
    "Exit codes: 0 all holds, 4 something does not, 2 usage, 3 in use or not readable.\n"
    "\n"
    "example:\n"
    "  stele fsck --data /var/lib/stele\n";

struct looking {
    struct stele_progress progress;
    char command[128]; /* with the log's name */
};

static void on_progress(void *ctx, const char *log, uint64_t done, uint64_t total) {
    struct looking *looking = ctx;
    (void)snprintf(looking->command, sizeof looking->command, "stele fsck: %.80s", log);
    stele_progress_at(&looking->progress, done, total);
}

static void add(struct stele_fsck_report *sum, const struct stele_fsck_report *part) {
    sum->logs += part->logs;
    sum->entries += part->entries;
    sum->events += part->events;
    sum->packs += part->packs;
    sum->segments += part->segments;
    sum->postings += part->postings;
}

/* The stores one after the other: what holds is counted up to the first that does not. */
static stele_status check_stores(const struct stele_server_config *config,
                                 const struct stele_not_before *given,
                                 struct stele_fsck_report *sum, stele_err *err) {
    struct stele_regions regions = {0};
    struct stele_regions_options options = {
        .read_only = true, .not_before = given->note, .n_not_before = given->n};
    struct looking looking = {.command = "stele fsck"};
    stele_status st = STELE_OK;
    STELE_TRY(stele_regions_open(config, &options, &regions, err));
    stele_progress_begin(&looking.progress, looking.command, "entries", false);
    for (size_t i = 0; i < regions.n && st == STELE_OK; i++) {
        struct stele_fsck_report report;
        memset(&report, 0, sizeof report);
        st = stele_fsck(regions.store[i], on_progress, &looking, &report, err);
        add(sum, &report);
    }
    stele_progress_end(&looking.progress);
cleanup:
    stele_regions_close(&regions);
    return st;
}

static void print_json(stele_status st, const struct stele_fsck_report *sum, const stele_err *err) {
    json_t *out = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", st == STELE_OK, "logs",
                            (json_int_t)sum->logs, "entries", (json_int_t)sum->entries, "events",
                            (json_int_t)sum->events, "packs", (json_int_t)sum->packs, "segments",
                            (json_int_t)sum->segments, "postings", (json_int_t)sum->postings);
    if (out != NULL && st != STELE_OK) {
        (void)json_object_set_new(out, "error", json_string(err->text));
        (void)json_object_set_new(out, "status", json_string(stele_status_name(st)));
    }
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
}

static int exit_of(stele_status st) {
    switch (st) {
    case STELE_OK:
        return STELE_EXIT_FOUND;
    case STELE_CORRUPT:
    case STELE_UNVERIFIED:
    case STELE_INVALID:
    case STELE_LIMIT:
    case STELE_NOT_FOUND: /* a part of the store is missing */
    case STELE_UNSUPPORTED:
        return STELE_EXIT_UNVERIFIED;
    case STELE_END:
    case STELE_DENIED: /* in use, or another's */
    case STELE_EXISTS:
    case STELE_IO:
    case STELE_NO_SPACE:
    case STELE_NO_MEMORY:
    case STELE_BUSY:
    case STELE_CLOSED:
    case STELE_BUG:
        break;
    }
    return STELE_EXIT_UNREACHABLE;
}

struct options {
    const char *data;
    bool json;
    const char *not_before[STELE_NOT_BEFORE_FILES_MAX];
    size_t n_not_before;
};

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"data", required_argument, NULL, 'd'},
                                          {"not-before", required_argument, NULL, 'n'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'd') {
            ret->data = optarg;
        } else if (c == 'n' && ret->n_not_before < STELE_NOT_BEFORE_FILES_MAX) {
            ret->not_before[ret->n_not_before++] = optarg;
        } else if (c == 'n') {
            return stele_usage_error("fsck", "at most %d --not-before files",
                                     STELE_NOT_BEFORE_FILES_MAX);
        } else if (c == 'o' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)) {
            ret->json = strcmp(optarg, "json") == 0;
        } else if (c == 'o') {
            return stele_usage_error("fsck", "-o %s: there are text and json", optarg);
        } else {
            return stele_flag_other("fsck", usage, c, argv);
        }
    }
    if (optind != argc) {
        return stele_usage_error("fsck", "'%s' belongs to no flag", argv[optind]);
    }
    return ret->data != NULL ? STELE_GO_ON
                             : stele_usage_error("fsck", "name the data folder with --data DIR");
}

int stele_fsck_command(int argc, char **argv) {
    struct stele_server_config *config = NULL;
    struct stele_not_before given = {.note = NULL};
    struct stele_fsck_report sum = {0};
    struct options options = {.data = NULL};
    char path[STELE_FILE_PATH_MAX];
    stele_err err = {0};
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    if (stele_file_path(options.data, "steled.conf", path, &err) != STELE_OK ||
        stele_server_config_load(path, &config, &err) != STELE_OK) {
        return stele_usage_error("fsck", "%s", err.text);
    }
    if (stele_not_before_read(config, options.not_before, options.n_not_before, &given, &err) !=
        STELE_OK) {
        stele_server_config_free(config);
        return stele_usage_error("fsck", "%s", err.text);
    }
    stele_status st = check_stores(config, &given, &sum, &err);
    stele_not_before_done(&given);
    stele_server_config_free(config);
    if (options.json) {
        print_json(st, &sum, &err);
    } else if (st == STELE_OK) {
        (void)printf("%" PRIu64 " logs, %" PRIu64 " entries, %" PRIu64 " events, %" PRIu64
                     " packs, %" PRIu64 " index segments, %" PRIu64 " postings: all holds\n",
                     sum.logs, sum.entries, sum.events, sum.packs, sum.segments, sum.postings);
    }
    if (st != STELE_OK) {
        (void)fprintf(stderr, "stele fsck: %s\n", err.text);
    }
    return exit_of(st);
}
