/* SPDX-License-Identifier: Apache-2.0 */
/* tools/stele.c: the command line: finds the subcommand, hands over, and looks whether its output
 * got out. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/init_command.h"
#include "tools/verify_command.h"

#define VERSION "0.1.0"

static const char usage[] =
    "usage: stele [--config client.conf] COMMAND ...   `stele COMMAND --help` shows flags and "
    "examples\n"
    "\n"
    "ship events\n"
    "  append        JSON lines, acknowledged once they are on the server's disk\n"
    "  import        another system's records: CloudTrail\n"
    "ask\n"
    "  query         events by actor, resource, type, time ...; --prove saves the proven answer\n"
    "  get           the event at one place\n"
    "  tail          new events as they come\n"
    "keep and check evidence\n"
    "  receipt       one event with its proof, as a file\n"
    "  verify        a receipt, an answer or a fraud proof, offline, with public keys alone\n"
    "  checkpoint    the newest signed tree head\n"
    "  consistency   that the log still extends a checkpoint you kept\n"
    "  tiles         a log's public face as a static folder\n"
    "operate\n"
    "  status        how far each log, its checkpoint and its index are\n"
    "  seal          commit to the index now\n"
    "  era           end an era, and with it the use of a tag key\n"
    "  init          a new data folder with keys and development certificates\n"
    "  fsck          re-read everything and say the first thing that does not hold\n"
    "  audit         replay a log and rebuild its index; proof of fraud where it lies\n"
    "  bench         measure this machine\n"
    "\n"
    "Exit codes: 0 done or found, 1 none found, 2 usage, 3 unreachable, 4 verification failed,\n"
    "5 incomplete or partly refused.\n";

typedef int (*online_fn)(const char *config, int argc, char **argv);
typedef int (*offline_fn)(int argc, char **argv);

struct command {
    const char *name;
    online_fn online; /* exactly one of the two */
    offline_fn offline;
};

static const struct command commands[] = {{"append", stele_append_command, NULL},
                                          {"import", stele_import_command, NULL},
                                          {"query", stele_query_command, NULL},
                                          {"get", stele_get_command, NULL},
                                          {"tail", stele_tail_command, NULL},
                                          {"receipt", stele_receipt_command, NULL},
                                          {"checkpoint", stele_checkpoint_command, NULL},
                                          {"consistency", stele_consistency_command, NULL},
                                          {"tiles", stele_tiles_command, NULL},
                                          {"status", stele_status_command, NULL},
                                          {"seal", stele_seal_command, NULL},
                                          {"era", stele_era_command, NULL},
                                          {"bench", stele_bench_command, NULL},
                                          {"init", NULL, stele_init_command},
                                          {"fsck", NULL, stele_fsck_command},
                                          {"audit", stele_audit_command, NULL},
                                          {"verify", NULL, stele_verify_command}};

static const struct command *find(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* What a full disk or a closed pipe kept from being printed is not done. Whoever reads only the
 * first lines gets no message, but the end by a signal that every pipeline expects. */
static int finish(const char *name, int code) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return code;
    }
    int os_errno = errno;
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0) { /* a pipe without a reader */
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    if (os_errno != 0) { /* else the command saw it before, and said so */
        (void)fprintf(stderr, "stele %s: the output could not be written: %s\n", name,
                      strerror(os_errno));
    }
    return code == STELE_EXIT_FOUND || code == STELE_EXIT_NONE ? STELE_EXIT_INCOMPLETE : code;
}

static int run(const struct command *command, const char *config, int argc, char **argv) {
    int code = command->online != NULL ? command->online(config, argc, argv)
                                       : command->offline(argc, argv);
    return finish(command->name, code);
}

/* `stele help`, `stele help COMMAND`. */
static int help(int argc, char **argv) {
    static char flag[] = "--help";
    const struct command *command = argc == 0 ? NULL : find(argv[0]);
    if (command == NULL) {
        (void)fputs(usage, argc == 0 ? stdout : stderr);
        return argc == 0 ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
    }
    char *words[] = {argv[0], flag, NULL};
    return run(command, NULL, 2, words);
}

/* --config may also stand behind the command. bench takes it itself. Returns the new argc. */
static int take_config(int argc, char **argv, const char **config) {
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc) {
                argv[kept++] = argv[i++];
            }
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            *config = argv[++i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            *config = argv[i] + 9;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

static int mistake(const char *what, const char *word) {
    (void)fprintf(stderr, "stele: %s '%s'; `stele --help` lists commands and flags\n", what, word);
    return STELE_EXIT_USAGE;
}

int main(int argc, char **argv) {
    const char *config = NULL;
    int at = 1;
    /* A write to a pipe that nobody reads fails then, and what was begun is cleaned up. */
    (void)signal(SIGPIPE, SIG_IGN);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            return finish("help", help(0, NULL));
        }
        if (strcmp(argv[at], "--version") == 0) {
            (void)puts("stele " VERSION);
            return finish("--version", STELE_EXIT_FOUND);
        }
        if (strncmp(argv[at], "--config=", 9) == 0) {
            config = argv[at] + 9;
        } else if (strcmp(argv[at], "--config") != 0) {
            return mistake("there is no flag", argv[at]);
        } else if (++at == argc) {
            return mistake("a file is needed behind", "--config");
        } else {
            config = argv[at];
        }
    }
    if (at == argc) {
        (void)fputs(usage, stderr);
        return STELE_EXIT_USAGE;
    }
    if (strcmp(argv[at], "help") == 0) {
        return help(argc - at - 1, argv + at + 1);
    }
    const struct command *command = find(argv[at]);
    if (command == NULL) {
        return mistake("there is no command", argv[at]);
    }
    argc -= at;
    argv += at;
    if (command->online != NULL && command->online != stele_bench_command) {
        argc = take_config(argc, argv, &config);
    }
    return run(command, config, argc, argv);
}
