# SPDX-License-Identifier: Apache-2.0
"""What an imported CloudTrail record must say, from the mapping of events-and-adapters.md, and no more than that."""
import hashlib
import ipaddress
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'convert'))
from common import lines_of  # noqa: E402

# Where the mapping leaves no choice: source and name (a prefix) to event type.
TYPES = [('iam', 'Attach', 'policy_change'), ('iam', 'Put', 'policy_change'),
         ('iam', 'CreateAccessKey', 'policy_change'), ('iam', 'UpdateAssumeRolePolicy', 'policy_change'),
         ('sts', 'AssumeRole', 'policy_change'), ('cloudtrail', 'StopLogging', 'policy_change'),
         ('signin', 'ConsoleLogin', 'authentication'), ('s3', 'GetObject', 'access'), ('s3', 'PutObject', 'access')]


def records(data):
    return [json.loads(line) for line in lines_of(f'{data}/invictus-cloudtrail/cloudtrail.jsonl.zst')]


def split(found):
    """Two halves by a stable hash of who called."""
    halves = ([], [])
    for record in found:
        who = json.dumps(record.get('userIdentity'), sort_keys=True)
        halves[hashlib.sha256(who.encode()).digest()[0] & 1].append(record)
    return halves


def is_address(text):
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def check(record, event, region):
    """Fails unless the event says what the record says."""
    who = record['userIdentity']
    actor = who.get('arn') or who.get('principalId') or who.get('invokedBy')
    service = record['eventSource'].partition('.')[0]
    expected = {
        'event_id': record['eventID'], 'tenant': 'trail', 'region': region,
        'time': record['eventTime'].replace('Z', '.000000000Z'), 'action_detail': f'{service}:{record["eventName"]}',
    }
    for name, value in expected.items():
        assert event.get(name) == value, f'{record["eventID"]}: {name}: {event.get(name)}, not {value}'
    assert event['source']['service'] in (record['eventSource'], service), event['source']
    assert event['source']['account'] == record['recipientAccountId'], event['source']
    assert event['source']['adapter'] == 'cloudtrail', event['source']
    assert actor is None or event['actor']['id'] == actor, f'{record["eventID"]}: {event["actor"]}, not {actor}'
    if 'type' not in who:
        assert event['actor']['type'] == 'system', event['actor']
    assert event['actor'].get('credential_id', '') == who.get('accessKeyId', ''), event['actor']
    session = who.get('sessionContext', {})
    issuer = session.get('sessionIssuer', {}).get('arn')
    assert [item['id'] for item in event['actor'].get('on_behalf_of', [])] == ([issuer] if issuer else []), event['actor']
    assert event['actor'].get('mfa', False) == (session.get('attributes', {}).get('mfaAuthenticated') == 'true')
    correlation = record.get('requestID') or record.get('sharedEventID') or ''
    if len(correlation) > 128:  # an id that is too long is cut and ends in its digest
        digest = hashlib.sha256(correlation.encode()).hexdigest()
        correlation = correlation[:128 - len('#sha256:') - 64] + f'#sha256:{digest}'
    assert event.get('correlation_id', '') == correlation, f'{event.get("correlation_id")}, not {correlation}'
    address = record['sourceIPAddress']
    assert event['actor'].get('ip') == (str(ipaddress.ip_address(address)) if is_address(address) else None), \
        f'{record["eventID"]}: {event["actor"]}, not {address}'
    code = record.get('errorCode')
    if code is None:
        assert event['outcome'] != 'denied' and 'code' not in event.get('status', {}), event
    else:
        denied = 'AccessDenied' in code or 'UnauthorizedOperation' in code
        assert event['outcome'] == ('denied' if denied else 'failure'), f'{code}: {event["outcome"]}'
        assert event['status']['code'] == code[:64], event['status']
    named = {item.get('ARN') or item.get('ARNPrefix') for item in record.get('resources') or []} - {None}
    found = {item['id'] for item in event.get('resource', [])}
    assert named <= found or len(found) == 16, f'{record["eventID"]}: {named - found} is no resource of the event'
    for source, prefix, kind in TYPES:
        if service == source and record['eventName'].startswith(prefix):
            assert event['event_type'] == kind, f'{record["eventName"]}: {event["event_type"]}, not {kind}'
    assert not event.get('resource') or all('region' not in item or item['region'] == record['awsRegion']
                                            for item in event['resource']), event['resource']
