# SPDX-License-Identifier: Apache-2.0
"""Protobuf by hand, so that a test can send what no encoder would: fields twice, wrong wire types, cut bytes."""
import time

REGION, OTHER_REGION = 'eu-central-1', 'us-east-1'


class Fixed64(int):
    """A fixed64 field's value."""


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One field: int, Fixed64, bytes or str; a list is a repeated field."""
    if isinstance(value, list):
        return b''.join(field(number, item) for item in value)
    if isinstance(value, Fixed64):
        return varint(number << 3 | 1) + value.to_bytes(8, 'little')
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*pairs):
    return b''.join(field(number, value) for number, value in pairs if value is not None)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def decode(data):
    """{number: [values]} of a message the server sent."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = int.from_bytes(data[at:at + 8], 'little'), at + 8
        else:
            assert kind == 2, f'wire type {kind} in an answer'
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        found.setdefault(number, []).append(value)
    return found


def one(found, number, default=0):
    return found.get(number, [default])[-1]


# ------------------------------------------------------------------ events

EVENT_ID, TIME, TENANT, EVENT_REGION, EVENT_TYPE, ACTOR, ACTION, OUTCOME, RESOURCE, SOURCE = range(1, 11)
MESSAGE, ORIGINAL, ACCESS = 20, 22, 42


def event_fields(event_id, tenant='acme', region=REGION, size=0):
    """A good access event as a list of (number, value); `size` pads Original.record."""
    fields = [(EVENT_ID, event_id), (TIME, Fixed64(time.time_ns() - 10**9)), (TENANT, tenant), (EVENT_REGION, region),
              (EVENT_TYPE, 3), (ACTOR, message((1, 'user-1'), (2, 1))), (ACTION, 2), (OUTCOME, 1),
              (RESOURCE, message((1, 's3://training/loans'), (2, 1))), (SOURCE, message((1, 'refusals'))),
              (ACCESS, message((1, 'training')))]
    if size:
        fields.append((ORIGINAL, message((4, b'r' * size))))
    return fields


def event(event_id, changes=(), **options):
    """A good event, with some fields replaced (or removed, by None) and the others of `changes` added."""
    fields = dict(event_fields(event_id, **options))
    fields.update(changes)
    return message(*sorted(fields.items()))


def append_request(events, all_or_nothing=False):
    return field(1, list(events)) + (field(2, 1) if all_or_nothing else b'')


def append_results(response):
    """[(log, seq, duplicate, code, error)] of an AppendResponse."""
    return [(one(r, 1, b'').decode(), one(r, 2), bool(one(r, 4)), one(r, 5), one(r, 6, b'').decode())
            for r in map(decode, decode(response).get(1, []))]


def search_request(region=REGION, tenant=None, event_filter=None, order=None, limit=None, cursor=None):
    filters = event_filter if event_filter is not None else (message((1, tenant)) if tenant else None)
    return message((1, region), (3, filters), (4, order), (5, limit), (6, cursor))


def search_hits(response):
    """[(log, seq, event bytes)] of a SearchResponse, and its end as {number: [values]} or None."""
    found = decode(response)
    hits = [(one(h, 1).decode(), one(h, 2), one(h, 4, b'')) for h in map(decode, found.get(1, []))]
    return hits, decode(found[3][-1]) if 3 in found else None
