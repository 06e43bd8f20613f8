"""One turn after the other: what was heard is answered, failures are told, words are not lost."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import trio

from voxloop._errors import VoxloopError
from voxloop.audio import AudioChunk
from voxloop.voice.answer import Answer, Engines, text_of
from voxloop.voice.events import TranscriptEvent, TurnStatus
from voxloop.voice.floor import OpenTurn
from voxloop.voice.metrics import TurnClock
from voxloop.voice.speech import Run
from voxloop.voice.turns import find_speech

Work: TypeAlias = Callable[[Answer, OpenTurn], Awaitable[TurnStatus]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardTurn:
    """What the user said in one turn: sound, words, or why there are none.

    Attributes:
        turn_id: The turn.
        recording: A recording in which speech is still to be found.
        audio: Speech that is to be transcribed.
        text: Words that a recogniser of streams has found.
        error: Why it could not be transcribed.
        end_of_speech: When speech ended, in seconds of `time.monotonic`.
        end_of_turn: When that was certain; None for a recording.
        heard_at: When the words were there.
        overheard: It was said during an answer, too briefly to break it off, and is not answered.
    """

    turn_id: int
    recording: AudioChunk | None = None
    audio: AudioChunk | None = None
    text: str | None = None
    error: VoxloopError | None = None
    end_of_speech: float
    end_of_turn: float | None = None
    heard_at: float | None = None
    overheard: bool = False


class TurnWork:
    """Runs the turns of one run."""

    def __init__(self, engines: Engines, run: Run) -> None:
        self._engines = engines
        self._run = run
        self._carried = ""

    async def answer(self, heard: HeardTurn, *, forgive: bool) -> None:
        """Answer one turn.

        Args:
            heard: What was said.
            forgive: Whether an error that may pass costs this turn only.

        **Cancellation:** the turn stays open; the run closes it.
        """
        clock = _clock(heard)

        async def work(answer: Answer, turn: OpenTurn) -> TurnStatus:
            return await self._respond(heard, answer, turn)

        def forgivable(error: Exception) -> bool:
            if error is heard.error:
                return True  # the recogniser goes on by itself
            return forgive and isinstance(error, VoxloopError) and error.retryable

        await self._turn(clock, work, forgivable)

    async def say(self, function: Callable[[], object], *, turn_id: int) -> None:
        """Say something of one's own accord; only a lasting failure of the engines is raised.

        **Cancellation:** the turn stays open; the run closes it.
        """

        async def work(answer: Answer, turn: OpenTurn) -> TurnStatus:
            with turn.answer_scope:
                await answer.speak(function)
            return "ok"

        def forgivable(error: Exception) -> bool:
            # One of the user's own that fails does not keep callers from being heard.
            return not isinstance(error, VoxloopError) or error.retryable

        await self._turn(TurnClock(turn_id), work, forgivable)

    async def drop(self, heard: HeardTurn) -> None:
        """Tell of a turn that is not answered."""
        await self._run.output.start_turn(_clock(heard))
        await self._run.output.end_turn("dropped")

    async def _turn(
        self, clock: TurnClock, work: Work, forgivable: Callable[[Exception], bool]
    ) -> None:
        output, floor = self._run.output, self._run.floor
        await output.start_turn(clock)
        turn = floor.open(clock.turn_id)
        try:
            status: TurnStatus = "interrupted"
            with turn.scope:
                answer = Answer(self._engines, self._run, turn=turn, clock=clock)
                status = await work(answer, turn)
        except Exception as error:
            if self._engines.config.on_error == "speak" and not turn.voice_failed:
                await output.report(error)
                await self._apologise(turn, clock)
                await output.end_turn("failed")
            elif forgivable(error):
                await output.fail_turn(error)
            else:
                raise
        else:
            await output.end_turn("interrupted" if turn.interrupted else status)
        finally:
            floor.close()

    async def _respond(self, heard: HeardTurn, answer: Answer, turn: OpenTurn) -> TurnStatus:
        if heard.error is not None:
            raise heard.error
        text = await self._words(heard, answer)
        if text is None:
            return "no_speech"
        told = TranscriptEvent(text=text, turn_id=turn.turn_id, at=time.monotonic())
        await self._run.output.emit(told)
        whole = " ".join(part for part in (self._carried, text) if part)
        if turn.interrupted:
            self._carried = whole  # more is being said: it belongs together
            return "interrupted"
        self._carried = ""
        if not whole:
            return "no_speech"
        with turn.answer_scope:
            await answer.speak(self._engines.workflow.run, whole)
        return "ok"

    async def _words(self, heard: HeardTurn, answer: Answer) -> str | None:
        """What was said; None if nobody spoke in a recording."""
        if heard.text is not None:
            answer.mark("transcript", at=heard.heard_at)
            return heard.text.strip()
        audio = heard.audio
        if heard.recording is not None:
            detection = self._engines.config.turn_detection
            audio = await find_speech(heard.recording, detection)
            answer.mark("end_of_turn")
        return None if audio is None else await answer.transcribe(audio)

    async def _apologise(self, turn: OpenTurn, clock: TurnClock) -> None:
        text = self._engines.config.error_text
        if turn.interrupted or not text:
            return

        async def words() -> str:
            return await text_of(text)

        turn.answer_scope = trio.CancelScope()
        with turn.answer_scope:
            await Answer(self._engines, self._run, turn=turn, clock=clock).speak(words)


def _clock(heard: HeardTurn) -> TurnClock:
    clock = TurnClock(heard.turn_id)
    clock.mark("end_of_speech", at=heard.end_of_speech)
    if heard.end_of_turn is not None:
        clock.mark("end_of_turn", at=heard.end_of_turn)
    return clock
