# SPDX-License-Identifier: Apache-2.0
"""Bad events and bad messages. Each bad event is sent between two good ones, in a call and in a stream: it is refused
with its code and its reason, the two are stored."""
import itertools
import time

import grpc

import rig
import wire
from wire import Fixed64, event, field, message, varint

OK, INVALID_ARGUMENT, ALREADY_EXISTS, PERMISSION_DENIED = 0, 3, 6, 7
Code = grpc.StatusCode
EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, BATCH_MAX = 65536, (4 << 20) + 65536, 1000
HOUR_NS = 3600 * 10**9

names = (f'e-{number}' for number in itertools.count())


def nested(levels, number=wire.ACTOR):
    data = b''
    for _ in range(levels):
        data = field(number, data)
    return data


def of_bytes(size):
    """A good event with an unknown member that makes it `size` bytes."""
    start = event(next(names))
    filler = size - len(start) - len(varint(99 << 3 | 2)) - 3
    made = start + field(99, b'x' * filler)
    assert len(made) == size, len(made)
    return made


def bad(**changes):
    """Makes an event with the changes, under an id nobody has."""
    numbers = {getattr(wire, name): value for name, value in changes.items()}
    return lambda: event(next(names), numbers)


def behind(tail):
    return lambda: event(next(names)) + tail


# What is wrong, how it is made, the code, words of the reason: what, where, what to do.
EVENTS = [
    ('truncated', lambda: event(next(names))[:-3], INVALID_ARGUMENT, ('event: at byte', 'past the end')),
    ('empty', lambda: b'', INVALID_ARGUMENT, ('event_id: missing',)),
    ('noise', lambda: bytes(range(1, 200)), INVALID_ARGUMENT, ('event: at byte 0', 'not a protobuf message')),
    ('a group', behind(varint(30 << 3 | 3) + varint(30 << 3 | 4)), INVALID_ARGUMENT, ('event: at byte', 'wire type 3')),
    ('a member of wire type 7', behind(varint(30 << 3 | 7)), INVALID_ARGUMENT, ('event: at byte', 'wire type')),
    ('field number 0', behind(b'\x00\x01'), INVALID_ARGUMENT, ('event: at byte', 'field number is 0')),
    ('a varint of 11 bytes', behind(b'\xff' * 11), INVALID_ARGUMENT, ('event: at byte', 'varint')),
    ('a member of another wire type', bad(ACTOR=5), INVALID_ARGUMENT, ('actor', 'wire type 0, 2 by the schema')),
    ('an actor nested 2,000 deep', bad(ACTOR=nested(2000)), INVALID_ARGUMENT, ('actor.',)),
    ('nested 2,000 deep, as a text', bad(ACTOR=message((1, 'u'), (2, 1), (3, nested(2000)))), INVALID_ARGUMENT,
     ('actor.name', 'at most 256')),
    ('a singular field twice', behind(field(wire.EVENT_ID, 'again')), INVALID_ARGUMENT, ('event_id: occurs twice',)),
    ('a message field twice', behind(field(wire.ACTOR, message((1, 'u'), (2, 1)))), INVALID_ARGUMENT,
     ('actor: occurs twice',)),
    ('two members of the oneof', behind(field(40, message((1, 'm')))), INVALID_ARGUMENT,
     ('inference', 'oneof', 'exactly one')),
    ('an unknown enum value', bad(OUTCOME=99), INVALID_ARGUMENT, ('outcome: 99 is no value of Outcome',)),
    ('an enum value of 64 bits', bad(EVENT_TYPE=1 << 63), INVALID_ARGUMENT, ('event_type: 9223372036854775808',)),
    ('the unspecified enum value', bad(OUTCOME=0), INVALID_ARGUMENT, ('outcome: missing',)),
    ('invalid UTF-8', bad(ACTOR=message((1, 'u'), (2, 1), (3, b'\xc3\x28'))), INVALID_ARGUMENT,
     ('actor.name: is not UTF-8',)),
    ('UTF-8 of a surrogate', bad(MESSAGE=b'\xed\xa0\x80'), INVALID_ARGUMENT, ('message: is not UTF-8',)),
    ('a NUL in a text', bad(MESSAGE=b'a\0b'), INVALID_ARGUMENT, ('message',)),
    ('no actor', bad(ACTOR=None), INVALID_ARGUMENT, ('actor: missing',)),
    ('no id', bad(EVENT_ID=None), INVALID_ARGUMENT, ('event_id: missing',)),
    ('no time', bad(TIME=None), INVALID_ARGUMENT, ('time_unix_nano: missing',)),
    ('no body', bad(ACCESS=None), INVALID_ARGUMENT, ('access: missing',)),
    ('a body of another type', bad(EVENT_TYPE=1), INVALID_ARGUMENT, ('event_type',)),
    ('64 KiB and one byte', lambda: of_bytes(EVENT_BYTES_MAX + 1), INVALID_ARGUMENT,
     ('65537 bytes, at most 65536', 'digest')),
    ('2 MiB', lambda: b'x' * (2 << 20), INVALID_ARGUMENT, ('2097152 bytes, at most 65536',)),
    ('an id with a blank', bad(EVENT_ID='not an id!'), INVALID_ARGUMENT, ('event_id', 'character')),
    ('another region', bad(EVENT_REGION='mars'), INVALID_ARGUMENT,
     (f"region 'mars' is not served here; this server serves: {wire.REGION}, {wire.OTHER_REGION}",)),
    ('another tenant', bad(TENANT='other'), PERMISSION_DENIED, ("tenant 'other'", 'may not append')),
    ('the system tenant', bad(TENANT='system'), PERMISSION_DENIED, ("tenant 'system' is the server's own",)),
    ('an hour ahead', lambda: event(next(names), {wire.TIME: Fixed64(time.time_ns() + HOUR_NS)}), INVALID_ARGUMENT,
     ("ahead of this server's clock, at most 300", 'nanoseconds')),
    ('the last time there is', bad(TIME=Fixed64((1 << 64) - 1)), INVALID_ARGUMENT, ("ahead of this server's clock",)),
    ('a known id with other bytes', lambda: event('known', {wire.MESSAGE: 'other'}), ALREADY_EXISTS,
     ("event_id 'known'", 'other bytes', f'is stored at {wire.REGION}/3y seq')),
]


def is_stored(place):
    return place[0] == f'{wire.REGION}/3y'


def check_refused(what, code, error, row):
    _, _, expected, words = row
    assert code == expected, f'{what}: code {code}: {error}'
    for word in words:
        assert word in error, f"{what}: '{word}' is not in: {error}"


def good_twice():
    return event(next(names)), event(next(names))


def event_row(bench, row):
    """In a call, then in a stream that goes on behind it."""
    channel = bench.writer
    if row[0].startswith('a known id'):
        rig.append(channel, wire.append_request([event('known')]))
        bench.n_good += 1
    first, last = good_twice()
    results = wire.append_results(rig.append(channel, wire.append_request([first, row[1](), last])))
    assert [result[3] for result in results] == [OK, row[2], OK], results
    assert all(is_stored(result) and not result[2] for result in results[::2]), results
    check_refused('call', results[1][3], results[1][4], row)
    first, last = good_twice()
    requests = [wire.append_request([first]), wire.append_request([row[1]()]), wire.append_request([last])]
    stored, refused, acked = rig.append_stream(channel, requests)
    assert acked == 3 and set(stored) == {0, 2} and set(refused) == {1}, f'{acked} {stored} {refused}'
    assert all(map(is_stored, stored.values())), stored
    check_refused('stream', *refused[1], row)
    bench.n_good += 4
    return results[1][4]


# ------------------------------------------------------------------ whole messages

def goods(count, size=0):
    return [event(next(names), size=size) for _ in range(count)]


MESSAGES = [
    ('a truncated request', lambda: wire.append_request(goods(3))[:-1], Code.INVALID_ARGUMENT, ('not protobuf', 'before its end')),
    ('noise as a request', lambda: b'\xff' * 100, Code.INVALID_ARGUMENT, ('not protobuf', 'varint')),
    ('1,001 events', lambda: wire.append_request(goods(BATCH_MAX + 1)), Code.INVALID_ARGUMENT,
     ('over 1000 events', 'another message')),
    ('a message of 4 MiB and more', lambda: wire.append_request(goods(140, size=32000)), Code.RESOURCE_EXHAUSTED,
     ('larger than max', str(MESSAGE_BYTES_MAX))),
]


def failure(call):
    """(code, details) of a call that must fail."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f'the call was answered: {answer!r:.200}')


def check_failure(code, details, row):
    assert code == row[2], f'{code}: {details}'
    for word in row[3]:
        assert word in details, f"'{word}' is not in: {details}"


def message_row(bench, row):
    """Nothing of the message is stored; in a stream, all before it is, and is acknowledged first."""
    request = row[1]()
    check_failure(*failure(lambda: rig.append(bench.writer, request)), row)
    before = wire.append_request(goods(2))
    acked = []

    def stream():
        call = bench.writer.stream_stream('/stele.v1.Ingest/AppendStream')(iter([before, row[1]()]), timeout=rig.PATIENCE_S)
        for response in call:
            acked.append(wire.one(wire.decode(response), 1))
    code, details = failure(stream)
    check_failure(code, details, row)
    assert acked[-1:] == [2], f'the two events before it were not acknowledged: {acked}'
    bench.n_good += 2
    return details


def all_or_nothing(bench):
    first, last = good_twice()
    request = wire.append_request([first, event(next(names), {wire.OUTCOME: 99}), last], all_or_nothing=True)
    code, details = failure(lambda: rig.append(bench.writer, request))
    assert code == Code.INVALID_ARGUMENT, details
    for word in ('event 1', 'outcome', 'all_or_nothing: nothing was stored'):
        assert word in details, details
    results = wire.append_results(rig.append(bench.writer, wire.append_request([first, last])))
    assert all(code == OK and not duplicate for _, _, duplicate, code, _ in results), results
    bench.n_good += 2
    return details


def a_bomb(bench):
    """60 MiB of zeros in 60 kB of gzip."""
    request = wire.append_request([bytes(60 << 20)])
    code, details = failure(lambda: rig.append(bench.writer, request, compression=grpc.Compression.Gzip))
    assert code == Code.RESOURCE_EXHAUSTED and 'larger than max after decompression' in details, details
    return details


def one_id_twice(bench):
    """In one batch: the first is stored, the other bytes are refused."""
    name = next(names)
    request = wire.append_request([event(name), event(name, {wire.MESSAGE: 'other'})])
    results = wire.append_results(rig.append(bench.writer, request))
    assert [result[3] for result in results] == [OK, ALREADY_EXISTS], results
    assert name in results[1][4] and 'other bytes' in results[1][4], results
    bench.n_good += 1
    return results[1][4]


ROWS = [(f'event: {row[0]}', lambda bench, row=row: event_row(bench, row)) for row in EVENTS]
ROWS += [(f'message: {row[0]}', lambda bench, row=row: message_row(bench, row)) for row in MESSAGES]
ROWS += [('message: all_or_nothing with a bad event', all_or_nothing), ('message: a compressed bomb', a_bomb),
         ('message: one id twice in a batch', one_id_twice)]
