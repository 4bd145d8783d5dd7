/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/audit_command.c: `stele audit`: replays the logs of a data folder by the rules, rebuilds
 * what their INDEX entries commit to, and writes a fraud proof of what is false.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/file.h"
#include "tools/audit_print.h"
#include "tools/audit_server.h"
#include "tools/audit_tiles.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/init_command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/regions.h"
#include "tools/save.h"

static const char usage[] =
    "usage: stele audit --data DIR [--region R] [--log L]... [--sample N [--seed S]]\n"
    "       stele --config client.conf audit --log REGION/LOG... [--sample N [--seed S]]\n"
    "       stele audit --tiles DIR --replay DIR --key FILE [--sample N [--seed S]]\n"
    "                   [--fraud FILE] [--work DIR] [-o table|json]\n"
    "\n"
    "Replays logs from their first entry on: every entry by the rules of the log, every tag list\n"
    "against what its entry commits to, every INDEX entry against the index made again from the\n"
    "tags, and the root against the newest signed checkpoint. An answer's verifier believes an\n"
    "INDEX; this does not. With --data: the logs of a data folder, or a copy of one, that no "
    "steled\n"
    "is using. Else over a server, without payloads: for a certificate that may read_log and "
    "query\n"
    "for every tenant of the region, or with --tiles from what `stele tiles --replay` wrote; what\n"
    "is found false there, is proven from the data folder.\n"
    "\n"
    "  --log L       a log, as 3y, or as eu-1/3y over a server; may be repeated; the default is\n"
    "                all of the data folder\n"
    "  --sample N    a spot check: replays and makes again only N segments of the newest index,\n"
    "                drawn by chance, each as likely as another. It costs what these cost, and\n"
    "                says what it did not look at\n"
    "  --seed S      repeats the choice of an earlier sample, which printed it; who knows it\n"
    "                before a log signs can be honest just there\n"
    "  --fraud FILE  where the proof goes of the first log whose index is false (the default:\n"
    "                audit-LOG.stele-fraud); `stele verify FILE` shows it to anyone\n"
    "  --against NOTE  a checkpoint of the log that you kept: that its entries are still the "
    "first\n"
    "                of the log; one that contradicts is proof of two histories\n"
    "  --work DIR    what is kept while it runs goes there, some 400 bytes an entry of the month\n"
    "                that is replayed, and stays: the same command goes on after Ctrl-C or a "
    "crash,\n"
    "                and later with what the log has grown by. Nobody else may write there. The\n"
    "                default is a folder in TMPDIR that goes with the command\n"
    "  -o, --output  table (the default) or json, a line a log\n"
    "\n"
    "Exit codes: 0 all holds, 4 something is wrong, 5 some of it cannot be checked, or it was\n"
    "interrupted, 2 usage, 3 in use, not readable, or the server unreachable.\n"
    "\n"
    "examples:\n"
    "  stele audit --data /var/lib/stele\n"
    "  stele --config client.conf audit --log eu-central-1/3y --sample 2\n"
    "  stele --config client.conf audit --log eu-central-1/3y --work audit-3y\n";

#define LOGS_MAX STELE_LOGS_MAX

struct options {
    const char *data, *region, *fraud, *work;
    const char *tiles, *replay, *key, *against;
    stele_view against_note;
    const char *log[LOGS_MAX];
    size_t n_logs;
    uint64_t sample, seed;
    bool has_seed, json;
};

struct auditing {
    const struct options *options;
    struct stele_progress progress;
    bool named_by_region; /* file names say the region too */
    bool fraud_used;      /* --fraud's file is written */
    size_t n;             /* logs done */
    size_t n_wrong, n_unchecked;
};

static void on_progress(void *ctx, const char *log, uint64_t done, uint64_t total) {
    struct auditing *a = ctx;
    (void)log;
    stele_progress_at(&a->progress, done, total);
}

static bool is_wanted(const struct options *options, const char *log) {
    bool wanted = options->n_logs == 0;
    for (size_t i = 0; i < options->n_logs; i++) {
        wanted |= strcmp(options->log[i], log) == 0;
    }
    return wanted;
}

static stele_status write_proof(struct auditing *a, const char *full_name, const stele_buf *proof,
                                stele_buf *path, stele_err *err) {
    stele_status st = STELE_OK;
    bool given = a->options->fraud != NULL && !a->fraud_used;
    const char *region = a->named_by_region ? full_name : "";
    const char *slash = strchr(region, '/');
    const char *name = strchr(full_name, '/') + 1;
    int n = slash == NULL ? 0 : (int)(slash - region);
    STELE_TRY(given ? stele_buf_printf(path, err, "%s", a->options->fraud)
                    : stele_buf_printf(path, err, "audit-%.*s%s%s.stele-fraud", n, region,
                                       n > 0 ? "-" : "", name));
    STELE_TRY(stele_buf_append(path, stele_view_of("", 1), err));
    STELE_TRY(stele_save_file((const char *)path->data, stele_view_buf(proof), err));
    a->fraud_used |= given;
cleanup:
    return st;
}

static bool is_stopped(void *ctx) {
    (void)ctx;
    return stele_interrupted();
}

/* The log's own part of the work folder. */
static stele_status work_folder(const struct auditing *a, const char *full_name,
                                char ret[STELE_AT_LEAST(STELE_FILE_PATH_MAX)], stele_err *err) {
    char name[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_make_folder(a->options->work, err);
    (void)snprintf(name, sizeof name, "%s", full_name);
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '/' ? '.' : *at;
    }
    return st == STELE_OK ? stele_file_path(a->options->work, name, ret, err) : st;
}

/* What was found of one log goes out. */
static stele_status tell(struct auditing *a, const char *full_name,
                         const struct stele_audit_report *report, stele_err *err) {
    stele_buf path = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (report->went_on_at > 0) {
        (void)fprintf(stderr, "stele audit: %s: went on at entry %" PRIu64 "\n", full_name,
                      report->went_on_at);
    }
    if (report->proof.size > 0) {
        STELE_TRY(write_proof(a, full_name, &report->proof, &path, err));
    }
    struct stele_audit_told told = {full_name, report,
                                    path.size > 0 ? (const char *)path.data : NULL};
    if (a->options->json) {
        stele_audit_print_json(&told);
    } else {
        stele_audit_print_row(&told, a->n == 0);
        stele_audit_print_sample(report);
    }
    (void)fflush(stdout);
    stele_audit_print_wrong(&told);
    const char *outcome = stele_audit_outcome(report);
    a->n_wrong += strcmp(outcome, "wrong") == 0;
    a->n_unchecked += strcmp(outcome, "unchecked") == 0;
    a->n++;
cleanup:
    stele_buf_done(&path);
    return st;
}

/* How one log is audited: of a store, or of a server. */
typedef stele_status (*audit_fn)(void *ctx, const struct stele_audit_options *options,
                                 struct stele_audit_report *ret, stele_err *err);

static stele_status audit_one(struct auditing *a, const char *full_name, audit_fn audit, void *ctx,
                              stele_err *err) {
    struct stele_audit_report report;
    struct stele_audit_options options = {.sample = a->options->sample,
                                          .seed = a->options->seed,
                                          .against = a->options->against_note,
                                          .progress = on_progress,
                                          .stop = is_stopped,
                                          .ctx = a,
                                          .save_ms = STELE_AUDIT_SAVE_MS};
    char work[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    memset(&report, 0, sizeof report);
    if (a->options->work != NULL) {
        STELE_TRY(work_folder(a, full_name, work, err));
        options.work = work;
    }
    stele_progress_begin(&a->progress, "stele audit", "entries", false);
    st = audit(ctx, &options, &report, err);
    stele_progress_end(&a->progress);
    STELE_TRY(st);
    STELE_TRY(tell(a, full_name, &report, err));
cleanup:
    stele_audit_report_done(&report);
    return st;
}

/* ------------------------------------------------------------------ a server */

static stele_status audit_server(void *ctx, const struct stele_audit_options *options,
                                 struct stele_audit_report *ret, stele_err *err) {
    const struct stele_audit_server *server = ctx;
    return stele_audit_run(&server->source, options, ret, err);
}

static stele_status audit_servers(struct auditing *a, const char *config, stele_err *err) {
    struct stele_audit_server server = {.cli = NULL};
    struct stele_cli cli = {0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_cli_open("audit", config, &cli, err));
    for (size_t i = 0; i < a->options->n_logs; i++) {
        const char *log = a->options->log[i];
        STELE_TRY(stele_cli_named(
            stele_audit_server_open(&cli, log, a->options->sample > 0, &server, err)));
        STELE_TRY(audit_one(a, log, audit_server, &server, err));
        stele_audit_server_close(&server);
    }
cleanup:
    stele_audit_server_close(&server);
    stele_cli_close(&cli);
    return st;
}

/* ------------------------------------------------------------------ a tiles folder */

static stele_status audit_tiles(void *ctx, const struct stele_audit_options *options,
                                struct stele_audit_report *ret, stele_err *err) {
    const struct stele_audit_tiles *tiles = ctx;
    return stele_audit_run(&tiles->source, options, ret, err);
}

static stele_status audit_tiles_folder(struct auditing *a, stele_err *err) {
    const struct options *options = a->options;
    stele_status st = STELE_OK;
    struct stele_audit_tiles *tiles = stele_alloc(1, sizeof *tiles);
    if (tiles == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a bundle of entries");
    }
    const struct stele_audit_tiles_names names = {options->tiles, options->replay, options->key};
    STELE_TRY(stele_audit_tiles_open(&names, tiles, err));
    STELE_TRY(audit_one(a, tiles->source.log, audit_tiles, tiles, err));
cleanup:
    stele_audit_tiles_close(tiles);
    stele_free(tiles);
    return st;
}

/* ------------------------------------------------------------------ a data folder */

static stele_status audit_stored(void *ctx, const struct stele_audit_options *options,
                                 struct stele_audit_report *ret, stele_err *err) {
    return stele_audit_log(ctx, options, ret, err);
}

static stele_status audit_store(struct auditing *a, struct stele_store *store, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < stele_store_n_logs(store) && st == STELE_OK; i++) {
        struct stele_log *log = stele_store_log_at(store, i);
        if (is_wanted(a->options, stele_log_name(log))) {
            st = audit_one(a, stele_log_full_name(log), audit_stored, log, err);
        }
    }
    return st;
}

/* Every name that was given is one of a store's. Errors: INVALID. */
static stele_status check_names(const struct options *options, const struct stele_regions *regions,
                                stele_err *err) {
    bool any_region = options->region == NULL;
    for (size_t i = 0; i < regions->n; i++) {
        any_region |= options->region != NULL &&
                      strcmp(options->region, stele_store_region(regions->store[i])) == 0;
    }
    if (!any_region) {
        return STELE_FAIL(err, INVALID, "--region %s: the data folder has no such region",
                          options->region);
    }
    for (size_t k = 0; k < options->n_logs; k++) {
        bool any = false;
        for (size_t i = 0; i < regions->n; i++) {
            any |= stele_store_log(regions->store[i], options->log[k]) != NULL;
        }
        if (!any) {
            return STELE_FAIL(err, INVALID,
                              "--log %s: the data folder has no such log; give 3y, "
                              "not its region too",
                              options->log[k]);
        }
    }
    return STELE_OK;
}

static stele_status audit_stores(struct auditing *a, const struct stele_server_config *config,
                                 stele_err *err) {
    const struct options *options = a->options;
    struct stele_regions regions = {0};
    struct stele_regions_options how = {.read_only = true, .any_key_order = true};
    stele_status st = STELE_OK;
    STELE_TRY(stele_regions_open(config, &how, &regions, err));
    STELE_TRY(check_names(options, &regions, err));
    a->named_by_region = regions.n > 1;
    for (size_t i = 0; i < regions.n; i++) {
        if (options->region == NULL ||
            strcmp(options->region, stele_store_region(regions.store[i])) == 0) {
            STELE_TRY(audit_store(a, regions.store[i], err));
        }
    }
cleanup:
    stele_regions_close(&regions);
    return st;
}

static bool is_damage(stele_status st) {
    return st == STELE_CORRUPT || st == STELE_UNVERIFIED || st == STELE_LIMIT ||
           st == STELE_NOT_FOUND || st == STELE_UNSUPPORTED;
}

static int finish(const struct auditing *a, stele_status st, const stele_err *err) {
    if (a->options->data == NULL && a->options->tiles == NULL && st != STELE_OK &&
        !stele_interrupted()) {
        int code = stele_cli_failed("audit", st, err);
        return a->n_wrong > 0 ? STELE_EXIT_UNVERIFIED : code;
    }
    if (st != STELE_OK) {
        (void)fprintf(stderr, "stele audit: %s\n", err->text);
    }
    if (a->n_wrong > 0 || is_damage(st)) {
        return STELE_EXIT_UNVERIFIED;
    }
    if (st == STELE_CLOSED && stele_interrupted()) {
        return STELE_EXIT_INCOMPLETE;
    }
    if (st != STELE_OK) {
        return st == STELE_INVALID ? STELE_EXIT_USAGE : STELE_EXIT_UNREACHABLE;
    }
    return a->n_unchecked > 0 ? STELE_EXIT_INCOMPLETE : STELE_EXIT_FOUND;
}

/* Returns an exit code, or STELE_GO_ON. */
static int take_flag(int c, char *const *argv, struct options *ret) {
    stele_err err;
    switch (c) {
    case 'd':
        ret->data = optarg;
        return STELE_GO_ON;
    case 'r':
        ret->region = optarg;
        return STELE_GO_ON;
    case 'f':
        ret->fraud = optarg;
        return STELE_GO_ON;
    case 'w':
        ret->work = optarg;
        return STELE_GO_ON;
    case 'g':
        ret->against = optarg;
        return STELE_GO_ON;
    case 't':
        ret->tiles = optarg;
        return STELE_GO_ON;
    case 'p':
        ret->replay = optarg;
        return STELE_GO_ON;
    case 'k':
        ret->key = optarg;
        return STELE_GO_ON;
    case 'l':
        if (ret->n_logs == LOGS_MAX) {
            return stele_usage_error("audit", "at most %d --log flags", LOGS_MAX);
        }
        ret->log[ret->n_logs++] = optarg;
        return STELE_GO_ON;
    case 'n':
    case 's':
        if (stele_cli_number(optarg, c == 'n' ? &ret->sample : &ret->seed, &err) != STELE_OK ||
            (c == 'n' && ret->sample == 0)) {
            return stele_usage_error("audit", "--%s %s: a whole number%s is needed",
                                     c == 'n' ? "sample" : "seed", optarg,
                                     c == 'n' ? " above 0" : "");
        }
        ret->has_seed |= c == 's';
        return STELE_GO_ON;
    case 'o':
        ret->json = strcmp(optarg, "json") == 0;
        return ret->json || strcmp(optarg, "table") == 0
                   ? STELE_GO_ON
                   : stele_usage_error("audit", "-o %s: there are table and json", optarg);
    default:
        return stele_flag_other("audit", usage, c, argv);
    }
}

/* What belongs together. Returns an exit code, or STELE_GO_ON. */
static int check_flags(const struct options *ret) {
    if ((ret->tiles != NULL) != (ret->replay != NULL) ||
        (ret->tiles != NULL) != (ret->key != NULL)) {
        return stele_usage_error("audit", "--tiles DIR, --replay DIR and --key FILE go together");
    }
    if (ret->sample > 0 && ret->work != NULL) {
        return stele_usage_error("audit", "--work is for an audit of everything, not for --sample");
    }
    if (ret->against != NULL && ret->tiles == NULL && ret->n_logs != 1) {
        return stele_usage_error("audit", "--against NOTE is of one log: name it with --log");
    }
    if (ret->tiles != NULL) {
        return ret->data == NULL && ret->n_logs == 0 && ret->region == NULL && ret->fraud == NULL
                   ? STELE_GO_ON
                   : stele_usage_error("audit", "a tiles folder is of one log: give no --data, "
                                                "--region, --log or --fraud with it");
    }
    if (ret->data == NULL && (ret->n_logs == 0 || ret->region != NULL || ret->fraud != NULL)) {
        return stele_usage_error("audit",
                                 "name the data folder with --data DIR, or a server's log with "
                                 "--log REGION/LOG and nothing else of a folder");
    }
    for (size_t i = 0; ret->data == NULL && i < ret->n_logs; i++) {
        if (strchr(ret->log[i], '/') == NULL) {
            return stele_usage_error("audit",
                                     "--log %s: over a server it is REGION/LOG; a data folder is "
                                     "named with --data DIR",
                                     ret->log[i]);
        }
    }
    return STELE_GO_ON;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {
        {"data", required_argument, NULL, 'd'},  {"region", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},   {"sample", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},  {"fraud", required_argument, NULL, 'f'},
        {"work", required_argument, NULL, 'w'},  {"against", required_argument, NULL, 'g'},
        {"tiles", required_argument, NULL, 't'}, {"replay", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'k'},   {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    int code = STELE_GO_ON;
    stele_flags_begin();
    for (int c = 0;
         code == STELE_GO_ON && (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        code = take_flag(c, argv, ret);
    }
    if (code != STELE_GO_ON) {
        return code;
    }
    if (optind != argc) {
        return stele_usage_error("audit", "'%s' belongs to no flag", argv[optind]);
    }
    if (ret->has_seed && ret->sample == 0) {
        return stele_usage_error("audit", "--seed is for --sample N");
    }
    return check_flags(ret);
}

static stele_status audit_folder(struct auditing *a, stele_err *err) {
    struct stele_server_config *config = NULL;
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(a->options->data, "steled.conf", path, err);
    if (st != STELE_OK || stele_server_config_load(path, &config, err) != STELE_OK) {
        return STELE_INVALID;
    }
    st = audit_stores(a, config, err);
    stele_server_config_free(config);
    return st;
}

int stele_audit_command(const char *config, int argc, char **argv) {
    struct options options = {.data = NULL};
    struct auditing auditing = {.options = &options};
    stele_err err = {0};
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    stele_buf against = STELE_BUF_EMPTY;
    if (options.against != NULL &&
        stele_file_read(options.against, STELE_CHECKPOINT_BYTES_MAX, &against, &err) != STELE_OK) {
        return stele_usage_error("audit", "--against: %s", err.text);
    }
    options.against_note = stele_view_buf(&against);
    if (!options.has_seed) {
        options.seed = stele_audit_new_seed();
    }
    /* Before the stores, or the connection, have threads. */
    stele_status st = stele_interrupt_begin(&err);
    if (st == STELE_OK) {
        st = options.tiles != NULL  ? audit_tiles_folder(&auditing, &err)
             : options.data != NULL ? audit_folder(&auditing, &err)
                                    : audit_servers(&auditing, config, &err);
    }
    stele_buf_done(&against);
    return finish(&auditing, st, &err);
}
