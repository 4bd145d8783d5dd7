#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind against a real steled, one row a case.

test_refusals.py --tools FOLDER [--instrumented] [WORD...]    rows whose name has one of the words; default: all

Each row says what was answered. After each: another client's events were acknowledged all the while, the same process
answers, and it holds no more files and memory than it may. At the end every acknowledged event is read back.
--instrumented: a sanitizer's server, whose memory says nothing.
"""
import argparse
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import rig  # noqa: E402
import wire  # noqa: E402

# The bounds of ARCHITECTURE.md put together: 512 MiB of gRPC core, 128 MiB of undecided events, and the store itself.
MEMORY_MIB_MAX = 800
# Beside the files of before: connections of the table's own clients, blobs and tables opened meanwhile.
FILES_MORE_MAX = 60


class Bench:
    """What rows share."""

    def __init__(self, server, arguments):
        self.server, self.tools = server, arguments.tools
        self.writer, self.auditor = server.channel('writer'), server.channel('auditor')
        # Of tenant acme: some for rows that ask, and what rows store.
        results = wire.append_results(rig.append(self.writer, wire.append_request(
            [wire.event(f'first-{number}') for number in range(5)])))
        assert all(result[3] == 0 for result in results), results
        self.n_good = len(results)
        self.bulk = {}  # the huge answer: event id -> (log, seq) of tenant bulk
        self.memory_mib = 0 if arguments.instrumented else MEMORY_MIB_MAX
        self.files = server.n_files()
        self.bystander = rig.Bystander(server)

    def after_row(self):
        assert self.server.is_alive(), 'steled has ended'
        self.bystander.goes_on()
        rig.wait_until(lambda: self.server.n_files() <= self.files + FILES_MORE_MAX, 'its connections are closed')
        memory = self.server.memory_mib()
        assert not self.memory_mib or memory <= self.memory_mib, f'{memory:.0f} MiB'
        return memory


def run(bench, rows, words):
    failures = 0
    for name, row in rows:
        if words and not any(word in name for word in words):
            continue
        start = time.monotonic()
        try:
            said = row(bench)
            memory = bench.after_row()
            print(f'ok    {name}: {said} [{time.monotonic() - start:.1f} s, {memory:.0f} MiB]', flush=True)
        except AssertionError as problem:
            failures += 1
            print(f'WRONG {name}: {problem}', flush=True)
            if not bench.server.is_alive():
                raise
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tools', required=True, help='the folder of stele and steled')
    parser.add_argument('--instrumented', action='store_true')
    parser.add_argument('words', nargs='*')
    arguments = parser.parse_args()
    import rows_append
    import rows_peers
    import rows_query
    with rig.Server(arguments.tools) as server:
        bench = Bench(server, arguments)
        bench.bystander.start()
        failures = run(bench, rows_append.ROWS + rows_query.ROWS + rows_peers.ROWS, arguments.words)
        quiet = bench.bystander.finish()
        hits, _ = rig.search_all(bench.auditor, tenant='acme')
        assert len(hits) == bench.n_good, f'{bench.n_good} events of the table were acknowledged, {len(hits)} are there'
        print(f'ok    a shutdown with streams open that nobody used: {rows_peers.shutdown(bench)}')
        assert failures == 0, f'{failures} rows are wrong'
    print(f'{quiet} events of the bystander and {len(hits)} of the table are where they were acknowledged')


if __name__ == '__main__':
    main()
