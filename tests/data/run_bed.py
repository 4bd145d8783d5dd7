#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real records through the real server: shipped over mutual TLS, asked for again, compared with a plain scan.

run_bed.py --tools FOLDER --data FOLDER [--seed N] [--every N] [--soak] SET...

One server with two regions takes all the sets. Every line must be acknowledged, or refused where that is expected;
then whole regions, values, types, combined questions, pages and counts are asked in bulk over gRPC and in part
through the command line, and every answer must be the scan's: the same events, in the same order. Answers saved as
files must verify, and prove that nothing is left out. At the end the folder passes fsck, and a second start answers
the same and knows its events.
"""
import argparse
import collections
import gzip
import json
import os
import random as randoms
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f'{TESTS}/support', f'{TESTS}/foreign']
from server import Server, skip, skip_soak  # noqa: E402

REGIONS = ('eu-central-1', 'us-east-1')
NEWEST_EVENT = 1787450000  # the newest record of all sets is of 2026-08-22; a server refuses what is to come
# How many lines of a set a server must refuse, and what its reasons begin with.
REFUSED = {'openlineage': (516, ('event_id: holds a character', 'time: ', 'source.adapter: holds a character'))}


def say(text):
    print(f'[{time.monotonic() - START:6.1f} s] {text}', flush=True)


START = time.monotonic()


class Bed:
    def __init__(self, server, arguments, protos):
        from client import Client
        import oracle
        self.oracle, self.server, self.arguments = oracle, server, arguments
        self.client = Client(server.config, protos)
        self.regions = {name: oracle.Region() for name in REGIONS}
        self.rows_of = {}  # set -> region -> numbers of its rows
        self.refused = collections.Counter()

    # ------------------------------------------------------------------------------------ shipping
    def take_acks(self, name, lines, path):
        """Every line acknowledged or refused, in order; the stored ones go to the oracle."""
        expected, reasons = REFUSED.get(name, (0, ()))
        refused = stored = 0
        with open(path, encoding='utf-8') as file:
            for number, (line, text) in enumerate(zip(lines, file, strict=True), 1):
                ack = json.loads(text)
                assert ack['line'] == number, f'{name}: line {number} is answered by {text}'
                if 'code' in ack:
                    assert ack['code'] == 'INVALID_ARGUMENT' and ack['error'].startswith(reasons or ('!',)), \
                        f'{name}: {text}\n{line[:400]}'
                    refused += 1
                    self.refused[ack['error']] += 1
                    continue
                stored += 1
                if not ack.get('duplicate'):
                    self.regions[ack['log'].partition('/')[0]].add(line, ack['log'], ack['seq'], ack['log_time'])
        if self.arguments.every == 1:
            assert refused == expected, f'{name}: {refused} lines refused, not {expected}'
        return stored, refused

    def ship(self, name, lines, *words):
        """Lines through `stele append`."""
        source, acks = f'{self.server.folder}/{name}.jsonl', f'{self.server.folder}/{name}.acks'
        with open(source, 'w', encoding='utf-8') as file:
            file.writelines(line + '\n' for line in lines)
        with open(acks, 'wb') as out:
            done = self.server.run('append', *words, '-o', 'jsonl', source, stdout=out, stderr=-1, capture_output=False)
        stored, refused = self.take_acks(name, lines, acks)
        assert done.returncode == (5 if refused else 0), f'{name}: exit {done.returncode}: {done.stderr}'
        os.remove(source)
        os.remove(acks)
        return stored, refused

    def load_set(self, name):
        from convert_set import convert
        lines = convert(name, self.arguments.data, REGIONS, self.arguments.every)
        say(f'{name}: {len(lines)} lines converted')
        stored, refused = self.ship(name, lines)
        say(f'{name}: {stored} stored, {refused} refused')

    def load_by_region(self, name):
        """The same, but lines come without a region and --region names it; one of another region is refused."""
        from convert_set import convert
        whole = [json.loads(line) for line in convert(name, self.arguments.data, REGIONS, self.arguments.every)]
        for region in REGIONS:
            lines = [json.dumps(event, separators=(',', ':')) for event in whole if event['region'] == region]
            bare = [line.replace(f'"region":"{region}",', '', 1) for line in lines]
            source, acks = f'{self.server.folder}/bare.jsonl', f'{self.server.folder}/bare.acks'
            with open(source, 'w', encoding='utf-8') as file:
                file.writelines(line + '\n' for line in bare)
            with open(acks, 'wb') as out:
                done = self.server.run('append', '--region', region, source, stdout=out, stderr=-1,
                                       capture_output=False)
            assert done.returncode == 0, done.stderr
            self.take_acks(name, lines, acks)
            other = [line.replace(region, REGIONS[region == REGIONS[0]], 1) for line in lines[:3]]
            done = self.server.run('append', '--region', region, input='\n'.join(other) + '\n')
            assert done.returncode == (5 if other else 0), done.stderr
            assert done.stdout.count('INVALID_ARGUMENT') == len(other), done.stdout
        say(f'{name}: {len(whole)} stored, each region named by --region')

    def load_cloudtrail(self):
        from cloudtrail import records, split, check
        found = records(self.arguments.data)[::self.arguments.every]
        for region, half in zip(REGIONS, split(found)):
            path = f'{self.server.folder}/trail'
            if region == REGIONS[0]:
                with open(path, 'w', encoding='utf-8') as file:
                    file.writelines(json.dumps(record) + '\n' for record in half)
            else:
                path += '.json.gz'
                with gzip.open(path, 'wt', encoding='utf-8') as file:
                    json.dump({'Records': half}, file)
            done = self.server.run('import', 'cloudtrail', '--region', region, '--tenant', 'trail', path)
            assert done.returncode == 0, done.stderr
            acks = [json.loads(text) for text in done.stdout.splitlines()]
            assert len(acks) == len(half) and all('seq' in ack for ack in acks), \
                f'{len(half)} records, {len(acks)} answers'
            answer = self.server.run('query', '--region', region, '--tenant', 'trail', '-o', 'jsonl')
            hits = [json.loads(text) for text in answer.stdout.splitlines()]
            by_id = {hit['event']['event_id']: hit for hit in hits}
            for record, ack in zip(half, acks):
                hit = by_id[record['eventID']]
                assert (hit['log'], hit['seq']) == (ack['log'], ack['seq']), f'{record["eventID"]}: {hit} {ack}'
                check(record, hit['event'], region)
                if not ack.get('duplicate'):
                    self.regions[region].add(json.dumps(hit['event']), hit['log'], hit['seq'], hit['log_time'])
            assert len(hits) == len({record['eventID'] for record in half})
        say(f'cloudtrail: {len(found)} records imported and compared with their source')

    def load(self, names):
        for name in names:
            before = {region: len(rows.rows) for region, rows in self.regions.items()}
            if name == 'cloudtrail':
                self.load_cloudtrail()
            elif name == 'webhooks':
                self.load_by_region(name)
            else:
                self.load_set(name)
            self.rows_of[name] = {region: rows.rows[before[region]:] for region, rows in self.regions.items()}
        for reason, count in self.refused.most_common():
            print(f'    refused {count} times: {reason}')
        for region in self.regions.values():
            region.finish()
        for name, parts in self.rows_of.items():
            for region, rows in parts.items():
                number_of = {place: i for i, place in enumerate(self.regions[region].places)}
                parts[region] = sorted(number_of[row[:3]] for row in rows)
            assert all(parts.values()) or self.arguments.every > 1, f'{name} is in one region only'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tools', required=True, help='the folder of stele and steled')
    parser.add_argument('--data', required=True, help='the folder of the real inputs')
    parser.add_argument('--seed', type=int, default=int(os.environ.get('STELE_TEST_SEED', '1')))
    parser.add_argument('--every', type=int, default=int(os.environ.get('STELE_DATA_EVERY', '1')),
                        help='only one event in so many')
    parser.add_argument('--soak', action='store_true', help='only with STELE_DATA_FULL=1; another seed each time')
    parser.add_argument('sets', nargs='+')
    arguments = parser.parse_args()
    if arguments.soak:
        skip_soak()
        arguments.seed = time.time_ns() % 10**6
    if not os.path.isdir(arguments.data):
        skip(f'{arguments.data} is not there')
    if time.time() < NEWEST_EVENT:
        skip('the clock of this machine is before the newest record, which a server would refuse')
    try:
        from client import compile_protos
    except ImportError as error:
        skip(f'/usr/bin/python3: {error} (Debian: python3-grpcio, python3-protobuf)')
    say(f'seed {arguments.seed}, one event in {arguments.every}')
    from checks import Checks
    from evidence import Evidence
    from proofs import Proofs
    with Server(arguments.tools, REGIONS) as server:
        random = randoms.Random(arguments.seed)
        bed = Bed(server, arguments, compile_protos())
        evidence = Evidence(server, bed.regions, random)
        evidence.keep_checkpoints()
        bed.load(arguments.sets)
        checks = Checks(bed, random, say)
        proofs = Proofs(checks, arguments.soak or os.environ.get('STELE_DATA_FULL') == '1')
        checks.regions()
        for name in arguments.sets:
            checks.of_set(name)
            proofs.of_set(name)
        evidence.check_places()
        evidence.check_consistency()
        checks.restart()
        evidence.check_consistency()
        evidence.check_duplicates()
        evidence.check_tail()
        say('every answer is the scan\'s')


if __name__ == '__main__':
    main()
