#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks which folder includes which, and which file may include which library. Prints every offending
# line with what to do about it; exit 1 if there is one. Usage: tools/check_layers.sh [ROOT]
#
#   tools -> {ingest, query} -> proto -> storage     tests -> anything
#   storage includes nobody; ingest and query never meet; plain includes name the folder.
set -eu
cd "${1:-$(dirname "$0")/..}"

folders=""
for folder in storage proto ingest query tools; do
    [ -d "$folder" ] && folders="$folders $folder"
done

# "file:line:#include ..." of every include, one per line.
# shellcheck disable=SC2086
includes=$(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.c' --include='*.h' $folders || true)

printf '%s\n' "$includes" | awk '
BEGIN {
    allowed["storage"] = " storage "
    allowed["proto"] = " proto storage "
    allowed["ingest"] = " ingest proto storage "
    allowed["query"] = " query proto storage "
    allowed["tools"] = " tools ingest query proto storage "
    # library header (regular expression) -> the only files (regular expression), and why.
    n = 0
    rule("rocksdb/", "^storage/engine_rocks\\.c$", "go through storage/engine.h")
    rule("sodium(\\.h|/)", "^storage/(keyring|signer_sodium)\\.c$", "go through storage/keyring.h or storage/signer.h")
    rule("zstd|zdict", "^storage/(compress\\.c$|dictionary/)", "go through storage/compress.h; dictionaries are trained in storage/dictionary/")
    rule("openssl/", "^(storage/hash[a-z_0-9]*\\.c|tools/[a-z_0-9]*cert[a-z_0-9]*\\.c)$", "go through storage/hash.h; certificates are made in one file of tools/")
    rule("grpc/", "^proto/", "go through proto/rpc_server.h or proto/rpc_client.h")
    rule("protobuf-c/|.*\\.pb-c\\.h", "^proto/", "handle decoded records and bytes outside of proto/")
    rule("jansson", "^(proto/|tools/|ingest/[a-z_0-9]*(import|cloudtrail)[a-z_0-9]*\\.[ch]$)", "JSON is read and written in proto/, by importers and by the tools that print it")
}
function rule(header, files, instead) {
    n++
    rule_header[n] = "^(" header ")"
    rule_files[n] = files
    rule_instead[n] = instead
}
function offend(why) {
    print where ": " text
    print "    " why
    bad++
}
$0 != "" {
    split($0, part, ":")
    file = part[1]
    where = part[1] ":" part[2]
    text = substr($0, length(where) + 2)
    folder = file
    sub("/.*", "", folder)
    header = text
    sub(/^[^"<]*["<]/, "", header)
    sub(/[">].*$/, "", header)
    quoted = text ~ /include[ \t]*"/
    for (i = 1; i <= n; i++) {
        if (header ~ rule_header[i] && file !~ rule_files[i]) {
            offend(file " must not include <" header ">: " rule_instead[i])
        }
    }
    target = header
    sub("/.*", "", target)
    if (header ~ /\.\.\//) {
        offend("write the path from the root of the repository, such as \"storage/bytes.h\"")
    } else if (target in allowed) {
        if (index(allowed[folder], " " target " ") == 0) {
            offend(folder "/ must not include " target "/: move the shared type down, or pass a function pointer up")
        } else if (!quoted) {
            offend("our own headers are included with quotes")
        }
    } else if (target == "tests") {
        offend("nothing outside of tests/ includes tests/")
    } else if (quoted && header !~ /\.pb-c\.h$/) {
        offend("write the path from the root of the repository, such as \"storage/bytes.h\"")
    }
}
END {
    if (bad > 0) {
        print bad " include(s) against the layers"
        exit 1
    }
}
'
