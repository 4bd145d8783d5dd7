/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/verify_command.c: `stele verify`. Reads keys and one proof, and prints nothing of the proof
 * before all of it holds.
 */
#include "tools/verify_command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "tools/state_file.h"
#include "tools/verify_fraud.h"
#include "tools/verify_report.h"

#define KEYS_MAX 1024 /* a region has at most 64 logs; this is many regions' */
#define BLOCK_BYTES 65536

enum { EXIT_VERIFIED = 0, EXIT_USAGE = 2, EXIT_UNREADABLE = 3, EXIT_REFUSED = 4 };

static const char usage[] =
    "usage: stele verify FILE --key VKEY|FILE [--key VKEY|FILE]... [--witness VKEY|FILE]...\n"
    "                    [--quorum N] [--state FILE] [-o text|json]\n"
    "\n"
    "Checks a receipt, an answer file or a fraud proof, offline, with the public keys of the logs\n"
    "alone. Says what the file proves and what it does not. FILE may be - for standard input.\n"
    "A fraud proof that is verified says that its LOG is dishonest: `stele audit` writes them.\n"
    "\n"
    "  --key VKEY     a verifier key, <origin>+<key id>+<base64>, from a source you trust\n"
    "  --key FILE     a file of verifier keys, one a line; empty lines and lines with # are "
    "skipped\n"
    "  --witness VKEY|FILE  a witness's key, or a file of them: every log of a complete answer\n"
    "                 must bear its cosignature\n"
    "  --quorum N     of the witnesses, so many are enough (the default: all)\n"
    "  --state FILE   what earlier runs saw of the logs; a complete answer must not contradict\n"
    "                 it, and adds to it\n"
    "  -o, --output   text (the default) or json\n"
    "\n"
    "Exit codes: 0 verified, 4 refused (the reason on stderr), 2 usage, 3 a file could not be "
    "read.\n"
    "\n"
    "examples:\n"
    "  stele verify receipt.tlog-proof --key keys.txt\n"
    "  stele verify answer.stele-proof --key 'audit.example.org/eu-1/3y+1320e680+AYE5...' -o "
    "json\n"
    "  curl -s https://audit.example.org/receipt | stele verify - --key keys.txt\n";

struct key_list {
    size_t n;
    struct stele_vkey *key; /* KEYS_MAX */
    size_t n_witnesses;
    struct stele_witness *witness; /* KEYS_MAX */
    size_t quorum;
    const char *state; /* its file; NULL: none */
};

/* ------------------------------------------------------------------ keys */

/* Of logs, or of witnesses. */
static stele_status add_key(struct key_list *keys, bool witness, stele_view text, stele_err *err) {
    size_t *n = witness ? &keys->n_witnesses : &keys->n;
    if (*n == KEYS_MAX) {
        return STELE_FAIL(err, LIMIT, "more than %d keys", KEYS_MAX);
    }
    stele_status st = witness ? stele_witness_parse(text, &keys->witness[*n], err)
                              : stele_vkey_parse(text, &keys->key[*n], err);
    *n += st == STELE_OK;
    return st;
}

static stele_view trimmed(stele_view line) {
    while (line.size > 0 && (line.data[line.size - 1] == '\r' || line.data[line.size - 1] == ' ')) {
        line.size--;
    }
    return line;
}

static stele_status add_lines(struct key_list *keys, bool witness, stele_view text,
                              stele_err *err) {
    stele_status st = STELE_OK;
    size_t before = keys->n + keys->n_witnesses;
    while (text.size > 0 && st == STELE_OK) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        stele_view line = trimmed(stele_view_slice(text, 0, size));
        if (line.size > 0 && line.data[0] != '#') {
            st = add_key(keys, witness, line, err);
        }
        size_t used = end == NULL ? size : size + 1;
        text = stele_view_slice(text, used, text.size - used);
    }
    return st == STELE_OK && keys->n + keys->n_witnesses == before
               ? STELE_FAIL(err, INVALID, "it holds no verifier key")
               : st;
}

static stele_status read_keys(struct key_list *keys, bool witness, const char *path,
                              stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = stele_text_file_read(path, &text, err);
    if (st == STELE_NOT_FOUND) {
        st = STELE_FAIL_ERRNO(err, ENOENT, "neither a verifier key nor a file that opens: %s",
                              strerror(ENOENT));
    }
    if (st == STELE_OK) {
        st = add_lines(keys, witness, stele_view_buf(&text), err);
    }
    stele_buf_done(&text);
    return st;
}

/* A key if it reads as one; its message too, if it looks as if it were meant as one. */
static stele_status add_argument(struct key_list *keys, bool witness, const char *argument,
                                 stele_err *err) {
    stele_err as_key;
    if (add_key(keys, witness, stele_view_str(argument), &as_key) == STELE_OK) {
        return STELE_OK;
    }
    stele_status st = read_keys(keys, witness, argument, err);
    const char *plus = strchr(argument, '+');
    if (st == STELE_IO && plus != NULL && strchr(plus + 1, '+') != NULL) {
        *err = as_key;
        return as_key.status;
    }
    return st;
}

/* ------------------------------------------------------------------ the proof */

static void copy_text(char *out, size_t room, stele_view text) {
    size_t size = text.size < room - 1 ? text.size : room - 1;
    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}

static void copy_word(char *out, size_t room, const char *what, uint32_t number) {
    const char *word = stele_event_enum_word(what, number);
    (void)snprintf(out, room, "%s", word == NULL ? "" : word);
}

/* Keeps what is shown of a receipt's event; ids and tenants have characters that any terminal
 * takes. */
static stele_status keep_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct stele_verify_shown *shown = ctx;
    struct stele_event_head head;
    if (shown->any) {
        return STELE_OK; /* an answer; its events are counted, not shown */
    }
    stele_status st = stele_event_check(event->payload, &head, err);
    if (st != STELE_OK) {
        return st;
    }
    shown->any = true;
    copy_text(shown->event_id, sizeof shown->event_id, head.event_id);
    copy_text(shown->tenant, sizeof shown->tenant, head.tenant);
    copy_word(shown->event_type, sizeof shown->event_type, "EventType", head.event_type);
    copy_word(shown->action, sizeof shown->action, "Action", head.action);
    copy_word(shown->outcome, sizeof shown->outcome, "Outcome", head.outcome);
    return STELE_OK;
}

/* Feeds the file and judges it. Errors: IO and NO_MEMORY say nothing of the proof; all others
 * refuse it. */
static stele_status verify(FILE *file, stele_view head, const struct key_list *keys,
                           struct stele_verify_state *state, struct stele_verify_shown *shown,
                           struct stele_verify_report *ret, stele_err *err) {
    struct stele_verifier *v = NULL;
    uint8_t *block = stele_alloc(BLOCK_BYTES, 1);
    stele_status st = STELE_OK;
    if (block == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for reading the file");
    }
    STELE_TRY(stele_verifier_new(keys->key, keys->n, keep_event, shown, &v, err));
    stele_verifier_require_witnesses(v, keys->witness, keys->n_witnesses, keys->quorum);
    stele_verifier_remember(v, state);
    STELE_TRY(head.size > 0 ? stele_verifier_feed(v, head, err) : STELE_OK);
    for (;;) {
        size_t size = fread(block, 1, BLOCK_BYTES, file);
        if (ferror(file) != 0) {
            st = STELE_FAIL_ERRNO(err, errno, "cannot be read: %s", strerror(errno));
            goto cleanup;
        }
        if (size == 0) {
            break;
        }
        STELE_TRY(stele_verifier_feed(v, stele_view_of(block, size), err));
    }
    STELE_TRY(stele_verifier_end(v, ret, err));
cleanup:
    stele_verifier_free(v);
    stele_free(block);
    return st;
}

static bool says_nothing(stele_status st) {
    return st == STELE_IO || st == STELE_NO_MEMORY || st == STELE_NO_SPACE;
}

static int finish(stele_status st, const char *name, const stele_err *err) {
    (void)fprintf(stderr, "stele verify: %s%s: %s\n", says_nothing(st) ? "" : "REFUSED: ", name,
                  err->text);
    return says_nothing(st) ? EXIT_UNREADABLE : EXIT_REFUSED;
}

static int verify_file(const char *path, const struct key_list *keys,
                       struct stele_verify_state *state, bool json) {
    static struct stele_verify_report report; /* 30 KiB */
    struct stele_verify_shown shown;
    stele_err err = {.status = STELE_OK};
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    memset(&shown, 0, sizeof shown);
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "stele verify: %s: %s\n", path, strerror(errno));
        return EXIT_UNREADABLE;
    }
    uint8_t bytes[STELE_FRAUD_PEEK_BYTES];
    stele_view head = stele_view_of(bytes, fread(bytes, 1, sizeof bytes, file));
    bool is_fraud = stele_fraud_is(head);
    stele_status st = is_fraud
                          ? stele_verify_fraud(file, head, name, keys->key, keys->n, json, &err)
                          : verify(file, head, keys, state, &shown, &report, &err);
    if (!is_stdin) {
        (void)fclose(file);
    }
    if (st == STELE_OK && !is_fraud && keys->state != NULL &&
        stele_state_file_save(keys->state, state, &err) !=
            STELE_OK) { /* nothing is said of the proof */
        stele_verify_report_done(&report);
        (void)fprintf(stderr, "stele verify: %s: %s\n", keys->state, err.text);
        return EXIT_UNREADABLE;
    }
    if (st != STELE_OK) {
        stele_err ignored;
        if (json && !says_nothing(st) &&
            stele_verify_print_refusal(name, &err, &ignored) != STELE_OK) {
            return EXIT_UNREADABLE;
        }
        return finish(st, name, &err);
    }
    if (!is_fraud) {
        st = json ? stele_verify_print_json(name, &report, &shown, &err)
                  : stele_verify_print_text(name, &report, &shown, &err);
        stele_verify_report_done(&report);
    }
    if (st == STELE_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        st = STELE_FAIL_ERRNO(&err, errno, "the report cannot be written: %s", strerror(errno));
    }
    return st == STELE_OK ? EXIT_VERIFIED : finish(st, name, &err);
}

/* ------------------------------------------------------------------ arguments */

struct arguments {
    struct key_list keys;
    bool json;
    bool help;
};

/* 1 to KEYS_MAX, at most four digits. */
static bool parse_quorum(const char *text, size_t *ret) {
    size_t value = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 4) {
            return false;
        }
        value = value * 10 + (size_t)(text[i] - '0');
    }
    *ret = value;
    return value > 0 && value <= KEYS_MAX;
}

static bool parse(int argc, char **argv, struct arguments *ret) {
    static const struct option names[] = {
        {"key", required_argument, NULL, 'k'},
        {"witness", required_argument, NULL, 'w'},
        {"quorum", required_argument, NULL, 'q'},
        {"state", required_argument, NULL, 's'},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "k:o:h", names, NULL)) != -1;) {
        stele_err err;
        if (c == 'k' || c == 'w') {
            if (add_argument(&ret->keys, c == 'w', optarg, &err) != STELE_OK) {
                (void)fprintf(stderr, "stele verify: --%s %s: %s\n", c == 'w' ? "witness" : "key",
                              optarg, err.text);
                return false;
            }
        } else if (c == 'q' && parse_quorum(optarg, &ret->keys.quorum)) {
            continue;
        } else if (c == 's') {
            ret->keys.state = optarg;
        } else if (c == 'o' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)) {
            ret->json = strcmp(optarg, "json") == 0;
        } else {
            ret->help = c == 'h';
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return false;
        }
    }
    if (optind + 1 != argc) {
        (void)fprintf(stderr,
                      "stele verify: one FILE is needed, %d are given; see stele verify --help\n",
                      argc - optind);
        return false;
    }
    if (ret->keys.n == 0) {
        (void)fputs(
            "stele verify: --key is needed: without the log's public key nothing can be proved\n",
            stderr);
        return false;
    }
    if (ret->keys.quorum > ret->keys.n_witnesses) {
        (void)fprintf(stderr,
                      "stele verify: --quorum %zu of %zu witnesses; see stele verify --help\n",
                      ret->keys.quorum, ret->keys.n_witnesses);
        return false;
    }
    if (ret->keys.quorum == 0) {
        ret->keys.quorum = ret->keys.n_witnesses;
    }
    return true;
}

/* The state is loaded before the proof and saved after it. */
static int verify_with_state(const char *path, const struct arguments *arguments) {
    struct stele_verify_state *state = NULL;
    stele_err err;
    int code = EXIT_UNREADABLE;
    const char *name = arguments->keys.state;
    if (name != NULL && stele_state_file_load(name, &state, &err) != STELE_OK) {
        (void)fprintf(stderr, "stele verify: --state %s: %s\n", name, err.text);
    } else {
        code = verify_file(path, &arguments->keys, state, arguments->json);
    }
    stele_verify_state_free(state);
    return code;
}

int stele_verify_command(int argc, char **argv) {
    struct arguments arguments = {.json = false};
    int code = EXIT_USAGE;
    arguments.keys.key = stele_alloc(KEYS_MAX, sizeof *arguments.keys.key);
    arguments.keys.witness = stele_alloc(KEYS_MAX, sizeof *arguments.keys.witness);
    if (arguments.keys.key == NULL || arguments.keys.witness == NULL) {
        stele_free(arguments.keys.key);
        stele_free(arguments.keys.witness);
        (void)fputs("stele verify: no memory\n", stderr);
        return EXIT_UNREADABLE;
    }
    if (parse(argc, argv, &arguments)) {
        code = verify_with_state(argv[optind], &arguments);
    } else if (arguments.help) {
        code = EXIT_VERIFIED;
    }
    stele_free(arguments.keys.key);
    stele_free(arguments.keys.witness);
    return code;
}
