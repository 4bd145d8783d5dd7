# SPDX-License-Identifier: Apache-2.0
"""What is asked of a loaded bed. A failure names the question and the first place that differs."""
import hashlib
import json
import os
import re

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import event_json
import oracle
import questions

VALUES = 200    # actors, resources and models of a set; all where there are fewer
COMBINED = 200  # random questions of a set
EVERY_TENANT = 8  # one question in so many names no tenant
BY_COMMAND = 12  # of all questions of a set, also through the command line
COMMAND_EVENTS_MAX = 2000  # of one such answer; whole regions are asked that way too
PROVED = 12     # answers saved as files
PROVED_EVENTS_MAX = 1000  # of one such answer, and
PROVED_ONCE_MAX = 5000  # of the largest one of a set
JSON_SAMPLE = 2000  # events of a region that the second reader of the JSON form also reads
PAGES_MAX = 6


def raw_search_response(protos):
    """SearchResponse with the event as bytes, which the wire format allows: answers are compared byte by byte."""
    event, query = (descriptor_pb2.FileDescriptorProto() for _ in range(2))
    protos.event.DESCRIPTOR.CopyToProto(event)
    protos.query.DESCRIPTOR.CopyToProto(query)
    hit, = (message for message in query.message_type if message.name == 'Hit')
    field, = (field for field in hit.field if field.name == 'event')
    field.type = field.TYPE_BYTES
    field.ClearField('type_name')
    pool = descriptor_pool.DescriptorPool()
    pool.Add(event)
    pool.Add(query)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName('stele.v1.SearchResponse'))


class Checks:
    def __init__(self, bed, random, say):
        self.bed, self.server, self.random, self.say = bed, bed.server, random, say
        self.protos = bed.client.protos
        self.raw = raw_search_response(self.protos)
        self.payloads = {}  # region -> the bytes of each row
        self.texts = {}     # region -> the digest of each row's line of output, once it was found to be the input's
        self.asked = self.hits = 0

    # ------------------------------------------------------------------------------------ asking
    def search(self, request):
        """The hits as (log time, log, seq, payload), and the end."""
        hits, end = [], None
        for response in self.bed.client.call('Search', self.raw)(request, timeout=300):
            assert end is None, 'a message after the end'
            hits += [(hit.log_time_unix_nano // 1000, hit.log, hit.seq, hit.event) for hit in response.hit]
            end = response.end if response.HasField('end') else None
        assert end is not None and end.hits == len(hits), f'{len(hits)} hits, the end says {end}'
        return hits, end

    def compare(self, region, rows, hits, question):
        places, payloads = self.bed.regions[region].places, self.payloads[region]
        self.hits += len(hits)
        for i, (row, hit) in enumerate(zip(rows, hits)):
            assert hit[:3] == places[row] and hit[3] == payloads[row], \
                f'{region} {question}: hit {i} is {hit}, the scan has {places[row]}'
        assert len(rows) == len(hits), f'{region} {question}: {len(hits)} hits, the scan has {len(rows)}'

    def ask(self, region, question, order='asc', rows=None):
        """One question over gRPC; returns the scan's rows."""
        rows = self.bed.regions[region].scan(question) if rows is None else rows
        self.asked += 1
        hits, end = self.search(questions.request_of(self.protos, region, question, order))
        self.compare(region, rows if order == 'asc' else rows[::-1], hits, question)
        assert not end.cursor and not end.budget_spent, f'{question}: the answer is not whole'
        return rows

    def page(self, region, question, rows, order):
        """The same in pages of random lengths, as far as PAGES_MAX pages go."""
        rows, cursor = rows if order == 'asc' else rows[::-1], ''
        for _ in range(PAGES_MAX):
            limit = self.random.choice((1, 2, 7, 100, min(1000, max(1, len(rows) // 3))))
            request = questions.request_of(self.protos, region, question, order, limit=limit, cursor=cursor)
            hits, end = self.search(request)
            self.compare(region, rows[:limit], hits, question)
            rows, cursor = rows[limit:], end.cursor
            # A cursor may be given where only candidates are left; without one nothing is left.
            assert cursor or not rows, f'{question}: {len(rows)} hits left and no cursor'
            if not cursor:
                break

    def count(self, region, question, rows):
        answer = self.bed.client.ask('Count', questions.request_of(self.protos, region, question))
        assert answer.count == len(rows) and not answer.cursor, f'{question}: counted {answer}, not {len(rows)}'
        assert sum(log.count for log in answer.log) == answer.count

    # ------------------------------------------------------------------------------------ the command line
    def command(self, region, question, rows, order, limit=0):
        flags = questions.flags_of(region, question)
        if flags is None:
            return
        words = ['--order', order] + (['--limit', str(limit)] if limit else [])
        done = self.server.run('query', *flags, *words, '-o', 'jsonl')
        lines = done.stdout.splitlines()
        wanted = (rows if order == 'asc' else rows[::-1])[:limit or None]
        assert done.returncode == (0 if wanted else 1), f'{flags}: exit {done.returncode}: {done.stderr}'
        self.compare_lines(region, wanted, lines, flags)
        cursor = re.search(r'--cursor (\S+)', done.stderr)
        if limit and len(rows) > limit:
            done = self.server.run('query', *flags, '--order', order, '-o', 'jsonl', '--cursor', cursor.group(1))
            rest = (rows if order == 'asc' else rows[::-1])[limit:]
            self.compare_lines(region, rest, done.stdout.splitlines(), flags)
        done = self.server.run('query', *flags, '--count')
        assert (done.stdout, done.returncode) == (f'{len(rows)}\n', 0 if rows else 1), \
            f'{flags} --count: {done.stdout}, exit {done.returncode}, not {len(rows)}: {done.stderr}'

    def compare_lines(self, region, rows, lines, flags):
        """An event is printed the same in every answer: what was read once is known by its text."""
        lines_of, places = self.bed.regions[region].lines, self.bed.regions[region].places
        texts = self.texts.setdefault(region, [None] * len(places))
        for row, text in zip(rows, lines):
            digest = hashlib.sha256(text.encode()).digest()
            if texts[row] == digest:
                continue
            hit = oracle.load(text)
            place = (oracle.time_ns(hit['log_time']) // 1000, hit['log'], hit['seq'])
            assert place == places[row], f'{flags}: {place}, the scan has {places[row]}'
            expected = oracle.normal(oracle.load(lines_of[row]))
            assert hit['event'] == expected, f'{flags}: at {place}\n{text}\nthe input is\n{json.dumps(expected)}'
            texts[row] = digest
        assert len(rows) == len(lines), f'{flags}: {len(lines)} lines, the scan has {len(rows)} rows'

    def prove(self, region, question, rows, number):
        """The answer saved as a file, and the file checked without the server."""
        flags = questions.flags_of(region, question)
        path = f'{self.server.folder}/answer-{number}'
        done = self.server.run('query', *flags, '-o', 'jsonl', '--prove', path)
        assert done.returncode == 0, f'{flags} --prove: exit {done.returncode}: {done.stderr}'
        self.compare_lines(region, rows, done.stdout.splitlines(), flags)
        done = self.server.run('verify', path, '--key', self.server.vkeys, '-o', 'json', config=False)
        assert done.returncode == 0, f'{flags}: {done.stderr}'
        report = json.loads(done.stdout)
        assert (report['verified'], report['events'], report['cut']) == (True, len(rows), False), report
        assert report['complete'] == ('proved' if 'tenant' in question else 'not proved'), f'{flags}: {report}'
        os.remove(path)

    # ------------------------------------------------------------------------------------ whole regions
    def regions(self):
        """Everything there is, twice: as the input was, line by line, and as bytes for the questions to come."""
        for name, region in self.bed.regions.items():
            done = self.server.run('query', '--region', name, '-o', 'jsonl')
            assert done.returncode == 0, done.stderr
            everything = range(len(region))
            self.compare_lines(name, everything, done.stdout.splitlines(), 'the whole region')
            self.say(f'{name}: {len(region)} events as the input has them')
            hits, _ = self.search(questions.request_of(self.protos, name, {}))
            self.payloads[name] = [hit[3] for hit in hits]
            self.compare(name, everything, hits, 'the whole region')
            self.second_reader(name, region)
            self.ask(name, {}, 'desc', list(everything))

    def second_reader(self, name, region):
        """The stored bytes are the input's: read by protobuf, and by a JSON form of our own for a sample."""
        event = self.protos.event.Event()
        sample = set(self.random.sample(range(len(region)), min(JSON_SAMPLE, len(region))))
        for row, payload in enumerate(self.payloads[name]):
            if row in sample or row % 16 == 0:
                event.ParseFromString(payload)
                assert event.time_unix_nano == region.times[row] and event.tenant == region.tenants[row]
                assert f'"event_id":"{event.event_id}"' in region.lines[row].replace('": "', '":"'), region.lines[row]
            if row in sample:
                expected = oracle.normal(oracle.load(region.lines[row]))
                assert event_json.json_of(event) == expected, f'{event}\nis not\n{expected}'

    # ------------------------------------------------------------------------------------ one set
    def plain(self, name):
        """(region, question) for every type, action, outcome and source, and for VALUES actors, resources, models."""
        found = []
        for key in (oracle.TYPE, oracle.ACTION, oracle.OUTCOME, oracle.SOURCE):
            found += [(place, {questions.NAMES[key]: value}) for place, region, rows in self.parts(name)
                      for value in questions.values(region, rows, key)]
        for key in (oracle.ACTOR, oracle.RESOURCE, oracle.MODEL):
            always, rest = [], []
            for place, region, rows in self.parts(name):
                every = questions.values(region, rows, key)
                most = questions.frequent(region, every, key, 5)
                always += [(place, {questions.NAMES[key]: value}) for value in most]
                rest += [(place, {questions.NAMES[key]: value}) for value in every if value not in most]
            found += always + self.random.sample(rest, min(len(rest), VALUES - len(always)))
        for place, question in found:
            question['tenant'] = name.replace('_', '-') if name != 'cloudtrail' else 'trail'
        return found

    def parts(self, name):
        """The regions that hold events of the set: name, region, numbers of the set's rows."""
        return [(place, self.bed.regions[place], rows) for place, rows in self.bed.rows_of[name].items() if rows]

    def questions_of(self, name):
        plain, parts = self.plain(name), self.parts(name)
        combined = [(place, questions.combined(self.random, region, rows))
                    for place, region, rows in (self.random.choice(parts) for _ in range(COMBINED if parts else 0))]
        # Some are about every tenant: each of those reads its whole range, because tags belong to a tenant.
        for _, question in plain[::EVERY_TENANT] + combined[::EVERY_TENANT]:
            del question['tenant']
        return plain, combined

    def of_set(self, name):
        asked, hits = self.asked, self.hits
        plain, combined = self.questions_of(name)
        every = list(enumerate(plain + combined))
        by_command = set(self.random.sample(range(len(every)), min(BY_COMMAND, len(every))))
        provable = []
        for i, (place, question) in every:
            rows = self.ask(place, question)
            if i % 4 == 0:
                self.ask(place, question, 'desc', rows)
            if i >= len(plain) or i % 10 == 0:
                self.count(place, question, rows)
                self.page(place, question, rows, self.random.choice(('asc', 'desc')))
            if i in by_command and len(rows) <= COMMAND_EVENTS_MAX:
                self.command(place, question, rows, self.random.choice(('asc', 'desc')),
                             self.random.choice((0, 1, 3, 50)))
            if 0 < len(rows) <= PROVED_ONCE_MAX and questions.flags_of(place, question):
                provable.append((place, question, rows))
        small = [found for found in provable if len(found[2]) <= PROVED_EVENTS_MAX]
        proved = self.random.sample(small, min(PROVED - 1, len(small)))
        proved += sorted(provable, key=lambda found: len(found[2]))[-1:]
        for number, (place, question, rows) in enumerate(proved):
            self.prove(place, question, rows, number)
        for place in self.bed.regions:  # nobody by that name: an empty answer, exit code 1
            self.command(place, {'actor': 'nobody-by-that-name'}, [], 'asc')
        self.say(f'{name}: {self.asked - asked} answers with {self.hits - hits} hits, {len(by_command)} by command, '
                 f'{len(proved)} verified')

    # ------------------------------------------------------------------------------------ the end
    def restart(self):
        """SIGTERM, fsck, a second start: nothing is lost."""
        code = self.server.stop()
        assert code == 0, f'steled ended with {code}'
        done = self.server.run('fsck', '--data', self.server.data, '-o', 'json', config=False)
        assert done.returncode == 0, f'fsck: exit {done.returncode}: {done.stdout} {done.stderr}'
        self.say('fsck holds')
        self.bed.client.close()
        self.server.start()
        self.bed.client = type(self.bed.client)(self.server.config, self.protos)
        for region, rows in self.bed.regions.items():
            self.ask(region, {}, 'asc', list(range(len(rows))))
            for _ in range(20):
                self.ask(region, questions.combined(self.random, rows, range(len(rows))))
