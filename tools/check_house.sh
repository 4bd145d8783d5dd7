#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the house rules that a search can check. Prints every offending line with what to do about it;
# exit 1 if there is one. Usage: tools/check_house.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"

folders=""
for folder in storage proto ingest query tools tests; do
    [ -d "$folder" ] && folders="$folders $folder"
done

# A function that turns something into a status (stele_status_of_errno, stele_corrupt) cannot fail.
# Generated and foreign files are no one's style: protobuf-c output stands in the build folder anyway.
# shellcheck disable=SC2086
find $folders -name '*.[ch]' ! -name '*.pb-c.[ch]' | LC_ALL=C sort | xargs awk '
# The line without comments and texts, so that only code is judged. in_comment lives across lines.
function code_of(line,    out, start, stop) {
    out = ""
    while (line != "") {
        if (in_comment) {
            stop = index(line, "*/")
            if (stop == 0) {
                return out
            }
            line = substr(line, stop + 2)
            in_comment = 0
        } else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047/)) {
            out = out substr(line, 1, RSTART - 1)
            start = substr(line, RSTART, 2)
            if (start == "//") {
                return out
            }
            if (start == "/*") {
                in_comment = 1
                line = substr(line, RSTART + 2)
            } else {
                out = out "\"\""
                line = substr(line, RSTART + RLENGTH)
            }
        } else {
            return out line
        }
    }
    return out
}
function offend(why) {
    print FILENAME ":" FNR ": " $0
    print "    " why
    bad++
}
FNR == 1 {
    in_comment = 0
    before = ""
    product = FILENAME !~ /^tests\//
    header = FILENAME ~ /\.h$/
}
{
    code = code_of($0)
    # A table that a program wrote is nothing to read.
    if (FNR == 500 && FILENAME !~ /\.dict\.h$/) {
        offend("a file has fewer than 500 lines: one idea a file, split it where a second one starts")
    }
    if ($0 ~ /(^|[^[:alnum:]_])(TODO|FIXME|XXX)([^[:alnum:]_X]|$)/) {
        offend("do it now, or say in the document of the folder what is left out and why")
    }
    if (product && FILENAME != "storage/bytes.c" &&
        code ~ /(^|[^[:alnum:]_.>])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf)[ \t]*\(/) {
        offend("use stele_alloc, stele_realloc, stele_free, stele_strdup or stele_buf of storage/bytes.h")
    }
    if (product && code ~ /(^|[^[:alnum:]_.>])(strcpy|strcat|stpcpy|sprintf|vsprintf|gets)[ \t]*\(/) {
        offend("use snprintf, stele_buf_printf or stele_buf_append: these do not know how much room there is")
    }
    if (product && code ~ /(^|[^[:alnum:]_.>])(ato[ifl]+|strto(l|ul|ll|ull|imax|umax))[ \t]*\(/) {
        offend("read integers digit by digit and check the range: these accept signs, spaces and leftovers")
    }
    if (product && code ~ /(^|[^[:alnum:]_.>])(localtime|gmtime|asctime|ctime|strtok|rand|srand|random|tmpnam|setenv|unsetenv|putenv|getpw(nam|uid)|getgr(nam|gid)|gethostbyname|setlocale)[ \t]*\(/) {
        offend("it shares state between threads: use the function that ends in _r, or one that takes its state")
    }
    if (product && code ~ /(^|[^[:alnum:]_])return[ \t]+\(?-1\)?[ \t]*;/) {
        offend("return a stele_status, or a bool")
    }
    if (product && header && code ~ /^(static[ \t]+inline[ \t]+|extern[ \t]+)?(enum[ \t]+)?stele_status[ \t]+[a-z_0-9]+[ \t]*\(/ &&
        before !~ /STELE_MUST_USE[ \t]*$/ &&
        code !~ /stele_status[ \t]+(stele_[a-z_]*status_of[a-z_]*|stele_corrupt)[ \t]*\(/) {
        offend("put STELE_MUST_USE in front: a status that is not looked at is a lost failure")
    }
    before = code
}
END {
    if (bad > 0) {
        print bad " line(s) against the rules of the house"
        exit 1
    }
}
' || exit 1
