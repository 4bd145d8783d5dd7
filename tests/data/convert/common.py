# SPDX-License-Identifier: Apache-2.0
"""What every converter shares: reading, regions, the marks of what a source lacks, and writing lines.

A converter writes normalized events as JSON lines to stdout, the same bytes at every run. It invents nothing:
a required field that the source does not have becomes `unknown`, and the attribute `stele.incomplete` names it.
"""
import argparse
import csv
import hashlib
import json
import subprocess
import sys

# What a source that names no one says of the actor.
NOBODY = {'id': 'unknown', 'type': 'unknown'}


def sha256_hex(data):
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def lines_of(path):
    """The lines of a .zst file as text, without their ends."""
    with subprocess.Popen(['zstd', '-dcq', path], stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            yield line.decode().rstrip('\n')
    if process.returncode != 0:
        raise SystemExit(f'{path}: zstd failed with {process.returncode}; is the file whole?')


def json_lines(path):
    """One value a line; numbers with a point as the text that stands there."""
    for line in lines_of(path):
        yield json.loads(line, parse_float=str)


def table(path, delimiter='\t', header=True):
    """Rows of fields; the header is left out."""
    rows = csv.reader(lines_of(path), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    if header:
        next(rows)
    return rows


def cut(text, size):
    """At most `size` bytes of UTF-8, whole characters, without control characters."""
    clean = ''.join(c for c in text if c >= ' ')
    return clean.encode()[:size].decode(errors='ignore')


def incomplete(event, *names, **attributes):
    """Names the fields that the source lacks; further attributes may say more. Returns the event."""
    values = dict(attributes)
    if names:
        values['stele.incomplete'] = ','.join(sorted(names))
    if values:
        event['attributes'] = {key.replace('__', '.'): value for key, value in values.items()}
    return event


class Output:
    """Puts events into regions and writes them."""

    def __init__(self, arguments):
        self.regions = arguments.region
        self.tenant = arguments.tenant
        self.classes = arguments.retention_class or []
        self.limit = arguments.every
        self.rows = 0

    @staticmethod
    def stable(key, n):
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], 'big') % n

    def emit(self, event, region_key, class_key=''):
        """region_key: records with the same key go to the same region; class_key: to the same class."""
        self.rows += 1
        if self.limit > 1 and self.stable(event['event_id'], self.limit) != 0:
            return
        whole = {'schema_version': 'stele.v1', 'tenant': self.tenant,
                 'region': self.regions[self.stable(region_key, len(self.regions))], **event}
        if self.classes:
            whole['retention_class'] = self.classes[self.stable(class_key, len(self.classes))]
        sys.stdout.write(json.dumps(whole, ensure_ascii=False, separators=(',', ':')) + '\n')


def output(description, folder):
    """Reads the options; returns the folder of the source and the output."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--region', action='append', required=True,
                        help='where events go; several: split by a stable hash of the source')
    parser.add_argument('--tenant', required=True)
    parser.add_argument('--retention-class', action='append', help='several: split by a stable hash of who acted')
    parser.add_argument('--every', type=int, default=1, help='only one event in so many, chosen by its id')
    parser.add_argument('--data', required=True, help='the folder that holds ' + folder)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(encoding='utf-8')
    return f'{arguments.data}/{folder}', Output(arguments)
