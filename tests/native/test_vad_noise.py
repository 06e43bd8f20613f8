"""A minute each of what is no speech, and every recording of people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from support.speech_clips import require_clips
from voxloop import audio
from voxloop.audio import Format

SECONDS = 60


def coloured(rate: int, slope: float, dbfs: float) -> np.ndarray:
    """Noise whose power falls by ``f ** -slope`` above 20 Hz, at a level."""
    rng = np.random.default_rng(round(rate + 10 * slope - dbfs))
    bins = np.fft.rfft(rng.standard_normal(rate * SECONDS))
    hertz = np.fft.rfftfreq(rate * SECONDS, 1 / rate)
    shaped = np.fft.irfft(bins * np.maximum(hertz, 20) ** (-slope / 2), rate * SECONDS)
    return shaped / shaped.std() * 10 ** (dbfs / 20)


def time(rate: int) -> np.ndarray:
    return np.arange(rate * SECONDS) / rate


def hum(rate: int) -> np.ndarray:
    """The mains: 50 Hz and harmonics that fall off."""
    return sum(0.1 / k * np.sin(2 * np.pi * 50 * k * time(rate) + k) for k in range(1, 12))  # type: ignore[return-value]


def clicks(rate: int) -> np.ndarray:
    """A loud sample at odd times, about twice a second."""
    sound = np.zeros(rate * SECONDS)
    rng = np.random.default_rng(9)
    sound[rng.integers(0, len(sound), 2 * SECONDS)] = rng.uniform(-0.9, 0.9, 2 * SECONDS)
    return sound


def sine(hertz: float, level: float) -> Callable[[int], np.ndarray]:
    return lambda rate: level * np.sin(2 * np.pi * hertz * time(rate))


def noise(slope: float, dbfs: float) -> Callable[[int], np.ndarray]:
    return lambda rate: coloured(rate, slope, dbfs)


QUIET: dict[str, Callable[[int], np.ndarray]] = {
    **{
        f"{name} {dbfs}": noise(slope, dbfs)
        for name, slope in {"white": 0.0, "pink": 1.0, "brown": 2.0}.items()
        for dbfs in (-66, -46, -26, -14)
    },
    **{f"tone {f:g}": sine(f, 0.3) for f in (120.0, 440.0, 1_000.0, 3_000.0)},
    "quiet tone": sine(700.0, 0.003),
    "hum": hum,
    "zeros": lambda rate: np.zeros(rate * SECONDS),
    "clicks": clicks,
    "DC": lambda rate: np.full(rate * SECONDS, 0.25),
}


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100])
@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_speech_is_hardly_ever_taken_for_it(name: str, rate: int) -> None:
    sound = audio.as_chunk(QUIET[name](rate).astype(np.float32), format=Format(rate))
    vad = audio.Vad(sample_rate=rate)
    step, speech, count = rate // 50, 0, 0
    for at in range(0, sound.frames, step):
        _, frames = vad.process_frames(sound[at : at + step])
        speech += sum(frame.is_speech for frame in frames)
        count += len(frames)
    assert count >= SECONDS * 1_000 // 16 - 2
    assert speech / count <= 0.03, f"{speech} of {count} frames"


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_no_recording_of_people_is_lost(rate: int) -> None:
    for clip in require_clips():
        sound = audio.resample(audio.to_mono(audio.read_wav(clip.path)), rate)
        vad = audio.Vad(sample_rate=rate)
        events, frames = vad.process_frames(sound)
        events += vad.flush()
        starts = [event.frame for event in events if event.kind == "speech_start"]
        assert starts, clip.id
        kept = sum(frame.is_speech for frame in frames) / len(frames)
        assert kept >= 0.3, f"{clip.id}: {kept:.0%} of its frames"
