"""`Pipeline`: speech to text, workflow, text to speech, inside one block."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import trio

from voxloop._errors import ConfigError, UseAfterClose, VoxloopError
from voxloop.agents import open_nursery
from voxloop.providers import Provider, SpeechToText, TextToSpeech
from voxloop.voice.answer import Answer, Engines
from voxloop.voice.config import Config
from voxloop.voice.input import AudioInput, Pushed, StreamedAudioInput
from voxloop.voice.metrics import TurnClock
from voxloop.voice.output import Output
from voxloop.voice.result import Reply, Result, Stages, open_result
from voxloop.voice.turns import TurnDetector, Utterance, find_speech
from voxloop.voice.workflow import Workflow

# Turns that wait while an answer is under way; then the input is held back.
_BUFFERED_TURNS = 8


class Pipeline:
    """Answers speech with speech.

    Args:
        workflow: What answers; see `Workflow`.
        config: Settings.
        provider: Gives recogniser, voice and language model; None takes `default_provider`.
        stt: A recogniser instead of the provider's.
        tts: A voice instead of the provider's.

    Raises:
        ConfigError: `workflow` has no ``run(text)``.

    Example::

        async with voice.Pipeline(workflow, provider=voxloop.Local()) as pipeline:
            reply = await pipeline.run_to_end(voice.AudioInput(wav_bytes))
    """

    def __init__(
        self,
        workflow: Workflow,
        *,
        config: Config | None = None,
        provider: Provider | None = None,
        stt: SpeechToText | None = None,
        tts: TextToSpeech | None = None,
    ) -> None:
        if isinstance(workflow, type) or not callable(getattr(workflow, "run", None)):
            raise ConfigError(
                f"{type(workflow).__name__} has no run(text); wrap a function in SimpleWorkflow "
                "and an Agent in AgentWorkflow"
            )
        self._workflow = workflow
        self._config = config or Config()
        self._provider = provider
        self._stt = stt
        self._tts = tts
        self._engines: Engines | None = None

    async def __aenter__(self) -> Self:
        """Make the engines ready.

        Raises:
            AuthenticationError: No provider was given and there is no key.

        **Cancellation:** may be entered again.
        """
        needed = self._stt is None or self._tts is None
        provider = self._provider
        if provider is None and (needed or getattr(self._workflow, "needs_provider", False)):
            # Loaded here: whoever brings a provider needs no HTTP client.
            from voxloop.providers import default_provider

            provider = default_provider()
        if provider is not None:
            await provider.warm_up()
            use_provider = getattr(self._workflow, "use_provider", None)
            if callable(use_provider):
                use_provider(provider)
        stt, tts = self._stt, self._tts
        if provider is not None:
            stt = provider.speech_to_text() if stt is None else stt
            tts = provider.text_to_speech() if tts is None else tts
        assert stt is not None  # noqa: S101 - a provider was found where one was missing
        assert tts is not None  # noqa: S101
        self._engines = Engines(stt=stt, tts=tts, workflow=self._workflow, config=self._config)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the use of the engines; runs have ended with their own blocks."""
        self._engines = None

    def run(self, source: AudioInput) -> AbstractAsyncContextManager[Result]:
        """Answer one recording; the work goes on while the block is open.

        Args:
            source: The recording; only its speech is transcribed.

        Raises:
            UseAfterClose: The pipeline's block is not open.
            ConfigError: `source` is not an `AudioInput`.
        """
        engines = self._open()
        if not isinstance(source, AudioInput):
            raise ConfigError(
                f"run() takes an AudioInput, not {type(source).__name__}; "
                "run_streamed() takes a StreamedAudioInput"
            )

        async def stages(output: Output) -> None:
            await _single_turn(engines, source, output)

        return self._result(stages)

    def run_streamed(self, source: StreamedAudioInput) -> AbstractAsyncContextManager[Result]:
        """Answer turn after turn of a stream until it is closed; a greeting comes first.

        A turn that fails in a way that may pass (``error.retryable``) is an `ErrorEvent`, and the
        run goes on; any other failure ends it.

        Args:
            source: The stream.

        Raises:
            UseAfterClose: The pipeline's block is not open.
            ConfigError: `source` is not a `StreamedAudioInput`.
        """
        engines = self._open()
        if not isinstance(source, StreamedAudioInput):
            raise ConfigError(
                f"run_streamed() takes a StreamedAudioInput, not {type(source).__name__}; "
                "run() takes an AudioInput"
            )

        async def stages(output: Output) -> None:
            await _Conversation(engines, source, output).run()

        return self._result(stages)

    async def run_to_end(self, source: AudioInput) -> Reply:
        """Answer one recording and wait for the whole answer.

        Raises:
            VoxloopError: See `Result`.

        **Cancellation:** the run is cancelled.
        """
        async with self.run(source) as result:
            return await result.collect()

    def _open(self) -> Engines:
        if self._engines is None:
            raise UseAfterClose("this pipeline is not open; use it inside 'async with Pipeline()'")
        return self._engines

    def _result(self, stages: Stages) -> AbstractAsyncContextManager[Result]:
        agent = getattr(self._workflow, "agent", None)
        return open_result(
            stages, workflow_name=self._config.workflow_name, agent=getattr(agent, "name", None)
        )


async def _single_turn(engines: Engines, source: AudioInput, output: Output) -> None:
    clock = TurnClock(1)
    clock.mark("end_of_speech")
    await output.start_turn(clock)
    speech = await find_speech(source.chunk, engines.config.turn_detection)
    clock.mark("end_of_turn")
    answered = speech is not None and await Answer(engines, output=output, clock=clock).to_speech(
        speech
    )
    await output.end_turn("ok" if answered else "no_speech")


class _Conversation:
    """A streamed run: one task listens and cuts turns, one answers them in order."""

    def __init__(self, engines: Engines, source: StreamedAudioInput, output: Output) -> None:
        self._engines = engines
        self._source = source
        self._output = output

    async def run(self) -> None:
        send, turns = trio.open_memory_channel[Utterance](_BUFFERED_TURNS)
        async with open_nursery() as nursery:
            nursery.start_soon(self._listen, send)
            async with turns:
                await self._greet()
                turn_id = 0
                async for utterance in turns:
                    turn_id += 1
                    await self._answer(utterance, turn_id)

    async def _listen(self, turns: trio.MemorySendChannel[Utterance]) -> None:
        detector = TurnDetector(
            sample_rate=self._source.sample_rate, detection=self._engines.config.turn_detection
        )
        step = detector.slice_frames
        async with turns:
            while (pushed := await self._source.receive()) is not None:
                for first in range(0, pushed.chunk.frames, step):
                    part = Pushed(pushed.chunk[first : first + step], pushed.at)
                    for utterance in detector.process(part):
                        await turns.send(utterance)
            for utterance in detector.flush(at=time.monotonic()):
                await turns.send(utterance)

    async def _greet(self) -> None:
        workflow = self._engines.workflow
        greeting = getattr(workflow, "greeting", None)
        on_start = getattr(workflow, "on_start", None)

        async def greet() -> str:
            return str(greeting)

        if not callable(on_start) and not greeting:
            return
        function: Callable[[], object] = on_start if callable(on_start) else greet
        clock = TurnClock(0)
        await self._output.start_turn(clock)
        try:
            answer = Answer(self._engines, output=self._output, clock=clock)
            await answer.to_text(function)
        except Exception as error:
            if isinstance(error, VoxloopError) and not error.retryable:
                raise
            # A greeting of the user's own that fails does not keep callers from being heard.
            await self._output.fail_turn(error)
        else:
            await self._output.end_turn("ok")

    async def _answer(self, utterance: Utterance, turn_id: int) -> None:
        clock = TurnClock(turn_id)
        clock.mark("end_of_speech", at=utterance.end_of_speech)
        clock.mark("end_of_turn", at=utterance.end_of_turn)
        await self._output.start_turn(clock)
        try:
            answer = Answer(self._engines, output=self._output, clock=clock)
            answered = await answer.to_speech(utterance.audio)
        except VoxloopError as error:
            if not error.retryable:
                raise
            await self._output.fail_turn(error)
        else:
            await self._output.end_turn("ok" if answered else "no_speech")
