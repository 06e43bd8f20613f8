"""Resamplers behind one face: PCM16 bytes in, PCM16 bytes out, state kept between chunks."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from voxloop import _native, audio

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

Stream = Callable[[bytes | None], bytes]
"""Takes a chunk, or None for the end; gives what it can."""


def voxloop(quality: audio.Quality) -> Callable[[int, int], Stream]:
    def make(rate_in: int, rate_out: int) -> Stream:
        stream = audio.Resampler(rate_in, rate_out, quality=quality)

        def step(data: bytes | None) -> bytes:
            return bytes(stream.flush() if data is None else stream.process(data))

        return step

    return make


def forced(simd: str) -> Callable[[int, int], Stream]:
    """The high quality on an older instruction set: what another processor would give."""

    def make(rate_in: int, rate_out: int) -> Stream:
        stream = _native.Resampler(rate_in, rate_out, 1, "high", simd)

        def step(data: bytes | None) -> bytes:
            return bytes(stream.flush() if data is None else stream.process(data))

        return step

    return make


def soxr(quality: str) -> Callable[[int, int], Stream]:
    def make(rate_in: int, rate_out: int) -> Stream:
        import soxr

        stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="int16", quality=quality)

        def step(data: bytes | None) -> bytes:
            samples = np.frombuffer(data or b"", np.int16)
            return stream.resample_chunk(samples, last=data is None).tobytes()

        return step

    return make


def samplerate(kind: str) -> Callable[[int, int], Stream]:
    def make(rate_in: int, rate_out: int) -> Stream:
        import samplerate

        stream, ratio = samplerate.Resampler(kind), rate_out / rate_in

        def step(data: bytes | None) -> bytes:
            samples = np.frombuffer(data or b"", np.int16).astype(np.float32) / 32_768
            out = stream.process(samples, ratio, end_of_input=data is None)
            return np.rint(out * 32_768).clip(-32_768, 32_767).astype(np.int16).tobytes()

        return step

    return make


def av(rate_in: int, rate_out: int) -> Stream:
    import av

    stream = av.AudioResampler("s16", "mono", rate_out)

    def step(data: bytes | None) -> bytes:
        frame = None
        if data is not None:
            frame = av.AudioFrame("s16", "mono", len(data) // 2)
            frame.planes[0].update(data)
            frame.sample_rate = rate_in
        # A plane may be longer than its samples.
        return b"".join(bytes(f.planes[0])[: f.samples * 2] for f in stream.resample(frame))

    return step


def livekit(rate_in: int, rate_out: int) -> Stream:
    from livekit import rtc

    stream = rtc.AudioResampler(rate_in, rate_out)

    def step(data: bytes | None) -> bytes:
        frames = stream.flush() if data is None else stream.push(bytearray(data))
        return b"".join(bytes(frame.data) for frame in frames)

    return step


def ratecv(rate_in: int, rate_out: int) -> Stream:
    state = None

    def step(data: bytes | None) -> bytes:
        nonlocal state
        if data is None:
            return b""
        out, state = audioop.ratecv(data, 2, 1, rate_in, rate_out, state)
        return out

    return step


def polyphase(rate_in: int, rate_out: int) -> Stream:
    from scipy import signal

    def step(data: bytes | None) -> bytes:
        if data is None:
            return b""
        samples = np.frombuffer(data, np.int16).astype(np.float32)
        out = signal.resample_poly(samples, rate_out, rate_in)
        return np.rint(out).clip(-32_768, 32_767).astype(np.int16).tobytes()

    return step


STREAMS: dict[str, Callable[[int, int], Stream]] = {
    "voxloop high": voxloop("high"),
    "voxloop low_latency": voxloop("low_latency"),
    "voxloop high on AVX2": forced("avx2"),
    "voxloop high on SSE2": forced("sse2"),
    "soxr HQ": soxr("HQ"),
    "soxr VHQ": soxr("VHQ"),
    "livekit MEDIUM": livekit,
    "PyAV (libswresample)": av,
    "audioop.ratecv": ratecv,
    "samplerate sinc_best": samplerate("sinc_best"),
    "samplerate sinc_fastest": samplerate("sinc_fastest"),
}
"""What keeps state between chunks."""

CLIPS: dict[str, Callable[[int, int], Stream]] = {
    **{name: make for name, make in STREAMS.items() if not name.startswith("samplerate")},
    "scipy.resample_poly": polyphase,
}
"""What takes 60 s at once in a reasonable time."""
