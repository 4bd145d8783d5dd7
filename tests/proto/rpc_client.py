# SPDX-License-Identifier: Apache-2.0
"""Talks to the echo server of tests/support/rpc_echo.c with grpcio.

rpc_client.py TARGET CERTIFICATE_FOLDER PROTO_FOLDER PART: exits with 0 if PART found nothing wrong.
The messages come from the .proto files through protoc's descriptor set, not from generated code.
"""
import queue
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory

TARGET, FOLDER, PROTOS, PART = sys.argv[1:5]
SECONDS = 10


def read(name):
    with open(f"{FOLDER}/{name}", "rb") as file:
        return file.read()


def connect(**options):
    credentials = grpc.ssl_channel_credentials(read("ca.pem"), read("client.key"), read("client.pem"))
    return grpc.secure_channel(TARGET, credentials, **options)


def schema(*files):
    """A pool with the named .proto files and a function from a full name to its message class."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "--include_imports", f"-I{PROTOS}", f"-o{out.name}", *files], check=True)
        file_set = descriptor_pb2.FileDescriptorSet.FromString(open(out.name, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for file in file_set.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name))


def error_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


def calls():
    with connect() as channel:
        echo = channel.unary_unary("/test.Echo/Unary")
        assert echo(b"", timeout=SECONDS) == b""
        assert echo(b"x" * 65536, timeout=SECONDS) == b"x" * 65536
        error = error_of(lambda: echo(b"x" * 65537, timeout=SECONDS))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        error = error_of(lambda: channel.unary_unary("/test.Echo/Nothing")(b"", timeout=SECONDS))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        error = error_of(lambda: channel.unary_unary("/test.Echo/Hold")(b"", timeout=0.2))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        # A unary method called without a message: refused, not left hanging.
        error = error_of(lambda: channel.stream_unary("/test.Echo/Unary")(iter([]), timeout=SECONDS))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        request = (3).to_bytes(4, "big") + (100).to_bytes(4, "big")
        messages = list(channel.unary_stream("/test.Echo/Count")(request, timeout=SECONDS))
        assert messages == [bytes(100)] * 3
        sent = [bytes([i]) * 1000 for i in range(50)]
        assert list(channel.stream_stream("/test.Echo/Chat")(iter(sent), timeout=SECONDS)) == sent
        assert echo(b"who", timeout=SECONDS) == b"who"


def google_rpc():
    """google.rpc.Status and RetryInfo, as googleapis defines them."""
    file = descriptor_pb2.FileDescriptorProto(
        name="google/rpc/test.proto", package="google.rpc", syntax="proto3",
        dependency=[any_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    field = descriptor_pb2.FieldDescriptorProto
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    status.field.add(name="message", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    status.field.add(name="details", number=3, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED,
                     type_name=".google.protobuf.Any")
    info = file.message_type.add(name="RetryInfo")
    info.field.add(name="retry_delay", number=1, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL,
                   type_name=".google.protobuf.Duration")
    pool = descriptor_pool.Default()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"google.rpc.{name}"))
            for name in ("Status", "RetryInfo")]


def retry_info():
    Status, RetryInfo = google_rpc()
    with connect() as channel:
        error = error_of(lambda: channel.unary_unary("/test.Echo/Refuse")(b"", timeout=SECONDS))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    text = "the queue is full (?, \u00e9): send the batch again"
    assert error.details() == text, error.details()
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (8, text), status
    info = RetryInfo()
    assert len(status.details) == 1 and status.details[0].Unpack(info), status
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (1, 500000000), info
    # The bytes tests/unit/test_rpc_status.c expects are the ones this library writes.
    full = Status(code=8, message="full")
    full.details.add().Pack(info)
    assert full.SerializeToString() == (
        b"\x08\x08\x12\x04full\x1a\x36\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
        b"\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"), full.SerializeToString()


def compression():
    for form in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        with connect(compression=form) as channel:
            echo = channel.unary_unary("/test.Echo/Unary")
            for size in (0, 1, 1000, 65535, 65536):
                assert echo(b"z" * size, timeout=SECONDS) == b"z" * size, (form, size)
            # 40 MB that travel as some 40 kB, under the message limit.
            for size in (65537, 40000000):
                error = error_of(lambda: echo(bytes(size), timeout=SECONDS))
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
                assert "after decompression" in error.details(), error


def health():
    get = schema("grpc/health/v1/health.proto")
    Request, Response = (get(f"grpc.health.v1.HealthCheck{name}") for name in ("Request", "Response"))
    coding = {"request_serializer": Request.SerializeToString, "response_deserializer": Response.FromString}
    with connect() as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", **coding)
        for service in ("", "test.Echo"):
            assert check(Request(service=service), timeout=SECONDS).status == 1
        error = error_of(lambda: check(Request(service="no.Such"), timeout=SECONDS))
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", **coding)
        for service, status in (("", 1), ("no.Such", 3)):
            stream = watch(Request(service=service), timeout=SECONDS)
            assert next(stream).status == status
            stream.cancel()


def ask_reflection(channel, version):
    """A function that sends one question over one stream and returns its answer."""
    get = schema(f"grpc/reflection/{version}/reflection.proto")
    package = f"grpc.reflection.{version}"
    Request, Response = (get(f"{package}.ServerReflection{name}") for name in ("Request", "Response"))
    questions = queue.Queue()
    stream = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo", Request.SerializeToString, Response.FromString)(
            iter(questions.get, None), timeout=SECONDS)

    def ask(**question):
        request = Request(host="here", **question)
        questions.put(request)
        response = next(stream)
        assert response.valid_host == "here" and response.original_request == request, response
        return response

    def end():
        questions.put(None)
        assert list(stream) == []

    return ask, end


def reflection():
    with connect() as channel:
        for version in ("v1", "v1alpha"):
            ask, end = ask_reflection(channel, version)
            services = {item.name for item in ask(list_services="").list_services_response.service}
            assert services == {"test.Echo", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                "grpc.reflection.v1alpha.ServerReflection"}, services
            # From a symbol alone to a working schema, as grpcurl does it.
            pool = descriptor_pool.DescriptorPool()
            for symbol in ("stele.v1.Query.Search", "stele.v1.Ingest", "stele.v1.Log", "grpc.health.v1.Health"):
                answer = ask(file_containing_symbol=symbol).file_descriptor_response
                files = [descriptor_pb2.FileDescriptorProto.FromString(item)
                         for item in answer.file_descriptor_proto]
                names = {file.name for file in files}
                assert len(names) == len(files) and all(set(file.dependency) <= names for file in files)
                for file in reversed(files):  # the file asked for comes first, and imports the others
                    pool.Add(file)
            method = pool.FindServiceByName("stele.v1.Query").FindMethodByName("Search")
            assert method.server_streaming and method.input_type.full_name == "stele.v1.SearchRequest"
            assert pool.FindMessageTypeByName("stele.v1.Event").fields_by_name["event_id"].number == 1
            assert pool.FindServiceByName("stele.v1.Ingest").FindMethodByName("AppendStream").client_streaming
            answer = ask(file_by_filename="stele/v1/event.proto").file_descriptor_response
            assert len(answer.file_descriptor_proto) == 1
            for question in ({"file_by_filename": "no.proto"}, {"file_containing_symbol": "no.Such"},
                             {"all_extension_numbers_of_type": "stele.v1.Event"},
                             {"file_containing_extension": {"containing_type": "stele.v1.Event"}}):
                assert ask(**question).error_response.error_code == 5, question
            assert ask().error_response.error_code == 3
            end()


{"calls": calls, "retry_info": retry_info, "compression": compression, "health": health,
 "reflection": reflection}[PART]()
