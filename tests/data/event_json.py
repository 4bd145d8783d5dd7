# SPDX-License-Identifier: Apache-2.0
"""An event's JSON form from its protobuf message, by the table in proto/event_json.h: a second source."""
import base64
import ipaddress

import oracle

MESSAGE, ENUM, DOUBLE, BOOL, BYTES = 11, 14, 1, 8, 12  # of FieldDescriptor.type
PREFIXES = {}


def word(enum, number):
    if enum.full_name not in PREFIXES:
        PREFIXES[enum.full_name] = len(enum.values_by_number[0].name) - len('UNSPECIFIED')
    return enum.values_by_number[number].name[PREFIXES[enum.full_name]:].lower()


def digest(message):
    algorithm = word(message.DESCRIPTOR.fields_by_name['alg'].enum_type, message.alg).replace('_', '-')
    value = f'{algorithm}:{message.value.hex()}'
    more = {name: getattr(message, name) for name in ('content_bytes', 'canonical', 'key_id')}
    more = {name: item for name, item in more.items() if item}
    return {'value': value, **more} if more else value


def attributes(messages):
    found = {}
    for message in messages:
        kind = message.WhichOneof('value')
        value = getattr(message, kind)
        found[message.key] = (oracle.Number(value) if kind == 'd' else
                              {'bin': base64.b64encode(value).decode()} if kind == 'bin' else value)
    return found


def scalar(field, value):
    if field.type == MESSAGE:
        return digest(value) if field.message_type.name == 'Digest' else json_of(value)
    if field.type == ENUM:
        return word(field.enum_type, value)
    if field.type == DOUBLE:
        return oracle.Number(value)
    if field.name.endswith('_unix_nano'):
        return oracle.time_of_parts(*divmod(value, 10**9))
    if field.type == BYTES:
        if field.name == 'ip':
            return str(ipaddress.ip_address(value))
        return value.hex() if field.name in ('trace_id', 'span_id') else base64.b64encode(value).decode()
    return value


def json_of(message):
    found = {}
    for field, value in message.ListFields():
        name = field.name.removesuffix('_unix_nano')
        if name in oracle.MAPS:
            found[name] = attributes(value)
        elif field.label == field.LABEL_REPEATED:
            found[name] = [scalar(field, item) for item in value]
        else:
            found[name] = scalar(field, value)
    return found
