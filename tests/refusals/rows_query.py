# SPDX-License-Identifier: Apache-2.0
"""Bad questions and cursors, questions that would scan everything, and an answer larger than its reader is fast."""
import subprocess
import threading
import time

import grpc

import rig
import wire
from rows_append import check_failure, failure
from wire import Fixed64, field, message, one, search_request

Code = grpc.StatusCode
BULK_EVENTS, BULK_BYTES = 20000, 1000  # an answer of some 23 MB
SMALL_EVENTS, SMALL_ROWS = 2000, 300

# ------------------------------------------------------------------ questions

QUESTIONS = [
    ('noise', 'auditor', lambda: b'\xff', Code.INVALID_ARGUMENT, ('question: cut off inside a varint',)),
    ('truncated', 'auditor', lambda: search_request(tenant='acme')[:-1], Code.INVALID_ARGUMENT, ('question', 'past the end')),
    ('70,000 bytes', 'auditor', lambda: search_request(event_filter=message((2, 'x' * 70000))), Code.INVALID_ARGUMENT,
     ('70022 bytes, over 65536',)),
    ('no region', 'auditor', lambda: b'', Code.INVALID_ARGUMENT, ('question: region: missing',)),
    ('two regions', 'auditor', lambda: search_request() + field(1, wire.OTHER_REGION), Code.INVALID_ARGUMENT,
     ('question: region stands twice',)),
    ('another region', 'auditor', lambda: search_request(region='mars'), Code.NOT_FOUND,
     ("region 'mars' is not served here", 'ask the server that keeps it')),
    ('a region without a grant', 'bystander', lambda: search_request(region=wire.OTHER_REGION, tenant='quiet'),
     Code.PERMISSION_DENIED, (f"cn:bystander: may not query region '{wire.OTHER_REGION}'", 'ask the operator')),
    ('another tenant', 'writer', lambda: search_request(tenant='quiet'), Code.PERMISSION_DENIED,
     ("cn:writer: may not query tenant 'quiet'",)),
    ('every tenant', 'writer', search_request, Code.PERMISSION_DENIED, ('every tenant', 'name one')),
    ('an unknown order', 'auditor', lambda: search_request(order=9), Code.INVALID_ARGUMENT, ('order 9', 'ascending (1)')),
    ('an unknown enum value', 'auditor', lambda: search_request(event_filter=message((5, 99))), Code.INVALID_ARGUMENT,
     ('filter: event_type 99',)),
    ('invalid UTF-8', 'auditor', lambda: search_request(event_filter=message((1, b'\xff'))), Code.INVALID_ARGUMENT,
     ('filter: tenant is not UTF-8',)),
    ('a condition no event meets', 'auditor', lambda: search_request(event_filter=message((2, 'x' * 1000))),
     Code.INVALID_ARGUMENT, ('filter: actor has 1000 bytes', 'over 256')),
    ('a member of a later version', 'auditor', lambda: search_request() + field(99, 1), Code.UNIMPLEMENTED,
     ('member 99 is not known', 'would change what was asked')),
]


def question_row(bench, row):
    name, client, request, code, words = row
    channel = bench.server.channel(client)
    answer = failure(lambda: rig.search(channel, request()))
    check_failure(*answer, (name, None, code, words))
    return answer[1]


# ------------------------------------------------------------------ cursors

def cursor_of(channel, **question):
    hits, end = rig.search(channel, search_request(limit=2, **question))
    assert len(hits) == 2 and one(end, 2, b''), 'no cursor'
    return one(end, 2).decode()


def changed(text, at):
    return text[:at] + ('A' if text[at] != 'A' else 'B') + text[at + 1:]


def cut_off(text, left):
    """To a number of characters that is `left` over a multiple of four: no base64 has 1 over it, and any has 0."""
    return text[:(len(text) - 1 - left) // 4 * 4 + left]


ACME = {'tenant': 'acme'}
CURSORS = [
    ('malformed: no base64', lambda bench: '%%%', ACME, Code.INVALID_ARGUMENT, ('cursor: not one of this server',)),
    ('malformed: too short', lambda bench: 'AAAA', ACME, Code.INVALID_ARGUMENT, ('cursor', 'too short')),
    ('malformed: 5,000 bytes', lambda bench: 'x' * 5000, ACME, Code.INVALID_ARGUMENT, ('cursor: 5000 bytes', 'over 4096')),
    ('malformed: cut off', lambda bench: cut_off(cursor_of(bench.auditor, **ACME), 1), ACME, Code.INVALID_ARGUMENT,
     ('cursor', 'cut off')),
    ('malformed: cut off between two bytes', lambda bench: cut_off(cursor_of(bench.auditor, **ACME), 0), ACME,
     Code.PERMISSION_DENIED, ('cursor: its keyed hash does not hold',)),
    ('forged: its places', lambda bench: changed(cursor_of(bench.auditor, **ACME), 60), ACME, Code.PERMISSION_DENIED,
     ('cursor: its keyed hash does not hold', 'ask the question again')),
    ('forged: its question', lambda bench: changed(cursor_of(bench.auditor, **ACME), 10), ACME, Code.PERMISSION_DENIED,
     ('cursor: its keyed hash does not hold',)),
    ('foreign: another client', lambda bench: cursor_of(bench.writer, **ACME), ACME, Code.PERMISSION_DENIED,
     ('cursor: it was given to another client',)),
    ('foreign: another question', lambda bench: cursor_of(bench.auditor, tenant='quiet'), ACME, Code.INVALID_ARGUMENT,
     ('cursor: it belongs to another question', 'region, logs, filter and order')),
    ('foreign: another order', lambda bench: cursor_of(bench.auditor, order=2, **ACME), ACME, Code.INVALID_ARGUMENT,
     ('cursor: it belongs to another question',)),
    ('foreign: another region', lambda bench: cursor_of(bench.auditor, **ACME),
     {'tenant': 'acme', 'region': wire.OTHER_REGION}, Code.PERMISSION_DENIED, ('another region or server made it',)),
]


def cursor_row(bench, row):
    name, make, question, code, words = row
    request = search_request(cursor=make(bench), **question)
    answer = failure(lambda: rig.search(bench.auditor, request))
    check_failure(*answer, (name, None, code, words))
    counted = failure(lambda: bench.auditor.unary_unary('/stele.v1.Query/Count')(request, timeout=rig.PATIENCE_S))
    assert counted == answer, f'Count says {counted}, Search {answer}'
    return answer[1]


# ------------------------------------------------------------------ scans

def fill(channel, tenant, count, size=0):
    places = {}
    for start in range(0, count, 500):
        ids = [f'{tenant}-{number}' for number in range(start, start + 500)]
        results = wire.append_results(rig.append(channel, wire.append_request(
            [wire.event(name, tenant=tenant, size=size) for name in ids])))
        assert all(result[3] == 0 for result in results), results
        places.update({name: (log, seq) for name, (log, seq, *_) in zip(ids, results)})
    return places


def ids_of(hits):
    found = {one(wire.decode(event), wire.EVENT_ID).decode(): (log, seq) for log, seq, event in hits}
    assert len(found) == len(hits), 'a hit came twice'
    return found


def pages(channel, rows_max, **question):
    """All pages of a question; each says that it is one, and how many rows it took."""
    hits, calls, cursor, rows = [], 0, None, 0
    while True:
        more, end = rig.search(channel, search_request(cursor=cursor, **question))
        hits, calls, cursor, rows = hits + more, calls + 1, one(end, 2, b''), rows + one(end, 4)
        assert one(end, 1) == len(more) and one(end, 4) <= rows_max, end
        assert bool(cursor) == bool(one(end, 3)), f'a budget that is spent has a cursor, and nothing else has: {end}'
        assert not cursor or one(end, 4) == rows_max or rows_max == BULK_EVENTS, end
        if not cursor:
            return hits, calls, rows


def count_pages(channel, **question):
    total, calls, cursor = 0, 0, None
    while True:
        reply = wire.decode(channel.unary_unary('/stele.v1.Query/Count')(
            search_request(cursor=cursor, **question), timeout=rig.PATIENCE_S))
        total, calls, cursor = total + one(reply, 1), calls + 1, one(reply, 3, b'')
        if not cursor:
            return total, calls


EVERYTHING = message((20, Fixed64(1)))  # since 1970: no key of it, so that every event is read
NOTHING = message((21, Fixed64(1)))


def command(server, *words):
    done = subprocess.run([f'{server.tools}/stele', '--config', server.client_conf('auditor'), *words],
                          capture_output=True, text=True, check=False, timeout=rig.PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def prove_pages(server):
    """An answer file a page; each but the last says with exit code 5 that it is none of the whole, and how to go on."""
    proven, proofs, more = 0, 0, []
    while True:
        proof = f'{server.folder}/{proofs}.stele-proof'
        code, out, err = command(server, 'query', '--since', '2020-01-01T00:00:00Z', '-o', 'jsonl', '--prove', proof, *more)
        proven, proofs = proven + len(out.splitlines()), proofs + 1
        verified = subprocess.run([f'{server.tools}/stele', 'verify', proof, '--key', f'{server.data}/vkeys'],
                                  capture_output=True, text=True, check=False, timeout=rig.PATIENCE_S)
        assert verified.returncode == 0, verified.stderr
        assert len(out.splitlines()) <= SMALL_ROWS, len(out.splitlines())
        if code != 5:
            assert code in (0, 1), f'{code} {err}'
            return proven, proofs
        assert 'budget ended the answer' in err, err
        more = ['--cursor', err.split('--cursor ')[1].split()[0]]


def scan_bounded_by_rows(bench):
    with rig.Server(bench.tools, f'query_rows: {SMALL_ROWS}') as server:
        channel = server.channel('auditor')
        places = fill(channel, 'scan', SMALL_EVENTS)
        least = SMALL_EVENTS // SMALL_ROWS
        for order in (1, 2):
            hits, calls, _ = pages(channel, SMALL_ROWS, event_filter=EVERYTHING, order=order)
            assert ids_of(hits) == places and calls > least, f'{len(hits)} hits in {calls} calls'
        hits, calls, rows = pages(channel, SMALL_ROWS, event_filter=NOTHING)
        assert not hits and calls > least and rows >= SMALL_EVENTS, f'{rows} rows in {calls} calls'
        assert count_pages(channel, event_filter=EVERYTHING) == (SMALL_EVENTS, calls)
        # The command line goes on by itself, but for a proof, which is one answer: that says so.
        code, out, err = command(server, 'query', '--since', '2020-01-01T00:00:00Z', '-o', 'jsonl')
        assert (code, len(out.splitlines())) == (0, SMALL_EVENTS), f'{code} {err}'
        code, out, err = command(server, 'query', '--since', '2020-01-01T00:00:00Z', '--count')
        assert (code, out) == (0, f'{SMALL_EVENTS}\n'), f'{code} {out} {err}'
        proven, proofs = prove_pages(server)
        assert proven == SMALL_EVENTS and proofs > least, f'{proven} events in {proofs} proofs'
        assert server.stop() == 0
    return f'{rows} rows in {calls} calls of at most {SMALL_ROWS}'


def scan_bounded_by_time(bench):
    with rig.Server(bench.tools, 'query_ms: 1') as server:
        channel = server.channel('auditor')
        places = fill(channel, 'scan', 10000)
        hits, calls, _ = pages(channel, BULK_EVENTS, event_filter=EVERYTHING)
        assert ids_of(hits) == places and calls > 1, f'{len(hits)} hits in {calls} calls'
        assert server.stop() == 0
    return f'10,000 rows in {calls} calls of a millisecond of work'


# ------------------------------------------------------------------ readers

def bulk(bench):
    if not bench.bulk:
        bench.bulk = fill(bench.auditor, 'bulk', BULK_EVENTS, BULK_BYTES)
    return bench.bulk


def slow_reader(bench):
    """Half a minute's answer in seconds; beside it, others read the same at their own pace."""
    places = bulk(bench)
    slow, problem = [], []

    def read_slowly():
        try:
            call = bench.server.channel('flood').unary_stream('/stele.v1.Query/Search')(
                search_request(tenant='bulk'), timeout=rig.PATIENCE_S)
            for response in call:
                slow.extend(wire.search_hits(response)[0])
                time.sleep(0.05)
        except grpc.RpcError as error:
            problem.append(error)
    reader = threading.Thread(target=read_slowly)
    reader.start()
    others = 0
    while others < 3 or reader.is_alive() and others < 10:
        hits, _ = rig.search_all(bench.auditor, tenant='bulk')
        assert ids_of(hits) == places, f'{len(hits)} of {len(places)}'
        others += 1
    reader.join(rig.PATIENCE_S)
    assert not problem and ids_of(slow) == places, f'{problem} {len(slow)} of {len(places)}'
    return f'{len(slow)} events, read whole {others} times beside it'


ROWS = [(f'question: {row[0]}', lambda bench, row=row: question_row(bench, row)) for row in QUESTIONS]
ROWS += [(f'cursor: {row[0]}', lambda bench, row=row: cursor_row(bench, row)) for row in CURSORS]
ROWS += [('scan: bounded by rows', scan_bounded_by_rows), ('scan: bounded by time', scan_bounded_by_time),
         ('reader: slow, of a huge answer', slow_reader)]
