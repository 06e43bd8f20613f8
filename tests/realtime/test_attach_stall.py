"""The thread that runs Python stands still; sound, pings and cuts go on.

The server is a process of its own, so that it goes on while the test holds the GIL.
"""

from __future__ import annotations

import array
import base64
import ctypes
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from support.sessions import GREETER
from voxloop import OpenAI, audio, realtime

SESSIONS = 4
STALL = 1.5
SERVER = textwrap.dedent(
    '''
    """Speaks for three seconds at the pace of speech, and keeps what it hears."""
    import base64, json, sys, time
    import trio
    from websockets.exceptions import ConnectionClosed
    from websockets.trio.server import serve

    FRAME = 960

    async def handler(socket):
        heard = bytearray()
        async def listen():
            async for text in socket:
                event = json.loads(text)
                kind = event["type"]
                if kind == "input_audio_buffer.append":
                    heard.extend(base64.b64decode(event["audio"], validate=True))
                elif kind == "test.report":
                    await say("test.report", heard=base64.b64encode(heard).decode())
                elif kind == "test.speak":
                    nursery.start_soon(speak)
        async def speak():
            await say("session.created", session={"type": "realtime", "id": "s"})
            await say("session.updated", session={"type": "realtime", "id": "s"})
            await say("response.created", response={"id": "r", "conversation_id": "c"})
            begun = time.monotonic()
            sample = 1
            for number in range(150):
                frame = bytearray()
                for _ in range(FRAME // 2):
                    frame += sample.to_bytes(2, "little", signed=True)
                    sample = sample % 30000 + 1
                await say("response.output_audio.delta", item_id="i", response_id="r",
                          output_index=0, content_index=0,
                          delta=base64.b64encode(frame).decode())
                await say("test.note", number=number)
                await trio.sleep(max(0.0, begun + (number + 1) * 0.02 - time.monotonic()))
            await say("response.output_audio.done", item_id="i", response_id="r",
                      output_index=0, content_index=0)
            await say("response.done", response={"id": "r", "status": "completed"})
        async def say(kind, **fields):
            await socket.send(json.dumps({"type": kind, "event_id": "e", **fields}))
        async with trio.open_nursery() as nursery:
            try:
                await listen()
            except ConnectionClosed:
                pass
            nursery.cancel_scope.cancel()

    async def main():
        async with trio.open_nursery() as nursery:
            server = await nursery.start(
                lambda task_status: serve(handler, 0, host="127.0.0.1", task_status=task_status))
            print(server.listeners[0].socket.getsockname()[1], flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)
            nursery.cancel_scope.cancel()

    trio.run(main)
    '''
)


@asynccontextmanager
async def server_process() -> AsyncIterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = (await trio.to_thread.run_sync(process.stdout.readline)).strip()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.stdin.close()
            process.wait()


def hold_the_gil() -> None:
    ctypes.PyDLL(None).usleep(int(STALL * 1e6))


def counter(seconds: float) -> list[int]:
    return [n % 30_000 + 1 for n in range(round(seconds * 24_000))]


def sounds(data: bytes) -> list[int]:
    """Samples that are not silence: the counter never is."""
    return [sample for sample in array.array("h", data) if sample]


async def report(
    session: realtime.Session, wire: realtime.Subscription[realtime.WireEvent]
) -> tuple[list[int], bytes]:
    """Numbers of the notes that came, once all have, and the audio that the server has heard."""
    notes: list[int] = []
    async for event in wire:
        seen = json.loads(event.data)
        if seen["type"] == "test.note":
            notes.append(seen["number"])
        elif event.direction == "in" and seen["type"] == "response.done":
            await session.send_raw({"type": "test.report"})
        elif event.direction == "in" and seen["type"] == "test.report":
            return notes, base64.b64decode(seen["heard"])
    raise AssertionError("the session ended")


@pytest.mark.parametrize("stall", [lambda: time.sleep(STALL), hold_the_gil], ids=["sleep", "gil"])
async def test_no_frame_is_lost_while_python_stands_still(
    stall: Callable[[], None], tmp_path: Path
) -> None:
    sessions, wires, media = [], [], []
    async with server_process() as url, AsyncExitStack() as stack:
        stack.enter_context(trio.fail_after(90))
        for number in range(SESSIONS):
            session = await stack.enter_async_context(
                realtime.open_session(GREETER, provider=OpenAI(api_key="k", base_url=url))
            )
            sessions.append(session)
            wires.append(await stack.enter_async_context(session.wire_events()))
            source = audio.WavSource(array.array("h", counter(2.5)))
            sink = audio.WavSink(tmp_path / f"{number}.wav", buffer_ms=200)
            media.append(await stack.enter_async_context(session.attach(source, sink)))
            await session.send_raw({"type": "test.speak"})
        await trio.sleep(0.3)
        before = [item.stats() for item in media]
        stall()
        after = [item.stats() for item in media]
        for item in media:
            await item.wait_source()
        reports = [await report(*pair) for pair in zip(sessions, wires, strict=True)]
        while any(session.state == "speaking" for session in sessions):  # noqa: ASYNC110
            await trio.sleep(0.02)
        last = [item.stats() for item in media]
    for one, two in zip(before, after, strict=True):
        assert two.frames_up - one.frames_up >= STALL / 0.02 * 0.8, "they went up meanwhile"
        assert two.played_frames - one.played_frames >= STALL * 24_000 * 0.8, "and were heard"
    for number, (notes, heard) in enumerate(reports):
        assert notes == list(range(150)), "every control event has come, in order"
        assert list(array.array("h", heard)) == counter(2.5)
        assert sounds(bytes(audio.read_wav(tmp_path / f"{number}.wav"))) == counter(3.0)
    for one in last:
        assert (one.lost_up, one.overruns, one.late_pieces) == (0, 0, 0)
        assert one.played_frames == 72_000
