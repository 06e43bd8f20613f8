"""Between a stream that comes in bursts and a device that plays it steadily."""

from __future__ import annotations

from typing import Literal, TypeAlias

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format, JitterStats, Pace
from voxloop.audio._checks import checked_format, ms_to_frames, shown, whole, whole_frames
from voxloop.audio._chunk import AudioLike

Overrun: TypeAlias = Literal["drop_oldest", "drop_newest"]


class JitterBuffer:
    """Holds sound back until `target_ms` are there, then gives it out steadily.

    When it runs dry, it gives silence and waits for the target again. It never holds more than
    `capacity_ms`.

    Args:
        format: Layout of the audio.
        target_ms: Depth from which it plays.
        capacity_ms: Depth at which it is full.
        overrun: What a full buffer gives up: ``"drop_oldest"`` keeps the delay bounded,
            ``"drop_newest"`` what has come first.

    Raises:
        AudioFormatError: The capacity is less than the target, or nothing.

    Example:
        >>> from voxloop import audio
        >>> buffer = audio.JitterBuffer(audio.PCM24K, target_ms=40)
        >>> buffer.push(audio.silence(audio.PCM24K, 0.02))
        0
        >>> chunk, sound = buffer.pull(480)
        >>> (chunk.frames, sound)
        (480, 0)
    """

    def __init__(
        self,
        format: Format,
        *,
        target_ms: float = 60.0,
        capacity_ms: float = 1_000.0,
        overrun: Overrun = "drop_oldest",
    ) -> None:
        if overrun != "drop_oldest" and overrun != "drop_newest":
            raise AudioFormatError(
                f"overrun: got {shown(overrun)}, wanted 'drop_oldest' or 'drop_newest'"
            )
        rate = checked_format(format).sample_rate
        target, capacity = (ms_to_frames(rate, ms) for ms in (target_ms, capacity_ms))
        self._native = _native.JitterBuffer(format, target, capacity, overrun == "drop_newest")
        self._format = format

    def push(self, data: AudioLike) -> int:
        """Take sound; returns how many frames, of this or older, were given up for it.

        Raises:
            AudioFormatError: Another rate or channel count.
        """
        return self._native.push(data)

    def pull(self, frames: int) -> tuple[AudioChunk, int]:
        """Give exactly `frames` frames, and how many of them are sound.

        The sound comes first; silence fills the rest.

        Raises:
            AudioFormatError: `frames` is negative, or more than a minute at 768,000 Hz.
        """
        return self._native.pull(frames)

    def end(self) -> None:
        """No more comes for now: what is held plays out, and running dry is no underrun."""
        self._native.end()

    def clear(self) -> int:
        """Give up all that is held, as when the listener interrupts; returns how many frames."""
        return self._native.clear()

    def set_target(self, target_ms: float) -> None:
        """Change the depth from which it plays, at most the capacity."""
        self._native.set_target(ms_to_frames(self._format.sample_rate, target_ms))

    @property
    def depth(self) -> int:
        """Frames held."""
        return self._native.depth

    @property
    def target(self) -> int:
        """Frames from which it plays."""
        return self._native.target

    @property
    def capacity(self) -> int:
        """Most frames held."""
        return self._native.capacity

    @property
    def is_playing(self) -> bool:
        """Whether the next `pull` gives sound."""
        return self._native.is_playing

    @property
    def stats(self) -> JitterStats:
        """Counters since the start."""
        return self._native.stats


class Pacer:
    """When to send the next block of a stream: a schedule that does not drift.

    Block ``n`` is due at ``start + n * frame_ms``, computed from ``n`` each time. It does not
    sleep: it is given readings of a monotonic clock and says what is due.

    Args:
        sample_rate: Hertz.
        frame_ms: Milliseconds of a block; a whole number of samples.
        catch_up: Most blocks that are made good for at once after a stall; the schedule moves on
            past the others.
        lead: Blocks sent ahead at the start, to fill the receiver's buffer.

    Raises:
        AudioFormatError: A setting out of range.

    Example:
        >>> from voxloop import audio
        >>> pacer = audio.Pacer(24_000, frame_ms=20)
        >>> pacer.poll(100.0)
        Pace(due=1, skipped=0, wait=0.02)
        >>> pacer.poll(100.03)
        Pace(due=1, skipped=0, wait=0.01)
    """

    def __init__(
        self, sample_rate: int, *, frame_ms: float = 20.0, catch_up: int = 5, lead: int = 0
    ) -> None:
        rate = whole(sample_rate, "sample rate", 1_000, 768_000)
        frames = whole_frames(rate, frame_ms)
        self._native = _native.Pacer(rate, frames, catch_up, lead)

    def poll(self, now: float) -> Pace:
        """What is due at this reading of the clock; the first one starts the schedule.

        Args:
            now: Seconds, for example ``trio.current_time()``; one that steps back is held at its
                latest reading.
        """
        return self._native.poll(now)

    def reset(self) -> None:
        """End the schedule; the next `poll` starts another."""
        self._native.reset()

    @property
    def interval(self) -> float:
        """Seconds from one block to the next."""
        return self._native.interval

    @property
    def skipped(self) -> int:
        """Blocks given up in all."""
        return self._native.skipped
