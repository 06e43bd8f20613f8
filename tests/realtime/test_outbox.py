"""Frames that a transport does not take at once: they wait in order, and one task sends them."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from voxloop import realtime, testing
from voxloop._errors import ConnectionClosed
from voxloop.agents import Agent
from voxloop.realtime.skin.outbox import ROOM_BYTES, Outbox

CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_o"}}
ONCE = realtime.ModelConfig(model="m", reconnect=realtime.Reconnect(enabled=False))


class Narrow(testing.MemoryTransport):
    """Takes so many frames at once; what comes then waits until it is widened."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.wide = trio.Event()

    def try_send(self, data: str) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.sent.append(json.loads(data))
        return True

    async def send(self, data: str) -> None:
        await self.wide.wait()
        await super().send(data)


def living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_a_task_writes_only_once_a_frame_has_to_wait() -> None:
    transport = Narrow(3)
    transport.deliver(CREATED)
    before = living()
    with trio.fail_after(10):
        async with realtime.open_session(
            Agent("A"), provider=transport.provider(), model_config=ONCE
        ) as session:
            await session.send_message("one", respond=False)
            await session.send_message("two", respond=False)
            await trio.testing.wait_all_tasks_blocked()
            assert transport.room == 0
            usual = living() - before
            for text in ("three", "four", "five"):
                await session.send_message(text, respond=False)
            await trio.testing.wait_all_tasks_blocked()
            assert living() - before == usual + 1
            assert len(transport.sent) == 3
            transport.wide.set()
            await transport.wait_sent("conversation.item.create", 5)
        items = [event["item"] for event in transport.sent[1:]]
    texts = [item["content"][0]["text"] for item in items]  # type: ignore[index]
    assert texts == ["one", "two", "three", "four", "five"]
    assert transport.closed
    assert living() == before


@pytest.mark.parametrize("how", ["left", "cancelled", "lost"])
async def test_the_task_ends_with_the_connection_whatever_waits(how: str) -> None:
    transport = Narrow(1)
    transport.deliver(CREATED)
    before = living()
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with realtime.open_session(
            Agent("A"), provider=transport.provider(), model_config=ONCE
        ) as session:
            await session.send_message("never sent")
            await trio.testing.wait_all_tasks_blocked()
            if how == "cancelled":
                scope.cancel()
                await trio.sleep_forever()
            if how == "lost":
                transport.end(ConnectionClosed("lost", close_code=1006))
                with pytest.raises(ConnectionClosed):
                    async for _ in session:
                        pass
    assert [event["type"] for event in transport.sent] == ["session.update"]
    assert transport.closed
    assert living() == before


async def test_all_who_wait_for_room_are_let_in() -> None:
    outbox, sent = Outbox(), list[str]()
    outbox.put("x" * (ROOM_BYTES + 1))
    entered = 0

    async def enter() -> None:
        nonlocal entered
        await outbox.room()
        entered += 1

    async def send(data: str) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(data)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(enter)
            await trio.testing.wait_all_tasks_blocked()
            assert entered == 0
            outbox.write_by(lambda: nursery.start_soon(outbox.run, send))
            await trio.testing.wait_all_tasks_blocked()
            assert (entered, outbox.depth, outbox.waiting) == (3, 0, 0)
            nursery.cancel_scope.cancel()
    assert len(sent) == 1
