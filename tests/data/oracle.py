# SPDX-License-Identifier: Apache-2.0
"""The oracle: what a question must be answered with, found by a plain scan of the input.

It reads the map from fields to keys (proto/event_map_v1.md) from its text, not from the code, and goes over every
event of a region for every key that is asked for: there is no index. Events stand in the order of answers: log time, log, seq.
"""
import ipaddress
import json
import re
from calendar import timegm
from collections import Counter
from datetime import datetime, timezone

ACTOR, RESOURCE, TYPE, ACTION, OUTCOME, MODEL, SESSION, CORRELATION = range(1, 9)
CREDENTIAL, SOURCE, RESOURCE_VERSION, MODEL_VERSION = 11, 12, 17, 18
# The key of each member of Filter in query.proto that is one text.
FILTERS = {'actor': ACTOR, 'resource': RESOURCE, 'event_type': TYPE, 'action': ACTION, 'outcome': OUTCOME,
           'model_id': MODEL, 'session': SESSION, 'correlation': CORRELATION, 'credential': CREDENTIAL,
           'source': SOURCE}
TIMES = {'time', 'received', 'due', 'expires', 'detected', 'occurred', 'notify_deadline'}
MAPS = {'attributes', 'field'}
TIME = re.compile(r'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)')
seconds_of = {}  # of a time without its fraction
text_of = {}     # of seconds, up to the fraction


def split_time(text):
    """Seconds since 1970 and nanoseconds of an RFC 3339 time."""
    whole, fraction, zone = TIME.fullmatch(text).groups()
    seconds = seconds_of.get((whole, zone))
    if seconds is None:
        seconds = timegm(datetime.strptime(whole, '%Y-%m-%dT%H:%M:%S').timetuple())
        if zone != 'Z':
            offset = int(zone[1:3]) * 3600 + int(zone[4:]) * 60
            seconds -= offset if zone[0] == '+' else -offset
        seconds_of[whole, zone] = seconds
    return seconds, int((fraction or '').ljust(9, '0'))


def time_ns(text):
    seconds, nanos = split_time(text)
    return seconds * 10**9 + nanos


def time_of_parts(seconds, nanos):
    """The time as Stele writes it: nine digits, Z."""
    if seconds not in text_of:
        text_of[seconds] = datetime.fromtimestamp(seconds, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
    return f'{text_of[seconds]}.{nanos:09}Z'


def time_text(text):
    return time_of_parts(*split_time(text))


# ---------------------------------------------------------------------------------------- the JSON form
class Number(float):
    """A JSON number with a point: 1.0 is not the integer 1."""

    def __eq__(self, other):
        return isinstance(other, Number) and float.__eq__(self, other)

    __hash__ = float.__hash__


DEFAULTS = ('', 0, Number(0), False, [], {})


def load(line):
    return json.loads(line, parse_float=Number)


def normal(value, name=''):
    """An input event as Stele writes it: times in one form, defaults left out, addresses and digests in one form."""
    if isinstance(value, dict):
        if name in MAPS:
            return value
        if len(value) == 1 and isinstance(value.get('value'), str):
            return value['value']
        members = {key: normal(item, key) for key, item in value.items()}
        # A message that is there stays, even an empty one: an empty body is a body.
        return {key: item for key, item in members.items()
                if isinstance(item, dict) and (item or key not in MAPS) or item not in DEFAULTS}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if name in TIMES:
        return time_text(value)
    if name == 'ip':
        return str(ipaddress.ip_address(value))
    return value


# ---------------------------------------------------------------------------------------- the map
# Key and path, as the tables of event_map_v1.md have them; only keys that Filter can ask for.
PATHS = [
    (ACTOR, 'actor.id'), (ACTOR, 'actor.on_behalf_of.id'), (ACTOR, 'deployment.approval.approver_id'),
    (ACTOR, 'policy_change.approval.approver_id'), (ACTOR, 'policy_change.principal_id'),
    (ACTOR, 'audit_control.approval.approver_id'),
    (RESOURCE, 'resource.id'), (RESOURCE, 'lineage.edge.input.id'), (RESOURCE, 'lineage.edge.output.id'),
    (TYPE, 'event_type'), (ACTION, 'action'), (OUTCOME, 'outcome'),
    (MODEL, 'inference.model_id'), (MODEL, 'deployment.model_id'), (MODEL, 'evaluation.model_id'),
    (MODEL, 'data_subject_request.model_id'),
    (SESSION, 'actor.session_id'), (SESSION, 'inference.conversation_id'),
    (CORRELATION, 'correlation_id'), (CORRELATION, 'inference.request_id'), (CORRELATION, 'deployment.change_id'),
    (CORRELATION, 'deployment.evaluation_id'), (CORRELATION, 'deployment.approval.ticket'),
    (CORRELATION, 'policy_change.approval.ticket'), (CORRELATION, 'lineage.run_id'),
    (CORRELATION, 'lineage.parent_run_id'), (CORRELATION, 'evaluation.evaluation_id'),
    (CORRELATION, 'incident.incident_id'), (CORRELATION, 'incident.related_event_id'),
    (CORRELATION, 'incident.external_ref'), (CORRELATION, 'detection.inference_event_id'),
    (CORRELATION, 'data_subject_request.request_id'), (CORRELATION, 'audit_control.hold_id'),
    (CORRELATION, 'audit_control.approval.ticket'),
    (CREDENTIAL, 'actor.credential_id'), (SOURCE, 'source.service'),
]
VERSIONED = ('resource', 'lineage.edge.input', 'lineage.edge.output')  # (id, version)
MODELS = ('inference', 'deployment', 'evaluation')                     # (model_id, model_version)


def branches():
    """The tables above as nested dictionaries: a key at the end of a path, a function where a message is read."""
    root = {}

    def at(path):
        node = root
        for name in path.split('.'):
            node = node.setdefault(name, {})
        return node

    for key, path in PATHS:
        holder, _, name = ('.' + path).rpartition('.')
        (at(holder[1:]) if holder else root)[name] = key
    for paths, key, names in ((VERSIONED, RESOURCE_VERSION, ('id', 'version')),
                              (MODELS, MODEL_VERSION, ('model_id', 'model_version'))):
        for path in paths:
            at(path)[names] = key
    return root


def collect(branch, message, found):
    for name, below in branch.items():
        if isinstance(name, tuple):
            pair = (message.get(name[0]), message.get(name[1]))
            if pair[0] and pair[1]:
                found.add((below, pair))
            continue
        value = message.get(name)
        if value:
            for item in value if isinstance(value, list) else (value,):
                if isinstance(below, int):
                    found.add((below, item))
                else:
                    collect(below, item, found)


BRANCHES = branches()


def keys_of(event):
    """The set of (key, value) of an event; a version's value is (id, version)."""
    found = set()
    for name, value in event.items():
        below = BRANCHES.get(name)
        if isinstance(below, int):
            found.add((below, value))
        elif below:
            for item in value if isinstance(value, list) else (value,):
                collect(below, item, found)
    found.discard((CORRELATION, ''))
    return found


# ---------------------------------------------------------------------------------------- the scan
class Region:
    """The events of one region. After finish() they stand in the order of answers."""

    def __init__(self):
        self.rows = []  # (log time in us, log, seq, time in ns, tenant, keys, line)
        self.numbers = {}  # a small number for each (key, value), so that a row's keys take little room

    def add(self, line, log, seq, log_time):
        event = load(line)
        keys = tuple(self.numbers.setdefault(key, len(self.numbers)) for key in keys_of(event))
        self.rows.append((time_ns(log_time) // 1000, log, seq, time_ns(event['time']), event['tenant'], keys, line))

    def finish(self):
        self.rows.sort(key=lambda row: row[:3])
        self.places = [row[:3] for row in self.rows]
        self.times = [row[3] for row in self.rows]
        self.tenants = [row[4] for row in self.rows]
        self.keys = [row[5] for row in self.rows]
        self.lines = [row[6] for row in self.rows]
        self.rows = None
        self.counts = Counter(number for row in self.keys for number in row)
        self.pairs = list(self.numbers)
        self.found = {}  # rows of the keys that were asked for

    def pair(self, number):
        """The (key, value) of a number."""
        return self.pairs[number]

    def __len__(self):
        return len(self.lines)

    def with_key(self, number):
        """Every event is looked at once for each key that is asked for; what was found is kept."""
        if number not in self.found:
            self.found[number] = [i for i, keys in enumerate(self.keys) if number in keys]
        return self.found[number]

    def scan(self, question):
        """Rows that meet a question, by their number in order. `question`: the members of Filter, ranges in ns."""
        wanted = conditions(question)
        numbers = [self.numbers.get(key, -1) for key in wanted]
        since, until = question.get('since', 0), question.get('until') or 2**64
        logged = [question.get('logged_since', 0), question.get('logged_until') or 2**64]
        tenant = question.get('tenant')
        # Each step looks at all that the one before left; the first one at every event of the region.
        found = self.with_key(numbers[0]) if numbers else range(len(self.lines))
        for number in numbers[1:]:
            found = [i for i in found if number in self.keys[i]]
        if since or until < 2**64:
            found = [i for i in found if since <= self.times[i] < until]
        if logged != [0, 2**64]:
            found = [i for i in found if logged[0] <= self.places[i][0] * 1000 < logged[1]]
        if tenant:
            found = [i for i in found if self.tenants[i] == tenant]
        return list(found)


def conditions(question):
    """The keys that must be there."""
    wanted = [(key, question[name]) for name, key in FILTERS.items() if name in question]
    for name, key, version in (('resource', RESOURCE_VERSION, 'resource_version'),
                               ('model_id', MODEL_VERSION, 'model_version')):
        if version in question:
            wanted.append((key, (question[name], question[version])))
    return wanted
