#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seal.hex, or checks it with --check.

A second writer of FORMAT.md section 6 and "Seal" that shares nothing with the C code but the segments, which
segment.py writes. Line 1 is a whole small seal; line 2 the SHA-256 of one of 34 chunks. The file is frozen.
"""
import hashlib
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import segment  # noqa: E402


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(seq):
    """Leaf hashes that follow from the seq."""
    return sha(b"\x00", struct.pack(">Q", seq))


def history(seqs):
    if len(seqs) == 1:
        return sha(b"\x20", struct.pack(">Q", seqs[0]), leaf_hash(seqs[0]))
    bit = (seqs[0] ^ seqs[-1]).bit_length() - 1
    left = [s for s in seqs if not s >> bit & 1]
    return sha(b"\x21", bytes([bit]), history(left), history(seqs[len(left):]))


def tree(leaves):
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x24", tree(leaves[:k]), tree(leaves[k:]))


def checksum(kind, number, data):
    return sha(b"stele seal\n\0\0\0\0", kind, struct.pack(">Q", number), data)


def seal(keys, about):
    """keys: tag -> offsets; about: lo, hi and late as segment.py has them."""
    raw = segment.segment(keys, about)
    tags = sorted(keys)
    roots = {t: history([about["lo"] + o for o in keys[t]]) for t in tags}
    leaves = []
    for t in tags:
        value = sha(b"\x22", struct.pack(">Q", len(keys[t])), roots[t])
        leaves.append(sha(b"\x23", t, value))
    header = b"STELSEAL" + struct.pack(">HHI", 1, 0, 1024)
    out, rows = header, b""
    for first in range(0, len(tags), 1024):
        part = tags[first:first + 1024]
        bits = sum(1 << i for i, t in enumerate(part) if len(keys[t]) >= 2)
        chunk = bits.to_bytes(128, "little") + b"".join(roots[t] for t in part if len(keys[t]) >= 2)
        for group in range(first, first + len(part) // 32 * 32, 32):
            chunk += tree(leaves[group:group + 32])
        rows += struct.pack(">Q", len(out)) + checksum(b"c", first // 1024, chunk)[:16]
        rows += tree(leaves[first:first + len(part)])
        out += chunk
    ranks, begun = b"", 0
    blocks = segment.blocks_of(keys) if keys else []
    for block in blocks:
        ranks += struct.pack(">Q", begun)
        begun += sum(1 for _, _, continued in block if not continued)
    upper, level = b"", 15
    while len(tags) >> level:
        for i in range(len(tags) >> level):
            upper += tree(leaves[i << level:(i + 1) << level])
        level += 5
    table = rows + ranks + upper
    descriptor = struct.pack(">IHHQQQQQQQQQ", 660, 1, 1, about["lo"], about["hi"], 1700000000000000,
                             1700000000999000, *about["late"], len(tags), sum(map(len, keys.values())), 0)
    descriptor += sha(b"stele golden segment tag key") + tree(leaves)
    footer = header + descriptor + struct.pack(">QQ", len(blocks), len(out)) + raw[-32:] + checksum(b"t", 0, table)
    return out + table + footer + checksum(b"f", 0, footer)


def large():
    """Two thirds of the keys stand alone; one goes over several blocks."""
    keys = {segment.tag(0): [i * 211 for i in range(40000)]}
    keys.update({segment.tag(100 + i): [i * 3] + ([i * 3 + 100 + i % 7] if i % 3 == 0 else []) for i in range(34000)})
    return keys, dict(lo=7, hi=7 + 2**33, late=(5, 9))


def main():
    text = seal(*segment.small()).hex() + "\n" + hashlib.sha256(seal(*large())).hexdigest() + "\n"
    path = os.path.join(HERE, "seal.hex")
    if sys.argv[1:] == ["--check"]:
        with open(path) as f:
            if f.read() != text:
                sys.exit("seal.hex is not what this script writes: the format is frozen, a change needs a "
                         "folder v2")
        return
    with open(path, "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
