/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/signer_sodium.c: Ed25519 by libsodium, with the seed in a file that only its owner can
 * read. The secret is only ever in sodium_malloc memory (locked, guarded, wiped when freed); the
 * hex of the file passes through such memory too.
 */
#include "storage/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED_BYTES 32
#define FILE_BYTES (2 * SEED_BYTES + 1) /* hex and a newline */

_Static_assert(crypto_sign_SEEDBYTES == SEED_BYTES, "an Ed25519 seed has 32 bytes");
_Static_assert(crypto_sign_PUBLICKEYBYTES == STELE_ED25519_PUBLIC_BYTES,
               "a public key has 32 bytes");
_Static_assert(crypto_sign_BYTES == STELE_ED25519_SIGNATURE_BYTES, "a signature has 64 bytes");

struct sodium_signer {
    struct stele_signer base; /* first, so that a stele_signer pointer is one of this */
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
};

static struct sodium_signer *signer_of(struct stele_signer *signer) {
    return (struct sodium_signer *)(void *)signer;
}

static stele_status start_sodium(stele_err *err) {
    if (sodium_init() < 0) {
        return STELE_FAIL(err, BUG,
                          "libsodium does not start: it finds no source of random numbers");
    }
    return STELE_OK;
}

static stele_status sodium_sign(struct stele_signer *signer, stele_view message,
                                uint8_t ret[STELE_AT_LEAST(64)], stele_err *err) {
    (void)err;
    /* Deterministic and without state: calls of several threads need no lock. */
    (void)crypto_sign_detached(ret, NULL, message.data, message.size,
                               signer_of(signer)->secret_key);
    return STELE_OK;
}

static void sodium_public_key(const struct stele_signer *signer, uint8_t ret[STELE_AT_LEAST(32)]) {
    memcpy(ret, ((const struct sodium_signer *)(const void *)signer)->public_key,
           STELE_ED25519_PUBLIC_BYTES);
}

static void sodium_signer_free(struct stele_signer *signer) {
    sodium_free(signer_of(signer)); /* wipes first; also where the memory is read-only */
}

static const struct stele_signer_ops sodium_ops = {sodium_sign, sodium_public_key,
                                                   sodium_signer_free};

stele_status stele_signer_sodium_of_seed(const uint8_t seed[STELE_AT_LEAST(32)],
                                         struct stele_signer **ret, stele_err *err) {
    stele_status st = start_sodium(err);
    if (st != STELE_OK) {
        return st;
    }
    struct sodium_signer *signer = sodium_malloc(sizeof *signer);
    if (signer == NULL) {
        return STELE_FAIL(err, NO_MEMORY,
                          "no locked memory for a signing key: raise the limit on it "
                          "(ulimit -l)");
    }
    signer->base.ops = &sodium_ops;
    (void)crypto_sign_seed_keypair(signer->public_key, signer->secret_key, seed);
    (void)sodium_mprotect_readonly(signer);
    *ret = &signer->base;
    return STELE_OK;
}

void stele_signer_free(struct stele_signer *signer) {
    if (signer != NULL) {
        signer->ops->free(signer);
    }
}

stele_status stele_signature_check(const uint8_t public_key[STELE_AT_LEAST(32)], stele_view message,
                                   const uint8_t signature[STELE_AT_LEAST(64)], stele_err *err) {
    stele_status st = start_sodium(err);
    if (st != STELE_OK) {
        return st;
    }
    if (crypto_sign_verify_detached(signature, message.data, message.size, public_key) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "the Ed25519 signature of a message of %zu bytes does not hold",
                          message.size);
    }
    return STELE_OK;
}

/* The folder is synced too: without it a power cut can take the new name away again. */
static stele_status sync_folder_of(const char *path, stele_err *err) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    stele_buf folder = STELE_BUF_EMPTY;
    stele_status st = stele_buf_printf(&folder, err, "%.*s%s", (int)length, path,
                                       slash == NULL ? "." : (length == 0 ? "/" : ""));
    if (st != STELE_OK) {
        return st;
    }
    int fd = open((const char *)folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        st = STELE_FAIL_ERRNO(err, errno, "key file '%s': its folder cannot be synced", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    stele_buf_done(&folder);
    return st;
}

static stele_status write_whole(int fd, const char *path, const char *text, size_t size,
                                stele_err *err) {
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, text + done, size - done);
        if (n < 0 && errno != EINTR) {
            return STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be written", path);
        }
        done += n < 0 ? 0 : (size_t)n;
    }
    if (fsync(fd) != 0) {
        return STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be synced", path);
    }
    return STELE_OK;
}

/* Secrets on their way between file and signer. */
struct secret_text {
    uint8_t seed[SEED_BYTES];
    char hex[FILE_BYTES + 1]; /* one more, for a NUL or to notice a file that is too long */
};

static stele_status secret_text_new(struct secret_text **ret, stele_err *err) {
    stele_status st = start_sodium(err);
    if (st != STELE_OK) {
        return st;
    }
    *ret = sodium_malloc(sizeof **ret);
    if (*ret == NULL) {
        return STELE_FAIL(err, NO_MEMORY,
                          "no locked memory for a signing key: raise the limit on it "
                          "(ulimit -l)");
    }
    sodium_memzero(*ret, sizeof **ret);
    return STELE_OK;
}

stele_status stele_signer_sodium_create(const char *path, struct stele_signer **ret,
                                        stele_err *err) {
    struct secret_text *text = NULL;
    struct stele_signer *signer = NULL;
    int fd = -1;
    bool made = false;
    stele_status st = STELE_OK;
    STELE_TRY(secret_text_new(&text, err));
    randombytes_buf(text->seed, sizeof text->seed);
    (void)sodium_bin2hex(text->hex, sizeof text->hex, text->seed, sizeof text->seed);
    text->hex[FILE_BYTES - 1] = '\n';
    STELE_TRY(stele_signer_sodium_of_seed(text->seed, &signer, err));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        st = errno == EEXIST
                 ? STELE_FAIL(err, EXISTS,
                              "key file '%s' is there already and is not replaced: open it, "
                              "or choose another path",
                              path)
                 : STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be created", path);
        goto cleanup;
    }
    made = true;
    STELE_TRY(write_whole(fd, path, text->hex, FILE_BYTES, err));
    STELE_TRY(sync_folder_of(path, err));
    *ret = signer;
    signer = NULL;
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    if (st != STELE_OK && made) {
        (void)unlink(path); /* a key nobody holds must not look like one */
    }
    stele_signer_free(signer);
    sodium_free(text);
    return st;
}

static stele_status read_key_file(int fd, const char *path, struct secret_text *text,
                                  stele_err *err) {
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be examined", path);
    }
    if (!S_ISREG(about.st_mode)) {
        return STELE_FAIL(err, INVALID, "key file '%s' is not a regular file", path);
    }
    if ((about.st_mode & 077) != 0) {
        return STELE_FAIL(err, DENIED,
                          "key file '%s' has mode %04o: group and others must have no right "
                          "to it; run chmod 600, and replace the key if others may have read it",
                          path, (unsigned)(about.st_mode & 07777));
    }
    size_t size = 0;
    while (size < sizeof text->hex) {
        ssize_t n = read(fd, text->hex + size, sizeof text->hex - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be read", path);
        }
        if (n == 0) {
            break;
        }
        size += (size_t)n;
    }
    size_t seed_bytes = 0;
    if (size != FILE_BYTES || text->hex[FILE_BYTES - 1] != '\n' ||
        sodium_hex2bin(text->seed, SEED_BYTES, text->hex, FILE_BYTES - 1, NULL, &seed_bytes,
                       NULL) != 0 ||
        seed_bytes != SEED_BYTES) {
        return STELE_FAIL(err, INVALID,
                          "key file '%s' is not 64 hex digits and a newline: restore it from "
                          "its backup",
                          path);
    }
    return STELE_OK;
}

stele_status stele_signer_sodium_open(const char *path, struct stele_signer **ret, stele_err *err) {
    struct secret_text *text = NULL;
    int fd = -1;
    stele_status st = STELE_OK;
    STELE_TRY(secret_text_new(&text, err));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a pipe */
    if (fd < 0) {
        st = errno == ENOENT
                 ? STELE_FAIL(err, NOT_FOUND, "key file '%s' is not there", path)
                 : STELE_FAIL_ERRNO(err, errno, "key file '%s': cannot be opened", path);
        goto cleanup;
    }
    STELE_TRY(read_key_file(fd, path, text, err));
    STELE_TRY(stele_signer_sodium_of_seed(text->seed, ret, err));
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    sodium_free(text);
    return st;
}
