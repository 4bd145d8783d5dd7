/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/schema.h: event.proto as one table in C: every message, field, enum value, limit and
 * charset. Layer: proto. Constant data, no code that could fail.
 *
 * The walker (event.c) and the JSON form (event_json_*.c) both follow this table, so that they
 * cannot disagree; a test compares it with the descriptors protoc-c makes from event.proto. A
 * field's row stands at its number, so that looking one up is one index; numbers stay below 64, so
 * that one word remembers which fields were seen.
 */
#ifndef STELE_PROTO_SCHEMA_H
#define STELE_PROTO_SCHEMA_H

#include "storage/bytes.h"

/* How a value is encoded. NONE is a number the schema does not name: an unknown field. */
typedef enum stele_kind {
    STELE_KIND_NONE = 0,
    STELE_KIND_TEXT,    /* string */
    STELE_KIND_BYTES,   /* bytes */
    STELE_KIND_MESSAGE, /* a message of the table */
    STELE_KIND_ENUM,
    STELE_KIND_BOOL,
    STELE_KIND_UINT32,
    STELE_KIND_UINT64,
    STELE_KIND_SINT64, /* zigzag */
    STELE_KIND_TIME,   /* fixed64, nanoseconds since 1970 UTC; RFC 3339 in JSON */
    STELE_KIND_DOUBLE, /* finite */
} stele_kind;

/* Which bytes a string may hold. All but PLAIN are ASCII. */
typedef enum stele_charset {
    STELE_CHARSET_PLAIN = 0, /* UTF-8 without control characters */
    STELE_CHARSET_LINES,     /* the same with \t \n \r */
    STELE_CHARSET_ID,        /* [A-Za-z0-9_.:/-] */
    STELE_CHARSET_NAME,      /* [a-z0-9._-] */
    STELE_CHARSET_PSEUDONYM, /* [A-Za-z0-9_.:/+=-] */
} stele_charset;

/* Which lengths bytes may have besides 0, and how they stand in JSON. */
typedef enum stele_bytes_form {
    STELE_BYTES_BASE64 = 0, /* min..max */
    STELE_BYTES_HEX,        /* exactly max */
    STELE_BYTES_IP,         /* 4 or 16; text in JSON */
} stele_bytes_form;

enum {
    STELE_FIELD_REQUIRED = 1,
    STELE_FIELD_REPEATED = 2,
    STELE_FIELD_ONEOF = 4, /* of its message's only oneof */
    STELE_FIELD_ATTRIBUTES =
        8, /* repeated Attribute: sorted by key, a total limit, an object in JSON */
};

typedef enum stele_message_id {
    STELE_MESSAGE_EVENT = 0,
    STELE_MESSAGE_ACTOR,
    STELE_MESSAGE_DELEGATION,
    STELE_MESSAGE_RESOURCE,
    STELE_MESSAGE_DIGEST,
    STELE_MESSAGE_SOURCE,
    STELE_MESSAGE_STATUS,
    STELE_MESSAGE_ATTRIBUTE,
    STELE_MESSAGE_ORIGINAL,
    STELE_MESSAGE_INFERENCE,
    STELE_MESSAGE_APPROVAL,
    STELE_MESSAGE_DEPLOYMENT,
    STELE_MESSAGE_ACCESS,
    STELE_MESSAGE_POLICY_CHANGE,
    STELE_MESSAGE_LINEAGE,
    STELE_MESSAGE_LINEAGE_EDGE,
    STELE_MESSAGE_EVALUATION,
    STELE_MESSAGE_SCORE,
    STELE_MESSAGE_INCIDENT,
    STELE_MESSAGE_DETECTION,
    STELE_MESSAGE_DATA_SUBJECT_REQUEST,
    STELE_MESSAGE_AUTHENTICATION,
    STELE_MESSAGE_AUDIT_CONTROL,
    STELE_MESSAGE_GENERIC,
    STELE_MESSAGE_COUNT,
} stele_message_id;

typedef enum stele_enum_id {
    STELE_ENUM_EVENT_TYPE = 0,
    STELE_ENUM_ACTION,
    STELE_ENUM_OUTCOME,
    STELE_ENUM_SEVERITY,
    STELE_ENUM_CLASSIFICATION,
    STELE_ENUM_RETENTION_CLASS,
    STELE_ENUM_ACTOR_TYPE,
    STELE_ENUM_AUTH_METHOD,
    STELE_ENUM_RESOURCE_TYPE,
    STELE_ENUM_RESOURCE_ROLE,
    STELE_ENUM_HASH_ALG,
    STELE_ENUM_DECISION,
    STELE_ENUM_DEPLOYMENT_STAGE,
    STELE_ENUM_POLICY_CHANGE_KIND,
    STELE_ENUM_LINEAGE_KIND,
    STELE_ENUM_RUN_STATE,
    STELE_ENUM_EVALUATION_KIND,
    STELE_ENUM_VERDICT,
    STELE_ENUM_INCIDENT_KIND,
    STELE_ENUM_INCIDENT_PHASE,
    STELE_ENUM_DETECTION_KIND,
    STELE_ENUM_GUARDRAIL_VERDICT,
    STELE_ENUM_SUBJECT_RIGHT,
    STELE_ENUM_REQUEST_PHASE,
    STELE_ENUM_CONTROL_KIND,
    STELE_ENUM_COUNT,
} stele_enum_id;

#define STELE_FIELD_SLOTS 52 /* one more than the greatest number of the table; below 64 */
#define STELE_ENUM_OTHER 99  /* the number of "other" where an enum has it */
#define STELE_ATTRIBUTES_BYTES_MAX                                                                 \
    8192 /* the encoded Attribute messages of one list, without their tags */
#define STELE_BODY_NUMBER_BASE 39 /* a body's field number less its event type */

struct stele_field {
    const char *name; /* as in event.proto */
    const char *why;  /* of a required field: the reason told to whoever left it out */
    uint32_t min;     /* bytes of TEXT and BYTES where set, and of each where repeated */
    uint32_t max;     /* bytes; the greatest value of UINT32 */
    uint16_t count;   /* at most so many, where repeated */
    uint8_t kind;     /* a stele_kind */
    uint8_t flags;
    uint8_t sub; /* stele_message_id, stele_enum_id, stele_charset or stele_bytes_form, by kind */
};

struct stele_message {
    const char *name;                /* as in event.proto */
    const struct stele_field *field; /* by number; [0] is unused */
    uint32_t n_field;                /* one more than the greatest number */
    uint64_t required;               /* bit n: field n is required */
    uint64_t oneof;                  /* bit n: field n is a member of the oneof */
};

struct stele_enum {
    const char *name;        /* as in event.proto: "EventType" */
    const char *prefix;      /* of its values: "EVENT_TYPE" */
    const char *const *word; /* by number: "unspecified", "inference", ... */
    uint32_t n_word;
    bool other; /* 99 is "other" */
};

extern const struct stele_message stele_message_table[STELE_MESSAGE_COUNT];
extern const struct stele_enum stele_enum_table[STELE_ENUM_COUNT];

static inline bool stele_enum_knows(const struct stele_enum *e, uint64_t number) {
    return number < e->n_word || (number == STELE_ENUM_OTHER && e->other);
}

/* Bytes of a digest of algorithm `alg` (HashAlg); 0 for a number the schema does not name. */
uint32_t stele_digest_bytes(uint64_t alg);

/* Field numbers that code outside the table needs by name. */
enum {
    STELE_EVENT_EVENT_ID = 1,
    STELE_EVENT_TIME = 2,
    STELE_EVENT_TENANT = 3,
    STELE_EVENT_REGION = 4,
    STELE_EVENT_EVENT_TYPE = 5,
    STELE_EVENT_ACTION = 7,
    STELE_EVENT_OUTCOME = 8,
    STELE_EVENT_RESOURCE = 9,
    STELE_EVENT_RETENTION_CLASS = 12,
    STELE_EVENT_ACTION_DETAIL = 19,
    STELE_EVENT_SCHEMA_VERSION = 24,
    STELE_ACTOR_ID = 1,
    STELE_RESOURCE_ID = 1,
    STELE_DIGEST_ALG = 1,
    STELE_DIGEST_VALUE = 2,
    STELE_DIGEST_CONTENT_BYTES = 3,
    STELE_DIGEST_CANONICAL = 4,
    STELE_DIGEST_KEY_ID = 5,
    STELE_SOURCE_SERVICE = 1,
    STELE_SOURCE_ADAPTER = 4,
    STELE_ATTRIBUTE_KEY = 1,
    STELE_ATTRIBUTE_S = 2,
    STELE_ATTRIBUTE_I = 3,
    STELE_ATTRIBUTE_D = 4,
    STELE_ATTRIBUTE_B = 5,
    STELE_ATTRIBUTE_BIN = 6,
    STELE_INFERENCE_INPUT = 3,
    STELE_INFERENCE_OUTPUT = 4,
    STELE_DEPLOYMENT_ARTIFACT = 4,
    STELE_POLICY_CHANGE_POLICY_ID = 2,
    STELE_POLICY_CHANGE_PRINCIPAL_ID = 3,
    STELE_LINEAGE_STATE = 3,
    STELE_LINEAGE_EDGE = 4,
    STELE_EDGE_INPUT = 1,
    STELE_EDGE_OUTPUT = 2,
    STELE_DSR_PHASE = 3,
    STELE_DSR_DUE = 6,
    STELE_CONTROL_FIRST_SEQ = 3,
    STELE_CONTROL_LAST_SEQ = 4,
};

#endif
