# SPDX-License-Identifier: Apache-2.0
"""Runs a converter. Each set has a tenant of its own; large ones are spread over three logs a region."""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = {name: ('1y', '3y', '7y') for name in ('git_history', 'git_approvals', 'azure_llm', 'mlperf')}


def convert(name, data, regions, every):
    """The lines of a set."""
    words = ['/usr/bin/python3', '-B', f'{HERE}/convert/{name}.py', '--data', data, '--tenant', name.replace('_', '-'),
             '--every', str(every)]
    words += [word for region in regions for word in ('--region', region)]
    words += [word for kept in CLASSES.get(name, ()) for word in ('--retention-class', kept)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().split('\n')[:-1]
