#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who approved what in public repositories (git-history-audit/approvals.tsv).

Reviewed-by, acked-by and tested-by are approval records: those of one commit become one deployment event of the
version it made, with its approvals, at most 16 in one event. Signed-off-by and co-authored-by approve nothing:
generic events. Where the version runs is in no commit, and its artifact neither: environment unknown, both named
in stele.incomplete.
"""
from itertools import groupby

from common import incomplete, output, sha256_hex, table

APPROVALS = ('reviewed-by', 'acked-by', 'tested-by')
APPROVALS_MAX = 16  # of one event, by the schema; one commit here has 34


def base(committed_at, repo, commit):
    return {'time': committed_at, 'outcome': 'success', 'correlation_id': commit[:16],
            'resource': [{'id': repo, 'type': 'code', 'role': 'target', 'version': commit}],
            'source': {'service': 'git', 'adapter': 'git'}}


def deployment(committed_at, author, repo, commit, part, approvals):
    return incomplete({
        'event_id': f'approvals:{commit}:{part}', 'event_type': 'deployment', 'action': 'approve',
        'actor': {'id': author, 'type': 'user'}, **base(committed_at, repo, commit),
        'deployment': {
            'model_id': repo, 'model_version': commit, 'environment': 'unknown', 'stage': 'approved',
            'approval': [{'approver_id': who, 'decision': 'approved', 'time': committed_at, 'role': kind}
                         for kind, who in approvals]},
    }, 'artifact_hash', 'environment')


def trailer(committed_at, author, repo, commit, kind, who):
    return {
        'event_id': f'{commit[:16]}:{sha256_hex(kind + who)[:24]}', 'event_type': 'generic', 'action': 'other',
        'actor': {'id': who, 'type': 'user'}, 'action_detail': kind, **base(committed_at, repo, commit),
        'generic': {'name': 'git.trailer', 'field': {'author': author}}}


def main():
    folder, out = output(__doc__, 'git-history-audit')
    rows = table(f'{folder}/approvals.tsv.zst')
    for (committed_at, author, repo, commit), group in groupby(rows, key=lambda row: row[:4]):
        said = [(kind, who) for *_, kind, who in group]
        approvals = [item for item in dict.fromkeys(said) if item[0] in APPROVALS]
        for start in range(0, len(approvals), APPROVALS_MAX):
            some = approvals[start:start + APPROVALS_MAX]
            out.emit(deployment(committed_at, author, repo, commit, start // APPROVALS_MAX, some), repo, author)
        for kind, who in dict.fromkeys(said):
            if kind not in APPROVALS:
                out.emit(trailer(committed_at, author, repo, commit, kind, who), repo, author)


main()
