/* SPDX-License-Identifier: Apache-2.0 */
/* tools/question.h: the flags of a question and the SearchRequest they make; for query, tail and bench.
 * Layer: tools. */
#ifndef STELE_TOOLS_QUESTION_H
#define STELE_TOOLS_QUESTION_H

#include <getopt.h>

#include "proto/query_client.h"
#include "tools/cli.h"

struct stele_asked {
    const char *region, *log, *since, *until, *logged_since, *logged_until, *model;
    struct stele_search_request request; /* views borrow argv */
};

/* getopt_long rows of the question's flags, for the command's own table; values start at
 * STELE_ASK_FIRST, below which the command's own letters are. */
enum {
    STELE_ASK_FIRST = 1000,
    STELE_ASK_REGION = STELE_ASK_FIRST,
    STELE_ASK_LOG,
    STELE_ASK_TENANT,
    STELE_ASK_ACTOR,
    STELE_ASK_RESOURCE,
    STELE_ASK_TYPE,
    STELE_ASK_ACTION,
    STELE_ASK_OUTCOME,
    STELE_ASK_MODEL,
    STELE_ASK_SESSION,
    STELE_ASK_CORRELATION,
    STELE_ASK_CREDENTIAL,
    STELE_ASK_SOURCE,
    STELE_ASK_SINCE,
    STELE_ASK_UNTIL,
    STELE_ASK_LOGGED_SINCE,
    STELE_ASK_LOGGED_UNTIL,
};
#define STELE_ASK_OPTIONS                                                                          \
    {"region", required_argument, NULL, STELE_ASK_REGION}, {"log", required_argument, NULL, STELE_ASK_LOG},                     \
        {"tenant", required_argument, NULL, STELE_ASK_TENANT}, {"actor", required_argument, NULL, STELE_ASK_ACTOR},             \
        {"resource", required_argument, NULL, STELE_ASK_RESOURCE}, {"type", required_argument, NULL, STELE_ASK_TYPE},           \
        {"action", required_argument, NULL, STELE_ASK_ACTION}, {"outcome", required_argument, NULL, STELE_ASK_OUTCOME},         \
        {"model", required_argument, NULL, STELE_ASK_MODEL}, {"session", required_argument, NULL, STELE_ASK_SESSION},           \
        {"correlation", required_argument, NULL, STELE_ASK_CORRELATION},                                                        \
        {"credential", required_argument, NULL, STELE_ASK_CREDENTIAL}, {"source", required_argument, NULL, STELE_ASK_SOURCE},   \
        {"since", required_argument, NULL, STELE_ASK_SINCE}, {"until", required_argument, NULL, STELE_ASK_UNTIL},               \
        {"logged-since", required_argument, NULL, STELE_ASK_LOGGED_SINCE},                                                      \
        {"logged-until", required_argument, NULL, STELE_ASK_LOGGED_UNTIL}

#define STELE_ASK_USAGE                                                                            \
    "  --region R --log L --tenant T       where to look; the only region of client.conf if none is named\n"      \
    "  --actor A --resource X --type T --action V --outcome O --model M[@VERSION] --session S\n"                  \
    "  --correlation C --credential K --source S   all that are given must hold\n"                               \
    "  --since T --until T                 the event's own time: 2026-05-01, 36h, 18mo (that long ago) ...\n"     \
    "  --logged-since T --logged-until T   the log's clock\n"

/* Takes one flag. Errors: INVALID. */
STELE_MUST_USE stele_status stele_asked_take(struct stele_asked *asked, int flag, const char *value, stele_err *err);
/* Completes the request: region, log, times. */
STELE_MUST_USE stele_status stele_asked_finish(struct stele_asked *asked, const struct stele_cli *cli, stele_err *err);

#endif
