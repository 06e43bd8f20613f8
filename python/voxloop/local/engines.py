"""The engines of this process: each loaded once, on first use, in a worker thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import trio

from voxloop.local.embed import MiniLm
from voxloop.local.router import Router
from voxloop.local.stt import MoonshineSpeechToText
from voxloop.local.tts import HibariTextToSpeech

__all__ = ["ROUTER", "SPEECH_TO_TEXT", "TEXT_TO_SPEECH", "Engines", "load_engines", "run_inference"]

T = TypeVar("T")

_THREADS: Final = 2
_limiters: weakref.WeakKeyDictionary[trio.CapacityLimiter, trio.CapacityLimiter] = (
    weakref.WeakKeyDictionary()
)


class _Once(Generic[T]):
    """A value made on first use and kept for the life of the process. Thread-safe."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        """The value; blocks while it is being made. After a failure the next call tries again."""
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value

    async def load(self) -> T:
        """The value, made in a worker thread if need be.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.

        **Cancellation:** the loading goes on in its thread and serves the next call.
        """
        if self._value is not None:
            return self._value
        # Not under the limiter of run_inference: loading is done once and must not wait for speech.
        return await trio.to_thread.run_sync(self.get, abandon_on_cancel=True)


@dataclass(frozen=True, slots=True)
class Engines:
    """The loaded engines.

    Attributes:
        speech_to_text: Recogniser.
        text_to_speech: Voice.
        router: Deterministic agent.
    """

    speech_to_text: MoonshineSpeechToText
    text_to_speech: HibariTextToSpeech
    router: Router


def _load_router() -> Router:
    router = Router(MiniLm.load())
    router.prepare(())  # the phrases that no tool is meant for; the tools' own come with the tools
    return router


SPEECH_TO_TEXT: Final = _Once(MoonshineSpeechToText.load)
TEXT_TO_SPEECH: Final = _Once(HibariTextToSpeech.load)
ROUTER: Final = _Once(_load_router)


async def load_engines() -> Engines:
    """Load all engines, side by side. Takes some two seconds the first time, nothing afterwards.

    Raises:
        MissingExtra: The extra ``local`` is not installed.
        ModelFileError: A model file is absent or altered.

    **Cancellation:** what has been begun goes on in its thread and serves the next call.
    """
    failures: list[Exception] = []

    async def load(
        engine: _Once[MoonshineSpeechToText] | _Once[HibariTextToSpeech] | _Once[Router],
    ) -> None:
        try:
            await engine.load()
        except Exception as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load, SPEECH_TO_TEXT)
        nursery.start_soon(load, TEXT_TO_SPEECH)
        nursery.start_soon(load, ROUTER)
    if failures:
        raise failures[0]
    return Engines(SPEECH_TO_TEXT.get(), TEXT_TO_SPEECH.get(), ROUTER.get())


async def run_inference(function: Callable[[], T]) -> T:
    """Run blocking inference in a worker thread, at most two at once in one trio run.

    **Cancellation:** the thread finishes by itself, keeps its place until then, and its result is
    dropped.
    """
    return await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=_limiter())


def _limiter() -> trio.CapacityLimiter:
    """The limiter of this trio run."""
    # The default limiter is one per run, so it serves as the key. One limiter for the process would
    # lose a place for each thread that outlives its run: there is no run left to give it back in.
    key = trio.to_thread.current_default_thread_limiter()
    limiter = _limiters.get(key)
    if limiter is None:
        limiter = _limiters[key] = trio.CapacityLimiter(_THREADS)
    return limiter
