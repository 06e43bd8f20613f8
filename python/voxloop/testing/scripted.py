"""Engines that follow a script: speech to text, text to speech and a language model."""

from __future__ import annotations

import array
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import trio

from voxloop._errors import ConfigError
from voxloop.providers import (
    LanguageModel,
    ModelDone,
    ModelEvent,
    ModelRequest,
    RealtimeTarget,
    RealtimeTransport,
    ServerTurns,
    SpeechToText,
    STTSettings,
    TextDelta,
    TextDone,
    TextToSpeech,
    ToolCall,
    Transcript,
    TTSSettings,
)
from voxloop.testing.scripted_stream import Answer, ScriptedStream

if TYPE_CHECKING:
    from voxloop.audio import AudioChunk

TTS_RATE = 24_000


class ScriptExhausted(AssertionError):
    """A scripted engine was called more often than its script has answers."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait `seconds` at this point of a script."""

    seconds: float


ModelStep: TypeAlias = "ModelEvent | str | Pause | Exception | Callable[[ModelRequest], ModelEvent]"
"""One step of a scripted response; a string is said in one delta, an exception is raised."""


def call(name: str, /, *, call_id: str = "", **arguments: object) -> ToolCall:
    """A tool call with `arguments` as its JSON."""
    return ToolCall(call_id=call_id or f"call_{name}", name=name, arguments=json.dumps(arguments))


class ScriptedLLM:
    """A language model whose responses are written down.

    Args:
        responses: One sequence of steps for each response, or a string for one that says it.
            `ModelDone` is added where a response does not end with one.

    Attributes:
        requests: All requests so far, in order.
    """

    def __init__(self, *responses: str | Sequence[ModelStep]) -> None:
        self._script = deque((r,) if isinstance(r, str) else tuple(r) for r in responses)
        self.requests: list[ModelRequest] = []
        self.open_streams = 0

    @property
    def remaining(self) -> int:
        """Responses that were not asked for."""
        return len(self._script)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Open the next response of the script.

        Raises:
            ScriptExhausted: There is none.

        **Cancellation:** the response is used up.
        """
        if not self._script:
            raise ScriptExhausted(f"no response left for request {len(self.requests) + 1}")
        self.requests.append(request)
        steps = self._script.popleft()
        stream = _play(steps, request)
        self.open_streams += 1
        try:
            yield stream
        finally:
            self.open_streams -= 1
            await stream.aclose()


async def _play(
    steps: tuple[ModelStep, ...], request: ModelRequest
) -> AsyncGenerator[ModelEvent, None]:
    said = ""
    for step in (*steps, *(() if _ends(steps) else (ModelDone(),))):
        await trio.sleep(step.seconds if isinstance(step, Pause) else 0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Pause):
            continue
        if isinstance(step, str):
            event: ModelEvent = TextDelta(step)
        elif callable(step):
            event = step(request)
        else:
            event = step
        if isinstance(event, TextDelta):
            said += event.text
        elif said and not isinstance(event, TextDone):
            yield TextDone(said)
            said = ""
        elif isinstance(event, TextDone):
            said = ""
        yield event


def _ends(steps: tuple[ModelStep, ...]) -> bool:
    return bool(steps) and isinstance(steps[-1], (ModelDone, Exception))


class ScriptedSTT:
    """A recogniser whose transcripts are written down, for recordings and for streams.

    Args:
        answers: Text, a `Transcript`, or an exception to raise, one for each call or turn.
        delay: Seconds that each call takes, or each turn of a stream.

    Attributes:
        heard: Audio of all calls and turns so far, in order.
        settings: Settings of all calls and streams so far.
        turns: How the turns of each stream so far were to be found.
        open_streams: Streams that are open now.
    """

    def __init__(self, *answers: str | Transcript | Exception, delay: float = 0.0) -> None:
        self._script = deque(answers)
        self._delay = delay
        self.heard: list[AudioChunk] = []
        self.settings: list[STTSettings] = []
        self.turns: list[ServerTurns | None] = []
        self.open_streams = 0

    @property
    def remaining(self) -> int:
        """Answers that were not asked for."""
        return len(self._script)

    async def transcribe(self, chunk: AudioChunk, settings: STTSettings) -> Transcript:
        """Give the next transcript of the script.

        Raises:
            ScriptExhausted: There is none.

        **Cancellation:** the answer is used up.
        """
        self.settings.append(settings)
        answer = self._next(chunk)
        await trio.sleep(self._delay)
        if isinstance(answer, Exception):
            raise answer
        return Transcript(text=answer) if isinstance(answer, str) else answer

    @asynccontextmanager
    async def open_transcription(
        self, settings: STTSettings, *, turns: ServerTurns | None
    ) -> AsyncIterator[ScriptedStream]:
        """Open a stream that gives the next transcript of the script for each turn.

        **Cancellation:** the stream is closed.
        """
        await trio.sleep(0)
        self.settings.append(settings)
        self.turns.append(turns)
        self.open_streams += 1
        try:
            yield ScriptedStream(self._next, turns, self._delay)
        finally:
            self.open_streams -= 1

    def _next(self, chunk: AudioChunk) -> Answer:
        self.heard.append(chunk)
        if not self._script:
            raise ScriptExhausted(f"no transcript left for call {len(self.heard)}")
        return self._script.popleft()


@dataclass(slots=True)
class ScriptedTTS:
    """A voice that says how long, in what pieces and when it fails.

    Segment number n (from 1) sounds as a square wave of amplitude ``100 * n``, so that order and
    completeness can be read from the samples.

    Attributes:
        seconds_per_char: Length of the audio.
        chunk_ms: Audio in each chunk.
        delay: Seconds before the first chunk, or a callable from the text to seconds.
        chunk_delay: Seconds between chunks.
        failures: Text of a segment to the exception that it raises after its first chunk.
        texts: What was asked for, in the order in which synthesis started.
        settings: Settings of all calls so far.
        in_flight: Streams that are open now.
        most_in_flight: Most that were ever open at once.
    """

    seconds_per_char: float = 0.01
    chunk_ms: int = 50
    delay: float | Callable[[str], float] = 0.0
    chunk_delay: float = 0.0
    failures: Mapping[str, Exception] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    settings: list[TTSSettings] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    @asynccontextmanager
    async def synthesize(
        self, text: str, settings: TTSSettings
    ) -> AsyncIterator[AsyncIterator[AudioChunk]]:
        """Open the audio of `text`.

        **Cancellation:** the stream ends.
        """
        self.texts.append(text)
        self.settings.append(settings)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        stream = self._speak(text, len(self.texts))
        try:
            yield stream
        finally:
            self.in_flight -= 1
            await stream.aclose()

    async def _speak(self, text: str, number: int) -> AsyncGenerator[AudioChunk, None]:
        from voxloop.audio import AudioChunk, Format

        await trio.sleep(self.delay(text) if callable(self.delay) else self.delay)
        frames = self.frames(text)
        step = TTS_RATE * self.chunk_ms // 1000
        amplitude = 100 * number
        for first in range(0, frames, step):
            count = min(step, frames - first)
            samples = array.array("h", (amplitude, -amplitude)) * ((count + 1) // 2)
            yield AudioChunk(samples[:count].tobytes(), Format(TTS_RATE))
            if text in self.failures:
                raise self.failures[text]
            await trio.sleep(self.chunk_delay)

    def frames(self, text: str) -> int:
        """Length of the audio of `text` in frames at 24,000 Hz."""
        return max(1, round(len(text) * self.seconds_per_char * TTS_RATE))


class ScriptedProvider:
    """A provider made of scripted engines; it has no realtime side."""

    def __init__(
        self,
        *,
        stt: SpeechToText | None = None,
        tts: TextToSpeech | None = None,
        llm: LanguageModel | None = None,
    ) -> None:
        self._stt = ScriptedSTT() if stt is None else stt
        self._tts = ScriptedTTS() if tts is None else tts
        self._llm = ScriptedLLM() if llm is None else llm
        self.warmed_up = 0

    def realtime(self, target: RealtimeTarget) -> AbstractAsyncContextManager[RealtimeTransport]:
        """Refuse.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"the scripted provider has no realtime engine for {target.model!r}")

    def speech_to_text(self) -> SpeechToText:
        """The scripted recogniser."""
        return self._stt

    def text_to_speech(self) -> TextToSpeech:
        """The scripted voice."""
        return self._tts

    def language_model(self) -> LanguageModel:
        """The scripted model."""
        return self._llm

    async def warm_up(self) -> None:
        """Count the call.

        **Cancellation:** may be called again.
        """
        await trio.sleep(0)
        self.warmed_up += 1
