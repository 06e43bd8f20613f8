"""What attached media carry past this thread, entered once a second: for telemetry and recordings.

The network threads keep it until then, and only if someone wants it. It waits there while this
thread stands still, up to 8 MiB of each kind; what does not fit is counted as left out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Protocol

from voxloop import telemetry
from voxloop.net import MediaLink
from voxloop.realtime.skin.observe import AUDIO_SENT, Observer
from voxloop.realtime.telephone import WireFormat

if TYPE_CHECKING:
    from voxloop.realtime.recording import Recording

SECONDS = 1.0
"""How often it is looked for what was carried, while someone wants it."""
IDLE_SECONDS = 10.0
"""How often it is looked whether someone listens to telemetry."""


class Listeners(Protocol):
    """Who wants to know what media carry."""

    observer: Observer
    recordings: tuple[Recording, ...]

    @property
    def input_format(self) -> WireFormat:
        """What the server takes of the user's sound."""
        ...

    @property
    def wire_wanted(self) -> bool:
        """Whether someone reads all frames."""
        ...

    def on_wire(self, direction: Literal["in", "out"], data: str | bytes, at: float) -> None:
        """A frame went over the wire."""
        ...


def wanted(listeners: Listeners) -> tuple[bool, bool]:
    """Whether sound is to be kept, and events for the connection."""
    sound = any(recording.wav is not None for recording in listeners.recordings)
    return sound, bool(listeners.recordings) or listeners.wire_wanted


class Follower:
    """Enters what media carry.

    Args:
        listeners: Who is told.
        link: The media.
    """

    def __init__(self, listeners: Listeners, link: MediaLink) -> None:
        self._listeners = listeners
        self._link = link
        self._sent = 0
        self._wanted = wanted(listeners)
        self.due = 0.0
        """When to look again, by `time.monotonic`."""

    def look(self) -> None:
        """Catch up, and set when to do so again."""
        self.catch_up()
        listened = any(self._wanted) or telemetry.enabled(AUDIO_SENT)
        self.due = time.monotonic() + (SECONDS if listened else IDLE_SECONDS)

    def catch_up(self) -> None:
        """Enter what was carried until now, and say what is wanted from now on."""
        listeners, recordings = self._listeners, self._listeners.recordings
        if any(self._wanted):
            self._enter(recordings)
        sent, waiting = self._link.sent_up()
        form = listeners.input_format
        if sent > self._sent:
            width = form.bytes_per_ms * 1000 // form.rate
            listeners.observer.audio_carried((sent - self._sent) * width, waiting * width, form)
            self._sent = sent
        now = wanted(listeners)
        if now != self._wanted:
            self._wanted = now
            self._link.tap(sound=now[0], texts=now[1])
            self.due = 0.0

    def _enter(self, recordings: tuple[Recording, ...]) -> None:
        tapped = self._link.tapped()
        for at, text in tapped.texts:
            self._listeners.on_wire("out", text, at)
        for recording in recordings:
            for start, chunk in tapped.up:
                recording.user(chunk, start + chunk.duration)
            for start, chunk in tapped.down:
                recording.heard(chunk, start)
            recording.left_out(tapped.dropped)
