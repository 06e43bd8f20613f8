"""A small realtime client over the `websockets` package, independent of the project's own."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio
from websockets.trio.client import ClientConnection, connect

from voxloop import audio
from voxloop.local.server import Server

Event = dict[str, object]

WEATHER: Event = {
    "type": "function",
    "name": "get_weather",
    "description": "Current weather for a place.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "City name."}},
        "required": ["location"],
    },
}

SILENCE_MS = 900


class Client:
    """One realtime session."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Event] = []
        self.audio = bytearray()

    async def send(self, type: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def update(self, **session: object) -> None:
        await self.send("session.update", session={"type": "realtime", **session})

    async def append(self, pcm: bytes, *, frame_ms: int = 20, paced: bool = False) -> None:
        size = 48 * frame_ms
        due = trio.current_time()
        for at in range(0, len(pcm), size):
            data = base64.b64encode(pcm[at : at + size]).decode()
            await self.send("input_audio_buffer.append", audio=data)
            due += frame_ms / 1000
            await trio.sleep_until(due if paced else 0)

    async def receive(self) -> Event:
        event: Event = json.loads(await self.socket.recv())
        self.seen.append(event)
        if event["type"] == "response.output_audio.delta":
            self.audio += base64.b64decode(str(event["delta"]))
        return event

    async def until(
        self,
        type: str,
        where: Callable[[Event], bool] = lambda event: True,
        *,
        seconds: float = 20.0,
    ) -> Event:
        """The next event of a type that fulfils a condition; other events are only noted."""
        with trio.fail_after(seconds):
            while True:
                event = await self.receive()
                if event["type"] == type and where(event):
                    return event

    async def error(self) -> Mapping[str, object]:
        """The next error's object."""
        error = (await self.until("error"))["error"]
        assert isinstance(error, dict)
        return error

    def types(self) -> list[str]:
        """The types seen, repeated deltas once."""
        found: list[str] = []
        for event in self.seen:
            name = str(event["type"])
            if not found or found[-1] != name:
                found.append(name)
        return found


@asynccontextmanager
async def session(server: Server, **options: object) -> AsyncIterator[Client]:
    """A session after its ``session.created``."""
    query = str(options.pop("query", "?model=gpt-realtime"))
    options.setdefault("max_queue", None)  # a full queue would hold up the closing handshake
    async with connect(f"{server.websocket_url}/realtime{query}", **options) as socket:  # type: ignore[arg-type]
        client = Client(socket)
        await client.until("session.created")
        yield client


def spoken(chunk: audio.AudioChunk, *, silence_ms: int = SILENCE_MS) -> bytes:
    """PCM16 at 24,000 Hz with silence behind it, as the wire wants it."""
    pcm = bytes(audio.resample(audio.to_mono(chunk), 24_000))
    return pcm + bytes(48 * silence_ms)
