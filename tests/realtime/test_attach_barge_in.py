"""Many interruptions over one real socket: each told once, at once, and never beyond what came."""

from __future__ import annotations

import base64
import functools
import json

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from support.sessions import GREETER
from voxloop import OpenAI, audio, realtime

TIMES = 60
PIECE = bytes(range(1, 241)) * 40
"""A fifth of a second."""


class Interrupter:
    """Speaks, and hears the user after a while, again and again."""

    def __init__(self) -> None:
        self.sent_ms: dict[str, int] = {}
        self.cuts: list[tuple[str, int]] = []

    async def handle(self, socket: ServerConnection) -> None:
        try:
            async with trio.open_nursery() as nursery:
                async for text in socket:
                    event = json.loads(text)
                    if event["type"] == "test.speak":
                        nursery.start_soon(self.speak, socket)
                    elif event["type"] == "conversation.item.truncate":
                        self.cuts.append((event["item_id"], event["audio_end_ms"]))
                nursery.cancel_scope.cancel()
        except* ConnectionClosed:
            pass

    async def speak(self, socket: ServerConnection) -> None:
        async def say(kind: str, **fields: object) -> None:
            await socket.send(json.dumps({"type": kind, "event_id": "e", **fields}))

        for number in range(TIMES):
            response, item = f"r{number}", f"i{number}"
            place = {"response_id": response, "item_id": item, "output_index": 0}
            await say("response.created", response={"id": response, "conversation_id": "c"})
            for _ in range(number % 4):  # sometimes before the first sound
                self.sent_ms[item] = self.sent_ms.get(item, 0) + 200
                delta = base64.b64encode(PIECE).decode()
                await say("response.output_audio.delta", delta=delta, content_index=0, **place)
            await trio.sleep(0.005 * (number % 7))
            await say("input_audio_buffer.speech_started", item_id=f"u{number}", audio_start_ms=0)
            delta = base64.b64encode(bytes(960)).decode()
            await say("response.output_audio.delta", delta=delta, content_index=0, **place)
            await say("response.done", response={"id": response, "status": "cancelled"})
            await say("input_audio_buffer.speech_stopped", item_id=f"u{number}", audio_end_ms=0)
        await say("error", error={"type": "test", "message": "over"})


async def test_each_interruption_is_told_once_and_at_once() -> None:
    server = Interrupter()
    interrupted = 0
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            listening = await nursery.start(
                functools.partial(serve, server.handle, 0, host="127.0.0.1")
            )
            port = listening.listeners[0].socket.getsockname()[1]
            provider = OpenAI(api_key="k", base_url=f"http://127.0.0.1:{port}/v1")
            async with realtime.open_session(GREETER, provider=provider) as session:
                async with session.attach(sink=audio.NullSink(buffer_ms=0)) as media:
                    await session.send_raw({"type": "test.speak"})
                    async for event in session:
                        assert not isinstance(event, realtime.AudioEvent)
                        interrupted += isinstance(event, realtime.AudioInterruptedEvent)
                        if isinstance(event, realtime.ErrorEvent):
                            break
                    stats = media.stats()
                    while len(server.cuts) < len(server.sent_ms):  # noqa: ASYNC110
                        await trio.sleep(0.01)
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    spoken = [f"i{number}" for number in range(TIMES) if number % 4]
    assert [item for item, _ in server.cuts] == spoken, "none before its first sound, none twice"
    assert all(0 <= end <= server.sent_ms[item] for item, end in server.cuts)
    assert interrupted == len(spoken)
    assert stats.interruptions == TIMES
    assert stats.late_pieces == TIMES, "what came late is not heard"
    delays = sorted(one.seconds for one in stats.recent)
    assert delays[int(len(delays) * 0.99)] < 1.0
