/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema table says what event.proto says: compared with the descriptors protoc-c makes of it,
 * field by field and value by value, and with the limits in event.proto's own comments.
 */
#include "tests/support/cmocka.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_map.h"
#include "proto/event_rules.h"
#include "proto/schema.h"
#include "stele/v1/event.pb-c.h"
#include "tests/support/event_focus.h"

static const ProtobufCMessageDescriptor *descriptor_of(stele_message_id id) {
    static const ProtobufCMessageDescriptor *const all[STELE_MESSAGE_COUNT] = {
        [STELE_MESSAGE_EVENT] = &stele__v1__event__descriptor,
        [STELE_MESSAGE_ACTOR] = &stele__v1__actor__descriptor,
        [STELE_MESSAGE_DELEGATION] = &stele__v1__delegation__descriptor,
        [STELE_MESSAGE_RESOURCE] = &stele__v1__resource__descriptor,
        [STELE_MESSAGE_DIGEST] = &stele__v1__digest__descriptor,
        [STELE_MESSAGE_SOURCE] = &stele__v1__source__descriptor,
        [STELE_MESSAGE_STATUS] = &stele__v1__status__descriptor,
        [STELE_MESSAGE_ATTRIBUTE] = &stele__v1__attribute__descriptor,
        [STELE_MESSAGE_ORIGINAL] = &stele__v1__original__descriptor,
        [STELE_MESSAGE_INFERENCE] = &stele__v1__inference__descriptor,
        [STELE_MESSAGE_APPROVAL] = &stele__v1__approval__descriptor,
        [STELE_MESSAGE_DEPLOYMENT] = &stele__v1__deployment__descriptor,
        [STELE_MESSAGE_ACCESS] = &stele__v1__access__descriptor,
        [STELE_MESSAGE_POLICY_CHANGE] = &stele__v1__policy_change__descriptor,
        [STELE_MESSAGE_LINEAGE] = &stele__v1__lineage__descriptor,
        [STELE_MESSAGE_LINEAGE_EDGE] = &stele__v1__lineage_edge__descriptor,
        [STELE_MESSAGE_EVALUATION] = &stele__v1__evaluation__descriptor,
        [STELE_MESSAGE_SCORE] = &stele__v1__score__descriptor,
        [STELE_MESSAGE_INCIDENT] = &stele__v1__incident__descriptor,
        [STELE_MESSAGE_DETECTION] = &stele__v1__detection__descriptor,
        [STELE_MESSAGE_DATA_SUBJECT_REQUEST] = &stele__v1__data_subject_request__descriptor,
        [STELE_MESSAGE_AUTHENTICATION] = &stele__v1__authentication__descriptor,
        [STELE_MESSAGE_AUDIT_CONTROL] = &stele__v1__audit_control__descriptor,
        [STELE_MESSAGE_GENERIC] = &stele__v1__generic__descriptor,
    };
    return all[id];
}

static void check_type(const struct stele_field *field, const ProtobufCFieldDescriptor *d) {
    static const ProtobufCType types[] = {
        [STELE_KIND_TEXT] = PROTOBUF_C_TYPE_STRING,
        [STELE_KIND_BYTES] = PROTOBUF_C_TYPE_BYTES,
        [STELE_KIND_MESSAGE] = PROTOBUF_C_TYPE_MESSAGE,
        [STELE_KIND_ENUM] = PROTOBUF_C_TYPE_ENUM,
        [STELE_KIND_BOOL] = PROTOBUF_C_TYPE_BOOL,
        [STELE_KIND_UINT32] = PROTOBUF_C_TYPE_UINT32,
        [STELE_KIND_UINT64] = PROTOBUF_C_TYPE_UINT64,
        [STELE_KIND_SINT64] = PROTOBUF_C_TYPE_SINT64,
        [STELE_KIND_TIME] = PROTOBUF_C_TYPE_FIXED64,
        [STELE_KIND_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
    };
    assert_int_equal(types[field->kind], d->type);
    if (field->kind == STELE_KIND_MESSAGE) {
        const ProtobufCMessageDescriptor *sub = d->descriptor;
        assert_string_equal(stele_message_table[field->sub].name, sub->short_name);
    } else if (field->kind == STELE_KIND_ENUM) {
        const ProtobufCEnumDescriptor *sub = d->descriptor;
        assert_string_equal(stele_enum_table[field->sub].name, sub->short_name);
    }
    bool repeated = (field->flags & STELE_FIELD_REPEATED) != 0;
    assert_int_equal(repeated, d->label == PROTOBUF_C_LABEL_REPEATED);
    bool oneof = (field->flags & STELE_FIELD_ONEOF) != 0;
    assert_int_equal(oneof, (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0);
}

static void test_schema__table_is_event_proto(void **state) {
    (void)state;
    for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
        const struct stele_message *message = &stele_message_table[i];
        const ProtobufCMessageDescriptor *d = descriptor_of((stele_message_id)i);
        unsigned n_known = 0;
        assert_string_equal(message->name, d->short_name);
        for (uint32_t number = 1; number < message->n_field; number++) {
            const struct stele_field *field = &message->field[number];
            const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, number);
            assert_int_equal(field->kind != STELE_KIND_NONE, f != NULL);
            if (f != NULL) {
                n_known++;
                assert_string_equal(field->name, f->name);
                check_type(field, f);
            }
        }
        assert_int_equal(n_known, d->n_fields); /* none beyond the table */
    }
}

static void test_schema__every_message_of_the_file_is_reached(void **state) {
    (void)state;
    bool reached[STELE_MESSAGE_COUNT] = {[STELE_MESSAGE_EVENT] = true};
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
            for (uint32_t n = 1; reached[i] && n < stele_message_table[i].n_field; n++) {
                const struct stele_field *field = &stele_message_table[i].field[n];
                reached[field->kind == STELE_KIND_MESSAGE ? field->sub : i] = true;
            }
        }
    }
    for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
        assert_true(reached[i]);
    }
}

/* Longest chain of messages from `id` down; a cycle would never end, so it is cut at 9. */
static unsigned depth_of(size_t id, unsigned so_far) {
    unsigned deepest = so_far;
    for (uint32_t n = 1; so_far < 9 && n < stele_message_table[id].n_field; n++) {
        const struct stele_field *field = &stele_message_table[id].field[n];
        if (field->kind == STELE_KIND_MESSAGE) {
            unsigned depth = depth_of(field->sub, so_far + 1);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest;
}

static void test_schema__messages_nest_five_deep(void **state) {
    (void)state;
    assert_int_equal(depth_of(STELE_MESSAGE_EVENT, 1), 5);
}

static void test_schema__masks_and_bounds_agree_with_the_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
        const struct stele_message *message = &stele_message_table[i];
        uint64_t required = 0;
        uint64_t oneof = 0;
        assert_true(message->n_field <= STELE_FIELD_SLOTS);
        for (uint32_t n = 1; n < message->n_field; n++) {
            const struct stele_field *field = &message->field[n];
            bool must = (field->flags & STELE_FIELD_REQUIRED) != 0;
            required |= must ? STELE_BIT(n) : 0;
            oneof |= (field->flags & STELE_FIELD_ONEOF) != 0 ? STELE_BIT(n) : 0;
            assert_int_equal(must, field->why != NULL);
            if (field->kind == STELE_KIND_TEXT || field->kind == STELE_KIND_BYTES) {
                assert_true(field->max > 0 && field->min <= field->max && field->max <= 32768);
            }
        }
        assert_true(required == message->required);
        assert_true(oneof == message->oneof);
    }
}

static void upper(const char *in, char *out) {
    for (; *in != '\0'; in++) {
        *out++ = (char)toupper((unsigned char)*in);
    }
    *out = '\0';
}

static void test_schema__enum_words_are_the_names_without_prefix(void **state) {
    (void)state;
    static const ProtobufCEnumDescriptor *const all[STELE_ENUM_COUNT] = {
        &stele__v1__event_type__descriptor,       &stele__v1__action__descriptor,
        &stele__v1__outcome__descriptor,          &stele__v1__severity__descriptor,
        &stele__v1__classification__descriptor,   &stele__v1__retention_class__descriptor,
        &stele__v1__actor_type__descriptor,       &stele__v1__auth_method__descriptor,
        &stele__v1__resource_type__descriptor,    &stele__v1__resource_role__descriptor,
        &stele__v1__hash_alg__descriptor,         &stele__v1__decision__descriptor,
        &stele__v1__deployment_stage__descriptor, &stele__v1__policy_change_kind__descriptor,
        &stele__v1__lineage_kind__descriptor,     &stele__v1__run_state__descriptor,
        &stele__v1__evaluation_kind__descriptor,  &stele__v1__verdict__descriptor,
        &stele__v1__incident_kind__descriptor,    &stele__v1__incident_phase__descriptor,
        &stele__v1__detection_kind__descriptor,   &stele__v1__guardrail_verdict__descriptor,
        &stele__v1__subject_right__descriptor,    &stele__v1__request_phase__descriptor,
        &stele__v1__control_kind__descriptor,
    };
    for (size_t i = 0; i < STELE_ENUM_COUNT; i++) {
        const struct stele_enum *e = &stele_enum_table[i];
        assert_string_equal(e->name, all[i]->short_name);
        unsigned known = 0;
        for (uint32_t number = 0; number <= 200; number++) {
            const ProtobufCEnumValue *value =
                protobuf_c_enum_descriptor_get_value(all[i], (int)number);
            const char *word = stele_event_enum_word(e->name, number);
            assert_int_equal(value != NULL, word != NULL);
            if (value != NULL) {
                char name[80];
                char shouted[64];
                uint32_t back = 0;
                upper(word, shouted);
                (void)snprintf(name, sizeof name, "%s_%s", e->prefix, shouted);
                assert_string_equal(name, value->name);
                assert_ok(stele_event_enum_number(e->name, stele_view_str(word), &back, NULL));
                assert_int_equal(back, number);
                known++;
            }
        }
        assert_int_equal(known, all[i]->n_values);
    }
}

static void test_schema__unknown_words_are_refused_by_name(void **state) {
    (void)state;
    stele_err err;
    uint32_t number = 77;
    assert_status(stele_event_enum_number("Action", stele_view_str("Invoke\n"), &number, &err),
                  INVALID);
    assert_string_equal(err.text, "'Invoke?' is no Action; words are lower case, such as 'create'");
    assert_status(stele_event_enum_number("Action", stele_view_of(NULL, 0), &number, &err),
                  INVALID);
    assert_status(stele_event_enum_number("Action", stele_view_str("#6"), &number, &err), INVALID);
    assert_status(stele_event_enum_number("Outcome", stele_view_str("other"), &number, &err),
                  INVALID);
    assert_status(stele_event_enum_number("Colour", stele_view_str("red"), &number, &err), BUG);
    assert_int_equal(number, 77);
    assert_null(stele_event_enum_word("Colour", 1));
    assert_null(stele_event_enum_word("Outcome", 99));
    assert_null(stele_event_enum_word("EventType", UINT32_MAX));
}

static void test_schema__body_numbers_follow_event_types(void **state) {
    (void)state;
    for (uint32_t type = 1; type <= 12; type++) {
        const char *body =
            stele_message_table[STELE_MESSAGE_EVENT].field[STELE_BODY_NUMBER_BASE + type].name;
        assert_string_equal(body, stele_event_enum_word("EventType", type));
    }
}

static void test_schema__digest_lengths_are_the_algorithms(void **state) {
    (void)state;
    static const uint32_t bytes[] = {0, 32, 48, 64, 32, 32, 32, 16, 20, 0};
    for (uint32_t alg = 0; alg < sizeof bytes / sizeof *bytes; alg++) {
        assert_int_equal(stele_digest_bytes(alg), bytes[alg]);
    }
    assert_int_equal(stele_digest_bytes(UINT64_MAX), 0);
}

/* ---- the comments of event.proto, which clients read, against the table ---- */

/* The number that follows `before` in `text`, "1,024" being 1024; 0 if it is not there. */
static uint32_t number_after(const char *text, const char *before) {
    const char *at = strstr(text, before);
    uint32_t value = 0;
    for (at = at == NULL ? "" : at + strlen(before); isdigit((unsigned char)*at) || *at == ',';
         at++) {
        value = *at == ',' ? value : value * 10 + (uint32_t)(*at - '0');
    }
    return value;
}

static uint32_t bytes_said(const char *comment, const struct stele_field *field) {
    if ((field->flags & STELE_FIELD_REPEATED) != 0) {
        return number_after(comment, "each 1..");
    }
    uint32_t said = number_after(comment, "1..");
    if (said == 0 && strstr(comment, "16 bytes if set") != NULL) {
        return 16;
    }
    if (said == 0 && strstr(comment, "8 bytes if set") != NULL) {
        return 8;
    }
    return said != 0 ? said : number_after(comment, "t most ");
}

static void check_comment(const struct stele_message *message, const struct stele_field *field,
                          const char *comment) {
    char place[100];
    (void)snprintf(place, sizeof place, "%s.%s", message->name, field->name);
    bool required = (field->flags & STELE_FIELD_REQUIRED) != 0;
    bool says = strncmp(comment, "Required.", 9) == 0 || strncmp(comment, "Required,", 9) == 0 ||
                strncmp(comment, "Required;", 9) == 0;
    /* Two comments state their rule in words of their own. */
    bool fixed = strcmp(place, "Event.schema_version") == 0 || strcmp(place, "Digest.value") == 0 ||
                 strcmp(place, "Digest.canonical") == 0;
    if (required != says && strcmp(place, "Attribute.key") != 0) {
        fail_msg("%s: required in the table: %d; comment: %s", place, required, comment);
    }
    bool sized = field->kind == STELE_KIND_TEXT || field->kind == STELE_KIND_BYTES;
    if (sized && !fixed && bytes_said(comment, field) != field->max) {
        fail_msg("%s: at most %u bytes in the table; comment: %s", place, (unsigned)field->max,
                 comment);
    }
    if ((field->flags & STELE_FIELD_REPEATED) != 0 && strcmp(place, "Generic.field") != 0 &&
        number_after(comment, "At most ") != field->count) {
        fail_msg("%s: at most %u times in the table; comment: %s", place, (unsigned)field->count,
                 comment);
    }
    if (field->kind == STELE_KIND_UINT32 && number_after(comment, "t most ") != field->max) {
        fail_msg("%s: at most %u in the table; comment: %s", place, (unsigned)field->max, comment);
    }
    static const char *const sets[] = {NULL, NULL, "[A-Za-z0-9_.:/-]", "[a-z0-9._-]",
                                       "[A-Za-z0-9_.:/+=-]"};
    if (field->kind == STELE_KIND_TEXT && sets[field->sub] != NULL && !fixed &&
        strstr(comment, sets[field->sub]) == NULL && strstr(comment, "pseudonym as in") == NULL) {
        fail_msg("%s: comment does not say %s: %s", place, sets[field->sub], comment);
    }
}

/* A second value of the field, besides focus_value's. */
static void other_value(stele_buf *out, uint32_t number, const struct stele_field *field) {
    static const uint8_t bytes[64] = {9};
    stele_buf digest = STELE_BUF_EMPTY;
    switch ((stele_kind)field->kind) {
    case STELE_KIND_TEXT:
        focus_text(out, number, "other");
        break;
    case STELE_KIND_BYTES:
        focus_bytes(out, number, stele_view_of(bytes, field->max < 64 ? field->max : 64));
        break;
    case STELE_KIND_MESSAGE: /* of a digest; other messages ignore field 2 of this value */
        focus_varint(&digest, 1, 1);
        focus_bytes(&digest, 2, stele_view_of(bytes, 32));
        focus_bytes(out, number, stele_view_buf(&digest));
        stele_buf_done(&digest);
        break;
    case STELE_KIND_TIME:
    case STELE_KIND_DOUBLE:
        focus_fixed64(out, number, 2000);
        break;
    case STELE_KIND_ENUM:
    case STELE_KIND_BOOL:
    case STELE_KIND_UINT32:
    case STELE_KIND_UINT64:
    case STELE_KIND_SINT64:
    case STELE_KIND_NONE:
        focus_varint(out, number, 2);
        break;
    }
}

static void facts_with(stele_message_id id, uint32_t number, stele_view extra, stele_buf *payload,
                       struct stele_event_facts *facts) {
    const struct focus_edit edit = {id, STELE_BIT(number), extra};
    stele_err err;
    stele_buf_clear(payload);
    focus_event(0, &edit, 1, payload);
    if (stele_event_map_v1(NULL, stele_view_buf(payload), facts, &err) != STELE_OK) {
        fail_msg("message %d, field %u: %s", (int)id, (unsigned)number, err.text);
    }
}

/* Bit n: there is a key n in `a` that `b` has not. */
static uint32_t keys_only_in(const struct stele_event_facts *a, const struct stele_event_facts *b) {
    uint32_t fields = 0;
    for (size_t i = 0; i < a->n_keys; i++) {
        bool found = false;
        for (size_t j = 0; j < b->n_keys; j++) {
            found = found || (a->key[i].field == b->key[j].field &&
                              stele_view_equal(a->key[i].value, b->key[j].value));
        }
        fields |= found ? 0 : 1u << a->key[i].field;
    }
    return fields;
}

/* "Key: n": with another value of the field the event has another key n; without it, no other key.
 */
static void check_key(stele_message_id id, uint32_t number, const char *comment) {
    static struct stele_event_facts with[2];
    const struct stele_message *message = &stele_message_table[id];
    const struct stele_field *field = &message->field[number];
    uint32_t said = number_after(comment, "Key: ");
    bool message_field = field->kind == STELE_KIND_MESSAGE && field->sub != STELE_MESSAGE_DIGEST;
    if (message_field || (message->oneof & STELE_BIT(number)) != 0 || said == 16 || said == 3) {
        return; /* containers, and the tenant and event type that every event has */
    }
    stele_buf payload[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    for (size_t i = 0; i < 2; i++) {
        stele_buf extra = STELE_BUF_EMPTY;
        if (i == 0) {
            focus_value(&extra, number, field);
        } else {
            other_value(&extra, number, field);
        }
        facts_with(id, number, stele_view_buf(&extra), &payload[i], &with[i]);
        stele_buf_done(&extra);
    }
    uint32_t differ = keys_only_in(&with[1], &with[0]);
    bool digest = id == STELE_MESSAGE_DIGEST; /* whether it is a key depends on what it is of */
    if (!digest && ((said == 0 && differ != 0) || (said != 0 && (differ >> said & 1) == 0))) {
        fail_msg("%s.%s: comment says key %u, the map makes %#x", message->name, field->name,
                 (unsigned)said, (unsigned)differ);
    }
    stele_buf_done(&payload[0]);
    stele_buf_done(&payload[1]);
}

static const struct stele_message *message_named(const char *name) {
    for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
        if (strcmp(stele_message_table[i].name, name) == 0) {
            return &stele_message_table[i];
        }
    }
    return NULL;
}

static void test_schema__comments_of_event_proto_state_the_table(void **state) {
    (void)state;
    FILE *file = fopen(STELE_SOURCE_DIR "/proto/stele/v1/event.proto", "r");
    assert_non_null(file);
    char line[512];
    char comment[2048] = "";
    char name[64] = "";
    unsigned number = 0;
    unsigned fields = 0;
    const struct stele_message *message = NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *text = line + strspn(line, " ");
        char type[64];
        if (strncmp(text, "// ", 3) == 0) {
            size_t used = strlen(comment);
            (void)snprintf(comment + used, sizeof comment - used, "%s%.*s", used == 0 ? "" : " ",
                           (int)strcspn(text + 3, "\n"), text + 3);
            continue;
        }
        if (sscanf(text, "message %63s {", name) == 1) {
            message = message_named(name);
            assert_non_null(message);
        } else if (strncmp(text, "enum ", 5) == 0) {
            message = NULL;
        } else if (message != NULL && strncmp(text, "reserved", 8) != 0 &&
                   (sscanf(text, "repeated %63s %63s = %u;", type, name, &number) == 3 ||
                    sscanf(text, "%63s %63s = %u;", type, name, &number) == 3)) {
            assert_string_equal(message->field[number].name, name);
            check_comment(message, &message->field[number], comment);
            check_key((stele_message_id)(message - stele_message_table), number, comment);
            fields++;
        }
        comment[0] = '\0';
    }
    (void)fclose(file);
    unsigned known = 0;
    for (size_t i = 0; i < STELE_MESSAGE_COUNT; i++) {
        known += (unsigned)descriptor_of((stele_message_id)i)->n_fields;
    }
    assert_int_equal(fields, known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema__table_is_event_proto),
        cmocka_unit_test(test_schema__every_message_of_the_file_is_reached),
        cmocka_unit_test(test_schema__messages_nest_five_deep),
        cmocka_unit_test(test_schema__masks_and_bounds_agree_with_the_rows),
        cmocka_unit_test(test_schema__enum_words_are_the_names_without_prefix),
        cmocka_unit_test(test_schema__unknown_words_are_refused_by_name),
        cmocka_unit_test(test_schema__body_numbers_follow_event_types),
        cmocka_unit_test(test_schema__digest_lengths_are_the_algorithms),
        cmocka_unit_test(test_schema__comments_of_event_proto_state_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
