#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes record.hex, index_item.hex and frame_item.hex from FORMAT.md's tables, independently of the C code; --check compares."""
import hashlib
import pathlib
import struct
import sys

T = 1763776800000000
control = (struct.pack(">BBBBIQQQQ", 3, 1, 2, 0, 202511 * 100, 9, T, 8, 3)
           + b"\xb0" * 32 + b"\x5a" * 32 + struct.pack(">Q", 0))
sealed = b"not really compressed"
body = struct.pack(">B3sI", 3, b"\0\0\0", 4) + control + b"body"
body += struct.pack(">BBBBQQII", 1, 1, 2, 0, 10, T + 1, 600, len(sealed)) + sealed + b"\x6b" * 32
head = (b"STLR" + struct.pack(">BBHQQ", 1, 1, 0, 4, 2) + b"\x11" * 32
        + struct.pack(">QII", 9, 3, 2) + b"\x22" * 32)
record = head + body
record += hashlib.sha256(record).digest()

# An INDEX of 3 segments that end at 4,096, 4,224 and 70,000.
index = struct.pack(">BBHIQQQQ", 2, 1, 0, 3, 70001, T, 70000, 65000) + b"\x3c" * 32
ends = b"\x80\x20" + b"\x80\x01" + b"\xf0\x81\x04"
item = struct.pack(">B3sI", 2, b"\0\0\0", len(ends)) + index + ends

# A frame of codec 2: two payloads, of which a digest and an id stand apart. What is compressed is one raw block of zstd
# (RFC 8878) under dictionary 1: any compressor may write another, and all read this one.
sha, trace = bytes(range(32)), bytes(range(200, 216))
payloads = [b"model " + sha + b" and " + trace, b"nothing of it"]
lengths = bytes([len(payloads[0]), 2, 6, 32, 5, 16, len(payloads[1]), 0])
text = b"\x5e" * 32 + lengths + b"model " + b" and " + payloads[1]
zstd = b"\x28\xb5\x2f\xfd" + bytes([0x21, 1, len(text)]) + (len(text) << 3 | 1).to_bytes(3, "little") + text
sealed = zstd + sha + trace
head = struct.pack(">BBBBQQII", 1, 2, 2, 0, 10, T + 1, len(text), len(sealed))
quarter = -(-len(sealed) // 4)
hashes = b"".join(hashlib.sha256(sealed[i * quarter:(i + 1) * quarter]).digest() for i in range(4))
digest = hashlib.sha256(b"stele frame\n\0" + b"eu-1/3y\0" + head + hashlib.sha256(hashes).digest()).digest()[:16]
frame = head + sealed + digest

for name, data in (("record.hex", record), ("index_item.hex", item), ("frame_item.hex", frame)):
    path = pathlib.Path(__file__).with_name(name)
    if "--check" not in sys.argv:
        path.write_text(data.hex() + "\n")
    elif path.read_text().strip() != data.hex():
        sys.exit(f"{name} is not what FORMAT.md's tables give")
