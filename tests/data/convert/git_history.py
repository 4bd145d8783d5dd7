#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who changed what in public repositories (git-history-audit/events.tsv): one access event a file of a commit.

A: create, M and T: update, D: delete. The actor is the author: git keeps both author and committer, and who wrote
the change is who accessed the file. Nobody acted for another. A repository is wholly in one region.
"""
from common import output, sha256_hex, table

ACTIONS = {'A': 'create', 'M': 'update', 'T': 'update', 'D': 'delete'}


def main():
    folder, out = output(__doc__, 'git-history-audit')
    for committed_at, author, _committer, repo, action, path, commit in table(f'{folder}/events.tsv.zst'):
        out.emit({
            'event_id': f'{commit}:{sha256_hex(path)[:24]}',
            'time': committed_at,
            'event_type': 'access', 'action': ACTIONS[action], 'outcome': 'success',
            'actor': {'id': author, 'type': 'user'},
            'resource': [{'id': f'{repo}/{path}', 'type': 'code', 'role': 'target', 'parent': repo}],
            'source': {'service': 'git', 'adapter': 'git'},
            'correlation_id': commit, 'action_detail': action, 'access': {},
        }, region_key=repo, class_key=author)


main()
