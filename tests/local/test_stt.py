"""Recognition of real speech. The word error rates are those of people's recordings."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from support.speech_clips import clip_path, require_clips
from support.word_errors import errors
from voxloop import audio
from voxloop._errors import AudioFormatError
from voxloop.local.chunking import split_quiet
from voxloop.local.gate import is_steady_sound
from voxloop.local.services import speech_segments
from voxloop.local.stt import (
    MoonshineSpeechToText,
    decode_tokens,
    read_vocabulary,
    repeated_tail,
    spoken_text,
)

RATE = 16_000


def _speech(name: str) -> audio.AudioChunk:
    return audio.read_wav(clip_path(name))


def _heard(engine: MoonshineSpeechToText, chunk: audio.AudioChunk) -> str:
    return " ".join(
        engine.transcribe_samples(samples) for samples in speech_segments(chunk)
    ).strip()


def test_word_error_rate_on_real_speech(recogniser: MoonshineSpeechToText) -> None:
    wrong: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for clip in require_clips():
        mistakes, count = errors(clip.text, _heard(recogniser, _speech(clip.id)))
        wrong[clip.group] += mistakes
        said[clip.group] += count
    rates = {group: wrong[group] / said[group] for group in said}
    assert rates["command"] <= 0.12, rates
    assert rates["read"] <= 0.06, rates


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_word_error_rate_in_light_noise(recogniser: MoonshineSpeechToText, seed: int) -> None:
    noise = np.random.default_rng(seed)
    wrong = said = 0
    for clip in require_clips():
        samples = _speech(clip.id).float32()
        level = 0.05 * float(np.sqrt(np.square(samples).mean()))
        noisy = samples + noise.normal(0.0, level, len(samples)).astype(np.float32)
        chunk = audio.as_chunk(noisy, format=audio.PCM16K)
        mistakes, count = errors(clip.text, _heard(recogniser, chunk))
        wrong, said = wrong + mistakes, said + count
    assert wrong / said <= 0.10


def test_quiet_speech_is_understood(recogniser: MoonshineSpeechToText) -> None:
    samples = _speech("azure_weather").float32() * np.float32(0.03)
    assert "weather" in recogniser.transcribe_samples(samples).lower()


def test_faster_than_real_time(recogniser: MoonshineSpeechToText) -> None:
    samples = _speech("jfk").float32()
    began = time.monotonic()
    recogniser.transcribe_samples(samples)
    assert (
        time.monotonic() - began < len(samples) / RATE
    )  # the bar is 0.2; a loaded machine gets room


def test_long_audio_is_cut_and_reports_progress(recogniser: MoonshineSpeechToText) -> None:
    once = _speech("jfk").float32()
    samples = np.tile(once, 4)
    seen: list[float] = []
    text = recogniser.transcribe_samples(samples, on_progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) >= 3
    assert seen[-1] == pytest.approx(len(samples) / RATE)
    assert text.lower().count("country can do for you") >= 3


def test_progress_may_end_the_work(recogniser: MoonshineSpeechToText) -> None:
    class Enough(Exception):
        pass

    def stop(done: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        recogniser.transcribe_samples(np.tile(_speech("jfk").float32(), 2), on_progress=stop)


@pytest.mark.parametrize("frames", [0, 1, RATE // 10 - 1])
def test_too_short_is_empty(recogniser: MoonshineSpeechToText, frames: int) -> None:
    assert recogniser.transcribe_samples(np.zeros(frames, np.float32)) == ""


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("kind", ["zeros", "quiet noise", "hiss", "pink noise", "tone"])
def test_without_speech_there_are_no_words(
    recogniser: MoonshineSpeechToText, kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    white = rng.normal(0.0, 0.05, 3 * RATE)
    falling = np.fft.rfft(white) / np.sqrt(np.arange(3 * RATE // 2 + 1) + 1)
    pink = np.fft.irfft(falling)
    time_axis = np.arange(3 * RATE) / RATE
    samples = {
        "zeros": np.zeros(3 * RATE),
        "quiet noise": rng.normal(0.0, 0.002, 3 * RATE),
        "hiss": white,
        "pink noise": pink * 0.05 / pink.std(),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time_axis),
    }[kind].astype(np.float32)
    assert _heard(recogniser, audio.as_chunk(samples, format=audio.PCM16K)) == ""


def test_wrong_shape_and_dtype_are_refused(recogniser: MoonshineSpeechToText) -> None:
    with pytest.raises(AudioFormatError, match="int16"):
        recogniser.transcribe_samples(np.zeros(RATE, np.int16))  # type: ignore[arg-type]
    with pytest.raises(AudioFormatError, match=r"\(16000, 1\)"):
        recogniser.transcribe_samples(np.zeros((RATE, 1), np.float32))


def test_same_audio_same_text(recogniser: MoonshineSpeechToText) -> None:
    samples = _speech("v2j_lamp").float32()
    assert recogniser.transcribe_samples(samples) == recogniser.transcribe_samples(samples)


def test_steady_noise_is_told_from_noisy_speech() -> None:
    rng = np.random.default_rng(11)
    assert is_steady_sound(rng.normal(0.0, 0.1, RATE).astype(np.float32), RATE)
    assert not is_steady_sound(np.zeros(100, np.float32), RATE)
    for clip in require_clips():
        speech = _speech(clip.id).float32()
        level = float(np.sqrt(np.square(speech).mean())) * 10 ** (-5 / 20)  # 5 dB below the speech
        noisy = speech + rng.normal(0.0, level, len(speech)).astype(np.float32)
        assert not is_steady_sound(noisy, RATE), clip.id


@pytest.mark.parametrize(
    "hertz",
    [(440,), (350, 440), (480, 620), (697, 1209), (261.6, 329.6, 392), (50, 100, 150, 250)],
    ids=["tone", "dial tone", "busy", "key 1", "chord", "hum"],
)
def test_even_sounds_are_no_speech(
    recogniser: MoonshineSpeechToText, hertz: tuple[float, ...]
) -> None:
    time = np.arange(RATE) / RATE
    sound = sum((np.sin(2 * np.pi * f * time) for f in hertz), np.zeros(RATE)) * 0.1
    assert recogniser.transcribe_samples(sound.astype(np.float32)) == ""


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Go on.", "Go on."),
        ("\u266a\u266a", ""),
        ("\u266amusic\u266a", ""),
        ("\u266a Go on.", "Go on."),
        ("\u4f60\u53eb", ""),
        ("?", ""),
    ],
)
def test_only_english_words_are_kept(written: str, spoken: str) -> None:
    assert spoken_text(written) == spoken


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ([1, 2, 3], None),
        ([7, 7, 7, 7], None),
        ([7, 7, 7, 7, 7], 4),
        ([9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], 8),
        ([1, 2, 3, 1, 2, 3], None),
        ([4, 1, 2, 3, 1, 2, 3, 1, 2, 3], 6),
    ],
)
def test_loops_are_found(tokens: list[int], cut: int | None) -> None:
    assert repeated_tail(tokens) == cut


def test_vocabulary_lengths_of_one_and_two_bytes() -> None:
    long = b"x" * 300
    data = bytes([2]) + b"ab" + bytes([0]) + bytes([300 % 128 + 128, 300 // 128]) + long
    assert read_vocabulary(data) == (b"ab", b"", long)


def test_tokens_become_text() -> None:
    vocabulary = ("\u2581Caf".encode(), b"<0xC3>", b"<0xA9>", b"</s>", "\u2581x".encode())
    assert decode_tokens([0, 1, 2, 3, 4], vocabulary) == "Caf\u00e9 x"


def test_quiet_cuts_cover_the_audio_and_fall_into_pauses() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.0, 0.2, 40 * RATE).astype(np.float32)
    pauses = [11.0, 20.5, 30.0]
    for at in pauses:
        samples[int(at * RATE) : int((at + 0.4) * RATE)] = 0.0
    cuts = list(split_quiet(samples, RATE, longest_s=15.0))
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(samples)
    assert all(before[1] == after[0] for before, after in pairwise(cuts))
    assert all(stop - start <= 15 * RATE for start, stop in cuts)
    assert all(samples[stop - 1] == 0.0 for _, stop in cuts[:-1])
