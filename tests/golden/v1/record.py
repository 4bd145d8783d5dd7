#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes record.hex and index_item.hex from FORMAT.md's tables, independently of the C code; --check compares."""
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

for name, data in (("record.hex", record), ("index_item.hex", item)):
    path = pathlib.Path(__file__).with_name(name)
    if "--check" not in sys.argv:
        path.write_text(data.hex() + "\n")
    elif path.read_text().strip() != data.hex():
        sys.exit(f"{name} is not what FORMAT.md's tables give")
