"""Who hears the user: turns end by local detection or by hand, and are transcribed whole."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from voxloop._errors import VoxloopError
from voxloop.audio import AudioChunk, concat
from voxloop.voice.config import TurnDetection
from voxloop.voice.events import ErrorEvent, SpeechStartedEvent, SpeechStoppedEvent, TranscriptEvent
from voxloop.voice.input import Committed, Pushed, StreamedAudioInput
from voxloop.voice.recording import LEAST_TURN_SECONDS
from voxloop.voice.speech import Run
from voxloop.voice.turns import SpeechBegan, TurnDetector, Utterance
from voxloop.voice.turnwork import HeardTurn

Deliver: TypeAlias = Callable[[HeardTurn], Awaitable[None]]
"""Takes a turn; waits while too many wait to be answered."""


class Ears:
    """What listeners tell of: the user's speech, as events and to whoever has the floor."""

    def __init__(self, run: Run, deliver: Deliver, *, streamed: bool = False) -> None:
        self._run = run
        self._deliver = deliver
        self._streamed = streamed
        self._aside = False
        self._certain = False

    def new_turn(self) -> int:
        """A turn begins without speech being detected."""
        self._run.floor.user_active = True
        turn_id = self._run.floor.next_id()
        if self._streamed:
            self._tell("voice.stt.start", {"at": time.monotonic()}, turn_id)
        return turn_id

    async def started(self, at: float) -> int:
        """Speech begins: the number of its turn."""
        turn_id = self.new_turn()
        self._aside = self._run.floor.answering and self._run.config.short_speech == "drop"
        self._certain = False
        await self._run.output.tell(SpeechStartedEvent(turn_id=turn_id, at=at))
        return turn_id

    def certain(self, speech_ms: float) -> None:
        """So much has been spoken in the turn under way."""
        if speech_ms >= self._run.config.interrupt_after_ms:
            self.speaks()

    def speaks(self) -> None:
        """The user speaks, without doubt."""
        self._certain = True
        self._run.floor.user_speaks()

    @property
    def overheard(self) -> bool:
        """Whether the speech that has just ended was an aside, which nobody is to answer."""
        return self._aside and not self._certain

    def spoke(self) -> None:
        """The user has said a whole turn, without it being known before."""
        self._run.floor.user_speaks()
        self._run.floor.user_stopped()

    async def stopped(self, turn_id: int, at: float, *, quiet: bool = True) -> None:
        """Speech of a turn has ended; `quiet` unless that of another one goes on."""
        if quiet:
            self._run.floor.user_stopped()
        await self._run.output.tell(SpeechStoppedEvent(turn_id=turn_id, at=at))

    async def partial(self, turn_id: int, text: str, at: float) -> None:
        """So much of a turn has been understood."""
        words = self._run.probe.text(text)
        self._tell("voice.stt.partial", {"chars": len(text)}, turn_id, text=words)
        told = TranscriptEvent(text=text, turn_id=turn_id, final=False, at=at)
        await self._run.output.tell(told)

    def nothing(self) -> None:
        """What began as a turn was too short to be one."""
        self._run.floor.user_active = False

    async def heard(self, turn: HeardTurn) -> None:
        """A turn is over."""
        probe = self._run.probe
        waited = (turn.heard_at or 0.0) - (turn.end_of_turn or 0.0)
        if turn.text is not None:
            measured = {"duration_ms": waited * 1000, "chars": len(turn.text)}
            told = probe.text(turn.text.strip())
            self._tell("voice.stt.complete", measured, turn.turn_id, text=told)
        elif turn.error is not None:
            model = self._run.config.stt.model
            probe.fail("voice.stt.error", turn.error, waited, turn_id=turn.turn_id, model=model)
        await self._deliver(turn)
        self._run.floor.user_active = False

    async def trouble(self, error: VoxloopError, at: float) -> None:
        """The recogniser complains of something that belongs to no turn, and goes on."""
        probe = self._run.probe
        probe.fail("voice.stt.error", error, 0.0, model=self._run.config.stt.model)
        await self._run.output.tell(ErrorEvent(error=error, turn_id=None, at=at))

    def _tell(
        self, name: str, measured: dict[str, float], turn_id: int, *, text: str | None = None
    ) -> None:
        model = self._run.config.stt.model
        self._run.probe.emit(name, measured, turn_id=turn_id, model=model, text=text)


async def listen_locally(source: StreamedAudioInput, ears: Ears, detection: TurnDetection) -> None:
    """Cut turns by local detection until the stream is closed.

    **Cancellation:** what is being said is lost.
    """
    detector = TurnDetector(sample_rate=source.sample_rate, detection=detection)
    step = detector.slice_frames
    turn_id = 0

    async def tell(found: list[SpeechBegan | Utterance]) -> None:
        nonlocal turn_id
        for what in found:
            if isinstance(what, SpeechBegan):
                turn_id = await ears.started(what.at)
            else:
                await ears.stopped(turn_id, what.end_of_turn)
                await ears.heard(
                    HeardTurn(
                        turn_id=turn_id,
                        audio=what.audio,
                        end_of_speech=what.end_of_speech,
                        end_of_turn=what.end_of_turn,
                        overheard=ears.overheard,
                    )
                )

    while (taken := await source.receive()) is not None:
        if isinstance(taken, Committed):
            await tell(detector.flush(at=taken.at))
            continue
        for first in range(0, taken.chunk.frames, step):
            part = Pushed(taken.chunk[first : first + step], taken.at)
            found = detector.process(part)
            ears.certain(detector.speech_ms)
            await tell(found)
    await tell(detector.flush(at=time.monotonic()))


async def listen_by_hand(source: StreamedAudioInput, ears: Ears, detection: TurnDetection) -> None:
    """Cut turns where the application commits until the stream is closed.

    **Cancellation:** what is being said is lost.
    """
    held: list[AudioChunk] = []
    frames, last_at, turn_id = 0, 0.0, 0
    least = round(LEAST_TURN_SECONDS * source.sample_rate)
    most = round(detection.max_turn_seconds * source.sample_rate)

    async def end(at: float) -> None:
        nonlocal held, frames
        said, held = held, []
        enough, frames = frames >= least, 0
        if not enough:
            ears.nothing()
            return
        ears.spoke()
        await ears.heard(
            HeardTurn(turn_id=turn_id, audio=concat(said), end_of_speech=last_at, end_of_turn=at)
        )

    while (taken := await source.receive()) is not None:
        if isinstance(taken, Committed):
            await end(taken.at)
            continue
        if not held:
            turn_id = ears.new_turn()
        held.append(taken.chunk)
        frames += taken.chunk.frames
        last_at = taken.at
        if frames >= most:
            await end(taken.at)
    await end(time.monotonic())
