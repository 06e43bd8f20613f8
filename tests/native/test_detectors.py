"""Voice activity: probabilities beside the edges, settings, and the energy gate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from support.speech_clips import require_clips
from voxloop import audio
from voxloop.audio import PCM16K, AudioFormatError, Format


def bursts(rate: int) -> np.ndarray:
    """A second of faint noise, a second of loud, a second of faint."""
    noise = np.random.default_rng(3).normal(0, 1, 3 * rate)
    level = np.repeat([20.0, 4_000.0, 20.0], rate)
    return (noise * level).clip(-32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_the_gate_finds_what_is_loud(rate: int) -> None:
    gate = audio.EnergyGate(sample_rate=rate, silence_ms=200)
    events, frames = gate.process_frames(audio.as_chunk(bursts(rate), format=Format(rate)))
    assert [event.kind for event in events] == ["speech_start", "speech_end"]
    assert [round(event.frame / rate, 1) for event in events] == [1.0, 2.0]
    assert events[1].decided_at - events[1].frame == pytest.approx(0.2 * rate, abs=rate // 100)
    assert [(f.start, f.end) for f in frames] == [
        (k * rate // 100, (k + 1) * rate // 100) for k in range(300)
    ]
    loud = [frame.probability >= 0.5 for frame in frames]
    assert loud == [100 <= k < 200 for k in range(300)]
    assert gate.floor_dbfs is not None
    assert gate.floor_dbfs < -50
    gate.reset()
    assert (gate.floor_dbfs, gate.position, gate.is_speech) == (None, 0, False)


@pytest.mark.parametrize("size", [1, 159, 160, 333])
def test_the_gate_does_not_depend_on_the_cut(size: int) -> None:
    sound = audio.as_chunk(bursts(8_000), format=Format(8_000))
    whole, pieces = (audio.EnergyGate(sample_rate=8_000) for _ in range(2))
    events, frames = whole.process_frames(sound)
    found = [pieces.process_frames(sound[at : at + size]) for at in range(0, sound.frames, size)]
    assert [e for part in found for e in part[0]] == events
    assert [f for part in found for f in part[1]] == frames
    assert pieces.flush_frames() == whole.flush_frames()


def test_the_probabilities_do_not_depend_on_the_cut() -> None:
    clip = audio.read_wav(require_clips()[0].path)
    whole, pieces = (audio.Vad(sample_rate=clip.sample_rate) for _ in range(2))
    events, frames = whole.process_frames(clip)
    found = [pieces.process_frames(clip[at : at + 77]) for at in range(0, clip.frames, 77)]
    assert [f for part in found for f in part[1]] == frames
    assert [e for part in found for e in part[0]] == events
    assert frames[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(frames))
    assert all(0 <= frame.probability <= 1 for frame in frames)
    assert any(frame.is_speech for frame in frames)


def test_a_longer_hangover_joins_what_a_shorter_one_splits() -> None:
    counts = []
    for silence_ms in (100, 2_000):
        vad = audio.Vad(silence_ms=silence_ms)
        count = 0
        for clip in require_clips():
            vad.reset()
            count += len(vad.process(audio.read_wav(clip.path)) + vad.flush()) // 2
        counts.append(count)
    assert counts[0] > counts[1] >= len(require_clips())


def test_several_channels_are_mixed() -> None:
    clip = audio.read_wav(require_clips()[0].path)
    both = np.stack([clip.numpy()] * 2, axis=1)
    one, two = (audio.Vad(sample_rate=clip.sample_rate) for _ in range(2))
    assert two.process(audio.as_chunk(both, format=Format(clip.sample_rate, 2))) == one.process(
        clip
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: audio.Vad(threshold=0.0),
        lambda: audio.Vad(threshold=0.4, release=0.5),
        lambda: audio.Vad(silence_ms=10**6),
        lambda: audio.EnergyGate(threshold_dbfs=3.0),
        lambda: audio.EnergyGate(margin_db=-1.0),
        lambda: audio.EnergyGate().process(audio.silence(Format(8_000), 0.1)),
        lambda: audio.Vad(sample_rate=8_000).process(audio.silence(PCM16K, 0.1)),
    ],
)
def test_what_makes_no_sense_is_refused(call: object) -> None:
    with pytest.raises(AudioFormatError):
        call()  # type: ignore[operator]
