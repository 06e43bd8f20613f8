"""Leaving the block: in whatever way, soon, and with nothing left behind."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from voxloop import realtime, telemetry, testing
from voxloop._errors import NetworkError, NetworkTimeout, UseAfterClose, VoxloopError
from voxloop.agents import Agent
from voxloop.providers import OpenAI
from voxloop.testing import script as s
from voxloop.tools import tool

AGENT = Agent("A", "Talk.")


@asynccontextmanager
async def deaf_server() -> AsyncIterator[OpenAI]:
    """Upgrades the connection, then neither reads nor answers: not even a CLOSE."""

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(4096)
        lines = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
        )
        original = next(
            line.split(b": ", 1)[1]
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        assert lines[b"upgrade"].lower() == b"websocket"
        digest = hashlib.sha1(original + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        accept = base64.b64encode(digest)
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield OpenAI(api_key="sk-test", base_url=f"http://127.0.0.1:{port}/v1")
        nursery.cancel_scope.cancel()


async def test_a_peer_that_never_answers_the_close_is_left_in_time() -> None:
    config = realtime.RunConfig(close_timeout=0.5)
    async with deaf_server() as provider:
        async with realtime.open_session(AGENT, provider=provider, config=config) as session:
            await session.send_message("Hello?", respond=False)
            left = time.monotonic()
        assert time.monotonic() - left < 5.0


async def test_a_cancelled_block_is_left_in_time() -> None:
    config = realtime.RunConfig(close_timeout=0.5)
    async with deaf_server() as provider:
        began = time.monotonic()
        with trio.move_on_after(0.2) as scope:
            async with realtime.open_session(AGENT, provider=provider, config=config) as session:
                async for _event in session:
                    pass
        assert scope.cancelled_caught
        assert time.monotonic() - began < 5.0


async def test_an_exception_of_the_body_comes_out_as_it_is() -> None:
    async with testing.RealtimeServer() as server:
        error = ValueError("mine")
        with pytest.raises(ValueError, match="mine") as caught:
            async with realtime.open_session(AGENT, provider=server.provider()):
                raise error
        assert caught.value is error


async def test_running_tools_are_cancelled() -> None:
    ended: list[str] = []

    @tool
    async def endless() -> str:
        """Never ends."""
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cancelled")
        return ""

    async with testing.RealtimeServer(s.conversation(s.Call("endless"))) as server:
        async with realtime.open_session(
            Agent("A", tools=[endless]), provider=server.provider()
        ) as session:
            await session.send_message("Go.")
            async for event in session:
                if isinstance(event, realtime.ToolCallEvent):
                    break
            await trio.sleep(0.05)
            assert ended == []
        assert ended == ["cancelled"]
        assert "function_call_output" not in str(server.received)


async def test_after_the_block_everything_says_so() -> None:
    async with testing.RealtimeServer() as server:
        async with realtime.open_session(AGENT, provider=server.provider()) as session:
            pass
        assert session.state == "closed"
        with pytest.raises(UseAfterClose):
            await session.send_message("Hello?")
        with pytest.raises(UseAfterClose):
            await session.interrupt()
        rest = [event async for event in session]
        assert isinstance(rest[-1], realtime.AgentStateEvent)


async def test_a_task_that_iterates_ends_with_the_session() -> None:
    seen: list[realtime.Event] = []

    async def watch(events: realtime.Subscription[realtime.Event]) -> None:
        seen.extend([event async for event in events])

    async with testing.RealtimeServer() as server, trio.open_nursery() as nursery:
        async with realtime.open_session(AGENT, provider=server.provider()) as session:
            async with session.subscribe() as events:
                nursery.start_soon(watch, events)
                await trio.sleep(0.05)
                await session.send_message("Hi", respond=False)
                await server.wait_for("conversation.item.create")
                await trio.sleep(0.05)
    assert any(isinstance(event, realtime.HistoryEvent) for event in seen)


async def test_nothing_happens_before_the_block_is_entered() -> None:
    def instructions(_context: object, _agent: Agent) -> str:
        raise AssertionError("asked too early")

    realtime_session = realtime.open_session(Agent("A", instructions))
    assert realtime_session is not None
    async with testing.RealtimeServer() as server:
        assert server.peers == []


async def test_a_server_that_is_not_there_is_an_error_of_entering() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    provider = OpenAI(api_key="sk-test", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(NetworkError):
        async with realtime.open_session(AGENT, provider=provider):
            raise AssertionError("entered")


async def test_cancelling_at_any_moment_leaves_nothing_behind() -> None:
    plan = s.conversation(*[s.Say("one two three", pace=0.3)] * 40)
    async with testing.RealtimeServer(plan) as server:
        provider = server.provider()
        for number in range(25):
            with trio.move_on_after(0.002 * number):
                async with realtime.open_session(AGENT, provider=provider) as session:
                    await session.send_audio(bytes(48_000))
                    await session.send_message("Hi")
                    async for _event in session:
                        pass
        assert server.violations == []


async def test_the_first_connection_is_tried_again_where_that_may_help() -> None:
    plan = s.Script(upgrades=(s.Refusal(status=503), s.Refusal(status=429), None))
    async with testing.RealtimeServer(plan) as server:
        model = realtime.ModelConfig(reconnect=realtime.Reconnect(base=0.01))
        told: list[object] = []
        telemetry.attach_many(
            "first", ["realtime.session.start"], lambda _name, _values, data: told.append(data)
        )
        try:
            async with realtime.open_session(
                AGENT, provider=server.provider(), model_config=model
            ) as session:
                await session.send_message("Hello?", respond=False)
                await server.wait_for("conversation.item.create")
        finally:
            telemetry.detach("first")
        assert "'attempt': 3" in str(told)
        assert len(server.paths) == 3
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("status", "policy", "asked"),
    [
        (503, realtime.Reconnect(base=0.01), 3),
        (503, realtime.Reconnect(base=0.01, first_attempts=1), 1),
        (503, realtime.Reconnect(enabled=False), 1),
        (503, realtime.Reconnect(base=5.0, jitter=0.0, give_up_after=4.0), 1),
        (401, realtime.Reconnect(base=0.01), 1),
        (404, realtime.Reconnect(base=0.01), 1),
    ],
)
async def test_what_does_not_help_is_raised(
    status: int, policy: realtime.Reconnect, asked: int
) -> None:
    plan = s.Script(upgrades=(s.Refusal(status=status),) * 9)
    async with testing.RealtimeServer(plan) as server:
        with pytest.raises(VoxloopError):
            async with realtime.open_session(
                AGENT,
                provider=server.provider(),
                model_config=realtime.ModelConfig(reconnect=policy),
            ):
                raise AssertionError("entered")
        assert len(server.paths) == asked


async def test_waiting_for_another_first_attempt_ends_with_its_block() -> None:
    refused = s.Refusal(status=503, headers={"retry-after": "30"})
    async with testing.RealtimeServer(s.Script(upgrades=(refused,) * 9)) as server:
        with trio.move_on_after(0.2) as scope:
            async with realtime.open_session(AGENT, provider=server.provider()):
                raise AssertionError("entered")
        assert scope.cancelled_caught
        assert len(server.paths) == 1, "it does as the server asks"


def test_a_first_attempt_that_took_its_whole_time_is_not_repeated() -> None:
    policy = realtime.Reconnect()
    assert policy.first_delay(1, NetworkTimeout("slow", phase="connect"), 10.0) is None
    assert policy.first_delay(1, NetworkError("refused", retryable=True), 0.0) is not None
