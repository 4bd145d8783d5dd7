#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The checks of tools/ must be able to fail: each rule is broken once in a tree of its own, and the
# script must name the line. Usage: tests/layers/test_scripts.sh ROOT
set -eu
root="$1"
tree=$(mktemp -d "${TMPDIR:-/tmp}/stele-layers-XXXXXX")
trap 'rm -rf "$tree"' EXIT
failures=0

fresh() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/storage/dictionary" "$tree/proto" "$tree/ingest" "$tree/query" "$tree/tools" "$tree/tests/unit"
}

# caught SCRIPT FILE LINE [SAYS]: the line alone in the file makes the script fail and name it.
caught() {
    fresh
    printf '%s\n' "$3" >"$tree/$2"
    if output=$(sh "$root/tools/$1" "$tree" 2>&1); then
        echo "$1 does not catch, in $2: $3"
        failures=$((failures + 1))
    elif ! printf '%s\n' "$output" | grep -qF "$2:1:"; then
        echo "$1 fails without naming $2:1 for: $3"
        failures=$((failures + 1))
    fi
}

# passed SCRIPT FILE LINE: the line is fine there.
passed() {
    fresh
    printf '%s\n' "$3" >"$tree/$2"
    if ! output=$(sh "$root/tools/$1" "$tree" 2>&1); then
        printf '%s\n' "$1 must accept, in $2: $3" "$output"
        failures=$((failures + 1))
    fi
}

layers=check_layers.sh
caught $layers storage/x.c '#include "proto/event.h"'
caught $layers storage/x.c '#include "ingest/admit.h"'
caught $layers storage/x.h '#  include "query/plan.h"'
caught $layers storage/x.c '#include "tools/config.h"'
caught $layers proto/x.c '#include "ingest/admit.h"'
caught $layers proto/x.c '#include "query/plan.h"'
caught $layers ingest/x.c '#include "query/plan.h"'
caught $layers query/x.c '#include "ingest/admit.h"'
caught $layers query/x.c '#include "tests/support/rng.h"'
caught $layers query/x.c '#include <storage/bytes.h>'
caught $layers storage/x.c '#include "bytes.h"'
caught $layers storage/x.c '#include "../proto/event.h"'
caught $layers storage/x.c '#include <rocksdb/c.h>'
caught $layers storage/note.c '#include <sodium.h>'
caught $layers tools/x.c '#include <sodium/crypto_sign.h>'
caught $layers storage/pack.c '#include <zstd.h>'
caught $layers storage/x.c '#include <openssl/evp.h>'
caught $layers tools/steled.c '#include <openssl/x509.h>'
caught $layers query/x.c '#include <grpc/grpc.h>'
caught $layers ingest/x.c '#include "stele/v1/append.pb-c.h"'
caught $layers storage/x.c '#include <protobuf-c/protobuf-c.h>'
caught $layers query/x.c '#include <jansson.h>'
passed $layers storage/x.c '#include "storage/bytes.h"'
passed $layers storage/hash.c '#include <openssl/sha.h>'
passed $layers storage/engine_rocks.c '#include <rocksdb/c.h>'
passed $layers storage/keyring.c '#include <sodium.h>'
passed $layers proto/x.c '#include "storage/bytes.h"'
passed $layers ingest/x.c '#include "proto/event.h"'
passed $layers tools/x.c '#include "query/plan.h"'
passed $layers tests/unit/x.c '#include <sodium.h>'

house=check_house.sh
caught $house storage/x.c '    void *p = malloc(3);'
caught $house storage/x.c '    free(p);'
caught $house query/x.c '    p = calloc(1, 2), q = realloc(p, 4);'
caught $house query/x.c '    char *t = strdup(s);'
caught $house tools/x.c '    strcpy(a, b);'
caught $house tools/x.c '    (void)sprintf(a, "%s", b);'
caught $house tools/x.c '    int n = atoi(text);'
caught $house tools/x.c '    n = strtoul(text, &end, 10);'
caught $house proto/x.c '    return -1;'
caught $house proto/x.c '    struct tm *t = gmtime(&now);'
caught $house tools/x.c '    setenv("TZ", "", 1);'
caught $house storage/x.c '/* TODO: the rest */'
caught $house tests/unit/x.c '/* FIXME */'
caught $house storage/x.h 'stele_status stele_x_do(int what, stele_err *err);'
caught $house storage/x.h 'static inline stele_status stele_x_do(int what) {'
passed $house storage/bytes.c '    free(p); p = malloc(3);'
passed $house storage/x.c '    stele_free(p); signer->ops->free(signer); x.free(y); json_free (z);'
passed $house storage/x.c '    /* malloc(3) and return -1; strtol( */ f("free(p); return -1;");'
passed $house storage/x.c '    (void)snprintf(a, sizeof a, "%d", -1);'
passed $house storage/x.c '    return order < 0 ? -1 : 1;'
passed $house proto/x.c '    struct tm *t = gmtime_r(&now, &parts);'
passed $house tests/unit/x.c '    free(p);'
passed $house storage/x.c '    double d = strtod(text, &end); t = strtok_r(a, b, &c);'
passed $house storage/x.h 'STELE_MUST_USE stele_status stele_x_do(int what, stele_err *err);'
passed $house storage/x.h '    stele_status (*sign)(struct stele_signer *signer, stele_err *err);'
passed $house storage/x.h 'typedef stele_status (*stele_x_fn)(void *ctx, stele_err *err);'
passed $house storage/x.h 'stele_status stele_corrupt(stele_status st, stele_err *err);'
passed $house storage/x.h 'stele_status stele_status_of_errno(int os_errno);'

# A line of its own in front counts too, and a comment over several lines is no code.
fresh
printf 'STELE_MUST_USE\nstele_status stele_x_do(stele_err *err);\n/* one\n   malloc(3) */\n' >"$tree/storage/x.h"
sh "$root/tools/$house" "$tree" || failures=$((failures + 1))

# The rule of 500 lines names the first line too many.
fresh
yes '/* a line */' | head -499 >"$tree/query/x.c"
sh "$root/tools/$house" "$tree" || failures=$((failures + 1))
yes '/* a line */' | head -500 >"$tree/query/x.c"
if sh "$root/tools/$house" "$tree" 2>&1 | grep -qF 'query/x.c:500:'; then :; else
    echo "$house does not catch a file of 500 lines"
    failures=$((failures + 1))
fi

if [ "$failures" -gt 0 ]; then
    echo "$failures failures"
    exit 1
fi
echo "every rule catches its violation"
