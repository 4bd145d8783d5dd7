#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes segment.hex, or checks it with --check.

A second writer of FORMAT.md, "Index segment", that shares nothing with the C code. Line 1 is a whole small
segment; line 2 the SHA-256 of one of several blocks. The file is frozen.
"""
import hashlib
import os
import struct
import sys

BLOCK_BYTES_MAX = 16384
NONE = 2**64 - 1


def tag(i):
    return hashlib.sha256(b"stele golden segment tag %d" % i).digest()[:16]


def small():
    keys = {
        tag(0): [0],
        tag(0)[:15] + bytes([tag(0)[15] ^ 1]): [1],
        tag(1): list(range(16)),
        tag(2): [999],
        tag(3): [5, 133, 134, 400],
    }
    keys.update({tag(i): [i * 7] for i in range(4, 10)})
    return keys, dict(lo=1000, hi=2000, late=(NONE, 0))


def large():
    keys = {tag(0): [i * 211 for i in range(40000)]}
    keys.update({tag(100 + i): [i * 1000003] for i in range(3000)})
    return keys, dict(lo=7, hi=7 + 2**33, late=(5, 9))


def checksum(kind, number, data):
    return hashlib.sha256(b"stele segment\n\0" + kind + struct.pack(">Q", number) + data).digest()


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def record(before, t, offsets):
    shared = 0
    while before is not None and before[shared] == t[shared]:
        shared += 1
    body = varint(offsets[0])
    for a, b in zip(offsets, offsets[1:]):
        body += varint(b - a - 1)
    if len(offsets) < 16:
        return bytes([shared << 4 | len(offsets)]) + t[shared:] + body
    return bytes([shared << 4]) + t[shared:] + varint(len(offsets) - 16) + varint(len(body)) + body


def header():
    return b"STELESEG" + struct.pack(">HHI", 1, 0, BLOCK_BYTES_MAX)


def blocks_of(keys):
    """Blocks as lists of (tag, offsets, continued): a posting goes where 33 bytes are left for it."""
    blocks, size = [[]], 16
    for t in sorted(keys):
        part, part_bytes, previous, continued = [], 0, None, False
        for offset in keys[t]:
            if size + part_bytes + 33 > BLOCK_BYTES_MAX:
                if part:
                    blocks[-1].append((t, part, continued))
                    continued = True
                blocks.append([])
                part, part_bytes, size = [], 0, 0
            part_bytes += len(varint(offset if not part else offset - previous - 1))
            part.append(offset)
            previous = offset
        before = blocks[-1][-1][0] if blocks[-1] else None
        size += len(record(before, t, part))
        blocks[-1].append((t, part, continued))
    return blocks


def segment(keys, about):
    out, index = header(), b""
    blocks = blocks_of(keys)
    for number, block in enumerate(blocks):
        data, before = (header() if number == 0 else b""), None
        at = 0 if number == 0 else len(out)
        for t, offsets, _ in block:
            data += record(before, t, offsets)
            before = t
        t, offsets, continued = block[0]
        index += t + checksum(b"b", number, data)[:16]
        index += struct.pack(">QQI", offsets[0], at, len(offsets) if continued else 0)
        out = out[:at] + data
    footer = header() + struct.pack(">IHHQQQQQQ", 660, 1, 1, about["lo"], about["hi"], 1700000000000000,
                                    1700000000999000, *about["late"])
    footer += struct.pack(">QQQQ", len(keys), sum(map(len, keys.values())), len(blocks), len(out))
    footer += hashlib.sha256(b"stele golden segment tag key").digest() + bytes(56) + checksum(b"i", 0, index)
    return out + index + footer + checksum(b"f", 0, footer)


def main():
    text = segment(*small()).hex() + "\n" + hashlib.sha256(segment(*large())).hexdigest() + "\n"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "segment.hex")
    if sys.argv[1:] == ["--check"]:
        with open(path) as f:
            if f.read() != text:
                sys.exit("segment.hex is not what this script writes: the format is frozen, a change "
                         "needs a folder v2")
        return
    with open(path, "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
