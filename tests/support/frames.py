"""A WebSocket server that sends whatever bytes it likes after the handshake."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio

from support.servers import read_request, tcp_server

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = None,
    claim: int | None = None,
) -> bytes:
    """One frame (RFC 6455, section 5.2), right or wrong; ``claim`` is a false length."""
    length = len(payload) if claim is None else claim
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    flag = 0 if mask is None else 0x80
    if length < 126:
        head += bytes([flag | length])
    elif length < 1 << 16:
        head += bytes([flag | 126]) + struct.pack(">H", length)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", length)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, struct.pack(">H", code) + reason.encode())


@dataclass
class Peer:
    """The server's end.

    Attributes:
        frames: What the client sent so far: opcode and payload, unmasked.
        ended: The client has closed its side.
    """

    stream: trio.SocketStream
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    ended: bool = False
    _data: bytes = b""

    async def send(self, *frames: bytes) -> None:
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(b"".join(frames))

    async def receive(self) -> tuple[int, bytes] | None:
        """The next frame; None at the end."""
        while (parsed := self._parse()) is None:
            try:
                piece = await self.stream.receive_some(65_536)
            except trio.BrokenResourceError:
                piece = b""
            if not piece:
                self.ended = True
                return None
            self._data += piece
        self.frames.append(parsed)
        return parsed

    async def until_end(self) -> None:
        """Read on until the client is gone."""
        while await self.receive() is not None:
            pass

    @property
    def close_code(self) -> int | None:
        """The code of the client's Close frame."""
        payloads = [payload for opcode, payload in self.frames if opcode == CLOSE]
        return struct.unpack(">H", payloads[0][:2])[0] if payloads and payloads[0] else None

    def _parse(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        assert data[1] & 0x80, "a client masks its frames"
        length, begin = data[1] & 0x7F, 2
        if length == 126:
            length, begin = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, begin = int.from_bytes(data[2:10]), 10
        if len(data) < begin + 4 + length:
            return None
        mask = data[begin : begin + 4]
        payload = data[begin + 4 : begin + 4 + length]
        self._data = data[begin + 4 + length :]
        return data[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


async def shake_hands(stream: trio.SocketStream) -> bytes:
    """Agree to an upgrade; gives the request."""
    request = await read_request(stream)
    fields = dict(line.lower().split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
    original = request.split(b"\r\n")
    (key,) = (
        line.split(b": ", 1)[1]
        for line in original
        if line.lower().startswith(b"sec-websocket-key")
    )
    assert fields[b"upgrade"] == b"websocket"
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return request


@asynccontextmanager
async def raw_websocket(
    script: Callable[[Peer], Awaitable[None]],
) -> AsyncIterator[tuple[str, Peer]]:
    """Play ``script`` to the first client; gives the URL and the server's end, once it is there."""
    peer = Peer(None)  # type: ignore[arg-type]

    async def serve(stream: trio.SocketStream) -> None:
        peer.stream = stream
        await shake_hands(stream)
        await script(peer)

    async with tcp_server(serve) as port:
        yield f"ws://localhost:{port}/", peer
