/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event.c: the walker. One pass over the payload, driven by the schema table.
 *
 * Each message being read has a frame on the stack: which fields were seen, which have a value, and the
 * singular values themselves. When a message ends, its own rules are checked on the frame, whatever the
 * order its fields came in. Recursion follows the schema, whose messages nest five deep and never
 * contain themselves. Nothing of the payload is copied.
 */
#include "proto/event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "proto/text.h"
#include "proto/wire.h"

#define SLOTS 52 /* one more than the greatest field number of the schema; a test pins it */
#define PATH_BYTES 128
#define BIT(n) (UINT64_C(1) << (n))

union slot {
    stele_view view;
    uint64_t number; /* a number's value, or how many of a repeated field were seen */
};

struct frame {
    const struct frame *up; /* the message this one is a field of */
    const struct stele_message *message;
    uint32_t at;              /* number of the field being read */
    uint64_t seen;            /* bit n: field n is on the wire */
    uint64_t present;         /* bit n: field n has a value other than its default */
    stele_view attribute_key; /* of the attribute before */
    size_t attribute_bytes;
    union slot slot[SLOTS]; /* slot n is defined if bit n is seen */
};

struct walk {
    struct stele_event_head head;
    stele_err *err;
};

/* "resource[2].id": the fields being read, from the event down. */
static const char *path_of(const struct frame *f, char out[STELE_AT_LEAST(PATH_BYTES)]) {
    const struct frame *chain[8]; /* the schema nests five deep */
    size_t n = 0;
    for (; f != NULL && n < sizeof chain / sizeof *chain; f = f->up) {
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
        if ((field->flags & STELE_FIELD_REPEATED) != 0 && (f->seen & BIT(f->at)) != 0) {
            unsigned long long index = (unsigned long long)(f->slot[f->at].number - 1);
            more = snprintf(out + used, PATH_BYTES - used, "%s%s[%llu]", dot, field->name, index);
        } else {
            more = snprintf(out + used, PATH_BYTES - used, "%s%s", dot, field->name);
        }
        used += (size_t)(more < 0 ? 0 : more);
    }
    return used == 0 ? "event" : out;
}

/* return REFUSE(w, f, "%zu bytes, at most %u", ...): INVALID, with the path of what is being read. */
#define REFUSE(w, f, format, ...)                                                                  \
    STELE_FAIL((w)->err, INVALID, "%s: " format, path_of((f), (char[PATH_BYTES]){0}), __VA_ARGS__)

static stele_status refuse_missing(struct walk *w, struct frame *f, uint32_t number, const char *why) {
    f->at = number;
    return REFUSE(w, f, "missing; %s", why);
}

static stele_status check_text(struct walk *w, const struct frame *f, const struct stele_field *field,
                               stele_view text) {
    if (text.size > field->max) {
        return REFUSE(w, f, "%zu bytes, at most %u", text.size, (unsigned)field->max);
    }
    const char *problem = stele_text_problem(text, (stele_charset)field->sub);
    if (problem != NULL) {
        return REFUSE(w, f, "%s", problem);
    }
    if (text.size == 0 && (field->flags & STELE_FIELD_REPEATED) != 0) {
        return REFUSE(w, f, "empty; leave it out or give it 1..%u bytes", (unsigned)field->max);
    }
    return STELE_OK;
}

static stele_status check_bytes(struct walk *w, const struct frame *f, const struct stele_field *field,
                                size_t size) {
    if (size == 0) {
        return STELE_OK;
    }
    if (field->sub == STELE_BYTES_HEX && size != field->max) {
        return REFUSE(w, f, "%zu bytes, %u if set", size, (unsigned)field->max);
    }
    if (field->sub == STELE_BYTES_IP && size != 4 && size != 16) {
        return REFUSE(w, f, "%zu bytes, 4 (IPv4) or 16 (IPv6) if set", size);
    }
    if (size > field->max || size < field->min) {
        return REFUSE(w, f, "%zu bytes, %u to %u", size, (unsigned)field->min, (unsigned)field->max);
    }
    return STELE_OK;
}

static stele_status check_number(struct walk *w, const struct frame *f,
                                 const struct stele_field *field, uint64_t value) {
    unsigned long long shown = (unsigned long long)value;
    switch ((stele_kind)field->kind) {
    case STELE_KIND_ENUM:
        if (!stele_enum_knows(&stele_enum_table[field->sub], value)) {
            return REFUSE(w, f, "%llu is no value of %s", shown, stele_enum_table[field->sub].name);
        }
        return STELE_OK;
    case STELE_KIND_BOOL:
        if (value > 1) {
            return REFUSE(w, f, "%llu, 0 or 1", shown);
        }
        return STELE_OK;
    case STELE_KIND_UINT32:
        if (value > field->max) {
            return REFUSE(w, f, "%llu, at most %u", shown, (unsigned)field->max);
        }
        return STELE_OK;
    case STELE_KIND_DOUBLE:
        if (!isfinite(stele_wire_double(value))) {
            return REFUSE(w, f, "%s", "not a finite number");
        }
        return STELE_OK;
    case STELE_KIND_UINT64:
    case STELE_KIND_SINT64:
    case STELE_KIND_TIME:
        return STELE_OK;
    case STELE_KIND_NONE:
    case STELE_KIND_TEXT:
    case STELE_KIND_BYTES:
    case STELE_KIND_MESSAGE:
        break;
    }
    return STELE_FAIL(w->err, BUG, "the schema table gives %s a kind that is no number", field->name);
}

/* Digest: algorithm and length agree; the rest makes sense beside them. */
static stele_status end_digest(struct walk *w, struct frame *f) {
    uint64_t alg = f->slot[STELE_DIGEST_ALG].number;
    size_t size = f->slot[STELE_DIGEST_VALUE].view.size;
    if (size != stele_digest_bytes(alg)) {
        f->at = STELE_DIGEST_VALUE;
        return REFUSE(w, f, "%zu bytes, %u for %s", size, (unsigned)stele_digest_bytes(alg),
                      stele_event_enum_word("HashAlg", (uint32_t)alg));
    }
    if ((f->present & BIT(STELE_DIGEST_CANONICAL)) != 0) {
        stele_view form = f->slot[STELE_DIGEST_CANONICAL].view;
        if (!stele_view_is(form, "raw") && !stele_view_is(form, "jcs") && !stele_view_is(form, "dir")) {
            f->at = STELE_DIGEST_CANONICAL;
            return REFUSE(w, f, "%s", "neither raw nor jcs nor dir");
        }
    }
    if ((f->present & BIT(STELE_DIGEST_KEY_ID)) != 0 && alg != 6) {
        f->at = STELE_DIGEST_KEY_ID;
        return REFUSE(w, f, "%s", "set, but only an hmac_sha256 digest has a key");
    }
    return STELE_OK;
}

/* Attribute: a value; in ascending order, and within the list's total. `up` is the list's owner. */
static stele_status end_attribute(struct walk *w, struct frame *f, struct frame *up, size_t size) {
    stele_view key = f->slot[STELE_ATTRIBUTE_KEY].view;
    f->at = 0;
    if ((f->seen & f->message->oneof) == 0) {
        return REFUSE(w, f, "%s", "no value; set one of s, i, d, b, bin");
    }
    if (up->attribute_key.size > 0) {
        int order = stele_view_compare(up->attribute_key, key);
        if (order >= 0) {
            return REFUSE(w, f, "%s", order == 0 ? "its key occurs twice"
                                                 : "not in order; attributes ascend by key, bytewise");
        }
    }
    up->attribute_key = key;
    up->attribute_bytes += size;
    if (up->attribute_bytes > STELE_ATTRIBUTES_BYTES_MAX) {
        return REFUSE(w, f, "%zu bytes with those before, at most %d in all", up->attribute_bytes,
                      STELE_ATTRIBUTES_BYTES_MAX);
    }
    if (up->up == NULL && (f->seen & BIT(STELE_ATTRIBUTE_S)) != 0 &&
        stele_view_is(key, STELE_ATTRIBUTE_INCOMPLETE)) {
        w->head.incomplete = f->slot[STELE_ATTRIBUTE_S].view;
    }
    return STELE_OK;
}

static stele_status end_policy_change(struct walk *w, struct frame *f) {
    uint64_t either = BIT(STELE_POLICY_CHANGE_POLICY_ID) | BIT(STELE_POLICY_CHANGE_PRINCIPAL_ID);
    if ((f->present & either) == 0) {
        return refuse_missing(w, f, STELE_POLICY_CHANGE_POLICY_ID,
                              "set policy_id or principal_id: what was changed, or for whom");
    }
    return STELE_OK;
}

static stele_status end_lineage(struct walk *w, struct frame *f) {
    if ((f->present & (BIT(STELE_LINEAGE_EDGE) | BIT(STELE_LINEAGE_STATE))) == 0) {
        return refuse_missing(w, f, STELE_LINEAGE_EDGE,
                              "set edge or state: what was made from what, or what became of the run");
    }
    return STELE_OK;
}

static stele_status end_edge(struct walk *w, struct frame *f) {
    if ((f->present & (BIT(STELE_EDGE_INPUT) | BIT(STELE_EDGE_OUTPUT))) == 0) {
        return refuse_missing(w, f, STELE_EDGE_INPUT, "set input or output: an edge has an end");
    }
    return STELE_OK;
}

/* Open requests have a deadline: received, verified, in_progress, extended are phases 1 to 4. */
static stele_status end_data_subject_request(struct walk *w, struct frame *f) {
    if (f->slot[STELE_DSR_PHASE].number <= 4 && (f->present & BIT(STELE_DSR_DUE)) == 0) {
        return refuse_missing(w, f, STELE_DSR_DUE, "an open request says when it is due");
    }
    return STELE_OK;
}

static stele_status end_audit_control(struct walk *w, struct frame *f) {
    uint64_t both = BIT(STELE_CONTROL_FIRST_SEQ) | BIT(STELE_CONTROL_LAST_SEQ);
    uint64_t first = f->slot[STELE_CONTROL_FIRST_SEQ].number;
    uint64_t last = f->slot[STELE_CONTROL_LAST_SEQ].number;
    if ((f->present & both) == both && first > last) {
        f->at = STELE_CONTROL_LAST_SEQ;
        return REFUSE(w, f, "%llu is below first_seq, %llu", (unsigned long long)last,
                      (unsigned long long)first);
    }
    return STELE_OK;
}

/* True if `name` is one of the comma-separated words of stele.incomplete. */
static bool declared_incomplete(const struct walk *w, const char *name) {
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

static stele_status check_hash(struct walk *w, bool present, const char *path, const char *name) {
    if (present || declared_incomplete(w, name)) {
        return STELE_OK;
    }
    return STELE_FAIL(w->err, INVALID,
                      "%s: missing; send the hash (an adapter that cannot have it sets source.adapter and "
                      "names %s in the attribute " STELE_ATTRIBUTE_INCOMPLETE ")",
                      path, name);
}

/* What the body still owes, known only when the whole event was read. `present` is of the body's frame. */
static stele_status check_body(struct walk *w, uint32_t type, uint64_t present) {
    stele_status st = STELE_OK;
    if (type == 1) {
        st = check_hash(w, (present & BIT(STELE_INFERENCE_INPUT)) != 0, "inference.input",
                        STELE_INCOMPLETE_INPUT);
        if (st == STELE_OK && w->head.outcome == 1) {
            st = check_hash(w, (present & BIT(STELE_INFERENCE_OUTPUT)) != 0, "inference.output",
                            STELE_INCOMPLETE_OUTPUT);
        }
    } else if (type == 2 && (w->head.action == 7 || w->head.action == 9)) {
        st = check_hash(w, (present & BIT(STELE_DEPLOYMENT_ARTIFACT)) != 0, "deployment.artifact",
                        STELE_INCOMPLETE_ARTIFACT);
    } else if (type == 3 && w->head.resource_id.size == 0) {
        st = STELE_FAIL(w->err, INVALID, "%s",
                        "resource[0]: missing; an access event names what was accessed");
    }
    return st;
}

static stele_view text_at(const struct frame *f, uint32_t number) {
    return (f->present & BIT(number)) != 0 ? f->slot[number].view : (stele_view){NULL, 0};
}

static stele_status end_event(struct walk *w, struct frame *f) {
    uint64_t body = f->seen & f->message->oneof;
    uint32_t type = (uint32_t)f->slot[STELE_EVENT_EVENT_TYPE].number;
    if (body == 0) {
        return refuse_missing(w, f, STELE_BODY_NUMBER_BASE + type, "event_type says this is the body");
    }
    if (body != BIT(STELE_BODY_NUMBER_BASE + type)) {
        f->at = STELE_EVENT_EVENT_TYPE;
        return REFUSE(w, f, "%s, but the body is another one; they must agree",
                      stele_event_enum_word("EventType", type));
    }
    if ((f->present & BIT(STELE_EVENT_SCHEMA_VERSION)) != 0 &&
        !stele_view_is(f->slot[STELE_EVENT_SCHEMA_VERSION].view, "stele.v1")) {
        f->at = STELE_EVENT_SCHEMA_VERSION;
        return REFUSE(w, f, "%s", "not stele.v1, the one version this server knows");
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
    if ((f->present & BIT(STELE_EVENT_RETENTION_CLASS)) != 0) {
        head->retention_class = (uint32_t)f->slot[STELE_EVENT_RETENTION_CLASS].number;
    }
    return check_body(w, type, f->slot[STELE_BODY_NUMBER_BASE + type].number);
}

static stele_status end_message(struct walk *w, struct frame *f, struct frame *up, size_t size) {
    uint64_t missing = f->message->required & ~f->present;
    if (missing != 0) {
        uint32_t number = (uint32_t)__builtin_ctzll(missing);
        return refuse_missing(w, f, number, f->message->field[number].why);
    }
    switch ((stele_message_id)(f->message - stele_message_table)) {
    case STELE_MESSAGE_EVENT:
        return end_event(w, f);
    case STELE_MESSAGE_ACTOR:
        w->head.actor_id = f->slot[STELE_ACTOR_ID].view;
        return STELE_OK;
    case STELE_MESSAGE_SOURCE:
        w->head.source_service = f->slot[STELE_SOURCE_SERVICE].view;
        w->head.source_adapter = text_at(f, STELE_SOURCE_ADAPTER);
        return STELE_OK;
    case STELE_MESSAGE_RESOURCE:
        if (up->up == NULL && up->slot[STELE_EVENT_RESOURCE].number == 1) {
            w->head.resource_id = f->slot[STELE_RESOURCE_ID].view;
        }
        return STELE_OK;
    case STELE_MESSAGE_DIGEST:
        return end_digest(w, f);
    case STELE_MESSAGE_ATTRIBUTE:
        return end_attribute(w, f, up, size);
    case STELE_MESSAGE_POLICY_CHANGE:
        return end_policy_change(w, f);
    case STELE_MESSAGE_LINEAGE:
        return end_lineage(w, f);
    case STELE_MESSAGE_LINEAGE_EDGE:
        return end_edge(w, f);
    case STELE_MESSAGE_DATA_SUBJECT_REQUEST:
        return end_data_subject_request(w, f);
    case STELE_MESSAGE_AUDIT_CONTROL:
        return end_audit_control(w, f);
    case STELE_MESSAGE_DELEGATION:
    case STELE_MESSAGE_STATUS:
    case STELE_MESSAGE_ORIGINAL:
    case STELE_MESSAGE_INFERENCE:
    case STELE_MESSAGE_APPROVAL:
    case STELE_MESSAGE_DEPLOYMENT:
    case STELE_MESSAGE_ACCESS:
    case STELE_MESSAGE_EVALUATION:
    case STELE_MESSAGE_SCORE:
    case STELE_MESSAGE_INCIDENT:
    case STELE_MESSAGE_DETECTION:
    case STELE_MESSAGE_AUTHENTICATION:
    case STELE_MESSAGE_GENERIC:
    case STELE_MESSAGE_COUNT:
        break;
    }
    return STELE_OK;
}

/* The wire type of each kind. */
static const uint8_t kind_wire[] = {
    [STELE_KIND_TEXT] = STELE_WIRE_BYTES,     [STELE_KIND_BYTES] = STELE_WIRE_BYTES,
    [STELE_KIND_MESSAGE] = STELE_WIRE_BYTES,  [STELE_KIND_ENUM] = STELE_WIRE_VARINT,
    [STELE_KIND_BOOL] = STELE_WIRE_VARINT,    [STELE_KIND_UINT32] = STELE_WIRE_VARINT,
    [STELE_KIND_UINT64] = STELE_WIRE_VARINT,  [STELE_KIND_SINT64] = STELE_WIRE_VARINT,
    [STELE_KIND_TIME] = STELE_WIRE_FIXED64,   [STELE_KIND_DOUBLE] = STELE_WIRE_FIXED64,
};

/* Once where singular, once for the whole oneof, not too often where repeated. */
static stele_status check_count(struct walk *w, struct frame *f, const struct stele_field *field) {
    uint64_t bit = BIT(f->at);
    if ((field->flags & STELE_FIELD_REPEATED) != 0) {
        f->slot[f->at].number = (f->seen & bit) != 0 ? f->slot[f->at].number + 1 : 1;
        f->seen |= bit;
        if (f->slot[f->at].number > field->count) {
            return REFUSE(w, f, "one more than the %u allowed", (unsigned)field->count);
        }
        return STELE_OK;
    }
    if ((f->seen & bit) != 0) {
        return REFUSE(w, f, "%s", "occurs twice");
    }
    if ((f->message->oneof & bit) != 0 && (f->seen & f->message->oneof) != 0) {
        return REFUSE(w, f, "%s", "a second member of a oneof; set exactly one");
    }
    f->seen |= bit;
    return STELE_OK;
}

static stele_status walk_message(struct walk *w, struct frame *up, const struct stele_message *message,
                                 stele_view bytes, uint64_t *ret_present);

/* One field of the schema: its value is checked and, where singular, kept in the frame. */
static stele_status walk_field(struct walk *w, struct frame *f, const struct stele_field *field,
                               const struct stele_wire_record *record) {
    if (record->type != kind_wire[field->kind]) {
        return REFUSE(w, f, "wire type %u, %u by the schema", (unsigned)record->type,
                      (unsigned)kind_wire[field->kind]);
    }
    stele_status st = check_count(w, f, field);
    if (st != STELE_OK) {
        return st;
    }
    bool repeated = (field->flags & STELE_FIELD_REPEATED) != 0;
    if (field->kind == STELE_KIND_MESSAGE) {
        uint64_t present = 0;
        f->present |= BIT(f->at);
        st = walk_message(w, f, &stele_message_table[field->sub], record->bytes, &present);
        if (!repeated) {
            f->slot[f->at].number = present; /* a body's rules are completed when the event ends */
        }
        return st;
    }
    if (kind_wire[field->kind] == STELE_WIRE_BYTES) {
        if (!repeated) {
            f->slot[f->at].view = record->bytes;
        }
        f->present |= record->bytes.size > 0 ? BIT(f->at) : 0;
        return field->kind == STELE_KIND_TEXT ? check_text(w, f, field, record->bytes)
                                              : check_bytes(w, f, field, record->bytes.size);
    }
    f->slot[f->at].number = record->value; /* the schema has no repeated numbers */
    f->present |= record->value != 0 ? BIT(f->at) : 0;
    return check_number(w, f, field, record->value);
}

static stele_status walk_message(struct walk *w, struct frame *up, const struct stele_message *message,
                                 stele_view bytes, uint64_t *ret_present) {
    struct frame f;
    f.up = up;
    f.message = message;
    f.at = 0;
    f.seen = 0;
    f.present = 0;
    f.attribute_key = (stele_view){NULL, 0};
    f.attribute_bytes = 0;
    struct stele_wire wire = stele_wire_of(bytes);
    struct stele_wire_record record;
    while (!stele_wire_at_end(&wire)) {
        size_t offset = (size_t)(wire.at - bytes.data);
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            f.at = 0;
            return REFUSE(w, &f, "at byte %zu of %zu: %s; this is not a protobuf message", offset,
                          bytes.size, wire.problem);
        }
        if (record.number >= message->n_field ||
            message->field[record.number].kind == STELE_KIND_NONE) {
            continue; /* a field of a later schema: committed to, not understood */
        }
        f.at = record.number;
        stele_status st = walk_field(w, &f, &message->field[record.number], &record);
        if (st != STELE_OK) {
            return st;
        }
    }
    *ret_present = f.present;
    return end_message(w, &f, up, bytes.size);
}

stele_status stele_event_check(stele_view payload, struct stele_event_head *ret_head, stele_err *err) {
    if (payload.size > STELE_EVENT_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "event: %zu bytes, at most %d; send large content as its digest",
                          payload.size, STELE_EVENT_BYTES_MAX);
    }
    struct walk w;
    memset(&w.head, 0, sizeof w.head);
    w.err = err;
    uint64_t present = 0;
    stele_status st =
        walk_message(&w, NULL, &stele_message_table[STELE_MESSAGE_EVENT], payload, &present);
    if (st == STELE_OK) {
        *ret_head = w.head;
    }
    return st;
}
