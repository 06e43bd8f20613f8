"""Turns in real speech and in what is none, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from support.server_client import spoken
from support.speech_clips import clip_path, require_clips
from voxloop import audio
from voxloop.local.server.realtime.audio_settings import TurnSettings
from voxloop.local.server.realtime.turns import (
    Paused,
    Resumed,
    Started,
    Stopped,
    TurnDetector,
    TurnEvent,
)
from voxloop.local.server.refusal import Refusal

RATE = 24_000


def _turns(pcm: bytes, settings: TurnSettings | None = None, *, size: int = 960) -> list[TurnEvent]:
    detector = TurnDetector(settings or TurnSettings(), sample_rate=RATE)
    return [
        event for at in range(0, len(pcm), size) for event in detector.feed(pcm[at : at + size])
    ]


def _pcm(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def test_every_command_is_one_turn() -> None:
    for clip in require_clips("command"):
        events = _turns(spoken(audio.read_wav(clip.path)))
        stops = [event for event in events if isinstance(event, Stopped)]
        assert len(stops) == 1, clip.id
        assert isinstance(events[0], Started)
        # What the pause offers for transcription is what the end of the turn asks for.
        last = [event for event in events if isinstance(event, Paused)][-1]
        assert last.segment == stops[0].segment
        assert stops[0].end_ms <= clip.seconds * 1000 + 700


@pytest.mark.parametrize("size", [2, 333, 4800, 10**7])
def test_chunking_makes_no_difference(size: int) -> None:
    pcm = spoken(audio.read_wav(clip_path("v2j_lamp")))
    assert _turns(pcm, size=size if size > 100 else 322) == _turns(pcm)


def test_speech_that_goes_on_voids_the_pause() -> None:
    clip = audio.read_wav(clip_path("google_two_people"))
    pcm = spoken(clip, silence_ms=300) + spoken(clip)
    events = _turns(pcm)
    assert any(isinstance(event, Resumed) for event in events)
    assert sum(isinstance(event, Stopped) for event in events) == 1


def test_a_shorter_window_makes_two_turns() -> None:
    clip = audio.read_wav(clip_path("google_two_people"))
    pcm = spoken(clip, silence_ms=400) + spoken(clip)
    short = _turns(pcm, TurnSettings(silence_duration_ms=200))
    long = _turns(pcm, TurnSettings(silence_duration_ms=1000))
    assert sum(isinstance(event, Stopped) for event in short) == 2
    assert sum(isinstance(event, Stopped) for event in long) == 0


@pytest.mark.parametrize("kind", ["zeros", "quiet noise", "hiss", "loud noise", "pink noise"])
def test_nothing_starts_without_a_voice(kind: str) -> None:
    rng = np.random.default_rng(3)
    count = 10 * RATE
    white = rng.normal(0.0, 1.0, count)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(count // 2 + 1) + 1))
    samples = {
        "zeros": np.zeros(count),
        "quiet noise": 0.002 * white,
        "hiss": 0.05 * white,
        "loud noise": 0.3 * white,
        "pink noise": 0.05 * pink / pink.std(),
    }[kind]
    assert _turns(_pcm(samples)) == []


def test_prefix_padding_and_silence_are_part_of_the_turn() -> None:
    quiet = bytes(48 * 1000)
    events = _turns(quiet + spoken(audio.read_wav(clip_path("v2j_lamp"))))
    start = next(event for event in events if isinstance(event, Started))
    stop = next(event for event in events if isinstance(event, Stopped))
    assert 600 <= start.start_ms <= 1300
    assert len(stop.pcm) // 48 == pytest.approx(stop.end_ms - start.start_ms, abs=1)
    assert len(stop.segment.pcm) < len(stop.pcm)


def test_commit_without_detection_takes_everything() -> None:
    detector = TurnDetector(None, sample_rate=RATE)
    list(detector.feed(bytes(48 * 150) + b"\x01"))
    turn = detector.commit()
    assert len(turn.pcm) == 48 * 150
    with pytest.raises(Refusal) as caught:
        detector.commit()
    assert caught.value.code == "input_audio_buffer_commit_empty"
    assert list(detector.feed(b"\x02" + bytes(48 * 100))) == []
    assert detector.commit().pcm[:2] == b"\x01\x02"  # the odd byte waited for its other half


def test_commit_with_detection_ends_the_turn_early() -> None:
    detector = TurnDetector(TurnSettings(), sample_rate=RATE)
    pcm = spoken(audio.read_wav(clip_path("google_two_people")), silence_ms=0)
    events = list(detector.feed(pcm))
    assert isinstance(events[0], Started)
    assert detector.in_turn
    assert detector.commit().segment.pcm
    with pytest.raises(Refusal):
        detector.commit()


def test_memory_stays_bounded_without_speech() -> None:
    detector = TurnDetector(TurnSettings(), sample_rate=RATE)
    for _ in range(120):
        assert list(detector.feed(bytes(48_000))) == []
    assert detector.position_ms == 120_000
    assert len(detector._buffer) < 48 * 2_000
