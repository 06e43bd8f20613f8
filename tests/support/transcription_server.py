"""A transcription server on a real WebSocket: it "hears" marked samples, and may be unreliable.

Speech is any sample that is not zero; its value names the word (7 is ``w7``). A turn found by the
server ends after 100 ms of silence. Connections drop where the plan says so.
"""

from __future__ import annotations

import array
import base64
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

from support.servers import websocket_server

BYTES_PER_MS = 48
SILENCE_MS = 100


def speech(*words: int, ms: int = 200, pause_ms: int = 200) -> bytes:
    """Each word for `ms`, and a pause behind it."""
    out = array.array("h")
    for word in words:
        out.extend([word] * (24 * ms))
        out.extend([0] * (24 * pause_ms))
    return out.tobytes()


def words(pcm: bytes) -> str:
    """What is heard in `pcm`: each run of one value is one word, with its length in samples."""
    runs = [(value, len(list(run))) for value, run in itertools.groupby(array.array("h", pcm))]
    return " ".join(f"w{value}x{length}" for value, length in runs if value)


class Session:
    """The server's side of one connection."""

    def __init__(self, server: TranscriptionServer, socket: ServerConnection) -> None:
        self.server = server
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.heard = bytearray()
        self.committed = 0
        self.scanned = 0
        self.speaking: str | None = None
        self.settings: dict[str, Any] = {}

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": "e", **fields}))

    async def take(self, event: dict[str, Any]) -> None:
        self.received.append(event)
        match event["type"]:
            case "session.update":
                self.settings = event["session"]
                await self.send("session.updated", session=self.settings)
            case "input_audio_buffer.append":
                self.heard += base64.b64decode(event["audio"], validate=True)
                if self.settings["audio"]["input"].get("turn_detection"):
                    await self.detect()
            case "input_audio_buffer.commit":
                if len(self.heard) - self.committed < 100 * BYTES_PER_MS:
                    await self.error("input_audio_buffer_commit_empty", event.get("event_id"))
                else:
                    await self.commit(self.speaking or self.server.new_id(), len(self.heard))
                self.speaking = None
            case "input_audio_buffer.clear":
                self.committed = self.scanned = len(self.heard)
                await self.send("input_audio_buffer.cleared")

    async def error(self, code: str, event_id: str | None = None, type: str = "t") -> None:
        error = {"type": type, "code": code, "message": "no", "param": None, "event_id": event_id}
        await self.send("error", error=error)

    async def detect(self) -> None:
        step = 20 * BYTES_PER_MS
        while self.scanned + step <= len(self.heard):
            self.scanned += step
            loud = any(self.heard[self.scanned - step : self.scanned])
            silence = bytes(SILENCE_MS * BYTES_PER_MS)
            ms = self.scanned // BYTES_PER_MS
            if loud and self.speaking is None:
                self.speaking = self.server.new_id()
                await self.send(
                    "input_audio_buffer.speech_started",
                    item_id=self.speaking,
                    audio_start_ms=ms - 20,
                )
            elif self.speaking and self.heard[: self.scanned].endswith(silence):
                item, self.speaking = self.speaking, None
                await self.send("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=ms)
                await self.commit(item, self.scanned)

    async def commit(self, item: str, end: int) -> None:
        text = words(bytes(self.heard[self.committed : end]))
        self.committed = end
        previous, self.server.last = self.server.last, item
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=previous)
        await self.server.transcribe(self, item, text)


class TranscriptionServer:
    """All connections; `plan` may replace how a turn is transcribed."""

    def __init__(self, seed: int | None = None, *, drops: int = 0) -> None:
        self.random = random.Random(seed)
        self.drops = drops
        self.sessions: list[Session] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.last: str | None = None
        self.ids = 0
        self.created: dict[str, Any] = {}
        self.transcribe: Callable[..., Any] = self.say
        self.url = ""

    def new_id(self) -> str:
        self.ids += 1
        return f"item_{self.ids}"

    async def say(self, session: Session, item: str, text: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        for word in text.split():
            await session.send(f"{kind}.delta", item_id=item, content_index=0, delta=f"{word} ")
        usage = {"type": "duration", "seconds": 1.0}
        await session.send(
            f"{kind}.completed", item_id=item, content_index=0, transcript=text, usage=usage
        )

    async def serve(self, socket: ServerConnection) -> None:
        session = Session(self, socket)
        self.sessions.append(session)
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.headers.append({k.lower(): v for k, v in socket.request.headers.raw_items()})
        # Counted in client messages, so that a drop may hit the set-up too.
        left = self.random.randrange(1, 12) if self.drops else None
        try:
            await session.send("session.created", session={"type": "transcription", **self.created})
            while True:
                event = json.loads(await socket.recv())
                if left is not None and self.drops:
                    left -= 1
                    if left <= 0:
                        self.drops -= 1
                        await socket.close_stream()
                        return
                await session.take(event)
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [event for session in self.sessions for event in session.received]


@asynccontextmanager
async def transcription_server(
    seed: int | None = None, *, drops: int = 0
) -> AsyncIterator[TranscriptionServer]:
    server = TranscriptionServer(seed, drops=drops)
    async with websocket_server(server.serve) as url:
        server.url = url.replace("ws://", "http://") + "v1"
        yield server
