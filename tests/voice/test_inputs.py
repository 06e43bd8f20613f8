from __future__ import annotations

import array
from typing import Any

import pytest
import trio
import trio.testing

from support.voice_runs import SPEECH
from voxloop import audio, voice
from voxloop._errors import (
    AudioFormatError,
    BufferFull,
    ConcurrencyError,
    ConfigError,
    UseAfterClose,
    WavError,
)
from voxloop.voice.input import Committed, Pushed

SAMPLES = array.array("h", range(-120, 120))
PCM = SAMPLES.tobytes()


def test_a_wav_is_known_by_its_header() -> None:
    wav = audio.encode_wav(audio.AudioChunk(PCM, audio.Format(8000)))
    for data in (wav, bytearray(wav), memoryview(wav)):
        chunk = voice.AudioInput(data).chunk
        assert (chunk.sample_rate, bytes(chunk)) == (8000, PCM)
    assert bytes(voice.AudioInput(wav, format="wav").chunk) == PCM
    assert voice.AudioInput(wav, format="pcm16").chunk.frames == len(wav) // 2


def test_samples_without_a_header() -> None:
    assert voice.AudioInput(PCM).chunk.format == audio.PCM24K
    assert voice.AudioInput(PCM, sample_rate=16_000).chunk.format == audio.PCM16K
    stereo = array.array("h", [v for sample in SAMPLES for v in (sample, sample)])
    assert bytes(voice.AudioInput(stereo.tobytes(), channels=2).chunk) == PCM
    floats = array.array("f", [sample / 32768 for sample in SAMPLES])
    assert bytes(voice.AudioInput(floats.tobytes(), format="float32").chunk) == PCM
    assert bytes(voice.AudioInput(SAMPLES).chunk) == PCM
    chunk = audio.AudioChunk(PCM, audio.Format(48_000))
    assert voice.AudioInput(chunk).chunk == chunk


def test_arrays() -> None:
    np = pytest.importorskip("numpy")
    mono = np.array(SAMPLES, dtype=np.int16)
    assert bytes(voice.AudioInput(mono).chunk) == PCM
    assert bytes(voice.AudioInput(np.stack([mono, mono], axis=1)).chunk) == PCM
    assert bytes(voice.AudioInput((mono / 32768).astype(np.float32)).chunk) == PCM
    with pytest.raises(AudioFormatError, match="float64"):
        voice.AudioInput(mono / 32768)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: voice.AudioInput("question.wav"), AudioFormatError, "not a path"),  # type: ignore[arg-type]
        (lambda: voice.AudioInput(b"\0"), AudioFormatError, " "),
        (lambda: voice.AudioInput(b"OggS" + PCM), AudioFormatError, "looks like Ogg"),
        (lambda: voice.AudioInput(PCM, format="wav"), WavError, " "),
        (lambda: voice.AudioInput(PCM, format="mp3"), ConfigError, "format is 'mp3'"),  # type: ignore[arg-type]
        (lambda: voice.AudioInput(7), AudioFormatError, " "),  # type: ignore[arg-type]
        (lambda: voice.AudioInput(SPEECH, sample_rate=8000), AudioFormatError, "leave sample_rate"),
        (lambda: voice.AudioInput(PCM, channels=7), AudioFormatError, " "),
        (lambda: voice.StreamedAudioInput(channels=0), ConfigError, "channels"),
        (lambda: voice.StreamedAudioInput(channels=33), ConfigError, "channels"),
        (
            lambda: voice.AudioInput(audio.silence(audio.PCM24K, 0.1), channels=2),
            AudioFormatError,
            "leave channels out",
        ),
        (lambda: voice.StreamedAudioInput(buffer_seconds=0), ConfigError, "buffer_seconds"),
        (lambda: voice.StreamedAudioInput(sample_rate=0), AudioFormatError, " "),
    ],
)
def test_what_cannot_be_read_is_refused(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


async def test_push_waits_while_the_buffer_is_full() -> None:
    stream = voice.StreamedAudioInput(sample_rate=16_000, buffer_seconds=0.1)
    second = bytes(3200)
    await stream.push(second)
    assert stream.buffered_seconds == pytest.approx(0.1)
    with trio.move_on_after(0.05) as scope:
        await stream.push(second)
    assert scope.cancelled_caught
    assert stream.buffered_seconds == pytest.approx(0.1), "a cancelled push took nothing"
    with pytest.raises(trio.WouldBlock):
        stream.push_nowait(second)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.push, second)
        await trio.testing.wait_all_tasks_blocked()
        pushed = await stream.receive()
        assert pushed is not None
        assert pushed.chunk.frames == 1600
    assert stream.buffered_seconds == pytest.approx(0.1)


async def test_close_lets_the_rest_be_read_and_refuses_more() -> None:
    stream = voice.StreamedAudioInput()
    stream.push_nowait(PCM)
    stream.close()
    stream.close()
    assert stream.closed
    pushed = await stream.receive()
    assert pushed is not None
    assert bytes(pushed.chunk) == PCM
    assert await stream.receive() is None
    assert await stream.receive() is None
    with pytest.raises(UseAfterClose):
        await stream.push(PCM)
    with pytest.raises(UseAfterClose):
        stream.push_nowait(PCM)


async def test_close_ends_a_waiting_reader_and_a_waiting_pusher() -> None:
    stream = voice.StreamedAudioInput()
    results: list[object] = []

    async def read() -> None:
        results.append(await stream.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        stream.close()
    assert results == [None]

    full = voice.StreamedAudioInput(buffer_seconds=0.001)
    await full.push(PCM)

    async def push() -> None:
        with pytest.raises(UseAfterClose):
            await full.push(PCM)
        results.append("refused")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(push)
        await trio.testing.wait_all_tasks_blocked()
        full.close()
    assert results[-1] == "refused"


async def test_what_is_pushed_comes_out_whole_under_random_cancels() -> None:
    stream = voice.StreamedAudioInput(buffer_seconds=0.02)
    taken: list[int] = []

    async def read() -> None:
        while True:
            with trio.move_on_after(0.0005):
                if (pushed := await stream.receive()) is None:
                    return
                taken.append(memoryview(pushed.chunk).cast("B").cast("h")[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for number in range(300):
            await stream.push(array.array("h", [number] * 160).tobytes())
        stream.close()
    assert taken == list(range(300))


async def test_other_rates_and_channels_become_the_streams() -> None:
    stream = voice.StreamedAudioInput(sample_rate=16_000)
    stereo = audio.silence(audio.Format(48_000, 2), 0.5)
    for first in range(0, stereo.frames, 480):
        stream.push_nowait(stereo[first : first + 480])
    stream.close()
    frames = 0
    while (pushed := await stream.receive()) is not None:
        assert pushed.chunk.format == audio.PCM16K
        frames += pushed.chunk.frames
    assert frames == 8000


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_telephone_recordings(law: Any) -> None:
    encode = audio.ulaw_encode if law == "ulaw" else audio.alaw_encode
    decode = audio.ulaw_decode if law == "ulaw" else audio.alaw_decode
    data = encode(audio.AudioChunk(PCM, audio.Format(8000)))
    for raw in (data, bytearray(data), memoryview(data)):
        chunk = voice.AudioInput(raw, format=law).chunk
        assert (chunk.format, bytes(chunk)) == (audio.Format(8000), bytes(decode(data)))
    assert voice.AudioInput(data, format=law, sample_rate=16_000).chunk.sample_rate == 16_000
    pairs = bytes(byte for one in data for byte in (one, one))
    stereo = voice.AudioInput(pairs, format=law, channels=2).chunk
    assert bytes(stereo) == bytes(decode(data))
    with pytest.raises(AudioFormatError):
        voice.AudioInput(data[:3], format=law, channels=2)
    with pytest.raises(AudioFormatError, match="comes as bytes"):
        voice.AudioInput(SAMPLES, format=law)
    with pytest.raises(AudioFormatError, match="looks like MP4"):
        voice.AudioInput(b"\0\0\0\x20ftypisom" + PCM)


@pytest.mark.parametrize(
    ("format", "rate"), [("pcm16", 16_000), ("float32", 16_000), ("ulaw", 8000), ("alaw", 8000)]
)
@pytest.mark.parametrize("channels", [1, 2])
async def test_streams_of_every_format(format: Any, rate: int, channels: int) -> None:
    stream = voice.StreamedAudioInput(format=format, channels=channels)
    assert stream.sample_rate == rate
    samples = array.array("h", [v for v in SAMPLES for _ in range(channels)])
    data = {
        "pcm16": samples.tobytes(),
        "float32": array.array("f", [v / 32768 for v in samples]).tobytes(),
        "ulaw": audio.ulaw_encode(samples),
        "alaw": audio.alaw_encode(samples),
    }[format]
    step = len(data) // 8
    for first in range(0, len(data), step):
        await stream.push(data[first : first + step])
    await stream.push(array.array("h", [7]))  # an array says its own dtype
    stream.close()
    heard = b""
    while (taken := await stream.receive()) is not None:
        assert isinstance(taken, Pushed)
        assert taken.chunk.format == audio.Format(rate)
        heard += bytes(taken.chunk)
    got = array.array("h", heard)
    assert len(got) == len(SAMPLES) + 1
    assert got[-1] == 7
    largest = max(abs(a - b) for a, b in zip(got, SAMPLES, strict=False))
    assert largest <= (0 if format in ("pcm16", "float32") else 8)


async def test_a_source_may_change_its_rate() -> None:
    stream = voice.StreamedAudioInput(sample_rate=16_000)
    for rate in (48_000, 8000, 44_100, 16_000):
        for _ in range(10):
            stream.push_nowait(audio.silence(audio.Format(rate), 0.02))
    stream.close()
    frames = 0
    while isinstance(taken := await stream.receive(), Pushed):
        frames += taken.chunk.frames
    assert frames == pytest.approx(4 * 0.2 * 16_000, abs=4)


async def test_resampling_a_stream_has_no_seams() -> None:
    clip = audio.resample(SPEECH, 48_000)
    heard = []
    for size in (clip.frames, 480, 77):
        stream = voice.StreamedAudioInput(buffer_seconds=60)
        for first in range(0, clip.frames, size):
            await stream.push(clip[first : first + size])
        stream.close()
        data = b""
        while isinstance(taken := await stream.receive(), Pushed):
            data += bytes(taken.chunk)
        heard.append(data)
    assert heard[0] == heard[1] == heard[2]


async def test_a_full_stream_says_so_by_its_own_error() -> None:
    stream = voice.StreamedAudioInput(buffer_seconds=0.001)
    stream.push_nowait(PCM)
    with pytest.raises(BufferFull, match="push"):
        stream.push_nowait(PCM)
    assert issubclass(BufferFull, trio.WouldBlock)
    assert stream.buffered_seconds == pytest.approx(240 / 16_000)


async def test_a_commit_stands_where_it_was_made() -> None:
    stream = voice.StreamedAudioInput()
    stream.push_nowait(PCM)
    stream.commit()
    stream.commit()
    stream.push_nowait(PCM)
    stream.close()
    kinds = [type(await stream.receive()) for _ in range(4)]
    assert kinds == [Pushed, Committed, Pushed, type(None)]
    with pytest.raises(UseAfterClose):
        stream.commit()
    with pytest.raises(ConfigError, match="format is 'mp3'"):
        voice.StreamedAudioInput(format="mp3")  # type: ignore[arg-type]


async def test_a_stream_has_one_reader_at_a_time() -> None:
    stream = voice.StreamedAudioInput()
    taken: list[object] = []

    async def read() -> None:
        taken.append(await stream.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConcurrencyError, match="one of its own"):
            await stream.receive()
        stream.push_nowait(PCM)
    assert [type(one) for one in taken] == [Pushed], "the first reader has lost nothing"
    with trio.move_on_after(0):
        await stream.receive()
    stream.close()
    assert await stream.receive() is None, "a reader that was cancelled is none"
