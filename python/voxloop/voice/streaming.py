"""Who hears the user, with a recogniser of streams: it gets sound while it is spoken."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from voxloop._errors import SpeechToTextError, VoxloopError
from voxloop.agents import open_nursery
from voxloop.providers import (
    ServerTurns,
    SpeechStarted,
    SpeechStopped,
    StreamError,
    StreamingSpeechToText,
    STTSettings,
    TranscriptionEvent,
    TranscriptionSession,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)
from voxloop.voice.config import TurnDetection
from voxloop.voice.input import Committed, Pushed, StreamedAudioInput
from voxloop.voice.listening import Ears
from voxloop.voice.recording import LEAST_TURN_SECONDS
from voxloop.voice.turns import SpeechBegan, TurnDetector, Utterance
from voxloop.voice.turnwork import HeardTurn


@dataclass(slots=True)
class _Spoken:
    """A turn whose words have not come yet."""

    turn_id: int
    speaking: bool = False
    start_ms: float | None = None
    stop_ms: float | None = None
    end_of_speech: float = 0.0
    end_of_turn: float = 0.0
    overheard: bool = False


async def listen_to_stream(
    source: StreamedAudioInput,
    ears: Ears,
    *,
    stt: StreamingSpeechToText,
    settings: STTSettings,
    detection: TurnDetection,
) -> None:
    """Recognise the stream until it is closed and its last turn has come.

    Raises:
        VoxloopError: The recogniser was lost.

    **Cancellation:** the recogniser's session is closed.
    """
    try:
        async with stt.open_transcription(settings, turns=server_turns(detection)) as session:
            if detection.mode in ("server_vad", "semantic_vad"):
                await _ServerTurns(source, ears, session).run()
            else:
                await _OwnTurns(source, ears, session, detection).run()
    except VoxloopError:
        raise
    except Exception as error:
        name = type(error).__name__
        raise SpeechToTextError(f"speech recognition failed: {name}") from error


def server_turns(detection: TurnDetection) -> ServerTurns | None:
    """The settings as the recogniser's server takes them; None where turns are found here."""
    if detection.mode == "semantic_vad":
        return ServerTurns(type="semantic_vad", eagerness=detection.eagerness)
    if detection.mode == "server_vad":
        return ServerTurns(
            type="server_vad",
            threshold=detection.threshold,
            prefix_padding_ms=detection.prefix_padding_ms,
            silence_duration_ms=detection.silence_duration_ms,
        )
    return None


class _ServerTurns:
    """The server says where turns begin and end."""

    def __init__(
        self, source: StreamedAudioInput, ears: Ears, session: TranscriptionSession
    ) -> None:
        self._source = source
        self._ears = ears
        self._session = session
        self._open: dict[str, _Spoken] = {}

    async def run(self) -> None:
        async with open_nursery() as nursery:
            nursery.start_soon(self._feed)
            async for event in self._session:
                await self._take(event)
            nursery.cancel_scope.cancel()

    async def _feed(self) -> None:
        while (taken := await self._source.receive()) is not None:
            if isinstance(taken, Pushed):
                await self._session.send(taken.chunk)
        await self._session.end_input()

    async def _take(self, event: TranscriptionEvent) -> None:
        match event:
            case SpeechStarted():
                if event.item_id not in self._open and not self._heard_again(event):
                    self._ears.speaks()
                    turn_id = await self._ears.started(event.at)
                    turn = _Spoken(turn_id, speaking=True, start_ms=event.audio_ms)
                    self._open[event.item_id] = turn
            case SpeechStopped():
                turn = self._turn(event.item_id)
                turn.speaking = False
                turn.stop_ms = event.audio_ms
                if not turn.end_of_turn:
                    turn.end_of_speech = turn.end_of_turn = event.at
                    await self._ears.stopped(turn.turn_id, event.at, quiet=self._quiet())
            case TurnPartial():
                turn_id = self._turn(event.item_id).turn_id
                await self._ears.partial(turn_id, event.text, event.at)
            case TurnHeard():
                await self._ears.heard(_result(self._end(event.item_id, event.at), event))
            case TurnFailed(item_id=None):
                await self._ears.heard(_result(_nameless(self._ears, event), event))
            case TurnFailed(item_id=item_id):
                await self._ears.heard(_result(self._end(item_id or "", event.at), event))
            case StreamError():
                await self._ears.trouble(event.error, event.at)

    def _heard_again(self, event: SpeechStarted) -> bool:
        """Whether it is speech that is known: after a lost connection it has another name."""
        for item_id, turn in self._open.items():
            if turn.speaking or _lies_in(event.audio_ms, turn):
                self._open[event.item_id] = self._open.pop(item_id)
                return True
        return False

    def _quiet(self) -> bool:
        return not any(turn.speaking for turn in self._open.values())

    def _turn(self, item_id: str) -> _Spoken:
        turn = self._open.get(item_id)
        if turn is None:  # speech that the server did not announce, as at the end of the input
            turn = self._open[item_id] = _Spoken(self._ears.new_turn())
        return turn

    def _end(self, item_id: str, at: float) -> _Spoken:
        """The turn is over, whether the server has said that its speech is or not."""
        turn = self._turn(item_id)
        del self._open[item_id]
        if not turn.end_of_turn:
            turn.end_of_speech = turn.end_of_turn = at
            if self._quiet():
                self._ears.spoke()
        return turn


class _OwnTurns:
    """Local detection or the application ends turns; only speech is sent."""

    def __init__(
        self,
        source: StreamedAudioInput,
        ears: Ears,
        session: TranscriptionSession,
        detection: TurnDetection,
    ) -> None:
        self._source = source
        self._ears = ears
        self._session = session
        self._detection = detection
        self._committed: deque[_Spoken] = deque()  # whose words come in this order
        self._open: _Spoken | None = None

    async def run(self) -> None:
        async with open_nursery() as nursery:
            by_hand = self._detection.mode == "manual"
            nursery.start_soon(self._feed_by_hand if by_hand else self._feed_by_detection)
            async for event in self._session:
                await self._take(event)
            nursery.cancel_scope.cancel()

    async def _feed_by_detection(self) -> None:
        rate = self._source.sample_rate
        detector = TurnDetector(sample_rate=rate, detection=self._detection)
        step = detector.slice_frames
        while (taken := await self._source.receive()) is not None:
            if isinstance(taken, Committed):
                await self._tell(detector.flush(at=taken.at))
                continue
            for first in range(0, taken.chunk.frames, step):
                found = detector.process(Pushed(taken.chunk[first : first + step], taken.at))
                self._ears.certain(detector.speech_ms)
                await self._tell(found)
                live = detector.take_live()
                if live is not None:
                    await self._session.send(live)
        await self._tell(detector.flush(at=time.monotonic()))
        await self._session.end_input()

    async def _tell(self, found: list[SpeechBegan | Utterance]) -> None:
        for what in found:
            if isinstance(what, SpeechBegan):
                self._open = _Spoken(await self._ears.started(what.at))
            elif self._open is not None:
                turn, self._open = self._open, None
                turn.end_of_speech, turn.end_of_turn = what.end_of_speech, what.end_of_turn
                turn.overheard = self._ears.overheard
                self._committed.append(turn)
                await self._ears.stopped(turn.turn_id, what.end_of_turn)
                if what.rest.frames:
                    await self._session.send(what.rest)
                await self._session.commit()

    async def _feed_by_hand(self) -> None:
        rate = self._source.sample_rate
        least, most = (
            round(s * rate) for s in (LEAST_TURN_SECONDS, self._detection.max_turn_seconds)
        )
        frames = 0
        while (taken := await self._source.receive()) is not None:
            if isinstance(taken, Pushed):
                if self._open is None:
                    self._open = _Spoken(self._ears.new_turn())
                self._open.end_of_speech = taken.at
                frames += taken.chunk.frames
                await self._session.send(taken.chunk)
                if frames < most:
                    continue
            await self._commit(enough=frames >= least, at=taken.at)
            frames = 0
        await self._commit(enough=frames >= least, at=time.monotonic())
        await self._session.end_input()

    async def _commit(self, *, enough: bool, at: float) -> None:
        turn, self._open = self._open, None
        if turn is None:
            return
        if not enough:
            self._ears.nothing()
            await self._session.clear()
            return
        turn.end_of_turn = at
        self._ears.spoke()
        self._committed.append(turn)
        await self._session.commit()

    async def _take(self, event: TranscriptionEvent) -> None:
        match event:
            case TurnPartial():
                # Words of a turn that is still being spoken, unless an older one waits for its.
                turn = self._committed[0] if self._committed else self._open
                if turn is not None:
                    await self._ears.partial(turn.turn_id, event.text, event.at)
            case TurnHeard() | TurnFailed() if self._committed:
                await self._ears.heard(_result(self._committed.popleft(), event))
            case TurnFailed():
                await self._ears.heard(_result(_nameless(self._ears, event), event))
            case StreamError():
                await self._ears.trouble(event.error, event.at)
            case _:
                pass  # a server's word on speech: it is judged here


def _lies_in(position_ms: float | None, turn: _Spoken) -> bool:
    """Whether speech that begins there is that of the turn; the next one begins behind it."""
    if position_ms is None or turn.start_ms is None or turn.stop_ms is None:
        return False
    return position_ms < (turn.start_ms + turn.stop_ms) / 2


def _nameless(ears: Ears, event: TurnFailed) -> _Spoken:
    """A turn that nobody knows more of than that it is lost."""
    return _Spoken(ears.new_turn(), end_of_speech=event.at, end_of_turn=event.at)


def _result(turn: _Spoken, event: TurnHeard | TurnFailed) -> HeardTurn:
    return HeardTurn(
        turn_id=turn.turn_id,
        text=event.text if isinstance(event, TurnHeard) else None,
        error=event.error if isinstance(event, TurnFailed) else None,
        end_of_speech=turn.end_of_speech,
        end_of_turn=turn.end_of_turn,
        heard_at=event.at,
        overheard=turn.overheard,
    )
