/* SPDX-License-Identifier: Apache-2.0 */
/* tools/log_commands.c: `stele get`, `checkpoint`, `consistency`: one entry or one tree head. */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/log_client.h"
#include "proto/query_client.h"
#include "storage/checkpoint.h"
#include "storage/file.h"
#include "storage/tree.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/print_hits.h"
#include "tools/save.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 30000
#define NOTE_BYTES_MAX (1u << 20)

struct options {
    const char *log, *out, *old;
    uint64_t seq;
    bool has_seq;
    stele_output output;
};

/* What a command of these needs. */
struct needs {
    bool seq, out, old;
};

/* Flags of all three. Returns an exit code, or STELE_GO_ON. */
static int parse(const char *command, const char *usage, struct needs needs, int argc, char **argv,
                 struct options *ret) {
    static const struct option names[] = {{"log", required_argument, NULL, 'l'},
                                          {"seq", required_argument, NULL, 's'},
                                          {"out", required_argument, NULL, 'w'},
                                          {"old", required_argument, NULL, 'p'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    ret->output = STELE_OUTPUT_JSONL;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'l') {
            ret->log = optarg;
        } else if (c == 's' && needs.seq) {
            if (stele_cli_number(optarg, &ret->seq, &err) != STELE_OK) {
                return stele_usage_error(command, "--seq: %s", err.text);
            }
            ret->has_seq = true;
        } else if (c == 'w' && needs.out) {
            ret->out = optarg;
        } else if (c == 'p' && needs.old) {
            ret->old = optarg;
        } else if (c == 'o' && needs.seq && !needs.out) {
            if (stele_output_parse(optarg, &ret->output, &err) != STELE_OK) {
                return stele_usage_error(command, "%s", err.text);
            }
        } else if (c == 'h' || c == '?' || c == ':') {
            return stele_flag_other(command, usage, c, argv);
        } else {
            return stele_usage_error(command, "%s is no flag of this command", argv[optind - 1]);
        }
    }
    if (optind != argc) {
        return stele_usage_error(command, "'%s' belongs to no flag", argv[optind]);
    }
    if (ret->log == NULL || strchr(ret->log, '/') == NULL) {
        return stele_usage_error(command, "name the log with --log REGION/LOG");
    }
    if (needs.seq && !ret->has_seq) {
        return stele_usage_error(command, "name the entry with --seq N");
    }
    if (needs.old && ret->old == NULL) {
        return stele_usage_error(command, "name the checkpoint you kept with --old FILE");
    }
    return STELE_GO_ON;
}

/* ------------------------------------------------------------------ get */

static const char get_usage[] =
    "usage: stele --config client.conf get --log REGION/LOG --seq N [-o jsonl|json|table|csv]\n"
    "\n"
    "Prints the event at one place of a log.\n"
    "\n"
    "Exit codes: 0 found, 1 no such event, 2 usage, 3 unreachable.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf get --log eu-central-1/3y --seq 12\n";

int stele_get_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_got got;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_hit_printer printer = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("get", get_usage, (struct needs){.seq = true}, argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    STELE_TRY(stele_cli_open("get", config, &cli, &err));
    struct stele_get_request request = {.log = stele_view_str(options.log), .seq = options.seq};
    STELE_TRY(stele_client_get(cli.client, &request, TIMEOUT_MS, &reply, &got, &err));
    if (got.hit.event.size == 0) {
        STELE_TRY(STELE_FAIL(&err, NOT_FOUND,
                             "entry %" PRIu64 " of %s is the log's own (a control or index entry), "
                             "no event",
                             options.seq, options.log));
    }
    printer.output = options.output;
    STELE_TRY(stele_hit_print(&printer, &got.hit, &err));
    STELE_TRY(stele_hit_printer_end(&printer, &err));
cleanup:
    stele_hit_printer_done(&printer);
    stele_buf_done(&reply);
    stele_cli_close(&cli);
    return stele_cli_ended("get", st, &err);
}

/* ------------------------------------------------------------------ checkpoint */

static const char checkpoint_usage[] =
    "usage: stele --config client.conf checkpoint --log REGION/LOG [--out FILE]\n"
    "\n"
    "Prints the log's newest signed checkpoint, checked with the vkeys of client.conf. Keep it:\n"
    "`consistency` shows later that nothing it covers was changed.\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 unreachable, 4 the signature does not hold.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf checkpoint --log eu-central-1/3y --out today.checkpoint\n";

/* The log's newest checkpoint, parsed and checked where there are keys to check it with. */
static stele_status newest(struct stele_cli *cli, const char *log, const struct stele_vkey *keys,
                           size_t n_keys, stele_buf *note, struct stele_checkpoint *ret,
                           stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_cli_named(stele_client_checkpoint(cli->client, log, 0, TIMEOUT_MS, note, err)));
    st = stele_checkpoint_open(stele_view_buf(note), keys, n_keys, ret, err);
    STELE_TRY(stele_cli_judged(st));
    if (!stele_cli_is_of_log(ret->origin, log)) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "the server sent a checkpoint of %s for %s",
                             ret->origin, log));
    }
cleanup:
    return st;
}

int stele_checkpoint_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    int code =
        parse("checkpoint", checkpoint_usage, (struct needs){.out = true}, argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    STELE_TRY(stele_cli_open("checkpoint", config, &cli, &err));
    if (cli.config->vkeys != NULL) {
        STELE_TRY(stele_vkeys_read(cli.config->vkeys, &keys, &n_keys, &err));
        STELE_TRY(newest(&cli, options.log, keys, n_keys, &note, &checkpoint, &err));
    } else {
        STELE_TRY(stele_cli_named(
            stele_client_checkpoint(cli.client, options.log, 0, TIMEOUT_MS, &note, &err)));
    }
    STELE_TRY(
        stele_save_file(options.out == NULL ? "-" : options.out, stele_view_buf(&note), &err));
cleanup:
    stele_free(keys);
    stele_buf_done(&note);
    stele_cli_close(&cli);
    return stele_cli_ended("checkpoint", st, &err);
}

/* ------------------------------------------------------------------ consistency */

static const char consistency_usage[] =
    "usage: stele --config client.conf consistency --log REGION/LOG --old FILE [--out FILE]\n"
    "\n"
    "Proves that the log as it is now extends the checkpoint in FILE: nothing it covered was\n"
    "changed or removed. Both signatures are checked with the vkeys of client.conf. --out saves\n"
    "the newest checkpoint, also over FILE.\n"
    "\n"
    "Exit codes: 0 consistent, 2 usage, 3 unreachable, 4 not: keep both checkpoints, they are\n"
    "evidence.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf consistency --log eu-central-1/3y --old today.checkpoint\n";

/* The one that was kept. Whatever is no checkpoint of the log under a known key proves nothing. */
static stele_status read_old(const struct options *options, const struct stele_vkey *keys,
                             size_t n_keys, struct stele_checkpoint *ret, stele_err *err) {
    stele_buf note = STELE_BUF_EMPTY;
    stele_err why;
    stele_status st = STELE_OK;
    assert(options->log != NULL); /* parse() asks for it */
    STELE_TRY(stele_cli_named(stele_file_read(options->old, NOTE_BYTES_MAX, &note, err)));
    st = stele_checkpoint_open(stele_view_buf(&note), keys, n_keys, ret, &why);
    if (st != STELE_OK) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "'%.80s': %.150s", options->old, why.text));
    }
    if (!stele_cli_is_of_log(ret->origin, options->log)) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "'%.80s' is a checkpoint of %.80s, not of %.60s",
                             options->old, ret->origin, options->log));
    }
cleanup:
    stele_buf_done(&note);
    return st;
}

static stele_status check_consistency(struct stele_cli *cli, const struct options *options,
                                      stele_err *err) {
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct stele_checkpoint old;
    struct stele_checkpoint new;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &keys, &n_keys, err));
    STELE_TRY(read_old(options, keys, n_keys, &old, err));
    STELE_TRY(newest(cli, options->log, keys, n_keys, &note, &new, err));
    if (strcmp(old.origin, new.origin) != 0) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "'%.60s' is a checkpoint of %.70s, the server's is "
                             "of %.70s",
                             options->old, old.origin, new.origin));
    }
    if (old.size_leaves > new.size_leaves) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "the checkpoint you kept has %" PRIu64
                             " entries, the server's newest %" PRIu64 ": the log was cut back",
                             old.size_leaves, new.size_leaves));
    }
    stele_buf_clear(&note);
    STELE_TRY(stele_client_consistency(cli->client, options->log, old.size_leaves, TIMEOUT_MS,
                                       &path, &note, err));
    st = stele_checkpoint_open(stele_view_buf(&note), keys, n_keys, &new, err);
    STELE_TRY(stele_cli_judged(st));
    st = strcmp(old.origin, new.origin) != 0
             ? STELE_FAIL(err, UNVERIFIED, "the server proved another log: %s", new.origin)
             : stele_tree_check_consistency(old.size_leaves, new.size_leaves, path.data,
                                            path.size / STELE_HASH_BYTES, old.root, new.root, err);
    STELE_TRY(stele_cli_judged(st));
    if (options->out != NULL) {
        STELE_TRY(stele_save_file(options->out, stele_view_buf(&note), err));
    }
    (void)printf("%s: consistent: %" PRIu64 " entries then, %" PRIu64
                 " now; none of the first %" PRIu64 " was changed\n",
                 new.origin, old.size_leaves, new.size_leaves, old.size_leaves);
cleanup:
    stele_free(keys);
    stele_buf_done(&note);
    stele_buf_done(&path);
    return st;
}

int stele_consistency_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("consistency", consistency_usage, (struct needs){.old = true, .out = true},
                     argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    STELE_TRY(stele_cli_open("consistency", config, &cli, &err));
    STELE_TRY(cli.config->vkeys != NULL
                  ? check_consistency(&cli, &options, &err)
                  : STELE_FAIL(&err, INVALID,
                               "consistency checks signatures: name the logs' public keys in "
                               "client.conf (vkeys: FILE)"));
cleanup:
    stele_cli_close(&cli);
    return stele_cli_ended("consistency", st, &err);
}
