# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand over TLS: frames as they are written, so that they can be wrong. Source: RFC 9113, RFC 7541.

Headers are written as literals without indexing or Huffman. Of what the server sends, as much is read as its answers
need: static and dynamic table, and literals; Huffman-coded values come back as raw bytes.
"""
import select
import socket
import ssl
import struct
import time

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, _, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADERS = range(1, 7)

# Names and values of RFC 7541, appendix A; the first entry has index 1.
STATIC = [tuple(line.replace(',', ', ').split('=')) if '=' in line else (line, '') for line in (
    ':authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 '
    ':status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,deflate '
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control '
    'content-disposition content-encoding content-language content-length content-location content-range content-type '
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since '
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after '
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate').split()]


def frame(kind, flags, stream, payload=b'', length=None):
    """length: what the frame says, if that is not what it has."""
    size = len(payload) if length is None else length
    return struct.pack('>I', size & 0xffffff)[1:] + bytes([kind, flags]) + struct.pack('>I', stream & 0xffffffff) + payload


def integer(value, prefix_bits, first=0):
    """RFC 7541 section 5.1."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out = bytearray([first | limit])
    value -= limit
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def header_block(pairs):
    out = b''
    for name, value in pairs:
        name, value = (text.encode() if isinstance(text, str) else text for text in (name, value))
        out += b'\x00' + integer(len(name), 7) + name + integer(len(value), 7) + value
    return out


def request_headers(path, **more):
    return [(':method', 'POST'), (':scheme', 'https'), (':path', path), (':authority', 'localhost'),
            ('content-type', 'application/grpc'), ('te', 'trailers'),
            *((name.replace('_', '-'), value) for name, value in more.items())]


def grpc_message(data, compressed=0, length=None):
    return struct.pack('>BI', compressed, len(data) if length is None else length) + data


class Decoder:
    """Of one connection: the dynamic table lives as long."""

    def __init__(self):
        self.dynamic = []

    def entry(self, index):
        return STATIC[index - 1] if index <= len(STATIC) else self.dynamic[index - len(STATIC) - 1]

    def read_integer(self, data, at, prefix_bits):
        limit = (1 << prefix_bits) - 1
        value, at = data[at] & limit, at + 1
        if value < limit:
            return value, at
        shift = 0
        while True:
            byte = data[at]
            value, at, shift = value + ((byte & 0x7f) << shift), at + 1, shift + 7
            if byte < 0x80:
                return value, at

    def read_text(self, data, at):
        huffman = data[at] & 0x80
        size, at = self.read_integer(data, at, 7)
        text = data[at:at + size]
        return (b'huffman:' + text if huffman else text).decode('latin-1'), at + size

    def decode(self, data):
        found, at = {}, 0
        while at < len(data):
            byte = data[at]
            if byte & 0x80:
                index, at = self.read_integer(data, at, 7)
                name, value = self.entry(index)
            elif byte & 0xe0 == 0x20:
                _, at = self.read_integer(data, at, 5)
                continue
            else:
                keeps = byte & 0x40
                index, at = self.read_integer(data, at, 6 if keeps else 4)
                name, at = (self.entry(index)[0], at) if index else self.read_text(data, at)
                value, at = self.read_text(data, at)
                if keeps:
                    self.dynamic.insert(0, (name, value))
            found[name] = value
        return found


def tls_context(folder, name=None):
    """As client `name` of the folder; None: without a certificate."""
    context = ssl.create_default_context(cafile=f'{folder}/ca.pem')
    context.set_alpn_protocols(['h2'])
    if name is not None:
        context.load_cert_chain(f'{folder}/{name}.pem', f'{folder}/{name}.key')
    return context


class Connection:
    """A TLS connection. Nothing is sent but what a test says."""

    def __init__(self, address, context, greet=True, settings=(), seconds=60):
        plain = socket.create_connection(address, timeout=seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket = context.wrap_socket(plain, server_hostname='localhost')
        except BaseException:
            plain.close()
            raise
        self.received, self.decoder, self.ended = b'', Decoder(), False
        if greet:
            payload = b''.join(struct.pack('>HI', key, value) for key, value in settings)
            self.send(PREFACE + frame(SETTINGS, 0, 0, payload))

    def send(self, data):
        self.socket.sendall(data)

    def open(self, stream, path, flags=END_HEADERS, **more):
        self.send(frame(HEADERS, flags, stream, header_block(request_headers(path, **more))))

    def receive(self, seconds):
        """The next frame as (kind, flags, stream, payload); None if none came in time or the server has closed."""
        end = time.monotonic() + seconds
        while not self.ended:
            if len(self.received) >= 9:
                size = int.from_bytes(self.received[:3], 'big')
                if len(self.received) >= 9 + size:
                    head, payload = self.received[:9], self.received[9:9 + size]
                    self.received = self.received[9 + size:]
                    return head[3], head[4], int.from_bytes(head[5:9], 'big') & 0x7fffffff, payload
            left = end - time.monotonic()
            if self.socket.pending() == 0 and (left <= 0 or not select.select([self.socket], [], [], left)[0]):
                return None
            try:
                data = self.socket.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            except (ssl.SSLError, OSError):
                data = b''
            self.received += data
            self.ended = not data
        return None

    def answers(self, seconds, enough):
        """{stream: headers and trailers, with 'data' bytes and 'reset'} until enough(answers), the time or the end."""
        found, end = {}, time.monotonic() + seconds
        while not enough(found):
            got = self.receive(max(0, end - time.monotonic()))
            if got is None:
                break
            kind, flags, stream, payload = got
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
            elif kind == HEADERS:
                found.setdefault(stream, {}).update(self.decoder.decode(payload))
            elif kind == DATA:
                of = found.setdefault(stream, {})
                of['data'] = of.get('data', b'') + payload
            elif kind == RST_STREAM:
                found.setdefault(stream, {})['reset'] = int.from_bytes(payload, 'big')
            if stream and (flags & END_STREAM and kind in (DATA, HEADERS) or kind == RST_STREAM):
                found.setdefault(stream, {})['over'] = True
        return found

    def is_closed_within(self, seconds):
        """The server closes, or says GOAWAY and closes."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            self.receive(max(0, end - time.monotonic()))
        return self.ended

    def close(self):
        self.socket.close()
