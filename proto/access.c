/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/access.c: grants as a list that is searched. A server has tens of them, and ingest asks
 * once a batch for each pair of region and tenant in it, so that nothing faster is needed.
 */
#include "proto/access.h"

#include <assert.h>
#include <string.h>

#define VERBS_ALL                                                                                  \
    ((unsigned)STELE_MAY_APPEND | (unsigned)STELE_MAY_QUERY | (unsigned)STELE_MAY_READ_LOG)
#define GRANTS_MAX 4096 /* one a certificate; more would want a table instead of a search */
#define NAMES_MAX 4096  /* regions or tenants of one grant: as many as a log lists tenants */
#define PEER_MAX 512    /* a SPIFFE id is at most 2,048 bytes; ours are host and service names */

struct grant {
    char *peer;
    char **regions;
    size_t n_regions;
    char **tenants;
    size_t n_tenants;
    unsigned verbs;
};

struct stele_access {
    size_t n_grants;
    struct grant *grants;
};

static const char *verb_word(stele_verb verb) {
    switch (verb) {
    case STELE_MAY_APPEND:
        return "append to";
    case STELE_MAY_QUERY:
        return "query";
    case STELE_MAY_READ_LOG:
        return "read checkpoints and proofs of";
    }
    return "use";
}

/* ------------------------------------------------------------------ building */

static void names_free(char **names, size_t n) {
    for (size_t i = 0; names != NULL && i < n; i++) {
        stele_free(names[i]);
    }
    stele_free(names);
}

void stele_access_free(struct stele_access *access) {
    if (access == NULL) {
        return;
    }
    for (size_t i = 0; access->grants != NULL && i < access->n_grants; i++) {
        struct grant *g = &access->grants[i];
        stele_free(g->peer);
        names_free(g->regions, g->n_regions);
        names_free(g->tenants, g->n_tenants);
    }
    stele_free(access->grants);
    stele_free(access);
}

static stele_status names_copy(const char *const *names, size_t n, const char *what,
                               const char *peer, char ***ret, size_t *ret_n, stele_err *err) {
    if (n > NAMES_MAX) {
        return STELE_FAIL(err, INVALID,
                          "grant of peer '%s': %zu %s, at most %d; write \"*\" for every one", peer,
                          n, what, NAMES_MAX);
    }
    *ret = stele_alloc(n == 0 ? 1 : n, sizeof **ret);
    if (*ret == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the grant of peer '%s'", peer);
    }
    *ret_n = n;
    for (size_t i = 0; i < n; i++) {
        if (names[i] == NULL || names[i][0] == '\0') {
            return STELE_FAIL(err, INVALID,
                              "grant of peer '%s': %s[%zu] is empty; name one or write \"*\"", peer,
                              what, i);
        }
        (*ret)[i] = stele_strdup(names[i]);
        if ((*ret)[i] == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for the grant of peer '%s'", peer);
        }
    }
    return STELE_OK;
}

static bool peer_is_well_formed(const char *peer) {
    if (peer == NULL || strlen(peer) > PEER_MAX) {
        return false;
    }
    if (strcmp(peer, STELE_PEER_ANONYMOUS) == 0) {
        return true;
    }
    return (strncmp(peer, "cn:", 3) == 0 && peer[3] != '\0') ||
           (strncmp(peer, "san:", 4) == 0 && peer[4] != '\0');
}

static stele_status grant_copy(const struct stele_grant *from, size_t i, struct grant *to,
                               stele_err *err) {
    stele_status st = STELE_OK;
    if (!peer_is_well_formed(from->peer)) {
        return STELE_FAIL(
            err, INVALID,
            "grant %zu: peer '%.100s': write \"cn:\" and a certificate's common name, or "
            "\"san:\" and one of its URI or DNS names",
            i, from->peer == NULL ? "" : from->peer);
    }
    if (from->verbs == 0 || (from->verbs & ~VERBS_ALL) != 0) {
        return STELE_FAIL(err, INVALID,
                          "grant of peer '%s': verbs 0x%x: none, or one this version lacks",
                          from->peer, from->verbs);
    }
    to->verbs = from->verbs;
    to->peer = stele_strdup(from->peer);
    if (to->peer == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the grant of peer '%s'", from->peer);
    }
    STELE_TRY(names_copy(from->regions, from->n_regions, "regions", from->peer, &to->regions,
                         &to->n_regions, err));
    STELE_TRY(names_copy(from->tenants, from->n_tenants, "tenants", from->peer, &to->tenants,
                         &to->n_tenants, err));
cleanup:
    return st;
}

stele_status stele_access_new(const struct stele_grant *grants, size_t n_grants,
                              struct stele_access **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_access *access = NULL;
    if (n_grants > GRANTS_MAX) {
        return STELE_FAIL(err, INVALID, "%zu grants, at most %d", n_grants, GRANTS_MAX);
    }
    access = stele_alloc(1, sizeof *access);
    if (access == NULL ||
        (access->grants = stele_alloc(n_grants + 1, sizeof *access->grants)) == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for %zu grants", n_grants);
        goto cleanup;
    }
    access->n_grants = n_grants;
    for (size_t i = 0; i < n_grants; i++) {
        STELE_TRY(grant_copy(&grants[i], i, &access->grants[i], err));
    }
    *ret = access;
    access = NULL;
cleanup:
    stele_access_free(access);
    return st;
}

/* ------------------------------------------------------------------ asking */

static bool is_peer(const char *name, const struct stele_rpc_peer *peer) {
    if (strcmp(name, STELE_PEER_ANONYMOUS) == 0) {
        return !peer->authenticated;
    }
    if (!peer->authenticated) {
        return false;
    }
    if (strncmp(name, "cn:", 3) == 0) {
        return peer->common_name != NULL && strcmp(name + 3, peer->common_name) == 0;
    }
    for (size_t i = 0; i < peer->n_sans; i++) {
        if (strcmp(name + 4, peer->san[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool names_hold(char *const *names, size_t n, stele_view name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "*") == 0 || (name.size > 0 && stele_view_is(name, names[i]))) {
            return true;
        }
    }
    return false;
}

void stele_access_peer_name(const struct stele_rpc_peer *peer, char *out, size_t out_bytes) {
    assert(out_bytes > 0);
    const char *kind = "";
    const char *name = STELE_PEER_ANONYMOUS;
    if (peer->authenticated && peer->common_name != NULL && peer->common_name[0] != '\0') {
        kind = "cn:";
        name = peer->common_name;
    } else if (peer->authenticated && peer->n_sans > 0) {
        kind = "san:";
        name = peer->san[0];
    } else if (peer->authenticated) {
        name = "unnamed"; /* a certificate without a common name and names */
    }
    size_t n = 0;
    for (const char *p = kind; *p != '\0' && n + 1 < out_bytes; p++) {
        out[n++] = *p;
    }
    for (const char *p = name; *p != '\0' && n + 1 < out_bytes; p++) {
        out[n++] = *p >= 0x20 && *p < 0x7f ? *p : '?';
    }
    out[n] = '\0';
}

stele_status stele_access_check(const struct stele_access *access,
                                const struct stele_rpc_peer *peer, stele_verb verb,
                                const char *region, stele_view tenant, stele_err *err) {
    bool named = false;
    bool may = false;
    bool may_here = false;
    for (size_t i = 0; i < access->n_grants; i++) {
        const struct grant *g = &access->grants[i];
        if (!is_peer(g->peer, peer)) {
            continue;
        }
        named = true;
        if ((g->verbs & (unsigned)verb) == 0) {
            continue;
        }
        may = true;
        if (!names_hold(g->regions, g->n_regions, stele_view_str(region))) {
            continue;
        }
        may_here = true;
        if (names_hold(g->tenants, g->n_tenants, tenant)) {
            return STELE_OK;
        }
    }
    char name[STELE_PEER_NAME_BYTES];
    stele_access_peer_name(peer, name, sizeof name);
    const char *word = verb_word(verb);
    if (!named) {
        return STELE_FAIL(err, DENIED,
                          "%s: no grant names this certificate; ask the operator for one", name);
    }
    if (!may) {
        return STELE_FAIL(err, DENIED, "%s: may not %s anything; ask the operator for a grant",
                          name, word);
    }
    if (!may_here) {
        return STELE_FAIL(err, DENIED,
                          "%s: may not %s region '%.32s'; ask the operator for a grant", name, word,
                          region);
    }
    if (tenant.size == 0) {
        return STELE_FAIL(err, DENIED,
                          "%s: may not %s every tenant of region '%.32s'; name one it is granted",
                          name, word, region);
    }
    return STELE_FAIL(err, DENIED, "%s: may not %s tenant '%.*s' of region '%.32s'", name, word,
                      (int)(tenant.size < 64 ? tenant.size : 64), (const char *)tenant.data,
                      region);
}
