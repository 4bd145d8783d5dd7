# SPDX-License-Identifier: Apache-2.0
"""Places, receipts, checkpoints and streams through the command line, over what the bed holds."""
import json
import os
import select
import subprocess

import oracle

ROWS = 6  # of each region
AGAIN = 400  # lines shipped a second time
SECONDS_TO_SEE = 120


class Evidence:
    def __init__(self, server, regions, random):
        self.server, self.regions, self.random = server, regions, random
        self.notes = {}  # log -> file of its checkpoint from before anything was shipped

    def keep_checkpoints(self):
        for log in self.server.vkey_of:
            path = f'{self.server.folder}/{log.replace("/", "-")}.note'
            done = self.server.run('checkpoint', '--log', log)
            assert done.returncode == 0 and done.stdout.startswith(f'audit.example.org/{log}\n'), done.stderr
            with open(path, 'w', encoding='utf-8') as file:
                file.write(done.stdout)
            self.notes[log] = path

    def verify(self, path):
        return self.server.run('verify', path, '--key', self.server.vkeys, config=False).returncode

    def check_places(self):
        """get and receipt of random rows; a receipt with a changed byte is refused."""
        for region in self.regions.values():
            for row in self.random.sample(range(len(region)), min(ROWS, len(region))):
                _, log, seq = region.places[row]
                done = self.server.run('get', '--log', log, '--seq', str(seq), '-o', 'jsonl')
                assert done.returncode == 0, done.stderr
                hit, event = oracle.load(done.stdout), oracle.normal(oracle.load(region.lines[row]))
                assert (hit['log'], hit['seq'], hit['event']) == (log, seq, event), f'{hit}\nis not\n{event}'
                path = f'{self.server.folder}/receipt'
                done = self.server.run('receipt', '--log', log, '--seq', str(seq), '--out', path)
                assert done.returncode == 0 and self.verify(path) == 0, done.stderr
                with open(path, 'rb') as file:
                    data = bytearray(file.read())
                data[data.index(b'\n\n') // 2] ^= 1
                os.remove(path)
                with open(path, 'wb') as file:
                    file.write(data)
                assert self.verify(path) == 4, f'{log} {seq}: a receipt with a changed byte'
                os.remove(path)
        done = self.server.run('get', '--log', next(iter(self.notes)), '--seq', str(10**12))
        assert done.returncode == 1, f'an entry there is not: exit {done.returncode}'

    def check_consistency(self):
        """Every log extends what it was; another log's checkpoint is none of it."""
        for log, path in self.notes.items():
            done = self.server.run('consistency', '--log', log, '--old', path)
            assert done.returncode == 0, f'{log}: exit {done.returncode}: {done.stderr}'
        first, second, *_ = self.notes
        done = self.server.run('consistency', '--log', first, '--old', self.notes[second])
        assert done.returncode != 0, 'the checkpoint of another log passed'

    def check_duplicates(self):
        """What was stored is recognised, at its first place."""
        lines, places = [], []
        for region in self.regions.values():
            for row in self.random.sample(range(len(region)), min(AGAIN // 2, len(region))):
                lines.append(region.lines[row])
                places.append(region.places[row][1:])
        done = self.server.run('append', input='\n'.join(lines) + '\n')
        acks = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0 and len(acks) == len(lines), done.stderr
        for ack, place in zip(acks, places):
            assert (ack['log'], ack['seq']) == place and ack.get('duplicate') is True, f'{ack}, it was stored at {place}'

    def check_tail(self):
        """A new event appears in the stream of its region."""
        name, region = next(iter(self.regions.items()))
        event = {**json.loads(region.lines[0]), 'event_id': 'tail:1'}
        words = [f'{self.server.tools}/stele', '--config', self.server.config, 'tail', '--region', name, '-o', 'jsonl']
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tail:
            try:
                for attempt in range(SECONDS_TO_SEE):
                    event['event_id'] = f'tail:{attempt}'
                    assert self.server.run('append', input=json.dumps(event) + '\n').returncode == 0
                    seen = self.read_for_a_second(tail)
                    if seen:
                        break
                assert seen, 'tail shows nothing'
                hit = oracle.load(seen)
                event['event_id'] = hit['event']['event_id']  # that of any attempt
                assert hit['event'] == oracle.normal(oracle.load(json.dumps(event)))
            finally:
                tail.terminate()

    @staticmethod
    def read_for_a_second(process):
        ready, _, _ = select.select([process.stdout], [], [], 1)
        return process.stdout.readline() if ready else ''
