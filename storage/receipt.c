/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/receipt.c: receipts as text, and what one proves. A receipt has one text: numbers, base64
 * and line ends have one form each, and any other is refused.
 */
#include "storage/receipt.h"

#include <inttypes.h>
#include <string.h>

#include "storage/base64.h"
#include "storage/cursor.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"
#define EXTRA_VERSION 1
#define EXTRA_TAGS 0x01
#define EXTRA_PAYLOAD 0x02
#define INDEX_DIGITS_MAX 20 /* 2^64 - 1 */

/* ------------------------------------------------------------------ what both directions require
 */

static bool is_event(const struct stele_receipt *receipt) {
    return receipt->entry.size == STELE_ENTRY_EVENT_BYTES;
}

static stele_status check_shape(const struct stele_receipt *receipt, stele_err *err) {
    if (receipt->entry.size != STELE_ENTRY_EVENT_BYTES &&
        receipt->entry.size != STELE_ENTRY_INDEX_BYTES &&
        receipt->entry.size != STELE_ENTRY_CONTROL_BYTES) {
        return STELE_FAIL(err, INVALID,
                          "receipt: an entry of %zu bytes; entries have 72, 96 or 112",
                          receipt->entry.size);
    }
    if (!is_event(receipt) && (receipt->tags.size > 0 || receipt->has_payload)) {
        return STELE_FAIL(err, INVALID,
                          "receipt: tags or a payload with an entry that is no event");
    }
    if (receipt->tags.size % STELE_TAG_BYTES != 0 ||
        receipt->tags.size / STELE_TAG_BYTES > STELE_TAGS_MAX) {
        return STELE_FAIL(err, INVALID,
                          "receipt: %zu bytes of tags; at most %d tags of %d bytes are read",
                          receipt->tags.size, STELE_TAGS_MAX, STELE_TAG_BYTES);
    }
    if (receipt->has_payload && receipt->payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "receipt: a payload of %zu bytes; an event has at most %d",
                          receipt->payload.size, STELE_PAYLOAD_BYTES_MAX);
    }
    if (receipt->path.size % STELE_HASH_BYTES != 0 ||
        receipt->path.size / STELE_HASH_BYTES > STELE_TREE_PATH_MAX) {
        return STELE_FAIL(err, INVALID,
                          "receipt: a path of %zu bytes; at most %d hashes of %d are read",
                          receipt->path.size, STELE_TREE_PATH_MAX, STELE_HASH_BYTES);
    }
    if (receipt->note.size == 0 || receipt->note.size > STELE_CHECKPOINT_BYTES_MAX) {
        return STELE_FAIL(err, INVALID,
                          "receipt: a signed checkpoint of %zu bytes; 1 to %d are read",
                          receipt->note.size, STELE_CHECKPOINT_BYTES_MAX);
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ writing */

static stele_status write_extra(const struct stele_receipt *receipt, stele_buf *out,
                                stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    bool tags = receipt->tags.size > 0;
    stele_write_u8(&w, EXTRA_VERSION);
    stele_write_u8(&w,
                   (uint8_t)((tags ? EXTRA_TAGS : 0) | (receipt->has_payload ? EXTRA_PAYLOAD : 0)));
    stele_write_lp(&w, receipt->entry);
    if (is_event(receipt)) {
        stele_write_view(&w, stele_view_of(receipt->salt, STELE_SALT_BYTES));
    }
    if (tags) {
        stele_write_view(&w, stele_view_of(receipt->ksalt, STELE_SALT_BYTES));
        stele_write_u16(&w, (uint16_t)(receipt->tags.size / STELE_TAG_BYTES));
        stele_write_view(&w, receipt->tags);
    }
    if (receipt->has_payload) {
        stele_write_u32(&w, (uint32_t)receipt->payload.size);
        stele_write_view(&w, receipt->payload);
    }
    return stele_writer_end(&w, err);
}

stele_status stele_receipt_encode(const struct stele_receipt *receipt, stele_buf *out,
                                  stele_err *err) {
    size_t before = out->size;
    stele_buf extra = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(check_shape(receipt, err));
    STELE_TRY(write_extra(receipt, &extra, err));
    STELE_TRY(stele_buf_append(out, stele_view_str(FIRST_LINE "\nextra "), err));
    STELE_TRY(stele_base64_encode(stele_view_buf(&extra), out, err));
    STELE_TRY(stele_buf_printf(out, err, "\nindex %" PRIu64 "\n", receipt->index));
    for (size_t at = 0; at < receipt->path.size; at += STELE_HASH_BYTES) {
        STELE_TRY(
            stele_base64_encode(stele_view_slice(receipt->path, at, STELE_HASH_BYTES), out, err));
        STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
    }
    STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
    STELE_TRY(stele_buf_append(out, receipt->note, err));
cleanup:
    stele_buf_done(&extra);
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

/* ------------------------------------------------------------------ reading */

/* Cuts the first line, without its newline, off the front of `text`. */
static stele_status take_line(stele_view *text, stele_view *ret, stele_err *err) {
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '\n', text->size);
    if (end == NULL) {
        return STELE_FAIL(err, INVALID,
                          "receipt: the text ends before its checkpoint; was it cut off?");
    }
    size_t size = (size_t)(end - text->data);
    *ret = stele_view_slice(*text, 0, size);
    *text = stele_view_slice(*text, size + 1, text->size - size - 1);
    return STELE_OK;
}

/* "<word> <rest>"; gives the rest. */
static bool take_word(stele_view line, const char *word, stele_view *ret) {
    size_t size = strlen(word);
    if (line.size <= size || memcmp(line.data, word, size) != 0 || line.data[size] != ' ') {
        return false;
    }
    *ret = stele_view_slice(line, size + 1, line.size - size - 1);
    return true;
}

static stele_status read_index(stele_view line, uint64_t *ret, stele_err *err) {
    stele_view digits = {NULL, 0};
    uint64_t value = 0;
    bool good = take_word(line, "index", &digits) && digits.size > 0 &&
                digits.size <= INDEX_DIGITS_MAX && (digits.data[0] != '0' || digits.size == 1);
    for (size_t i = 0; good && i < digits.size; i++) {
        uint8_t c = digits.data[i];
        good = c >= '0' && c <= '9' && !__builtin_mul_overflow(value, (uint64_t)10, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(c - '0'), &value);
    }
    if (!good) {
        return STELE_FAIL(err, INVALID,
                          "receipt, line 3: 'index' and a decimal number below 2^64 without "
                          "leading zeros are needed");
    }
    *ret = value;
    return STELE_OK;
}

static stele_status read_extra(stele_view extra, struct stele_receipt *made, stele_err *err) {
    struct stele_reader r = stele_reader_of(extra, "receipt, extra");
    uint8_t version = 0;
    uint8_t flags = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(&r, &version, err));
    STELE_TRY(stele_read_u8(&r, &flags, err));
    if (version != EXTRA_VERSION || (flags & ~(EXTRA_TAGS | EXTRA_PAYLOAD)) != 0) {
        return STELE_FAIL(err, INVALID,
                          "receipt, extra: version %u and flags %02x; version 1 and flags 00 to "
                          "03 are known",
                          version, flags);
    }
    STELE_TRY(stele_read_lp(&r, &made->entry, err));
    if (is_event(made)) {
        STELE_TRY(stele_read_bytes(&r, made->salt, sizeof made->salt, err));
    }
    if ((flags & EXTRA_TAGS) != 0) {
        uint16_t n = 0;
        STELE_TRY(stele_read_bytes(&r, made->ksalt, sizeof made->ksalt, err));
        STELE_TRY(stele_read_u16(&r, &n, err));
        if (n == 0) {
            return STELE_FAIL(err, INVALID,
                              "receipt, extra: it says that tags follow, and has none");
        }
        STELE_TRY(stele_read_view(&r, (size_t)n * STELE_TAG_BYTES, &made->tags, err));
    }
    if ((flags & EXTRA_PAYLOAD) != 0) {
        uint32_t size = 0;
        STELE_TRY(stele_read_u32(&r, &size, err));
        STELE_TRY(stele_read_view(&r, size, &made->payload, err));
        made->has_payload = true;
    }
    STELE_TRY(stele_reader_end(&r, err));
cleanup:
    return st;
}

/* The path's lines up to the empty one; appends their bytes to scratch. */
static stele_status read_path(stele_view *text, stele_buf *scratch, stele_err *err) {
    stele_view line = {NULL, 0};
    stele_status st = STELE_OK;
    /* One turn more than a path has hashes: the last one takes the empty line. */
    for (size_t n = 0; n <= STELE_TREE_PATH_MAX; n++) {
        size_t before = scratch->size;
        STELE_TRY(take_line(text, &line, err));
        if (line.size == 0) {
            return STELE_OK;
        }
        STELE_TRY(stele_base64_decode(line, scratch, err));
        if (scratch->size - before != STELE_HASH_BYTES) {
            return STELE_FAIL(err, INVALID,
                              "receipt, line %zu: %zu bytes in base64; a hash of the path has 32",
                              n + 4, scratch->size - before);
        }
    }
    st = STELE_FAIL(err, INVALID, "receipt: a path of more than %d hashes", STELE_TREE_PATH_MAX);
cleanup:
    return st;
}

stele_status stele_receipt_decode(stele_view text, stele_buf *scratch, struct stele_receipt *ret,
                                  stele_err *err) {
    struct stele_receipt made;
    memset(&made, 0, sizeof made);
    stele_view line = {NULL, 0};
    stele_view extra_text = {NULL, 0};
    stele_status st = STELE_OK;
    stele_buf_clear(scratch);
    if (text.size > STELE_RECEIPT_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "receipt: %zu bytes, at most %d are read", text.size,
                          STELE_RECEIPT_BYTES_MAX);
    }
    STELE_TRY(take_line(&text, &line, err));
    if (!stele_view_is(line, FIRST_LINE)) {
        return STELE_FAIL(err, INVALID,
                          "receipt, line 1: not '" FIRST_LINE "'; this is no receipt");
    }
    STELE_TRY(take_line(&text, &line, err));
    if (!take_word(line, "extra", &extra_text)) {
        return STELE_FAIL(err, INVALID,
                          "receipt, line 2: 'extra' and base64 are needed: a receipt carries its "
                          "entry there");
    }
    STELE_TRY(stele_base64_decode(extra_text, scratch, err));
    size_t extra_bytes = scratch->size;
    STELE_TRY(take_line(&text, &line, err));
    STELE_TRY(read_index(line, &made.index, err));
    STELE_TRY(read_path(&text, scratch, err));
    /* Views are taken only now that scratch grows no more. */
    stele_view decoded = stele_view_buf(scratch);
    STELE_TRY(read_extra(stele_view_slice(decoded, 0, extra_bytes), &made, err));
    made.path = stele_view_slice(decoded, extra_bytes, decoded.size - extra_bytes);
    made.note = text;
    STELE_TRY(check_shape(&made, err));
    *ret = made;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ judging */

static stele_status check_tags(const struct stele_receipt *receipt, const struct stele_entry *entry,
                               stele_err *err) {
    const uint8_t *tag = receipt->tags.data;
    size_t n = receipt->tags.size / STELE_TAG_BYTES;
    for (size_t i = 0; i < n; i++, tag += STELE_TAG_BYTES) {
        if (i > 0 && memcmp(tag - STELE_TAG_BYTES, tag, STELE_TAG_BYTES) >= 0) {
            return STELE_FAIL(err, INVALID, "receipt: tag %zu is not above the one before it", i);
        }
        if (((tag[STELE_TAG_BYTES - 1] & 1) != 0) != entry->as.event.late) {
            return STELE_FAIL(err, UNVERIFIED,
                              "receipt: tag %zu has another late bit than entry %" PRIu64, i,
                              entry->seq);
        }
    }
    uint8_t commit[STELE_HASH_BYTES];
    stele_hash_keys(receipt->ksalt, receipt->tags.data, (uint16_t)n, commit);
    if (memcmp(commit, entry->as.event.keys_commit, sizeof commit) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "receipt: its %zu tags are not the ones entry %" PRIu64 " commits to", n,
                          entry->seq);
    }
    return STELE_OK;
}

static stele_status check_payload(const struct stele_receipt *receipt, stele_view payload,
                                  const struct stele_entry *entry, stele_err *err) {
    uint8_t commit[STELE_HASH_BYTES];
    stele_hash_payload(receipt->salt, payload, commit);
    if (memcmp(commit, entry->as.event.payload_commit, sizeof commit) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "receipt: the payload of %zu bytes is not the one entry %" PRIu64
                          " commits to",
                          payload.size, entry->seq);
    }
    return STELE_OK;
}

stele_status stele_receipt_verify(const struct stele_receipt *receipt, stele_view payload,
                                  const struct stele_vkey *keys, size_t n_keys,
                                  struct stele_receipt_report *ret, stele_err *err) {
    struct stele_receipt_report made;
    memset(&made, 0, sizeof made);
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(check_shape(receipt, err));
    STELE_TRY(stele_entry_decode(receipt->entry, &made.entry, err));
    if (receipt->index != made.entry.seq) {
        return STELE_FAIL(err, INVALID,
                          "receipt: its index is %" PRIu64 ", its entry says %" PRIu64,
                          receipt->index, made.entry.seq);
    }
    STELE_TRY(stele_checkpoint_open(receipt->note, keys, n_keys, &made.checkpoint, err));
    stele_hash_leaf(receipt->entry, leaf);
    struct stele_leaf_pos pos = {made.entry.seq, made.checkpoint.size_leaves};
    STELE_TRY(stele_tree_check_inclusion(leaf, pos, receipt->path.data,
                                         receipt->path.size / STELE_HASH_BYTES,
                                         made.checkpoint.root, err));
    if (receipt->tags.size > 0) {
        STELE_TRY(check_tags(receipt, &made.entry, err));
        made.tags_checked = true;
    }
    if (is_event(receipt) && (receipt->has_payload || payload.size > 0)) {
        STELE_TRY(check_payload(receipt, receipt->has_payload ? receipt->payload : payload,
                                &made.entry, err));
        made.payload_checked = true;
    }
    *ret = made;
cleanup:
    return st;
}
