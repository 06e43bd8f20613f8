"""A streamed run: one task listens and cuts turns, one answers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import trio

from voxloop._errors import ConfigError
from voxloop.agents import open_nursery
from voxloop.providers import SpeechToText, StreamingSpeechToText
from voxloop.voice.answer import Engines, text_of
from voxloop.voice.config import Speech
from voxloop.voice.input import StreamedAudioInput
from voxloop.voice.listening import Deliver, Ears, listen_by_hand, listen_locally
from voxloop.voice.speech import Run, hand_on
from voxloop.voice.streaming import listen_to_stream
from voxloop.voice.turnwork import HeardTurn, TurnWork

# Turns that wait while an answer is under way; then the input is held back.
_BUFFERED_TURNS = 8


@dataclass(frozen=True, slots=True)
class _Lost:
    """Listening failed; what was heard before is answered first."""

    error: Exception


_Heard: TypeAlias = HeardTurn | _Lost


def check_listening(engines: Engines) -> None:
    """Refuse settings that the recogniser cannot follow.

    Raises:
        ConfigError: It is no recogniser of streams, and one is needed.
    """
    detection, config = engines.config.turn_detection, engines.config
    if isinstance(engines.stt, StreamingSpeechToText):
        if detection.mode in ("server_vad", "semantic_vad") and config.stream_stt is False:
            raise ConfigError(f"mode={detection.mode!r} needs a stream: leave stream_stt out")
        return
    kind = type(engines.stt).__name__
    if detection.mode in ("server_vad", "semantic_vad"):
        raise ConfigError(
            f"{kind} does not find turns by itself: use TurnDetection(mode='local') or 'manual'"
        )
    if config.stream_stt:
        raise ConfigError(f"{kind} does not recognise streams: leave stream_stt out")


class Conversation:
    """Answers turn after turn of a stream."""

    def __init__(self, engines: Engines, run: Run, source: StreamedAudioInput) -> None:
        self._engines = engines
        self._run = run
        self._source = source
        self._work = TurnWork(engines, run)
        self._lost: Exception | None = None

    async def run(self) -> None:
        """Greet, then answer until the stream is closed and its last turn answered.

        Of two errors that of a turn is raised; one of listening, such as a session that could not
        be closed, is kept as its context.

        **Cancellation:** everything under way is cancelled.
        """
        try:
            await self._converse()
        except Exception as error:
            _keep(self._lost, behind=error)
            raise
        finally:
            self._lost = None  # its traceback holds the conversation, sockets included

    async def _converse(self) -> None:
        send, turns = trio.open_memory_channel[_Heard](_BUFFERED_TURNS)
        async with open_nursery() as nursery:
            nursery.start_soon(self._listen, send)
            async with turns:
                spoken = await greet(self._engines, self._work)
                while (heard := await self._next(turns, after_answer=spoken)) is not None:
                    if heard.overheard:
                        await self._work.drop(heard)
                        continue
                    await self._work.answer(heard, forgive=True)
                    spoken = True

    async def _next(
        self, turns: trio.MemoryReceiveChannel[_Heard], *, after_answer: bool
    ) -> HeardTurn | None:
        """The next turn to answer; None after the last."""
        hook = self._engines.hook("on_silence") if after_answer else None
        heard = None if hook is None else await self._unless_silent(turns, hook)
        try:
            waiting = [await turns.receive() if heard is None else heard]
        except trio.EndOfChannel:
            return None
        while self._run.config.queue_policy == "latest":
            try:
                waiting.append(turns.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        fresh = [turn for turn in waiting if isinstance(turn, HeardTurn)]
        for stale in fresh[:-1]:
            await self._work.drop(stale)
        for turn in waiting:
            if isinstance(turn, _Lost):
                if fresh:
                    await self._work.answer(fresh[-1], forgive=True)
                raise turn.error
        return fresh[-1]

    async def _unless_silent(
        self, turns: trio.MemoryReceiveChannel[_Heard], hook: Speech
    ) -> _Heard | None:
        """The next turn, or None once the user was silent and has been spoken to."""
        floor = self._run.floor
        with trio.move_on_after(max(0.0, floor.silence_left(self._run.config.silence_seconds))):
            try:
                return await turns.receive()
            except trio.EndOfChannel:
                return None
        if not floor.user_active:
            await self._work.say(_speech(hook), turn_id=floor.next_id())
        return None

    async def _listen(self, turns: trio.MemorySendChannel[_Heard]) -> None:
        async with turns:
            try:
                # Where answering has failed, its error is on its way, and nobody takes turns.
                await self._hear(partial(hand_on, turns))
            except Exception as error:
                self._lost = error
                self._run.floor.input_ended()
                await hand_on(turns, _Lost(error))
            finally:
                self._run.floor.input_ended()

    async def _hear(self, deliver: Deliver) -> None:
        config, stt = self._engines.config, self._engines.stt
        detection = config.turn_detection
        streamed = config.stream_stt
        if streamed is None:
            streamed = detection.mode in ("server_vad", "semantic_vad")
            streamed = streamed or not isinstance(stt, SpeechToText)
        ears = Ears(self._run, deliver, streamed=streamed)
        if streamed and isinstance(stt, StreamingSpeechToText):
            await listen_to_stream(
                self._source, ears, stt=stt, settings=config.stt, detection=detection
            )
        elif detection.mode == "manual":
            await listen_by_hand(self._source, ears, detection)
        else:
            await listen_locally(self._source, ears, detection)


async def greet(engines: Engines, work: TurnWork) -> bool:
    """Say the workflow's greeting as turn 0; False if it has none."""
    greeting: object = getattr(engines.workflow, "greeting", None)
    on_start = getattr(engines.workflow, "on_start", None)
    if callable(on_start):
        await work.say(on_start, turn_id=0)
    elif callable(greeting):
        await work.say(greeting, turn_id=0)
    elif greeting:

        async def words() -> object:
            return greeting

        await work.say(words, turn_id=0)
    else:
        return False
    return True


def _keep(error: Exception | None, *, behind: BaseException) -> None:
    """Put `error` at the end of the chain of contexts that begins with `behind`."""
    last = behind
    # That tasks beside the one that failed were cancelled tells nobody anything.
    while last is not error and not isinstance(last.__context__, trio.Cancelled | None):
        last = last.__context__
    if last is not error:
        last.__context__ = error


def _speech(speech: Speech) -> Callable[[], object]:
    if callable(speech):
        return speech

    async def words() -> str:
        return await text_of(speech)

    return words
