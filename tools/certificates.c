/* SPDX-License-Identifier: Apache-2.0 */
/* tools/certificates.c: X.509 through libcrypto. */
#include "tools/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_SECONDS (2L * 365 * 86400)

struct issuer {
    EVP_PKEY *key;
    X509 *certificate;
};

static stele_status open_file(const char *dir, const char *name, mode_t mode, FILE **ret,
                              stele_err *err) {
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        int failed = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return STELE_FAIL_ERRNO(err, failed, "cannot create '%.120s': %s", path, strerror(failed));
    }
    *ret = file;
    return STELE_OK;
}

/* Flushes, syncs and closes; `written` is what the PEM writer said. */
static stele_status close_file(FILE *file, int written, const char *name, stele_err *err) {
    bool good = written == 1 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int failed = errno;
    good = fclose(file) == 0 && good;
    return good ? STELE_OK
                : STELE_FAIL_ERRNO(err, failed == 0 ? EIO : failed, "cannot write '%s': %s", name,
                                   strerror(failed == 0 ? EIO : failed));
}

static stele_status write_key(const char *dir, const char *name, EVP_PKEY *key, stele_err *err) {
    FILE *file = NULL;
    stele_status st = open_file(dir, name, 0600, &file, err);
    return st != STELE_OK
               ? st
               : close_file(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), name,
                            err);
}

static stele_status write_certificate(const char *dir, const char *name, X509 *certificate,
                                      stele_err *err) {
    FILE *file = NULL;
    stele_status st = open_file(dir, name, 0644, &file, err);
    return st != STELE_OK ? st : close_file(file, PEM_write_X509(file, certificate), name, err);
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_basics(X509 *certificate, const char *common_name, EVP_PKEY *key) {
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof serial) != 1) {
        return false;
    }
    serial[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    bool good = number != NULL &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL &&
                X509_set_version(certificate, X509_VERSION_3) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)common_name, -1, -1, 0) == 1 &&
                X509_set_pubkey(certificate, key) == 1;
    BN_free(number);
    return good;
}

/* Makes a key and a certificate signed by `issuer`, or by itself if issuer->key is NULL. `names` is
 * a subjectAltName, `usage` an extendedKeyUsage; both NULL for a CA. */
static stele_status make(const struct issuer *issuer, const char *common_name, const char *names,
                         const char *usage, struct issuer *ret, stele_err *err) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool is_ca = issuer->key == NULL;
    bool good = key != NULL && certificate != NULL && set_basics(certificate, common_name, key);
    X509 *by = is_ca ? certificate : issuer->certificate;
    good = good && X509_set_issuer_name(certificate, X509_get_subject_name(by)) == 1 &&
           add_extension(certificate, by, NID_basic_constraints,
                         is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           add_extension(certificate, by, NID_key_usage,
                         is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           add_extension(certificate, by, NID_subject_key_identifier, "hash");
    if (!is_ca) {
        good = good && add_extension(certificate, by, NID_ext_key_usage, usage) &&
               add_extension(certificate, by, NID_subject_alt_name, names);
    }
    good = good && X509_sign(certificate, is_ca ? key : issuer->key, EVP_sha256()) > 0;
    if (!good) {
        EVP_PKEY_free(key);
        X509_free(certificate);
        return STELE_FAIL(err, BUG, "libcrypto could not make the certificate '%s'", common_name);
    }
    *ret = (struct issuer){key, certificate};
    return STELE_OK;
}

static void forget(struct issuer *pair) {
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
}

stele_status stele_certificates_make(const char *dir, const char *host, stele_err *err) {
    struct issuer nobody = {NULL, NULL};
    struct issuer ca = {NULL, NULL};
    struct issuer server = {NULL, NULL};
    struct issuer client = {NULL, NULL};
    char names[512];
    stele_status st = STELE_OK;
    bool extra = host != NULL && strcmp(host, "localhost") != 0 && strcmp(host, "127.0.0.1") != 0 &&
                 strcmp(host, "::1") != 0;
    bool is_address = extra && strspn(host, "0123456789.:abcdefABCDEF") == strlen(host);
    (void)snprintf(names, sizeof names, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s",
                   !extra ? "" : (is_address ? ",IP:" : ",DNS:"), extra ? host : "");
    STELE_TRY(make(&nobody, "Stele development CA - not for production", NULL, NULL, &ca, err));
    STELE_TRY(make(&ca, "stele-dev-server", names, "serverAuth", &server, err));
    STELE_TRY(
        make(&ca, STELE_DEV_CLIENT_NAME, "DNS:" STELE_DEV_CLIENT_NAME, "clientAuth", &client, err));
    STELE_TRY(write_certificate(dir, "ca.pem", ca.certificate, err));
    STELE_TRY(write_certificate(dir, "server.pem", server.certificate, err));
    STELE_TRY(write_key(dir, "server.key", server.key, err));
    STELE_TRY(write_certificate(dir, "client.pem", client.certificate, err));
    STELE_TRY(write_key(dir, "client.key", client.key, err));
cleanup:
    forget(&ca);
    forget(&server);
    forget(&client);
    return st;
}
