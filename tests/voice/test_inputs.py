from __future__ import annotations

import array
from typing import Any

import pytest
import trio

from support.voice_runs import SPEECH
from voxloop import audio, voice
from voxloop._errors import AudioFormatError, ConfigError, UseAfterClose, WavError

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
