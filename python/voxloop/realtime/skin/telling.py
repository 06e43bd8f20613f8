"""What the application is told, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from voxloop._errors import VoxloopError
from voxloop.realtime.events import AudioEvent, Event
from voxloop.realtime.skin.subscribers import Hub, Subscription


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One frame as it went over the wire.

    Attributes:
        direction: ``"in"`` from the server, ``"out"`` to it.
        data: The JSON text.
        at: ``time.monotonic()`` seconds of its arrival, or of its being queued.
    """

    direction: Literal["in", "out"]
    data: str | bytes
    at: float


class Telling(Hub[Event]):
    """The session's events.

    What the frames of one batch bring is kept until all of them were handled, or until a tool has
    had its turn: what is sent because of them goes before what only informs. Nobody could read it
    sooner, since the reader has the thread.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[Event, int]] = []

    def keep(self, event: Event) -> None:
        """Tell this with the next `tell`."""
        self._kept.append((event, event.audio.nbytes if type(event) is AudioEvent else 0))

    def keep_all(self, events: Iterable[tuple[Event, int]]) -> None:
        """Tell these with the next `tell`, each with the bytes of its sound."""
        self._kept.extend(events)

    def tell(self) -> None:
        """Tell what was kept."""
        if self._kept:
            kept, self._kept = self._kept, []
            self.publish_all(kept)

    def publish(self, event: Event, size: int = 0) -> None:
        """Tell an event now, after what was kept."""
        self.tell()
        super().publish(event, size)

    def add(self, *, unasked: bool = False) -> Subscription[Event]:
        """Open a channel for what happens from now on; see `Hub.add`."""
        self.tell()
        return super().add(unasked=unasked)

    def finish(self, error: VoxloopError | None) -> None:
        """The session is over, and all is told."""
        self.tell()
        super().finish(error)
