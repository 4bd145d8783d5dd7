#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# verify_links.sh BUILD SOURCE CMAKE CC [FLAG...]: installs the verifier library into a folder of its own
# and uses it as an outsider does. The program must need libcrypto and libsodium, and nothing else of ours
# or of the store's: an auditor is to read and link little.
set -eu
build=$1 source=$2 cmake=$3 cc=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "layers.verify_links: $*" >&2; exit 1; }

"$cmake" --install "$build" --prefix "$work/usr" --component verify >/dev/null
archive=$(find "$work/usr" -name libstele-verify.a)
pc=$(find "$work/usr" -name stele-verify.pc)
[ -n "$archive" ] && [ -n "$pc" ] || fail "archive or pkg-config file not installed"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
config() { pkg-config --define-variable=prefix="$work/usr" "$@" stele-verify; }

# Each header by itself, as C17 and as C++.
for header in $(cd "$work/usr/include/stele" && find . -name '*.h'); do
    echo "#include <${header#./}>" >"$work/one.c"
    # shellcheck disable=SC2046
    "$cc" -std=c17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(config --cflags) "$work/one.c"
    if command -v c++ >/dev/null; then
        # shellcheck disable=SC2046
        c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -x c++ $(config --cflags) "$work/one.c"
    fi
done

# shellcheck disable=SC2046
"$cc" -std=c17 -Wall -Wextra -Werror "$@" -o "$work/program" "$source/tests/layers/verify_links.c" \
    $(config --cflags) $(config --static --libs)

needed=$(readelf -d "$work/program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
    case $library in
    libcrypto.so.* | libsodium.so.* | libc.so.* | ld-linux*) ;;
    libasan.so.* | libubsan.so.* | libtsan.so.* | libm.so.* | libgcc_s.so.* | libstdc++.so.* | librt.so.* | \
    libpthread.so.* | libdl.so.* | libresolv.so.*)
        [ $# -gt 0 ] || fail "the program needs $library" ;; # only the sanitizers' runtimes do
    *) fail "the program needs $library" ;;
    esac
done
for library in libcrypto libsodium; do
    echo "$needed" | grep -q "^$library" || fail "the program does not need $library: the test tests nothing"
done
foreign=$(nm -u "$archive" 2>/dev/null | grep -E ' (rocksdb_|grpc_|protobuf_c_|json_|ZSTD_|cyaml_|deflate|inflate)' || true)
[ -z "$foreign" ] || fail "the archive uses: $foreign"

golden=$source/tests/golden/v1
# shellcheck disable=SC2046
said=$("$work/program" $(cat "$golden/verify_keys.txt") <"$golden/answer.stele-answer")
[ "$said" = "3 logs, 12 events" ] || fail "the program says: $said"
# shellcheck disable=SC2046
said=$("$work/program" $(cat "$golden/verify_keys.txt") <"$golden/receipt.tlog-proof")
[ "$said" = "1 logs, 1 events" ] || fail "the program says: $said"
if "$work/program" "$(head -1 "$golden/verify_keys.txt")" <"$golden/answer.stele-answer" 2>/dev/null; then
    fail "verified without the keys"
fi
if head -c 3000 "$golden/answer.stele-answer" | "$work/program" $(cat "$golden/verify_keys.txt") 2>/dev/null; then
    fail "verified a cut file"
fi
echo "needs: $(echo "$needed" | tr '\n' ' ')"
