# SPDX-License-Identifier: Apache-2.0
"""The same events into Stele and PostgreSQL 15, the same questions to both; see versus-postgres beside this file."""
import argparse
import json
import mmap
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from postgres import Client, Postgres, missing

HERE = os.path.dirname(os.path.abspath(__file__))
SPAN_MS = 547 * 86400 * 1000  # 18 months
CHUNK_ROWS = 50000  # of a COPY, which is a transaction
BATCH_ROWS = 1000
COLUMNS = '(time, type, actor, resource, payload)'
QUESTION = 'SELECT payload FROM events WHERE actor = $1 ORDER BY time'
COMBINED = 'SELECT payload FROM events WHERE actor = $1 AND resource = $2 AND type = 3 ORDER BY time'
DIFFERS = '''What differs, beside the ratios:
- PostgreSQL keeps {payload} and four columns, with two indexes, (actor, time) and (resource, time). Stele keeps
  the event's bytes and looks it up by eight keys: actor, two resources, type, action, service, tenant, trace.
- Stele hashes every event into a signed tree, proves answers and that nothing was left out of them, and refuses an event
  that was sent twice. PostgreSQL here does none of it, and rows can be changed.
- Stele's client speaks gRPC over mutual TLS on TCP, PostgreSQL's its own protocol over a Unix socket without TLS.
- COPY parses text ({text}) and acknowledges {chunk} rows at a time; Stele checks each event
  against its schema and acknowledges {batch} at a time. INSERT is one statement of {rows} rows in a transaction.
- Both sync before they acknowledge. PostgreSQL: {settings}; VACUUM ANALYZE before the questions; queries
  prepared, results binary. Stele's defaults; its log clock steps through the 18 months of the questions' events.
- Ingest is of events of now; the questions' events are the same but for their times, spread over 18 months.
- Cold: server started again, then page cache {cold}. What lies under the operating system, as a
  host's cache, stays warm for both.'''


def parse():
    parser = argparse.ArgumentParser(prog='versus-postgres', description='Stele beside PostgreSQL 15: same events, same questions.')
    parser.add_argument('--events', type=int, default=1000000, help='1,000,000; about 2.5 KB of disk an event are needed')
    parser.add_argument('--runs', type=int, default=1, help='of everything; the table has medians and spread')
    parser.add_argument('--queries', type=int, default=10, help='times that each question is asked warm (10)')
    parser.add_argument('--cold', type=int, default=5, help='times that each is asked cold (5)')
    parser.add_argument('--insert-events', type=int, default=200000, help='events of the batched INSERT, at most (200,000)')
    parser.add_argument('--shared-buffers', default='2GB', help='of PostgreSQL (2GB)')
    parser.add_argument('--payload', choices=('bytea', 'jsonb'), default='bytea',
                        help="what PostgreSQL keeps of an event: its bytes (bytea), or what it can search by itself (jsonb)")
    parser.add_argument('--tools', default=os.path.join(HERE, '../../build/release/tools'), help='folder of stele and steled')
    parser.add_argument('--json', help='also write the figures to this file; they are the last line of the output too')
    options = parser.parse_args()
    if min(options.events, options.runs, options.queries, options.insert_events) < 1 or options.cold < 0:
        parser.error('numbers are 1 or more')
    return options


def say(words):
    print(words, file=sys.stderr, flush=True)


def drop_cache():
    """True if the page cache could be dropped."""
    os.sync()
    try:
        with open('/proc/sys/vm/drop_caches', 'w') as file:
            file.write('3\n')
        return True
    except OSError:
        return False


class Rows:
    """A file of rows, mapped, and where its chunks end."""

    def __init__(self, path):
        self.file = open(path, 'rb')
        self.bytes = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        self.ends, at, n = [], 0, 0
        for line in self.file:
            at, n = at + len(line), n + 1
            if n % CHUNK_ROWS == 0:
                self.ends.append(at)
        if n % CHUNK_ROWS:
            self.ends.append(at)
        self.n = n

    def chunks(self):
        return list(zip([0, *self.ends[:-1]], self.ends))

    def statements(self, table, n):
        """INSERTs of BATCH_ROWS rows each, made before the time is taken."""
        made, values = [], []
        self.file.seek(0)
        for i, line in enumerate(self.file):
            if i == n:
                break
            moment, kind, actor, resource, payload = line.rstrip(b'\n').decode().split('\t')
            payload = payload.replace('\\\\', '\\').replace("'", "''")
            values.append(f"('{moment}',{kind},'{actor}','{resource}','{payload}')")
            if len(values) == BATCH_ROWS or i + 1 == min(n, self.n):
                made.append(f'INSERT INTO {table} {COLUMNS} VALUES ' + ','.join(values))
                values = []
        return made

    def close(self):
        self.bytes.close()
        self.file.close()


def in_threads(n, work):
    """Seconds until all have ended. The first failure is raised."""
    failed = []

    def guarded(i):
        try:
            work(i)
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(n)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # so that Ctrl-C is heard
    if failed:
        raise failed[0]
    return time.perf_counter() - start


def make_table(client, name, payload):
    client.run(f'CREATE TABLE {name} (time timestamptz NOT NULL, type smallint NOT NULL, actor text NOT NULL, '
               f'resource text NOT NULL, payload {payload} NOT NULL)')
    client.run(f'CREATE INDEX {name}_actor ON {name} (actor, time)')
    client.run(f'CREATE INDEX {name}_resource ON {name} (resource, time)')


def load(server, jobs, connections, do):
    """The jobs, in order, over so many connections. Seconds."""
    lock, clients = threading.Lock(), [Client(server) for _ in range(connections)]
    waiting = iter(jobs)

    def work(i):
        while True:
            with lock:
                job = next(waiting, None)
            if job is None:
                return
            do(clients[i], job)

    try:
        return in_threads(connections, work)
    finally:
        for client in clients:
            client.close()


def copy_rows(server, rows, table, connections):
    def copy(client, chunk):
        client.copy(f'COPY {table} {COLUMNS} FROM STDIN', rows.bytes, *chunk)

    return rows.n / load(server, rows.chunks(), connections, copy)


class Measure:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.stele_path = os.path.join(options.tools, 'stele')
        self.server = None
        self.child = None

    def stele(self, *words):
        """What a bench prints as JSON."""
        environment = dict(os.environ, TMPDIR=self.folder)
        self.child = subprocess.Popen([self.stele_path, 'bench', *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      env=environment, start_new_session=True)
        out, _ = self.child.communicate()
        code, self.child = self.child.returncode, None
        if code != 0:
            raise SystemExit(f'`stele bench {" ".join(words)}` ended with {code}')
        return json.loads(out) if out.strip() else None

    def end(self):
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()  # it stops its server and removes its folder
            self.child.wait()
        if self.server is not None:
            self.server.remove()

    def run(self):
        figures = {}
        step = max(1, SPAN_MS // self.options.events)
        self.now, self.spread = self.folder + '/now', self.folder + '/spread'
        n = ('--events', str(self.options.events), '-o', 'json' if self.options.payload == 'jsonb' else 'text')
        self.stele('events', *n, '--out', self.now, '--rows', self.now + '.rows')
        say('PostgreSQL: COPY and INSERT ...')
        folder = self.folder + '/postgres'
        os.mkdir(folder)
        self.server = Postgres(folder, {'shared_buffers': self.options.shared_buffers}).start()
        self.postgres_ingest(figures)
        os.unlink(self.now + '.rows')
        say('Stele: ingest ...')
        self.server.stop()
        ingest = self.stele('ingest', '--from', self.now, '--batch', '256', '--connections', '2', '-o', 'json')
        figures['stele_ingest'] = ingest['events_per_s']
        figures['stele_kept'] = ingest['kept_bytes_per_event']['all'] if 'kept_bytes_per_event' in ingest else 0.0
        figures['stele_written'] = ingest['written_bytes_per_event']
        os.unlink(self.now)
        self.stele('events', *n, '--clock-step', f'{step}ms', '--out', self.spread, '--rows', self.spread + '.rows')
        say('Stele: questions ...')
        asked = self.stele('query', '--from', self.spread, '--clock-step', f'{step}ms', '--queries', str(self.options.queries),
                           '--cold', str(self.options.cold), '-o', 'json')
        say('PostgreSQL: questions ...')
        self.postgres_questions(figures, asked)
        self.server.remove()
        self.server = None
        for name in (self.spread, self.spread + '.rows'):
            os.unlink(name)
        return figures

    def postgres_ingest(self, figures):
        rows, client = Rows(self.now + '.rows'), Client(self.server)
        for connections in (1, 2):
            make_table(client, 'loaded', self.options.payload)
            figures[f'postgres_copy_{connections}'] = copy_rows(self.server, rows, 'loaded', connections)
            client.run('DROP TABLE loaded')
            client.run('CHECKPOINT')
        n = min(self.options.insert_events, rows.n)
        make_table(client, 'loaded', self.options.payload)
        statements = rows.statements('loaded', n)
        figures['postgres_insert'] = n / load(self.server, statements, 2, lambda connection, sql: connection.run(sql))
        client.run('DROP TABLE loaded')
        client.run('CHECKPOINT')
        client.close()
        rows.close()

    def postgres_questions(self, figures, asked):
        self.server.start()
        rows, client = Rows(self.spread + '.rows'), Client(self.server)
        make_table(client, 'events', self.options.payload)
        before = client.value('SELECT pg_current_wal_lsn() - \'0/0\'')
        copy_rows(self.server, rows, 'events', 2)
        figures['postgres_wal'] = (float(client.value('SELECT pg_current_wal_lsn() - \'0/0\'')) - float(before)) / rows.n
        client.run('VACUUM ANALYZE events')
        for name, what in (('kept', 'pg_total_relation_size'), ('heap', 'pg_table_size'), ('indexes', 'pg_indexes_size')):
            figures['postgres_' + name] = float(client.value(f"SELECT {what}('events')")) / rows.n
        client.close()
        rows.close()
        figures['questions'] = [self.postgres_question(row) for row in asked['rows']]

    def postgres_question(self, row):
        sql, arguments = (COMBINED, (row['actor'], row['resource'])) if row['resource'] else (QUESTION, (row['actor'],))
        client = Client(self.server)
        client.prepare(sql)
        client.ask(*arguments)
        warm = [client.ask(*arguments) for _ in range(self.options.queries)]
        client.close()
        cold = []
        for _ in range(self.options.cold):
            self.server.stop()
            client = Client(self.server.start())
            client.prepare(sql)
            drop_cache()
            cold.append(client.ask(*arguments))
            client.close()
        found = warm[0][0]
        if found != row['events']:
            raise SystemExit(f'{row["what"]}: PostgreSQL found {found} events, Stele {row["events"]}')
        made = {'what': row['what'], 'events': found, 'read': row['rows_examined']}
        for name, asked, at in (('warm_first', warm, 1), ('warm_last', warm, 2), ('cold_first', cold, 1), ('cold_last', cold, 2)):
            if asked:
                made[name] = {'postgres_ms': statistics.median(one[at] for one in asked) * 1e3, 'stele_ms': row[name]['p50_ms']}
        return made


def spread(values, digits):
    middle = f'{statistics.median(values):,.{digits}f}'
    return middle if len(values) == 1 else f'{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})'


def line(name, theirs, ours, higher_is_better, digits=0):
    """ratio: how many times better Stele is."""
    ratios = [b / a if higher_is_better else a / b for a, b in zip(theirs, ours) if a > 0 and b > 0]
    ratio = f'{statistics.median(ratios):.1f}' if ratios else ''
    return f'| {name} | {spread(theirs, digits)} | {spread(ours, digits)} | {ratio} |'


def table(runs):
    def of(name):
        return [run[name] for run in runs]

    lines = ['| | PostgreSQL 15 | Stele | Stele is better by |', '|---|---:|---:|---:|',
             line('ingest, events/s: COPY, 1 connection', of('postgres_copy_1'), of('stele_ingest'), True),
             line('ingest, events/s: COPY, 2 connections', of('postgres_copy_2'), of('stele_ingest'), True),
             line('ingest, events/s: INSERT of 1,000 rows, 2 connections', of('postgres_insert'), of('stele_ingest'), True),
             line('kept, bytes an event', of('postgres_kept'), of('stele_kept'), False),
             line('written, bytes an event (PostgreSQL: its log alone)', of('postgres_wal'), of('stele_written'), False)]
    for i, question in enumerate(runs[0]['questions']):
        for name, words in (('warm_first', 'warm, first event'), ('warm_last', 'warm, last event'),
                            ('cold_first', 'cold, first event'), ('cold_last', 'cold, last event')):
            if name in question and (question['events'] > 0 or name.endswith('last')):
                found = [run['questions'][i][name] for run in runs]
                lines.append(line(f'{question["what"]} ({question["events"]:,}), ms: {words}', [one['postgres_ms'] for one in found],
                                  [one['stele_ms'] for one in found], False, 1))
    return '\n'.join(lines)


def main():
    options = parse()
    why = missing() or (None if os.access(os.path.join(options.tools, 'stele'), os.X_OK) else
                        f'no stele in {options.tools}; cmake --workflow --preset release')
    if why is not None:
        print('skipped:', why)
        return 77
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix='stele-versus-')
    os.chmod(folder, 0o711)  # the user postgres passes through
    runs = []
    try:
        for i in range(options.runs):
            say(f'run {i + 1} of {options.runs}, {options.events:,} events')
            measure = Measure(options, folder)
            try:
                runs.append(measure.run())
            finally:
                measure.end()
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f'{options.events:,} events, medians of {options.runs} runs\n')
    print(table(runs), '\n')
    settings = f'synchronous_commit on, shared_buffers {options.shared_buffers}, max_wal_size 4GB'
    cold = 'dropped' if drop_cache() else 'not dropped, which takes root'
    payload, words = (('the event as jsonb', 'the event is JSON') if options.payload == 'jsonb' else
                      ("the event's bytes", "the event's bytes are hex digits"))
    print(DIFFERS.format(payload=payload, text=words, chunk=f'{CHUNK_ROWS:,}', batch=256, rows=f'{BATCH_ROWS:,}', settings=settings, cold=cold), '\n')
    figures = {'events': options.events, 'payload': options.payload, 'shared_buffers': options.shared_buffers, 'runs': runs}
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(figures, file)
    print(json.dumps(figures))
    return 0


if __name__ == '__main__':
    sys.exit(main())
