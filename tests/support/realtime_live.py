"""Realtime sessions on real sockets, with all their events in a list."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
import trio.testing

from voxloop import realtime, testing
from voxloop._errors import VoxloopError
from voxloop.agents import Agent

AGENT = Agent("A", "Talk.")
QUICK = realtime.Reconnect(base=0.01, max_delay=0.1, stable_after=0.0)
E = TypeVar("E")


def only(events: list[realtime.Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


@asynccontextmanager
async def opened(
    server: testing.RealtimeServer,
    agent: Agent = AGENT,
    *,
    policy: realtime.Reconnect = QUICK,
    seconds: float = 30.0,
    **settings: object,
) -> AsyncIterator[tuple[realtime.Session, list[realtime.Event]]]:
    """A session whose events pile up in a list."""
    events: list[realtime.Event] = []

    async def collect(session: realtime.Session) -> None:
        async with session.subscribe() as subscription:
            try:
                async for event in subscription:
                    events.append(event)
            except VoxloopError:
                pass

    config = realtime.RunConfig(
        model_settings=realtime.SessionModelSettings(**settings)  # type: ignore[arg-type]
    )
    with trio.fail_after(seconds):
        async with (
            realtime.open_session(
                agent,
                provider=server.provider(),
                config=config,
                model_config=realtime.ModelConfig(reconnect=policy),
            ) as session,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(collect, session)
            await trio.testing.wait_all_tasks_blocked()
            yield session, events
            nursery.cancel_scope.cancel()


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, within the deadline of the session around it."""
    while not holds():  # noqa: ASYNC110 - nobody tells when
        await trio.sleep(0.005)


async def until(events: list[realtime.Event], kind: type[E], count: int = 1) -> E:
    """The event of a kind with this number, once it has come."""
    await eventually(lambda: len(only(events, kind)) >= count)
    return only(events, kind)[count - 1]


def counted(start: int, count: int) -> bytes:
    """Audio that says where it belongs: each four bytes are a number."""
    return struct.pack(f"<{count}I", *range(start, start + count))
