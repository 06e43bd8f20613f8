"""The stream of a scripted recogniser: one answer of the script for each turn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from voxloop._errors import VoxloopError
from voxloop.providers import (
    ServerTurns,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    TranscriptionEvent,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)

if TYPE_CHECKING:
    from voxloop.audio import AudioChunk, Vad

Answer: TypeAlias = "str | Transcript | Exception"

# Events that wait to be read; then the sender is held back.
_BUFFERED_EVENTS = 64
_LEAST_SECONDS = 0.1
# Chunks kept from before speech, where the stream finds the turns by itself.
_KEPT_BEFORE = 50


class ScriptedStream:
    """A session of `ScriptedSTT.open_transcription`.

    Turns end by `commit`, or where voice activity detection hears silence if the session was opened
    with turns of the server. A turn's words come one by one, then as a whole; an answer that is a
    `VoxloopError` fails the turn, any other exception ends the session.

    Args:
        answer: Takes the sound of a turn and gives what the script says about it.
        turns: How turns are found.
        delay: Seconds from the end of a turn to its words.
    """

    def __init__(
        self, answer: Callable[[AudioChunk], Answer], turns: ServerTurns | None, delay: float
    ) -> None:
        self._answer = answer
        self._turns = turns
        self._delay = delay
        self._held: list[AudioChunk] = []
        self._vad: Vad | None = None
        self._item = 0
        self._speaking = False
        self._ended = False
        self._told: deque[tuple[float, TranscriptionEvent | Exception]] = deque()
        self._changed = trio.Condition()

    async def send(self, chunk: AudioChunk) -> None:
        """Give the next audio of the turn.

        Raises:
            ScriptExhausted: A turn ended, and the script is at its end.

        **Cancellation:** the chunk was taken; of its turns the last may be lost.
        """
        await trio.sleep(0)
        self._held.append(chunk)
        if self._turns is None:
            return
        if not self._speaking:
            del self._held[:-_KEPT_BEFORE]
        for edge in self._detector(chunk, self._turns).process(chunk):
            now = time.monotonic()
            if edge.kind == "speech_start":
                self._speaking = True
                await self._tell(SpeechStarted(item_id=self._name(), at=now))
            elif self._speaking:
                await self._tell(SpeechStopped(item_id=self._name(), at=now))
                await self.commit()

    async def commit(self) -> None:
        """End a turn here.

        Raises:
            ScriptExhausted: The script is at its end.

        **Cancellation:** the answer is used up.
        """
        from voxloop.audio import concat

        await trio.sleep(0)
        said, self._held = self._held, []
        self._speaking = False
        item = self._name()
        self._item += 1
        if not said:
            return
        answer = self._answer(concat(said))
        due = time.monotonic() + self._delay
        if isinstance(answer, VoxloopError):
            await self._tell(TurnFailed(item_id=item, error=answer, at=due), due)
        elif isinstance(answer, Exception):
            await self._tell(answer, due)
        else:
            text = answer if isinstance(answer, str) else answer.text
            words = text.split(" ")
            for count in range(1, len(words)):
                delta, sofar = words[count - 1] + " ", " ".join(words[:count]) + " "
                partial = TurnPartial(item_id=item, delta=delta, text=sofar, at=due)
                await self._tell(partial, due)
            await self._tell(TurnHeard(item_id=item, text=text, at=due), due)

    async def clear(self) -> None:
        """Forget the audio since the last turn.

        **Cancellation:** nothing was forgotten.
        """
        await trio.sleep(0)
        self._held = []
        self._speaking = False

    async def end_input(self) -> None:
        """Say that no more audio comes: what is left is a turn.

        Raises:
            ScriptExhausted: There is one, and the script is at its end.

        **Cancellation:** may be called again.
        """
        seconds = sum(chunk.duration for chunk in self._held)
        if self._speaking or (self._turns is None and seconds >= _LEAST_SECONDS):
            await self.commit()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __aiter__(self) -> ScriptedStream:
        return self

    async def __anext__(self) -> TranscriptionEvent:
        """The next event; stops after the last turn once the input has ended.

        Raises:
            Exception: What the script says.

        **Cancellation:** nothing is lost; may be called again.
        """
        async with self._changed:
            while not self._told and not self._ended:
                await self._changed.wait()
        if not self._told:
            raise StopAsyncIteration
        due, event = self._told[0]
        await trio.sleep(max(0.0, due - time.monotonic()))
        async with self._changed:
            self._changed.notify_all()
        self._told.popleft()
        if isinstance(event, Exception):
            raise event
        return event

    async def _tell(self, event: TranscriptionEvent | Exception, due: float = 0.0) -> None:
        async with self._changed:
            while len(self._told) >= _BUFFERED_EVENTS:
                await self._changed.wait()
            self._told.append((due, event))
            self._changed.notify_all()

    def _name(self) -> str:
        return f"item_{self._item + 1}"

    def _detector(self, chunk: AudioChunk, turns: ServerTurns) -> Vad:
        from voxloop.audio import Vad

        if self._vad is None:
            silence = turns.silence_duration_ms
            self._vad = Vad(
                sample_rate=chunk.sample_rate, silence_ms=500 if silence is None else silence
            )
        return self._vad
