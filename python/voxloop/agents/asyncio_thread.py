"""An asyncio loop in a worker thread, for packages that live on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, Self, TypeVar

import trio

from voxloop._errors import ConcurrencyError, UseAfterClose
from voxloop.agents.scope import open_nursery

T = TypeVar("T")


class AsyncioThread:
    """One loop in one thread, from the beginning of the block to its end.

    Args:
        close_timeout: Seconds that cancelled tasks, and in the end the thread, may take; the
            thread is left alone after that.
        on_close: Awaited in the loop before it ends, such as the ``close`` of a client.
    """

    def __init__(
        self, *, close_timeout: float, on_close: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self._close_timeout = close_timeout
        self._on_close = on_close
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._ready = trio.Event()
        self._stopped = False
        self._shield = trio.CancelScope(shield=True)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the thread.

        **Cancellation:** the thread is ended.
        """
        if self._ready.is_set():
            raise ConcurrencyError("this loop was opened already; make another")
        nursery = await self._stack.enter_async_context(open_nursery())
        self._stack.callback(self._stop)
        nursery.start_soon(self._serve)
        try:
            await self._ready.wait()
        except BaseException as error:
            await self._stack.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(self, *details: Any) -> None:
        await self._stack.__aexit__(*details)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run ``work()`` as a task of the loop; what it raises comes out.

        Raises:
            UseAfterClose: The loop is not open.

        **Cancellation:** the task is cancelled and waited for, at most ``close_timeout`` seconds.
        """
        loop = self._loop
        if loop is None:
            raise UseAfterClose("the loop is not open; use it inside its `async with`")
        done = trio.Event()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            task = loop.create_task(work())
            tasks.append(task)
            task.add_done_callback(lambda _: _tell(done))

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        loop.call_soon_threadsafe(start)
        try:
            await done.wait()
        except trio.Cancelled:
            with suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(cancel)
            with trio.move_on_after(self._close_timeout, shield=True):
                await done.wait()
            raise
        return tasks[0].result()

    def _stop(self) -> None:
        # Set before the look at the loop, as `_main` sets the loop before the look at this.
        self._stopped = True
        loop, self._loop = self._loop, None
        self._shield.deadline = trio.current_time() + self._close_timeout
        if loop is not None and self._ended is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        with self._shield:
            await trio.to_thread.run_sync(lambda: asyncio.run(self._main()), abandon_on_cancel=True)

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stopped:
            return
        _tell(self._ready)
        await self._ended.wait()
        if self._on_close is not None:
            await self._on_close()


def _tell(event: trio.Event) -> None:
    with suppress(trio.RunFinishedError, trio.Cancelled):  # nobody waits any more
        trio.from_thread.run_sync(event.set)
