#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests of two production LLM services (azure-llm-2023): one inference event a row.

The trace has times to 100 ns without a zone, which are read as UTC, and token counts. It has no caller, model or
content, and does not say how a request ended: stele.incomplete names all of these.
"""
from common import NOBODY, incomplete, output, table


def main():
    folder, out = output(__doc__, 'azure-llm-2023')
    for name in ('conv', 'code'):
        rows = table(f'{folder}/AzureLLMInferenceTrace_{name}.csv.zst', delimiter=',')
        for number, (time, context, generated) in enumerate(rows):
            event = incomplete({
                'event_id': f'azure-llm-2023:{name}:{number}',
                'time': time.replace(' ', 'T') + 'Z',
                'event_type': 'inference', 'action': 'invoke', 'outcome': 'unknown',
                'actor': NOBODY,
                'source': {'service': f'azure-llm-{name}', 'adapter': 'azure-llm-2023'},
                'inference': {'model_id': 'unknown', 'model_version': 'unknown',
                              'input_tokens': int(context), 'output_tokens': int(generated)},
            }, 'actor', 'input_hash', 'model_id', 'model_version', 'outcome', 'output_hash', 'time_offset')
            out.emit(event, region_key=str(number), class_key=str(number))


main()
