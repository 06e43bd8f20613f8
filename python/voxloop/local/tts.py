"""Text to speech: Hibari, one American English voice ("heart") at 24 kHz.

Hibari is a small network distilled from Kokoro-82M with its own pronunciation lexicon; it reads out
numbers, times, units and amounts of money by itself. The whole of it runs on one thread, at some
fifty times real time.

There is one voice. OpenAI's voice names are accepted and answered by the same voice at a slightly
different pace, so that programs written for that API run unchanged; nobody should expect them to
sound like the originals.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from voxloop._errors import ConfigError, TextToSpeechError
from voxloop.local import models
from voxloop.local.chunking import split_clauses

__all__ = ["SAMPLE_RATE", "VOICES", "HibariTextToSpeech", "Pcm16"]

Pcm16 = npt.NDArray[np.int16]

SAMPLE_RATE: Final = 24_000
SLOWEST: Final = 0.5
FASTEST: Final = 2.0

VOICES: Final = MappingProxyType(
    {
        "heart": 1.0,
        "alloy": 1.0,
        "ash": 0.96,
        "ballad": 0.93,
        "cedar": 0.95,
        "coral": 1.05,
        "echo": 0.98,
        "fable": 1.03,
        "marin": 1.0,
        "nova": 1.06,
        "onyx": 0.94,
        "sage": 0.97,
        "shimmer": 1.04,
        "verse": 1.02,
    }
)
"""Accepted voice names and the pace each stands for; all are the one voice "heart"."""


class _Synthesizer(Protocol):
    """What is used of ``hibari.Hibari``."""

    def __call__(
        self, text: str, speed: float = 1.0, seed: int | None = None
    ) -> npt.NDArray[np.float32]: ...

    def split_sentences(self, text: str) -> list[str]: ...


class HibariTextToSpeech:
    """English speech, clause by clause. Thread-safe: one clause is synthesized at a time.

    Example:
        >>> engine = HibariTextToSpeech.load()                        # doctest: +SKIP
        >>> for pcm in engine.segments("Sunny, and 22 degrees."):     # doctest: +SKIP
        ...     play(pcm)
    """

    def __init__(self, synthesizer: _Synthesizer) -> None:
        self._synthesizer = synthesizer
        self._lock = threading.Lock()

    @classmethod
    def load(cls) -> HibariTextToSpeech:
        """Check and load the voice and the lexicon, and speak once.

        Takes one to two seconds, so use a worker thread.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.
        """
        model = models.verify(models.SPEECH_MODEL)
        models.verify(models.SPEECH_WORDS)
        engine = cls(_open_hibari(str(model)))
        for _ in engine.segments("Ready."):
            pass
        return engine

    def segments(
        self, text: str, *, voice: str | None = None, speed: float | None = None
    ) -> Iterator[Pcm16]:
        """Synthesize ``text``, one clause or sentence at a time.

        The first clause of a long sentence comes alone, so that sound starts early.

        Args:
            text: English text of any length.
            voice: A name of :data:`VOICES`; all are one voice at slightly different paces.
            speed: 0.5 (slow) to 2.0 (fast), times the pace of ``voice``.

        Yields:
            int16 of shape ``(frames,)``, mono, 24 kHz; nothing for text without a letter or digit.

        Raises:
            ConfigError: Unknown voice or a speed out of range.
            TextToSpeechError: The synthesizer failed.
        """
        return self._pieces(text, pace(voice=voice, speed=speed))

    def _pieces(self, text: str, speed: float) -> Iterator[Pcm16]:
        for clause in split_clauses(self._synthesizer.split_sentences(text)):
            try:
                with self._lock:
                    # The seed fixes the noise part: the same text is the same sound each time.
                    wave = self._synthesizer(clause, speed=speed, seed=0)
            except Exception as error:
                raise TextToSpeechError(
                    f"the local voice could not speak {clause[:80]!r}: {error}"
                ) from error
            if len(wave):
                yield np.rint(np.clip(wave, -1.0, 1.0) * 32767.0).astype(np.int16)


def pace(*, voice: str | None, speed: float | None) -> float:
    """The speed handed to the synthesizer for an OpenAI-style voice and speed, within 0.5..2.0.

    Raises:
        ConfigError: Unknown voice or a speed out of range.
    """
    name = "heart" if voice is None else voice.lower()
    if name not in VOICES:
        raise ConfigError(
            f"the local provider has no voice {voice!r}; use one of {', '.join(VOICES)} "
            "(all are one voice at slightly different paces)"
        )
    wanted = 1.0 if speed is None else speed
    if not SLOWEST <= wanted <= FASTEST:
        raise ConfigError(f"speed must be {SLOWEST} to {FASTEST} for the local voice, got {speed}")
    return min(max(VOICES[name] * wanted, SLOWEST), FASTEST)


def _open_hibari(model: str) -> _Synthesizer:
    """The one place that imports hibari."""
    try:
        # The constructor imports as well: onnxruntime, on first use.
        return cast("_Synthesizer", importlib.import_module("hibari").Hibari(model=model))
    except ImportError as error:
        raise models.missing_extra(error.name or models.SPEECH_MODEL.requirement) from error
