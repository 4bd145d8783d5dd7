#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""GitHub webhook deliveries (octokit-webhooks): deployments, changes of who may do what, and the rest as generic.

A repository stands for the model, the commit for its version; the artifact's digest is in no delivery. Many
deliveries do not say when the thing happened: those carry the time of the data set's own commit, a bound from
above, and stele.incomplete names `time`. A review that is only requested is no approval: its reviewers are
principals among the resources; one that was given becomes an approval.
"""
import json
from datetime import datetime, timezone

from common import NOBODY, cut, incomplete, lines_of, output, sha256_hex

KNOWN_BY = '2026-06-21T19:13:09Z'  # the commit of SOURCE.txt
# Where a delivery says when it happened: a path from the payload; the first that is there.
TIMES = {
    'deployment': ['deployment.created_at'],
    'deployment_status': ['deployment_status.created_at'],
    'deployment_review': ['since'],
    'installation.created': ['installation.created_at'],
    'installation': ['installation.suspended_at'],
    'organization.member_invited': ['invitation.created_at'],
    'repository.created': ['repository.created_at'],
    'repository': ['repository.updated_at'],
    'security_advisory.published': ['security_advisory.published_at'],
    'security_advisory.withdrawn': ['security_advisory.withdrawn_at'],
    'security_advisory': ['security_advisory.updated_at'],
    'workflow_run.requested': ['workflow_run.created_at'],
    'workflow_run': ['workflow_run.updated_at'],
}
STATES = {  # of deployment_status: stage and outcome
    'success': ('succeeded', 'success'), 'failure': ('failed', 'failure'), 'error': ('failed', 'failure'),
    'inactive': ('retired', 'success'), 'in_progress': ('started', 'pending'), 'queued': ('requested', 'pending'),
    'pending': ('requested', 'pending'), 'waiting': ('requested', 'pending'),
}
POLICY = {  # kind and action of a policy change
    'installation.created': ('grant', 'grant'), 'installation.deleted': ('revoke', 'revoke'),
    'installation.new_permissions_accepted': ('policy_edit', 'grant'),
    'installation.suspend': ('revoke', 'revoke'), 'installation.unsuspend': ('grant', 'grant'),
    'member.added': ('grant', 'grant'), 'member.edited': ('policy_edit', 'update'),
    'membership.added': ('grant', 'grant'), 'membership.removed': ('revoke', 'revoke'),
    'organization.member_added': ('grant', 'grant'), 'organization.member_invited': ('grant', 'grant'),
    'organization.renamed': ('identity', 'update'),
    'repository.privatized': ('policy_edit', 'update'), 'repository.publicized': ('policy_edit', 'update'),
    'repository.transferred': ('policy_edit', 'update'),
    'team.added_to_repository': ('grant', 'grant'), 'team.removed_from_repository': ('revoke', 'revoke'),
    'team.created': ('policy_edit', 'create'), 'team.deleted': ('policy_edit', 'delete'),
    'team.edited': ('policy_edit', 'update'),
}
GENERIC_ACTIONS = {'created': 'create', 'edited': 'update', 'renamed': 'update', 'published': 'create',
                   'updated': 'update', 'withdrawn': 'retire'}
TYPES = {'User': 'user', 'Bot': 'service_account', 'Organization': 'service_account'}


def at(payload, path):
    for name in path.split('.'):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def time_of(name, payload):
    for path in TIMES.get(name, TIMES.get(name.split('.')[0], [])):
        value = at(payload, path)
        if isinstance(value, int):
            return datetime.fromtimestamp(value, timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
        if value:
            return value
    return None


def person(user):
    return {'id': f'github:{user["id"]}', 'type': TYPES[user['type']], 'name': user['login']}


def repository(payload, version=None, environment=None):
    repo = payload['repository']
    found = {'id': f'github.com/{repo["full_name"]}', 'type': 'code', 'version': version, 'role': 'target',
             'environment': environment, 'owner': f'github:{repo["owner"]["id"]}'}
    return {key: value for key, value in found.items() if value}


def deployment(event, payload):
    """The members of a deployment event."""
    if event == 'deployment_review':
        version, environment, stage, outcome = (at(payload, 'workflow_run.head_sha'), payload['environment'],
                                                'requested', 'pending')
        change = str(at(payload, 'workflow_run.id'))
    else:
        version, environment = at(payload, 'deployment.sha'), at(payload, 'deployment.environment')
        stage, outcome = STATES[at(payload, 'deployment_status.state') or 'pending']
        change = str(at(payload, 'deployment.id'))
    target = repository(payload, version, environment)
    body = {'model_id': target['id'], 'model_version': version, 'environment': environment, 'change_id': change}
    reviewers = [{'id': f'github:team/{who["id"]}' if kind == 'Team' else f'github:{who["id"]}',
                  'type': 'principal', 'role': 'affected', 'name': who.get('slug') or who['login']}
                 for kind, who in ((item['type'], item['reviewer']) for item in payload.get('reviewers', []))]
    action = 'deploy'
    if payload['action'] in ('approved', 'rejected'):
        stage, outcome = 'approved', 'success'
        action = {'approved': 'approve', 'rejected': 'reject'}[payload['action']]
        body['approval'] = [{'approver_id': person(payload['approver'])['id'], 'decision': payload['action'],
                             'time': payload['since'], 'comment': payload.get('comment', '')}]
    return {'event_type': 'deployment', 'action': action, 'outcome': outcome, 'resource': [target, *reviewers],
            'deployment': {**body, 'stage': stage}}


def policy_change(name, payload):
    kind, action = POLICY[name]
    member = payload.get('member') or at(payload, 'membership.user') or payload.get('user')
    team, installation = payload.get('team'), payload.get('installation')
    organization = payload.get('organization')
    if name.startswith('installation'):
        policy, permissions = f'github:installation/{installation["id"]}', installation['permissions']
        changed = [f'{key}:{value}' for key, value in sorted(permissions.items())][:64]
        principal = {'principal_id': f'github:app/{installation["app_id"]}', 'principal_type': 'service_account'}
        scope = f'github:{at(installation, "account.id")}'
    else:
        policy = (f'github:team/{team["id"]}' if team else f'github.com/{payload["repository"]["full_name"]}'
                  if 'repository' in payload else f'github:organization/{organization["id"]}')
        role = at(payload, 'membership.role') or at(payload, 'invitation.role')
        changed = [role] if role else [team['permission']] if team and 'permission' in team else []
        principal = {'principal_id': person(member)['id'], 'principal_type': person(member)['type']} if member else {}
        scope = repository(payload)['id'] if 'repository' in payload else ''
    body = {'kind': kind, 'policy_id': policy, **principal, 'scope': scope}
    if kind in ('grant', 'revoke') and changed:
        body['added' if kind == 'grant' else 'removed'] = changed
    return {'event_type': 'policy_change', 'action': action, 'outcome': 'success',
            'resource': [{'id': policy, 'type': 'policy', 'role': 'target'}], 'policy_change': body}


def generic(name, payload):
    resource = []
    if 'repository' in payload:
        resource = [repository(payload, at(payload, 'workflow_run.head_sha'))]
    elif 'security_advisory' in payload:
        resource = [{'id': payload['security_advisory']['ghsa_id'], 'type': 'other', 'role': 'target'}]
    summary = at(payload, 'security_advisory.summary')
    outcome = {'success': 'success', 'failure': 'failure'}.get(at(payload, 'workflow_run.conclusion'), 'unknown')
    return {'event_type': 'generic', 'action': GENERIC_ACTIONS.get(payload['action'], 'other'),
            'outcome': outcome if 'workflow_run' in payload else 'success', 'resource': resource,
            **({'message': cut(summary, 1024)} if summary else {}),
            'generic': {'name': f'github.{name}', 'field': {'private': payload['repository']['private']}
                        if 'repository' in payload else {}}}


def main():
    folder, out = output(__doc__, 'octokit-webhooks')
    for line in lines_of(f'{folder}/webhooks.jsonl.zst'):
        row = json.loads(line)
        event, payload = row['event'], row['payload']
        name = f'{event}.{payload["action"]}'
        lacking = []
        if event.startswith('deployment'):
            made = deployment(event, payload)
            lacking.append('artifact_hash')
        else:
            made = policy_change(name, payload) if name in POLICY else generic(name, payload)
        time = time_of(name, payload)
        sender = payload.get('sender')
        lacking += [] if sender else ['actor']
        lacking += [] if time else ['time']
        where = at(payload, 'repository.full_name') or at(payload, 'organization.login') or name
        out.emit(incomplete({
            'event_id': f'github:{sha256_hex(line)[:40]}', 'time': time or KNOWN_BY,
            'actor': person(sender) if sender else NOBODY,
            'source': {'service': 'github', 'adapter': 'github-webhook'}, 'action_detail': name,
            'original': {'format': 'github-webhook', 'digest': f'sha256:{sha256_hex(line)}', 'uri': row['source']},
            **made}, *lacking), region_key=where)


main()
