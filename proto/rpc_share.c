/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_share.c: a hash table of clients that hold something, by a digest of their names. */
#include "proto/rpc_share.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/hash.h"

/* As many as calls that may be open: there are no more clients that hold something for long. */
#define CHAINS 4096u

struct stele_rpc_share {
    struct stele_rpc_share *next;
    uint64_t held; /* over 0 */
    uint8_t client[STELE_HASH_BYTES];
};

struct stele_rpc_shares {
    uint64_t each_max;
    pthread_mutex_t lock;
    struct stele_rpc_share *chain[CHAINS]; /* locked */
};

stele_status stele_rpc_shares_new(uint64_t each_max, struct stele_rpc_shares **ret,
                                  stele_err *err) {
    assert(each_max > 0);
    struct stele_rpc_shares *shares = stele_alloc(1, sizeof *shares);
    if (shares == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to count what clients hold");
    }
    (void)pthread_mutex_init(&shares->lock, NULL);
    shares->each_max = each_max;
    *ret = shares;
    return STELE_OK;
}

void stele_rpc_shares_free(struct stele_rpc_shares *shares) {
    if (shares == NULL) {
        return;
    }
    for (size_t i = 0; i < CHAINS; i++) {
        assert(shares->chain[i] == NULL);
    }
    (void)pthread_mutex_destroy(&shares->lock);
    stele_free(shares);
}

/* Each name with its size in front, so that two lists of names never give the same bytes. */
static void add_name(struct stele_sha256 *hash, const char *name) {
    uint8_t size[4];
    stele_view text = stele_view_str(name);
    stele_put_u32(size, (uint32_t)text.size);
    stele_sha256_update(hash, stele_view_of(size, sizeof size));
    stele_sha256_update(hash, text);
}

static void digest_of(const struct stele_rpc_peer *peer, uint8_t ret[STELE_AT_LEAST(32)]) {
    struct stele_sha256 hash;
    stele_sha256_init(&hash);
    if (peer->authenticated) {
        add_name(&hash, peer->common_name == NULL ? "" : peer->common_name);
        for (size_t i = 0; i < peer->n_sans; i++) {
            add_name(&hash, peer->san[i]);
        }
    }
    stele_sha256_final(&hash, ret);
}

/* Locked. The client's share, or where a new one goes. */
static struct stele_rpc_share **find(struct stele_rpc_shares *shares,
                                     const uint8_t client[STELE_AT_LEAST(32)]) {
    struct stele_rpc_share **at = &shares->chain[stele_get_u32(client) % CHAINS];
    while (*at != NULL && memcmp((*at)->client, client, STELE_HASH_BYTES) != 0) {
        at = &(*at)->next;
    }
    return at;
}

/* Nothing counts as one, so that a share that is held is over 0: a message may be empty. */
static uint64_t counted(uint64_t amount) {
    return amount == 0 ? 1 : amount;
}

struct stele_rpc_share *stele_rpc_share_take(struct stele_rpc_shares *shares,
                                             const struct stele_rpc_peer *peer, uint64_t amount) {
    uint8_t client[STELE_HASH_BYTES];
    struct stele_rpc_share *taken = NULL;
    amount = counted(amount);
    digest_of(peer, client);
    (void)pthread_mutex_lock(&shares->lock);
    struct stele_rpc_share **at = find(shares, client);
    if (*at == NULL && amount <= shares->each_max && (*at = stele_alloc(1, sizeof **at)) != NULL) {
        memcpy((*at)->client, client, sizeof client);
    }
    struct stele_rpc_share *share = *at;
    if (share != NULL && amount <= shares->each_max - share->held) {
        share->held += amount;
        taken = share;
    }
    (void)pthread_mutex_unlock(&shares->lock);
    return taken;
}

void stele_rpc_share_give(struct stele_rpc_shares *shares, struct stele_rpc_share *share,
                          uint64_t amount) {
    if (share == NULL) {
        return;
    }
    amount = counted(amount);
    (void)pthread_mutex_lock(&shares->lock);
    assert(share->held >= amount);
    share->held -= amount;
    if (share->held == 0) {
        struct stele_rpc_share **at = find(shares, share->client);
        assert(*at == share);
        *at = share->next;
        stele_free(share);
    }
    (void)pthread_mutex_unlock(&shares->lock);
}
