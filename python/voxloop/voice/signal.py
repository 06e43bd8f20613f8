"""Something changed: look again."""

from __future__ import annotations

import trio


class Signal:
    """Wakes whoever waits at the moment; for conditions that the waiter checks itself."""

    def __init__(self) -> None:
        self._event = trio.Event()

    async def wait(self) -> None:
        """Wait for the next `notify`.

        **Cancellation:** nothing is lost; the condition can be checked again.
        """
        await self._event.wait()

    def notify(self) -> None:
        """Wake all that wait."""
        if self._event.statistics().tasks_waiting:
            self._event.set()
            self._event = trio.Event()
