#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers of four models to 1,250 prompts (arena-hard): one inference event an answer.

Both hashes are SHA-256 of the texts, as UTF-8. A model is named as its provider names a fixed revision:
"gpt-4-0314" is revision 0314 of gpt-4. The benchmark's runner is not a caller: there is none.
"""
import glob
import re
from datetime import datetime, timezone

from common import NOBODY, incomplete, json_lines, output, sha256_hex

REVISION = re.compile(r'(.+?)-(\d{4}(?:-\d{2}-\d{2})?)')


def time_of(seconds):
    """RFC 3339 of unix seconds as they are written, cut to nanoseconds."""
    whole, _, fraction = str(seconds).partition('.')
    day = datetime.fromtimestamp(int(whole), timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
    return f'{day}.{fraction[:9]}Z' if fraction else f'{day}Z'


def text_of(message):
    """The user's content is a text, the assistant's an object with the answer."""
    content = message['content']
    return content if isinstance(content, str) else content['answer']


def main():
    folder, out = output(__doc__, 'arena-hard')
    for path in sorted(glob.glob(f'{folder}/*__model_answer__*.jsonl.zst')):
        for row in json_lines(path):
            prompt, = (text_of(m) for m in row['messages'] if m['role'] == 'user')
            answer, = (text_of(m) for m in row['messages'] if m['role'] == 'assistant')
            model, revision = REVISION.fullmatch(row['model']).groups()
            event = incomplete({
                'event_id': f'arena-hard:{row["uid"][:16]}:{row["ans_id"]}',
                'time': time_of(row['tstamp']),
                'event_type': 'inference', 'action': 'invoke', 'outcome': 'success',
                'actor': NOBODY,
                'resource': [{'id': model, 'type': 'model', 'version': revision, 'role': 'target'}],
                'source': {'service': 'arena-hard-auto', 'adapter': 'arena-hard'},
                'correlation_id': row['uid'],
                'original': {'format': 'arena-hard', 'id': row['ans_id']},
                'inference': {
                    'model_id': model, 'model_version': revision, 'operation': 'chat', 'request_id': row['ans_id'],
                    'input': {'value': f'sha256:{sha256_hex(prompt)}', 'content_bytes': len(prompt.encode()),
                              'canonical': 'raw'},
                    'output': {'value': f'sha256:{sha256_hex(answer)}', 'content_bytes': len(answer.encode()),
                               'canonical': 'raw'}},
            }, 'actor')
            out.emit(event, region_key=row['uid'])


main()
