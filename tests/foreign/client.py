# SPDX-License-Identifier: Apache-2.0
"""A gRPC client of Stele made from its .proto files alone: protoc --python_out, grpcio, a client.conf."""
import importlib
import os
import subprocess
import sys
import tempfile

import grpc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTOS = f'{ROOT}/proto'
MODULES = {'event': 'stele.v1.event_pb2', 'ingest': 'stele.v1.ingest_pb2', 'query': 'stele.v1.query_pb2',
           'log': 'stele.v1.log_pb2', 'health': 'grpc_health.health_pb2',
           'reflection': 'grpc_reflection.reflection_pb2'}
SECONDS = 60

sys.path.insert(0, f'{ROOT}/tests/golden/v1')
sys.dont_write_bytecode = True
import verify_answer  # noqa: E402  (Ed25519, notes and files of proof, in the standard library)


class Namespace:
    pass


def compile_protos():
    """The generated modules, by the names of MODULES."""
    protos = Namespace()
    with tempfile.TemporaryDirectory() as folder:
        # The packages of health and reflection begin with grpc, the name of the library: they get other folders.
        for package, path in (('grpc_health', 'grpc/health/v1'), ('grpc_reflection', 'grpc/reflection/v1')):
            name = package.split('_')[1]
            os.mkdir(f'{folder}/{package}')
            subprocess.run(['protoc', f'-I{PROTOS}/{path}', f'--python_out={folder}/{package}', f'{name}.proto'],
                           check=True)
        files = [f'stele/v1/{name}.proto' for name in ('event', 'ingest', 'query', 'log')]
        subprocess.run(['protoc', f'-I{PROTOS}', f'--python_out={folder}', *files], check=True)
        sys.path.insert(0, folder)
        for name, module in MODULES.items():
            setattr(protos, name, importlib.import_module(module))
        sys.path.remove(folder)
    return protos


def read_config(path):
    """The lines `key: value` of a client.conf; paths made absolute."""
    found = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            key, colon, value = line.split(' #')[0].strip().partition(': ')
            if colon:
                found[key] = value
    for key in ('server_ca', 'certificate', 'private_key', 'vkeys'):
        found[key] = os.path.join(os.path.dirname(path), found[key])
    return found


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Client:
    """Calls by their short names: client.search(request)."""

    def __init__(self, config_path, protos):
        self.config = read_config(config_path)
        self.protos = protos
        self.keys = verify_answer.read_keys(read(self.config['vkeys']))
        credentials = grpc.ssl_channel_credentials(*(read(self.config[key]) for key in
                                                     ('server_ca', 'private_key', 'certificate')))
        self.channel = grpc.secure_channel(self.config['server'], credentials)
        self.methods = {}
        for module in (protos.ingest, protos.query, protos.log, protos.health, protos.reflection):
            for service in module.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    self.methods[method.name] = (service.full_name, method, module)

    def call(self, name, response=None):
        """A callable for the method; `response` reads its answer in another form."""
        service, method, _ = self.methods[name]
        kind = ('stream' if method.client_streaming else 'unary') + '_' + \
               ('stream' if method.server_streaming else 'unary')
        return getattr(self.channel, kind)(
            f'/{service}/{name}', request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=(response or method.output_type._concrete_class).FromString)

    def ask(self, name, request, seconds=SECONDS):
        return self.call(name)(request, timeout=seconds)

    def open_note(self, note):
        """(origin, size, root) of a checkpoint whose signature holds under a vkey of the folder."""
        origin, size, root = verify_answer.open_checkpoint(note, self.keys)
        return origin.decode(), size, root

    def close(self):
        self.channel.close()
