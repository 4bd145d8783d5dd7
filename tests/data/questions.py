# SPDX-License-Identifier: Apache-2.0
"""Questions about a region, made of what its events hold, and the ways to ask them."""
import oracle

NAMES = {key: name for name, key in oracle.FILTERS.items()}
FLAGS = {'actor': '--actor', 'resource': '--resource', 'event_type': '--type', 'action': '--action',
         'outcome': '--outcome', 'session': '--session', 'correlation': '--correlation',
         'credential': '--credential', 'source': '--source', 'tenant': '--tenant', 'since': '--since',
         'until': '--until', 'logged_since': '--logged-since', 'logged_until': '--logged-until'}
RANGES = ('since', 'until', 'logged_since', 'logged_until')
PREFIXES = {'event_type': 'EVENT_TYPE_', 'action': 'ACTION_', 'outcome': 'OUTCOME_'}


def values(region, rows, key):
    """The values of a key in these rows, in the order they first occur."""
    numbers = dict.fromkeys(n for i in rows for n in region.keys[i])
    return [value for field, value in map(region.pair, numbers) if field == key]


def frequent(region, found, key, count):
    """Those of the values that most events have."""
    return sorted(found, key=lambda value: -region.counts[region.numbers[key, value]])[:count]


def around(random, value, least, most):
    """A half-open range with the value inside, at an end of it, or just outside; widths of all orders of magnitude."""
    width = int(10 ** random.uniform(len(str(least)) - 1, len(str(most)) - 1))
    before = random.choice((0, 0, width, width + 1, -1, *(random.randint(0, width) for _ in range(5))))
    since = max(1, value - before)
    return since, since + max(1, width)


def combined(random, region, rows):
    """Conditions of one event, at times one of another's, and ranges on one clock, both or none.

    Most hold a condition that few events meet, as questions do; else nearly every answer would be half the region."""
    i = random.choice(rows)
    pairs = [region.pair(n) for n in region.keys[i]]
    chosen = random.sample(pairs, random.randint(1, min(4, len(pairs))))
    rare = [region.pair(n) for n in region.keys[i] if region.counts[n] * 100 <= len(region)]
    if rare and random.random() < 0.85:
        chosen.append(random.choice(rare))
    if random.random() < 0.1:
        chosen.append(region.pair(random.choice(region.keys[random.choice(rows)])))
    question = {}
    for key, value in chosen:
        if key == oracle.RESOURCE_VERSION:
            question['resource'], question['resource_version'] = value
        elif key == oracle.MODEL_VERSION:
            question['model_id'], question['model_version'] = value
        elif NAMES[key] not in question:
            question[NAMES[key]] = value
    if not rare or random.random() < 0.6:
        question['since'], question['until'] = around(random, region.times[i], 10**9, 10**18 if rare else 10**11)
    if random.random() < 0.4:
        question['logged_since'], question['logged_until'] = around(random, region.places[i][0] * 1000, 1000, 10**11)
    for name in ('until', 'logged_since'):
        if name in question and random.random() < 0.2:
            del question[name]
    question['tenant'] = region.tenants[i]
    return question


def request_of(protos, region, question, order='asc', **more):
    """The question as a SearchRequest."""
    request = protos.query.SearchRequest(region=region, order=2 if order == 'desc' else 1, **more)
    for name, value in question.items():
        if name in RANGES:
            setattr(request.filter, f'{name}_unix_nano', value)
        elif name in PREFIXES:
            setattr(request.filter, name, protos.event.DESCRIPTOR.enum_types_by_name[
                name.title().replace('_', '')].values_by_name[PREFIXES[name] + value.upper()].number)
        else:
            setattr(request.filter, name, value)
    return request


def flags_of(region, question):
    """The question as flags of `stele query`; None if the command line has no flag for a part of it."""
    words = ['--region', region]
    for name, value in question.items():
        if name in RANGES:
            seconds, nanos = divmod(value, 10**9)
            words += [FLAGS[name], oracle.time_of_parts(seconds, nanos)]
        elif name == 'model_id':
            version = question.get('model_version')
            if '@' in value or (version and '@' in version):
                return None
            words += ['--model', f'{value}@{version}' if version else value]
        elif name == 'resource_version':
            return None
        elif name != 'model_version':
            words += [FLAGS[name], value]
    return words
