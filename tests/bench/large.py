# SPDX-License-Identifier: Apache-2.0
"""One store that grows to a hundred million events, and how it starts and answers then; for report beside this file."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FIRST = 1000000
START_S = 300  # then it hangs


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


class Large:
    """A server of its own, in a folder of its own in TMPDIR."""

    def __init__(self, tools, events):
        self.tools, self.events = tools, events
        self.folder = tempfile.mkdtemp(prefix='stele-large-')
        self.data, self.ready = self.folder + '/data', self.folder + '/ready'
        self.server = None

    def stele(self, *words, check=True):
        done = subprocess.run([os.path.join(self.tools, 'stele'), '--config', self.data + '/client.conf', *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if check and done.returncode not in (0, 1):
            raise SystemExit(f'`stele {" ".join(words)}` ended with {done.returncode}')
        return done.stdout

    def start(self):
        """Seconds until it serves."""
        began = time.monotonic()
        with open(self.folder + '/log', 'ab') as log:
            self.server = subprocess.Popen([os.path.join(self.tools, 'steled'), '--config', self.data + '/steled.conf',
                                            '--ready-file', self.ready], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not os.path.exists(self.ready) or os.path.getsize(self.ready) == 0:
            if self.server.poll() is not None or time.monotonic() - began > START_S:
                raise SystemExit('steled does not start: ' + open(self.folder + '/log').read()[-2000:])
            time.sleep(0.005)
        return time.monotonic() - began

    def restart(self, number):
        """Ended by this signal: seconds until it serves again."""
        self.server.send_signal(number)
        self.server.wait()
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        return self.start()

    def end(self):
        if self.server is not None and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def of_process(self, file, name):
        with open(f'/proc/{self.server.pid}/{file}') as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name))

    def ship(self, n):
        return json.loads(self.stele('bench', 'ingest', '--events', str(n), '--batch', '256', '--connections', '2', '-o', 'json'))

    def kept(self):
        """Bytes of the blobs, and how many index segments there are."""
        size, segments = 0, 0
        for path, _, names in os.walk(self.data):
            if '/blobs' in path:
                for name in names:
                    with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
                        size += os.path.getsize(os.path.join(path, name))
                segments += len(names) if path.endswith('/i') else 0
        return size, segments

    def settle(self):
        """Until nothing has been merged for some seconds. Seconds that took."""
        began, before, since = time.monotonic(), None, time.monotonic()
        while time.monotonic() - since < 5 and time.monotonic() - began < 600:
            now = self.kept()
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(1)
        return since - began

    def ask(self, *words):
        """Median milliseconds of five, with the client's start, and what came last."""
        times, out = [], b''
        for _ in range(5):
            began = time.monotonic()
            out = self.stele('query', *words)
            times.append((time.monotonic() - began) * 1000)
        return sorted(times)[2], out

    def run(self):
        subprocess.run([os.path.join(self.tools, 'stele'), 'init', '--data', self.data, '--region', 'bench-1', '--origin',
                        'bench.example.org', '--listen', f'127.0.0.1:{free_port()}'], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.start()
        figures = {'events': self.events, 'first': self.ship(FIRST)['events_per_s']}
        before = self.of_process('io', 'write_bytes')
        rest = self.ship(self.events - FIRST)
        figures['rest'] = rest['events_per_s']
        figures['tenth'] = rest['last_tenth_events_per_s'] / rest['first_tenth_events_per_s']
        figures['behind_s'] = rest.get('index_behind_max_s')
        figures['merge_wait_s'] = self.settle()
        figures['written'] = (self.of_process('io', 'write_bytes') - before) / (self.events - FIRST)
        figures['rss_mib'] = self.of_process('status', 'VmHWM') / 1024
        figures['kept'] = self.kept()[0] / self.events
        figures['start_stopped_s'] = self.restart(signal.SIGTERM)
        figures['start_killed_s'] = self.restart(signal.SIGKILL)
        load = subprocess.Popen([os.path.join(self.tools, 'stele'), '--config', self.data + '/client.conf', 'bench', 'ingest',
                                 '--events', '3000000', '--batch', '256'], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(5)
        figures['start_killed_under_load_s'] = self.restart(signal.SIGKILL)
        load.kill()
        load.wait()
        self.settle()
        figures['many_ms'], out = self.ask('--actor', 'user-001000', '-o', 'jsonl', '--limit', '10000')
        figures['many'] = out.count(b'\n')
        figures['few_ms'], out = self.ask('--actor', 'user-600000', '-o', 'jsonl', '--limit', '10')
        figures['few'] = out.count(b'\n')
        figures['absent_ms'], _ = self.ask('--tenant', 'acme', '--actor', 'user-999999', '--prove', self.folder + '/absence')
        figures['absence_bytes'] = os.path.getsize(self.folder + '/absence')
        return figures


def rows(table, runs):
    """Adds what several runs measured to report's table."""
    def of(name):
        return [run[name] for run in runs if run[name] is not None]

    n = runs[0]['events']
    table.add(f'ingest, the first {FIRST:,}', of('first'), ' events/s')
    table.add(f'ingest, the other {n - FIRST:,}', of('rest'), ' events/s', 0,
              f'{sorted(run["rest"] / run["first"] for run in runs)[len(runs) // 2]:.2f} of the first')
    table.add('their last tenth, of their first', of('tenth'), '', 2)
    table.add('index behind, at most', of('behind_s'), ' s', 1)
    table.add('merges ended after the last event by', of('merge_wait_s'), ' s')
    table.add('memory of the server, at most', of('rss_mib'), ' MiB')
    table.add('written, merges included', of('written'), ' bytes an event')
    table.add('kept, all blobs', of('kept'), ' bytes an event', 1)
    table.add('start after a clean stop', of('start_stopped_s'), ' s', 2)
    table.add('start after kill -9', of('start_killed_s'), ' s', 2)
    table.add('start after kill -9 under load', of('start_killed_under_load_s'), ' s', 2)
    for name, what in (('many', 'events of one actor, by the command line, JSON'), ('few', 'events of another')):
        table.add(f'{runs[0][name]:,} {what}', of(name + '_ms'), ' ms', 0)
    table.add('an absence, proven and verified, by the command line', of('absent_ms'), ' ms', 0,
              f'{sorted(of("absence_bytes"))[len(runs) // 2]:,} bytes of proof')
