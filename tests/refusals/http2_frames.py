#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Frames of HTTP/2 that are wrong, over TLS with a good certificate, against a real steled.

http2_frames.py --tools FOLDER [--seconds N] [--cases N] [--seed N] [--soak]

Each case is a connection: the frames of some good calls, then a few of them changed, cut, repeated, swapped, or others
put between: every kind of frame with any flags, stream and length, header blocks that are none, gRPC prefixes that
lie, bodies that are none. What the server says is read and thrown away; it may end the stream or the connection, and
nothing else. Now and then, and at the end, it must answer a question, take an event, and hold no more than it may.
A case depends on seed and number alone: `--seed S --first N --cases 1` is that case again.
--soak: two minutes from a seed of the clock, if STELE_SOAK=1; skipped without.
"""
import argparse
import collections
import os
import random
import ssl
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import h2  # noqa: E402
import rig  # noqa: E402
import wire  # noqa: E402

PATHS = ['/stele.v1.Ingest/Append', '/stele.v1.Ingest/AppendStream', '/stele.v1.Query/Search', '/stele.v1.Query/Count',
         '/stele.v1.Query/Get', '/stele.v1.Query/Explain', '/stele.v1.Log/ListLogs', '/stele.v1.Log/GetEntries',
         '/grpc.health.v1.Health/Check', '/grpc.health.v1.Health/Watch',
         '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo']
SOAK_S, CHECK_EVERY = 120, 100
MEMORY_MIB_MAX, FILES_MORE_MAX = 800, 60


# ------------------------------------------------------------------ good calls

def body_of(rng, path, name):
    if 'Append' in path:
        return wire.append_request([wire.event(f'{name}-{i}', tenant='fuzz') for i in range(rng.randint(1, 4))])
    if 'Query' in path:
        return wire.search_request(tenant='fuzz', limit=rng.randint(0, 3))
    return wire.message((1, f'{wire.REGION}/3y'))


def good_call(rng, stream, name):
    """Frames of a call as (kind, flags, stream, payload)."""
    path = rng.choice(PATHS)
    block = h2.header_block(h2.request_headers(path, **({'grpc_timeout': '5S'} if rng.random() < 0.3 else {})))
    data = h2.grpc_message(body_of(rng, path, name))
    if rng.random() < 0.3:
        cut = rng.randrange(len(block))
        frames = [(h2.HEADERS, 0, stream, block[:cut]), (h2.CONTINUATION, h2.END_HEADERS, stream, block[cut:])]
    else:
        frames = [(h2.HEADERS, h2.END_HEADERS, stream, block)]
    while len(data) > 3 and rng.random() < 0.3:
        cut = rng.randrange(1, len(data))
        frames.append((h2.DATA, 0, stream, data[:cut]))
        data = data[cut:]
    frames.append((h2.DATA, h2.END_STREAM if rng.random() < 0.9 else 0, stream, data))
    return frames


# ------------------------------------------------------------------ what is wrong with them

def noise(rng, most):
    return rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 9, rng.randrange(most))))


def bad_block(rng):
    """Header blocks of RFC 7541's ways to be wrong, and of gRPC's."""
    huge = h2.integer(1 << rng.choice((7, 14, 31, 32, 62)), 7)
    name, value = b'x-' + rng.randbytes(3).hex().encode(), rng.randbytes(rng.randrange(40))
    return rng.choice((
        b'\x80', b'\xff' * rng.randint(1, 12), h2.integer(62 + rng.randrange(200), 7, 0x80), b'\x00' + huge + b'x',
        b'\x3f\xff\xff\xff\x7f', b'\x20' * rng.randint(1, 5), b'\x00\x85' + rng.randbytes(5) + b'\x81\xff',
        h2.header_block([(':method', 'GET'), (':path', '*')]), h2.header_block([(':path', PATHS[0])] * 2),
        h2.header_block([('Te', 'x'), (':status', '200')]), h2.header_block([('', '')]),
        h2.header_block([(name, value)]), h2.header_block([(b'k' * rng.choice((100, 9000)), b'v' * rng.choice((10, 9000)))]),
        h2.header_block(h2.request_headers('/' + 'p' * rng.choice((1, 300, 8000)))),
        h2.header_block(h2.request_headers(PATHS[0], grpc_encoding=rng.choice(('gzip', 'deflate', 'identity', 'none')))),
        h2.header_block(h2.request_headers(PATHS[0], grpc_timeout=rng.choice(('-1S', '99999999H', '1n', '', 'S')))),
        h2.header_block(h2.request_headers(PATHS[0], content_length='-5')), rng.randbytes(rng.randrange(1, 200))))


def strange_frame(rng, streams):
    stream = rng.choice(streams + [0, 2, 1 << 31, (1 << 31) - 1, rng.randrange(1 << 32)])
    flags = rng.choice((0, 1, 4, 5, 8, 0x20, 0x29, 0xff, rng.randrange(256)))
    number = struct.pack('>I', rng.choice((0, 1, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)))
    return rng.choice((
        (h2.SETTINGS, flags, rng.choice((0, stream)), struct.pack('>HI', rng.randrange(10), rng.randrange(1 << 32)) * rng.randint(0, 3)),
        (h2.SETTINGS, 0, 0, struct.pack('>HI', rng.choice((1, 3, 4, 5, 6)), rng.choice((0, 1, (1 << 31) - 1, (1 << 32) - 1)))),
        (h2.SETTINGS, h2.ACK, 0, noise(rng, 20)),
        (h2.WINDOW_UPDATE, flags, stream, number), (h2.WINDOW_UPDATE, 0, rng.choice(streams + [0]), number),
        (h2.PING, flags, rng.choice((0, stream)), noise(rng, 20)),
        (h2.RST_STREAM, 0, stream, number), (h2.RST_STREAM, 0, rng.choice(streams), number),
        (h2.GOAWAY, 0, rng.choice((0, stream)), number * 2 + noise(rng, 20)),
        (h2.PRIORITY, flags, stream, noise(rng, 10)), (h2.PUSH_PROMISE, h2.END_HEADERS, stream, number + bad_block(rng)),
        (h2.HEADERS, rng.choice((0, 1, 4, 5, 0xc, 0x24, 0x2c)), rng.choice(streams + [stream]), bad_block(rng)),
        (h2.CONTINUATION, rng.choice((0, 4)), rng.choice(streams + [stream]), bad_block(rng)),
        (h2.DATA, flags, rng.choice(streams + [stream]), noise(rng, 300)),
        (h2.DATA, rng.choice((0, 1)), rng.choice(streams),
         h2.grpc_message(noise(rng, 200), compressed=rng.choice((0, 1, 2, 255)),
                         length=rng.choice((None, 0, 1, (1 << 22) + 1, (1 << 31), (1 << 32) - 1)))),
        (rng.randrange(10, 256), flags, stream, noise(rng, 300))))


def changed(rng, frame):
    kind, flags, stream, payload = frame
    part = rng.randrange(7)
    if part == 0:
        kind = rng.randrange(12)
    elif part == 1:
        flags ^= 1 << rng.randrange(8)
    elif part == 2:
        stream ^= 1 << rng.randrange(32)
    elif part == 3:
        payload = payload[:rng.randrange(len(payload) + 1)]
    elif part == 4 and payload:
        at = rng.randrange(len(payload))
        payload = payload[:at] + bytes([payload[at] ^ 1 << rng.randrange(8)]) + payload[at + 1:]
    elif part == 5:
        at = rng.randrange(len(payload) + 1)
        payload = payload[:at] + rng.randbytes(rng.randrange(1, 20)) + payload[at:]
    else:
        payload = payload * 2
    return kind, flags, stream, payload


def frames_of(rng, name):
    """The bytes of a case."""
    streams = [2 * i + 1 for i in range(rng.randint(1, 4))]
    frames = [frame for stream in streams for frame in good_call(rng, stream, f'{name}-{stream}')]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        at = rng.randrange(len(frames))
        how = rng.randrange(6)
        if how == 0:
            frames[at] = changed(rng, frames[at])
        elif how == 1:
            frames.insert(at, frames[at])
        elif how == 2 and len(frames) > 1:
            del frames[at]
        elif how == 3:
            other = rng.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
        elif how == 4:
            frames[at:at] = [strange_frame(rng, streams)] * rng.choice((1, 1, 1, 50))
        else:
            frames.insert(at, strange_frame(rng, streams))
    out = bytearray()
    for frame in frames:
        lie = rng.choice((0, 1, 3, 16385, (1 << 24) - 1)) if rng.random() < 0.03 else None
        out += h2.frame(*frame, length=lie)
    greeting = h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0)
    if rng.random() < 0.1:
        greeting = rng.choice((b'', h2.PREFACE, h2.PREFACE[:-1], b'GET / HTTP/1.1\r\n\r\n', h2.frame(h2.SETTINGS, 0, 0),
                               h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, struct.pack('>HI', h2.MAX_FRAME, 1))))
    if rng.random() < 0.1:
        at = rng.randrange(len(out) + 1)
        out[at:at] = rng.randbytes(rng.randrange(1, 64))
    return greeting + bytes(out)


def play(server, context, seed, number, seen):
    rng = random.Random(f'{seed}/{number}')
    data = frames_of(rng, f'f{seed}-{number}')
    try:
        connection = h2.Connection(server.address, context, greet=False)
    except OSError as problem:
        raise AssertionError(f'no connection: {problem}') from problem
    try:
        pieces = rng.choice((1, 1, 2, 5))
        step = len(data) // pieces + 1
        for at in range(0, len(data), step):
            connection.send(data[at:at + step])
        patience = rng.choice((0.0, 0.02, 0.05))
        answers = connection.answers(patience, lambda got: sum(1 for one in got.values() if one.get('over')) >= 2)
        for answer in answers.values():
            seen[answer.get('grpc-status', 'reset' if 'reset' in answer else 'open')] += 1
        seen['connection ended'] += connection.ended
    except (ssl.SSLError, OSError, IndexError):
        pass  # the server has closed, it may; or a header block began in an answer that was not read
    finally:
        connection.close()


# ------------------------------------------------------------------ and then

def check(server, channel, number, files, arguments):
    """A good call of each kind, and what the process holds."""
    assert server.is_alive(), 'steled has ended'
    name = f'good-{number}'
    (log, seq, duplicate, code, error), = wire.append_results(rig.append(channel, wire.append_request(
        [wire.event(name, tenant='good')])))
    assert code == 0 and not duplicate, error
    hits, _ = rig.search_all(channel, tenant='good')
    found = {(at, place): wire.one(wire.decode(event), wire.EVENT_ID).decode() for at, place, event in hits}
    assert found.get((log, seq)) == name, f'{name} is not at {log} {seq}'
    rig.wait_until(lambda: server.n_files() <= files + FILES_MORE_MAX, 'its connections are closed')
    memory = server.memory_mib()
    assert arguments.instrumented or memory <= MEMORY_MIB_MAX, f'{memory:.0f} MiB'
    return memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tools', required=True, help='the folder of stele and steled')
    parser.add_argument('--instrumented', action='store_true', help="a sanitizer's server, whose memory says nothing")
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--cases', type=int, default=1000)
    parser.add_argument('--seconds', type=float, default=float('inf'))
    parser.add_argument('--soak', action='store_true')
    arguments = parser.parse_args()
    if arguments.soak:
        if os.environ.get('STELE_SOAK') != '1':
            rig.skip('a soak test; it runs with STELE_SOAK=1')
        arguments.seed, arguments.cases, arguments.seconds = time.time_ns() % 1000000, 1 << 40, SOAK_S
    print(f'seed {arguments.seed}', flush=True)
    start, played, memory = time.monotonic(), 0, 0
    seen = collections.Counter()
    with rig.Server(arguments.tools) as server:
        channel, context = server.channel('auditor'), h2.tls_context(server.tls, 'flood')
        files = server.n_files()
        number = arguments.first
        try:
            while played < arguments.cases and time.monotonic() - start < arguments.seconds:
                play(server, context, arguments.seed, number, seen)
                played, number = played + 1, number + 1
                if played % CHECK_EVERY == 0:
                    memory = check(server, channel, number, files, arguments)
            memory = check(server, channel, 'last', files, arguments)
            stored, _ = rig.search_all(channel, tenant='fuzz')
        except BaseException:
            print(f'at case {number} of seed {arguments.seed}', flush=True)
            raise
        assert server.stop() == 0
    print(f'{played} cases in {time.monotonic() - start:.0f} s, {len(stored)} of their events stored, '
          f'{memory:.0f} MiB at the end; calls by their status: {dict(sorted(seen.items()))}')


if __name__ == '__main__':
    main()
