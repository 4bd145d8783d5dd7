/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_map.c: version 1 of the map from events to index keys, as proto/event_map_v1.md has
 * it.
 *
 * The whole map is in this file, with its own copy of the shape of event.proto: the schema may
 * grow, but what this version does with a payload must be the same for ever, because recovery and
 * verifiers run it again years later. It therefore looks at wire format and repetition only, never
 * at limits.
 */
#include "proto/event_map.h"

#include <string.h>

#include "proto/event_map_spec.h" /* built: the digest of event_map_v1.md */
#include "proto/wire.h"
#include "storage/cursor.h"

/* How a field's value becomes a key's. */
enum { FORM_TEXT = 0, FORM_ENUM, FORM_OUTCOME, FORM_IP };

struct row {
    uint8_t known;    /* 0: a field this version does not list */
    uint8_t wire;     /* a stele_wire_type */
    uint8_t repeated; /* else singular */
    uint8_t shape;    /* of a message: its shape; 0 is Event, which nothing contains */
    uint8_t key;      /* a stele_key_field; 0: no key */
    uint8_t form;
    uint8_t opaque; /* a digest or a random id, which storage is told of */
};

/* What is made of a message's first fields when it ends. */
enum { END_NOTHING = 0, END_PAIR, END_DIGEST };

struct shape {
    const struct row *row; /* by field number */
    uint8_t n_row;
    uint8_t end;
    uint8_t key;     /* of the pair, or of the digest */
    uint8_t pair_id; /* field numbers, below SLOTS */
    uint8_t pair_version;
    uint64_t oneof; /* bit n: field n is a member */
};

/* clang-format off */
enum {
    SHAPE_EVENT = 0, SHAPE_ACTOR, SHAPE_DELEGATION, SHAPE_RESOURCE, SHAPE_EDGE_RESOURCE,
    SHAPE_DIGEST, SHAPE_KEY_DIGEST, SHAPE_SOURCE, SHAPE_STATUS, SHAPE_ATTRIBUTE, SHAPE_ORIGINAL,
    SHAPE_INFERENCE, SHAPE_APPROVAL, SHAPE_DEPLOYMENT, SHAPE_ACCESS, SHAPE_POLICY_CHANGE,
    SHAPE_LINEAGE, SHAPE_LINEAGE_EDGE, SHAPE_EVALUATION, SHAPE_SCORE, SHAPE_INCIDENT,
    SHAPE_DETECTION, SHAPE_DATA_SUBJECT_REQUEST, SHAPE_AUTHENTICATION, SHAPE_AUDIT_CONTROL,
    SHAPE_GENERIC,
};

#define V {1, STELE_WIRE_VARINT, 0, 0, 0, 0, 0}   /* varint */
#define F {1, STELE_WIRE_FIXED64, 0, 0, 0, 0, 0}  /* 64-bit */
#define B {1, STELE_WIRE_BYTES, 0, 0, 0, 0, 0}    /* bytes or string */
#define BB {1, STELE_WIRE_BYTES, 1, 0, 0, 0, 0}   /* repeated */
#define O {1, STELE_WIRE_BYTES, 0, 0, 0, 0, 1} /* opaque bytes */
#define M(name) {1, STELE_WIRE_BYTES, 0, SHAPE_##name, 0, 0, 0}
#define MM(name) {1, STELE_WIRE_BYTES, 1, SHAPE_##name, 0, 0, 0}
/* The same as keys. */
#define KEY(name) {1, STELE_WIRE_BYTES, 0, 0, STELE_KEY_##name, FORM_TEXT, 0}
#define O_KEY(name) {1, STELE_WIRE_BYTES, 0, 0, STELE_KEY_##name, FORM_TEXT, 1}
#define KEYS(name) {1, STELE_WIRE_BYTES, 1, 0, STELE_KEY_##name, FORM_TEXT, 0}
#define KEY_IP {1, STELE_WIRE_BYTES, 0, 0, STELE_KEY_CLIENT_IP, FORM_IP, 0}
#define KEY_ENUM(name) {1, STELE_WIRE_VARINT, 0, 0, STELE_KEY_##name, FORM_ENUM, 0}
#define KEY_OUTCOME {1, STELE_WIRE_VARINT, 0, 0, STELE_KEY_OUTCOME, FORM_OUTCOME, 0}

static const struct row event_rows[] = {
    [1] = B, [2] = F, [3] = B, [4] = B, [5] = KEY_ENUM(EVENT_TYPE), [6] = M(ACTOR),
    [7] = KEY_ENUM(ACTION), [8] = KEY_OUTCOME, [9] = MM(RESOURCE), [10] = M(SOURCE), [11] = V,
    [12] = V, [13] = O_KEY(CORRELATION), [14] = O, [15] = KEY(CORRELATION), [16] = M(STATUS),
    [17] = V, [18] = V, [19] = B, [20] = B, [21] = MM(ATTRIBUTE), [22] = M(ORIGINAL),
    [23] = KEYS(DATA_SUBJECT), [24] = B, [40] = M(INFERENCE), [41] = M(DEPLOYMENT),
    [42] = M(ACCESS), [43] = M(POLICY_CHANGE), [44] = M(LINEAGE), [45] = M(EVALUATION),
    [46] = M(INCIDENT), [47] = M(DETECTION), [48] = M(DATA_SUBJECT_REQUEST),
    [49] = M(AUTHENTICATION), [50] = M(AUDIT_CONTROL), [51] = M(GENERIC),
};
static const struct row actor_rows[] = {
    [1] = KEY(ACTOR), [2] = V, [3] = B, [4] = KEY(SESSION), [5] = KEY_IP, [6] = B,
    [7] = KEY(CREDENTIAL), [8] = MM(DELEGATION), [9] = B, [10] = BB, [11] = V, [12] = V,
};
static const struct row delegation_rows[] = {[1] = KEY(ACTOR), [2] = V, [3] = B, [4] = B};
static const struct row resource_rows[] = {
    [1] = KEY(RESOURCE), [2] = V, [3] = B, [4] = V, [5] = B, [6] = KEY(PARENT), [7] = B,
    [8] = M(DIGEST), [9] = V, [10] = B, [11] = B, [12] = V,
};
static const struct row edge_resource_rows[] = { /* a parent is no key here */
    [1] = KEY(RESOURCE), [2] = V, [3] = B, [4] = V, [5] = B, [6] = B, [7] = B, [8] = M(DIGEST),
    [9] = V, [10] = B, [11] = B, [12] = V,
};
static const struct row digest_rows[] = {[1] = V, [2] = O, [3] = V, [4] = B, [5] = B};
static const struct row source_rows[] = {[1] = KEY(SOURCE), [2] = B, [3] = B, [4] = B, [5] = B};
static const struct row status_rows[] = {[1] = V, [2] = V, [3] = B, [4] = B};
static const struct row attribute_rows[] = {[1] = B, [2] = B, [3] = V, [4] = F, [5] = V, [6] = B};
static const struct row original_rows[] = {[1] = B, [2] = M(DIGEST), [3] = B, [4] = B, [5] = B};
static const struct row inference_rows[] = {
    [1] = KEY(MODEL), [2] = B, [3] = M(KEY_DIGEST), [4] = M(KEY_DIGEST), [5] = B, [6] = B, [7] = B,
    [8] = KEY(CORRELATION), [9] = KEY(SESSION), [10] = V, [11] = V, [12] = V, [13] = V, [14] = BB,
    [15] = B, [16] = B, [17] = M(DIGEST), [18] = BB, [19] = B, [20] = B, [21] = V,
};
static const struct row approval_rows[] = {
    [1] = KEY(ACTOR), [2] = V, [3] = F, [4] = KEY(CORRELATION), [5] = B, [6] = B, [7] = M(DIGEST),
};
static const struct row deployment_rows[] = {
    [1] = KEY(MODEL), [2] = B, [3] = B, [4] = M(DIGEST), [5] = MM(APPROVAL), [6] = B,
    [7] = KEY(CORRELATION), [8] = B, [9] = V, [10] = B, [11] = V, [12] = KEYS(CORRELATION),
    [13] = M(DIGEST), [14] = B,
};
static const struct row access_rows[] = {
    [1] = B, [2] = B, [3] = B, [4] = V, [5] = V, [6] = M(DIGEST), [7] = B, [8] = V,
};
static const struct row policy_change_rows[] = {
    [1] = V, [2] = KEY(POLICY), [3] = KEY(ACTOR), [4] = V, [5] = BB, [6] = BB, [7] = M(DIGEST),
    [8] = M(DIGEST), [9] = B, [10] = F, [11] = MM(APPROVAL), [12] = B, [13] = V,
};
static const struct row lineage_rows[] = {
    [1] = KEY(CORRELATION), [2] = B, [3] = V, [4] = MM(LINEAGE_EDGE), [5] = M(DIGEST),
    [6] = M(DIGEST), [7] = KEY(CORRELATION),
};
static const struct row lineage_edge_rows[] = {
    [1] = M(EDGE_RESOURCE), [2] = M(EDGE_RESOURCE), [3] = V, [4] = V,
};
static const struct row evaluation_rows[] = {
    [1] = KEY(CORRELATION), [2] = KEY(MODEL), [3] = B, [4] = V, [5] = B, [6] = B, [7] = MM(SCORE),
    [8] = V, [9] = M(DIGEST), [10] = V, [11] = V, [12] = B,
};
static const struct row score_rows[] = {[1] = B, [2] = F, [3] = B, [4] = B};
static const struct row incident_rows[] = {
    [1] = KEY(CORRELATION), [2] = V, [3] = V, [4] = BB, [5] = KEYS(CORRELATION), [6] = F, [7] = F,
    [8] = F, [9] = V, [10] = V, [11] = B, [12] = B, [13] = B, [14] = KEY(CORRELATION), [15] = BB,
};
static const struct row detection_rows[] = {
    [1] = V, [2] = B, [3] = B, [4] = KEY(POLICY), [5] = KEY(CORRELATION), [6] = V, [7] = V, [8] = F,
    [9] = M(KEY_DIGEST), [10] = M(KEY_DIGEST), [11] = B, [12] = BB, [13] = B,
};
static const struct row data_subject_request_rows[] = {
    [1] = KEY(CORRELATION), [2] = V, [3] = V, [4] = KEY(DATA_SUBJECT), [5] = F, [6] = F, [7] = BB,
    [8] = V, [9] = V, [10] = B, [11] = KEYS(MODEL), [12] = M(DIGEST),
};
static const struct row authentication_rows[] = {
    [1] = V, [2] = V, [3] = B, [4] = B, [5] = B, [6] = V,
};
static const struct row audit_control_rows[] = {
    [1] = V, [2] = B, [3] = V, [4] = V, [5] = KEY(CORRELATION), [6] = M(DIGEST), [7] = M(DIGEST),
    [8] = V, [9] = MM(APPROVAL),
};
static const struct row generic_rows[] = {[1] = B, [2] = B, [3] = MM(ATTRIBUTE)};

/* clang-format on */

#define BIT(n) (UINT64_C(1) << (n))
#define SHAPE(rows, ...)                                                                           \
    { (rows), sizeof(rows) / sizeof *(rows), __VA_ARGS__ }
#define PLAIN END_NOTHING, 0, 0, 0
#define PAIR(name, id, version) END_PAIR, STELE_KEY_##name, (id), (version)

static const struct shape shapes[] = {
    [SHAPE_EVENT] = SHAPE(event_rows, PLAIN, BIT(52) - BIT(40)),
    [SHAPE_ACTOR] = SHAPE(actor_rows, PLAIN, 0),
    [SHAPE_DELEGATION] = SHAPE(delegation_rows, PLAIN, 0),
    [SHAPE_RESOURCE] = SHAPE(resource_rows, PAIR(RESOURCE_VERSION, 1, 3), 0),
    [SHAPE_EDGE_RESOURCE] = SHAPE(edge_resource_rows, PAIR(RESOURCE_VERSION, 1, 3), 0),
    [SHAPE_DIGEST] = SHAPE(digest_rows, PLAIN, 0),
    [SHAPE_KEY_DIGEST] = SHAPE(digest_rows, END_DIGEST, STELE_KEY_DIGEST, 0, 0, 0),
    [SHAPE_SOURCE] = SHAPE(source_rows, PLAIN, 0),
    [SHAPE_STATUS] = SHAPE(status_rows, PLAIN, 0),
    [SHAPE_ATTRIBUTE] = SHAPE(attribute_rows, PLAIN, BIT(7) - BIT(2)),
    [SHAPE_ORIGINAL] = SHAPE(original_rows, PLAIN, 0),
    [SHAPE_INFERENCE] = SHAPE(inference_rows, PAIR(MODEL_VERSION, 1, 2), 0),
    [SHAPE_APPROVAL] = SHAPE(approval_rows, PLAIN, 0),
    [SHAPE_DEPLOYMENT] = SHAPE(deployment_rows, PAIR(MODEL_VERSION, 1, 2), 0),
    [SHAPE_ACCESS] = SHAPE(access_rows, PLAIN, 0),
    [SHAPE_POLICY_CHANGE] = SHAPE(policy_change_rows, PLAIN, 0),
    [SHAPE_LINEAGE] = SHAPE(lineage_rows, PLAIN, 0),
    [SHAPE_LINEAGE_EDGE] = SHAPE(lineage_edge_rows, PLAIN, 0),
    [SHAPE_EVALUATION] = SHAPE(evaluation_rows, PAIR(MODEL_VERSION, 2, 3), 0),
    [SHAPE_SCORE] = SHAPE(score_rows, PLAIN, 0),
    [SHAPE_INCIDENT] = SHAPE(incident_rows, PLAIN, 0),
    [SHAPE_DETECTION] = SHAPE(detection_rows, PLAIN, 0),
    [SHAPE_DATA_SUBJECT_REQUEST] = SHAPE(data_subject_request_rows, PLAIN, 0),
    [SHAPE_AUTHENTICATION] = SHAPE(authentication_rows, PLAIN, 0),
    [SHAPE_AUDIT_CONTROL] = SHAPE(audit_control_rows, PLAIN, 0),
    [SHAPE_GENERIC] = SHAPE(generic_rows, PLAIN, 0),
};

#define SLOTS 4 /* the values of fields 1 to 3 are kept until their message ends */

struct frame {
    uint64_t seen;
    uint64_t number[SLOTS];
    stele_view text[SLOTS];
};

static stele_status add_key(struct stele_event_facts *facts, uint8_t key, stele_view value,
                            stele_err *err) {
    if (facts->n_keys == STELE_EVENT_KEYS_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "event: over %d index keys; name fewer resources or ids in one event",
                          STELE_EVENT_KEYS_MAX);
    }
    facts->key[facts->n_keys++] = (struct stele_event_key){key, value};
    return STELE_OK;
}

/* Room for a composed value; the payload's own limit keeps all of them within the scratch. */
static uint8_t *scratch_take(struct stele_event_facts *facts, size_t size, stele_err *err) {
    if (size > sizeof facts->scratch - facts->scratch_used) {
        (void)STELE_FAIL(err, LIMIT, "event: its composed index keys are over %zu bytes in all",
                         sizeof facts->scratch);
        return NULL;
    }
    uint8_t *out = facts->scratch + facts->scratch_used;
    facts->scratch_used += size;
    return out;
}

static stele_status add_enum(struct stele_event_facts *facts, const struct row *row,
                             uint64_t number, stele_err *err) {
    if (number > UINT32_MAX) {
        return STELE_FAIL(err, INVALID, "event: the number of its %s is over 32 bits",
                          stele_key_field_name((stele_key_field)row->key));
    }
    if (number == 0 || (row->form == FORM_OUTCOME && number == 1)) {
        return STELE_OK; /* unspecified is no value; success is what nearly all events have */
    }
    uint8_t *value = scratch_take(facts, 4, err);
    if (value == NULL) {
        return STELE_LIMIT;
    }
    stele_put_u32(value, (uint32_t)number);
    return add_key(facts, row->key, stele_view_of(value, 4), err);
}

static stele_status add_bytes(struct stele_event_facts *facts, const struct row *row,
                              stele_view value, stele_err *err) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (value.size == 0) {
        return STELE_OK;
    }
    if (row->form == FORM_IP && value.size == 16 &&
        memcmp(value.data, mapped, sizeof mapped) == 0) {
        value = stele_view_slice(value, 12, 4);
    }
    return add_key(facts, row->key, value, err);
}

/* u16 length || id || version */
static stele_status add_pair(struct stele_event_facts *facts, uint8_t key, stele_view id,
                             stele_view version, stele_err *err) {
    if (id.size == 0 || version.size == 0) {
        return STELE_OK;
    }
    if (id.size > UINT16_MAX) {
        return STELE_FAIL(err, LIMIT, "event: an id of %zu bytes cannot be an index key", id.size);
    }
    size_t size = 2 + id.size + version.size;
    uint8_t *value = scratch_take(facts, size, err);
    if (value == NULL) {
        return STELE_LIMIT;
    }
    stele_put_u16(value, (uint16_t)id.size);
    memcpy(value + 2, id.data, id.size);
    memcpy(value + 2 + id.size, version.data, version.size);
    return add_key(facts, key, stele_view_of(value, size), err);
}

/* u8 alg || value */
static stele_status add_digest(struct stele_event_facts *facts, uint64_t alg, stele_view value,
                               stele_err *err) {
    if (alg > UINT8_MAX) {
        return STELE_FAIL(err, INVALID, "event: a digest's algorithm is over 255");
    }
    if (value.size == 0) {
        return STELE_OK;
    }
    uint8_t *out = scratch_take(facts, 1 + value.size, err);
    if (out == NULL) {
        return STELE_LIMIT;
    }
    out[0] = (uint8_t)alg;
    memcpy(out + 1, value.data, value.size);
    return add_key(facts, STELE_KEY_DIGEST, stele_view_of(out, 1 + value.size), err);
}

static stele_status map_message(struct stele_event_facts *facts, uint8_t shape_number,
                                stele_view bytes, struct frame *f, stele_err *err);

static stele_status map_field(struct stele_event_facts *facts, const struct row *row,
                              const struct stele_wire_record *record, struct frame *f,
                              stele_err *err) {
    if (row->shape != SHAPE_EVENT) {
        struct frame inner;
        return map_message(facts, row->shape, record->bytes, &inner, err);
    }
    if (record->type == STELE_WIRE_BYTES) {
        if (record->number < SLOTS) {
            f->text[record->number] = record->bytes;
        }
        if (row->opaque && facts->n_opaque < STELE_OPAQUE_MAX) {
            facts->opaque[facts->n_opaque++] = record->bytes;
        }
        return row->key == 0 ? STELE_OK : add_bytes(facts, row, record->bytes, err);
    }
    if (record->number < SLOTS) {
        f->number[record->number] = record->value;
    }
    return row->key == 0 ? STELE_OK : add_enum(facts, row, record->value, err);
}

/* Reads one message; recursion follows the shapes, which nest five deep. *f holds its first fields.
 */
static stele_status map_message(struct stele_event_facts *facts, uint8_t shape_number,
                                stele_view bytes, struct frame *f, stele_err *err) {
    const struct shape *shape = &shapes[shape_number];
    f->seen = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        f->number[i] = 0;
        f->text[i] = stele_view_of(NULL, 0);
    }
    struct stele_wire wire = stele_wire_of(bytes);
    struct stele_wire_record record = {0};
    while (!stele_wire_at_end(&wire)) {
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return STELE_FAIL(err, INVALID, "event: %s; this is not a protobuf message",
                              wire.problem);
        }
        if (record.number >= shape->n_row || !shape->row[record.number].known) {
            continue;
        }
        const struct row *row = &shape->row[record.number];
        if (record.type != row->wire) {
            return STELE_FAIL(err, INVALID, "event: field %u of a message has wire type %u, not %u",
                              (unsigned)record.number, (unsigned)record.type, (unsigned)row->wire);
        }
        uint64_t bit = BIT(record.number);
        uint64_t siblings = (shape->oneof & bit) != 0 ? shape->oneof : bit;
        if (!row->repeated && (f->seen & siblings) != 0) {
            return STELE_FAIL(err, INVALID,
                              "event: field %u of a message, or its oneof, occurs twice",
                              (unsigned)record.number);
        }
        f->seen |= bit;
        stele_status st = map_field(facts, row, &record, f, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    if (shape->end == END_PAIR) {
        return add_pair(facts, shape->key, f->text[shape->pair_id], f->text[shape->pair_version],
                        err);
    }
    return shape->end == END_DIGEST ? add_digest(facts, f->number[1], f->text[2], err) : STELE_OK;
}

stele_status stele_event_map_v1(void *ctx, stele_view payload, struct stele_event_facts *ret,
                                stele_err *err) {
    (void)ctx;
    if (payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "event: %zu bytes, at most %d", payload.size,
                          STELE_PAYLOAD_BYTES_MAX);
    }
    struct frame f;
    ret->n_keys = ret->n_opaque = 0;
    ret->scratch_used = 0;
    stele_status st = add_key(ret, STELE_KEY_TENANT, stele_view_of(NULL, 0), err);
    if (st == STELE_OK) {
        st = map_message(ret, SHAPE_EVENT, payload, &f, err);
    }
    if (st == STELE_OK && (f.text[3].size == 0 || f.text[3].size > STELE_TENANT_MAX)) {
        st = STELE_FAIL(err, INVALID, "tenant: %zu bytes, 1..%d", f.text[3].size, STELE_TENANT_MAX);
    }
    if (st != STELE_OK) {
        ret->n_keys = 0;
        return st;
    }
    ret->tenant = f.text[3];
    ret->time_unix_nano = f.number[2];
    ret->event_us = f.number[2] / 1000;
    return STELE_OK;
}

struct stele_event_map stele_event_map_current(void) {
    return (struct stele_event_map){stele_event_map_v1, NULL, STELE_EVENT_MAP_VERSION,
                                    STELE_EVENT_MAP_SPEC_SHA256};
}

const char *stele_key_field_name(stele_key_field field) {
    static const char *const names[] = {
        NULL,        "actor",      "resource",         "event_type",    "action",
        "outcome",   "model",      "session",          "correlation",   "data_subject",
        "digest",    "credential", "source",           "policy",        "parent",
        "client_ip", "tenant",     "resource_version", "model_version",
    };
    return (size_t)field < sizeof names / sizeof *names ? names[field] : NULL;
}
