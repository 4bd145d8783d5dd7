#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle lines of MLPerf Training runs (mlperf-training): lineage, evaluation and generic events.

A run is its file. run_start, run_stop and train_samples are lineage of the run; eval_accuracy is an evaluation of
the benchmark's model at that epoch; the rest is generic. Ranks write the same line more than once: the event id
is made of the run and the line alone, so that exact duplicates are one event, as they are one fact. Who ran it is
not said: the submitter is an organization, not an actor.
"""
import json
from datetime import datetime, timezone

from common import NOBODY, incomplete, lines_of, output, sha256_hex

STATES = {'run_start': 'start', 'run_stop': 'complete', 'train_samples': 'running'}


def attribute(value):
    """A number as it is written, anything else as text; null is nothing."""
    if value is None or isinstance(value, (bool, int)):
        return value
    return value if isinstance(value, float) else str(value)[:1000]


def fields_of(line):
    pairs = {'value': attribute(line['value'])}
    pairs.update((f'metadata.{key}', attribute(value)) for key, value in line['metadata'].items())
    return {key: value for key, value in sorted(pairs.items()) if value is not None}


def body_of(run, line, benchmark):
    """The event type, its action and outcome, and its body."""
    key, value = line['key'], line['value']
    if key in STATES:
        body = {'run_id': sha256_hex(run)[:32], 'job': run, 'state': STATES[key]}
        if key == 'train_samples' and isinstance(value, int):
            body['edge'] = [{'input': {'id': f'mlperf/{benchmark}/train', 'type': 'dataset'}, 'kind': 'trained_on',
                             'rows': value}]
        failed = key == 'run_stop' and line['metadata'].get('status') not in (None, 'success')
        if failed:
            body['state'] = 'fail'
        return 'lineage', 'train', 'failure' if failed else 'success', body
    if key == 'eval_accuracy' and isinstance(value, (int, float)) and not isinstance(value, bool):
        return 'evaluation', 'evaluate', 'success', {
            'evaluation_id': sha256_hex(run)[:32], 'model_id': benchmark,
            'model_version': f'epoch {line["metadata"].get("epoch_num", "unknown")}', 'kind': 'benchmark',
            'score': [{'name': 'accuracy', 'value': float(value)}]}
    return 'generic', 'other', 'success', {'name': f'mllog.{key}', 'field': fields_of(line)}


def main():
    folder, out = output(__doc__, 'mlperf-training')
    for version in ('v3.1', 'v4.0'):
        for text in lines_of(f'{folder}/training_results_{version}.mllog.tsv.zst'):
            run, _, mllog = text.partition('\t')
            line = json.loads(mllog)
            event_id = f'mlperf:{sha256_hex(version + text)[:40]}'
            submitter, _, system, benchmark, _ = run.split('/')
            kind, action, outcome, body = body_of(f'{version}/{run}', line, benchmark)
            seconds, millis = divmod(line['time_ms'], 1000)
            day = datetime.fromtimestamp(seconds, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
            made = incomplete({
                'event_id': event_id, 'time': f'{day}.{millis:03}Z', 'event_type': kind, 'action': action,
                'outcome': outcome, 'actor': NOBODY,
                'resource': [{'id': f'mlperf/{benchmark}', 'type': 'model', 'role': 'target', 'owner': submitter}],
                'source': {'service': f'mlperf-{version}', 'instance': system[:128], 'adapter': 'mllog'},
                'correlation_id': sha256_hex(run)[:32], 'action_detail': line['key'][:128], kind: body,
            }, 'actor')
            out.emit(made, region_key=run, class_key=run)


main()
