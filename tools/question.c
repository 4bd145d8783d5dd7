/* SPDX-License-Identifier: Apache-2.0 */
/* tools/question.c: from flags to a SearchRequest. */
#include "tools/question.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/event.h"

#define LINE_COLUMNS 80

/* Number 0 is "unspecified" and no answer to anything. */
static const char *word_of(const char *what, uint32_t number) {
    return number == 0 ? NULL : stele_event_enum_word(what, number);
}

static void print_words(const char *title, const char *what) {
    const char *word = NULL;
    int column = printf("%s:", title);
    for (uint32_t number = 1; (word = word_of(what, number)) != NULL; number++) {
        if (column + 1 + (int)strlen(word) > LINE_COLUMNS) {
            column = printf("\n ") - 1;
        }
        column += printf(" %s", word);
    }
    (void)putchar('\n');
}

void stele_asked_print_words(void) {
    print_words("types", "EventType");
    print_words("actions", "Action");
    print_words("outcomes", "Outcome");
}

static stele_status take_word(const char *what, const char *flag, const char *value, uint64_t *ret,
                              stele_err *err) {
    uint32_t number = 0;
    stele_err ignored;
    if (stele_event_enum_number(what, stele_view_str(value), &number, &ignored) != STELE_OK ||
        number == 0) {
        return STELE_FAIL(err, INVALID,
                          "--%s %.60s: there is no such word; `stele query --help` lists them",
                          flag, value);
    }
    *ret = number;
    return STELE_OK;
}

static stele_status take_model(struct stele_asked *asked, const char *value, stele_err *err) {
    struct stele_filter_message *filter = &asked->request.filter;
    const char *at = strrchr(value, '@');
    if (at == value || (at != NULL && at[1] == '\0')) {
        return STELE_FAIL(err, INVALID, "--model %.60s: write MODEL, or MODEL@VERSION", value);
    }
    filter->model_id =
        at == NULL ? stele_view_str(value) : stele_view_of(value, (size_t)(at - value));
    filter->model_version = at == NULL ? stele_view_of(NULL, 0) : stele_view_str(at + 1);
    return STELE_OK;
}

static stele_status once(struct stele_asked *asked, int flag, stele_err *err) {
    static const char *const names[] = {
        "region", "log",     "tenant", "actor",        "resource",    "type",
        "action", "outcome", "model",  "session",      "correlation", "credential",
        "source", "since",   "until",  "logged-since", "logged-until"};
    uint32_t bit = UINT32_C(1) << (flag - STELE_ASK_FIRST);
    if ((asked->taken & bit) != 0) {
        return STELE_FAIL(err, INVALID, "--%s is given twice; a question has one of each",
                          names[flag - STELE_ASK_FIRST]);
    }
    asked->taken |= bit;
    return STELE_OK;
}

static stele_view *text_of(struct stele_filter_message *filter, int flag) {
    switch (flag) {
    case STELE_ASK_TENANT:
        return &filter->tenant;
    case STELE_ASK_ACTOR:
        return &filter->actor;
    case STELE_ASK_RESOURCE:
        return &filter->resource;
    case STELE_ASK_SESSION:
        return &filter->session;
    case STELE_ASK_CORRELATION:
        return &filter->correlation;
    case STELE_ASK_CREDENTIAL:
        return &filter->credential;
    case STELE_ASK_SOURCE:
        return &filter->source;
    default:
        return NULL;
    }
}

static const char **later_of(struct stele_asked *asked, int flag) {
    switch (flag) {
    case STELE_ASK_REGION:
        return &asked->region;
    case STELE_ASK_LOG:
        return &asked->log;
    case STELE_ASK_SINCE:
        return &asked->since;
    case STELE_ASK_UNTIL:
        return &asked->until;
    case STELE_ASK_LOGGED_SINCE:
        return &asked->logged_since;
    case STELE_ASK_LOGGED_UNTIL:
        return &asked->logged_until;
    default:
        return NULL;
    }
}

stele_status stele_asked_take(struct stele_asked *asked, int flag, const char *value,
                              stele_err *err) {
    struct stele_filter_message *filter = &asked->request.filter;
    stele_status st = once(asked, flag, err);
    if (st != STELE_OK) {
        return st;
    }
    if (value[0] == '\0') {
        return STELE_FAIL(err, INVALID, "an empty value is no question; leave the flag out");
    }
    stele_view *text = text_of(filter, flag);
    const char **later = later_of(asked, flag);
    if (text != NULL) {
        *text = stele_view_str(value);
    } else if (later != NULL) {
        *later = value;
    } else if (flag == STELE_ASK_TYPE) {
        st = take_word("EventType", "type", value, &filter->event_type, err);
    } else if (flag == STELE_ASK_ACTION) {
        st = take_word("Action", "action", value, &filter->action, err);
    } else if (flag == STELE_ASK_OUTCOME) {
        st = take_word("Outcome", "outcome", value, &filter->outcome, err);
    } else {
        st = take_model(asked, value, err);
    }
    return st;
}

/* "eu-central-1/3y" names its region; "3y" does not. */
static stele_status take_log(struct stele_asked *asked, stele_err *err) {
    const char *slash = asked->log == NULL ? NULL : strchr(asked->log, '/');
    if (asked->log == NULL) {
        return STELE_OK;
    }
    if (slash != NULL) {
        size_t size = (size_t)(slash - asked->log);
        if (size == 0 || size >= sizeof asked->region_of_log || slash[1] == '\0') {
            return STELE_FAIL(err, INVALID, "--log %.60s: write LOG, or REGION/LOG", asked->log);
        }
        memcpy(asked->region_of_log, asked->log, size);
        asked->region_of_log[size] = '\0';
        if (asked->region != NULL && strcmp(asked->region, asked->region_of_log) != 0) {
            return STELE_FAIL(err, INVALID, "--log %.60s is in another region than --region %.60s",
                              asked->log, asked->region);
        }
        asked->region = asked->region_of_log;
    }
    asked->request.log.n = 1;
    asked->request.log.item[0] = stele_view_str(slash == NULL ? asked->log : slash + 1);
    return STELE_OK;
}

/* One half-open range. 0 is the open end of the request, so 1970 itself is one too. */
static stele_status take_range(const char *flag, const char *since, const char *until, uint64_t now,
                               uint64_t *ret_since, uint64_t *ret_until, stele_err *err) {
    stele_status st = STELE_OK;
    stele_err why;
    if (since != NULL && stele_cli_time(since, now, ret_since, &why) != STELE_OK) {
        STELE_TRY(STELE_FAIL(err, INVALID, "--%ssince: %.200s", flag, why.text));
    }
    if (until != NULL && stele_cli_time(until, now, ret_until, &why) != STELE_OK) {
        STELE_TRY(STELE_FAIL(err, INVALID, "--%suntil: %.200s", flag, why.text));
    }
    if (until != NULL && *ret_until <= *ret_since) {
        STELE_TRY(STELE_FAIL(err, INVALID,
                             "--%ssince %.40s is not before --%suntil %.40s: nothing can be "
                             "between them",
                             flag, since == NULL ? "1970-01-01" : since, flag, until));
    }
cleanup:
    return st;
}

stele_status stele_asked_finish(struct stele_asked *asked, const struct stele_cli *cli,
                                stele_err *err) {
    struct stele_filter_message *filter = &asked->request.filter;
    struct timespec clock;
    const char *in = NULL;
    stele_status st = STELE_OK;
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    uint64_t now = (uint64_t)clock.tv_sec * 1000000000u + (uint64_t)clock.tv_nsec;
    STELE_TRY(take_range("", asked->since, asked->until, now, &filter->since_unix_nano,
                         &filter->until_unix_nano, err));
    STELE_TRY(take_range("logged-", asked->logged_since, asked->logged_until, now,
                         &filter->logged_since_unix_nano, &filter->logged_until_unix_nano, err));
    STELE_TRY(take_log(asked, err));
    STELE_TRY(stele_cli_region(cli, asked->region, &in, err));
    asked->request.region = stele_view_str(in);
cleanup:
    return st;
}
