#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second verifier of complete answers (answer file, version 2), from storage/FORMAT.md alone.

verify_complete.py KEYS FILE...   KEYS: verifier keys, one a line. Prints what each file proves, or fails.

It shares nothing with the C code. Of events it knows what verify_answer.py does: generic ones; of maps version 1."""
import struct
import sys
from datetime import datetime, timezone

from verify_answer import (DAY_US, OPEN, Frontier, Reader, Refused, check_event, leaf_hash, matches, need,
                           open_checkpoint, read_entry, read_keys, read_question, root_by_path, sha)

YEAR_US = 366 * DAY_US
WHOLE_TENANT = 255


def fold(prefix, leaves, first, size, siblings):
    """The root of `size` leaves of which `leaves` stand from `first` on, with RFC 6962's recursion."""
    need(leaves and first + len(leaves) <= size, 'a run that is not in its tree')
    left = list(siblings)

    def node(lo, n):
        if lo >= first + len(leaves) or lo + n <= first:
            need(left, 'too few siblings')
            return left.pop(0)
        if n == 1:
            return leaves[lo - first]
        k = 1 << (n - 1).bit_length() - 1
        a = node(lo, k)
        return sha(prefix, a, node(lo + k, n - k))
    root = node(0, size)
    need(not left, 'siblings left over')
    return root


def hashes(reader):
    need(reader.left() % 32 == 0, 'not whole hashes')
    return [reader.take(32) for _ in range(reader.left() // 32)]


def month(us):
    when = datetime.fromtimestamp(us // 10**6, timezone.utc)
    return when.year * 100 + when.month


def tag_of(key, tenant, field, value, late):
    tag = bytearray(sha((b'\x12' + key).ljust(64, b'\0'), struct.pack('>H', len(tenant)), tenant, bytes([field]),
                        value)[:16])
    tag[15] = tag[15] & 0xfe | late
    return bytes(tag)


def base(tag):
    return tag[:15] + bytes([tag[15] & 0xfe])


class Windows:
    def __init__(self, q):
        self.l0, self.l1 = q['logged_since'], q['logged_until']
        self.t0, self.t1 = q['since'] // 1000, OPEN if q['until'] == OPEN else -(-q['until'] // 1000)
        self.by_event = q['since'] != 0 or q['until'] != OPEN
        self.of = [(self.l0, self.l1)] * 2
        if self.by_event:
            self.of = [(max(self.t0 - DAY_US, self.l0), min(self.t1 + DAY_US, self.l1)),
                       (max(self.t0 + DAY_US + 1, self.l0), self.l1)]
        self.w0, self.w1 = min(a for a, _ in self.of), max(b for _, b in self.of)

    def meets(self, late, d):
        a, b = self.of[late]
        return (a < b and d['t_first'] < b and d['t_last'] >= a and
                (not late or not self.by_event or (d['late_first'] < self.t1 and d['late_last'] >= self.t0)))

    def cover(self, late, d):
        """Every event of the segment with the tag is asked for."""
        a, b = self.of[late]
        if self.by_event and not late:
            a, b = max(self.t0 + DAY_US, self.l0), self.l1 if self.t1 == OPEN else min(self.t1 - DAY_US, self.l1)
        return (a <= d['t_first'] and d['t_last'] < b and
                (not late or not self.by_event or
                 (d['late_first'] >= self.t0 and (d['late_last'] < self.t1 or self.t1 == OPEN))))

    def asked(self, event_us):
        return self.t0 <= event_us and (event_us < self.t1 or self.t1 == OPEN)


def read_descriptor(data):
    names = ('era', 'map', 'alg', 'lo', 'hi', 't_first', 't_last', 'late_first', 'late_last', 'keys', 'postings', 'zero')
    d = dict(zip(names, struct.unpack('>IHH9Q', data[:80])), commit=data[80:112], root=data[112:], leaf=sha(b'\x25', data))
    need(d['zero'] == 0 and d['lo'] < d['hi'] and d['t_first'] <= d['t_last'] and d['postings'] >= d['keys'], 'descriptor')
    need(d['keys'] or d['root'] == sha(), 'an empty segment with a root')
    return d


class History:
    """One opened history: items are (rep, hash, opaque)."""

    def __init__(self, reader, segment):
        self.segment, self.items, self.left, self.right, self.inside = segment, [], None, None, False
        self.count, l, r = reader.number(8), reader.number(1), reader.number(1)
        need(l <= 64 and r <= 64, 'too many opaque subtrees')
        parts = [(reader.number(8), reader.take(32), True) for _ in range(l + r)]
        self.items, self.after = parts[:l], parts[l:]

    def push(self, seq, leaf, role):
        need(self.right is None, 'a posting after the right neighbour')
        need(role != 'left' or (self.left is None and not self.inside), 'a second left neighbour')
        need(role == 'left' or not self.items or self.left is not None or not any(o for *_, o in self.items),
             'hidden postings without a neighbour')
        self.items.append((seq, sha(b'\x20', struct.pack('>Q', seq), leaf), False))
        self.left = seq if role == 'left' else self.left
        self.right = seq if role == 'right' else self.right
        self.inside = self.inside or role == 'inside'

    def value(self):
        need(not self.after or self.right is not None, 'hidden postings without a right neighbour')
        items = self.items + self.after
        seqs = [seq for seq, *_ in items]
        shown = sum(not opaque for *_, opaque in items)
        need(shown and all(a < b for a, b in zip(seqs, seqs[1:])), 'a history out of order')
        need(self.segment['lo'] <= seqs[0] and seqs[-1] < self.segment['hi'], 'a posting of another segment')
        need(self.count == shown if shown == len(items) else self.count >= len(items), 'the count')
        return sha(b'\x22', struct.pack('>Q', self.count), self.root(items, None)[0])

    def root(self, items, above):
        if len(items) == 1:
            seq, node, opaque = items[0]
            if opaque:
                need(above is not None, 'an opaque root')
                first = seq >> above << above
                last = first + (1 << above) - 1
                need((self.left is not None and last < self.left) or (self.right is not None and first > self.right),
                     'an opaque subtree between the neighbours')
                need(seq == max(first, self.segment['lo']), 'an opaque subtree by another name')
            return node, opaque
        bit = (items[0][0] ^ items[-1][0]).bit_length() - 1
        k = next(i for i, item in enumerate(items) if item[0] >> bit & 1)
        a, b = self.root(items[:k], bit), self.root(items[k:], bit)
        need(not (a[1] and b[1]), 'two opaque siblings')
        return sha(b'\x21', bytes([bit]), a[0], b[0]), False


class Counted:
    """A history that is counted as it is: no entry belongs to it."""

    def __init__(self, reader, segment):
        self.count, self.root = reader.number(8), reader.take(32)
        need(0 < self.count <= segment['hi'] - segment['lo'], 'a count')

    def push(self, *_):
        raise Refused('an entry of a history that is counted')

    def value(self):
        return sha(b'\x22', struct.pack('>Q', self.count), self.root)


class Log:
    def __init__(self, note, keys):
        self.origin, self.size, self.signed = open_checkpoint(note, keys)
        self.state, self.used, self.next_state, self.keys, self.used_keys = {}, set(), 0, {}, set()
        self.system_run, self.segments, self.frontier, self.events, self.gaps = None, None, Frontier(), 0, 0
        self.next_seq, self.next_segment, self.opening, self.last_key = 0, 0, None, b''

    def path(self, r, seq, leaf):
        need(root_by_path(seq, self.size, leaf, [r.take(32) for _ in range(r.number(1))]) == self.signed, 'not in the tree')

    def anchor(self, r):
        self.condition, flags = r.number(1), r.number(1)
        need(flags < 3, 'flags')
        self.by_log, self.counted = flags == 1, flags == 2
        index, = (r.take(72),)
        entry = read_entry(index)
        need(entry['type'] == 2, 'no INDEX')
        self.n, self.index_seq, self.index_time = entry['word'], entry['seq'], entry['time']
        self.m, control, self.manifest_root = struct.unpack('>QQ', index[24:40]) + (index[40:],)
        need(1 <= self.n <= self.m, 'segments')
        self.path(r, self.index_seq, leaf_hash(index))
        body = r.take(112)
        entry = read_entry(body)
        need(entry['type'] == 3 and entry['seq'] == control and entry['time'] <= self.index_time, 'an old state')
        self.path(r, control, leaf_hash(body))
        self.n_state, self.state_root = struct.unpack('>Q', body[32:40])[0], body[72:104]
        self.genesis = r.take(32)
        self.path(r, 0, self.genesis)

    def read_state(self, r):
        first, n = r.number(8), r.number(2)
        need(first >= self.next_state and n, 'states out of order')
        leaves = [(r.lp(), r.lp()) for _ in range(n)]
        for key, value in leaves:
            need(self.last_key < key, 'state keys out of order')
            self.last_key = key
            self.state[key.decode('ascii')] = value
        nodes = [sha(b'\x27', struct.pack('>H', len(k)), k, sha(v)) for k, v in leaves]
        need(fold(b'\x28', nodes, first, self.n_state, hashes(r)) == self.state_root, 'not the state')
        self.next_state = first + n
        logs = [i for i, (k, _) in enumerate(leaves) if k.startswith(b'logs/')]
        if logs:
            need(self.system_run is None, 'logs/ in two states')
            need(first == 0 or logs[0] > 0, 'the leaf before logs/')
            need(logs[-1] + 1 < n or first + n == self.n_state, 'the leaf after logs/')
            self.system_run = [k.decode() for k, _ in leaves[max(0, logs[0] - 1):logs[-1] + 2]]

    def use(self, key):
        self.used.add(key)
        return self.state.get(key)

    def read_manifest(self, r, windows):
        self.first, n = r.number(4), r.number(4)
        need(0 < n <= 4096, 'descriptors')
        self.segments = [read_descriptor(r.take(144)) for _ in range(n)]
        nodes = [d['leaf'] for d in self.segments]
        need(fold(b'\x26', nodes, self.first, self.n, hashes(r)) == self.manifest_root, 'not the manifest')
        self.years = self.use('class')[0]
        before = None
        for d in self.segments:
            epoch = Reader(self.use(f'epoch/{d["era"]}'))
            era, alg, version, commit = epoch.number(4), epoch.number(2), epoch.number(2), epoch.take(32)
            d['epoch_seq'] = (epoch.take(32), epoch.number(8))[1]
            need((era, alg, version, commit) == (d['era'], d['alg'], d['map'], d['commit']), 'another EPOCH')
            need(alg == 1 and version == 1, 'a map or tags this script does not know')
            need(month(d['t_first']) == month(d['t_last']) == era // 100, 'times of another month')
            if before:
                need(before['hi'] == d['lo'] and before['t_last'] <= d['t_first'] and before['era'] <= era, 'a gap')
                need(before['era'] == era or d['lo'] == d['epoch_seq'], 'an era that does not begin with its EPOCH')
            before = d
            d['needed'] = windows.meets(0, d) or windows.meets(1, d)
        head, tail = self.segments[0], self.segments[-1]
        need(head['lo'] == 0 if self.first == 0 else head['lo'] > 0 and head['t_last'] < windows.w0, 'left edge')
        at_end = self.first + n == self.n
        need(tail['hi'] == self.m if at_end else
             tail['hi'] < self.m and windows.w1 != OPEN and tail['t_first'] >= windows.w1, 'right edge')
        need(tail['t_last'] <= self.index_time, 'an INDEX older than what it covers')
        self.until = windows.l1 if windows.l1 != OPEN and tail['t_last'] >= windows.l1 else (
            self.index_time if self.m == self.index_seq else tail['t_last'])

    def read_key(self, r):
        era, key = r.number(4), r.take(32)
        need(era > max(self.keys, default=0), 'keys out of order')
        need(sha(b'\x13', key) == self.state[f'epoch/{era}'][8:40], 'another tag key')
        self.keys[era] = key

    # ------------------------------------------------------------ openings
    def close(self, upto):
        if self.opening:
            segment, first, leaves, histories, siblings = self.opening
            leaves = [(tag, histories[tag].value() if tag in histories else value) for tag, value in leaves]
            nodes = [sha(b'\x23', tag, value) for tag, value in leaves]
            need(fold(b'\x24', nodes, first, segment['keys'], siblings) == segment['root'], 'not the key leaves')
            self.opening = None
        need(not any(d['needed'] for d in self.segments[self.next_segment:upto]), 'a segment is not opened')
        self.next_segment = max(self.next_segment, upto)

    def open(self, r, q, key, windows):
        number, kind = r.number(4) - self.first, r.number(1)
        need(self.next_segment <= number < len(self.segments), 'a segment out of order')
        self.close(number)
        segment = self.segments[number]
        need(segment['needed'], 'an opening that is not needed')
        self.next_segment = number + 1
        if kind == 0:
            need(segment['keys'] == 0 and r.left() == 0, 'not empty')
        elif kind == 2:
            self.disposed(r, segment)
        else:
            need(kind == 1, 'an opening of another kind')
            self.opened(r, q, key, windows, segment)

    def disposed(self, r, segment):
        gone = Reader(self.use(f'gone/{segment["era"]}'))
        gone.number(8)
        time, n, root = gone.number(8), gone.number(4), gone.take(32)
        need(fold(b'\x26', [segment['leaf']], r.number(4), n, hashes(r)) == root, 'not of the gone era')
        age, at = self.years * YEAR_US, segment['lo']
        need(time >= segment['t_last'] + age, 'gone too early')
        while at < segment['hi']:
            hi, when = self.disposal(at)
            need(when >= (segment['t_last'] if hi >= segment['hi'] else segment['t_first']) + age, 'disposed too early')
            at = hi
        self.gaps += 1

    def disposal(self, seq):
        for name, value in self.state.items():
            if name.startswith('disposed/'):
                hi, _, when, years = struct.unpack('>QQQB', value)
                if int(name[9:]) <= seq < hi:
                    self.use(name)
                    need(years == self.years, 'another class')
                    return hi, when
        raise Refused('not disposed of')

    def opened(self, r, q, key, windows, segment):
        first, m = r.number(8), r.number(1)
        need(1 <= m <= 2, 'key leaves')
        leaves = [(r.take(16), r.take(32)) for _ in range(m)]
        self.used_keys.add(segment['era'])
        t = tag_of(self.keys[segment['era']], q['tenant'], *key, 0)
        late = t[:15] + bytes([t[15] | 1])
        tags, start, end = [tag for tag, _ in leaves], first == 0, first + m == segment['keys']
        if t in tags and late in tags:
            good = tags == [t, late]
        elif t in tags:
            good = end if m == 1 else tags[0] == t and base(tags[1]) > t
        elif late in tags:
            good = start if m == 1 else tags[1] == late and base(tags[0]) < t
        elif m == 2:
            good = base(tags[0]) < t < base(tags[1])
        else:
            good = start if base(tags[0]) > t else end
        need(good, 'leaves that do not settle it')
        histories = {}
        for tag, value in leaves:
            if base(tag) == t and windows.meets(tag[15] & 1, segment):
                need(value == bytes(32), 'a value of an opened leaf')
                counted = self.counted and windows.cover(tag[15] & 1, segment)
                histories[tag] = Counted(r, segment) if counted else History(r, segment)
                self.events += histories[tag].count if counted else 0
        self.opening = (segment, first, leaves, histories, hashes(r))
        need(len(self.opening[4]) <= 128, 'siblings')

    # ------------------------------------------------------------ entries
    def entry(self, r, q, key, windows, is_event):
        data = r.take(32 if is_event else 96)
        e = read_entry(data.ljust(96, b'\0'))
        need(e['type'] == 1 and self.next_seq <= e['seq'] < self.m, 'an entry out of place')
        self.next_seq = e['seq'] + 1
        salt, ksalt = (r.take(16), r.take(16)) if is_event else (None, None)
        if self.by_log:
            self.frontier.take_gap(r, e['seq'])
        need(self.opening, 'an entry without an opening')
        segment, histories = self.opening[0], self.opening[3]
        need(e['word'] == segment['era'] and e['years'] == self.years and
             segment['t_first'] <= e['time'] <= segment['t_last'], 'era, class or time')
        tag = tag_of(self.keys[segment['era']], q['tenant'], *key, e['late'])
        a, b = windows.of[e['late']]
        role = 'left' if e['time'] < a else 'right' if e['time'] >= b else 'inside'
        asked = role == 'inside' and windows.asked(e['event_us'])
        need(tag in histories and (asked and not self.counted or not is_event), 'an entry of no opened history, or an event that is not asked')
        meets = False
        if is_event:
            payload = r.take(r.left())
            e['payload'] = sha(b'\x10', salt, payload)  # so that the entry commits to it: whether it does, its hash says
            nano, tenant, found = check_event(e, payload, salt, q['region'])
            tags = sorted({tag_of(self.keys[segment['era']], tenant, field, value, e['late'])
                           for field, values in list(found.items()) + [(16, [b''])] for value in values if value or field == 16})
            need(tag in tags and tenant == q['tenant'], 'an event of another key or tenant')
            data += e['payload'] + sha(b'\x11', ksalt, struct.pack('>H', len(tags)), *tags)
            self.events += 1
            meets = matches(q, nano, tenant, found, e['time'])
        elif asked and self.counted:
            self.events, meets = self.events + 1, True
        elif asked:
            if self.use(f'erased/{e["seq"]}') is None:
                self.used.discard(f'erased/{e["seq"]}')
                need(self.disposal(e['seq'])[1] >= e['time'] + self.years * YEAR_US, 'disposed too early')
            self.gaps += 1
        need(r.left() == 0, 'bytes left over')
        if self.by_log:
            self.frontier.push(leaf_hash(data))
        histories[tag].push(e['seq'], leaf_hash(data), role)
        return e, meets

    def end(self, r):
        if self.by_log:
            self.frontier.take_gap(r, self.size)
            need(self.frontier.root() == self.signed, 'not the signed root')
        need(r.left() == 0 and (self.by_log or self.counted or self.events > 1000), 'by index')
        self.close(len(self.segments))
        need(set(self.keys) == self.used_keys, 'a key that is not needed')
        need(set(self.state) <= self.used | set(self.system_run or []), 'a state leaf that is not needed')


def check_region(logs):
    system = [log for log in logs if log.origin.endswith(b'/system')]
    need(len(system) == 1 and system[0].system_run, 'no list of logs')
    listed = {}
    for name in system[0].system_run:
        if name.startswith('logs/'):
            r = Reader(system[0].state[name])
            origin = r.lp()
            listed[origin] = (r.number(1), r.take(32))
            need(r.left() == 0, 'a listed log')
    need(listed == {log.origin: (log.years, log.genesis) for log in logs}, 'not the logs of the region')


def verify(data, keys):
    r = Reader(data)
    need(r.take(16) == b'stele/answer@v2\n', 'not a complete answer')
    q, logs, begun, ended, met, last, body_began = None, [], 0, 0, 0, None, False
    while True:
        kind, body = r.number(1), Reader(r.take(r.number(4)))
        if kind == 1:
            need(q is None, 'a second question')
            q = read_question(body.data)
            need(q['tenant'], 'no tenant')
            windows = Windows(q)
            continue
        need(q is not None, 'no question')
        if kind == 2:
            need(not begun and len(logs) < 64, 'a log out of place')
            logs.append(Log(body.data, keys))
            need(len(logs) < 2 or logs[-2].origin < logs[-1].origin, 'logs out of order')
            domain, region, name = logs[-1].origin.split(b'/')
            need(region == q['region'] and (not q['logs'] or name in q['logs']), 'a log that was not asked')
            continue
        if kind == 5:
            break
        number = body.number(1)
        need(number < len(logs), 'a log that is not declared')
        log = logs[number]
        if kind in (6, 7, 8, 9, 12):
            need(not body_began and number + (kind != 6) == begun, 'a part out of place')
            need(kind != 6 or begun == 0 or logs[begun - 1].segments, 'an anchor before a manifest')
            need(kind == 6 or (log.segments is None) == (kind != 9), 'a part out of order')
            need(kind != 12 or log.next_state == 0, 'a consistency proof out of order')
            begun += kind == 6
            {6: log.anchor, 7: log.read_state, 8: lambda b: log.read_manifest(b, windows), 9: log.read_key,
             12: lambda b: b.take(b.left())}[kind](body)
            need(body.left() == 0, 'bytes left over')
            continue
        if not body_began:
            need(begun == len(logs) and logs[-1].segments, 'the parts of all logs are missing')
            body_began = True
            if q['logs']:
                need({o.origin.split(b'/')[2] for o in logs} == set(q['logs']), 'a log that was asked is missing')
            else:
                check_region(logs)
        need(kind == 4 or ended == 0, 'a chunk after the end of a log')
        key = (16, b'') if log.condition == WHOLE_TENANT else q['conditions'][log.condition]
        need(key != (5, b'\0\0\0\1'), 'a condition without a key')
        if log.counted:
            need(len(q['conditions']) == (log.condition != WHOLE_TENANT) and not q['limit'] and q['since'] % 1000 == 0 and
                 (q['until'] == OPEN or q['until'] % 1000 == 0), 'a question that a number does not answer')
        if kind == 10:
            log.open(body, q, key, windows)
        elif kind in (3, 11):
            entry, meets = log.entry(body, q, key, windows, kind == 3)
            place = (entry['time'], number, entry['seq'])
            need(last is None or last < place, 'entries out of order')
            last, met = place, met + meets
        else:
            need(kind == 4 and number == ended, 'the end of a log out of place')
            log.end(body)
            ended += 1
    need(0 < ended == len(logs) and len({log.counted for log in logs}) == 1 and
         body.number(8) == sum(0 if log.counted else log.events for log in logs), 'ends or count')
    need(body.number(1) == 0 and body.take(32) == sha(data[:r.at - 32]) and body.left() == r.left() == 0, 'the end')
    need(not q['limit'] or met <= q['limit'], 'more events than asked for')
    sizes = ' '.join(f'{log.origin.decode()}:{log.m}/{log.size}' for log in logs)
    met = sum(log.events for log in logs) if logs[0].counted else met
    return f'complete {sizes} {"counted" if logs[0].counted else "events"} {met} gaps {sum(log.gaps for log in logs)} until {min(log.until for log in logs)}'


def main():
    with open(sys.argv[1], 'rb') as file:
        keys = read_keys(file.read())
    for name in sys.argv[2:]:
        with open(name, 'rb') as file:
            print(verify(file.read(), keys))


if __name__ == '__main__':
    main()
