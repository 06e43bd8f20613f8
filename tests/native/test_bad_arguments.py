"""What makes no sense is refused by name everywhere: never an error from the depths."""

from __future__ import annotations

import inspect
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from voxloop import audio
from voxloop.audio import PCM24K, AudioFormatError, Format

NO_NUMBERS: list[Any] = [None, True, False, "20", b"20", [20], object(), math.nan, 2j]
NO_WHOLE = [*NO_NUMBERS, -1, -(10**30), 10**30, 10**6000, 1.5, math.inf, np.float32(20), np.True_]
NO_REAL = [*NO_NUMBERS, -math.inf, math.inf, 10**400, -(10**400), 1e300]
NO_TIME = [*NO_REAL, -1.0, 1e9]
NO_NAME: list[Any] = [None, 5, "", "nonsense", b"high", "\ud800", ["high"], np.int16(1)]
NO_FORMAT: list[Any] = [None, 24_000, "pcm16", (24_000, 1, "pcm16"), PCM24K.sample_rate, Format]
NO_AUDIO: list[Any] = [None, 5, 1.5, "sound", [1, 2], object(), {}, b"\0", bytearray(3)]
NO_AUDIO += [np.zeros(4), np.zeros(4, np.int32), np.zeros((2, 2, 2), np.int16), np.int16(1)]
NO_BYTES: list[Any] = [None, 5, 1.5, "bytes", [1, 2], object()]
NO_FILE: list[Any] = [None, 5, 1.5, [1], object()]
NO_FLAG: list[Any] = [None, 0, 1, "yes", 0.5]

Call = Callable[[Any], object]
CLIP = audio.silence(PCM24K, 0.02)


def numbers(name: str, make: Callable[..., object], fixed: dict[str, Any], **bad: Any) -> list:
    """One case for each argument, the others left as they are."""
    return [
        (f"{name}.{key}", values, lambda value, key=key: make(**{**fixed, key: value}))
        for key, values in bad.items()
    ]


RATE, MS = NO_WHOLE, NO_WHOLE
DETECTOR = {"sample_rate": RATE, "silence_ms": MS, "min_speech_ms": MS, "prefix_ms": MS}
CASES: list[tuple[str, list[Any], Call]] = [
    *numbers("Format", Format, {"sample_rate": 8_000}, sample_rate=[*NO_WHOLE, 0, 999, 768_001]),
    *numbers("Format", Format, {"sample_rate": 8_000}, channels=[*NO_WHOLE, 0, 33, 65_536]),
    *numbers("Format", Format, {"sample_rate": 8_000}, encoding=NO_NAME),
    ("AudioChunk.data", [*NO_BYTES, b"\0"], lambda v: audio.AudioChunk(v, PCM24K)),
    ("AudioChunk.format", NO_FORMAT, lambda v: audio.AudioChunk(b"", v)),
    ("AudioChunk[]", [0, -1, 10**30, None, "a", 1.5, slice(0, 9, 2)], lambda v: CLIP[v]),
    ("as_chunk", NO_AUDIO, audio.as_chunk),
    ("as_chunk.format", NO_FORMAT[1:], lambda v: audio.as_chunk(b"", format=v)),
    ("concat", [None, 5, "ab", [None], [b""], [CLIP, 5]], audio.concat),
    ("concat.format", NO_FORMAT[1:], lambda v: audio.concat([], format=v)),
    ("silence.format", NO_FORMAT, lambda v: audio.silence(v, 0.1)),
    ("silence.seconds", [*NO_REAL, -0.1], lambda v: audio.silence(PCM24K, v)),
    ("Dither.seed", [*NO_WHOLE, 2**64], audio.Dither),
    ("Dither.process", NO_AUDIO, lambda v: audio.Dither(1).process(v)),
    *numbers("Resampler", audio.Resampler, {"rate_in": 8_000, "rate_out": 16_000},
             rate_in=[*RATE, 0, 999], rate_out=[*RATE, 768_001], channels=[*NO_WHOLE, 0, 33],
             quality=NO_NAME),
    ("Resampler.process", NO_AUDIO, lambda v: audio.Resampler(8_000, 16_000).process(v)),
    ("resample", NO_AUDIO, lambda v: audio.resample(v, 8_000)),
    ("resample.sample_rate", [*RATE, 0], lambda v: audio.resample(CLIP, v)),
    ("resample.quality", NO_NAME, lambda v: audio.resample(CLIP, 8_000, quality=v)),
    *numbers("Framer", audio.Framer, {"format": PCM24K}, format=NO_FORMAT,
             frame_ms=[*NO_TIME, 0, 0.01]),
    ("Framer.process", NO_AUDIO, lambda v: audio.Framer(PCM24K).process(v)),
    ("Framer.flush", NO_FLAG, lambda v: audio.Framer(PCM24K).flush(pad=v)),
    *numbers("JitterBuffer", audio.JitterBuffer, {"format": PCM24K}, format=NO_FORMAT,
             target_ms=NO_TIME, capacity_ms=[*NO_TIME, 0], overrun=NO_NAME),
    ("JitterBuffer.push", NO_AUDIO, lambda v: audio.JitterBuffer(PCM24K).push(v)),
    ("JitterBuffer.pull", NO_WHOLE, lambda v: audio.JitterBuffer(PCM24K).pull(v)),
    ("JitterBuffer.set_target", NO_TIME, lambda v: audio.JitterBuffer(PCM24K).set_target(v)),
    *numbers("Pacer", audio.Pacer, {"sample_rate": 24_000}, sample_rate=RATE,
             frame_ms=[*NO_TIME, 0, 0.01], catch_up=[*NO_WHOLE, 0], lead=NO_WHOLE),
    ("Packed", NO_BYTES, audio.Packed),
    ("Pacer.poll", [*NO_REAL, -1], audio.Pacer(24_000).poll),
    ("PlaybackLedger", RATE, audio.PlaybackLedger),
    ("PlaybackLedger.queue", [None, 5, b"a", "\ud800"],
     lambda v: audio.PlaybackLedger(24_000).queue(v, 5)),
    ("PlaybackLedger.queue.frames", NO_WHOLE, lambda v: audio.PlaybackLedger(24_000).queue("a", v)),
    ("PlaybackLedger.play", NO_WHOLE, audio.PlaybackLedger(24_000).play),
    ("PlaybackLedger.heard", [None, 5, b"a"], audio.PlaybackLedger(24_000).heard),
    ("PlaybackLedger.heard_ms", [None, 5, b"a"], audio.PlaybackLedger(24_000).heard_ms),
    ("PlaybackLedger.forget", [None, 5, b"a"], audio.PlaybackLedger(24_000).forget),
    *numbers("Vad", audio.Vad, {}, **DETECTOR, threshold=[*NO_REAL, 0, -0.1, 1.1],
             release=[*NO_REAL[1:], -0.1, 0.9]),
    ("Vad.process", NO_AUDIO, lambda v: audio.Vad().process(v)),
    ("Vad.process_frames", NO_AUDIO, lambda v: audio.Vad().process_frames(v)),
    *numbers("EnergyGate", audio.EnergyGate, {}, **DETECTOR, threshold_dbfs=[*NO_REAL, 1, -121],
             margin_db=[*NO_REAL, -1, 61]),
    ("EnergyGate.process", NO_AUDIO, lambda v: audio.EnergyGate().process(v)),
    ("WavDecoder.encoding", NO_NAME, lambda v: audio.WavDecoder(encoding=v)),
    ("WavDecoder.feed", NO_BYTES, lambda v: audio.WavDecoder().feed(v)),
    ("WavReader", NO_FILE, audio.WavReader),
    ("WavReader.encoding", NO_NAME, lambda v: audio.WavReader(wav_file(), encoding=v)),
    ("WavReader.read", NO_WHOLE[1:], lambda v: audio.WavReader(wav_file()).read(v)),
    ("WavWriter", NO_FILE, lambda v: audio.WavWriter(v, PCM24K)),
    ("WavWriter.format", NO_FORMAT, lambda v: audio.WavWriter(io.BytesIO(), v)),
    ("WavWriter.write", NO_AUDIO, lambda v: audio.WavWriter(io.BytesIO(), PCM24K).write(v)),
    ("decode_wav", NO_BYTES, audio.decode_wav),
    ("decode_wav.encoding", NO_NAME, lambda v: audio.decode_wav(b"", encoding=v)),
    ("encode_wav", NO_AUDIO, audio.encode_wav),
    ("read_wav", NO_FILE, audio.read_wav),
    ("read_wav.encoding", NO_NAME, lambda v: audio.read_wav(wav_file(), encoding=v)),
    ("wav_info", NO_BYTES, audio.wav_info),
    ("write_wav", NO_FILE, lambda v: audio.write_wav(v, CLIP)),
    ("write_wav.chunk", NO_AUDIO, lambda v: audio.write_wav(io.BytesIO(), v)),
    *((name, NO_AUDIO, getattr(audio, name)) for name in (
        "alaw_encode", "ulaw_encode", "peak", "peak_dbfs", "rms", "rms_dbfs", "to_float32",
        "to_mono", "to_pcm16")),
    *((name, NO_BYTES, getattr(audio, name)) for name in ("alaw_decode", "ulaw_decode")),
    ("alaw_decode.rate", RATE, lambda v: audio.alaw_decode(b"", sample_rate=v)),
    ("ulaw_decode.rate", RATE, lambda v: audio.ulaw_decode(b"", sample_rate=v)),
    ("WavSource", [v for v in NO_AUDIO if not isinstance(v, str)], audio.WavSource),
    *numbers("WavSource", audio.WavSource, {"path_or_chunk": "a.wav"}, realtime=NO_FLAG,
             loop=NO_FLAG, frame_ms=[*NO_WHOLE, 4, 1001]),
    *numbers("PushSource", audio.PushSource, {}, format=NO_FORMAT, max_seconds=[*NO_REAL, 0, 3601]),
    *numbers("NullSink", audio.NullSink, {}, sample_rate=[*RATE, 8_001], buffer_ms=[*MS, 10_001]),
    *numbers("WavSink", audio.WavSink, {"path": "a.wav"}, path=NO_FILE, sample_rate=[*RATE, 100],
             buffer_ms=[*MS, 10_001]),
    *numbers("CallbackSink", audio.CallbackSink, {"callback": print}, callback=[None, 5, "print"],
             batch_ms=[*MS, 19], sample_rate=RATE, buffer_ms=MS),
    *numbers("Microphone", audio.Microphone, {}, device=[5, "", b"mic", ["mic"]],
             frame_ms=[*NO_WHOLE, 4]),
    *numbers("Speaker", audio.Speaker, {}, device=[5, "", b"out"], latency_ms=[*NO_WHOLE, 4],
             buffer_ms=[*MS, 10_001]),
    ("gain", NO_AUDIO, lambda v: audio.gain(v, 1.0)),
    ("gain.factor", NO_REAL, lambda v: audio.gain(CLIP, v)),
    ("mix", NO_AUDIO, lambda v: audio.mix(CLIP, v)),
    ("mix.one", NO_AUDIO, lambda v: audio.mix(v, CLIP)),
    ("channel", NO_AUDIO, lambda v: audio.channel(v, 0)),
    ("channel.index", [*NO_WHOLE, 1], lambda v: audio.channel(CLIP, v)),
    ("encode_pcm", NO_AUDIO, lambda v: audio.encode_pcm(v, "pcm24")),
    ("encode_pcm.width", NO_NAME, lambda v: audio.encode_pcm(CLIP, v)),
    ("decode_pcm", NO_BYTES, lambda v: audio.decode_pcm(v, "pcm24", format=PCM24K)),
    ("decode_pcm.width", NO_NAME, lambda v: audio.decode_pcm(b"", v, format=PCM24K)),
    ("decode_pcm.format", NO_FORMAT, lambda v: audio.decode_pcm(b"", "pcm24", format=v)),
]  # fmt: skip


def wav_file() -> io.BytesIO:
    return io.BytesIO(audio.encode_wav(CLIP))


@pytest.mark.parametrize(("values", "call"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_refused_by_name(values: list[Any], call: Call) -> None:
    for value in values:
        with pytest.raises(AudioFormatError) as caught:
            call(value)
        assert 10 < len(str(caught.value)) < 400, "a sentence, whatever came"


def test_the_whole_surface_is_asked() -> None:
    asked = {name.replace("[]", "").split(".")[0] for name, _, _ in CASES}
    given_out = {"Device", "devices"}  # these take nothing
    made_by_others = {
        "Heard",
        "MediaSink",
        "MediaSource",
        "JitterStats",
        "Pace",
        "VadEvent",
        "VadFrame",
        "WavInfo",
    }
    for name in audio.__all__:
        thing = getattr(audio, name)
        takes = inspect.isclass(thing) and not issubclass(thing, Exception)
        takes = takes and thing is not object and not getattr(thing, "_is_protocol", False)
        if (takes or inspect.isroutine(thing)) and name not in given_out | made_by_others:
            assert name in asked, f"audio.{name}"
    for name in made_by_others:
        with pytest.raises(TypeError, match=r"No constructor|cannot create"):
            getattr(audio, name)()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Format(-8_000), "sample rate: got -8000, wanted hertz"),
        (lambda: Format(8_000, channels=True), "channels: got True, wanted a whole number, 1 to"),
        (lambda: audio.Resampler(8_000, 16_000, channels=0), "channels: got 0, wanted 1 to 32"),
        (lambda: audio.Vad(silence_ms=10**4000), "silence_ms: got a value of type int, wanted"),
        (lambda: audio.gain(CLIP, math.nan), "gain: got NaN, wanted a finite factor"),
        (lambda: audio.Framer(PCM24K, frame_ms=-20), "frame_ms: got -20, wanted a number, 0 to"),
    ],
)
def test_the_message_says_what_came_and_what_is_wanted(call: Call, text: str) -> None:
    with pytest.raises(AudioFormatError) as caught:
        call()  # type: ignore[call-arg]
    assert text in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    assert Format(np.int64(24_000), np.uint8(1)) == PCM24K
    assert audio.gain(CLIP, np.float64(2.0)) == CLIP
    assert audio.Resampler(np.int32(8_000), np.uint16(16_000)).delay_frames > 0
    assert audio.Vad(sample_rate=np.int64(8_000), prefix_ms=np.int64(10)).prefix_frames == 80
