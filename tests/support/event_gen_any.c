/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/event_gen_any.c: any valid event, made from the schema table: every field may
 * occur, with lengths up to its limit. A byte budget keeps the event under 64 KiB: once it is
 * spent, only what is required is still written.
 */
#include "tests/support/event_gen.h"

#include <string.h>

#include "proto/schema.h"
#include "proto/wire_out.h"

#define BUDGET_BYTES 24000
#define BIT(n) (UINT64_C(1) << (n))

struct any {
    struct rng *rng;
    struct stele_wire_out w;
    stele_buf *payload;
    size_t start;
};

static bool chance(struct any *a, uint64_t one_in) {
    return rng_below(a->rng, one_in) == 0;
}

static bool spent(const struct any *a) {
    return a->payload->size - a->start > BUDGET_BYTES;
}

/* What must be there besides the required fields, so that the rules between fields hold. */
static uint64_t also_required(stele_message_id message, uint32_t event_type) {
    static const uint64_t mask[STELE_MESSAGE_COUNT] = {
        [STELE_MESSAGE_INFERENCE] = BIT(STELE_INFERENCE_INPUT) | BIT(STELE_INFERENCE_OUTPUT),
        [STELE_MESSAGE_DEPLOYMENT] = BIT(STELE_DEPLOYMENT_ARTIFACT),
        [STELE_MESSAGE_POLICY_CHANGE] = BIT(STELE_POLICY_CHANGE_PRINCIPAL_ID),
        [STELE_MESSAGE_LINEAGE] = BIT(STELE_LINEAGE_EDGE),
        [STELE_MESSAGE_LINEAGE_EDGE] = BIT(STELE_EDGE_OUTPUT),
        [STELE_MESSAGE_DATA_SUBJECT_REQUEST] = BIT(STELE_DSR_DUE),
    };
    bool access = message == STELE_MESSAGE_EVENT && event_type == 3;
    return mask[message] | (access ? BIT(STELE_EVENT_RESOURCE) : 0);
}

/* A length from min to max: mostly short, now and then the limit. */
static size_t any_size(struct any *a, size_t min, size_t max) {
    size_t size = spent(a) ? min : (chance(a, 16) ? max : min + (size_t)rng_below(a->rng, 24));
    if (max > 4096 && size == max && !chance(a, 8)) {
        size = 100;
    }
    return size > max ? max : (size == 0 ? 1 : size);
}

static void any_text(struct any *a, uint32_t number, const struct stele_field *field) {
    static const char *const plain[] = {
        "a",           "Z", "0", " ",    "-",        "\"",           "\\",
        "/",           "<", "~", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\xa6\x89",
        "\xef\xbf\xbf"};
    static const char id[] = "abcxyzABCXYZ0189_.:/-";
    static const char name[] = "abcxyz0189._-";
    static const char pseudonym[] = "abcxyzABCXYZ0189_.:/+=-";
    char out[1100];
    size_t size = any_size(a, field->min, field->max);
    size_t used = 0;
    while (used < size) {
        const char *next = "x";
        char one[2] = "";
        switch ((stele_charset)field->sub) {
        case STELE_CHARSET_PLAIN:
        case STELE_CHARSET_LINES:
            next = plain[rng_below(a->rng, sizeof plain / sizeof *plain)];
            if (field->sub == STELE_CHARSET_LINES && chance(a, 8)) {
                next = chance(a, 2) ? "\n" : "\t";
            }
            break;
        case STELE_CHARSET_ID:
            one[0] = id[rng_below(a->rng, sizeof id - 1)];
            next = one;
            break;
        case STELE_CHARSET_NAME:
            one[0] = name[rng_below(a->rng, sizeof name - 1)];
            next = one;
            break;
        case STELE_CHARSET_PSEUDONYM:
            one[0] = pseudonym[rng_below(a->rng, sizeof pseudonym - 1)];
            next = one;
            break;
        }
        if (used + strlen(next) > size) {
            next = "x";
        }
        memcpy(out + used, next, strlen(next));
        used += strlen(next);
    }
    stele_wire_out_element(&a->w, number, stele_view_of(out, used));
}

static void any_bytes(struct any *a, uint32_t number, const struct stele_field *field) {
    static uint8_t out[32768];
    size_t size = field->max;
    if (field->sub == STELE_BYTES_IP) {
        size = chance(a, 2) ? 4 : 16;
    } else if (field->sub == STELE_BYTES_BASE64) {
        size = any_size(a, field->min, field->max);
    }
    rng_bytes(a->rng, out, size);
    if (field->sub == STELE_BYTES_IP && size == 16 && chance(a, 4)) {
        memset(out, 0, 10);
        out[10] = out[11] = 0xff; /* IPv4-mapped */
    }
    stele_wire_out_element(&a->w, number, stele_view_of(out, size));
}

static uint32_t any_enum(struct any *a, const struct stele_field *field) {
    const struct stele_enum *e = &stele_enum_table[field->sub];
    uint64_t n = e->n_word - 1 + (e->other ? 1 : 0);
    uint64_t at = 1 + rng_below(a->rng, n);
    return at < e->n_word ? (uint32_t)at : STELE_ENUM_OTHER;
}

/* A number of any size: first how many bits, then which. */
static uint64_t any_number(struct any *a) {
    return rng_next(a->rng) >> rng_below(a->rng, 64);
}

static uint64_t any_double(struct any *a) {
    uint64_t bits = rng_next(a->rng);
    if (chance(a, 4)) {
        double plain = (double)rng_below(a->rng, 2000) / 1000.0 - 1.0;
        memcpy(&bits, &plain, sizeof bits);
    }
    return (bits >> 52 & 0x7ff) == 0x7ff ? 0 : bits; /* infinities and NaNs are no values */
}

static void any_digest(struct any *a) {
    uint8_t value[64];
    uint64_t alg = 1 + rng_below(a->rng, 8);
    rng_bytes(a->rng, value, sizeof value);
    stele_wire_out_uint(&a->w, STELE_DIGEST_ALG, alg);
    stele_wire_out_element(&a->w, STELE_DIGEST_VALUE,
                           stele_view_of(value, stele_digest_bytes(alg)));
    if (chance(a, 4)) {
        static const char *const forms[] = {"raw", "jcs", "dir"};
        stele_wire_out_uint(&a->w, STELE_DIGEST_CONTENT_BYTES, any_number(a));
        stele_wire_out_element(&a->w, STELE_DIGEST_CANONICAL,
                               stele_view_str(forms[rng_below(a->rng, 3)]));
    }
    if (alg == 6 && chance(a, 2)) {
        stele_wire_out_element(&a->w, STELE_DIGEST_KEY_ID, stele_view_str("key/2026"));
    }
}

/* Zero members of a oneof are written out: which member is set matters. */
static void any_attribute_value(struct any *a) {
    static const struct stele_field s = {"s", NULL, 0, 1024, 1, STELE_KIND_TEXT, 0, 0};
    static const struct stele_field bin = {"bin", NULL, 1, 256, 1, STELE_KIND_BYTES, 0, 0};
    static const uint8_t zero[] = {0x18, 0, 0x28, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0};
    uint64_t bits = any_double(a);
    uint64_t number = any_number(a);
    switch (rng_below(a->rng, 8)) {
    case 0:
        stele_wire_out_uint(&a->w, STELE_ATTRIBUTE_I, number == 0 ? 1 : number); /* zigzag of any */
        return;
    case 1:
        stele_wire_out_fixed64(&a->w, STELE_ATTRIBUTE_D, bits == 0 ? 1 : bits);
        return;
    case 2:
        stele_wire_out_uint(&a->w, STELE_ATTRIBUTE_B, 1);
        return;
    case 3:
        any_bytes(a, STELE_ATTRIBUTE_BIN, &bin);
        return;
    case 4: { /* 0, false or 0.0 */
        size_t which = (size_t)rng_below(a->rng, 3);
        a->w.failed |=
            stele_buf_append(a->payload, stele_view_of(zero + 2 * which, which == 2 ? 9 : 2),
                             NULL) != STELE_OK;
        return;
    }
    case 5:
        stele_wire_out_element(&a->w, STELE_ATTRIBUTE_S, stele_view_of(NULL, 0));
        return;
    default:
        any_text(a, STELE_ATTRIBUTE_S, &s);
        return;
    }
}

/* Ascending keys; 3 KiB at most, well within the list's limit. */
static void any_attributes(struct any *a, uint32_t number, uint64_t n) {
    size_t start = a->payload->size;
    for (uint64_t i = 0; i < n && a->payload->size - start < 2000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%02u.Key/%u", (unsigned)i,
                       (unsigned)rng_below(a->rng, 99));
        size_t mark = stele_wire_out_begin(&a->w, number);
        stele_wire_out_element(&a->w, STELE_ATTRIBUTE_KEY, stele_view_str(key));
        any_attribute_value(a);
        stele_wire_out_end(&a->w, mark);
    }
}

static void any_message(struct any *a, stele_message_id id, uint32_t event_type);

static void any_sub_message(struct any *a, uint32_t number, const struct stele_field *field) {
    size_t mark = stele_wire_out_begin(&a->w, number);
    if (field->sub == STELE_MESSAGE_DIGEST) {
        any_digest(a);
    } else {
        any_message(a, (stele_message_id)field->sub, 0);
    }
    stele_wire_out_end(&a->w, mark);
}

static void any_field(struct any *a, stele_message_id id, uint32_t number,
                      const struct stele_field *field, uint32_t event_type) {
    switch ((stele_kind)field->kind) {
    case STELE_KIND_TEXT:
        if (id == STELE_MESSAGE_EVENT && number == STELE_EVENT_SCHEMA_VERSION) {
            stele_wire_out_element(&a->w, number, stele_view_str("stele.v1"));
        } else {
            any_text(a, number, field);
        }
        break;
    case STELE_KIND_BYTES:
        any_bytes(a, number, field);
        break;
    case STELE_KIND_MESSAGE:
        any_sub_message(a, number, field);
        break;
    case STELE_KIND_ENUM: {
        bool type = id == STELE_MESSAGE_EVENT && number == STELE_EVENT_EVENT_TYPE;
        stele_wire_out_uint(&a->w, number, type ? event_type : any_enum(a, field));
        break;
    }
    case STELE_KIND_BOOL:
        stele_wire_out_uint(&a->w, number, 1);
        break;
    case STELE_KIND_UINT32:
        stele_wire_out_uint(&a->w, number, rng_below(a->rng, (uint64_t)field->max + 1));
        break;
    case STELE_KIND_UINT64: {
        uint64_t value = any_number(a);
        if (id == STELE_MESSAGE_AUDIT_CONTROL && number == STELE_CONTROL_LAST_SEQ) {
            value = UINT64_MAX - rng_below(a->rng, 1000); /* never below first_seq */
        } else if (id == STELE_MESSAGE_AUDIT_CONTROL && number == STELE_CONTROL_FIRST_SEQ) {
            value >>= 1;
        }
        stele_wire_out_uint(&a->w, number, value);
        break;
    }
    case STELE_KIND_TIME:
        stele_wire_out_fixed64(&a->w, number, 1 + any_number(a) / 2);
        break;
    case STELE_KIND_DOUBLE:
        stele_wire_out_fixed64(&a->w, number, any_double(a));
        break;
    case STELE_KIND_SINT64:
    case STELE_KIND_NONE:
        break;
    }
}

static void any_message(struct any *a, stele_message_id id, uint32_t event_type) {
    const struct stele_message *message = &stele_message_table[id];
    uint64_t needed = message->required | also_required(id, event_type);
    for (uint32_t number = 1; number < message->n_field; number++) {
        const struct stele_field *field = &message->field[number];
        bool body = id == STELE_MESSAGE_EVENT && (message->oneof & BIT(number)) != 0;
        bool must =
            (needed & BIT(number)) != 0 || (body && number == STELE_BODY_NUMBER_BASE + event_type);
        if (field->kind == STELE_KIND_NONE || (!must && (body || spent(a) || chance(a, 2)))) {
            continue;
        }
        uint64_t n = 1;
        if ((field->flags & STELE_FIELD_REPEATED) != 0 && !spent(a)) {
            n = chance(a, 16) ? field->count : 1 + rng_below(a->rng, 3);
        }
        if ((field->flags & STELE_FIELD_ATTRIBUTES) != 0) {
            any_attributes(a, number, n);
            continue;
        }
        n = n > field->count ? field->count : n;
        for (uint64_t i = 0; i < n && (i == 0 || !spent(a)); i++) {
            any_field(a, id, number, field, event_type);
        }
    }
}

void stele_gen_any_event(struct rng *rng, uint32_t event_type, stele_buf *payload) {
    struct any a = {rng, stele_wire_out_to(payload), payload, payload->size};
    any_message(&a, STELE_MESSAGE_EVENT, event_type);
    if (a.w.failed) {
        (void)fprintf(stderr, "no memory for a generated event\n");
        abort();
    }
}
