"""The local voice: what it says is heard again by the recogniser."""

from __future__ import annotations

import time

import numpy as np
import pytest

from support.word_errors import errors
from voxloop import audio
from voxloop._errors import ConfigError
from voxloop.local.chunking import split_clauses
from voxloop.local.stt import MoonshineSpeechToText
from voxloop.local.tts import SAMPLE_RATE, VOICES, HibariTextToSpeech, pace

SENTENCES = (
    "Sunny and 22 degrees in Paris.",
    "The lamp in the living room is on.",
    "Your order has been shipped, and it arrives on Tuesday.",
    "I heard: book a room. I have no tool for that.",
    "Hello. How can I help you?",
    "The total is twelve dollars.",
)


def _say(speaker: HibariTextToSpeech, text: str, **settings: float) -> np.ndarray:
    pieces = list(speaker.segments(text, **settings))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _hear(recogniser: MoonshineSpeechToText, pcm: np.ndarray) -> str:
    chunk = audio.resample(audio.AudioChunk(pcm, audio.Format(SAMPLE_RATE)), 16_000)
    return recogniser.transcribe_samples(chunk.float32())


def test_round_trip(speaker: HibariTextToSpeech, recogniser: MoonshineSpeechToText) -> None:
    wrong = said = 0
    for sentence in SENTENCES:
        mistakes, count = errors(sentence, _hear(recogniser, _say(speaker, sentence)))
        wrong, said = wrong + mistakes, said + count
    assert wrong / said <= 0.08


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It is 22\u00b0C outside.", "degrees"),
        ("That costs $125.", "125"),
        ("The meeting is at 7:30 pm.", "30"),
        ("Dr. Smith walked 10 km.", "kilometers"),
    ],
)
def test_figures_and_units_are_read_out(
    speaker: HibariTextToSpeech, recogniser: MoonshineSpeechToText, text: str, spoken: str
) -> None:
    heard = _hear(recogniser, _say(speaker, text)).lower().replace("kilometres", "kilometers")
    wanted = {"125": ("125", "one hundred"), "30": ("30", "thirty")}.get(spoken, (spoken,))
    assert any(form in heard for form in wanted), heard


def test_pcm16_at_24_khz(speaker: HibariTextToSpeech) -> None:
    pcm = _say(speaker, SENTENCES[0])
    assert pcm.dtype == np.int16
    assert pcm.ndim == 1
    assert 1.5 * SAMPLE_RATE < len(pcm) < 5 * SAMPLE_RATE
    assert 2_000 < np.abs(pcm.astype(np.int32)).max() <= 32_767


@pytest.mark.parametrize(
    "text", ["", "   ", "...", "?!", "\u2014", "\U0001f642", "\u3053\u3093\u306b\u3061\u306f"]
)
def test_what_cannot_be_spoken_is_no_sound(speaker: HibariTextToSpeech, text: str) -> None:
    assert list(speaker.segments(text)) == []


def test_same_text_same_sound(speaker: HibariTextToSpeech) -> None:
    assert np.array_equal(_say(speaker, "Hello there."), _say(speaker, "Hello there."))


def test_speed_changes_the_length(speaker: HibariTextToSpeech) -> None:
    text = "The lamp in the living room is on."
    slow, plain, fast = (len(_say(speaker, text, speed=speed)) for speed in (0.5, 1.0, 2.0))
    assert slow > 1.5 * plain
    assert fast < 0.7 * plain


@pytest.mark.parametrize("voice", [*VOICES, "Alloy", None])
def test_every_voice_name_has_a_pace(voice: str | None) -> None:
    assert 0.9 <= pace(voice=voice, speed=None) <= 1.1


def test_pace_stays_in_the_voice_s_range() -> None:
    assert pace(voice="nova", speed=2.0) == 2.0
    assert pace(voice="ballad", speed=0.5) == 0.5


@pytest.mark.parametrize("speed", [0.49, 2.01, -1.0, float("nan")])
def test_a_speed_out_of_range_is_refused_at_once(speaker: HibariTextToSpeech, speed: float) -> None:
    with pytest.raises(ConfigError, match="speed"):
        speaker.segments("Hello.", speed=speed)


def test_an_unknown_voice_is_refused_at_once(speaker: HibariTextToSpeech) -> None:
    with pytest.raises(ConfigError, match=r"no voice 'nobody'; use one of heart, alloy"):
        speaker.segments("Hello.", voice="nobody")


def test_first_clause_comes_early(speaker: HibariTextToSpeech) -> None:
    text = (
        "It is sunny in Paris today, with a light wind from the west and a high of "
        "twenty two degrees, and it will stay dry until the end of the week."
    )
    list(speaker.segments(text))
    began = time.monotonic()
    segments = speaker.segments(text)
    first = next(segments)
    to_first = time.monotonic() - began
    rest = sum(map(len, segments))
    whole = time.monotonic() - began
    assert len(first) < rest
    assert to_first < 0.6 * whole


@pytest.mark.parametrize(
    ("sentences", "clauses"),
    [
        (["Sunny, and 22 degrees."], ["Sunny, and 22 degrees."]),
        (
            ["It is sunny in Paris, and it stays dry.", "One, two, three, four, five, six."],
            ["It is sunny in Paris,", "and it stays dry.", "One, two, three, four, five, six."],
        ),
        (
            ["I heard that you called - we call back later."],
            ["I heard that you called", "we call back later."],
        ),
        (["...", "Yes."], ["Yes."]),
        ([" ".join(["word"] * 120)], [" ".join(["word"] * n) for n in (50, 50, 20)]),
    ],
)
def test_clauses(sentences: list[str], clauses: list[str]) -> None:
    assert list(split_clauses(sentences)) == clauses
