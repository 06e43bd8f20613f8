"""One turn: speech to text, workflow, sentences, speech."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import trio

from voxloop._errors import (
    ApiError,
    ConfigError,
    NetworkError,
    SpeechToTextError,
    VoxloopError,
)
from voxloop.agents import (
    AgentDone,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    open_nursery,
)
from voxloop.audio import AudioChunk
from voxloop.providers import (
    SpeechToText,
    StreamingSpeechToText,
    STTSettings,
    TextToSpeech,
    Transcript,
)
from voxloop.voice.alignment import end_of
from voxloop.voice.config import Config, Speech
from voxloop.voice.floor import OpenTurn
from voxloop.voice.metrics import Mark, TurnClock
from voxloop.voice.playback import Segment
from voxloop.voice.recording import transcribe_whole
from voxloop.voice.report import report_handoff, report_tool
from voxloop.voice.speech import Run, Speaker, hand_on
from voxloop.voice.splitter import SentenceSplitter, is_speakable
from voxloop.voice.workflow import Workflow, open_items

# Segments of text that wait to be spoken; text is small, and a model that is ahead of the voice
# can already call its tools.
_BUFFERED_SEGMENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a pipeline runs on."""

    stt: SpeechToText | StreamingSpeechToText
    tts: TextToSpeech
    workflow: Workflow
    config: Config

    def hook(self, name: str) -> Speech | None:
        """What the settings or else the workflow say under `name`."""
        set_here: Speech | None = getattr(self.config, name)
        return getattr(self.workflow, name, None) if set_here is None else set_here


class Answer:
    """The stages of one open turn."""

    def __init__(self, engines: Engines, run: Run, *, turn: OpenTurn, clock: TurnClock) -> None:
        self._engines = engines
        self._run = run
        self._turn = turn
        self._clock = clock
        self._splitter = engines.config.splitter()
        # Ours cuts and changes nothing.
        self._rewords = not isinstance(self._splitter, SentenceSplitter)
        self._speaker = Speaker(engines.tts, run, turn=turn, clock=clock)
        self._chars = 0  # written by the workflow
        self._position = turn.playback.written_chars  # where the next segment begins in that
        self._written = trio.Event()
        self._over = trio.Event()
        self._voice: str | None = getattr(getattr(engines.workflow, "agent", None), "voice", None)

    def mark(self, name: Mark, *, at: float | None = None) -> None:
        """Note that a point of the turn was reached; default now."""
        self._clock.mark(name, at=at)

    async def transcribe(self, chunk: AudioChunk) -> str:
        """The words in `chunk`.

        Raises:
            SpeechToTextError: Recognition failed; a `VoxloopError` of the engine comes as it is.

        **Cancellation:** the request is given up.
        """
        settings, probe = self._engines.config.stt, self._run.probe
        known = {"turn_id": self._clock.turn_id, "model": settings.model}
        audio_ms = chunk.duration * 1000
        begun = time.monotonic()
        probe.emit("voice.stt.start", {"audio_ms": audio_ms}, **known, audio=probe.audio(chunk))
        try:
            text = await self._words(chunk, settings)
        except Exception as error:
            probe.fail("voice.stt.error", error, time.monotonic() - begun, **known)
            if isinstance(error, VoxloopError):
                raise
            name = type(error).__name__
            raise SpeechToTextError(f"speech recognition failed: {name}") from error
        self._clock.mark("transcript")
        measured = {"duration_ms": _since(begun), "audio_ms": audio_ms, "chars": len(text)}
        probe.emit("voice.stt.complete", measured, **known, text=probe.text(text))
        return text

    async def _words(self, chunk: AudioChunk, settings: STTSettings) -> str:
        stt = self._engines.stt
        if not isinstance(stt, SpeechToText):
            return await transcribe_whole(stt, chunk, settings)
        heard: object = await stt.transcribe(chunk, settings)
        if isinstance(heard, str):
            return heard.strip()
        if isinstance(heard, Transcript):
            return heard.text.strip()
        raise SpeechToTextError(
            f"{type(stt).__name__}.transcribe() gave {type(heard).__name__}; give a Transcript"
        )

    async def speak(self, function: Callable[..., object], *arguments: object) -> None:
        """Speak what a workflow function gives; where answers can be broken off, until played.

        Raises:
            TextToSpeechError: Synthesis failed.

        **Cancellation:** all stages are cancelled.
        """
        send, segments = trio.open_memory_channel[Segment](_BUFFERED_SEGMENTS)
        self._turn.begun = True
        filler = self._engines.hook("on_slow")
        async with open_nursery() as nursery:
            if filler is not None:
                nursery.start_soon(self._fill, send.clone(), filler)
            nursery.start_soon(self._work, send, function, arguments)
            await self._speaker.speak(segments)
            await self._run.floor.played(self._turn)
            self._over.set()

    async def _work(
        self,
        segments: trio.MemorySendChannel[Segment],
        function: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        probe, turn_id = self._run.probe, self._clock.turn_id
        begun, status = time.monotonic(), "failed"
        said = str(arguments[0]) if arguments else ""
        measured: dict[str, float] = {"chars": len(said)}
        probe.emit("voice.workflow.start", measured, turn_id=turn_id, text=probe.text(said))
        try:
            async with segments, open_items(function, *arguments) as items:
                self._turn.items = items
                failure = await self._take_all(items, segments, begun)
                await self._flush(segments)
                await segments.aclose()
                self._written.set()
                status = "ok" if failure is None else "failed"
                await self._wait_until_over()
                try:
                    if failure is not None:
                        raise failure
                finally:
                    del failure  # its traceback holds this frame
        finally:
            self._turn.items = None
            if self._turn.interrupted:
                status = "interrupted"
            measured = {"duration_ms": _since(begun), "chars": self._chars}
            probe.emit("voice.workflow.stop", measured, turn_id=turn_id, status=status)

    async def _take_all(
        self,
        items: AsyncIterator[object],
        segments: trio.MemorySendChannel[Segment],
        begun: float,
    ) -> Exception | None:
        """Take what the workflow gives; if its model is lost in the middle of a speech, why.

        What had been written by then is spoken first, as nobody likes to be cut off in a word.
        """
        try:
            async for item in items:
                await self._take(item, segments, begun)
        except (ApiError, NetworkError) as error:
            if not self._chars:
                raise
            return error
        return None

    async def _wait_until_over(self) -> None:
        """Keep the workflow open while it can be broken off."""
        try:
            await self._over.wait()
        except trio.Cancelled:
            if not self._turn.interrupted:  # the run ends: what was heard stays
                self._turn.tell_heard(self._turn.playback.heard(time.monotonic()).written)
            raise

    async def _take(
        self, item: object, segments: trio.MemorySendChannel[Segment], begun: float
    ) -> None:
        output, probe, turn_id = self._run.output, self._run.probe, self._clock.turn_id
        match item:
            case str() | AgentText():
                delta = item if isinstance(item, str) else item.delta
                if not delta:
                    return
                if not self._chars:
                    measured = {"duration_ms": _since(begun)}
                    probe.emit("voice.workflow.first_text", measured, turn_id=turn_id)
                    self._clock.mark("first_text")
                self._chars += len(delta)
                self._turn.playback.write(delta)
                await self._say(segments, self._splitter.push(delta))
            case AgentTextEnd() | AgentDone():
                await self._flush(segments)
            case AgentToolCall() | AgentToolResult():
                await self._flush(segments)
                await report_tool(item, turn_id, output, probe)
            case AgentHandoff():
                await self._flush(segments)
                self._voice = item.voice
                await report_handoff(item, turn_id, output, probe)
            case _:
                raise ConfigError(
                    f"a workflow gave {type(item).__name__}; give text or agent events"
                )

    async def _say(
        self,
        segments: trio.MemorySendChannel[Segment],
        ready: Iterable[str],
        *,
        ends_message: bool = False,
    ) -> None:
        """Hand on segments; the last ones of a message are set apart from the next one."""
        playback, waiting = self._turn.playback, deque([ready] if isinstance(ready, str) else ready)
        while waiting:
            text = waiting.popleft()
            if not isinstance(text, str):
                raise ConfigError(f"the splitter gave {type(text).__name__}; give a list of texts")
            start, end = self._position, self._position + len(text)
            if self._rewords:
                end = end_of(text, playback.written, start)
                if ends_message and not waiting:
                    end = playback.written_chars  # all of the message was in its segments
            self._position = end
            if is_speakable(text):
                apart = text + " " if ends_message and not text[-1].isspace() else text
                await hand_on(segments, Segment(apart, self._voice, start, end))

    async def _flush(self, segments: trio.MemorySendChannel[Segment]) -> None:
        await self._say(segments, self._splitter.flush(), ends_message=True)

    async def _fill(self, segments: trio.MemorySendChannel[Segment], filler: Speech) -> None:
        """Say something once if nothing has been heard for a while and the answer goes on."""
        patience = self._engines.config.slow_seconds
        quiet_from = time.monotonic()
        async with segments:
            while not self._written.is_set():
                if not self._speaker.idle:
                    quiet_from = time.monotonic()
                quiet_from = max(quiet_from, self._run.floor.clock.ends_at)
                left = quiet_from + patience - time.monotonic()
                if left <= 0:
                    break
                with trio.move_on_after(min(left, patience / 4)):
                    await self._written.wait()
            else:
                return
            text = await text_of(filler)
            if is_speakable(text) and not self._written.is_set():
                position = self._position  # not the workflow's: it takes no room there
                filled = Segment(text.rstrip() + " ", self._voice, position, position)
                await hand_on(segments, filled)


async def text_of(speech: Speech) -> str:
    """The text of a hook.

    **Cancellation:** a worker thread runs out unseen.
    """
    if isinstance(speech, str):
        return speech
    said = ""
    async with open_items(speech) as items:
        async for item in items:
            if isinstance(item, str):
                said += item
            elif isinstance(item, AgentTextEnd) and said and not said[-1].isspace():
                said += " "
    return said


def _since(begun: float) -> float:
    return (time.monotonic() - begun) * 1000
