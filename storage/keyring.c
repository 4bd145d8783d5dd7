/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/keyring.c: the folder of secret keys: <log>.signing, <log>.<era>.tag, <name>.secret.
 * Invariant: a key is used only after its file and its name are on disk, and a file once there is
 * never replaced. Secrets are in sodium_malloc memory, or pass through it; nothing of them stands
 * in a message.
 */
#include "storage/keyring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/engine_names.h"
#include "storage/file.h"

#define SECRET_BYTES 32
#define FILE_BYTES (2 * SECRET_BYTES + 1) /* hex and a newline */
#define SECRET_NAME_MAX 32
/* sodium_malloc rounds up to pages and adds guard pages: keys share a block. */
#define BLOCK_KEYS 32
/* 1024 logs with the eras of four years in use: past it a caller is wrong, not large. */
#define TAG_KEYS_MAX 49152

struct key_block {
    struct stele_tag_key key[BLOCK_KEYS];
};

/* Where a tag key stands: what is searched holds no secret. */
struct key_place {
    char log[STELE_LOG_NAME_MAX + 1];
    uint32_t era;
};

struct stele_keyring {
    char dir[STELE_FILE_PATH_MAX];
    int lock_fd; /* the folder: flock while a key is made, against another process's same thought */
    pthread_mutex_t mutex;
    size_t n_keys;
    struct key_place *place;
    struct key_block *block[TAG_KEYS_MAX / BLOCK_KEYS];
};

/* A secret between its file and its use. */
struct secret_text {
    uint8_t bytes[SECRET_BYTES];
    char hex[FILE_BYTES + 1]; /* one more, to notice a file that is too long */
};

static stele_status start_sodium(stele_err *err) {
    return sodium_init() < 0
               ? STELE_FAIL(err, BUG,
                            "libsodium does not start: it finds no source of random numbers")
               : STELE_OK;
}

void stele_random(uint8_t *out, size_t size) {
    int started = sodium_init();
    assert(started >= 0); /* no key may be made without it */
    (void)started;
    randombytes_buf(out, size);
}

/* ---- the folder ---- */

static stele_status check_rights(const char *path, const struct stat *info, stele_err *err) {
    if ((info->st_mode & 077) != 0) {
        return STELE_FAIL(
            err, DENIED,
            "'%.120s' has mode %04o: others have rights to it; run chmod %s, and replace the "
            "keys if others may have read them",
            path, (unsigned)(info->st_mode & 07777), S_ISDIR(info->st_mode) ? "700" : "600");
    }
    if (info->st_uid != geteuid()) {
        return STELE_FAIL(
            err, DENIED,
            "'%.120s' is owned by user %u, this process runs as %u: keys must be its own", path,
            (unsigned)info->st_uid, (unsigned)geteuid());
    }
    return STELE_OK;
}

stele_status stele_keyring_open(const char *dir, bool create, struct stele_keyring **ret,
                                stele_err *err) {
    stele_status st = STELE_OK;
    struct stat info;
    struct stele_keyring *ring = stele_alloc(1, sizeof *ring);
    if (ring == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the keyring '%.120s'", dir);
    }
    ring->lock_fd = -1;
    (void)pthread_mutex_init(&ring->mutex, NULL);
    STELE_TRY(start_sodium(err));
    int size = snprintf(ring->dir, sizeof ring->dir, "%s", dir);
    if (size < 0 || (size_t)size >= sizeof ring->dir) {
        st = STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", dir,
                        STELE_FILE_PATH_MAX - 1);
        goto cleanup;
    }
    ring->place = stele_alloc(TAG_KEYS_MAX, sizeof *ring->place);
    if (ring->place == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for the keyring '%.120s'", dir);
        goto cleanup;
    }
    if (create) {
        STELE_TRY(stele_file_make_folder(dir, err));
    }
    ring->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ring->lock_fd < 0 || fstat(ring->lock_fd, &info) != 0) {
        int os_errno = errno;
        st = os_errno == ENOENT
                 ? STELE_FAIL(err, NOT_FOUND,
                              "there is no keyring '%.120s': restore it from backup", dir)
                 : STELE_FAIL_ERRNO(err, os_errno,
                                    "cannot open the keyring '%.120s': %s; check its "
                                    "owner and rights",
                                    dir, strerror(os_errno));
        goto cleanup;
    }
    STELE_TRY(check_rights(dir, &info, err));
    /* A process may have stopped between naming a key and this: what is found is used, so it must
     * stay. */
    STELE_TRY(stele_file_sync_folder(dir, err));
    *ret = ring;
    ring = NULL;
cleanup:
    stele_keyring_close(ring);
    return st;
}

void stele_keyring_close(struct stele_keyring *ring) {
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof ring->block / sizeof ring->block[0]; i++) {
        sodium_free(ring->block[i]); /* wipes first; NULL is fine */
    }
    if (ring->lock_fd >= 0) {
        (void)close(ring->lock_fd);
    }
    stele_free(ring->place);
    (void)pthread_mutex_destroy(&ring->mutex);
    stele_free(ring);
}

/* While it is held, temporary names in the folder are ours. */
static stele_status lock_folder(struct stele_keyring *ring, stele_err *err) {
    while (flock(ring->lock_fd, LOCK_EX) != 0) {
        int os_errno = errno;
        if (os_errno != EINTR) {
            return STELE_FAIL_ERRNO(
                err, os_errno,
                "cannot lock the keyring '%.100s': %s; the filesystem must support "
                "flock",
                ring->dir, strerror(os_errno));
        }
    }
    return STELE_OK;
}

static void unlock_folder(struct stele_keyring *ring) {
    (void)flock(ring->lock_fd, LOCK_UN);
}

/* ---- secrets and files ---- */

static stele_status secret_text_new(struct secret_text **ret, stele_err *err) {
    *ret = sodium_malloc(sizeof **ret);
    if (*ret == NULL) {
        return STELE_FAIL(err, NO_MEMORY,
                          "no locked memory for a key: raise the limit on it (ulimit -l)");
    }
    sodium_memzero(*ret, sizeof **ret);
    return STELE_OK;
}

static stele_status read_hex(int fd, const char *path, struct secret_text *text, stele_err *err) {
    struct stat info;
    size_t size = 0;
    size_t decoded = 0;
    if (fstat(fd, &info) != 0) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(err, os_errno, "cannot stat the key file '%.120s': %s", path,
                                strerror(os_errno));
    }
    stele_status st = check_rights(path, &info, err);
    if (st != STELE_OK) {
        return st;
    }
    while (S_ISREG(info.st_mode) && size < sizeof text->hex) {
        ssize_t n = read(fd, text->hex + size, sizeof text->hex - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int os_errno = errno;
            return STELE_FAIL_ERRNO(err, os_errno,
                                    "cannot read the key file '%.120s': %s; check the disk", path,
                                    strerror(os_errno));
        }
        if (n == 0) {
            break;
        }
        size += (size_t)n;
    }
    if (size != FILE_BYTES || text->hex[FILE_BYTES - 1] != '\n' ||
        sodium_hex2bin(text->bytes, SECRET_BYTES, text->hex, FILE_BYTES - 1, NULL, &decoded,
                       NULL) != 0 ||
        decoded != SECRET_BYTES) {
        return STELE_FAIL(
            err, CORRUPT,
            "the key file '%.120s' is not 64 hex digits and a newline: restore it from backup",
            path);
    }
    return STELE_OK;
}

static stele_status read_secret(const char *path, struct secret_text *text, stele_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* not to hang on a pipe */
    if (fd < 0) {
        int os_errno = errno;
        return os_errno == ENOENT
                   ? STELE_FAIL(err, NOT_FOUND, "there is no key file '%.140s'", path)
                   : STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot open the key file '%.120s': %s; check its "
                                      "owner and rights",
                                      path, strerror(os_errno));
    }
    stele_status st = read_hex(fd, path, text, err);
    (void)close(fd);
    return st;
}

/* Reads <dir>/<name>; with `create` makes it first where it is absent. */
static stele_status load_secret(struct stele_keyring *ring, const char *name, bool create,
                                struct secret_text *text, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(ring->dir, name, path, err);
    if (st == STELE_OK) {
        st = read_secret(path, text, err);
    }
    if (st != STELE_NOT_FOUND || !create) {
        return st;
    }
    st = lock_folder(ring, err);
    if (st != STELE_OK) {
        return st;
    }
    randombytes_buf(text->bytes, sizeof text->bytes);
    (void)sodium_bin2hex(text->hex, sizeof text->hex, text->bytes, sizeof text->bytes);
    text->hex[FILE_BYTES - 1] = '\n';
    st = stele_file_create(path, stele_view_of(text->hex, FILE_BYTES), err);
    if (st == STELE_EXISTS) {
        /* Another process was first, and has synced it: it held the folder's lock. */
        st = read_secret(path, text, err);
    }
    unlock_folder(ring);
    return st;
}

stele_status stele_keyring_secret(struct stele_keyring *ring, const char *name,
                                  uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct secret_text *text = NULL;
    char file[SECRET_NAME_MAX + 8];
    stele_status st = stele_name_check(name, SECRET_NAME_MAX, "secret", err);
    if (st == STELE_OK) {
        st = secret_text_new(&text, err);
    }
    if (st == STELE_OK) {
        (void)snprintf(file, sizeof file, "%.*s.secret", SECRET_NAME_MAX, name);
        (void)pthread_mutex_lock(&ring->mutex);
        st = load_secret(ring, file, true, text, err);
        (void)pthread_mutex_unlock(&ring->mutex);
    }
    if (st == STELE_OK) {
        memcpy(ret, text->bytes, SECRET_BYTES);
    }
    sodium_free(text);
    return st;
}

/* ---- signing keys ---- */

/* Under another name first: a file cut short by a power cut must not look like the log's key. */
static stele_status create_signer(struct stele_keyring *ring, const char *path,
                                  struct stele_signer **ret, stele_err *err) {
    char temporary[STELE_FILE_PATH_MAX];
    struct stele_signer *signer = NULL;
    int size = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (size < 0 || (size_t)size >= sizeof temporary) {
        return STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", path,
                          STELE_FILE_PATH_MAX - 5);
    }
    stele_status st = lock_folder(ring, err);
    if (st != STELE_OK) {
        return st;
    }
    (void)unlink(temporary);
    STELE_TRY(stele_signer_sodium_create(temporary, &signer, err));
    st = stele_file_name(AT_FDCWD, temporary, path, err);
    if (st != STELE_OK) {
        (void)unlink(temporary);
    }
    if (st == STELE_EXISTS) {
        /* Another process was first, and has synced it: it held the folder's lock. */
        st = stele_signer_sodium_open(path, ret, err);
        goto cleanup;
    }
    STELE_TRY(st);
    st = stele_file_sync_folder(ring->dir, err);
    if (st != STELE_OK) {
        (void)unlink(
            path); /* or the next call takes it for durable; nothing was signed with it yet */
        goto cleanup;
    }
    *ret = signer;
    signer = NULL;
cleanup:
    stele_signer_free(signer);
    unlock_folder(ring);
    return st;
}

stele_status stele_keyring_signer(struct stele_keyring *ring, const char *log, bool create,
                                  struct stele_signer **ret, stele_err *err) {
    char file[STELE_LOG_NAME_MAX + 16];
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    if (st == STELE_OK) {
        (void)snprintf(file, sizeof file, "%.*s.signing", STELE_LOG_NAME_MAX, log);
        st = stele_file_path(ring->dir, file, path, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&ring->mutex);
    st = stele_signer_sodium_open(path, ret, err);
    if (st == STELE_NOT_FOUND && create) {
        st = create_signer(ring, path, ret, err);
    }
    (void)pthread_mutex_unlock(&ring->mutex);
    return st;
}

/* ---- tag keys ---- */

/* Under the mutex. */
static const struct stele_tag_key *find_key(const struct stele_keyring *ring, const char *log,
                                            uint32_t era) {
    for (size_t i = ring->n_keys; i > 0; i--) { /* the newest are asked for most */
        if (ring->place[i - 1].era == era && strcmp(ring->place[i - 1].log, log) == 0) {
            return &ring->block[(i - 1) / BLOCK_KEYS]->key[(i - 1) % BLOCK_KEYS];
        }
    }
    return NULL;
}

/* Under the mutex: a place for one more key, never moved, as keys are borrowed. */
static stele_status next_key(struct stele_keyring *ring, struct stele_tag_key **ret,
                             stele_err *err) {
    size_t i = ring->n_keys;
    if (i == TAG_KEYS_MAX) {
        return STELE_FAIL(err, LIMIT, "the keyring '%.100s' has %d tag keys open: reopen it",
                          ring->dir, TAG_KEYS_MAX);
    }
    struct key_block **block = &ring->block[i / BLOCK_KEYS];
    if (*block == NULL && (*block = sodium_malloc(sizeof **block)) == NULL) {
        return STELE_FAIL(err, NO_MEMORY,
                          "no locked memory for tag keys: raise the limit on it (ulimit -l)");
    }
    *ret = &(*block)->key[i % BLOCK_KEYS];
    return STELE_OK;
}

#define TAG_FILE_BYTES (STELE_LOG_NAME_MAX + 24)
static void tag_file(const char *log, uint32_t era, char out[STELE_AT_LEAST(TAG_FILE_BYTES)]) {
    (void)snprintf(out, TAG_FILE_BYTES, "%.*s.%u.tag", STELE_LOG_NAME_MAX, log, (unsigned)era);
}

static stele_status load_tag_key(struct stele_keyring *ring, const char *log, uint32_t era,
                                 bool create, const struct stele_tag_key **ret, stele_err *err) {
    char file[TAG_FILE_BYTES];
    struct secret_text *text = NULL;
    struct stele_tag_key *key = NULL;
    stele_status st = STELE_OK;
    tag_file(log, era, file);
    STELE_TRY(next_key(ring, &key, err));
    STELE_TRY(secret_text_new(&text, err));
    STELE_TRY(load_secret(ring, file, create, text, err));
    stele_tag_key_init(key, text->bytes);
    ring->place[ring->n_keys].era = era;
    (void)snprintf(ring->place[ring->n_keys].log, sizeof ring->place[0].log, "%s", log);
    ring->n_keys++;
    *ret = key;
cleanup:
    sodium_free(text);
    return st;
}

stele_status stele_keyring_tag_key(struct stele_keyring *ring, const char *log, uint32_t era,
                                   bool create, const struct stele_tag_key **ret, stele_err *err) {
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&ring->mutex);
    const struct stele_tag_key *found = find_key(ring, log, era);
    if (found != NULL) {
        *ret = found;
    } else {
        st = load_tag_key(ring, log, era, create, ret, err);
    }
    (void)pthread_mutex_unlock(&ring->mutex);
    return st;
}

stele_status stele_keyring_disclose(struct stele_keyring *ring, const char *log, uint32_t era,
                                    uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    char file[TAG_FILE_BYTES];
    struct secret_text *text = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_name_check(log, STELE_LOG_NAME_MAX, "log", err));
    STELE_TRY(secret_text_new(&text, err));
    tag_file(log, era, file);
    (void)pthread_mutex_lock(&ring->mutex);
    st = load_secret(ring, file, false, text, err);
    (void)pthread_mutex_unlock(&ring->mutex);
    if (st == STELE_OK) {
        memcpy(ret, text->bytes, SECRET_BYTES);
    }
cleanup:
    sodium_free(text);
    return st;
}
