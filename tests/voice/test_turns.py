from __future__ import annotations

import pytest

from support.speech_clips import require_clips
from voxloop import audio, voice
from voxloop.testing import utterance, vowels
from voxloop.voice.framing import ProgressiveFramer
from voxloop.voice.input import Pushed
from voxloop.voice.metrics import TurnClock
from voxloop.voice.turns import SpeechBegan, TurnDetector, Utterance, find_speech

RATE = 16_000
SETTINGS = voice.TurnDetection()
THREE = audio.concat([utterance(0.6), utterance(0.4), utterance(0.8)])


def detect(clip: audio.AudioChunk, size: int, settings: voice.TurnDetection) -> list[Utterance]:
    detector = TurnDetector(sample_rate=clip.sample_rate, detection=settings)
    found: list[SpeechBegan | Utterance] = []
    for first in range(0, clip.frames, size):
        part = clip[first : first + size]
        found += detector.process(Pushed(part, (first + part.frames) / clip.sample_rate))
    found += detector.flush(at=clip.duration)
    return [what for what in found if isinstance(what, Utterance)]


async def test_the_speech_of_a_recording_keeps_its_padding_and_loses_the_rest() -> None:
    clip = utterance(0.6, before=2.0, after=3.0)
    speech = await find_speech(clip, SETTINGS)
    assert speech is not None
    assert 0.95 <= speech.duration <= 1.3
    whole, part = bytes(clip), bytes(speech)
    first = whole.find(part) / 2 / RATE
    assert 1.6 <= first <= 1.8


async def test_a_long_pause_is_cut_out_and_a_short_one_stays() -> None:
    def pair(pause: float) -> audio.AudioChunk:
        gap = audio.silence(audio.PCM16K, pause)
        return audio.concat([vowels(0.6), gap, vowels(0.6)])

    short = await find_speech(pair(0.4), SETTINGS)
    long = await find_speech(pair(10.0), SETTINGS)
    assert short is not None
    assert long is not None
    assert short.duration == pytest.approx(1.6, abs=0.1)
    assert 1.5 <= long.duration <= 2.0


async def test_silence_has_no_speech() -> None:
    assert await find_speech(audio.silence(audio.PCM16K, 70.0), SETTINGS) is None
    assert await find_speech(audio.silence(audio.PCM16K, 0.0), SETTINGS) is None


@pytest.mark.parametrize("size", [160, 320, 1000, 3200, 16_000])
def test_turns_do_not_depend_on_how_the_stream_was_chopped(size: int) -> None:
    turns = detect(THREE, size, SETTINGS)
    assert len(turns) == 3
    reference = [bytes(turn.audio) for turn in detect(THREE, 160, SETTINGS)]
    assert [bytes(turn.audio) for turn in turns] == reference
    ends = [turn.end_of_speech for turn in detect(THREE, 160, SETTINGS)]
    assert [turn.end_of_speech for turn in turns] == pytest.approx(ends, abs=1e-6)
    for turn in turns:
        assert turn.end_of_turn - turn.end_of_speech >= 0.4


def test_speech_that_is_cut_off_by_the_end_is_a_turn() -> None:
    (turn,) = detect(audio.concat([audio.silence(audio.PCM16K, 0.5), vowels(0.7)]), 320, SETTINGS)
    assert 0.9 <= turn.audio.duration <= 1.1


def test_a_turn_that_does_not_end_is_ended() -> None:
    settings = voice.TurnDetection(max_turn_seconds=1.0)
    turns = detect(vowels(3.5), 320, settings)
    assert len(turns) >= 3
    # A second, and the padding before the first.
    assert all(turn.audio.duration <= 1.32 for turn in turns)
    assert sum(turn.audio.duration for turn in turns) >= 3.2


@pytest.mark.parametrize("size", [160, 1000, 8000])
def test_what_is_given_out_while_it_is_spoken_is_the_turn(size: int) -> None:
    detector = TurnDetector(sample_rate=RATE, detection=SETTINGS)
    live: list[audio.AudioChunk] = []
    whole: list[bytes] = []
    longest = 0.0
    for first in range(0, THREE.frames, size):
        for what in detector.process(Pushed(THREE[first : first + size], 0.0)):
            if isinstance(what, Utterance):
                live.append(what.rest)
                sent = b"".join(live)
                assert sent.startswith(bytes(what.audio)), "its silence may have gone out before"
                whole.append(bytes(what.audio))
                live = []
        longest = max(longest, detector.speech_ms)
        if (part := detector.take_live()) is not None:
            live.append(part)
    assert whole == [bytes(turn.audio) for turn in detect(THREE, size, SETTINGS)]
    assert 600 <= longest <= 1000, "pauses do not count as speech"


def test_a_detector_holds_little_between_turns() -> None:
    detector = TurnDetector(sample_rate=RATE, detection=SETTINGS)
    quiet = audio.silence(audio.PCM16K, 0.02)
    for _ in range(3000):
        assert detector.process(Pushed(quiet, 0.0)) == []
    assert sum(chunk.frames for chunk in detector._held) <= RATE * 0.6


async def test_real_commands_are_one_turn_each() -> None:
    clips = require_clips("command")[:8]
    for clip in clips:
        chunk = audio.to_mono(audio.read_wav(clip.path))
        padded = audio.concat([chunk, audio.silence(chunk.format, 1.0)])
        speech = await find_speech(chunk, SETTINGS)
        assert speech is not None, clip.id
        assert speech.duration <= chunk.duration
        turns = detect(padded, chunk.sample_rate // 50, SETTINGS)
        assert 1 <= len(turns) <= 2, clip.id
        assert bytes(turns[0].audio) in bytes(padded)


@pytest.mark.parametrize("size", [1, 7, 480, 2400, 50_000])
def test_pieces_grow_and_lose_nothing(size: int) -> None:
    clip = audio.resample(vowels(0.5), 24_000)
    framer = ProgressiveFramer()
    pieces = []
    for first in range(0, clip.frames, size):
        pieces += framer.process(clip[first : first + size])
    pieces += framer.flush()
    assert b"".join(pieces) == bytes(clip)
    assert [piece.frames for piece in pieces] == [480, 960, 1920, 2400, 2400, 2400, 1440]


def test_a_voice_at_another_rate_is_resampled() -> None:
    clip = audio.silence(audio.Format(16_000, 2), 0.5)
    framer = ProgressiveFramer()
    pieces = [piece for n in range(0, 8000, 100) for piece in framer.process(clip[n : n + 100])]
    pieces += framer.flush()
    assert sum(piece.frames for piece in pieces) == 12_000
    assert {piece.format for piece in pieces} == {audio.PCM24K}


def test_a_clock_keeps_the_first_of_each_mark_and_the_last_audio() -> None:
    clock = TurnClock(3)
    for name, at in (("end_of_turn", 1.0), ("end_of_turn", 2.0), ("last_audio", 3.0)):
        clock.mark(name, at=at)  # type: ignore[arg-type]
    clock.mark("last_audio", at=4.5)
    metrics = clock.metrics()
    assert (metrics.turn_id, metrics.end_of_turn, metrics.last_audio) == (3, 1.0, 4.5)
    assert metrics.parts_ms == {"last_audio": 3500.0}
    assert metrics.total_ms == 3500.0
    assert metrics.turn_latency_ms is None
