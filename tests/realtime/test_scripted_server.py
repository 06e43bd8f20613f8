"""The scripted server has read what a client sent before it is gone."""

from __future__ import annotations

import json

import trio
from websockets.trio.client import connect

from voxloop import realtime, testing
from voxloop.agents import Agent

MANY = 40


def note(number: int) -> str:
    part = {"type": "input_text", "text": f"{number}"}
    item = {"type": "message", "role": "user", "content": [part]}
    return json.dumps({"type": "conversation.item.create", "item": item})


async def test_what_a_client_sends_last_is_seen() -> None:
    async with testing.RealtimeServer() as server:
        socket = connect(f"ws://127.0.0.1:{server.port}/v1/realtime", max_queue=None)
        async with socket as client:
            for number in range(MANY):
                await client.send(note(number))
    assert server.types() == ["conversation.item.create"] * MANY
    assert len(server.peers[0].items) == MANY


async def test_a_session_that_sends_and_leaves_at_once_is_seen_whole() -> None:
    for _ in range(10):
        async with testing.RealtimeServer() as server:
            provider = server.provider()
            async with realtime.open_session(Agent("A", "Be brief."), provider=provider) as session:
                for number in range(40):
                    await session.send_message(f"{number}", respond=False)
        assert server.types().count("conversation.item.create") == 40


async def test_a_client_that_stays_is_told_that_the_server_leaves() -> None:
    async with trio.open_nursery() as nursery:
        reason: list[int] = []
        ready, read = trio.Event(), trio.Event()

        async def stay(port: int) -> None:
            async with connect(f"ws://127.0.0.1:{port}/v1/realtime", max_queue=None) as client:
                await client.send(note(1))
                ready.set()
                await client.wait_closed()
                reason.append(client.protocol.close_code or 0)
                read.set()

        async with testing.RealtimeServer() as server:
            nursery.start_soon(stay, server.port)
            await ready.wait()
        await read.wait()
    assert reason == [1001]
    assert server.types() == ["conversation.item.create"]


async def test_a_client_that_does_not_answer_keeps_no_one_waiting() -> None:
    with trio.fail_after(20.0):
        async with testing.RealtimeServer() as server:
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            key = "dGhlIHNhbXBsZSBub25jZQ=="
            await stream.send_all(
                b"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: " + key.encode() + b"\r\n\r\n"
            )
            await stream.receive_some(100)
    await stream.aclose()
