"""The transport without a socket, under a real session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from voxloop import realtime, testing
from voxloop._errors import ConfigError, ConnectionClosed
from voxloop.agents import Agent
from voxloop.providers import RealtimeTarget, RealtimeTransport
from voxloop.testing.memory import MemoryProvider

CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_m"}}


async def test_events_go_both_ways_in_order() -> None:
    transport = testing.MemoryTransport()
    transport.deliver(CREATED)
    provider = transport.provider()
    config = realtime.ModelConfig(model="m")
    async with realtime.open_session(
        Agent("A", "Talk."), provider=provider, model_config=config
    ) as session:
        first = await transport.wait_sent("session.update")
        assert first["session"]["instructions"] == "Talk."  # type: ignore[index]
        await session.send_message("Hi")
        await transport.wait_sent("response.create")
        transport.deliver(
            {"type": "response.created", "response": {"id": "r1"}},
            {
                "type": "response.output_text.done",
                "item_id": "i",
                "response_id": "r1",
                "output_index": 0,
                "content_index": 0,
                "text": "Hello.",
            },
            {"type": "response.done", "response": {"id": "r1", "status": "completed"}},
        )
        transport.end()
        texts = [e.text async for e in session if isinstance(e, realtime.TranscriptEvent)]
        assert texts == ["Hello."]
        assert session.session_id == "sess_m"
    assert transport.closed
    assert [target.model for target in provider.targets] == ["m"]
    assert [e["type"] for e in transport.sent] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]


async def test_an_error_of_the_connection_comes_last() -> None:
    transport = testing.MemoryTransport()
    transport.deliver(CREATED)
    transport.end(ConnectionClosed("lost", close_code=1006))
    once = realtime.ModelConfig(reconnect=realtime.Reconnect(enabled=False))
    async with realtime.open_session(
        Agent("A"), provider=transport.provider(), model_config=once
    ) as session:
        with pytest.raises(ConnectionClosed), trio.fail_after(5):
            async for _event in session:
                pass
        assert session.session_id == "sess_m"


def test_it_offers_nothing_else() -> None:
    provider = testing.MemoryTransport().provider()
    for part in (provider.speech_to_text, provider.text_to_speech, provider.language_model):
        with pytest.raises(ConfigError):
            part()


class Nested(MemoryProvider):
    """Its block has scopes and tasks of its own, as one that starts its server has."""

    @asynccontextmanager
    async def realtime(self, target: RealtimeTarget) -> AsyncIterator[RealtimeTransport]:  # type: ignore[override]
        async with super().realtime(target) as transport, trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield transport
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ended_by_the_server", [False, True])
async def test_a_block_may_have_scopes_of_its_own(ended_by_the_server: bool) -> None:
    transport = testing.MemoryTransport()
    transport.deliver(CREATED)
    async with realtime.open_session(Agent("A", "Talk."), provider=Nested(transport)) as session:
        await transport.wait_sent("session.update")
        if ended_by_the_server:
            transport.end()
            assert [event async for event in session], "it comes to its end"
    assert transport.closed
