"""The `openai` client's realtime connection, with the tool and the cut by hand."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from peers import Sink, by_hand

LOOP = "asyncio"
NEEDS = ("openai", "websockets")


class _Link:
    def __init__(self, connection: AsyncRealtimeConnection, sink: Sink) -> None:
        self._connection = connection
        self._hand = by_hand.ByHand(sink)

    async def append(self, pcm: bytes) -> None:
        audio = base64.b64encode(pcm).decode("ascii")
        await self._connection.input_audio_buffer.append(audio=audio)

    async def listen(self) -> None:
        async for event in self._connection:
            match event.type:
                case "response.output_audio.delta":
                    self._hand.audio(event.item_id, base64.b64decode(event.delta))
                case (
                    "input_audio_buffer.speech_started"
                    | "response.function_call_arguments.done"
                    | "response.done"
                ):
                    known = {"type": event.type, "call_id": getattr(event, "call_id", None)}
                    for answer in self._hand.answers(known):
                        await self._connection.send(answer)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}/v1"
    async with AsyncOpenAI(api_key="sk-bench", websocket_base_url=base) as client:
        manager = client.realtime.connect(model="m", extra_query=dict(parse_qsl(parts.query)))
        async with manager as connection:
            await connection.session.update(session={"type": "realtime"})
            yield _Link(connection, sink)
