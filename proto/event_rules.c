/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_rules.c: the rules between the fields of one message, one function per message that
 * has any, and the paths that messages name.
 */
#include "proto/event_rules.h"

#include <stdarg.h>
#include <stdio.h>

#define PATH_BYTES 128

/* The fields being read, from the event down. */
static const char *path_of(const struct stele_event_frame *f,
                           char out[STELE_AT_LEAST(PATH_BYTES)]) {
    const struct stele_event_frame *chain[8]; /* the schema nests five deep */
    size_t n = 0;
    for (; f != NULL && n < sizeof chain / sizeof chain[0]; f = f->up) {
        chain[n++] = f;
    }
    size_t used = 0;
    out[0] = '\0';
    while (n > 0) {
        f = chain[--n];
        if (f->at == 0 || f->at >= f->message->n_field || used >= PATH_BYTES) {
            break;
        }
        const struct stele_field *field = &f->message->field[f->at];
        const char *dot = used == 0 ? "" : ".";
        int more = 0;
        if ((field->flags & STELE_FIELD_REPEATED) != 0 && (f->seen & STELE_BIT(f->at)) != 0) {
            unsigned long long index = (unsigned long long)(f->slot[f->at].number - 1);
            more = snprintf(out + used, PATH_BYTES - used, "%s%s[%llu]", dot, field->name, index);
        } else {
            more = snprintf(out + used, PATH_BYTES - used, "%s%s", dot, field->name);
        }
        used += (size_t)(more < 0 ? 0 : more);
    }
    return used == 0 ? "event" : out;
}

void stele_event__refuse(const struct stele_event_walk *w, const struct stele_event_frame *f,
                         const char *where, const char *format, ...) {
    char path[PATH_BYTES];
    char text[STELE_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    stele_err__fill(w->err, STELE_INVALID, 0, where, "%s: %s", path_of(f, path), text);
}

static stele_status refuse_missing(struct stele_event_walk *w, struct stele_event_frame *f,
                                   uint32_t number, const char *why) {
    f->at = number;
    return STELE_REFUSE(w, f, "missing; %s", why);
}

/* Digest: algorithm and length agree; the rest makes sense beside them. */
static stele_status end_digest(struct stele_event_walk *w, struct stele_event_frame *f) {
    uint64_t alg = f->slot[STELE_DIGEST_ALG].number;
    size_t size = f->slot[STELE_DIGEST_VALUE].view.size;
    if (size != stele_digest_bytes(alg)) {
        f->at = STELE_DIGEST_VALUE;
        return STELE_REFUSE(w, f, "%zu bytes, %u for %s", size, (unsigned)stele_digest_bytes(alg),
                            stele_event_enum_word("HashAlg", (uint32_t)alg));
    }
    if ((f->present & STELE_BIT(STELE_DIGEST_CANONICAL)) != 0) {
        stele_view form = f->slot[STELE_DIGEST_CANONICAL].view;
        if (!stele_view_is(form, "raw") && !stele_view_is(form, "jcs") &&
            !stele_view_is(form, "dir")) {
            f->at = STELE_DIGEST_CANONICAL;
            return STELE_REFUSE(w, f, "neither raw nor jcs nor dir");
        }
    }
    if ((f->present & STELE_BIT(STELE_DIGEST_KEY_ID)) != 0 && alg != 6) {
        f->at = STELE_DIGEST_KEY_ID;
        return STELE_REFUSE(w, f, "set, but only an hmac_sha256 digest has a key");
    }
    return STELE_OK;
}

/* Attribute: a value; in ascending order, and within the list's total. `up` owns the list. */
static stele_status end_attribute(struct stele_event_walk *w, struct stele_event_frame *f) {
    struct stele_event_frame *up = f->up;
    stele_view key = f->slot[STELE_ATTRIBUTE_KEY].view;
    f->at = 0;
    if ((f->seen & f->message->oneof) == 0) {
        return STELE_REFUSE(w, f, "no value; set one of s, i, d, b, bin");
    }
    if (up->attribute_key.size > 0) {
        int order = stele_view_compare(up->attribute_key, key);
        if (order >= 0) {
            return STELE_REFUSE(w, f, "%s",
                                order == 0 ? "its key occurs twice"
                                           : "not in order; attributes ascend by key, bytewise");
        }
    }
    up->attribute_key = key;
    up->attribute_bytes += f->size_bytes;
    if (up->attribute_bytes > STELE_ATTRIBUTES_BYTES_MAX) {
        return STELE_REFUSE(w, f, "%zu bytes with those before, at most %d in all",
                            up->attribute_bytes, STELE_ATTRIBUTES_BYTES_MAX);
    }
    if (up->up == NULL && (f->seen & STELE_BIT(STELE_ATTRIBUTE_S)) != 0 &&
        stele_view_is(key, STELE_ATTRIBUTE_INCOMPLETE)) {
        w->head.incomplete = f->slot[STELE_ATTRIBUTE_S].view;
    }
    return STELE_OK;
}

static stele_status end_policy_change(struct stele_event_walk *w, struct stele_event_frame *f) {
    uint64_t either =
        STELE_BIT(STELE_POLICY_CHANGE_POLICY_ID) | STELE_BIT(STELE_POLICY_CHANGE_PRINCIPAL_ID);
    if ((f->present & either) == 0) {
        return refuse_missing(w, f, STELE_POLICY_CHANGE_POLICY_ID,
                              "set policy_id or principal_id: what was changed, or for whom");
    }
    return STELE_OK;
}

static stele_status end_lineage(struct stele_event_walk *w, struct stele_event_frame *f) {
    if ((f->present & (STELE_BIT(STELE_LINEAGE_EDGE) | STELE_BIT(STELE_LINEAGE_STATE))) == 0) {
        return refuse_missing(
            w, f, STELE_LINEAGE_EDGE,
            "set edge or state: what was made from what, or what became of the run");
    }
    return STELE_OK;
}

static stele_status end_edge(struct stele_event_walk *w, struct stele_event_frame *f) {
    if ((f->present & (STELE_BIT(STELE_EDGE_INPUT) | STELE_BIT(STELE_EDGE_OUTPUT))) == 0) {
        return refuse_missing(w, f, STELE_EDGE_INPUT, "set input or output: an edge has an end");
    }
    return STELE_OK;
}

/* Open requests have a deadline: received, verified, in_progress, extended are phases 1 to 4. */
static stele_status end_data_subject_request(struct stele_event_walk *w,
                                             struct stele_event_frame *f) {
    if (f->slot[STELE_DSR_PHASE].number <= 4 && (f->present & STELE_BIT(STELE_DSR_DUE)) == 0) {
        return refuse_missing(w, f, STELE_DSR_DUE, "an open request says when it is due");
    }
    return STELE_OK;
}

static stele_status end_audit_control(struct stele_event_walk *w, struct stele_event_frame *f) {
    uint64_t both = STELE_BIT(STELE_CONTROL_FIRST_SEQ) | STELE_BIT(STELE_CONTROL_LAST_SEQ);
    uint64_t first = f->slot[STELE_CONTROL_FIRST_SEQ].number;
    uint64_t last = f->slot[STELE_CONTROL_LAST_SEQ].number;
    if ((f->present & both) == both && first > last) {
        f->at = STELE_CONTROL_LAST_SEQ;
        return STELE_REFUSE(w, f, "%llu is below first_seq, %llu", (unsigned long long)last,
                            (unsigned long long)first);
    }
    return STELE_OK;
}

/* True if `name` is one of the comma-separated words of stele.incomplete. */
static bool declared_incomplete(const struct stele_event_walk *w, const char *name) {
    stele_view adapter = w->head.source_adapter;
    if (adapter.size == 0 || stele_view_is(adapter, "native")) {
        return false;
    }
    stele_view list = w->head.incomplete;
    size_t start = 0;
    for (size_t i = 0; i <= list.size; i++) {
        if (i == list.size || list.data[i] == ',') {
            if (stele_view_is(stele_view_slice(list, start, i - start), name)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

static stele_status check_hash(struct stele_event_walk *w, bool present, const char *path,
                               const char *name) {
    if (present || declared_incomplete(w, name)) {
        return STELE_OK;
    }
    return STELE_FAIL(
        w->err, INVALID,
        "%s: missing; send the hash (an adapter that cannot have it sets source.adapter and "
        "names %s in the attribute " STELE_ATTRIBUTE_INCOMPLETE ")",
        path, name);
}

/* What the body still owes, known only when the whole event was read. `present` is of the body's
 * frame. */
static stele_status check_body(struct stele_event_walk *w, uint32_t type, uint64_t present) {
    stele_status st = STELE_OK;
    if (type == 1) {
        st = check_hash(w, (present & STELE_BIT(STELE_INFERENCE_INPUT)) != 0, "inference.input",
                        STELE_INCOMPLETE_INPUT);
        if (st == STELE_OK && w->head.outcome == 1) {
            st = check_hash(w, (present & STELE_BIT(STELE_INFERENCE_OUTPUT)) != 0,
                            "inference.output", STELE_INCOMPLETE_OUTPUT);
        }
    } else if (type == 2 && (w->head.action == 7 || w->head.action == 9)) {
        st = check_hash(w, (present & STELE_BIT(STELE_DEPLOYMENT_ARTIFACT)) != 0,
                        "deployment.artifact", STELE_INCOMPLETE_ARTIFACT);
    } else if (type == 3 && w->head.resource_id.size == 0) {
        st = STELE_FAIL(w->err, INVALID, "%s",
                        "resource[0]: missing; an access event names what was accessed");
    }
    return st;
}

static stele_view text_at(const struct stele_event_frame *f, uint32_t number) {
    return (f->present & STELE_BIT(number)) != 0 ? f->slot[number].view : (stele_view){NULL, 0};
}

static stele_status end_event(struct stele_event_walk *w, struct stele_event_frame *f) {
    uint64_t body = f->seen & f->message->oneof;
    uint32_t type = (uint32_t)f->slot[STELE_EVENT_EVENT_TYPE].number;
    if (body == 0) {
        return refuse_missing(w, f, STELE_BODY_NUMBER_BASE + type,
                              "event_type says this is the body");
    }
    if (body != STELE_BIT(STELE_BODY_NUMBER_BASE + type)) {
        f->at = STELE_EVENT_EVENT_TYPE;
        return STELE_REFUSE(w, f, "%s, but the body is another one; they must agree",
                            stele_event_enum_word("EventType", type));
    }
    if ((f->present & STELE_BIT(STELE_EVENT_SCHEMA_VERSION)) != 0 &&
        !stele_view_is(f->slot[STELE_EVENT_SCHEMA_VERSION].view, "stele.v1")) {
        f->at = STELE_EVENT_SCHEMA_VERSION;
        return STELE_REFUSE(w, f, "not stele.v1, the one version this server knows");
    }
    struct stele_event_head *head = &w->head;
    head->event_id = f->slot[STELE_EVENT_EVENT_ID].view;
    head->time_unix_nano = f->slot[STELE_EVENT_TIME].number;
    head->tenant = f->slot[STELE_EVENT_TENANT].view;
    head->region = f->slot[STELE_EVENT_REGION].view;
    head->event_type = type;
    head->action = (uint32_t)f->slot[STELE_EVENT_ACTION].number;
    head->outcome = (uint32_t)f->slot[STELE_EVENT_OUTCOME].number;
    head->action_detail = text_at(f, STELE_EVENT_ACTION_DETAIL);
    if ((f->present & STELE_BIT(STELE_EVENT_RETENTION_CLASS)) != 0) {
        head->retention_class = (uint32_t)f->slot[STELE_EVENT_RETENTION_CLASS].number;
    }
    return check_body(w, type, f->slot[STELE_BODY_NUMBER_BASE + type].number);
}

static stele_status end_actor(struct stele_event_walk *w, struct stele_event_frame *f) {
    w->head.actor_id = f->slot[STELE_ACTOR_ID].view;
    return STELE_OK;
}

static stele_status end_source(struct stele_event_walk *w, struct stele_event_frame *f) {
    w->head.source_service = f->slot[STELE_SOURCE_SERVICE].view;
    w->head.source_adapter = text_at(f, STELE_SOURCE_ADAPTER);
    return STELE_OK;
}

static stele_status end_resource(struct stele_event_walk *w, struct stele_event_frame *f) {
    if (f->up->up == NULL && f->up->slot[STELE_EVENT_RESOURCE].number == 1) {
        w->head.resource_id = f->slot[STELE_RESOURCE_ID].view;
    }
    return STELE_OK;
}

typedef stele_status (*rule_fn)(struct stele_event_walk *w, struct stele_event_frame *f);

/* Messages without a rule have nothing beyond their required fields. */
static const rule_fn rules[STELE_MESSAGE_COUNT] = {
    [STELE_MESSAGE_EVENT] = end_event,
    [STELE_MESSAGE_ACTOR] = end_actor,
    [STELE_MESSAGE_RESOURCE] = end_resource,
    [STELE_MESSAGE_DIGEST] = end_digest,
    [STELE_MESSAGE_SOURCE] = end_source,
    [STELE_MESSAGE_ATTRIBUTE] = end_attribute,
    [STELE_MESSAGE_POLICY_CHANGE] = end_policy_change,
    [STELE_MESSAGE_LINEAGE] = end_lineage,
    [STELE_MESSAGE_LINEAGE_EDGE] = end_edge,
    [STELE_MESSAGE_DATA_SUBJECT_REQUEST] = end_data_subject_request,
    [STELE_MESSAGE_AUDIT_CONTROL] = end_audit_control,
};

stele_status stele_event__end_message(struct stele_event_walk *w, struct stele_event_frame *f) {
    uint64_t missing = f->message->required & ~f->present;
    if (missing != 0) {
        uint32_t number = (uint32_t)__builtin_ctzll(missing);
        return refuse_missing(w, f, number, f->message->field[number].why);
    }
    rule_fn rule = rules[f->message - stele_message_table];
    return rule == NULL ? STELE_OK : rule(w, f);
}
