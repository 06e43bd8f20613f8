"""Transcription of turns, begun before it is certain that a turn is over."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from voxloop import audio
from voxloop.local.server.realtime.core import SAMPLE_RATE
from voxloop.local.server.realtime.turns import Segment
from voxloop.local.services import LocalSpeechToText
from voxloop.providers import STTSettings, Transcript

__all__ = ["Recogniser"]


@dataclass(slots=True)
class _Guess:
    """A transcription that may turn out useless."""

    start: int
    stop: int
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    result: Transcript | None = None


class Recogniser:
    """Transcribes the segments of one session. At most one guess is under way."""

    def __init__(self, engine: LocalSpeechToText, nursery: trio.Nursery) -> None:
        self._engine = engine
        self._nursery = nursery
        self._guess: _Guess | None = None

    def speculate(self, segment: Segment) -> None:
        """Begin to transcribe ``segment`` in the background; an earlier guess is dropped."""
        self.discard()
        self._guess = guess = _Guess(segment.start, segment.stop)
        self._nursery.start_soon(self._run, guess, segment)

    def discard(self) -> None:
        """Drop the guess."""
        if self._guess is not None:
            self._guess.scope.cancel()
            self._guess = None

    async def transcribe(self, segment: Segment, *, checked: bool) -> Transcript:
        """The text of ``segment``, from the guess if it was about the same audio.

        Args:
            segment: PCM16 mono at 24,000 Hz.
            checked: Whether a turn detector found the speech in it.

        **Cancellation:** may be called again; the guess is used up.
        """
        guess, self._guess = self._guess, None
        if guess is not None:
            if checked and (guess.start, guess.stop) == (segment.start, segment.stop):
                await guess.ended.wait()
                if guess.result is not None:
                    return guess.result
            guess.scope.cancel()
        return await self._recognise(segment, checked=checked)

    async def _run(self, guess: _Guess, segment: Segment) -> None:
        try:
            with guess.scope:
                guess.result = await self._recognise(segment, checked=True)
        except Exception:  # noqa: S110 - the turn transcribes again and reports it
            pass
        finally:
            guess.ended.set()

    async def _recognise(self, segment: Segment, *, checked: bool) -> Transcript:
        chunk = audio.AudioChunk(segment.pcm, audio.Format(SAMPLE_RATE))
        if checked:
            return await self._engine.transcribe_speech(chunk)
        return await self._engine.transcribe(chunk, STTSettings())
