"""What each model of the API can do, and which one is taken when none is named.

Models come and go; this table is the only place that knows their names. A name that is not in it
is looked up without its date, then taken as a model of the newest kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar

REALTIME_MODEL: Final = "gpt-realtime"
STT_MODEL: Final = "gpt-4o-transcribe"
TTS_MODEL: Final = "gpt-4o-mini-tts"
TTS_VOICE: Final = "ash"
LANGUAGE_MODEL: Final = "gpt-5.4-mini"

MAX_SPEECH_CHARACTERS: Final = 4096
"""Longest input of one request for speech."""
SPEECH_SAMPLE_RATE: Final = 24_000
"""Samples per second of ``pcm`` speech, mono, signed 16-bit little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechToTextModel:
    """What a transcription model takes.

    Attributes:
        language_list: ``languages[]`` with one entry instead of ``language``.
        prompt: Whether a prompt is taken.
        temperature: Whether a temperature is taken.
    """

    language_list: bool = False
    prompt: bool = True
    temperature: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TextToSpeechModel:
    """What a speech model takes.

    Attributes:
        instructions: Whether it follows instructions on how to speak.
    """

    instructions: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """What a language model takes.

    Attributes:
        effort: Lowest reasoning effort it has, the one with the shortest wait; None for a model
            that does not reason.
        verbosity: Whether it can be told to be brief.
    """

    effort: str | None = None
    verbosity: bool = False


_STT: Final = {
    "gpt-transcribe": SpeechToTextModel(language_list=True),
    "gpt-live-transcribe": SpeechToTextModel(language_list=True),
    "gpt-4o-transcribe": SpeechToTextModel(),
    "gpt-4o-mini-transcribe": SpeechToTextModel(),
    "gpt-4o-transcribe-diarize": SpeechToTextModel(prompt=False),
    "whisper-1": SpeechToTextModel(),
}
_TTS: Final = {
    "gpt-4o-mini-tts": TextToSpeechModel(),
    "tts-1": TextToSpeechModel(instructions=False),
    "tts-1-hd": TextToSpeechModel(instructions=False),
}
# By prefix, the longest first: families grow new members faster than this table.
_TEXT_FAMILIES: Final = (
    ("gpt-5-chat", TextModel()),
    ("gpt-5.1-chat", TextModel()),
    ("gpt-5.2-chat", TextModel()),
    ("gpt-5.3-chat", TextModel()),
    ("gpt-5.2-pro", TextModel(verbosity=True)),
    ("gpt-5.", TextModel(effort="none", verbosity=True)),
    ("gpt-5", TextModel(effort="minimal", verbosity=True)),
)
_DATE: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")

M = TypeVar("M")


def speech_to_text_model(name: str) -> SpeechToTextModel:
    """What the transcription model ``name`` takes."""
    return _look_up(_STT, name, SpeechToTextModel())


def text_to_speech_model(name: str) -> TextToSpeechModel:
    """What the speech model ``name`` takes."""
    return _look_up(_TTS, name, TextToSpeechModel())


def text_model(name: str) -> TextModel:
    """What the language model ``name`` takes; nothing is assumed of an unknown one."""
    for prefix, model in _TEXT_FAMILIES:
        if name.startswith(prefix):
            return model
    return TextModel()


def _look_up(table: dict[str, M], name: str, other: M) -> M:
    return table.get(name) or table.get(_DATE.sub("", name)) or other
