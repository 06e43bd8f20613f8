"""Request bodies that are sent while they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

import trio

from voxloop import _native
from voxloop._bridge import Inbox, Outbox
from voxloop._errors import ConfigError, NetworkError


async def send_body(
    native: _native.HttpCall, inbox: Inbox[_native.HttpItem], source: AsyncIterable[bytes]
) -> list[_native.HttpItem]:
    """Give the pieces of ``source`` to the request as fast as they go out, and wait for the head.

    An answer that comes before the body is complete ends the sending: the server has seen enough.

    Returns:
        The head and what came with it.

    Raises:
        ConfigError: A piece is not bytes, or there are more or fewer of them than was promised.
        Exception: What ``source`` raises, as it is.

    **Cancellation:** ``source`` is cancelled where it waits, and closed if it is a generator.
    """
    outcome: list[_native.HttpItem] = []
    failures: list[BaseException] = []

    async def feed() -> None:
        try:
            await _pour(source, native)
        except trio.Cancelled:
            raise
        except NetworkError:
            pass  # the request is over; who waits for its head learns why
        except BaseException as error:
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        try:
            outcome = await inbox.receive_batch()
        except trio.Cancelled:
            raise
        except BaseException as error:
            failures.append(error)
        nursery.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return outcome


async def _pour(source: AsyncIterable[bytes], native: _native.HttpCall) -> None:
    outbox = Outbox(native)
    try:
        async for piece in source:
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise ConfigError(f"a piece of the body is {type(piece).__name__}; wanted bytes")
            await outbox.send(bytes(piece))
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
    native.end_body()
