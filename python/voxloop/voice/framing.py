"""Sound in pieces that start small, so that playback can begin, and grow, so that they are few."""

from __future__ import annotations

from voxloop.audio import PCM24K, AudioChunk, Resampler, concat, to_mono

STEPS_MS = (20, 40, 80, 100)
"""Lengths of the first pieces; the last one is the length of all that follow."""


class ProgressiveFramer:
    """Cuts a voice's chunks into pieces of PCM16 mono at 24,000 Hz.

    Args:
        steps_ms: Lengths of the first pieces in milliseconds; the last one goes on.
    """

    def __init__(self, *, steps_ms: tuple[int, ...] = STEPS_MS) -> None:
        self._sizes = [PCM24K.sample_rate * step // 1000 for step in reversed(steps_ms)]
        self._held: list[AudioChunk] = []
        self._frames = 0
        self._resampler: Resampler | None = None

    def process(self, chunk: AudioChunk) -> list[AudioChunk]:
        """Take the next chunk of any format; give the pieces that are full.

        Raises:
            AudioFormatError: The rate changed within one stream.
        """
        return self._add(self._convert(chunk))

    def flush(self) -> list[AudioChunk]:
        """Give the rest."""
        pieces = [] if self._resampler is None else self._add(self._resampler.flush())
        if self._frames:
            pieces.append(self._drain())
        return pieces

    def _convert(self, chunk: AudioChunk) -> AudioChunk:
        if chunk.format == PCM24K:
            return chunk
        mono = to_mono(chunk)
        if mono.sample_rate == PCM24K.sample_rate:
            return mono
        if self._resampler is None:
            self._resampler = Resampler(mono.sample_rate, PCM24K.sample_rate)
        return self._resampler.process(mono)

    def _add(self, chunk: AudioChunk) -> list[AudioChunk]:
        pieces: list[AudioChunk] = []
        rest = chunk
        while self._frames + rest.frames >= self._sizes[-1]:
            wanted = self._sizes[-1] - self._frames
            self._hold(rest[:wanted])
            rest = rest[wanted:]
            pieces.append(self._drain())
            if len(self._sizes) > 1:
                self._sizes.pop()
        if rest.frames:
            self._hold(rest)
        return pieces

    def _hold(self, chunk: AudioChunk) -> None:
        self._held.append(chunk)
        self._frames += chunk.frames

    def _drain(self) -> AudioChunk:
        piece = self._held[0] if len(self._held) == 1 else concat(self._held)
        self._held = []
        self._frames = 0
        return piece
