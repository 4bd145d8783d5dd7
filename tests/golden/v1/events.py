#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes event_map.json and event_json.json, or checks them with --check; with --corpus FOLDER writes
the same payloads and texts as seeds for the fuzz targets into FOLDER/event, /event_map and /event_json,
and dictionaries for libFuzzer (-dict=) beside FOLDER: event.dict of tags, event_json.dict of words.

A second implementation of proto/event_map_v1.md and of the JSON form of proto/event_json.h, on Google's
Python protobuf: it shares nothing with the C code but event.proto. The files are frozen.
"""
import base64
import hashlib
import ipaddress
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "../../.."))
TAG_KEY = bytes(range(32))


def load():
    try:
        import google.protobuf  # noqa: F401
    except ImportError:
        print("skipped: no python3-protobuf")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", f"-I{ROOT}/proto", f"--python_out={out}", "stele/v1/event.proto"], check=True)
        sys.path.insert(0, out)
        from stele.v1 import event_pb2
        return event_pb2


pb = load()


def random(label, n):
    """n bytes that look random and never change."""
    return b"".join(hashlib.sha256(f"stele event {label} {i}".encode()).digest() for i in range(n // 32 + 1))[:n]


def digest(label, alg=1, **more):
    size = [0, 32, 48, 64, 32, 32, 32, 16, 20][alg]
    return pb.Digest(alg=alg, value=random(label, size), **more)


# ---------------------------------------------------------------------------------------- the events

def event(event_type, **fields):
    e = pb.Event(event_id=f"ev-{event_type}", time_unix_nano=1795313919123456789, tenant="acme",
                 region="eu-central-1", event_type=event_type, action=1, outcome=1,
                 actor=pb.Actor(id="user:4711", type=1), source=pb.Source(service="gateway", adapter="native"))
    for key, value in fields.items():
        field = e.DESCRIPTOR.fields_by_name[key]
        if field.label == field.LABEL_REPEATED:
            getattr(e, key).extend(value)
        elif field.message_type:
            getattr(e, key).CopyFrom(value)
        else:
            setattr(e, key, value)
    return e


def approval(n, **more):
    return pb.Approval(approver_id=f"approver-{n}", decision=1, time_unix_nano=1795313900000000000 + n,
                       ticket=f"CHG-{n}", **more)


def events():
    full_actor = pb.Actor(
        id="user:4711", type=2, name="Ada \u00c5 \"Example\"", session_id="s-9", ip=bytes([203, 0, 113, 7]),
        user_agent="curl/8 \\ (x)", credential_id="key_12", issuer="https://idp.example", group=["a", "b c"],
        auth_method=99, mfa=True,
        on_behalf_of=[pb.Delegation(id="agent:triage", type=7, issuer="i", reason="why"), pb.Delegation(id="user:1")])
    resources = [pb.Resource(id="model:fraud", type=1, version="3.2.1", role=1, name="Fraud", parent="project/a",
                             environment="production", digest=digest("r", 3), classification=5,
                             region="eu", owner="team", size_bytes=2**63),
                 pb.Resource(id="s3://b/k", type=99), pb.Resource(id="model:fraud", type=1, version="3.2.1")]
    attributes = [pb.Attribute(key="A.bin", bin=b"\x00\xff"), pb.Attribute(key="B", b=False),
                  pb.Attribute(key="a", s=""), pb.Attribute(key="d.big", d=1e300), pb.Attribute(key="d.one", d=1.0),
                  pb.Attribute(key="d.third", d=1 / 3), pb.Attribute(key="d.tiny", d=-5e-324),
                  pb.Attribute(key="d.zero", d=0.0), pb.Attribute(key="i.max", i=2**63 - 1),
                  pb.Attribute(key="i.min", i=-2**63), pb.Attribute(key="i.zero", i=0),
                  pb.Attribute(key="text", s="\u20ac and \U0001f989")]
    inference = pb.Inference(
        model_id="fraud-scorer", model_version="3.2.1+sha.9f2c",
        input=digest("in", 6, content_bytes=5376, canonical="jcs", key_id="k/2026"), output=digest("out"),
        operation="chat", provider="self", endpoint="https://e", request_id="req-1", conversation_id="conv-1",
        input_tokens=412, output_tokens=88, cached_input_tokens=2**64 - 1, reasoning_tokens=2**63 - 1,
        finish_reason=["stop", "length"], guardrail_id="g", guardrail_action="allow", parameters=digest("p", 2),
        tool_call=["search"], agent_id="agent:x", agent_version="1", streamed=True)
    yield "smallest inference", event(1, action=6, inference=pb.Inference(
        model_id="m", model_version="1", input=digest("i"), output=digest("o")))
    yield "every envelope field", event(
        1, actor=full_actor, action=6, outcome=1, resource=resources,
        source=pb.Source(service="gateway", instance="i-1", version="1.2", adapter="otlp", account="123"),
        classification=4, retention_class=3, trace_id=random("trace", 16), span_id=random("span", 8),
        correlation_id="corr-88", status=pb.Status(http_code=429, grpc_code=8, code="Slow", reason="wait"),
        duration_ns=123, severity=2, action_detail="bedrock:InvokeModel", message="line one\n\ttwo \"q\" \\ \r",
        attributes=attributes, data_subject_ref=["hmac:aa", "hmac:bb"], schema_version="stele.v1",
        original=pb.Original(format="cloudtrail-1.08", digest=digest("orig", 5), uri="s3://x", record=random("rec", 100),
                             id="orig-1"), inference=inference)
    yield "denied, no output", event(1, action=6, outcome=3, inference=pb.Inference(
        model_id="m", model_version="1", input=digest("i", 8)))
    yield "deployment", event(2, action=9, resource=resources[:1], deployment=pb.Deployment(
        model_id="fraud-scorer", model_version="3.2.1", environment="production", artifact=digest("art", 4),
        approval=[approval(1, role="owner", comment="ok", evidence=digest("ev")), approval(2)],
        previous_version="3.1", change_id="run-7", endpoint="e", stage=4, strategy="canary",
        traffic_percent_x100=10000, evaluation_id=["eval-1", "eval-2"], config=digest("cfg"),
        attestation_uri="https://a"))
    yield "access", event(3, action=2, resource=resources[1:2], access=pb.Access(
        purpose="p", permission="read", grant_id="g", bytes=1, items=2, query=digest("q"), channel="api", bulk=True))
    yield "policy change", event(4, action=13, outcome=2, policy_change=pb.PolicyChange(
        kind=99, policy_id="policy/1", principal_id="user:9", principal_type=1, added=["x"], removed=["y", "z"],
        before=digest("b"), after=digest("a"), scope="s", expires_unix_nano=1800000000000000000,
        approval=[approval(3)], justification="j", break_glass=True))
    yield "lineage", event(5, action=21, resource=resources[:1], lineage=pb.Lineage(
        run_id="run-1", job="ns/job", state=3, code=digest("c"), parameters=digest("pp"), parent_run_id="run-0", edge=[
            pb.LineageEdge(input=pb.Resource(id="ds/1", type=4, version="v1", parent="not a key"),
                           output=pb.Resource(id="model:fraud", type=1, version="3.2.1"), kind=5, rows=10),
            pb.LineageEdge(output=pb.Resource(id="ds/2", type=4), kind=99)]))
    yield "lineage, 64 edges", event(5, action=21, lineage=pb.Lineage(run_id="run-2", edge=[
        pb.LineageEdge(input=pb.Resource(id=f"in/{i}", type=4, version=f"v{i}"),
                       output=pb.Resource(id=f"out/{i}", type=4, version="1"), kind=2) for i in range(64)]))
    yield "evaluation", event(6, action=23, evaluation=pb.Evaluation(
        evaluation_id="eval-1", model_id="fraud-scorer", model_version="3.2.1", kind=2, suite="s", suite_version="1",
        score=[pb.Score(name="acc", value=0.97, label="good", unit="1"), pb.Score(name="n", value=-1e16),
               pb.Score(name="e", value=12345.678), pb.Score(name="s", value=0.0001), pb.Score(name="t", value=0.00001)],
        verdict=3, report=digest("rep"), cases=100, failed=3, evaluator="judge"))
    yield "incident", event(7, action=26, severity=5, incident=pb.Incident(
        incident_id="INC-1", kind=4, phase=6, technique=["AML.T0051"], related_event_id=["ev-1", "ev-2"],
        detected_unix_nano=1, occurred_unix_nano=2**64 - 1, notify_deadline_unix_nano=951782400000000000,
        affected_subjects=1, affected_records=2, reporter="r", assignee="a", resolution="x", external_ref="CVE-1",
        notified=["BSI"]))
    yield "detection", event(8, action=24, severity=3, detection=pb.Detection(
        kind=1, detector="guard", rule_id="r1", policy_id="policy/2", inference_event_id="ev-1", verdict=2, enforced=1,
        score=0.5, input=digest("di"), output=digest("do", 7), target="input", technique=["AML.T0054"],
        external_finding_id="f"))
    yield "data subject request", event(9, action=31, data_subject_ref=["hmac:cc"],
                                        data_subject_request=pb.DataSubjectRequest(
        request_id="dsr-1", right=3, phase=2, subject_ref="hmac:cc", received_unix_nano=1700000000000000001,
        due_unix_nano=1702592000000000000, system=["crm"], records_found=1, records_acted=1, basis="b",
        model_id=["fraud-scorer", "other"], response=digest("resp")))
    yield "authentication", event(10, action=28, authentication=pb.Authentication(
        method=2, mfa=True, idp="i", target_service="console", failure_reason="f", interactive=True))
    yield "audit control", event(11, action=30, audit_control=pb.AuditControl(
        kind=2, subject="eu/3y", first_seq=1, last_seq=2**40, hold_id="hold-1", filter=digest("f"), root=digest("root"),
        events=7, approval=[approval(4)]))
    yield "generic", event(12, action=99, generic=pb.Generic(schema="https://s", name="n", field=attributes[:3]))
    yield "generic, empty containers", event(12, action=99, status=pb.Status(), original=pb.Original(),
                                             generic=pb.Generic(name="n"))
    yield "IPv6", event(12, actor=pb.Actor(id="u", type=1, ip=ipaddress.ip_address("2001:db8::7").packed),
                        generic=pb.Generic(name="n"))
    yield "IPv4-mapped", event(12, actor=pb.Actor(id="u", type=1, ip=b"\0" * 10 + b"\xff\xff\xc0\x00\x02\x01"),
                               generic=pb.Generic(name="n"))
    yield "same value in several fields", event(
        2, actor=pb.Actor(id="x", type=1, session_id="x", credential_id="x", on_behalf_of=[pb.Delegation(id="x")]),
        action=10, resource=[pb.Resource(id="x", type=1, version="x", parent="x")], correlation_id="x",
        source=pb.Source(service="x"), deployment=pb.Deployment(
            model_id="x", model_version="x", environment="x", change_id="x",
            approval=[pb.Approval(approver_id="x", decision=1, time_unix_nano=1, ticket="x")] * 3))


# ------------------------------------------------------------------------------ event_map_v1.md again

def u32(n):
    return struct.pack(">I", n & 0xffffffff)


def keys_of(e):
    keys = [(16, b"")]

    def text(key, *values):
        keys.extend((key, v.encode() if isinstance(v, str) else v) for v in values if v)

    def pair(key, id_, version):
        if id_ and version:
            keys.append((key, struct.pack(">H", len(id_.encode())) + id_.encode() + version.encode()))

    def hashed(holder, *names):
        for name in names:
            d = getattr(holder, name)
            if holder.HasField(name) and d.value:
                keys.append((10, bytes([d.alg]) + d.value))

    text(1, e.actor.id, *[d.id for d in e.actor.on_behalf_of])
    text(7, e.actor.session_id)
    text(11, e.actor.credential_id)
    ip = e.actor.ip
    text(15, ip[12:] if len(ip) == 16 and ip[:12] == b"\0" * 10 + b"\xff\xff" else ip)
    text(12, e.source.service)
    for key, number in ((3, e.event_type), (4, e.action), (5, 0 if e.outcome == 1 else e.outcome)):
        if number:
            keys.append((key, u32(number)))
    text(8, e.correlation_id, e.trace_id)
    text(9, *e.data_subject_ref)
    for r in e.resource:
        text(2, r.id)
        text(14, r.parent)
        pair(17, r.id, r.version)
    body = e.WhichOneof("body")
    b = getattr(e, body) if body else None
    if body in ("deployment", "policy_change", "audit_control"):
        for a in b.approval:
            text(1, a.approver_id)
            text(8, a.ticket)
    if body in ("inference", "deployment", "evaluation"):
        text(6, b.model_id)
        pair(18, b.model_id, b.model_version)
    if body == "inference":
        hashed(b, "input", "output")
        text(7, b.conversation_id)
        text(8, b.request_id)
    elif body == "deployment":
        text(8, b.change_id, *b.evaluation_id)
    elif body == "policy_change":
        text(1, b.principal_id)
        text(13, b.policy_id)
    elif body == "lineage":
        text(8, b.run_id, b.parent_run_id)
        for edge in b.edge:
            for r in (edge.input, edge.output):
                text(2, r.id)
                pair(17, r.id, r.version)
    elif body == "evaluation":
        text(8, b.evaluation_id)
    elif body == "incident":
        text(8, b.incident_id, b.external_ref, *b.related_event_id)
    elif body == "detection":
        hashed(b, "input", "output")
        text(8, b.inference_event_id)
        text(13, b.policy_id)
    elif body == "data_subject_request":
        text(6, *b.model_id)
        text(8, b.request_id)
        text(9, b.subject_ref)
    elif body == "audit_control":
        text(8, b.hold_id)
    return sorted(set(keys))


def tag_of(tenant, key, value, late):
    block = (b"\x12" + TAG_KEY).ljust(64, b"\0")
    tag = bytearray(hashlib.sha256(block + struct.pack(">H", len(tenant)) + tenant + bytes([key]) + value).digest()[:16])
    tag[15] = (tag[15] & 0xfe) | late
    return bytes(tag)


def mapped(name, payload):
    e = pb.Event.FromString(payload)
    keys = keys_of(e)
    tenant = e.tenant.encode()
    return {"name": name, "payload": payload.hex(), "event_us": e.time_unix_nano // 1000, "tenant": e.tenant,
            "keys": [{"field": f, "value": v.hex()} for f, v in keys],
            "tags": ["".join(sorted({tag_of(tenant, f, v, late).hex() for f, v in keys})) for late in (0, 1)]}


def field(number, wire, data):
    return varint(number << 3 | wire) + data


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def text_field(number, data):
    return field(number, 2, varint(len(data)) + data)


def map_file():
    cases = [mapped(name, e.SerializeToString(deterministic=True)) for name, e in events()]
    # Payloads that stele_event_check refuses: the map is defined for them too.
    tenant = text_field(3, b"t")
    odd = [("nothing but a tenant", tenant),
           ("unknown fields", tenant + field(25, 0, b"\x01") * 2 + text_field(1000, b"\xff") + text_field(6, field(60, 5, b"1234"))),
           ("a varint that is not minimal", tenant + field(5, 0, b"\x83\x80\x00")),
           ("unknown enum numbers", tenant + field(5, 0, varint(77)) + field(7, 0, varint(2**32 - 1)) + field(8, 0, varint(9))),
           ("fields in another order", text_field(40, text_field(2, b"v") + text_field(1, b"m")) + field(8, 0, b"\x03") + tenant),
           ("a trace id of 3 bytes", tenant + text_field(13, b"abc")),
           ("an ip of 5 bytes", tenant + text_field(6, text_field(5, b"12345"))),
           ("a digest without alg", tenant + text_field(40, text_field(3, text_field(2, b"xyz")))),
           ("a digest without value", tenant + text_field(40, text_field(3, field(1, 0, b"\x01")))),
           ("a digest of alg 255", tenant + text_field(40, text_field(3, field(1, 0, varint(255)) + text_field(2, b"v")))),
           ("a version without id", tenant + text_field(9, text_field(3, b"v"))),
           ("time 999 ns", tenant + field(2, 1, struct.pack("<Q", 999))),
           ("the end of time", tenant + field(2, 1, b"\xff" * 8)),
           ("17 resources", tenant + b"".join(text_field(9, text_field(1, b"r%d" % i)) for i in range(17)))]
    for name, payload in odd:
        # proto3 strings of Python must be UTF-8 and enums 32 bits signed: these cases keep to that.
        case = mapped(name, payload)
        cases.append(case)
    good = dict(events())["generic"].SerializeToString(deterministic=True)
    one = text_field(1, b"a")
    refused = [("empty", b""), ("no tenant", one), ("a tenant of 65 bytes", text_field(3, b"t" * 65)),
               ("event_id twice", good + one), ("actor twice", good + text_field(6, b"")),
               ("the body twice", good + text_field(51, b"")), ("two bodies", good + text_field(42, b"")),
               ("actor.id twice", tenant + text_field(6, one + one)),
               ("digest value twice", tenant + text_field(22, text_field(2, text_field(2, b"a") * 2))),
               ("attribute value twice", tenant + text_field(21, text_field(1, b"k") + field(5, 0, b"\1") * 2)),
               ("two attribute values", tenant + text_field(21, text_field(1, b"k") + field(5, 0, b"\1") + field(3, 0, b"\1"))),
               ("wire type of a known field", tenant + field(1, 0, b"\x01")),
               ("wire type of a known inner field", tenant + text_field(40, field(10, 2, b"\x00"))),
               ("an actor that is no message", tenant + text_field(6, b"\xff")),
               ("cut off", good[:-1]), ("field number 0", tenant + b"\x00\x00"), ("a group", tenant + field(25, 3, b"")),
               ("wire type 7", tenant + field(25, 7, b"")), ("a varint of 65 bits", tenant + field(17, 0, b"\xff" * 9 + b"\x02")),
               ("event_type over 32 bits", tenant + field(5, 0, varint(2**32))),
               ("a negative outcome", tenant + field(8, 0, varint(2**64 - 1))),
               ("digest alg 256", tenant + text_field(40, text_field(4, field(1, 0, varint(256))))),
               ("1,025 keys", tenant + b"".join(text_field(23, b"s%d" % i) for i in range(1024)))]
    spec = open(os.path.join(ROOT, "proto/event_map_v1.md"), "rb").read()
    return {"specification_sha256": hashlib.sha256(spec).hexdigest(), "tag_key": TAG_KEY.hex(), "cases": cases,
            "refused": [{"name": n, "payload": p.hex()} for n, p in refused]}


# --------------------------------------------------------------------------------- the JSON form again

def word(enum, number):
    value = enum.values_by_number.get(number)
    prefix = enum.values_by_number[0].name[:-len("UNSPECIFIED")]
    return value.name[len(prefix):].lower() if value else f"#{number}"


def rfc3339(nanos):
    days, rest = divmod(nanos, 86400 * 10**9)
    import datetime
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    seconds, fraction = divmod(rest, 10**9)
    return f"{date}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:09}Z"


def form_of_digest(d):
    text = word(pb.Digest.DESCRIPTOR.fields_by_name["alg"].enum_type, d.alg).replace("_", "-") + ":" + d.value.hex()
    rest = {f.name: v for f, v in d.ListFields() if f.number > 2}
    return {"value": text, **{k: number(v) if isinstance(v, int) else v for k, v in rest.items()}} if rest else text


def number(n):
    return str(n) if n >= 2**63 else n


def form_of_attributes(attributes):
    out = {}
    for a in attributes:
        kind = a.WhichOneof("value")
        value = getattr(a, kind)
        out[a.key] = {"bin": base64.b64encode(value).decode()} if kind == "bin" else value
    return out


def form_of_value(f, v):
    if f.message_type:
        return form_of_digest(v) if f.message_type.name == "Digest" else form(v)
    if f.enum_type:
        return word(f.enum_type, v)
    if f.type == f.TYPE_BYTES:
        if f.name == "ip":
            ip = ipaddress.ip_address(v)
            mapped = getattr(ip, "ipv4_mapped", None)
            return f"::ffff:{mapped}" if mapped else str(ip)
        return v.hex() if f.name in ("trace_id", "span_id") else base64.b64encode(v).decode()
    if f.type == f.TYPE_FIXED64:
        return rfc3339(v)
    return number(v) if isinstance(v, int) and not isinstance(v, bool) else v


def form(message):
    out = {}
    for f, v in sorted(message.ListFields(), key=lambda item: item[0].number):
        name = f.name[:-len("_unix_nano")] if f.name.endswith("_unix_nano") else f.name
        if f.message_type and f.message_type.name == "Attribute":
            out[name] = form_of_attributes(v)
        elif f.label == f.LABEL_REPEATED:
            out[name] = [form_of_value(f, item) for item in v]
        else:
            out[name] = form_of_value(f, v)
    return out


def json_file():
    return {"cases": [{"name": name, "payload": e.SerializeToString(deterministic=True).hex(),
                       "json": json.dumps(form(e), ensure_ascii=False, separators=(",", ":"))}
                      for name, e in events()]}


def corpus(folder):
    seeds = {"event": [], "event_map": [], "event_json": []}
    for i, (name, e) in enumerate(events()):
        if name != "lineage, 64 edges":
            seeds["event"].append(e.SerializeToString(deterministic=True))
            seeds["event_json"].append(json.dumps(form(e), ensure_ascii=False).encode())
    content = map_file()
    for case in content["cases"] + content["refused"]:
        if len(case["payload"]) < 6000:
            seeds["event_map"].append(bytes.fromhex(case["payload"]))
    for target, inputs in seeds.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for i, data in enumerate(inputs):
            with open(os.path.join(folder, target, f"seed_{i:02}"), "wb") as f:
                f.write(data)


def dictionaries(folder):
    tags, words = set(), {'{"bin":"', "sha256:", "hmac-sha256:", "stele.incomplete", "input_hash", "2026-11-22T02:18:39Z"}
    for message in pb.DESCRIPTOR.message_types_by_name.values():
        for f in message.fields:
            wire = {f.TYPE_FIXED64: 1, f.TYPE_DOUBLE: 1, f.TYPE_STRING: 2, f.TYPE_BYTES: 2, f.TYPE_MESSAGE: 2}.get(f.type, 0)
            tags.add(varint(f.number << 3 | wire))
            words.add(f'"{f.name[:-10] if f.name.endswith("_unix_nano") else f.name}":')
    for enum in pb.DESCRIPTOR.enum_types_by_name.values():
        words |= {word(enum, v.number) for v in enum.values}
    for name, entries in (("event.dict", tags), ("event_json.dict", {w.encode() for w in words})):
        with open(os.path.join(folder, "..", name), "w", encoding="ascii") as f:
            for entry in sorted(entries):
                f.write('"' + "".join(f"\\x{b:02x}" if b < 33 or b > 126 or b in b'"\\\\' else chr(b) for b in entry) + '"\n')


def main():
    if "--corpus" in sys.argv:
        folder = sys.argv[sys.argv.index("--corpus") + 1]
        corpus(folder)
        dictionaries(folder)
        return 0
    wrong = 0
    for name, content in (("event_map.json", map_file()), ("event_json.json", json_file())):
        text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
        path = os.path.join(HERE, name)
        if "--check" not in sys.argv:
            open(path, "w", encoding="ascii").write(text)
        elif open(path, encoding="ascii").read() != text:
            print(f"{path}: not what this script makes of event.proto and event_map_v1.md")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
