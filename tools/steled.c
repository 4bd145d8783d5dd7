/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/steled.c: the server. Checks its configuration whole, serves until SIGTERM or SIGINT,
 * drains. Its log is one JSON object a line on stderr. Exit codes: 0 stopped as asked, 2 usage or
 * configuration, 3 could not start, 4 a store does not hold.
 */
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/event_json.h"
#include "tools/exit.h"
#include "tools/not_before.h"
#include "tools/save.h"
#include "tools/serve.h"

static const char usage[] =
    "usage: steled --config FILE [--check-config] [--not-before FILE]... [--ready-file FILE]\n"
    "\n"
    "  --config FILE      steled.conf; `stele init` writes one\n"
    "  --check-config     check the configuration and what it names, then exit: 0 good, 2 not\n"
    "  --not-before FILE  signed checkpoints that their logs must extend; refuse to start\n"
    "                     otherwise. Give the newest ones you kept after restoring a backup.\n"
    "                     One a file or several; those of `not_before` in FILE count too.\n"
    "  --ready-file FILE  written with the address once calls are answered, removed at the end\n"
    "\n"
    "Stop it with SIGTERM or Ctrl-C: running calls have some seconds to finish; what was\n"
    "acknowledged is on disk already. The log is JSON lines on stderr.\n"
    "\n"
    "Exit codes: 0 stopped as asked, 2 usage or configuration, 3 could not start (in use, no\n"
    "port, no right), 4 a store does not hold or would be rolled back.\n"
    "\n"
    "example:\n"
    "  stele init --data /var/lib/stele --region eu-central-1 --origin audit.example.org\n"
    "  steled --config /var/lib/stele/steled.conf\n";

/* One line: time, level, message, and pairs of names and texts up to a NULL name. */
static void log_line(const char *level, const char *message, const char *name, const char *text,
                     const char *name2, const char *text2) {
    char time_text[STELE_TIME_TEXT_BYTES];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    stele_time_print((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, time_text);
    json_t *line = json_pack("{s:s, s:s, s:s}", "time", time_text, "level", level, "msg", message);
    if (line != NULL && name != NULL) {
        (void)json_object_set_new(line, name, json_stringn_nocheck(text, strlen(text)));
    }
    if (line != NULL && name2 != NULL) {
        (void)json_object_set_new(line, name2, json_stringn_nocheck(text2, strlen(text2)));
    }
    if (line == NULL || json_dumpf(line, stderr, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0) {
        (void)fputs(message, stderr);
    }
    (void)fputc('\n', stderr);
    json_decref(line);
}

static void report(void *ctx, const char *log, const stele_err *err) {
    (void)ctx;
    log_line("error", err->text, "log", log, "status", stele_status_name(err->status));
}

struct options {
    const char *config;
    const char *ready_file;
    bool check;
    const char *not_before[STELE_NOT_BEFORE_FILES_MAX];
    size_t n_not_before;
};

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"check-config", no_argument, NULL, 'k'},
                                          {"not-before", required_argument, NULL, 'n'},
                                          {"ready-file", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int c = 0; (c = getopt_long(argc, argv, ":c:h", names, NULL)) != -1;) {
        if (c == 'c') {
            ret->config = optarg;
        } else if (c == 'k') {
            ret->check = true;
        } else if (c == 'r') {
            ret->ready_file = optarg;
        } else if (c == 'n' && ret->n_not_before < STELE_NOT_BEFORE_FILES_MAX) {
            ret->not_before[ret->n_not_before++] = optarg;
        } else if (c == 'n') {
            (void)fprintf(stderr, "steled: at most %d --not-before files\n",
                          STELE_NOT_BEFORE_FILES_MAX);
            return STELE_EXIT_USAGE;
        } else if (c == 'h') {
            (void)fputs(usage, stdout);
            return STELE_EXIT_FOUND;
        } else {
            (void)fprintf(stderr, "steled: %s %s; see steled --help\n", argv[optind - 1],
                          c == ':' ? "needs a value" : "is no flag of steled, or takes no value");
            return STELE_EXIT_USAGE;
        }
    }
    if (ret->config == NULL || optind != argc) {
        (void)fprintf(stderr, "steled: %s%s; see steled --help\n",
                      optind != argc ? argv[optind] : "--config FILE is needed",
                      optind != argc ? " belongs to no flag" : "");
        return STELE_EXIT_USAGE;
    }
    return STELE_GO_ON;
}

/* Also removes one that a killed process left: whoever waits for it must not find an old address.
 */
static void remove_ready(const char *path) {
    struct stat info;
    if (path != NULL && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        (void)unlink(path);
    }
}

static stele_status write_ready(const char *path, const char *address, stele_err *err) {
    char line[320];
    (void)snprintf(line, sizeof line, "%s\n", address);
    return stele_save_file(path, stele_view_str(line), err);
}

static stele_status serve(const struct stele_server_config *config, const struct options *options,
                          const sigset_t *signals, stele_err *err) {
    struct stele_not_before given = {.note = NULL};
    struct stele_serve *running = NULL;
    stele_status st = STELE_OK;
    int signal_number = 0;
    remove_ready(options->ready_file);
    STELE_TRY(
        stele_not_before_read(config, options->not_before, options->n_not_before, &given, err));
    struct stele_regions_options regions = {
        .not_before = given.note, .n_not_before = given.n, .report = report};
    STELE_TRY(stele_serve_start(config, &regions, &running, err));
    log_line("info", "serving", "address", stele_serve_address(running), "config", options->config);
    if (options->ready_file != NULL) {
        STELE_TRY(write_ready(options->ready_file, stele_serve_address(running), err));
    }
    (void)sigwait(signals, &signal_number);
    log_line("info", "stopping", "signal", strsignal(signal_number), NULL, NULL);
    remove_ready(options->ready_file);
cleanup:
    stele_serve_stop(running);
    stele_not_before_done(&given);
    return st;
}

static int check(const struct options *options, const struct stele_server_config *config) {
    struct stele_not_before given = {.note = NULL};
    stele_err err;
    stele_status st = stele_serve_check(config, &err);
    if (st == STELE_OK) {
        st =
            stele_not_before_read(config, options->not_before, options->n_not_before, &given, &err);
    }
    stele_not_before_done(&given);
    if (st != STELE_OK) {
        (void)fprintf(stderr, "steled: %s: %s\n", options->config, err.text);
        return STELE_EXIT_USAGE;
    }
    (void)fprintf(stderr, "steled: %s is good: %u regions, %u clients\n", options->config,
                  config->regions_count, config->clients_count);
    return STELE_EXIT_FOUND;
}

static int exit_of(stele_status st) {
    if (st == STELE_CORRUPT || st == STELE_UNVERIFIED) {
        return STELE_EXIT_UNVERIFIED;
    }
    return st == STELE_INVALID ? STELE_EXIT_USAGE : STELE_EXIT_UNREACHABLE;
}

int main(int argc, char **argv) {
    struct options options = {0};
    struct stele_server_config *config = NULL;
    stele_err err;
    sigset_t signals;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    if (stele_server_config_load(options.config, &config, &err) != STELE_OK) {
        (void)fprintf(stderr, "steled: %s\n", err.text);
        return STELE_EXIT_USAGE;
    }
    if (options.check) {
        code = check(&options, config);
        stele_server_config_free(config);
        return code;
    }
    /* Blocked before any thread exists, so that every thread inherits it and sigwait gets the
     * signal. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP); /* the terminal was closed: stop in good order too */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    stele_status st = serve(config, &options, &signals, &err);
    stele_server_config_free(config);
    if (st != STELE_OK) {
        log_line("fatal", err.text, "status", stele_status_name(st), "where", err.where);
        return exit_of(st);
    }
    log_line("info", "stopped", NULL, NULL, NULL, NULL);
    return 0;
}
