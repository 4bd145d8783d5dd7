/* SPDX-License-Identifier: Apache-2.0 */
/* tools/stele.c: the command line: finds the subcommand and hands over. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/init_command.h"
#include "tools/verify_command.h"

static const char usage[] =
    "usage: stele [--config client.conf] COMMAND ...      `stele COMMAND --help` says more and shows examples\n"
    "\n"
    "ship events\n"
    "  append        JSON lines, acknowledged once they are on the server's disk\n"
    "  import        records of other systems: import cloudtrail\n"
    "ask\n"
    "  query         events by actor, resource, type, time ...; --prove saves the answer with its proofs\n"
    "  get           the event at one place\n"
    "  tail          new events as they come\n"
    "keep and check evidence\n"
    "  receipt       one event with its proof, as a file\n"
    "  verify        a receipt or an answer, offline, with public keys alone\n"
    "  checkpoint    the newest signed tree head\n"
    "  consistency   that the log still extends a checkpoint you kept\n"
    "  tiles         a log's public face as a static folder\n"
    "operate\n"
    "  init          a new data folder with keys and development certificates\n"
    "  fsck          re-read everything and say the first thing that does not hold\n"
    "  bench         measure this machine\n"
    "\n"
    "Exit codes: 0 done or found, 1 none found, 2 usage, 3 unreachable, 4 verification failed, 5 incomplete.\n";

typedef int (*online_fn)(const char *config, int argc, char **argv);
typedef int (*offline_fn)(int argc, char **argv);

struct command {
    const char *name;
    online_fn online;   /* exactly one of the two */
    offline_fn offline;
};

static const struct command commands[] = {
    {"append", stele_append_command, NULL},       {"import", stele_import_command, NULL},
    
    {"query", stele_query_command, NULL},         {"get", stele_get_command, NULL},
    {"tail", stele_tail_command, NULL},           {"receipt", stele_receipt_command, NULL},
    {"checkpoint", stele_checkpoint_command, NULL}, {"consistency", stele_consistency_command, NULL},
    {"tiles", stele_tiles_command, NULL},         {"bench", stele_bench_command, NULL},
    {"init", NULL, stele_init_command},           {"fsck", NULL, stele_fsck_command},
    {"verify", NULL, stele_verify_command}};

int main(int argc, char **argv) {
    const char *config = NULL;
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "--config") == 0 && at + 1 < argc) {
            config = argv[at + 1];
            at += 2;
        } else if (strncmp(argv[at], "--config=", 9) == 0) {
            config = argv[at] + 9;
            at++;
        } else {
            bool help = strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0;
            (void)fputs(usage, help ? stdout : stderr);
            return help ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
        }
    }
    for (size_t i = 0; at < argc && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[at], commands[i].name) == 0) {
            return commands[i].online != NULL ? commands[i].online(config, argc - at, argv + at)
                                              : commands[i].offline(argc - at, argv + at);
        }
    }
    if (at < argc) {
        (void)fprintf(stderr, "stele: there is no command '%s'\n\n", argv[at]);
    }
    (void)fputs(usage, stderr);
    return STELE_EXIT_USAGE;
}
