"""`Pipeline`: speech to text, workflow, text to speech, inside one block."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

from voxloop._errors import ConfigError, UseAfterClose
from voxloop._pool import in_use
from voxloop.providers import Provider, SpeechToText, StreamingSpeechToText, TextToSpeech
from voxloop.voice.answer import Engines
from voxloop.voice.config import Config, as_settings
from voxloop.voice.conversation import Conversation, check_listening, greet
from voxloop.voice.input import AudioInput, StreamedAudioInput
from voxloop.voice.result import Reply, Result, Stages, open_result
from voxloop.voice.speech import Run
from voxloop.voice.turnwork import HeardTurn, TurnWork
from voxloop.voice.workflow import Workflow


class Pipeline:
    """Answers speech with speech.

    Args:
        workflow: What answers; see `Workflow`.
        config: Settings, or a mapping of them as it comes from a file.
        provider: Gives recogniser, voice and language model; None takes `default_provider`.
        stt: A recogniser instead of the provider's.
        tts: A voice instead of the provider's.

    Raises:
        ConfigError: `workflow` has no ``run(text)``, an engine has not its methods, or a setting
            cannot be used.

    Example::

        async with voice.Pipeline(workflow, provider=voxloop.Local()) as pipeline:
            reply = await pipeline.run_to_end(voice.AudioInput(wav_bytes))
    """

    def __init__(
        self,
        workflow: Workflow,
        *,
        config: Config | Mapping[str, Any] | None = None,
        provider: Provider | None = None,
        stt: SpeechToText | StreamingSpeechToText | None = None,
        tts: TextToSpeech | None = None,
    ) -> None:
        if isinstance(workflow, type) or not callable(getattr(workflow, "run", None)):
            raise ConfigError(
                f"{type(workflow).__name__} has no run(text); wrap a function in SimpleWorkflow "
                "and an Agent in AgentWorkflow"
            )
        self._workflow = workflow
        self._config = as_settings("config", {} if config is None else config, Config)
        _check_engines(provider, stt, tts)
        self._provider = provider
        self._stt = stt
        self._tts = tts
        self._engines: Engines | None = None
        self._held: list[ExitStack] = []  # one for each time that it was entered

    async def __aenter__(self) -> Self:
        """Make the engines ready.

        Raises:
            AuthenticationError: No provider was given and there is no key.

        **Cancellation:** may be entered again.
        """
        with ExitStack() as held:
            held.enter_context(in_use())
            self._engines = self._engines or await self._open_engines()
            self._held.append(held.pop_all())
        return self

    async def _open_engines(self) -> Engines:
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
        stt: SpeechToText | StreamingSpeechToText | None = self._stt
        tts = self._tts
        if provider is not None:
            stt = provider.speech_to_text() if stt is None else stt
            tts = provider.text_to_speech() if tts is None else tts
        assert stt is not None  # noqa: S101 - a provider was found where one was missing
        assert tts is not None  # noqa: S101
        return Engines(stt=stt, tts=tts, workflow=self._workflow, config=self._config)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the use of the engines; runs have ended with their own blocks.

        Behind the last pipeline of the process, connections that were kept for a next request are
        closed as well.
        """
        held = self._held.pop() if self._held else ExitStack()  # left twice: nothing to do
        if not self._held:
            self._engines = None
        held.close()

    def run(
        self, source: AudioInput, *, greet: bool = False
    ) -> AbstractAsyncContextManager[Result]:
        """Answer one recording; the work goes on while the block is open.

        The turn ends when its sound has been read, whether it was played or not.

        Args:
            source: The recording; only its speech is transcribed.
            greet: Say the workflow's greeting first.

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

        async def stages(run: Run) -> None:
            await _single_turn(engines, source, run, greeting=greet)

        return self._result(stages)

    def run_streamed(self, source: StreamedAudioInput) -> AbstractAsyncContextManager[Result]:
        """Answer turn after turn of a stream until it is closed; a greeting comes first.

        A turn that fails in a way that may pass (``error.retryable``) is an `ErrorEvent`, and the
        run goes on; any other failure ends it, unless the settings say ``on_error="speak"``.

        What happens when the user speaks during an answer is `Config.queue_policy`. By default an
        answer lasts until it has been played: with `Result.report_playback` the application says
        how far that is, otherwise sound counts as played from the moment it was read.

        Args:
            source: The stream.

        Raises:
            UseAfterClose: The pipeline's block is not open.
            ConfigError: `source` is not a `StreamedAudioInput`, or the recogniser cannot do what
                the settings ask of it.
        """
        engines = self._open()
        if not isinstance(source, StreamedAudioInput):
            raise ConfigError(
                f"run_streamed() takes a StreamedAudioInput, not {type(source).__name__}; "
                "run() takes an AudioInput"
            )

        check_listening(engines)

        async def stages(run: Run) -> None:
            await Conversation(engines, run, source).run()

        return self._result(stages, yields=self._config.queue_policy == "interrupt")

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

    def _result(
        self, stages: Stages, *, yields: bool = False
    ) -> AbstractAsyncContextManager[Result]:
        agent = getattr(getattr(self._workflow, "agent", None), "name", None)
        return open_result(stages, config=self._config, yields=yields, agent=agent)


def _check_engines(provider: object, stt: object, tts: object) -> None:
    if provider is not None and not callable(getattr(provider, "speech_to_text", None)):
        raise ConfigError(
            f"{type(provider).__name__} is no provider; give voxloop.OpenAI(...), voxloop.Local() "
            "or an object of your own with the methods of Provider"
        )
    if stt is not None and not isinstance(stt, (SpeechToText, StreamingSpeechToText)):
        raise ConfigError(
            f"{type(stt).__name__} recognises no speech: it has neither transcribe() nor "
            "open_transcription(); a model's name goes into Config(stt=...)"
        )
    if tts is not None and not isinstance(tts, TextToSpeech):
        raise ConfigError(
            f"{type(tts).__name__} does not speak: it has no synthesize(); "
            "a model's name goes into Config(tts=...)"
        )


async def _single_turn(engines: Engines, source: AudioInput, run: Run, *, greeting: bool) -> None:
    work = TurnWork(engines, run)
    if greeting:
        await greet(engines, work)
    now = time.monotonic()
    heard = HeardTurn(turn_id=run.floor.next_id(), recording=source.chunk, end_of_speech=now)
    await work.answer(heard, forgive=False)
