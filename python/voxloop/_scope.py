"""A nursery that raises what went wrong, not a group with one exception in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery whose failure leaves the block as one exception.

    Of several exceptions, the interpreter's own (`KeyboardInterrupt`, `SystemExit`) comes first,
    then a cancellation from outside, then whichever was raised first. Only the group made by this
    nursery is opened: a group raised by code inside it stays as it is.

    **Cancellation:** waits for the cancelled tasks, then passes the cancellation on.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
        return
    except BaseExceptionGroup as group:
        error = _foremost(group)
    try:
        raise error  # outside the handler: the error keeps its own context
    finally:
        del error  # an exception whose traceback holds itself would wait for the collector


def _foremost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    errors = group.exceptions
    for error in errors:
        if not isinstance(error, (Exception, trio.Cancelled, BaseExceptionGroup)):
            return error
    return next((e for e in errors if isinstance(e, trio.Cancelled)), errors[0])
