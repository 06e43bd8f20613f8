"""A real HTTP/1.1 server on loopback that plays a script, one answer per request."""

from __future__ import annotations

import email.parser
import email.policy
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parts(self) -> list[tuple[str, str | None, str | None, bytes]]:
        """Multipart fields: name, filename, content type, content."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        return [
            (
                str(part.get_param("name", header="content-disposition")),
                part.get_filename(),
                part.get_content_type() if part.get_filename() else None,
                part.get_payload(decode=True),
            )
            for part in message.iter_parts()
        ]


@dataclass(frozen=True)
class Answer:
    """What to send back.

    Attributes:
        body: Pieces, each written by itself (as a chunk of its own when ``chunked``).
        gap: Seconds between pieces.
        chunked: Chunked transfer coding, otherwise a content length.
        cut: End the connection (by RST) after the pieces, before the body is complete.
        hang: Seconds to wait before the head.
        drop: Close without a byte of answer.
    """

    status: int = 200
    body: Sequence[bytes] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gap: float = 0.0
    chunked: bool = False
    cut: bool = False
    hang: float = 0.0
    drop: bool = False


def answer_json(value: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def refusal(status: int, code: str, message: str = "no", type: str = "t", **headers: str) -> Answer:
    error = {"message": message, "type": type, "param": None, "code": code}
    return answer_json({"error": error}, status, **headers)


class ScriptedServer:
    """The server; ``requests`` grows as they come."""

    def __init__(self, script: Sequence[Answer]) -> None:
        self.requests: list[Request] = []
        self.broken = 0
        """Connections that the client ended before its answer was written."""
        self._script = list(script)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="scripted-http")
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._stop.set()
        self._acceptor.join()
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive(), "a connection outlived the test"

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(0.05)
            while (request := self._read(connection)) is not None:
                with self._lock:
                    self.requests.append(request)
                    answer = self._script.pop(0) if self._script else Answer(500, b"script is over")
                try:
                    if not self._write(connection, answer):
                        return
                except OSError:
                    self.broken += 1
                    return

    def _read(self, connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := self._receive(connection)):
                return None
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        line, *rest = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {k.lower(): v.strip() for k, v in (entry.split(":", 1) for entry in rest)}
        while len(body) < int(headers.get("content-length", 0)):
            if not (piece := self._receive(connection)):
                return None
            body += piece
        return Request(method, target, headers, body, time.monotonic())

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._stop.is_set():
            try:
                return connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return b""
        return b""

    def _write(self, connection: socket.socket, answer: Answer) -> bool:
        if answer.drop:
            return False
        self._stop.wait(answer.hang)
        pieces = [answer.body] if isinstance(answer.body, bytes) else list(answer.body)
        lines = [f"HTTP/1.1 {answer.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.chunked:
            lines.append("Transfer-Encoding: chunked")
        else:
            length = sum(map(len, pieces)) + (1000 if answer.cut else 0)
            lines.append(f"Content-Length: {length}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in pieces:
            if self._stop.wait(answer.gap):
                return False
            if piece:
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece
                connection.sendall(framed)
        if answer.cut:
            time.sleep(0.05)  # what was sent arrives before the reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if answer.chunked:
            connection.sendall(b"0\r\n\r\n")
        return True


@contextmanager
def scripted(*script: Answer) -> Iterator[ScriptedServer]:
    """A server that plays ``script``."""
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.close()
