"""Log servers for the tests, written against the protocols' descriptions and not against our senders.

    receivers.py gelf-udp  HOST:PORT OUT
    receivers.py gelf-tcp  HOST:PORT OUT
    receivers.py fluentd   HOST:PORT|PATH OUT [ack]

Each message becomes a line of JSON in OUT. "ready" is printed when messages may come.
"""

import gzip
import json
import os
import socket
import sys
import zlib


def listen(address, kind):
    if address.startswith("/"):
        server = socket.socket(socket.AF_UNIX, kind)
        if os.path.exists(address):
            os.unlink(address)
        server.bind(address)
    else:
        host, port = address.rsplit(":", 1)
        server = socket.socket(socket.AF_INET, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, int(port)))
    if kind == socket.SOCK_STREAM:
        server.listen()
    print("ready", flush=True)
    return server


def writer(path):
    out = open(path, "a")

    def write(message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    return write


def unpack(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:1] == b"\x78":
        return zlib.decompress(data)
    return data


def gelf_udp(address, write):
    server = listen(address, socket.SOCK_DGRAM)
    chunks = {}
    while True:
        data = server.recv(65536)
        if data[:2] == b"\x1e\x0f":
            key, number, count = data[2:10], data[10], data[11]
            parts = chunks.setdefault(key, {})
            parts[number] = data[12:]
            if len(parts) < count:
                continue
            data = b"".join(parts[i] for i in range(count))
            del chunks[key]
        write(json.loads(unpack(data)))


def gelf_tcp(address, write):
    server = listen(address, socket.SOCK_STREAM)
    while True:
        connection, _ = server.accept()
        rest = b""
        while data := connection.recv(65536):
            *documents, rest = (rest + data).split(b"\0")
            for document in documents:
                write(json.loads(document))


def text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {text(key): text(item) for key, item in value.items()}
    return value


def fluentd(address, write, acknowledge):
    import msgpack

    server = listen(address, socket.SOCK_STREAM)
    while True:
        connection, _ = server.accept()
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=1 << 26)
        while data := connection.recv(65536):
            unpacker.feed(data)
            for event in unpacker:
                tag, entries = text(event[0]), event[1]
                option = text(event[2]) if len(event) > 2 else {}
                assert isinstance(entries, list) and len(entries) == option["size"]
                for time, record in entries:
                    if isinstance(time, msgpack.ExtType):
                        assert time.code == 0
                        seconds = int.from_bytes(time.data[:4], "big")
                        nanoseconds = int.from_bytes(time.data[4:], "big")
                        time = f"{seconds}.{nanoseconds:09d}"
                    write({"tag": tag, "time": time, **text(record)})
                if acknowledge:
                    connection.sendall(msgpack.packb({"ack": option["chunk"]}))


def main():
    kind, address, path, *more = sys.argv[1:]
    write = writer(path)
    if kind == "gelf-udp":
        gelf_udp(address, write)
    elif kind == "gelf-tcp":
        gelf_tcp(address, write)
    elif kind == "fluentd":
        fluentd(address, write, "ack" in more)


main()
