/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_asked.h"

#include "storage/complete.h"
#include "tests/support/complete_model.h"

uint64_t asked_least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t asked_greatest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

struct asked asked_of(const struct stele_question *question, uint8_t condition) {
    const struct stele_event_filter *filter = &question->filter;
    struct asked a = {.tenant = stele_view_buf(&filter->tenant), .field = 16};
    if (condition != STELE_COMPLETE_WHOLE_TENANT) {
        a.field = filter->condition[condition].field;
        a.value = stele_view_buf(&filter->condition[condition].value);
    }
    a.by_event_time = filter->since_unix_nano != 0 || filter->until_unix_nano != UINT64_MAX;
    a.t0 = filter->since_unix_nano / 1000;
    a.t1 =
        filter->until_unix_nano == UINT64_MAX ? UINT64_MAX : (filter->until_unix_nano + 999) / 1000;
    a.l0 = filter->logged_since_us;
    a.l1 = filter->logged_until_us;
    for (int late = 0; late < 2; late++) {
        a.from[late] = a.l0;
        a.to[late] = a.l1;
    }
    if (a.by_event_time) {
        a.from[0] = asked_greatest(a.l0, a.t0 < CM_DAY_US ? 0 : a.t0 - CM_DAY_US);
        a.to[0] = asked_least(a.l1, a.t1 > UINT64_MAX - CM_DAY_US ? UINT64_MAX : a.t1 + CM_DAY_US);
        a.from[1] = asked_greatest(a.l0, a.t0 + CM_DAY_US + 1);
    }
    return a;
}

bool asked_meets(const struct asked *a, int late, const struct stele_segment_info *info) {
    bool in_time =
        a->from[late] < a->to[late] && info->t_first < a->to[late] && info->t_last >= a->from[late];
    return in_time &&
           (!late || !a->by_event_time || (info->late_first < a->t1 && info->late_last >= a->t0));
}

bool asked_covers(const struct asked *a, int late, const struct stele_segment_info *info) {
    bool logged = info->t_first >= a->l0 && info->t_last < a->l1;
    if (!a->by_event_time || !logged) {
        return logged;
    }
    if (late == 1) {
        return info->t_first >= a->from[1] && info->late_first >= a->t0 &&
               (info->late_last < a->t1 || a->t1 == UINT64_MAX);
    }
    return info->t_first >= a->t0 + CM_DAY_US &&
           (a->t1 == UINT64_MAX || info->t_last + CM_DAY_US < a->t1);
}
