/* SPDX-License-Identifier: Apache-2.0 */
/* tools/cli.c: connection, exit codes, and times as people write them. */
#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "proto/time.h"
#include "storage/bytes.h"
#include "storage/file.h"

#define PEM_BYTES_MAX (1u << 20)
#define MESSAGE_BYTES_MAX (16u << 20)

int stele_cli_failed(const char *command, stele_status st, const stele_err *err) {
    (void)fprintf(stderr, "stele %s: %s\n", command, err->text);
    switch (st) {
    case STELE_INVALID:
    case STELE_LIMIT:
    case STELE_DENIED:
    case STELE_EXISTS:
    case STELE_UNSUPPORTED:
        return STELE_EXIT_USAGE;
    case STELE_NOT_FOUND:
        return STELE_EXIT_NONE;
    case STELE_UNVERIFIED:
    case STELE_CORRUPT:
        return STELE_EXIT_UNVERIFIED;
    case STELE_CLOSED:
    case STELE_BUSY:
        return STELE_EXIT_UNREACHABLE;
    case STELE_OK:
    case STELE_END:
    case STELE_IO:
    case STELE_NO_SPACE:
    case STELE_NO_MEMORY:
    case STELE_BUG:
        break;
    }
    return STELE_EXIT_INCOMPLETE;
}

static stele_status read_pem(const char *path, stele_buf *ret, stele_err *err) {
    stele_status st = stele_file_read(path, PEM_BYTES_MAX, ret, err);
    return st == STELE_OK ? stele_buf_append(ret, stele_view_of("", 1), err) : st;
}

stele_status stele_cli_open(const char *command, const char *config_path, struct stele_cli *ret, stele_err *err) {
    struct stele_cli cli = {.command = command};
    stele_buf ca = STELE_BUF_EMPTY;
    stele_buf certificate = STELE_BUF_EMPTY;
    stele_buf key = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (config_path == NULL) {
        return STELE_FAIL(err, INVALID, "no server: give `stele --config client.conf %s ...`; `stele init` writes a client.conf", command);
    }
    STELE_TRY(stele_client_config_load(config_path, &cli.config, err));
    STELE_TRY(read_pem(cli.config->server_ca, &ca, err));
    STELE_TRY(read_pem(cli.config->certificate, &certificate, err));
    STELE_TRY(read_pem(cli.config->private_key, &key, err));
    struct stele_rpc_client_options options = {.target = cli.config->server,
                                               .server_ca_pem = (const char *)ca.data,
                                               .certificate_pem = (const char *)certificate.data,
                                               .private_key_pem = (const char *)key.data,
                                               .message_bytes_max = MESSAGE_BYTES_MAX,
                                               .own_connection = true};
    STELE_TRY(stele_rpc_client_open(&options, &cli.client, err));
    *ret = cli;
    cli.config = NULL;
cleanup:
    if (key.data != NULL) {
        explicit_bzero(key.data, key.capacity);
    }
    stele_buf_done(&ca);
    stele_buf_done(&certificate);
    stele_buf_done(&key);
    stele_client_config_free(cli.config);
    /* A configuration that is missing or wrong is a matter of usage, not of a missing answer. */
    return st == STELE_NOT_FOUND ? STELE_INVALID : st;
}

void stele_cli_close(struct stele_cli *cli) {
    stele_rpc_client_close(cli->client);
    stele_client_config_free(cli->config);
    *cli = (struct stele_cli){0};
}

stele_status stele_cli_region(const struct stele_cli *cli, const char *asked, const char **ret, stele_err *err) {
    stele_buf names = STELE_BUF_EMPTY;
    if (asked != NULL) {
        *ret = asked;
        return STELE_OK;
    }
    if (cli->config->regions_count == 1) {
        *ret = cli->config->regions[0];
        return STELE_OK;
    }
    stele_status st = STELE_OK;
    for (unsigned i = 0; i < cli->config->regions_count && st == STELE_OK; i++) {
        st = stele_buf_printf(&names, err, "%s%s", i == 0 ? "" : ", ", cli->config->regions[i]);
    }
    st = STELE_FAIL(err, INVALID, "several regions: name one with --region (%.*s); each is asked for itself", (int)names.size,
                    (const char *)names.data);
    stele_buf_done(&names);
    return st;
}

stele_status stele_cli_number(const char *text, uint64_t *ret, stele_err *err) {
    uint64_t value = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
            return STELE_FAIL(err, INVALID, "'%s' is too large a number", text);
        }
    }
    if (i == 0 || text[i] != '\0') {
        return STELE_FAIL(err, INVALID, "'%s' is no number", text);
    }
    *ret = value;
    return STELE_OK;
}

/* Splits "18mo" into 18 and "mo". */
static bool split(const char *text, uint64_t *ret_count, const char **ret_unit) {
    size_t digits = strspn(text, "0123456789");
    char number[24];
    if (digits == 0 || digits >= sizeof number) {
        return false;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    *ret_unit = text + digits;
    return stele_cli_number(number, ret_count, NULL) == STELE_OK;
}

/* Goes back by calendar months; the 31st becomes the last day a shorter month has. */
static bool months_ago(uint64_t now_unix_nano, uint64_t months, uint64_t *ret) {
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char text[STELE_TIME_TEXT_BYTES];
    stele_time_print(now_unix_nano, text);
    uint64_t year = (uint64_t)(text[0] - '0') * 1000 + (uint64_t)(text[1] - '0') * 100 + (uint64_t)(text[2] - '0') * 10 + (uint64_t)(text[3] - '0');
    uint64_t month = (uint64_t)(text[5] - '0') * 10 + (uint64_t)(text[6] - '0') - 1;
    unsigned day = (unsigned)((text[8] - '0') * 10 + (text[9] - '0'));
    uint64_t index = year * 12 + month;
    if (months > index || (index - months) / 12 < 1970) {
        return false;
    }
    index -= months;
    uint64_t to_year = index / 12;
    unsigned to_month = (unsigned)(index % 12);
    bool leap = to_year % 4 == 0 && (to_year % 100 != 0 || to_year % 400 == 0);
    unsigned last = days[to_month] + (to_month == 1 && leap ? 1 : 0);
    char when[64];
    (void)snprintf(when, sizeof when, "%04u-%02u-%02u%s", (unsigned)to_year, to_month + 1, day > last ? last : day, text + 10);
    return stele_time_parse(stele_view_str(when), ret, NULL) == STELE_OK;
}

static bool ago(const char *text, uint64_t now, uint64_t *ret) {
    static const struct {
        const char *unit;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"sec", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    uint64_t count = 0;
    const char *unit = NULL;
    if (!split(text, &count, &unit)) {
        return false;
    }
    if (strcmp(unit, "mo") == 0) {
        return months_ago(now, count, ret);
    }
    if (strcmp(unit, "y") == 0) {
        return count < 1000 && months_ago(now, count * 12, ret);
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t back = 0;
        if (strcmp(unit, units[i].unit) == 0 && !__builtin_mul_overflow(count, units[i].seconds * 1000000000u, &back)) {
            *ret = back > now ? 0 : now - back;
            return true;
        }
    }
    return false;
}

stele_status stele_cli_time(const char *text, uint64_t now, uint64_t *ret, stele_err *err) {
    const uint64_t day = UINT64_C(86400) * 1000000000u;
    char full[64];
    if (strcmp(text, "now") == 0) {
        *ret = now;
        return STELE_OK;
    }
    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        *ret = now - now % day - (text[0] == 'y' ? day : 0);
        return STELE_OK;
    }
    if (ago(text, now, ret) || stele_time_parse(stele_view_str(text), ret, NULL) == STELE_OK) {
        return STELE_OK;
    }
    if (strlen(text) == 10) {
        (void)snprintf(full, sizeof full, "%sT00:00:00Z", text);
        if (stele_time_parse(stele_view_str(full), ret, NULL) == STELE_OK) {
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, INVALID, "'%s' is no time: write 2026-05-01, 2026-05-01T12:00:00Z, 36h, 7d, 18mo, 2y (that long ago), today or now", text);
}

stele_status stele_cli_duration(const char *text, uint32_t *ret_ms, stele_err *err) {
    uint64_t count = 0;
    const char *unit = NULL;
    uint64_t each = 0;
    if (split(text, &count, &unit)) {
        each = strcmp(unit, "ms") == 0 ? 1 : (strcmp(unit, "s") == 0 || unit[0] == '\0' ? 1000 : (strcmp(unit, "min") == 0 ? 60000 : 0));
    }
    if (each == 0 || count == 0 || count > UINT32_MAX / each) {
        return STELE_FAIL(err, INVALID, "'%s' is no duration: write 500ms, 10s or 2min", text);
    }
    *ret_ms = (uint32_t)(count * each);
    return STELE_OK;
}
