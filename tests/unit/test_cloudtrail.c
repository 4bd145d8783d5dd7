/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_cloudtrail.c: single CloudTrail records and the events they become. These records
 * are made up, after AWS's documentation; test_cloudtrail_data.c has real ones.
 */
#include "ingest/import_cloudtrail.h"
#include "tests/support/cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/event_json.h"

static const struct stele_cloudtrail_target target = {"eu-central-1", "acme"};

/* The normalized event of one record. */
static json_t *import(const char *record) {
    struct stele_cloudtrail *ct = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf text = STELE_BUF_EMPTY;
    stele_err err = {0};
    assert_ok(stele_cloudtrail_open_bytes(stele_view_str(record), &target, &ct, NULL));
    if (stele_cloudtrail_next(ct, &payload, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    assert_ok(stele_event_json_encode(stele_view_buf(&payload), &text, NULL));
    json_t *event = json_loadb((const char *)text.data, text.size, 0, NULL);
    assert_non_null(event);
    assert_status(stele_cloudtrail_next(ct, &payload, &err), END);
    stele_cloudtrail_close(ct);
    stele_buf_done(&payload);
    stele_buf_done(&text);
    return event;
}

/* A member by its path; numbers are places in an array. */
static const json_t *member(const json_t *from, const char *path) {
    char copy[256];
    char *rest = NULL;
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *word = strtok_r(copy, "/", &rest); word != NULL; word = strtok_r(NULL, "/", &rest)) {
        from = json_is_array(from) ? json_array_get(from, (size_t)(word[0] - '0'))
                                   : json_object_get(from, word);
    }
    return from;
}

static void expect(const json_t *event, const char *path, const char *value) {
    const json_t *found = member(event, path);
    if (value == NULL) {
        assert_null(found);
    } else if (json_string_value(found) == NULL || strcmp(json_string_value(found), value) != 0) {
        char *all = json_dumps(event, 0);
        fail_msg("%s is not '%s' in %s", path, value, all);
    }
}

/* Everything a record has besides what a test is about. */
#define COMMON                                                                                     \
    "\"eventVersion\":\"1.09\",\"eventTime\":\"2026-01-02T03:04:05Z\",\"awsRegion\":\"us-east-"    \
    "1\","                                                                                         \
    "\"eventID\":\"0b1c\",\"requestID\":\"r-1\",\"recipientAccountId\":\"42\","                    \
    "\"eventType\":\"AwsApiCall\",\"readOnly\":false,"
#define ROLE                                                                                       \
    "\"userIdentity\":{\"type\":\"AssumedRole\",\"arn\":\"arn:aws:sts::42:assumed-role/Ship/s\","  \
    "\"principalId\":\"AROA:s\",\"accountId\":\"42\",\"accessKeyId\":\"ASIA1\","                   \
    "\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\",\"arn\":\"arn:aws:iam::42:role/"     \
    "Ship\","                                                                                      \
    "\"accountId\":\"42\"},\"attributes\":{\"mfaAuthenticated\":\"true\"}}},"                      \
    "\"sourceIPAddress\":\"203.0.113.7\",\"userAgent\":\"aws-cli/2\","
#define SOURCE(service, name)                                                                      \
    "\"eventSource\":\"" service ".amazonaws.com\",\"eventName\":\"" name "\""

static void test_cloudtrail__envelope(void **state) {
    (void)state;
    json_t *event = import("{" COMMON ROLE SOURCE("ec2", "DescribeInstances") "}");
    expect(event, "event_id", "0b1c");
    expect(event, "time", "2026-01-02T03:04:05.000000000Z");
    expect(event, "tenant", "acme");
    expect(event, "region", "eu-central-1");
    expect(event, "event_type", "generic");
    expect(event, "generic/name", "ec2:DescribeInstances");
    expect(event, "action", "read");
    expect(event, "action_detail", "ec2:DescribeInstances");
    expect(event, "outcome", "success");
    expect(event, "actor/id", "arn:aws:sts::42:assumed-role/Ship/s");
    expect(event, "actor/type", "service_account");
    expect(event, "actor/ip", "203.0.113.7");
    expect(event, "actor/user_agent", "aws-cli/2");
    expect(event, "actor/credential_id", "ASIA1");
    expect(event, "actor/issuer", "42");
    expect(event, "actor/on_behalf_of/0/id", "arn:aws:iam::42:role/Ship");
    expect(event, "actor/on_behalf_of/0/type", "service_account");
    assert_true(json_is_true(member(event, "actor/mfa")));
    expect(event, "source/service", "ec2.amazonaws.com");
    expect(event, "source/adapter", "cloudtrail");
    expect(event, "source/account", "42");
    expect(event, "correlation_id", "r-1");
    expect(event, "original/format", "cloudtrail-1.09");
    expect(event, "original/id", "0b1c");
    expect(event, "attributes/cloudtrail.region", "us-east-1");
    expect(event, "attributes/stele.incomplete", NULL);
    json_decref(event);
}

static void test_cloudtrail__inference(void **state) {
    (void)state;
    json_t *event = import("{" COMMON ROLE SOURCE(
        "bedrock", "InvokeModelWithResponseStream") ",\"requestParameters\":{\"modelId\":"
                                                    "\"anthropic.claude-v2:1\"}}");
    expect(event, "event_type", "inference");
    expect(event, "action", "invoke");
    expect(event, "inference/model_id", "anthropic.claude-v2:1");
    expect(event, "inference/model_version", "1");
    expect(event, "inference/provider", "aws.bedrock");
    expect(event, "resource/0/id", "bedrock:model/anthropic.claude-v2:1");
    expect(event, "resource/0/type", "model");
    expect(event, "resource/0/region", "us-east-1");
    expect(event, "attributes/stele.incomplete", "input_hash,output_hash");
    assert_true(json_is_true(member(event, "inference/streamed")));
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "bedrock",
        "Converse") ",\"errorCode\":\"AccessDeniedException\",\"requestParameters\":null}");
    expect(event, "outcome", "denied");
    expect(event, "inference/model_id", "unknown");
    expect(event, "attributes/stele.incomplete", "model_id,model_version,input_hash");
    json_decref(event);
}

static void test_cloudtrail__deployment(void **state) {
    (void)state;
    json_t *event = import("{" COMMON ROLE SOURCE(
        "sagemaker", "UpdateModelPackage") ",\"requestParameters\":{\"modelApprovalStatus\":"
                                           "\"Approved\",\"approvalDescription\":"
                                           "\"CHG-7\",\"modelPackageArn\":\"arn:aws:sagemaker:us-"
                                           "east-1:42:model-package/fraud/3\"}}");
    expect(event, "event_type", "deployment");
    expect(event, "action", "approve");
    expect(event, "deployment/model_id", "arn:aws:sagemaker:us-east-1:42:model-package/fraud/3");
    expect(event, "deployment/model_version", "3");
    expect(event, "deployment/environment", "unknown");
    expect(event, "deployment/stage", "approved");
    expect(event, "deployment/approval/0/approver_id", "arn:aws:sts::42:assumed-role/Ship/s");
    expect(event, "deployment/approval/0/decision", "approved");
    expect(event, "deployment/approval/0/time", "2026-01-02T03:04:05.000000000Z");
    expect(event, "attributes/stele.incomplete", "environment");
    expect(event, "resource/0/type", "model");
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "sagemaker", "CreateEndpoint") ",\"requestParameters\":{\"endpointName\":\"fraud\","
                                       "\"endpointConfigName\":\"fraud-v3\"}}");
    expect(event, "action", "deploy");
    expect(event, "deployment/model_id", "fraud-v3");
    expect(event, "deployment/endpoint", "fraud");
    expect(event, "deployment/stage", "requested");
    expect(event, "attributes/stele.incomplete", "model_version,environment,artifact_hash");
    json_decref(event);
}

static void test_cloudtrail__access(void **state) {
    (void)state;
    json_t *event = import(
        "{" COMMON ROLE SOURCE("s3", "GetObject") ",\"requestParameters\":{\"bucketName\":"
                                                  "\"train\",\"key\":\"2026/a b.parquet\"}}");
    expect(event, "event_type", "access");
    expect(event, "action", "download");
    expect(event, "access/permission", "s3:GetObject");
    expect(event, "resource/0/id", "arn:aws:s3:::train/2026/a b.parquet");
    expect(event, "resource/0/type", "storage_object");
    expect(event, "resource/0/role", "target");
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "kms",
        "Decrypt") ",\"resources\":[{\"ARN\":\"arn:aws:kms:us-east-1:42:key/"
                   "1\",\"accountId\":\"42\"},"
                   "{\"ARNPrefix\":\"arn:aws:s3:::train\"},{\"type\":\"AWS::S3::Object\"}]}");
    expect(event, "event_type", "access");
    expect(event, "resource/0/type", "secret");
    expect(event, "resource/0/owner", "42");
    expect(event, "resource/1/id", "arn:aws:s3:::train");
    expect(event, "resource/1/role", "related");
    assert_int_equal(json_array_size(member(event, "resource")), 2);
    json_decref(event);
    /* An access to nothing in particular is none. */
    event = import("{" COMMON ROLE SOURCE("s3", "ListBuckets") "}");
    expect(event, "event_type", "generic");
    expect(event, "action", "list");
    json_decref(event);
}

static void test_cloudtrail__policy_change(void **state) {
    (void)state;
    json_t *event = import("{" COMMON ROLE SOURCE(
        "iam", "AttachRolePolicy") ",\"requestParameters\":{\"roleName\":\"Ship\",\"policyArn\":"
                                   "\"arn:aws:iam::aws:policy/Admin\"}}");
    expect(event, "event_type", "policy_change");
    expect(event, "action", "grant");
    expect(event, "policy_change/kind", "grant");
    expect(event, "policy_change/policy_id", "arn:aws:iam::aws:policy/Admin");
    expect(event, "policy_change/principal_id", "Ship");
    expect(event, "policy_change/added/0", "arn:aws:iam::aws:policy/Admin");
    expect(event, "resource/0/type", "policy");
    expect(event, "resource/1/id", "iam:role/Ship");
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "sts",
        "AssumeRole") ",\"requestParameters\":{\"roleArn\":\"arn:aws:iam::42:role/Admin\"}}");
    expect(event, "policy_change/kind", "role_assumed");
    expect(event, "policy_change/policy_id", "arn:aws:iam::42:role/Admin");
    expect(event, "policy_change/principal_id", "arn:aws:sts::42:assumed-role/Ship/s");
    expect(event, "resource/0/id", "arn:aws:iam::42:role/Admin");
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "cloudtrail", "StopLogging") ",\"errorCode\":\"Client.UnauthorizedOperation\","
                                     "\"errorMessage\":\"no\\nway\"}");
    expect(event, "policy_change/kind", "logging");
    expect(event, "policy_change/principal_id", "unknown");
    expect(event, "outcome", "denied");
    expect(event, "status/code", "Client.UnauthorizedOperation");
    expect(event, "status/reason", "no way");
    expect(event, "attributes/stele.incomplete", "principal_id");
    json_decref(event);
    event = import("{" COMMON ROLE SOURCE(
        "bedrock", "DeleteGuardrail") ",\"requestParameters\":{\"guardrailIdentifier\":\"g-1\"}}");
    expect(event, "policy_change/kind", "guardrail");
    expect(event, "policy_change/policy_id", "g-1");
    expect(event, "resource/0/type", "guardrail");
    json_decref(event);
}

static void test_cloudtrail__authentication(void **state) {
    (void)state;
    json_t *event = import(
        "{" COMMON "\"userIdentity\":{\"type\":\"Root\",\"arn\":\"arn:aws:iam::42:root\"}," SOURCE(
            "signin", "ConsoleLogin") ",\"responseElements\":{\"ConsoleLogin\":\"Failure\"},"
                                      "\"additionalEventData\":{\"MFAUsed\":\"Yes\"},"
                                      "\"errorMessage\":\"Failed authentication\"}");
    expect(event, "event_type", "authentication");
    expect(event, "action", "authenticate");
    expect(event, "outcome", "failure");
    expect(event, "actor/type", "admin");
    expect(event, "authentication/method", "password");
    expect(event, "authentication/failure_reason", "Failed authentication");
    assert_true(json_is_true(member(event, "authentication/mfa")));
    json_decref(event);
}

static void test_cloudtrail__what_is_missing_is_said(void **state) {
    (void)state;
    json_t *event = import("{\"eventTime\":\"2026-01-02T03:04:05Z\"}");
    expect(event, "actor/id", "unknown");
    expect(event, "actor/type", "unknown");
    expect(event, "source/service", "unknown");
    expect(event, "action", "other");
    expect(event, "attributes/stele.incomplete",
           "source.service,action_detail,event_id,actor_id,actor_type");
    const char *id = json_string_value(member(event, "event_id"));
    assert_true(strncmp(id, "ct-", 3) == 0 && strlen(id) == 35);
    json_t *again = import("{\"eventTime\":\"2026-01-02T03:04:05Z\"}");
    expect(again, "event_id", id); /* the same record is the same event */
    json_decref(again);
    json_decref(event);
    /* AWS leaves the type of its own services out. */
    event = import("{\"eventTime\":\"2026-01-02T03:04:05Z\",\"eventID\":\"e\",\"eventType\":"
                   "\"AwsServiceEvent\","
                   "\"userIdentity\":{\"accountId\":\"42\",\"invokedBy\":\"ec2.amazonaws.com\"},"
                   "\"sourceIPAddress\":\"ec2.amazonaws.com\"," SOURCE(
                       "ec2", "SharedSnapshotVolumeCreated") "}");
    expect(event, "actor/id", "ec2.amazonaws.com");
    expect(event, "actor/type", "system");
    expect(event, "actor/ip", NULL);
    expect(event, "attributes/cloudtrail.source_address", "ec2.amazonaws.com");
    expect(event, "attributes/stele.incomplete", NULL);
    json_decref(event);
}

static void test_cloudtrail__texts_and_ids_are_made_to_fit(void **state) {
    (void)state;
    char record[4096];
    char name[600];
    memset(name, 'n', sizeof name);
    memcpy(name + 594, "\xc3\xa9\xc3\xa9\xc3",
           6); /* ends in a character that would be cut in two */
    (void)snprintf(
        record, sizeof record,
        "{" COMMON ROLE SOURCE(
            "secretsmanager",
            "GetSecretValue") ",\"requestParameters\":{\"secretId\":\"%.*s\"},\"userAgent2\":\"\"}",
        598, name);
    json_t *one = import(record);
    const char *id = json_string_value(member(one, "resource/0/id"));
    assert_int_equal(strlen(id), 512);
    assert_non_null(strstr(id, "#sha256:"));
    memcpy(strstr(record, "nnnn") + 500, "m", 1); /* another long id stays another */
    json_t *other = import(record);
    assert_string_not_equal(json_string_value(member(other, "resource/0/id")), id);
    json_decref(other);
    json_decref(one);
    (void)snprintf(record, sizeof record,
                   "{" COMMON "\"userIdentity\":{\"type\":\"IAMUser\",\"arn\":\"a\"},\"userAgent\":"
                   "\"%.511s\xc3\xa9\"," SOURCE("ec2", "DescribeVpcs") "}",
                   name);
    one = import(record);
    assert_int_equal(strlen(json_string_value(member(one, "actor/user_agent"))), 511);
    json_decref(one);
}

static void test_cloudtrail__bad_records_are_numbered(void **state) {
    (void)state;
    const char *const input = "{" COMMON ROLE SOURCE(
        "ec2", "DescribeVpcs") "}\n"
                               "{\"eventTime\":}\n"
                               "{\"eventTime\":\"2026-01-02T03:04:05Z\",\"eventTime\":\"x\"}\n"
                               "{\"name\":\"no record\"}\n"
                               "{\"eventTime\":\"yesterday\"}\n"
                               "{" COMMON ROLE SOURCE("ec2", "DescribeVpcs") "}\n";
    const char *const word[] = {NULL, "not JSON", "duplicate", "no eventTime", "time", NULL};
    struct stele_cloudtrail *ct = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    assert_ok(stele_cloudtrail_open_bytes(stele_view_str(input), &target, &ct, NULL));
    for (size_t i = 0; i < 6; i++) {
        stele_err err = {0};
        stele_status st = stele_cloudtrail_next(ct, &payload, &err);
        assert_int_equal(stele_cloudtrail_record(ct), i + 1);
        assert_int_equal(st == STELE_OK, word[i] == NULL);
        if (word[i] != NULL) {
            char number[32];
            assert_status(st, INVALID);
            (void)snprintf(number, sizeof number, "record %zu:", i + 1);
            assert_non_null(strstr(err.text, number));
            if (strstr(err.text, word[i]) == NULL) {
                fail_msg("'%s' is not in: %s", word[i], err.text);
            }
        }
    }
    assert_status(stele_cloudtrail_next(ct, &payload, NULL), END);
    stele_cloudtrail_close(ct);
    stele_cloudtrail_close(NULL);
    stele_buf_done(&payload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cloudtrail__envelope),
        cmocka_unit_test(test_cloudtrail__inference),
        cmocka_unit_test(test_cloudtrail__deployment),
        cmocka_unit_test(test_cloudtrail__access),
        cmocka_unit_test(test_cloudtrail__policy_change),
        cmocka_unit_test(test_cloudtrail__authentication),
        cmocka_unit_test(test_cloudtrail__what_is_missing_is_said),
        cmocka_unit_test(test_cloudtrail__texts_and_ids_are_made_to_fit),
        cmocka_unit_test(test_cloudtrail__bad_records_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
