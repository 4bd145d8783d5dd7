/* SPDX-License-Identifier: Apache-2.0 */
/* storage/control.c: control bodies and their state changes. */
#include "storage/control.h"

#include <stdio.h>
#include <string.h>

#define EPOCH_BODY_BYTES 72

stele_status stele_control_genesis_body(const char *origin, const char *region, uint8_t years,
                                        const uint8_t policy[STELE_AT_LEAST(32)], stele_buf *out,
                                        stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_lp(&w, stele_view_str(origin));
    stele_write_lp(&w, stele_view_str(region));
    stele_write_u8(&w, years);
    stele_write_view(&w, stele_view_of(policy, STELE_HASH_BYTES));
    return stele_writer_end(&w, err);
}

stele_status stele_control_epoch_body(uint32_t era, const struct stele_tag_key *key,
                                      const struct stele_event_map *map, stele_buf *out,
                                      stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_u32(&w, era);
    stele_write_u16(&w, STELE_TAG_ALG);
    stele_write_u16(&w, map->version);
    stele_write_view(&w, stele_view_of(key->commit, STELE_HASH_BYTES));
    stele_write_view(&w, stele_view_of(map->digest, STELE_HASH_BYTES));
    return stele_writer_end(&w, err);
}

stele_status stele_control_tenants_body(const stele_view *tenants, size_t n, stele_buf *out,
                                        stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_u16(&w, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        stele_write_lp(&w, tenants[i]);
    }
    return stele_writer_end(&w, err);
}

stele_status stele_control_logs_body(const char *name, const char *origin, uint8_t years,
                                     const uint8_t genesis_leaf[STELE_AT_LEAST(32)], stele_buf *out,
                                     stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_lp(&w, stele_view_str(name));
    stele_write_lp(&w, stele_view_str(origin));
    stele_write_u8(&w, years);
    stele_write_view(&w, stele_view_of(genesis_leaf, STELE_HASH_BYTES));
    return stele_writer_end(&w, err);
}

static stele_view epoch_key(uint32_t era, char key[32]) {
    (void)snprintf(key, 32, "epoch/%u", era);
    return stele_view_str(key);
}

stele_status stele_control_epoch_of(const struct stele_state *state, uint32_t era,
                                    struct stele_epoch *ret, stele_err *err) {
    char key[32];
    stele_view value;
    stele_status st = STELE_OK;
    struct stele_epoch epoch = {0};
    if (!stele_state_get(state, epoch_key(era, key), &value)) {
        return STELE_FAIL(err, NOT_FOUND, "the log's state has no epoch/%u", era);
    }
    struct stele_reader r = stele_reader_of(value, "epoch");
    STELE_TRY(stele_read_u32(&r, &epoch.era, err));
    STELE_TRY(stele_read_u16(&r, &epoch.tag_alg, err));
    STELE_TRY(stele_read_u16(&r, &epoch.map_version, err));
    STELE_TRY(stele_read_bytes(&r, epoch.tag_key_commit, STELE_HASH_BYTES, err));
    STELE_TRY(stele_read_bytes(&r, epoch.map_digest, STELE_HASH_BYTES, err));
    STELE_TRY(stele_read_u64(&r, &epoch.seq, err));
    STELE_TRY(stele_reader_end(&r, err));
    *ret = epoch;
cleanup:
    return stele_corrupt(st, err);
}

stele_status stele_control_genesis_of(stele_view body, struct stele_genesis *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_genesis genesis = {0};
    stele_view policy;
    struct stele_reader r = stele_reader_of(body, "genesis body");
    STELE_TRY(stele_read_lp(&r, &genesis.origin, err));
    STELE_TRY(stele_read_lp(&r, &genesis.region, err));
    STELE_TRY(stele_read_u8(&r, &genesis.years, err));
    STELE_TRY(stele_read_view(&r, STELE_HASH_BYTES, &policy, err));
    STELE_TRY(stele_reader_end(&r, err));
    if (genesis.years < 1 || genesis.years > 7) {
        return STELE_FAIL(err, INVALID, "genesis body: retention of %u years", genesis.years);
    }
    *ret = genesis;
cleanup:
    return st;
}

static bool tenant_key(stele_view tenant, char key[STELE_TENANT_MAX + 8], stele_view *ret) {
    if (tenant.size == 0 || tenant.size > STELE_TENANT_MAX) {
        return false;
    }
    memcpy(key, "tenant/", 7);
    memcpy(key + 7, tenant.data, tenant.size);
    *ret = stele_view_of(key, 7 + tenant.size);
    return true;
}

bool stele_control_has_tenant(const struct stele_state *state, stele_view tenant) {
    char text[STELE_TENANT_MAX + 8];
    stele_view key;
    stele_view value;
    return tenant_key(tenant, text, &key) && stele_state_get(state, key, &value);
}

static stele_status apply_epoch(stele_view body, uint64_t seq, struct stele_state *state,
                                stele_err *err) {
    uint8_t value[EPOCH_BODY_BYTES + 8];
    char key[32];
    if (body.size != EPOCH_BODY_BYTES) {
        return STELE_FAIL(err, INVALID, "an EPOCH body of %zu bytes, %d needed", body.size,
                          EPOCH_BODY_BYTES);
    }
    memcpy(value, body.data, EPOCH_BODY_BYTES);
    stele_put_u64(value + EPOCH_BODY_BYTES, seq);
    return stele_state_put(state, epoch_key(stele_get_u32(body.data), key),
                           stele_view_of(value, sizeof value), err);
}

static stele_status apply_tenants(stele_view body, uint64_t seq, struct stele_state *state,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    uint16_t n = 0;
    uint8_t value[9];
    stele_put_u64(value, seq);
    value[8] = 1;
    struct stele_reader r = stele_reader_of(body, "tenants body");
    STELE_TRY(stele_read_u16(&r, &n, err));
    for (uint16_t i = 0; i < n; i++) {
        char text[STELE_TENANT_MAX + 8];
        stele_view tenant;
        stele_view key;
        STELE_TRY(stele_read_lp(&r, &tenant, err));
        if (!tenant_key(tenant, text, &key)) {
            return STELE_FAIL(err, INVALID, "tenants body: a name of %zu bytes", tenant.size);
        }
        STELE_TRY(stele_state_put(state, key, stele_view_of(value, sizeof value), err));
    }
    STELE_TRY(stele_reader_end(&r, err));
cleanup:
    return st;
}

static stele_status apply_logs(stele_view body, struct stele_state *state, stele_err *err) {
    stele_status st = STELE_OK;
    stele_view name;
    stele_view rest;
    char key[STELE_STATE_KEY_MAX];
    struct stele_reader r = stele_reader_of(body, "logs body");
    STELE_TRY(stele_read_lp(&r, &name, err));
    STELE_TRY(stele_read_view(&r, stele_reader_left(&r), &rest, err));
    if (name.size == 0 || name.size > 64) {
        return STELE_FAIL(err, INVALID, "logs body: a name of %zu bytes", name.size);
    }
    memcpy(key, "logs/", 5);
    memcpy(key + 5, name.data, name.size);
    STELE_TRY(stele_state_put(state, stele_view_of(key, 5 + name.size), rest, err));
cleanup:
    return st;
}

stele_status stele_control_apply(stele_control_kind kind, stele_view body, uint64_t seq,
                                 struct stele_state *state, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_genesis genesis;
    switch (kind) {
    case STELE_CONTROL_GENESIS:
        STELE_TRY(stele_control_genesis_of(body, &genesis, err));
        return stele_state_put(state, stele_view_str("class"), stele_view_of(&genesis.years, 1),
                               err);
    case STELE_CONTROL_EPOCH:
        return apply_epoch(body, seq, state, err);
    case STELE_CONTROL_TENANTS:
        return apply_tenants(body, seq, state, err);
    case STELE_CONTROL_LOGS:
        return apply_logs(body, state, err);
    case STELE_CONTROL_DISPOSAL:
    case STELE_CONTROL_HOLD:
    case STELE_CONTROL_KEY_ROTATION:
    case STELE_CONTROL_CONFIGURATION:
    case STELE_CONTROL_ERASURE:
        break;
    }
    return STELE_FAIL(err, UNSUPPORTED,
                      "a control entry of kind %d: this version cannot read it; use a newer stele",
                      (int)kind);
cleanup:
    return st;
}
