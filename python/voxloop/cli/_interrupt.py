"""Ctrl-C: exit code 130 within a second, whatever is going on.

Before trio runs there is nothing to close, and `voxloop.cli.main` lets the process end at once.
While trio runs the block is cancelled, which closes what it opened; a watchdog ends the process
should that take longer than it may (a C library that holds the interpreter, say).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

EXIT_INTERRUPTED = 130
_PATIENCE_SECONDS = 0.7

T = TypeVar("T")


def leave() -> NoReturn:
    """End the process after an interrupt; everything that was opened is closed.

    Without the interpreter's own teardown: inference that was given up still runs in threads of
    the runtime's C++ side, and tearing that down under them aborts the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` under trio; an interrupt cancels it.

    Raises:
        KeyboardInterrupt: It was interrupted, and everything it opened is closed.
    """
    import trio

    outcome: list[T] = []

    async def supervised() -> None:
        with trio.open_signal_receiver(signal.SIGINT) as interrupts:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, interrupts, nursery.cancel_scope)
                outcome.append(await main())
                nursery.cancel_scope.cancel()

    trio.run(supervised, strict_exception_groups=True)
    if not outcome:
        raise KeyboardInterrupt
    return outcome[0]


async def _watch(interrupts: object, scope: object) -> None:
    import trio

    assert isinstance(scope, trio.CancelScope)  # noqa: S101 - narrows the lazy import's types
    async for _ in interrupts:  # type: ignore[attr-defined]
        watchdog = threading.Timer(_PATIENCE_SECONDS, os._exit, (EXIT_INTERRUPTED,))
        watchdog.daemon = True
        watchdog.start()
        scope.cancel()
        return
