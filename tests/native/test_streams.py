"""Resampler, framer, WAV, G.711 and VAD through the Python face."""

from __future__ import annotations

import io
import wave
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.speech_clips import require_clips
from voxloop import audio
from voxloop.audio import PCM16K, PCM24K, AudioFormatError, Format, WavError


def tone(rate: int, hertz: float, seconds: float, level: float = 0.5) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return (np.sin(2 * np.pi * hertz * time) * level * 32_767).round().astype(np.int16)


def amplitude(samples: np.ndarray, rate: int, hertz: float) -> float:
    """Amplitude of one frequency, by correlation over the steady middle of a clip."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4].astype(float) / 32_767
    time = np.arange(len(middle)) / rate
    window = np.hanning(len(middle))
    return 2 * abs((middle * window * np.exp(-2j * np.pi * hertz * time)).sum()) / window.sum()


@pytest.mark.parametrize(
    ("source", "target"), [(16_000, 24_000), (24_000, 16_000), (48_000, 24_000)]
)
@pytest.mark.parametrize("hertz", [1_000, 3_300])
def test_a_tone_keeps_its_level_and_place(source: int, target: int, hertz: int) -> None:
    clip = audio.as_chunk(tone(source, hertz, 0.5), format=Format(source))
    out = audio.resample(clip, target)
    assert out.frames == round(clip.frames * target / source)
    expected = tone(target, hertz, 0.5)
    middle = slice(out.frames // 4, 3 * out.frames // 4)
    error = out.numpy()[middle].astype(float) - expected[middle]
    noise = np.sqrt((error**2).mean()) / (0.5 * 32_767 / np.sqrt(2))
    assert 20 * np.log10(noise + 1e-9) < -85, "aligned in time and level to the rounding of 16 bits"


def test_what_does_not_fit_below_the_new_nyquist_frequency_is_gone() -> None:
    clip = audio.as_chunk(tone(24_000, 9_000, 0.5), format=PCM24K)
    out = audio.resample(clip, 16_000).numpy()
    assert amplitude(out, 16_000, 16_000 - 9_000) < 0.5 * 10 ** (-100 / 20)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2_000), max_size=12),
    pair=st.sampled_from([(16_000, 24_000), (24_000, 16_000), (8_000, 24_000), (44_100, 16_000)]),
    quality=st.sampled_from(["high", "low_latency"]),
)
def test_chunking_does_not_change_a_bit(
    cuts: list[int], pair: tuple[int, int], quality: audio.Quality
) -> None:
    rate_in, rate_out = pair
    samples = np.random.default_rng(7).integers(-20_000, 20_000, 2_000).astype(np.int16)
    whole = audio.resample(
        audio.as_chunk(samples, format=Format(rate_in)), rate_out, quality=quality
    )
    stream = audio.Resampler(rate_in, rate_out, quality=quality)
    edges = [0, *sorted(cuts), len(samples)]
    parts = [stream.process(samples[a:b]) for a, b in pairwise(edges)]
    joined = np.concatenate([*parts, np.asarray(stream.flush())])
    assert np.array_equal(joined, whole.numpy())


def test_the_same_kind_comes_back() -> None:
    stream = audio.Resampler(16_000, 24_000)
    assert isinstance(stream.process(np.zeros(160, np.int16)), np.ndarray)
    assert isinstance(stream.process(audio.silence(PCM16K, 0.01)), audio.AudioChunk)
    floats = audio.Resampler(16_000, 24_000).process(np.zeros(1_600, np.float32))
    assert floats.dtype == np.float32


def test_a_stream_refuses_another_rate() -> None:
    with pytest.raises(AudioFormatError, match="16000 Hz"):
        audio.Resampler(16_000, 24_000).process(audio.silence(PCM24K, 0.02))


def test_the_framer_gives_exact_frames_and_loses_nothing() -> None:
    framer = audio.Framer(PCM24K, frame_ms=20)
    samples = np.arange(5_000, dtype=np.int16)
    frames = []
    for part in np.array_split(samples, 17):
        frames += framer.process(part)
    assert {frame.frames for frame in frames} == {480}
    rest = framer.flush()
    assert [frame.frames for frame in rest] == [480]
    joined = audio.concat(frames + rest).numpy()
    assert joined[:5_000].tolist() == samples.tolist()
    assert not joined[5_000:].any()
    assert framer.flush() == []


def test_a_frame_is_a_whole_number_of_samples() -> None:
    with pytest.raises(AudioFormatError, match="whole number"):
        audio.Framer(Format(22_050), frame_ms=1.3)


@given(st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2]))
@settings(max_examples=60, deadline=None)
def test_wav_round_trip_is_exact(data: bytes) -> None:
    chunk = audio.AudioChunk(data, PCM16K)
    assert audio.decode_wav(audio.encode_wav(chunk)) == chunk


def test_the_standard_library_reads_what_is_written(tmp_path: Path) -> None:
    chunk = audio.as_chunk(tone(24_000, 440, 0.1), format=PCM24K)
    file = tmp_path / "tone.wav"
    audio.write_wav(file, chunk)
    with wave.open(str(file)) as reader:
        assert reader.getframerate() == 24_000
        assert reader.readframes(reader.getnframes()) == bytes(chunk)
    assert audio.read_wav(file) == chunk
    assert audio.read_wav(io.BytesIO(file.read_bytes())) == chunk
    assert [path.name for path in tmp_path.iterdir()] == ["tone.wav"]


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_audio_or_a_wav_error(data: bytes) -> None:
    for candidate in (data, b"RIFF" + data[:4] + b"WAVE" + data[4:]):
        with suppress(WavError):
            audio.decode_wav(candidate)


def test_a_cut_file_is_read_and_said_so(tmp_path: Path) -> None:
    whole = audio.encode_wav(audio.as_chunk(tone(16_000, 440, 0.1), format=PCM16K))
    file = tmp_path / "cut.wav"
    file.write_bytes(whole[:-101])
    with pytest.warns(audio.TruncatedWavWarning):
        chunk = audio.read_wav(file)
    assert chunk.frames == (len(whole) - 101 - 44) // 2


@pytest.mark.parametrize(
    ("head", "name"), [(b"OggS", "Ogg"), (b"fLaC", "FLAC"), (b"ID3\x04", "MP3")]
)
def test_another_format_is_named(head: bytes, name: str) -> None:
    with pytest.raises(WavError, match=name):
        audio.decode_wav(head + bytes(60))


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_g711_is_stable_after_one_round(law: str) -> None:
    encode = getattr(audio, f"{law}_encode")
    decode = getattr(audio, f"{law}_decode")
    codes = bytes(range(256))
    once = decode(codes)
    assert once.sample_rate == 8_000
    assert decode(encode(once)) == once


def test_silence_a_tone_and_noise_are_not_speech() -> None:
    noise = np.random.default_rng(1).normal(0, 60, 32_000).astype(np.int16)
    for samples in (np.zeros(32_000, np.int16), tone(16_000, 440, 2.0), noise):
        vad = audio.Vad()
        assert vad.process(audio.as_chunk(samples, format=PCM16K)) + vad.flush() == []
        assert not vad.is_speech


def test_every_recording_holds_speech_at_any_rate_and_chunking() -> None:
    for clip in require_clips():
        sound = audio.read_wav(clip.path)
        vad = audio.Vad(sample_rate=16_000)
        whole = vad.process(sound) + vad.flush()
        kinds = [event.kind for event in whole]
        assert kinds[:2] == ["speech_start", "speech_end"], clip.id
        assert kinds == ["speech_start", "speech_end"] * (len(kinds) // 2), clip.id
        vad.reset()
        cut = [e for i in range(0, sound.frames, 333) for e in vad.process(sound[i : i + 333])]
        assert cut + vad.flush() == whole, clip.id
