# SPDX-License-Identifier: Apache-2.0
"""Answers that prove that nothing is left out, against a plain scan: asked over gRPC, checked by `stele verify`.

An answer passes if the verifier finds it complete, without a gap and until the newest entry, with as many events as
the scan, and if the scan's events stand in the file in the scan's order. A question without tenant gets a file of
version 1 and the reason.
"""
import collections
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import oracle
import questions

ACTORS = RESOURCES = 60  # asked about in git_history; of these
ABSENT_EVERY = 6  # one in so many is a value that no event of the tenant has
EVERY_ACTOR_RESOURCES = 1000  # asked about where every actor is
HANDFUL = 8  # questions about any other set, with several keys each
WITHOUT_TENANT = 3  # questions of a set
VERIFIERS = 2  # processes at a time
MAGIC = {1: b'stele/answer@v1\n', 2: b'stele/answer@v2\n'}
VERIFY_SECONDS = 600


class Proofs:
    def __init__(self, checks, every_actor):
        self.checks, self.bed, self.random = checks, checks.bed, checks.random
        self.every_actor = every_actor

    # ------------------------------------------------------------------------------------ one answer
    def file_of(self, region, question):
        """The answer file, and the end of its stream."""
        parts, end = [], None
        request = questions.request_of(self.checks.protos, region, question, prove=True)
        for response in self.bed.client.call('Search', self.checks.raw)(request, timeout=300):
            assert end is None and not response.hit, f'{question}: hits in an answer file, or more after its end'
            parts.append(response.answer)
            end = response.end if response.HasField('end') else None
        assert end is not None, f'{question}: no end'
        return b''.join(parts), end

    def report_of(self, file, question):
        words = [f'{self.bed.server.tools}/stele', 'verify', '-', '--key', self.bed.server.vkeys, '-o', 'json']
        done = subprocess.run(words, input=file, capture_output=True, check=False, timeout=VERIFY_SECONDS)
        assert done.returncode == 0, f'{question}: exit {done.returncode}: {done.stdout} {done.stderr}'
        return json.loads(done.stdout)

    def compare_events(self, region, file, rows, question):
        """Payloads stand in the file as they are; as many as the verifier counts, so that there is no other event."""
        at = 0
        for row in rows:
            payload = self.checks.payloads[region][row]
            at = file.find(payload, at)
            assert at >= 0, f'{region} {question}: the file lacks the event at {self.bed.regions[region].places[row]}'
            at += len(payload)

    def check_complete(self, asked):
        """Verifies one answer. Returns its number of events and of bytes."""
        region, question, file, end, rows = asked
        where = f'{region} {question}'
        assert not end.not_complete, f'{where}: {end.not_complete}'
        assert file.startswith(MAGIC[2]), f'{where}: {file[:32]}'
        report = self.report_of(file, where)
        told = (report['verified'], report['kind'], report['complete'], report['gaps'], report['whole_region'])
        assert told == (True, 'complete answer', 'proved', [], True), f'{where}: {report}'
        assert report['events'] == end.hits == len(rows), \
            f'{where}: {report["events"]} events, {end.hits} hits, the scan has {len(rows)}'
        newest = self.bed.regions[region].places[-1][0] * 1000
        if question.get('logged_until'):
            newest = min(newest, question['logged_until'] - 1000)
        until = oracle.time_ns(report['complete_until'])
        assert until >= newest, f'{where}: complete until {report["complete_until"]}, the newest event is of {newest}'
        self.compare_events(region, file, rows, question)
        return len(rows), len(file)

    def check_without_tenant(self, region, question):
        bare = {name: value for name, value in question.items() if name != 'tenant'}
        file, end = self.file_of(region, bare)
        assert 'names no tenant' in end.not_complete, f'{region} {bare}: {end.not_complete}'
        assert file.startswith(MAGIC[1]), f'{region} {bare}: {file[:32]}'
        report, rows = self.report_of(file, bare), self.bed.regions[region].scan(bare)
        told = (report['kind'], report['complete'], report['events'])
        assert told == ('answer', 'not proved', len(rows)), f'{region} {bare}: {report}, the scan has {len(rows)}'
        self.compare_events(region, file, rows, bare)

    # ------------------------------------------------------------------------------------ questions
    def ranges(self, region, rows, question):
        """A range on either clock, on both or none, around an event that meets the question or, at times, any one."""
        meet = region.scan(question)
        i = self.random.choice(meet if meet and self.random.random() < 0.75 else rows)
        if self.random.random() < 0.4:
            question['since'], question['until'] = questions.around(self.random, region.times[i], 10**9, 10**18)
        if self.random.random() < 0.4:
            question['logged_since'], question['logged_until'] = \
                questions.around(self.random, region.places[i][0] * 1000, 1000, 10**11)

    def about(self, name, key, count, ranged):
        """(region, question) for so many values of a key; count None: for all of them, and nothing else."""
        places = self.checks.parts(name)
        every = [(place, value) for place, region, rows in places for value in questions.values(region, rows, key)]
        chosen = every if count is None else self.random.sample(every, min(count, len(every)))
        parts = {place: (region, rows) for place, region, rows in places}
        tenant, found = name.replace('_', '-') if name != 'cloudtrail' else 'trail', []
        for number, (place, value) in enumerate(chosen):
            question = {questions.NAMES[key]: value, 'tenant': tenant}
            if count is not None and number % ABSENT_EVERY == 0:
                question[self.random.choice((questions.NAMES[key], 'tenant'))] += '-absent'
            if ranged:
                self.ranges(*parts[place], question)
            found.append((place, question))
        return found

    def questions_of(self, name):
        if name != 'git_history':
            parts = self.checks.parts(name)
            combined = [(place, questions.combined(self.random, region, rows)) for place, region, rows in
                        (self.random.choice(parts) for _ in range(HANDFUL if parts else 0))]
            return combined + self.about(name, oracle.ACTOR, HANDFUL // 2, True)
        found = self.about(name, oracle.ACTOR, ACTORS, True) + self.about(name, oracle.RESOURCE, RESOURCES, True)
        if self.every_actor:
            found += self.about(name, oracle.ACTOR, None, False)
            found += self.about(name, oracle.RESOURCE, EVERY_ACTOR_RESOURCES, False)
        return found

    def of_set(self, name):
        found = self.questions_of(name)
        told = []
        with ThreadPoolExecutor(VERIFIERS) as verifiers:
            waiting = collections.deque()
            for place, question in found:
                file, end = self.file_of(place, question)
                rows = self.bed.regions[place].scan(question)
                waiting.append(verifiers.submit(self.check_complete, (place, question, file, end, rows)))
                while len(waiting) > 2 * VERIFIERS:  # no more files than that are in memory
                    told.append(waiting.popleft().result())
            told += [one.result() for one in waiting]
        for place, question in found[:WITHOUT_TENANT]:
            self.check_without_tenant(place, question)
        absent = sorted(size for events, size in told if events == 0)
        sizes = f'; absence in {absent[0]} to {absent[-1]} bytes' if absent else ''
        self.checks.say(f'{name}: {len(told)} answers proved complete with {sum(n for n, _ in told)} events, '
                        f'{len(absent)} of them empty{sizes}')
