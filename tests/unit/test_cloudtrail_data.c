/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_cloudtrail_data.c: the 2,900 real records of ../shared/data/invictus-cloudtrail
 * become 2,900 events, in each form they can be delivered in, and say what the records say.
 */
#include "ingest/import_cloudtrail.h"
#include "tests/support/cmocka.h"
#include "tests/support/temp_folder.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/event.h"
#include "proto/event_json.h"
#include "storage/hash.h"

#define DATA STELE_SOURCE_DIR "/../shared/data/invictus-cloudtrail/cloudtrail.jsonl.zst"
#define RECORDS 2900

static const struct stele_cloudtrail_target target = {"eu-central-1", "acme"};
static char dir[TEMP_FOLDER_BYTES];

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void run(const char *format) {
    char command[512];
    (void)snprintf(command, sizeof command, "cd '%s' && %s", dir, format);
    assert_int_equal(system(command), 0);
}

static int setup(void **state) {
    (void)state;
    temp_folder_make(dir);
    run("zstd -q -d -o records.jsonl '" DATA "'");
    run("gzip -k records.jsonl");
    run("{ printf '{\"Records\":['; paste -s -d, records.jsonl; printf ']}'; } > delivered.json");
    run("gzip -k delivered.json");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    temp_folder_remove(dir);
    return 0;
}

static void same_text(const json_t *event, const char *object, const char *key,
                      const char *expected) {
    const json_t *from = object == NULL ? event : json_object_get(event, object);
    assert_string_equal(text_of(from, key), expected);
}

/* What must come through unchanged, whatever kind of event it is. */
static void compare(const json_t *record, const char *line, const json_t *event) {
    const json_t *identity = json_object_get(record, "userIdentity");
    char expected[128];
    uint8_t digest[32];
    char hex[65];
    same_text(event, NULL, "event_id", text_of(record, "eventID"));
    (void)snprintf(expected, sizeof expected, "%.19s.000000000Z", text_of(record, "eventTime"));
    same_text(event, NULL, "time", expected);
    same_text(event, NULL, "tenant", "acme");
    same_text(event, NULL, "region", "eu-central-1");
    same_text(event, "source", "service", text_of(record, "eventSource"));
    same_text(event, "source", "account", text_of(record, "recipientAccountId"));
    same_text(event, "source", "adapter", "cloudtrail");
    same_text(event, "actor", "name", text_of(identity, "userName"));
    same_text(event, "actor", "credential_id", text_of(identity, "accessKeyId"));
    same_text(event, "actor", "user_agent", text_of(record, "userAgent"));
    const char *id = text_of(identity, "arn");
    id = id[0] == '\0' ? text_of(identity, "principalId") : id;
    id = id[0] == '\0' ? text_of(identity, "invokedBy") : id;
    same_text(event, "actor", "id", id);
    const char *code = text_of(record, "errorCode");
    assert_int_equal(code[0] == '\0', strcmp(text_of(event, "outcome"), "success") == 0);
    same_text(event, "status", "code", code);
    (void)snprintf(expected, sizeof expected, ":%s", text_of(record, "eventName"));
    assert_non_null(strstr(text_of(event, "action_detail"), expected));
    const json_t *resource = json_array_get(json_object_get(event, "resource"), 0);
    if (resource != NULL) {
        assert_string_equal(text_of(resource, "region"), text_of(record, "awsRegion"));
    } else {
        same_text(event, "attributes", "cloudtrail.region", text_of(record, "awsRegion"));
    }
    const json_t *named = json_array_get(json_object_get(record, "resources"), 0);
    if (named != NULL) {
        assert_string_equal(text_of(resource, "id"), text_of(named, "ARN"));
    }
    stele_sha256_of(stele_view_str(line), digest);
    stele_hex_encode(stele_view_of(digest, 32), hex);
    (void)snprintf(expected, sizeof expected, "sha256:%s", hex);
    assert_string_equal(
        text_of(json_object_get(json_object_get(event, "original"), "digest"), "value"), expected);
}

static void test_cloudtrail_data__every_record_becomes_its_event(void **state) {
    (void)state;
    struct stele_cloudtrail *ct = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf text = STELE_BUF_EMPTY;
    static char line[65536];
    size_t n[13] = {0};
    size_t incomplete = 0;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/records.jsonl", dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_ok(stele_cloudtrail_open(path, &target, &ct, NULL));
    while (fgets(line, sizeof line, file) != NULL) {
        struct stele_event_head head;
        stele_err err = {0};
        line[strcspn(line, "\n")] = '\0';
        if (stele_cloudtrail_next(ct, &payload, &err) != STELE_OK) {
            fail_msg("%s", err.text);
        }
        assert_ok(stele_event_check(stele_view_buf(&payload), &head, NULL));
        n[head.event_type]++;
        stele_buf_clear(&text);
        assert_ok(stele_event_json_encode(stele_view_buf(&payload), &text, NULL));
        json_t *event = json_loadb((const char *)text.data, text.size, 0, NULL);
        json_t *record = json_loads(line, 0, NULL);
        compare(record, line, event);
        incomplete +=
            json_object_get(json_object_get(event, "attributes"), "stele.incomplete") != NULL;
        json_decref(event);
        json_decref(record);
    }
    assert_status(stele_cloudtrail_next(ct, &payload, NULL), END);
    assert_int_equal(stele_cloudtrail_record(ct), RECORDS);
    assert_int_equal(n[3] + n[4] + n[10] + n[12], RECORDS);
    assert_int_equal(n[10], 3);            /* two sign-ins and their second factor */
    assert_true(n[3] > 800 && n[4] > 150); /* s3, kms, secrets; iam, sts, trails */
    assert_true(incomplete < 30);
    stele_cloudtrail_close(ct);
    (void)fclose(file);
    stele_buf_done(&payload);
    stele_buf_done(&text);
}

/* The digest of all events of a file, in order. */
static void digest_of(const char *name, uint8_t out[STELE_AT_LEAST(32)]) {
    struct stele_cloudtrail *ct = NULL;
    struct stele_sha256 h;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    char path[128];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    stele_sha256_init(&h);
    assert_ok(stele_cloudtrail_open(path, &target, &ct, NULL));
    while ((st = stele_cloudtrail_next(ct, &payload, NULL)) == STELE_OK) {
        stele_sha256_update(&h, stele_view_buf(&payload));
        n++;
    }
    assert_status(st, END);
    assert_int_equal(n, RECORDS);
    stele_sha256_final(&h, out);
    stele_cloudtrail_close(ct);
    stele_buf_done(&payload);
}

static void test_cloudtrail_data__all_forms_give_the_same_events(void **state) {
    (void)state;
    uint8_t plain[32];
    uint8_t other[32];
    digest_of("records.jsonl", plain);
    digest_of("records.jsonl.gz", other);
    assert_memory_equal(plain, other, 32);
    digest_of("delivered.json", other);
    assert_memory_equal(plain, other, 32);
    digest_of("delivered.json.gz", other);
    assert_memory_equal(plain, other, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cloudtrail_data__every_record_becomes_its_event),
        cmocka_unit_test(test_cloudtrail_data__all_forms_give_the_same_events),
    };
    if (access(DATA, R_OK) != 0) {
        (void)printf("skipped: %s is not there\n", DATA);
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
