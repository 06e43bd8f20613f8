"""A scripted HTTP/1.1 server on a real socket: one answer for each request, faults included."""

from __future__ import annotations

import email.parser
import email.policy
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import trio

from voxloop.testing.http_script import Answer, Faults

if TYPE_CHECKING:
    from voxloop.providers import OpenAI

TEST_KEY = "sk-test-not-a-key"
_POLL = 0.05
_OVER = Answer(status=500, body=b"the script is over", headers={"x-should-retry": "false"})


class FormPart(NamedTuple):
    """One field of a form.

    Attributes:
        name: Its name.
        filename: Set for a file.
        content_type: MIME type of a file.
        content: The value.
    """

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it came.

    Attributes:
        method: Such as ``"POST"``.
        target: Path and query.
        headers: Lower-case names.
        body: The bytes.
        at: When it was complete, in seconds of `time.monotonic`.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> object:
        """The body, decoded as JSON."""
        return json.loads(self.body)

    @property
    def parts(self) -> list[FormPart]:
        """The fields of a ``multipart/form-data`` body, in order."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        found = []
        for part in message.iter_parts():
            content = part.get_payload(decode=True)
            found.append(
                FormPart(
                    str(part.get_param("name", header="content-disposition")),
                    part.get_filename(),
                    part.get_content_type() if part.get_filename() else None,
                    content if isinstance(content, bytes) else b"",
                )
            )
        return found


class _Script:
    """What is answered next."""

    def __init__(
        self,
        answers: list[Answer],
        faults: Faults | None,
        respond: Callable[[HttpRequest], Answer] | None,
    ) -> None:
        self.answers = answers
        self._faults = faults
        self._respond = respond
        self._random = random.Random(faults.seed if faults else 0)  # noqa: S311 - faults
        self._in_a_row = 0

    def choose(self, request: HttpRequest) -> Answer:
        """The answer to `request`; taken from the script unless it is a fault."""
        faults = self._faults
        if (
            faults is not None
            and self._in_a_row < faults.in_a_row
            and self._random.random() < faults.rate
        ):
            self._in_a_row += 1
            return self._random.choice(faults.kinds)
        self._in_a_row = 0
        if self.answers:
            return self.answers.pop(0)
        if self._respond is None:
            return _OVER
        try:
            return self._respond(request)
        except Exception as error:
            text = f"respond() raised {type(error).__name__}".encode()
            return replace(_OVER, body=text)


class HttpServer:
    """An HTTP server that gives one answer of its script to each request, in order.

    It listens on a free port of the loopback interface for as long as its block (``with`` or
    ``async with``) is open. It runs on threads of its own, so that a program that blocks its loop
    can be tested too; leaving the block ends them. A request beyond the script gets status 500,
    unless `respond` says what it gets.

    Args:
        answers: The script.
        faults: Passing faults to put before the answers.
        respond: Gives the answer to a request beyond the script, as where requests come in an
            order that nobody knows. Called on a thread of the server, one request at a time; what
            it raises gets status 500.

    Attributes:
        requests: All requests so far, those that met a fault included.
        broken: Connections that the client ended before its answer was written.

    Example::

        async with testing.HttpServer(
            testing.http.refusal(429, "rate_limit_exceeded", retry_after="0.1"),
            testing.http.transcript("What is the weather like?"),
        ) as server:
            recogniser = server.provider().speech_to_text()
            heard = await recogniser.transcribe(testing.utterance(1.0), voice.STTSettings())
    """

    def __init__(
        self,
        *answers: Answer,
        faults: Faults | None = None,
        respond: Callable[[HttpRequest], Answer] | None = None,
    ) -> None:
        self.requests: list[HttpRequest] = []
        self.broken = 0
        self._script = _Script(list(answers), faults, respond)
        self._open = 0
        self._answering = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._threads: list[threading.Thread] = []
        self._port = 0

    @property
    def port(self) -> int:
        """The port it listens on; 0 before its block is entered."""
        return self._port

    @property
    def base_url(self) -> str:
        """Base URL for an API client."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def connections(self) -> int:
        """Connections that are open now, those that wait for a next request included."""
        return self._open

    @property
    def answering(self) -> int:
        """Requests that are being answered now."""
        return self._answering

    @property
    def remaining(self) -> int:
        """Answers that were not asked for."""
        return len(self._script.answers)

    def provider(self) -> OpenAI:
        """A provider that reaches this server."""
        from voxloop.providers import OpenAI

        return OpenAI(api_key=TEST_KEY, base_url=self.base_url)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_POLL)
        self._port = self._listener.getsockname()[1]
        acceptor = threading.Thread(target=self._accept, args=(self._listener,), name="http-server")
        self._acceptor = acceptor
        acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._acceptor is not None:
            self._acceptor.join(timeout=10)  # after it there are no new ones
        for thread in self._threads:
            thread.join(timeout=10)
        if self._listener is not None:
            self._listener.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with trio.CancelScope(shield=True):  # the threads end at once, and no test leaves them
            await trio.to_thread.run_sync(self.__exit__, kind, error, traceback)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), name="http-server")
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            with self._lock:
                self._open += 1
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_POLL)
                while (request := self._read(connection)) is not None:
                    if not self._answer(connection, request):
                        return
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, connection: socket.socket, request: HttpRequest) -> bool:
        """Answer a request; False if the connection is at its end."""
        with self._lock:
            self.requests.append(request)
            self._answering += 1
            answer = self._script.choose(request)
        try:
            return self._write(connection, answer) and not answer.last
        except OSError:
            self.broken += 1
            return False
        finally:
            with self._lock:
                self._answering -= 1

    def _read(self, connection: socket.socket) -> HttpRequest | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := self._receive(connection)):
                return None
            data += piece
        head, start = data.split(b"\r\n\r\n", 1)
        line, *rest = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {k.lower(): v.strip() for k, v in (entry.split(":", 1) for entry in rest)}
        body = bytearray(start)
        while len(body) < int(headers.get("content-length", 0)):
            if not (piece := self._receive(connection)):
                return None
            body += piece
        return HttpRequest(method, target, headers, bytes(body), time.monotonic())

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
        """Write an answer; False if the connection is at its end."""
        if answer.drop:
            return False
        if self._stop.wait(answer.hang):
            return False
        pieces = answer.pieces
        lines = [f"HTTP/1.1 {answer.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.chunked:
            lines.append("Transfer-Encoding: chunked")
        else:
            length = sum(map(len, pieces)) + (1000 if answer.cut else 0)
            lines.append(f"Content-Length: {length}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for number, piece in enumerate(pieces):
            stall = answer.stall if number == len(pieces) // 2 else 0.0
            if self._stop.wait(answer.gap + stall):
                return False
            if piece:
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece
                connection.sendall(framed)
        if answer.cut:
            self._stop.wait(_POLL)  # what was sent arrives before the end
            if answer.cut == "reset":
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        if answer.chunked:
            connection.sendall(b"0\r\n\r\n")
        return True
