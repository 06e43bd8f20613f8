"""What requests share, and until when: kept while anybody uses it, let go with the last user."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()  # each thread may run a loop of its own
_users = 0
_closers: list[Callable[[], None]] = []


def at_rest(close: Callable[[], None]) -> None:
    """Have `close` called whenever the last user has left; it must not wait."""
    _closers.append(close)


@contextmanager
def in_use() -> Iterator[None]:
    """Keep what requests share, such as connections that wait for a next one, for this block."""
    global _users  # noqa: PLW0603 - of the process, as what is kept is
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                for close in _closers:
                    close()
