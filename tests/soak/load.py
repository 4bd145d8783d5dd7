#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Long load: ingest over streams and single calls, searches and checkpoints at fixed times, over mutual TLS.

What must hold: memory and open files of the server do not grow once it is warm; no call is answered a second after
it was due unless this machine itself stood still then, which a probe beside it measures, or was busy with others;
checkpoints only grow; the store holds at the end, by fsck. Latencies are printed, not judged: they are the machine's.

Usage: load.py TOOLS_FOLDER. Runs with STELE_SOAK=1, for STELE_SOAK_SECONDS (1,200), with STELE_SOAK_STREAM_RATE
(8,000) events a second over streams and STELE_SOAK_UNARY_RATE (500) single appends.
"""
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f'{os.path.dirname(HERE)}/support']

from server import Server, skip  # noqa: E402

REGION = 'eu-central-1'
WARM = 0.4              # of the time: until caches, memtables and the duplicate window have their size
MEMORY_SLACK_MIB = 48   # two closed units that wait for the packer
FILES_SLACK = 24
BLOB_FILES_MAX = 128    # the store's own bound, which a long run reaches
STALL_S = 1.0
PROBE_EVERY_S = 0.05
FOREIGN_MAX = 0.25      # of the processors taken by others: beyond it a stall says nothing of the server
TICK_S = 1 / os.sysconf('SC_CLK_TCK')


class Probe(threading.Thread):
    """The machine's own stalls: a small synced write, due every 50 ms, late by what the disk and the processor
    take. Keeps (when due, seconds)."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path, self.samples, self.stopped = f'{folder}/probe', [], threading.Event()

    def run(self):
        fd = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600)
        due = time.time()
        while not self.stopped.is_set():
            time.sleep(max(0.0, due - time.time()))
            os.pwrite(fd, b'x' * 4096, 0)
            os.fdatasync(fd)
            now = time.time()
            self.samples.append((due, now - due))
            due = max(due + PROBE_EVERY_S, now)
        os.close(fd)

    def worst_between(self, start, end):
        return max((took for due, took in self.samples if due <= end and due + took >= start), default=0.0)


def busy_and_all_s():
    """Processor time of this machine so far: used, and all there was."""
    with open('/proc/stat', encoding='ascii') as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) * TICK_S, sum(ticks) * TICK_S


def used_s(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            words = file.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(words[11]) + int(words[12])) * TICK_S


class Watch(threading.Thread):
    """Each second: resident memory and open files of the server, and how much of the processors others took. Keeps
    (seconds, MiB, blobs, other files) and (time, share)."""

    def __init__(self, pid, others):
        super().__init__(daemon=True)
        self.pid, self.pids, self.rows, self.foreign = pid, [pid, os.getpid(), *others], [], []
        self.stopped = threading.Event()

    def run(self):
        start = time.monotonic()
        busy, total, ours = *busy_and_all_s(), [used_s(pid) for pid in self.pids]
        while not self.stopped.wait(1.0):
            now_busy, now_total, now_ours = *busy_and_all_s(), [used_s(pid) for pid in self.pids]
            mine = sum(max(0.0, now - before) for now, before in zip(now_ours, ours))
            share = max(0.0, now_busy - busy - mine) / max(now_total - total, TICK_S)
            self.foreign.append((time.time(), share))
            busy, total, ours = now_busy, now_total, now_ours
            with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
                kib = next(int(line.split()[1]) for line in file if line.startswith('VmRSS:'))
            blobs = others = 0
            for fd in os.listdir(f'/proc/{self.pid}/fd'):
                try:
                    target = os.readlink(f'/proc/{self.pid}/fd/{fd}')
                except FileNotFoundError:
                    continue
                blobs += '/blobs/' in target
                others += '/blobs/' not in target
            self.rows.append((time.monotonic() - start, kib / 1024, blobs, others))

    def foreign_between(self, start, end):
        shares = [share for at, share in self.foreign if start <= at <= end + 1]
        return sum(shares) / len(shares) if shares else 0.0


class Checkpoints(threading.Thread):
    """Every five seconds the newest checkpoint: checked by the client, and never smaller than the one before."""

    def __init__(self, server, log):
        super().__init__(daemon=True)
        self.server, self.log, self.failure, self.sizes = server, log, None, [0]
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(5.0):
            done = self.server.run('checkpoint', '--log', self.log)
            size = int(done.stdout.split('\n')[1]) if done.returncode == 0 else -1
            if size < self.sizes[-1]:
                self.failure = f'checkpoint of {size} after {self.sizes[-1]}: {done.stderr}'
                return
            self.sizes.append(size)


def slope_per_hour(points):
    """Of the least-squares line through (seconds, value)."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def judge_growth(rows, failures):
    """The highest of the last third of the warm time against the highest of its first third: memory goes up and
    down with memtables, so that a line through all of it says little."""
    warm = rows[int(len(rows) * WARM):]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    for name, at, slack in (('MiB of memory', 1, MEMORY_SLACK_MIB), ('files that are no blobs', 3, FILES_SLACK)):
        before, after = max(row[at] for row in first), max(row[at] for row in last)
        slope = slope_per_hour([(row[0], row[at]) for row in warm])
        print(f'{name}: at most {before:.0f}, then {after:.0f} (line through all: {slope:+.1f} an hour)')
        if after > before * 1.05 + slack:
            failures.append(f'{name} grew from {before:.0f} to {after:.0f} while warm')
    blobs = max(row[2] for row in rows)
    print(f'open blobs: at most {blobs}')
    if blobs > BLOB_FILES_MAX + FILES_SLACK:
        failures.append(f'{blobs} open blobs, {BLOB_FILES_MAX} are the bound')


def judge_stalls(name, figures, probe, watch, failures):
    for stall in figures['stalls']:
        start, length = stall['unix_s'], stall['ms'] / 1000
        machine = probe.worst_between(start - 1, start + length)
        foreign = watch.foreign_between(start - 1, start + length)
        print(f'{name}: {length:.2f} s from {start:.1f}; the machine stood still for {machine:.2f} s then, others took '
              f'{foreign:.0%} of it')
        if length > STALL_S and machine < length / 2 and foreign < FOREIGN_MAX:
            failures.append(f'{name}: a stall of {length:.2f} s, the machine had {machine:.2f} s')


def start_bench(server, *words):
    return subprocess.Popen([f'{server.tools}/stele', 'bench', *words, '--config', server.config, '-o', 'json'],
                            stdout=subprocess.PIPE, text=True)


def say(name, latency):
    print(f"{name}: p50 {latency['p50_ms']:.2f}  p90 {latency['p90_ms']:.2f}  p99 {latency['p99_ms']:.2f}  "
          f"p99.9 {latency['p999_ms']:.2f}  longest {latency['max_ms']:.2f} ms")


def load(server, seconds, failures):
    probe, checkpoints = Probe(server.folder), Checkpoints(server, f'{REGION}/3y')
    stream = start_bench(server, 'ingest', '--rate', os.environ.get('STELE_SOAK_STREAM_RATE', '8000'), '--batch', '64',
                         '--duration', str(seconds))
    mixed = start_bench(server, 'mixed', '--rate', os.environ.get('STELE_SOAK_UNARY_RATE', '500'), '--query-rate', '10',
                        '--duration', str(seconds))
    watch = Watch(server.process.pid, [stream.pid, mixed.pid])
    for thread in (probe, watch, checkpoints):
        thread.start()
    results = [(name, bench.communicate()[0], bench.returncode) for name, bench in (('stream', stream), ('mixed', mixed))]
    for thread in (watch, checkpoints, probe):
        thread.stopped.set()
        thread.join()
    for name, out, code in results:
        if code != 0:
            failures.append(f'bench {name} ended with {code}')
            continue
        figures = json.loads(out)
        print(f"{name}: {figures['events']:.0f} events, {figures['events_per_s']:.0f}/s, {figures['repeated']:.0f} sent again")
        say(f'{name} append', figures['append'])
        if 'query' in figures:
            say('query', figures['query'])
            print(f"queries: {figures['queries']:.0f}, {figures['hits']:.0f} hits")
        judge_stalls(name, figures, probe, watch, failures)
    took = sorted(row[1] for row in probe.samples)
    print(f'probe: p50 {took[len(took) // 2] * 1e3:.2f}  p99.9 {took[len(took) * 999 // 1000] * 1e3:.2f}  '
          f'longest {took[-1] * 1e3:.2f} ms')
    shares = [share for _, share in watch.foreign]
    print(f'others took {sum(shares) / max(1, len(shares)):.0%} of the processors')
    print(f'checkpoints: {len(checkpoints.sizes) - 1}, the last of {checkpoints.sizes[-1]} entries')
    if checkpoints.failure:
        failures.append(checkpoints.failure)
    judge_growth(watch.rows, failures)


def main(tools):
    if os.environ.get('STELE_SOAK') != '1':
        skip('long load; it runs with STELE_SOAK=1, for STELE_SOAK_SECONDS')
    seconds, failures = int(os.environ.get('STELE_SOAK_SECONDS', '1200')), []
    server = Server(tools, [REGION])
    with server:
        load(server, seconds, failures)
        code = server.stop()
        if code != 0:
            failures.append(f'steled ended with {code}')
        done = server.run('fsck', '--data', server.data, config=False)
        print(done.stdout.strip())
        if done.returncode != 0:
            failures.append(f'fsck ended with {done.returncode}: {done.stderr.strip()}')
    for failure in failures:
        print(f'FAILED: {failure}')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main(sys.argv[1])
