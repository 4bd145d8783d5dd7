#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second verifier of receipts and answer files, from storage/FORMAT.md alone, in the standard library.

verify_answer.py KEYS FILE...   KEYS: verifier keys, one a line. Prints what each file proves, or fails.

It shares nothing with the C code, so that both reading a file alike means that the format says so. Of a
question it checks the conditions on actor id, resource, event type, action, outcome, session, source and
resource version of generic events; others it refuses rather than pass over."""
import base64
import hashlib
import struct
import sys
from datetime import datetime, timezone
from functools import lru_cache

DAY_US = 86400 * 10**6
OPEN = 2**64 - 1


class Refused(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Refused(why)


def sha(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def b64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused(f'base64: {error}')
    need(base64.b64encode(data) == text, 'base64 is not canonical')
    return data


def decimal(text):
    need(text.isdigit() and (text == b'0' or text[:1] != b'0') and int(text) < 2**64, 'not a decimal number')
    return int(text)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), 'cut off')
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), 'big')

    def lp(self):
        return self.take(self.number(2))

    def left(self):
        return len(self.data) - self.at


# ---------------------------------------------------------------- Ed25519, RFC 8032 section 5.1.7
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    need(y < P, 'a point is not canonical')
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - x2) % P == 0 and not (x == 0 and sign), 'not a point of the curve')
    return P - x if x & 1 != sign else x


def decompress(data):
    y = int.from_bytes(data, 'little')
    x = recover_x(y & (2**255 - 1), y >> 255)
    return (x, y & (2**255 - 1), 1, x * (y & (2**255 - 1)) % P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P)


def multiply(n, point):
    result = (0, 1, 1, 0)
    while n:
        result = add(result, point) if n & 1 else result
        point, n = add(point, point), n >> 1
    return result


@lru_cache(maxsize=None)
def signature_holds(public, message, signature):
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], 'little')
    if s >= Q:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % Q
    by = 4 * pow(5, P - 2, P) % P
    base = (recover_x(by, 0), by, 1, recover_x(by, 0) * by % P)
    left, right = multiply(s, base), add(r, multiply(k, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# ---------------------------------------------------------------- keys, notes, checkpoints
def read_keys(text):
    keys = {}
    for line in text.split():
        name, key_id, key = line.split(b'+', 2)
        key = b64(key)
        need(key[:1] == b'\1' and len(key) == 33, 'only Ed25519 keys are known')
        need(sha(name, b'\n', key)[:4].hex().encode() == key_id, 'the key id is not that of the key')
        keys[name, bytes.fromhex(key_id.decode())] = key[1:]
    return keys


def open_checkpoint(note, keys):
    cut = note.rfind(b'\n\n') + 1
    need(cut > 0 and note.endswith(b'\n') and len(note) <= 16384, 'not a signed note')
    text, lines = note[:cut], note[cut + 1:].split(b'\n')[:-1]
    parts = text.split(b'\n')
    need(len(parts) == 4 and lines, 'not three lines and a signature')
    origin, size, root = parts[0], decimal(parts[1]), b64(parts[2])
    need(len(root) == 32, 'a root of another length')
    signed = False
    for line in lines:
        need(line.startswith('\u2014 '.encode()) and line.count(b' ') == 2, 'not a signature line')
        name, signature = line[4:].split(b' ')
        signature = b64(signature)
        public = keys.get((name, signature[:4]))
        if public is not None:
            need(len(signature) == 68 and signature_holds(public, text, signature[4:]), 'a signature does not hold')
            signed = signed or name == origin
    need(signed, 'not signed by a known key of its origin')
    need(origin.count(b'/') == 2 and all(origin.split(b'/')), 'an origin of other parts')
    return origin, size, root


# ---------------------------------------------------------------- trees
def leaf_hash(entry):
    return sha(b'\0', entry)


def inner(left, right):
    return sha(b'\1', left, right)


def root_by_path(index, size, node, path):
    need(index < size, 'an index that is not below the size')
    fn, sn = index, size - 1
    for sibling in path:
        need(sn > 0, 'a path that is too long')
        if fn & 1 or fn == sn:
            node = inner(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = inner(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, 'a path that is too short')
    return node


class Frontier:
    def __init__(self):
        self.nodes, self.size = [], 0  # (height, root), heights falling

    def push(self, node, height=0):
        self.size += 1 << height
        while self.nodes and self.nodes[-1][0] == height:
            node, height = inner(self.nodes.pop()[1], node), height + 1
        self.nodes.append((height, node))

    def take_gap(self, reader, to):
        while self.size < to:
            height = (to - self.size).bit_length() - 1
            if self.size:
                height = min(height, (self.size & -self.size).bit_length() - 1)
            self.push(reader.take(32), height)

    def root(self):
        root = None
        for _, node in reversed(self.nodes):
            root = node if root is None else inner(node, root)
        return sha() if root is None else root


# ---------------------------------------------------------------- entries and events
def read_entry(data):
    r = Reader(data)
    kind, version, a, b = r.take(4)
    need({1: 96, 2: 72, 3: 112}.get(kind) == len(data) and version == 1, 'an entry of another form')
    e = {'type': kind, 'word': r.number(4), 'seq': r.number(8), 'time': r.number(8)}
    if kind == 1:
        e.update(years=a, late=b, event_us=r.number(8), payload=r.take(32), keys=r.take(32))
        need(1 <= a <= 7 and b == int(e['time'] > e['event_us'] + DAY_US), 'class or late bit')
        need(e['event_us'] <= e['time'] + DAY_US, 'an event from the future')
        month = datetime.fromtimestamp(e['time'] // 10**6, timezone.utc)
        need(e['word'] // 100 == month.year * 100 + month.month, 'an era of another month')
    elif kind == 2:
        need(a == b == 0 and 1 <= r.number(8) <= e['seq'] and r.number(8) < e['seq'], 'an index entry')
    else:
        need(a <= 8 and b == 0 and data[104:] == bytes(8), 'a control entry')
    return e


def fields(data):
    r, found = Reader(data), {}

    def varint():
        value = shift = 0
        while True:
            byte = r.number(1)
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while r.left():
        tag = varint()
        need(tag & 7 in (0, 1, 2), 'a wire type this script does not know')
        value = varint() if tag & 7 == 0 else r.take(8)[::-1] if tag & 7 == 1 else r.take(varint())
        found.setdefault(tag >> 3, []).append(value)
    return found


def check_event(entry, payload, salt, region):
    need(len(payload) <= 65536 and sha(b'\x10', salt, payload) == entry['payload'], 'not the payload committed to')
    event = fields(payload)
    need(51 in event, 'this script knows generic events only')
    nano = int.from_bytes(event[2][0], 'big')
    need(nano // 1000 == entry['event_us'], 'the entry has another event time')
    need(event.get(12, [0])[0] in (0, entry['years']), 'the entry has another class')
    need(event[4] == [region], 'an event of another region')
    actor, number = fields(event[6][0]), lambda n: struct.pack('>I', event[n][0])
    keys = {1: actor[1], 3: [number(5)], 4: [number(7)], 5: [] if event[8] == [1] else [number(8)],
            7: actor.get(4, []), 12: fields(event[10][0])[1], 2: [], 17: []}
    for resource in map(fields, event.get(9, [])):
        keys[2] += resource[1]
        if 3 in resource:
            keys[17] += [struct.pack('>H', len(resource[1][0])) + resource[1][0] + resource[3][0]]
    return nano, event[3][0], keys


# ---------------------------------------------------------------- receipts
def verify_receipt(data, keys):
    head, _, note = data.partition(b'\n\n')
    lines = head.split(b'\n')
    need(lines[0] == b'c2sp.org/tlog-proof@v1' and len(data) <= 262144, 'not a receipt')
    need(len(lines) > 2 and lines[1].startswith(b'extra ') and lines[2].startswith(b'index '), 'lines 2 and 3')
    r = Reader(b64(lines[1][6:]))
    version, flags, entry_bytes = r.number(1), r.number(1), r.lp()
    need(version == 1 and flags < 4, 'version or flags')
    entry = read_entry(entry_bytes)
    salt = r.take(16) if entry['type'] == 1 else None
    need(entry['type'] == 1 or flags == 0, 'tags or payload of what is no event')
    origin, size, root = open_checkpoint(note, keys)
    need(decimal(lines[2][6:]) == entry['seq'], 'index and seq differ')
    path = [b64(line) for line in lines[3:]]
    need(all(len(node) == 32 for node in path), 'a hash of another length')
    need(root_by_path(entry['seq'], size, leaf_hash(entry_bytes), path) == root, 'not in the tree')
    if flags & 1:
        ksalt, n = r.take(16), r.number(2)
        tags = [r.take(16) for _ in range(n)]
        need(0 < n <= 512 and all(a < b for a, b in zip(tags, tags[1:])), 'tags')
        need(all(tag[15] & 1 == entry['late'] for tag in tags), 'late bits')
        need(sha(b'\x11', ksalt, struct.pack('>H', n), *tags) == entry['keys'], 'not the tags committed to')
    if flags & 2:
        check_event(entry, r.take(r.number(4)), salt, origin.split(b'/')[1])
    need(r.left() == 0, 'bytes left over')
    return f'receipt {origin.decode()} size {size} entry {entry["seq"]} type {entry["type"]} flags {flags}'


# ---------------------------------------------------------------- answers
def read_question(data):
    r = Reader(data)
    need(r.take(2) == b'\1\0', 'a question of another version')
    q = {'region': r.lp(), 'logs': [r.lp() for _ in range(r.number(1))], 'tenant': r.lp(),
         'conditions': [(r.number(1), r.lp()) for _ in range(r.number(1))]}
    q.update(zip(('since', 'until', 'logged_since', 'logged_until', 'limit'), (r.number(8) for _ in range(5))))
    need(r.left() == 0 and q['logs'] == sorted(set(q['logs'])), 'a question of another form')
    return q


def matches(q, nano, tenant, keys, time):
    if not (q['since'] <= nano and (nano < q['until'] or q['until'] == OPEN)):
        return False
    if not (q['logged_since'] <= time and (time < q['logged_until'] or q['logged_until'] == OPEN)):
        return False
    for field, value in q['conditions']:
        need(field in keys, f'this script does not know key {field}')
        if not (not keys[5] if (field, value) == (5, b'\0\0\0\1') else value in keys[field]):
            return False
    return q['tenant'] in (b'', tenant)


def verify_answer(data, keys):
    r = Reader(data)
    need(r.take(16) == b'stele/answer@v1\n', 'not an answer file')
    question, logs, ended, events, last, part = None, [], 0, 0, None, 0
    while True:
        kind, body = r.number(1), Reader(r.take(r.number(4)))
        # Parts only move on: 1 question, 2 logs, 3 events, 4 ends of logs, 5 the end.
        need(1 <= kind <= 5 and kind >= part and (kind > 1 or part == 0), 'a chunk out of place')
        part = kind
        if kind == 1:
            question = read_question(body.data)
        need(question is not None, 'no question')
        if kind == 2:
            origin, size, root = open_checkpoint(body.data, keys)
            need(len(logs) < 64 and (not logs or logs[-1][0] < origin), 'logs out of order')
            need(origin.split(b'/')[1] == question['region'], 'a log of another region')
            need(not question['logs'] or origin.split(b'/')[2] in question['logs'], 'a log that was not asked')
            logs.append((origin, size, root, Frontier()))
        if kind == 3:
            number, entry_bytes, salt = body.number(1), body.take(96), body.take(16)
            entry = read_entry(entry_bytes)
            need(number < len(logs), 'an event of no log')
            origin, size, _, frontier = logs[number]
            need(entry['type'] == 1 and frontier.size <= entry['seq'] < size, 'an entry out of place')
            place = (entry['time'], number, entry['seq'])
            need(last is None or last < place, 'events out of order')
            last, events = place, events + 1
            frontier.take_gap(body, entry['seq'])
            frontier.push(leaf_hash(entry_bytes))
            nano, tenant, found = check_event(entry, body.take(body.left()), salt, question['region'])
            need(matches(question, nano, tenant, found, entry['time']), 'an event that was not asked for')
        if kind == 4:
            need(body.number(1) == ended < len(logs), 'the end of a log out of place')
            origin, size, root, frontier = logs[ended]
            frontier.take_gap(body, size)
            need(body.left() == 0 and frontier.root() == root, 'the events do not make the signed root')
            ended += 1
        if kind == 5:
            need(0 < ended == len(logs) and body.number(8) == events, 'ends or count')
            need(not question['limit'] or events <= question['limit'], 'more events than asked for')
            need({o.split(b'/')[2] for o, *_ in logs} >= set(question['logs']), 'a log that was asked is missing')
            flags = body.number(1)
            need(flags < 2 and body.take(32) == sha(data[:r.at - 32]) and body.left() == r.left() == 0, 'the end')
            sizes = ' '.join(f'{o.decode()}:{s}' for o, s, *_ in logs)
            return f'answer {sizes} events {events} cut {flags}'


def verify(data, keys):
    return (verify_answer if data[:1] == b's' else verify_receipt)(data, keys)


def main():
    with open(sys.argv[1], 'rb') as file:
        keys = read_keys(file.read())
    for name in sys.argv[2:]:
        with open(name, 'rb') as file:
            print(verify(file.read(), keys))


if __name__ == '__main__':
    main()
