"""A nursery that raises what went wrong, not a group with one exception in it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

import trio


def open_nursery() -> AbstractAsyncContextManager[trio.Nursery]:
    """Open a nursery whose failure leaves the block as one exception.

    Of several exceptions, the interpreter's own (`KeyboardInterrupt`, `SystemExit`) comes first,
    then a cancellation from outside, then whichever was raised first. Only the group made by this
    nursery is opened: a group raised by code inside it stays as it is.

    **Cancellation:** waits for the cancelled tasks, then passes the cancellation on.
    """
    return _Block()


class _Block:
    """The block around a nursery; a generator would take twice the room as long as it is open."""

    __slots__ = ("_manager",)

    def __init__(self) -> None:
        self._manager = trio.open_nursery()

    async def __aenter__(self) -> trio.Nursery:
        return await self._manager.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._manager.__aexit__(kind, failure, traceback)
        except BaseExceptionGroup as group:
            error = _foremost(group)
        try:
            if error is failure:
                return False  # it goes on as it came
            raise error  # outside the handler: the error keeps its own context
        finally:
            # An exception whose traceback holds itself would wait for the collector.
            del error, failure, traceback


def _foremost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    errors = group.exceptions
    for error in errors:
        if not isinstance(error, (Exception, trio.Cancelled, BaseExceptionGroup)):
            return error
    return next((e for e in errors if isinstance(e, trio.Cancelled)), errors[0])


class Entering:
    """A block that enters another, which it finds out on its way in, and is left as that one is."""

    __slots__ = ("_opened",)

    _opened: AbstractAsyncContextManager[object]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._opened.__aexit__(kind, failure, traceback)
