/* SPDX-License-Identifier: Apache-2.0 */
/* tools/question.h: the flags of a question and the SearchRequest they make; for query and tail.
 * Layer: tools. */
#ifndef STELE_TOOLS_QUESTION_H
#define STELE_TOOLS_QUESTION_H

#include <getopt.h>

#include "proto/query_client.h"
#include "tools/cli.h"

struct stele_asked {
    const char *region, *log, *since, *until, *logged_since, *logged_until;
    uint32_t taken; /* a bit a flag */
    char region_of_log[64];
    struct stele_search_request request; /* views borrow argv and region_of_log */
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
#define STELE_ASK_FLAG(name, value)                                                                \
    { name, required_argument, NULL, value }
#define STELE_ASK_OPTIONS                                                                          \
    STELE_ASK_FLAG("region", STELE_ASK_REGION), STELE_ASK_FLAG("log", STELE_ASK_LOG),              \
        STELE_ASK_FLAG("tenant", STELE_ASK_TENANT), STELE_ASK_FLAG("actor", STELE_ASK_ACTOR),      \
        STELE_ASK_FLAG("resource", STELE_ASK_RESOURCE), STELE_ASK_FLAG("type", STELE_ASK_TYPE),    \
        STELE_ASK_FLAG("action", STELE_ASK_ACTION), STELE_ASK_FLAG("outcome", STELE_ASK_OUTCOME),  \
        STELE_ASK_FLAG("model", STELE_ASK_MODEL), STELE_ASK_FLAG("session", STELE_ASK_SESSION),    \
        STELE_ASK_FLAG("correlation", STELE_ASK_CORRELATION),                                      \
        STELE_ASK_FLAG("credential", STELE_ASK_CREDENTIAL),                                        \
        STELE_ASK_FLAG("source", STELE_ASK_SOURCE), STELE_ASK_FLAG("since", STELE_ASK_SINCE),      \
        STELE_ASK_FLAG("until", STELE_ASK_UNTIL),                                                  \
        STELE_ASK_FLAG("logged-since", STELE_ASK_LOGGED_SINCE),                                    \
        STELE_ASK_FLAG("logged-until", STELE_ASK_LOGGED_UNTIL)

#define STELE_ASK_USAGE                                                                            \
    "  --region R    the region asked; the only one of client.conf if none is named\n"             \
    "  --log L       one log of it (3y, or eu-central-1/3y); all but the system log else\n"        \
    "  --tenant T    one tenant's events; every tenant's this certificate may read else\n"         \
    "  --actor A     who acted, approved, delegated or was affected\n"                             \
    "  --resource X  --type T  --action V  --outcome O  --model M[@VERSION]  --session S\n"        \
    "  --correlation C  --credential K  --source SERVICE       all that are given must hold\n"     \
    "  --since T --until T                 the event's own time, until excluded: 2026-05-01,\n"    \
    "                                      2026-05-01T12:00:00Z, 36h, 18mo (that long ago), "      \
    "today\n"                                                                                      \
    "  --logged-since T --logged-until T   the same on the log's clock\n"

/* The words of --type, --action and --outcome, for help. */
void stele_asked_print_words(void);
/* Takes one flag. Errors: INVALID, also for a flag that is given twice: only one of the two could
 * count, and the answer would not say which. */
STELE_MUST_USE stele_status stele_asked_take(struct stele_asked *asked, int flag, const char *value,
                                             stele_err *err);
/* Completes the request: region, log, times against the clock. `asked` does not move afterwards. */
STELE_MUST_USE stele_status stele_asked_finish(struct stele_asked *asked,
                                               const struct stele_cli *cli, stele_err *err);

#endif
