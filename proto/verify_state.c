/* SPDX-License-Identifier: Apache-2.0 */
/* proto/verify_state.c: two small lists, and a text that reads back to the same lists. */
#include "proto/verify_state.h"

#include <inttypes.h>
#include <string.h>

#include "storage/base64.h"

static const char first_line[] = "stele/verifier-state@v1\n";

struct epoch {
    char origin[STELE_ORIGIN_MAX + 1];
    uint32_t era;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
};
struct stele_verify_state {
    struct stele_checkpoint *head;
    size_t n_heads;
    struct epoch *epoch;
    size_t n_epochs;
};

stele_status stele_verify_state_new(struct stele_verify_state **ret, stele_err *err) {
    *ret = stele_alloc(1, sizeof **ret);
    return *ret != NULL ? STELE_OK : STELE_FAIL(err, NO_MEMORY, "no memory for a verifier's state");
}

void stele_verify_state_free(struct stele_verify_state *state) {
    if (state != NULL) {
        stele_free(state->head);
        stele_free(state->epoch);
        stele_free(state);
    }
}

/* ------------------------------------------------------------------ lists */

static struct stele_checkpoint *head_of(const struct stele_verify_state *state,
                                        const char *origin) {
    for (size_t i = 0; i < state->n_heads; i++) {
        if (strcmp(state->head[i].origin, origin) == 0) {
            return &state->head[i];
        }
    }
    return NULL;
}

static struct epoch *epoch_of(const struct stele_verify_state *state, const char *origin,
                              uint32_t era) {
    for (size_t i = 0; i < state->n_epochs; i++) {
        if (state->epoch[i].era == era && strcmp(state->epoch[i].origin, origin) == 0) {
            return &state->epoch[i];
        }
    }
    return NULL;
}

const struct stele_checkpoint *stele_verify_state_head(const struct stele_verify_state *state,
                                                       const char *origin) {
    return head_of(state, origin);
}

size_t stele_verify_state_n_heads(const struct stele_verify_state *state) {
    return state->n_heads;
}

const struct stele_checkpoint *stele_verify_state_head_at(const struct stele_verify_state *state,
                                                          size_t i) {
    return &state->head[i];
}

stele_status stele_verify_state_check_head(const struct stele_verify_state *state,
                                           const struct stele_checkpoint *head, stele_err *err) {
    const struct stele_checkpoint *known = head_of(state, head->origin);
    if (known == NULL || head->size_leaves > known->size_leaves) {
        return STELE_OK;
    }
    if (head->size_leaves < known->size_leaves) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "log '%.80s': the file is about %" PRIu64 " entries, your state file knows %" PRIu64
            " of them: ask for an answer over a newer checkpoint, or verify without --state",
            head->origin, head->size_leaves, known->size_leaves);
    }
    if (memcmp(head->root, known->root, sizeof known->root) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "log '%.80s': its %" PRIu64
                          " entries have another root than your state file "
                          "knows: two histories are shown; keep both files",
                          head->origin, head->size_leaves);
    }
    return STELE_OK;
}

stele_status stele_verify_state_check_epoch(const struct stele_verify_state *state,
                                            const char *origin, uint32_t era,
                                            const uint8_t tag_key_commit[STELE_AT_LEAST(32)],
                                            stele_err *err) {
    const struct epoch *known = epoch_of(state, origin, era);
    if (known != NULL && memcmp(known->tag_key_commit, tag_key_commit, STELE_HASH_BYTES) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "log '%.80s': era %" PRIu32
                          " has another tag key than your state file knows: two "
                          "histories are shown; keep both files",
                          origin, era);
    }
    return STELE_OK;
}

stele_status stele_verify_state_put_head(struct stele_verify_state *state,
                                         const struct stele_checkpoint *head, stele_err *err) {
    struct stele_checkpoint *known = head_of(state, head->origin);
    if (known == NULL) {
        if (state->n_heads == STELE_VERIFY_STATE_LOGS_MAX) {
            return STELE_FAIL(err, LIMIT, "a state file of more than %d logs; use one a region",
                              STELE_VERIFY_STATE_LOGS_MAX);
        }
        struct stele_checkpoint *grown =
            stele_realloc(state->head, state->n_heads + 1, sizeof *grown);
        if (grown == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for a verifier's state");
        }
        state->head = grown;
        known = &grown[state->n_heads++];
    }
    *known = *head;
    return STELE_OK;
}

stele_status stele_verify_state_put_epoch(struct stele_verify_state *state, const char *origin,
                                          uint32_t era,
                                          const uint8_t tag_key_commit[STELE_AT_LEAST(32)],
                                          stele_err *err) {
    size_t size = strlen(origin);
    if (epoch_of(state, origin, era) != NULL) {
        return STELE_OK; /* written once */
    }
    if (state->n_epochs == STELE_VERIFY_STATE_EPOCHS_MAX || size > STELE_ORIGIN_MAX) {
        return STELE_FAIL(err, LIMIT, "a state file of more than %d eras; use one a region",
                          STELE_VERIFY_STATE_EPOCHS_MAX);
    }
    struct epoch *grown = stele_realloc(state->epoch, state->n_epochs + 1, sizeof *grown);
    if (grown == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a verifier's state");
    }
    state->epoch = grown;
    struct epoch *made = &grown[state->n_epochs++];
    memset(made, 0, sizeof *made);
    memcpy(made->origin, origin, size);
    made->era = era;
    memcpy(made->tag_key_commit, tag_key_commit, STELE_HASH_BYTES);
    return STELE_OK;
}

stele_status stele_verify_state_merge(struct stele_verify_state *state,
                                      const struct stele_verify_state *from, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < from->n_heads; i++) {
        STELE_TRY(stele_verify_state_put_head(state, &from->head[i], err));
    }
    for (size_t i = 0; i < from->n_epochs; i++) {
        const struct epoch *epoch = &from->epoch[i];
        STELE_TRY(stele_verify_state_put_epoch(state, epoch->origin, epoch->era,
                                               epoch->tag_key_commit, err));
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ text */

stele_status stele_verify_state_encode(const struct stele_verify_state *state, stele_buf *out,
                                       stele_err *err) {
    stele_status st = stele_buf_printf(out, err, "%s", first_line);
    for (size_t i = 0; i < state->n_heads && st == STELE_OK; i++) {
        const struct stele_checkpoint *head = &state->head[i];
        st = stele_buf_printf(out, err, "log %s %" PRIu64 " ", head->origin, head->size_leaves);
        st = st == STELE_OK
                 ? stele_base64_encode(stele_view_of(head->root, sizeof head->root), out, err)
                 : st;
        st = st == STELE_OK ? stele_buf_append(out, stele_view_str("\n"), err) : st;
    }
    for (size_t i = 0; i < state->n_epochs && st == STELE_OK; i++) {
        const struct epoch *epoch = &state->epoch[i];
        char hex[2 * STELE_HASH_BYTES + 1];
        stele_hex_encode(stele_view_of(epoch->tag_key_commit, sizeof epoch->tag_key_commit), hex);
        st =
            stele_buf_printf(out, err, "epoch %s %" PRIu32 " %s\n", epoch->origin, epoch->era, hex);
    }
    return st;
}

/* Cuts what is before the first `c` off the front; false if there is none. */
static bool take(stele_view *text, char c, stele_view *ret) {
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, c, text->size);
    if (end == NULL) {
        return false;
    }
    size_t size = (size_t)(end - text->data);
    *ret = stele_view_slice(*text, 0, size);
    *text = stele_view_slice(*text, size + 1, text->size - size - 1);
    return true;
}

static stele_status bad_line(size_t number, stele_err *err) {
    return STELE_FAIL(
        err, INVALID,
        "line %zu of a state file is neither 'log ORIGIN SIZE ROOT' nor 'epoch ORIGIN ERA "
        "HEX'",
        number);
}

static stele_status decode_log(struct stele_verify_state *state, stele_view line, size_t number,
                               stele_err *err) {
    /* The rest of the line is the text of a checkpoint, with other ends. */
    struct stele_checkpoint head;
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_append(&text, line, err));
    STELE_TRY(stele_buf_append(&text, stele_view_str("\n"), err));
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] = text.data[i] == ' ' ? '\n' : text.data[i];
    }
    if (stele_checkpoint_parse(stele_view_buf(&text), &head, NULL) != STELE_OK ||
        head_of(state, head.origin) != NULL) {
        st = bad_line(number, err);
        goto cleanup;
    }
    STELE_TRY(stele_verify_state_put_head(state, &head, err));
cleanup:
    stele_buf_done(&text);
    return st;
}

static stele_status decode_epoch(struct stele_verify_state *state, stele_view line, size_t number,
                                 stele_err *err) {
    stele_view origin = {NULL, 0};
    stele_view era_text = {NULL, 0};
    char name[STELE_ORIGIN_MAX + 1] = {0};
    uint8_t commit[STELE_HASH_BYTES];
    uint64_t era = 0;
    if (!take(&line, ' ', &origin) || !take(&line, ' ', &era_text) ||
        !stele_note_name_valid(origin) || era_text.size == 0 || era_text.size > 10 ||
        stele_hex_decode(line, commit, sizeof commit, NULL) != STELE_OK) {
        return bad_line(number, err);
    }
    for (size_t i = 0; i < era_text.size; i++) {
        if (era_text.data[i] < '0' || era_text.data[i] > '9') {
            return bad_line(number, err);
        }
        era = era * 10 + (uint64_t)(era_text.data[i] - '0');
    }
    memcpy(name, origin.data, origin.size);
    if (era > UINT32_MAX || epoch_of(state, name, (uint32_t)era) != NULL) {
        return bad_line(number, err);
    }
    return stele_verify_state_put_epoch(state, name, (uint32_t)era, commit, err);
}

stele_status stele_verify_state_decode(stele_view text, struct stele_verify_state *ret,
                                       stele_err *err) {
    size_t first = sizeof first_line - 1;
    if (text.size < first || memcmp(text.data, first_line, first) != 0) {
        return STELE_FAIL(err, INVALID, "its first line is not '%.23s': it is no state file",
                          first_line);
    }
    text = stele_view_slice(text, first, text.size - first);
    stele_status st = STELE_OK;
    for (size_t number = 2; text.size > 0 && st == STELE_OK; number++) {
        stele_view line = {NULL, 0};
        stele_view word = {NULL, 0};
        if (!take(&text, '\n', &line) || !take(&line, ' ', &word)) {
            return bad_line(number, err);
        }
        if (stele_view_is(word, "log")) {
            st = decode_log(ret, line, number, err);
        } else if (stele_view_is(word, "epoch")) {
            st = decode_epoch(ret, line, number, err);
        } else {
            return bad_line(number, err);
        }
    }
    return st;
}
