"""trio, asyncio and uvloop behind one face, so that a scenario is written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

Spawn = Callable[..., None]
"""Starts a coroutine function with its arguments in a group."""


class Loop(Protocol):
    async def sleep(self, seconds: float) -> None: ...
    def group(self) -> Any:
        """An asynchronous context manager that gives a `Spawn`; leaving it cancels all tasks."""


class AsyncioLoop:
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    @asynccontextmanager
    async def group(self) -> AsyncIterator[Spawn]:
        async with asyncio.TaskGroup() as tasks:
            started: list[asyncio.Task[None]] = []
            yield lambda work, *given: started.append(tasks.create_task(work(*given)))
            for task in started:
                task.cancel()


class TrioLoop:
    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(max(0.0, seconds))

    @asynccontextmanager
    async def group(self) -> AsyncIterator[Spawn]:
        import trio

        async with trio.open_nursery() as nursery:
            yield nursery.start_soon
            nursery.cancel_scope.cancel()


def run(name: str, main: Callable[[Loop], Awaitable[Any]]) -> Any:
    """Run ``main`` on the loop with this name."""
    if name == "trio":
        import trio

        return trio.run(main, TrioLoop())
    if name == "uvloop":
        import uvloop

        return uvloop.run(main(AsyncioLoop()))
    return asyncio.run(main(AsyncioLoop()))  # type: ignore[arg-type]
