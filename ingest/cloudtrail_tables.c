/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cloudtrail_tables.c: the tables, most specific rows first. */
#include "ingest/cloudtrail_tables.h"

#include <stddef.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool matches(const char *pattern, const char *name) {
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*') {
        return strncmp(pattern, name, length - 1) == 0;
    }
    return strcmp(pattern, name) == 0;
}

/* ------------------------------------------------------------------ what it is */

#define INFERENCE STELE_CLOUDTRAIL_INFERENCE, NULL
#define DEPLOYMENT STELE_CLOUDTRAIL_DEPLOYMENT, NULL
#define ACCESS STELE_CLOUDTRAIL_ACCESS, NULL
#define AUTHENTICATION STELE_CLOUDTRAIL_AUTHENTICATION, NULL
#define POLICY STELE_CLOUDTRAIL_POLICY
#define GENERIC STELE_CLOUDTRAIL_GENERIC, NULL

static const struct stele_cloudtrail_kind kinds[] = {
    {"bedrock", "InvokeModel*", INFERENCE},
    {"bedrock", "Converse*", INFERENCE},
    {"bedrock", "PutFoundationModelEntitlement", POLICY, "grant"},
    {"bedrock", "CreateFoundationModelAgreement", POLICY, "grant"},
    {"bedrock", "DeleteFoundationModelAgreement", POLICY, "revoke"},
    {"bedrock", "CreateGuardrail*", POLICY, "guardrail"},
    {"bedrock", "UpdateGuardrail*", POLICY, "guardrail"},
    {"bedrock", "DeleteGuardrail*", POLICY, "guardrail"},
    {"bedrock", "PutModelInvocationLogging*", POLICY, "logging"},
    {"bedrock", "DeleteModelInvocationLogging*", POLICY, "logging"},
    {"sagemaker", "CreateEndpoint", DEPLOYMENT},
    {"sagemaker", "UpdateEndpoint", DEPLOYMENT},
    {"sagemaker", "DeleteEndpoint", DEPLOYMENT},
    {"sagemaker", "UpdateModelPackage", DEPLOYMENT},
    {"signin", "ConsoleLogin", AUTHENTICATION},
    {"signin", "CheckMfa", AUTHENTICATION},
    {"sts", "AssumeRole*", POLICY, "role_assumed"},
    /* iam: what only reads is generic, and so is what none of these rows names. */
    {"iam", "Get*", GENERIC},
    {"iam", "List*", GENERIC},
    {"iam", "Generate*", GENERIC},
    {"iam", "Simulate*", GENERIC},
    {"iam", "CreateAccessKey", POLICY, "credential"},
    {"iam", "UpdateAccessKey", POLICY, "credential"},
    {"iam", "DeleteAccessKey", POLICY, "credential"},
    {"iam", "CreateLoginProfile", POLICY, "credential"},
    {"iam", "UpdateLoginProfile", POLICY, "credential"},
    {"iam", "DeleteLoginProfile", POLICY, "credential"},
    {"iam", "ChangePassword", POLICY, "credential"},
    {"iam", "UploadSSHPublicKey", POLICY, "credential"},
    {"iam", "UploadSigningCertificate", POLICY, "credential"},
    {"iam", "CreateServiceSpecificCredential", POLICY, "credential"},
    {"iam", "EnableMFADevice", POLICY, "mfa"},
    {"iam", "DeactivateMFADevice", POLICY, "mfa"},
    {"iam", "CreateVirtualMFADevice", POLICY, "mfa"},
    {"iam", "DeleteVirtualMFADevice", POLICY, "mfa"},
    {"iam", "Attach*", POLICY, "grant"},
    {"iam", "PutUserPolicy", POLICY, "grant"},
    {"iam", "PutRolePolicy", POLICY, "grant"},
    {"iam", "PutGroupPolicy", POLICY, "grant"},
    {"iam", "PutUserPermissionsBoundary", POLICY, "policy_edit"},
    {"iam", "PutRolePermissionsBoundary", POLICY, "policy_edit"},
    {"iam", "AddUserToGroup", POLICY, "grant"},
    {"iam", "AddRoleToInstanceProfile", POLICY, "grant"},
    {"iam", "Detach*", POLICY, "revoke"},
    {"iam", "DeleteUserPolicy", POLICY, "revoke"},
    {"iam", "DeleteRolePolicy", POLICY, "revoke"},
    {"iam", "DeleteGroupPolicy", POLICY, "revoke"},
    {"iam", "RemoveUserFromGroup", POLICY, "revoke"},
    {"iam", "RemoveRoleFromInstanceProfile", POLICY, "revoke"},
    {"iam", "UpdateAssumeRolePolicy", POLICY, "policy_edit"},
    {"iam", "CreatePolicy*", POLICY, "policy_edit"},
    {"iam", "DeletePolicy*", POLICY, "policy_edit"},
    {"iam", "SetDefaultPolicyVersion", POLICY, "policy_edit"},
    {"iam", "UpdateAccountPasswordPolicy", POLICY, "policy_edit"},
    {"iam", "Create*", POLICY, "identity"},
    {"iam", "Delete*", POLICY, "identity"},
    {"iam", "Update*", POLICY, "identity"},
    {"iam", "Tag*", POLICY, "identity"},
    {"iam", "Untag*", POLICY, "identity"},
    {"rolesanywhere", "Create*", POLICY, "identity"},
    {"rolesanywhere", "Delete*", POLICY, "identity"},
    {"rolesanywhere", "Update*", POLICY, "identity"},
    {"cloudtrail", "StopLogging", POLICY, "logging"},
    {"cloudtrail", "StartLogging", POLICY, "logging"},
    {"cloudtrail", "CreateTrail", POLICY, "logging"},
    {"cloudtrail", "UpdateTrail", POLICY, "logging"},
    {"cloudtrail", "DeleteTrail", POLICY, "logging"},
    {"cloudtrail", "PutEventSelectors", POLICY, "logging"},
    {"logs", "DeleteLogGroup", POLICY, "logging"},
    {"logs", "DeleteLogStream", POLICY, "logging"},
    {"logs", "PutRetentionPolicy", POLICY, "logging"},
    {"ec2", "AuthorizeSecurityGroup*", POLICY, "network"},
    {"ec2", "RevokeSecurityGroup*", POLICY, "network"},
    {"ec2", "ModifyImageAttribute", POLICY, "grant"},
    {"ec2", "ModifySnapshotAttribute", POLICY, "grant"},
    {"rds", "ModifyDBSnapshotAttribute", POLICY, "grant"},
    {"lambda", "AddPermission*", POLICY, "grant"},
    {"lambda", "RemovePermission*", POLICY, "revoke"},
    {"s3", "PutBucketPolicy", POLICY, "policy_edit"},
    {"s3", "DeleteBucketPolicy", POLICY, "policy_edit"},
    {"s3", "PutBucketAcl", POLICY, "policy_edit"},
    {"s3", "PutObjectAcl", POLICY, "policy_edit"},
    {"s3", "PutBucketPublicAccessBlock", POLICY, "policy_edit"},
    {"s3", "DeleteBucketPublicAccessBlock", POLICY, "policy_edit"},
    {"kms", "PutKeyPolicy", POLICY, "policy_edit"},
    {"kms", "CreateGrant", POLICY, "grant"},
    {"kms", "RevokeGrant", POLICY, "revoke"},
    {"kms", "RetireGrant", POLICY, "revoke"},
    {"secretsmanager", "PutResourcePolicy", POLICY, "policy_edit"},
    {"secretsmanager", "DeleteResourcePolicy", POLICY, "policy_edit"},
    {"ecr", "SetRepositoryPolicy", POLICY, "policy_edit"},
    {"ecr", "DeleteRepositoryPolicy", POLICY, "policy_edit"},
    {"s3", "*", ACCESS},
    {"ecr", "*", ACCESS},
    {"secretsmanager", "*", ACCESS},
    {"ssm", "GetParameter*", ACCESS},
    {"ssm", "PutParameter*", ACCESS},
    {"ssm", "DeleteParameter*", ACCESS},
    {"ssm", "LabelParameterVersion", ACCESS},
    {"kms", "*", ACCESS},
    {"dynamodb", "*", ACCESS},
};

const struct stele_cloudtrail_kind *stele_cloudtrail_kind_of(const char *service,
                                                             const char *name) {
    static const struct stele_cloudtrail_kind none = {"", "", GENERIC};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kinds[i].service, service) == 0 && matches(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    return &none;
}

/* ------------------------------------------------------------------ the verb */

struct verb {
    const char *service; /* NULL: any */
    const char *name;
    const char *action;
};
static const struct verb verbs[] = {
    {"s3", "GetObject", "download"},
    {"s3", "PutObject", "upload"},
    {"s3", "UploadPart*", "upload"},
    {"s3", "CompleteMultipartUpload", "upload"},
    {"s3", "CopyObject", "copy"},
    {"ecr", "BatchGetImage", "download"},
    {"ecr", "GetDownloadUrlForLayer", "download"},
    {"ecr", "PutImage", "upload"},
    {"ecr", "UploadLayerPart", "upload"},
    {"sagemaker", "CreateEndpoint", "deploy"},
    {"sagemaker", "UpdateEndpoint", "deploy"},
    {"sagemaker", "DeleteEndpoint", "retire"},
    {"sagemaker", "CreateTrainingJob", "train"},
    {"sagemaker", "InvokeEndpoint*", "invoke"},
    {"bedrock", "PutFoundationModelEntitlement", "grant"},
    {"ec2", "ModifyImageAttribute", "share"},
    {"ec2", "ModifySnapshotAttribute", "share"},
    {"rds", "ModifyDBSnapshotAttribute", "share"},
    {"ssm", "SendCommand", "invoke"},
    {"kms", "Decrypt", "read"},
    {"sts", "GetSessionToken", "authenticate"},
    {"iam", "Put*", "grant"},
    {NULL, "ConsoleLogin", "authenticate"},
    {NULL, "CheckMfa", "authenticate"},
    {NULL, "AssumeRole*", "assume"},
    {NULL, "Invoke*", "invoke"},
    {NULL, "Converse*", "invoke"},
    {NULL, "Execute*", "invoke"},
    {NULL, "AddUserToGroup", "grant"},
    {NULL, "AddRoleToInstanceProfile", "grant"},
    {NULL, "AddPermission*", "grant"},
    {NULL, "AuthorizeSecurityGroup*", "grant"},
    {NULL, "CreateGrant", "grant"},
    {NULL, "RemoveUserFromGroup", "revoke"},
    {NULL, "RemoveRoleFromInstanceProfile", "revoke"},
    {NULL, "RemovePermission*", "revoke"},
    {NULL, "Revoke*", "revoke"},
    {NULL, "RetireGrant", "revoke"},
    {"iam", "Attach*", "grant"},
    {"iam", "Detach*", "revoke"},
    {"iam", "DeleteRolePolicy", "revoke"},
    {"iam", "DeleteUserPolicy", "revoke"},
    {"iam", "DeleteGroupPolicy", "revoke"},
    {NULL, "List*", "list"},
    {NULL, "Search*", "list"},
    {NULL, "Get*", "read"},
    {NULL, "BatchGet*", "read"},
    {NULL, "Describe*", "read"},
    {NULL, "Head*", "read"},
    {NULL, "Lookup*", "read"},
    {NULL, "Query*", "read"},
    {NULL, "Scan*", "read"},
    {NULL, "Select*", "read"},
    {NULL, "Create*", "create"},
    {NULL, "Run*", "create"},
    {NULL, "Allocate*", "create"},
    {NULL, "Register*", "create"},
    {NULL, "Import*", "create"},
    {NULL, "Copy*", "copy"},
    {NULL, "Delete*", "delete"},
    {NULL, "BatchDelete*", "delete"},
    {NULL, "Terminate*", "delete"},
    {NULL, "Release*", "delete"},
    {NULL, "Deregister*", "delete"},
    {NULL, "Remove*", "delete"},
    {NULL, "Put*", "update"},
    {NULL, "Update*", "update"},
    {NULL, "Modify*", "update"},
    {NULL, "Set*", "update"},
    {NULL, "Tag*", "update"},
    {NULL, "Untag*", "update"},
    {NULL, "Enable*", "update"},
    {NULL, "Disable*", "update"},
    {NULL, "Start*", "update"},
    {NULL, "Stop*", "update"},
    {NULL, "Associate*", "update"},
    {NULL, "Disassociate*", "update"},
    {NULL, "Attach*", "update"},
    {NULL, "Detach*", "update"},
    {NULL, "Restore*", "update"},
    {NULL, "Rotate*", "update"},
};

const char *stele_cloudtrail_action(const char *service, const char *name, bool read_only) {
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if ((verbs[i].service == NULL || strcmp(verbs[i].service, service) == 0) &&
            matches(verbs[i].name, name)) {
            return verbs[i].action;
        }
    }
    return read_only ? "read" : "other";
}

/* ------------------------------------------------------------------ who */

struct pair {
    const char *from;
    const char *to;
};
static const struct pair actor_types[] = {
    {"IAMUser", "user"},         {"Root", "admin"},
    {"FederatedUser", "user"},   {"SAMLUser", "user"},
    {"WebIdentityUser", "user"}, {"IdentityCenterUser", "user"},
    {"Directory", "user"},       {"AssumedRole", "service_account"},
    {"Role", "service_account"}, {"AWSAccount", "service_account"},
    {"AWSService", "system"},
};

const char *stele_cloudtrail_actor_type(const char *type) {
    for (size_t i = 0; i < COUNT(actor_types); i++) {
        if (strcmp(actor_types[i].from, type) == 0) {
            return actor_types[i].to;
        }
    }
    return "unknown";
}

/* ------------------------------------------------------------------ on what */

/* By an ARN's service and the kind its last part begins with: "iam", "role" of
 * arn:aws:iam::1:role/x. */
static const struct {
    const char *service;
    const char *kind; /* "" is any */
    const char *type;
} arn_types[] = {
    {"s3", "", "storage_object"},
    {"kms", "", "secret"},
    {"secretsmanager", "", "secret"},
    {"ssm", "parameter", "secret"},
    {"iam", "role", "role"},
    {"sts", "assumed-role", "role"},
    {"iam", "instance-profile", "role"},
    {"iam", "user", "principal"},
    {"iam", "group", "principal"},
    {"iam", "policy", "policy"},
    {"iam", "mfa", "credential"},
    {"sagemaker", "model-package", "model"},
    {"sagemaker", "model", "model"},
    {"sagemaker", "endpoint", "endpoint"},
    {"sagemaker", "training-job", "training_job"},
    {"sagemaker", "pipeline", "pipeline"},
    {"sagemaker", "experiment", "experiment"},
    {"sagemaker", "feature-group", "feature_store"},
    {"bedrock", "guardrail", "guardrail"},
    {"bedrock", "agent", "agent"},
    {"bedrock", "knowledge-base", "vector_store"},
    {"bedrock", "prompt", "prompt"},
    {"bedrock", "", "model"},
    {"rds", "", "database"},
    {"dynamodb", "", "database"},
    {"ecr", "", "container_image"},
    {"lambda", "", "workload"},
    {"ec2", "", "workload"},
    {"ecs", "", "workload"},
    {"eks", "", "workload"},
    {"cloudtrail", "", "audit_log"},
    {"logs", "", "audit_log"},
};

const char *stele_cloudtrail_arn_type(const char *arn) {
    const char *part[6] = {arn, "", "", "", "", ""};
    for (size_t i = 1; i < 6; i++) { /* arn:partition:service:region:account:kind... */
        const char *colon = strchr(part[i - 1], ':');
        if (colon == NULL) {
            return "other";
        }
        part[i] = colon + 1;
    }
    size_t service_bytes = (size_t)(part[3] - part[2]) - 1;
    for (size_t i = 0; i < COUNT(arn_types); i++) {
        size_t n = strlen(arn_types[i].kind);
        bool service = strlen(arn_types[i].service) == service_bytes &&
                       strncmp(arn_types[i].service, part[2], service_bytes) == 0;
        char after = '\0';
        bool kind = strncmp(arn_types[i].kind, part[5], n) == 0;
        if (kind && n > 0) {
            after = part[5][n];
            kind = after == '/' || after == ':' || after == '\0';
        }
        if (service && kind) {
            return arn_types[i].type;
        }
    }
    return "other";
}

static const struct stele_cloudtrail_parameter parameters[] = {
    {"bedrock", "modelId", "model", "model"},
    {"bedrock", "guardrailIdentifier", "guardrail", "guardrail"},
    {"bedrock", "agentId", "agent", "agent"},
    {"sagemaker", "endpointName", "endpoint", "endpoint"},
    {"sagemaker", "modelPackageArn", "model-package", "model"},
    {"sagemaker", "modelPackageName", "model-package", "model"},
    {"sagemaker", "modelName", "model", "model"},
    {"sagemaker", "endpointConfigName", "endpoint-config", "endpoint"},
    {"sagemaker", "trainingJobName", "training-job", "training_job"},
    {"s3", "bucketName", "bucket", "storage_object"},
    {"secretsmanager", "secretId", "secret", "secret"},
    {"secretsmanager", "name", "secret", "secret"},
    {"ssm", "name", "parameter", "secret"},
    {"ssm", "instanceId", "instance", "workload"},
    {"ssm", "documentName", "document", "other"},
    {"kms", "keyId", "key", "secret"},
    {"ecr", "repositoryName", "repository", "container_image"},
    {"dynamodb", "tableName", "table", "database"},
    {"lambda", "functionName", "function", "workload"},
    {"iam", "policyArn", "policy", "policy"},
    {"iam", "roleName", "role", "role"},
    {"iam", "userName", "user", "principal"},
    {"iam", "groupName", "group", "principal"},
    {"iam", "instanceProfileName", "instance-profile", "role"},
    {"iam", "policyName", "policy", "policy"},
    {"iam", "accessKeyId", "access-key", "credential"},
    {"sts", "roleArn", "role", "role"},
    {"rolesanywhere", "trustAnchorId", "trust-anchor", "credential"},
    {"rolesanywhere", "profileId", "profile", "role"},
    {"rolesanywhere", "name", "entity", "role"},
    {"cloudtrail", "name", "trail", "audit_log"},
    {"cloudtrail", "trailName", "trail", "audit_log"},
    {"logs", "logGroupName", "log-group", "audit_log"},
    {"ec2", "instanceId", "instance", "workload"},
    {"ec2", "imageId", "image", "workload"},
    {"ec2", "snapshotId", "snapshot", "storage_object"},
    {"ec2", "volumeId", "volume", "storage_object"},
    {"ec2", "groupId", "security-group", "policy"},
    {"ec2", "vpcId", "vpc", "other"},
    {"ec2", "subnetId", "subnet", "other"},
    {"ec2", "routeTableId", "route-table", "other"},
    {"ec2", "internetGatewayId", "internet-gateway", "other"},
    {"ec2", "networkInterfaceId", "network-interface", "other"},
    {"rds", "dBInstanceIdentifier", "db", "database"},
    {"rds", "dBSnapshotIdentifier", "snapshot", "database"},
};

const struct stele_cloudtrail_parameter *stele_cloudtrail_parameter_at(unsigned i) {
    return i < COUNT(parameters) ? &parameters[i] : NULL;
}

/* ------------------------------------------------------------------ how it ended */

bool stele_cloudtrail_is_denied(const char *error_code) {
    static const char *const beginnings[] = {"AccessDenied", "Forbidden", "NotAuthorized",
                                             "Unauthorized", "UnrecognizedClient"};
    static const char ending[] = "UnauthorizedOperation";
    size_t length = strlen(error_code);
    for (size_t i = 0; i < COUNT(beginnings); i++) {
        if (strncmp(error_code, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return length >= sizeof ending - 1 &&
           strcmp(error_code + length - (sizeof ending - 1), ending) == 0;
}
