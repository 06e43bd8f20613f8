"""Microphones and speakers: values for `realtime.Session.attach`, and what there is to choose from.

On Linux they are those of PulseAudio, or of PipeWire where it speaks for it. Their sound is carried
by the network threads: no callback waits for Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import trio

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import MediaSink, MediaSource
from voxloop.audio._checks import shown, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A microphone or a speaker of this machine.

    Attributes:
        name: What it is opened by.
        description: Its name for people.
        kind: Which of the two it is.
        default: Taken where none is named.
        monitor: A microphone that hears what a speaker plays.
        sample_rate: Hertz.
        channels: Channels; what is heard is mixed to one, what is played goes to all.
    """

    name: str
    description: str
    kind: Literal["microphone", "speaker"]
    default: bool
    monitor: bool
    sample_rate: int
    channels: int


async def devices() -> list[Device]:
    """All microphones and speakers of this machine, asked for in a thread.

    Raises:
        DeviceError: There is no sound server, it does not answer within five seconds, or this
            system has no backend yet.

    **Cancellation:** the thread is left to end by itself.
    """
    rows = await trio.to_thread.run_sync(_native.media_devices, abandon_on_cancel=True)
    return [
        Device(
            name=name,
            description=description,
            kind="speaker" if speaker else "microphone",
            default=default,
            monitor=monitor,
            sample_rate=rate,
            channels=channels,
        )
        for name, description, speaker, default, monitor, rate, channels in rows
    ]


@dataclass(frozen=True, slots=True)
class Microphone:
    """A microphone, from when it is attached until the block is left.

    Attributes:
        device: `Device.name`; None follows the default, also when that changes.
        frame_ms: Length of the pieces that the sound server gives, and so most of the delay.

    Raises:
        AudioFormatError: ``frame_ms`` is out of range.
    """

    device: str | None = None
    frame_ms: int = 20

    def __init__(self, device: str | None = None, *, frame_ms: int = 20) -> None:
        object.__setattr__(self, "device", _name(device))
        object.__setattr__(self, "frame_ms", whole(frame_ms, "frame_ms", 5, 1_000))

    async def open_source(self) -> MediaSource:
        """Open it, in a thread; it hears from when it is attached.

        Raises:
            DeviceError: There is no such microphone, or no sound server.

        **Cancellation:** what was opened is closed.
        """
        return await trio.to_thread.run_sync(
            MediaSource.microphone, self.device, self.frame_ms, abandon_on_cancel=True
        )


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker, from when it is attached until the block is left.

    What counts as heard has left the sound server's buffers too, by its own account.

    Attributes:
        device: `Device.name`; None follows the default, also when that changes.
        latency_ms: Sound that the sound server holds at first. Less answers sooner, and stutters on
            a busy machine: each time it has run dry it holds half as much again, up to 400 ms.
        buffer_ms: Sound that must be there before playing begins; see `NullSink`.

    Raises:
        AudioFormatError: A value is out of range.
    """

    device: str | None = None
    latency_ms: int = 80
    buffer_ms: int = 60

    def __init__(
        self, device: str | None = None, *, latency_ms: int = 80, buffer_ms: int = 60
    ) -> None:
        object.__setattr__(self, "device", _name(device))
        object.__setattr__(self, "latency_ms", whole(latency_ms, "latency_ms", 5, 2_000))
        object.__setattr__(self, "buffer_ms", whole(buffer_ms, "buffer_ms", 0, 10_000))

    async def open_sink(self) -> MediaSink:
        """Open it, in a thread; it plays from when it is attached.

        Raises:
            DeviceError: There is no such speaker, or no sound server.

        **Cancellation:** what was opened is closed.
        """
        return await trio.to_thread.run_sync(
            MediaSink.speaker, self.device, self.latency_ms, self.buffer_ms, abandon_on_cancel=True
        )


def _name(device: object) -> str | None:
    if device is None or (isinstance(device, str) and device):
        return device
    raise AudioFormatError(f"device: got {shown(device)}, wanted the name of one, or None")
