/* SPDX-License-Identifier: Apache-2.0 */
/* tools/question.c: from flags to a SearchRequest. */
#include "tools/question.h"

#include <string.h>
#include <time.h>

#include "proto/event.h"

static stele_status take_word(const char *what, const char *flag, const char *value, uint64_t *ret, stele_err *err) {
    uint32_t number = 0;
    if (stele_event_enum_number(what, stele_view_str(value), &number, NULL) != STELE_OK || number == 0) {
        return STELE_FAIL(err, INVALID, "--%s %s: there is no such word; see `stele query --help`", flag, value);
    }
    *ret = number;
    return STELE_OK;
}

stele_status stele_asked_take(struct stele_asked *asked, int flag, const char *value, stele_err *err) {
    struct stele_filter_message *filter = &asked->request.filter;
    stele_view text = stele_view_str(value);
    if (text.size == 0) {
        return STELE_FAIL(err, INVALID, "an empty value is no question; leave the flag out");
    }
    switch (flag) {
    case STELE_ASK_REGION:
        asked->region = value;
        break;
    case STELE_ASK_LOG:
        asked->log = value;
        break;
    case STELE_ASK_TENANT:
        filter->tenant = text;
        break;
    case STELE_ASK_ACTOR:
        filter->actor = text;
        break;
    case STELE_ASK_RESOURCE:
        filter->resource = text;
        break;
    case STELE_ASK_TYPE:
        return take_word("EventType", "type", value, &filter->event_type, err);
    case STELE_ASK_ACTION:
        return take_word("Action", "action", value, &filter->action, err);
    case STELE_ASK_OUTCOME:
        return take_word("Outcome", "outcome", value, &filter->outcome, err);
    case STELE_ASK_MODEL:
        asked->model = value;
        break;
    case STELE_ASK_SESSION:
        filter->session = text;
        break;
    case STELE_ASK_CORRELATION:
        filter->correlation = text;
        break;
    case STELE_ASK_CREDENTIAL:
        filter->credential = text;
        break;
    case STELE_ASK_SOURCE:
        filter->source = text;
        break;
    case STELE_ASK_SINCE:
        asked->since = value;
        break;
    case STELE_ASK_UNTIL:
        asked->until = value;
        break;
    case STELE_ASK_LOGGED_SINCE:
        asked->logged_since = value;
        break;
    case STELE_ASK_LOGGED_UNTIL:
        asked->logged_until = value;
        break;
    default:
        return STELE_FAIL(err, INVALID, "unknown flag");
    }
    return STELE_OK;
}

static stele_status take_time(const char *text, uint64_t now, uint64_t *ret, stele_err *err) {
    return text == NULL ? STELE_OK : stele_cli_time(text, now, ret, err);
}

/* "eu-central-1/3y" names its region; "3y" does not. */
static stele_status take_log(struct stele_asked *asked, char region[64], stele_err *err) {
    const char *slash = asked->log == NULL ? NULL : strchr(asked->log, '/');
    if (slash != NULL) {
        size_t size = (size_t)(slash - asked->log);
        if (size == 0 || size >= 64 || (asked->region != NULL && (strlen(asked->region) != size || memcmp(asked->region, asked->log, size) != 0))) {
            return STELE_FAIL(err, INVALID, "--log %s: is in another region than --region %s", asked->log,
                              asked->region == NULL ? "" : asked->region);
        }
        memcpy(region, asked->log, size);
        region[size] = '\0';
        asked->region = region;
    }
    if (asked->log != NULL) {
        asked->request.log.n = 1;
        asked->request.log.item[0] = stele_view_str(slash == NULL ? asked->log : slash + 1);
    }
    return STELE_OK;
}

stele_status stele_asked_finish(struct stele_asked *asked, const struct stele_cli *cli, stele_err *err) {
    static _Thread_local char region[64];
    struct stele_filter_message *filter = &asked->request.filter;
    struct timespec clock;
    const char *in = NULL;
    stele_status st = STELE_OK;
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    uint64_t now = (uint64_t)clock.tv_sec * 1000000000u + (uint64_t)clock.tv_nsec;
    STELE_TRY(take_log(asked, region, err));
    STELE_TRY(stele_cli_region(cli, asked->region, &in, err));
    asked->request.region = stele_view_str(in);
    STELE_TRY(take_time(asked->since, now, &filter->since_unix_nano, err));
    STELE_TRY(take_time(asked->until, now, &filter->until_unix_nano, err));
    STELE_TRY(take_time(asked->logged_since, now, &filter->logged_since_unix_nano, err));
    STELE_TRY(take_time(asked->logged_until, now, &filter->logged_until_unix_nano, err));
    if (asked->model != NULL) {
        const char *at = strrchr(asked->model, '@');
        filter->model_id = at == NULL ? stele_view_str(asked->model) : stele_view_of(asked->model, (size_t)(at - asked->model));
        filter->model_version = at == NULL ? stele_view_of(NULL, 0) : stele_view_str(at + 1);
    }
cleanup:
    return st;
}
