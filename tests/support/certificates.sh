#!/bin/sh
# Makes what a test of TLS needs in the folder $1: two authorities (ca, foreign), a server certificate
# for localhost and 127.0.0.1, and client certificates "client" and "second" (from ca) and "stranger" (from foreign).
set -eu
cd "$1"
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }
authority() {
    key "$1"
    openssl req -x509 -new -key "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}
leaf() { # name, authority, subjectAltName
    key "$1"
    openssl req -new -key "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=%s\n' "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 \
        -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
authority ca
authority foreign
leaf server ca "DNS:localhost,IP:127.0.0.1"
leaf client ca "URI:spiffe://test/exporter,DNS:exporter.test"
leaf second ca "URI:spiffe://test/second"
leaf stranger foreign "URI:spiffe://test/exporter"
