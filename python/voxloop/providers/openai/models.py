"""What each model of the API can do, when it ends, and which one is taken when none is named.

Models come and go; this table is the only place that knows their names. A name that is not in it
is looked up without its date, then taken as a model of the newest kind.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct

from voxloop._errors import ModelRetired

REALTIME_MODEL: Final = "gpt-realtime"
STT_MODEL: Final = "gpt-transcribe"
TTS_MODEL: Final = "gpt-4o-mini-tts"
TTS_VOICE: Final = "ash"
LANGUAGE_MODEL: Final = "gpt-5.4-mini"

MAX_SPEECH_CHARACTERS: Final = 4096
"""Longest input of one request for speech."""
SPEECH_SAMPLE_RATE: Final = 24_000
"""Samples per second of ``pcm`` speech, mono, signed 16-bit little-endian."""

_STT_END: Final = datetime.date(2027, 2, 26)
_TTS_END: Final = datetime.date(2027, 1, 6)
_log = logging.getLogger("voxloop.providers")
_told: set[str] = set()


class Model(Struct, frozen=True, kw_only=True):
    """What is known of any model.

    Attributes:
        retires: The day from which its maker no longer serves it; None if none was announced.
        replacement: The model to take instead; None if there is no known one.
    """

    retires: datetime.date | None = None
    replacement: str | None = None


class SpeechToTextModel(Model, frozen=True, kw_only=True):
    """What a transcription model takes.

    Attributes:
        language_list: ``languages[]`` instead of ``language``.
        keywords: Whether words to expect are taken.
        prompt: Whether a prompt is taken.
        temperature: Whether a temperature is taken.
        logprobs: Whether it tells log probabilities.
        formats: The answers it gives for whole files.
        streams_files: Whether it answers a file in pieces.
        server_turns: Whether the server finds the turns of a stream for it.
        delay: Whether its delay can be set.
    """

    language_list: bool = False
    keywords: bool = False
    prompt: bool = True
    temperature: bool = True
    logprobs: bool = False
    formats: frozenset[str] = frozenset({"json"})
    streams_files: bool = True
    server_turns: bool = True
    delay: bool = False


class TextToSpeechModel(Model, frozen=True, kw_only=True):
    """What a speech model takes.

    Attributes:
        instructions: Whether it follows instructions on how to speak.
        events: Whether it can send its speech as events.
    """

    instructions: bool = True
    events: bool = True


class TextModel(Struct, frozen=True, kw_only=True):
    """What a language model takes.

    Attributes:
        effort: Lowest reasoning effort it has, the one with the shortest wait; None for a model
            that does not reason.
        verbosity: Whether it can be told to be brief.
    """

    effort: str | None = None
    verbosity: bool = False


_ALL_FORMATS: Final = frozenset({"json", "text", "srt", "verbose_json", "vtt"})
_NEWEST_STT: Final = SpeechToTextModel(language_list=True, keywords=True)
_FOUR_O: Final = SpeechToTextModel(logprobs=True, retires=_STT_END, replacement="gpt-transcribe")
_STT: Final = {
    "gpt-transcribe": _NEWEST_STT,
    "gpt-live-transcribe": SpeechToTextModel(language_list=True, keywords=True, server_turns=False),
    "gpt-realtime-whisper": SpeechToTextModel(prompt=False, server_turns=False, delay=True),
    "gpt-4o-transcribe": _FOUR_O,
    "gpt-4o-mini-transcribe": _FOUR_O,
    "gpt-4o-transcribe-diarize": SpeechToTextModel(
        prompt=False, formats=frozenset({"json", "text", "diarized_json"}), retires=_STT_END
    ),
    "whisper-1": SpeechToTextModel(
        formats=_ALL_FORMATS, streams_files=False, retires=_STT_END, replacement="gpt-transcribe"
    ),
}
_TTS: Final = {
    "gpt-4o-mini-tts": TextToSpeechModel(retires=_TTS_END),
    "tts-1": TextToSpeechModel(instructions=False, events=False, retires=_TTS_END),
    "tts-1-hd": TextToSpeechModel(instructions=False, events=False, retires=_TTS_END),
}
# A model of a server of one's own is asked for whatever the caller wants.
_ANY_STT: Final = SpeechToTextModel(
    keywords=True, logprobs=True, formats=_ALL_FORMATS | {"diarized_json"}
)
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

M = TypeVar("M", bound=Model)


def speech_to_text_model(name: str, *, official: bool = False) -> SpeechToTextModel:
    """What the transcription model ``name`` takes; see `find`."""
    return find(_STT, name, _ANY_STT, official=official)


def text_to_speech_model(name: str, *, official: bool = False) -> TextToSpeechModel:
    """What the speech model ``name`` takes; see `find`."""
    return find(_TTS, name, TextToSpeechModel(), official=official)


def text_model(name: str) -> TextModel:
    """What the language model ``name`` takes; nothing is assumed of an unknown one."""
    for prefix, model in _TEXT_FAMILIES:
        if name.startswith(prefix):
            return model
    return TextModel()


def find(table: Mapping[str, M], name: str, other: M, *, official: bool) -> M:
    """Look ``name`` up, with or without its date.

    An unknown model is let through as ``other``: it may be newer than this table, or one that a
    compatible server has. That is logged once, since a misspelt name looks the same.

    Args:
        table: Models by name.
        name: What to look up.
        other: What an unknown model is taken for.
        official: The request goes to OpenAI itself, which ends models; other servers keep theirs.

    Raises:
        ModelRetired: The model's last day at OpenAI is over. Before it, the date is logged once.
    """
    model = table.get(name) or table.get(_DATE.sub("", name))
    if model is None:
        known = ", ".join(sorted(table))
        _tell_once(name, f"the model {name!r} is not known here (known: {known}); sent as it is")
        return other
    if official and model.retires is not None:
        _check_date(name, model, today())
    return model


def today() -> datetime.date:
    """The date in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def _check_date(name: str, model: Model, date: datetime.date) -> None:
    if model.replacement:
        advice = f"take {model.replacement!r}"
    else:
        advice = "choose another one with model= (no direct successor was known to this version)"
    if model.retires is not None and date >= model.retires:
        raise ModelRetired(
            f"OpenAI ended the model {name!r} on {model.retires}; {advice}",
            model=name,
            replacement=model.replacement,
        )
    _tell_once(name, f"OpenAI ends the model {name!r} on {model.retires}; {advice}")


def _tell_once(name: str, text: str) -> None:
    if name not in _told:
        _told.add(name)
        _log.warning("%s", text)
