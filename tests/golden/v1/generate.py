#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of the storage core, or checks them with --check.

A second implementation of FORMAT.md sections 1 and 2, on hashlib alone: it shares nothing with the C
code. The files are frozen: a change of any byte of the format needs a folder v2 beside this one.
"""
import calendar
import datetime
import hashlib
import json
import os
import struct
import sys

DAY = 86_400_000_000
NONE = 2**64 - 1


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def lp(b):
    return struct.pack(">H", len(b)) + b


def random(label, n):
    """n bytes that look random and never change."""
    return b"".join(H(f"stele golden {label} {i}".encode()) for i in range(n // 32 + 1))[:n]


def mth(leaves, inner):
    if not leaves:
        return H(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return H(bytes([inner]), mth(leaves[:k], inner), mth(leaves[k:], inner))


def path(leaves, m, inner):
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return path(leaves[:k], m, inner) + [mth(leaves[k:], inner)]
    return path(leaves[k:], m - k, inner) + [mth(leaves[:k], inner)]


def us(*when):
    return calendar.timegm(datetime.datetime(*when).timetuple()) * 1_000_000


def entries():
    cases = []

    def add(data, **fields):
        hexed = {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}
        cases.append({**hexed, "hex": data.hex(), "leaf_hash": H(b"\x00", data).hex()})

    for i, (years, time, event) in enumerate([
            (1, us(2026, 11, 1), us(2026, 11, 1)),
            (7, us(2026, 11, 30, 23, 59, 59) + 999_999, us(2026, 11, 1)),
            (5, 10 * DAY, 9 * DAY),        # a day old to the microsecond: not late
            (5, 10 * DAY, 9 * DAY - 1),    # late
            (5, 10 * DAY, 11 * DAY),       # a day ahead: the most there is
            (3, NONE, NONE),
            (3, NONE, 0),
            (3, 0, 0)]):
        late = 1 if time > event + DAY else 0
        seq = [0, 2, 255, 256, 65_536, 2**40, 2**63, NONE][i]
        era = [20261100, 20261199, 0, 1, 99, 2**31, 2**32 - 1, 20261101][i]
        payload, keys = random(f"payload commit {i}", 32), random(f"keys commit {i}", 32)
        data = struct.pack(">BBBBIQQQ", 1, 1, years, late, era, seq, time, event) + payload + keys
        assert len(data) == 96
        add(data, type=1, retention_years=years, late=late, era=era, seq=seq, time_us=time, event_us=event,
            payload_commit=payload, keys_commit=keys)
    for i, (nsegs, seq, covered, control) in enumerate([
            (1, 2, 2, 1), (1, 1, 1, 0), (19, 70_000, 65_536, 60_000), (2**32 - 1, NONE, NONE, NONE - 1)]):
        time, root = us(2027, 2, 28) + i, random(f"manifest root {i}", 32)
        data = struct.pack(">BBHIQQQQ", 2, 1, 0, nsegs, seq, time, covered, control) + root
        assert len(data) == 72
        add(data, type=2, n_segments=nsegs, seq=seq, time_us=time, covered=covered, control=control,
            manifest_root=root)
    for kind in range(9):
        seq = kind * kind * 1000
        prev = NONE if kind == 0 else seq - 1
        era, time, nstate = 20261100 + kind, us(2026, 11, 1) + kind, kind * 3
        body, root = random(f"body digest {kind}", 32), random(f"state root {kind}", 32)
        data = (struct.pack(">BBBBIQQQQ", 3, 1, kind, 0, era, seq, time, prev, nstate) + body + root +
                struct.pack(">Q", 0))
        assert len(data) == 112
        add(data, type=3, kind=kind, era=era, seq=seq, time_us=time, prev=prev, n_state=nstate,
            body_digest=body, state_root=root)
    months = []
    for when in [(1970, 1, 1), (1999, 12, 31), (2000, 2, 29), (2000, 3, 1), (2024, 2, 29), (2026, 11, 30),
                 (2026, 12, 1), (2100, 2, 28), (2100, 3, 1), (9999, 12, 31)]:
        months.append({"time_us": us(*when) + DAY - 1, "month": when[0] * 100 + when[1]})
    return {"cases": cases, "months": months}


def tag_of(key, tenant, field, value, late):
    block = (b"\x12" + key).ljust(64, b"\0")
    tag = bytearray(H(block, lp(tenant), bytes([field]), value)[:16])
    tag[15] = (tag[15] & 0xfe) | late
    return bytes(tag)


def tags():
    cases = []
    values = [b"", b"alice@example.org", random("trace", 16), bytes([127, 0, 0, 1]), b"x" * 60, b"x" * 61,
              b"x" * 200, "\u00e4\u4e2d".encode(), lp(b"model-1") + b"2026-11", struct.pack(">I", 7)]
    for k in range(2):
        key = random(f"tag key {k}", 32)
        for i, value in enumerate(values):
            for late in (0, 1):
                tenant = [b"acme", b"t", b"t" * 64][i % 3]
                field = 1 + (i * 7 + k) % 18
                cases.append({"tag_key": key.hex(), "commit": H(b"\x13", key).hex(), "tenant": tenant.hex(),
                              "field": field, "value": value.hex(), "late": late,
                              "tag": tag_of(key, tenant, field, value, late).hex()})
    sets = []
    for n, late in [(0, 0), (1, 1), (8, 0), (300, 1), (512, 0)]:
        key, tenant = random(f"set key {n}", 32), b"acme"
        raw = [(1 + i % 18, struct.pack(">I", i)) for i in range(n)]
        raw += raw[: n // 3]  # duplicates are dropped
        unique = sorted({tag_of(key, tenant, f, v, late) for f, v in raw})
        assert len(unique) == n
        sets.append({"tag_key": key.hex(), "tenant": tenant.hex(), "late": late,
                     "keys": [{"field": f, "value": v.hex()} for f, v in raw],
                     "n": len(unique), "tags_sha256": H(b"".join(unique)).hex()})
    return {"cases": cases, "sets": sets}


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def states():
    cases = []
    for n in [0, 1, 2, 3, 5, 8, 13, 100]:
        puts = {}
        names = ["class", "epoch/20261100", "tenant/acme", "hold/7", "disposed/0", "gone/20261100", "erased/12",
                 "logs/models"] + [f"tenant/t{i * 37 % 101}" for i in range(100)]
        for i in range(n):
            puts[names[i].encode()] = random(f"state {n} {i}", [1, 44, 9, 33, 25, 52, 16, 0][i % 8])
        ordered = sorted(puts)
        leaves = [H(b"\x27", lp(k), H(puts[k])) for k in ordered]
        cases.append({
            "puts": [{"key": k.decode(), "value": v.hex()} for k, v in puts.items()],
            "leaves": [{"key": k.decode(), "hash": leaf.hex(),
                        "path": [p.hex() for p in path(leaves, i, 0x28)]}
                       for i, (k, leaf) in enumerate(zip(ordered, leaves))],
            "root": mth(leaves, 0x28).hex(),
            "stored": (varint(n) + b"".join(lp(k) + lp(puts[k]) for k in ordered)).hex(),
        })
    return {"cases": cases}


def commits():
    payloads = []
    for n in [0, 1, 46, 47, 300, 65_536]:
        salt, payload = random(f"salt {n}", 16), random(f"payload {n}", n)
        case = {"salt": salt.hex(), "bytes": n, "hash": H(b"\x10", salt, payload).hex()}
        if n <= 300:
            case["payload"] = payload.hex()
        else:  # too long to write down: the byte i is i mod 251
            case["hash"] = H(b"\x10", salt, bytes(i % 251 for i in range(n))).hex()
        payloads.append(case)
    keys = []
    for n in [0, 1, 2, 9, 512]:
        ksalt = random(f"ksalt {n}", 16)
        sorted_tags = [struct.pack(">QQ", i, 3 * i) for i in range(n)]
        keys.append({"ksalt": ksalt.hex(), "n": n,
                     "hash": H(b"\x11", ksalt, struct.pack(">H", n), *sorted_tags).hex()})
    salts = []
    for i in [0, 1, 15, 255]:
        seed = random(f"seed {i}", 32)
        salts.append({"seed": seed.hex(), "i": i, "salt": H(b"\x17", seed, bytes([i]))[:16].hex(),
                      "ksalt": H(b"\x18", seed, bytes([i]))[:16].hex()})
    bodies = [{"body": random(f"body {n}", n).hex(), "hash": H(b"\x14", random(f"body {n}", n)).hex()}
              for n in [0, 40, 90]]
    return {"payloads": payloads, "keys": keys, "salts": salts, "bodies": bodies}


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    check = sys.argv[1:] == ["--check"]
    for name, make in [("entries", entries), ("tags", tags), ("state", states), ("commits", commits)]:
        text = json.dumps(make(), indent=1) + "\n"
        file = os.path.join(folder, name + ".json")
        if not check:
            with open(file, "w", encoding="ascii") as out:
                out.write(text)
        elif open(file, encoding="ascii").read() != text:
            sys.exit(f"{file} is not what this script gives: golden files are frozen, a new format needs v2")


main()
