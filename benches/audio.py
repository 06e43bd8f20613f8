"""Resampling, small calls, bulk work and WAV against their peers; speed and quality in one run.

All cases of a table are measured in turn within each round, in an order that changes, on samples
that are new each round. A figure is the minimum over the rounds (others' work on the machine only
adds) and the median after it; a ratio is of the minima to voxloop's in the same run: above 1,
voxloop is faster. Run it with ``make bench-audio`` (a release build in an environment of its own).
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import statistics
import time
import wave
from collections.abc import Callable
from importlib import metadata

import numpy as np
import soundfile
from audio_peers import CLIPS, STREAMS, Stream, audioop

from voxloop import audio
from voxloop.audio import PCM24K, Format

PAIRS = [
    (48_000, 24_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 24_000),
    (44_100, 24_000),
    (24_000, 48_000),
]
PEERS = ["numpy", "scipy", "soxr", "samplerate", "av", "livekit", "soundfile"]
Case = Callable[[], object]
Times = dict[str, list[float]]


def timed(call: Case, count: int) -> float:
    """Seconds of one call, of `count` in a row."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def sound(frames: int, rate: int) -> bytes:
    """Something like a voice: tones and noise, new each time."""
    rng = np.random.default_rng(random.randrange(2**32))
    turn = 2 * np.pi * np.arange(frames) / rate
    tones = sum(np.sin(f * turn + rng.uniform(0, 6)) for f in rng.uniform(80, 3_500, 8))
    return (tones * 2_000 + rng.normal(0, 800, frames)).astype(np.int16).tobytes()


def table(title: str, columns: list[str], rows: dict[str, list[str]]) -> None:
    print(f"\n### {title}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def shown(values: list[float], base: list[float], scale: float, digits: int = 1) -> str:
    low, middle = min(values) * scale, statistics.median(values) * scale
    return f"{low:.{digits}f} / {middle:.{digits}f} ({min(values) / min(base):.2f}x)"


# --- resampling ----------------------------------------------------------------------------


def streaming(rounds: int, seconds: float) -> None:
    columns: list[Times] = []
    for rate_in, rate_out in PAIRS:
        times: Times = {name: [] for name in STREAMS}
        for _ in range(rounds):
            data = sound(round(rate_in * seconds), rate_in)
            step = rate_in // 50 * 2
            chunks = [data[at : at + step] for at in range(0, len(data), step)]
            for name in random.sample(list(STREAMS), len(STREAMS)):
                stream = STREAMS[name](rate_in, rate_out)
                # What is slow needs fewer chunks for the same precision.
                some = chunks[: len(chunks) // 10] if "samplerate" in name else chunks
                stream(some[0])
                start = time.perf_counter()
                for chunk in some[1:]:
                    stream(chunk)
                frames = (len(some) - 1) * rate_out / 50
                times[name].append((time.perf_counter() - start) / frames)
        columns.append(times)
    rows = {n: [shown(t[n], t["voxloop high"], 1e9) for t in columns] for n in STREAMS}
    table(
        "Resampling in 20 ms chunks, PCM16 bytes in and out: ns per output sample, "
        "minimum / median (ratio to voxloop high)",
        [f"{a / 1000:g} to {b / 1000:g} kHz" for a, b in PAIRS],
        rows,
    )


def one_shot(rounds: int) -> None:
    columns: list[Times] = []
    for rate_in, rate_out in PAIRS:
        times: Times = {name: [] for name in CLIPS}
        for _ in range(rounds):
            data = sound(rate_in * 60, rate_in)
            for name in random.sample(list(CLIPS), len(CLIPS)):
                stream = CLIPS[name](rate_in, rate_out)
                start = time.perf_counter()
                stream(data)
                stream(None)
                times[name].append((time.perf_counter() - start) / (60 * rate_out))
        columns.append(times)
    rows = {n: [shown(t[n], t["voxloop high"], 1e9) for t in columns] for n in CLIPS}
    table(
        "Resampling 60 s at once: ns per output sample, minimum / median (ratio)",
        [f"{a / 1000:g} to {b / 1000:g} kHz" for a, b in PAIRS],
        rows,
    )


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Amplitudes by a window with side lobes below -180 dB (Kaiser, beta 20)."""
    middle = samples[len(samples) // 4 : len(samples) // 4 * 3]
    window = np.kaiser(len(middle), 20)
    return 2 * np.abs(np.fft.rfft(middle * window)) / window.sum()


def run(make: Callable[[int, int], Stream], pair: tuple[int, int], samples: np.ndarray) -> tuple:
    """All output by 20 ms chunks, and the most time that output was behind input, in ms."""
    stream, step = make(*pair), pair[0] // 50
    words = np.rint(samples * 32_767).astype(np.int16)
    out, behind = b"", 0.0
    for at in range(0, len(words), step):
        out += stream(words[at : at + step].tobytes())
        behind = max(behind, min(at + step, len(words)) / pair[0] - len(out) / 2 / pair[1])
    out += stream(None)
    return np.frombuffer(out, np.int16) / 32_767, behind * 1_000


def decibels(ratio: float) -> str:
    return f"{20 * np.log10(ratio):.1f}" if ratio > 1e-9 else "none left in 16 bits"


def noise(second: np.ndarray, hertz: int) -> float:
    """Mean square of one second less its tone, in steps; whole periods, so the line is one bin."""
    bins = np.fft.rfft(second)
    bins[hertz] = 0
    return float((np.fft.irfft(bins, len(second)) ** 2).mean())


def tones_of(rate: int, hertz: int) -> list[np.ndarray]:
    """A second of a tone near full scale, at phases that spread its rounding errors."""
    turn = 2 * np.pi * hertz * np.arange(rate) / rate
    return [32_700 * np.sin(turn + 0.77 * phase) for phase in range(6)]


def signal_to_noise(make: Callable[[int, int], Stream], pair: tuple[int, int], hertz: int) -> float:
    noises = []
    for tone in tones_of(pair[0], hertz):
        out = run(make, pair, np.tile(tone, 3) / 32_767)[0] * 32_767
        noises.append(noise(out[pair[1] : 2 * pair[1]], hertz))
    return float(10 * np.log10(32_700**2 / 2 / np.mean(noises)))


def bound(pair: tuple[int, int], hertz: int) -> float:
    """What two roundings leave: an ideal resampler (by Fourier series) between them."""
    noises = []
    for tone in tones_of(pair[0], hertz):
        bins, kept = np.fft.rfft(np.rint(tone)), np.zeros(pair[1] // 2 + 1, complex)
        count = min(len(bins), len(kept)) - 1
        kept[:count] = bins[:count]
        ideal = np.fft.irfft(kept, pair[1]) * (pair[1] / pair[0])
        noises.append(noise(np.rint(ideal), hertz))
    return float(10 * np.log10(32_700**2 / 2 / np.mean(noises)))


def quality_of(name: str, pair: tuple[int, int]) -> list[str]:
    make, (rate_in, rate_out) = STREAMS[name], pair
    narrow, time_in = min(pair) / 2, np.arange(rate_in) / rate_in
    levels = []
    for part in (0.05, 0.5, 0.8, 0.9):
        tone = 0.5 * np.sin(2 * np.pi * part * narrow * time_in)
        levels.append(spectrum(run(make, pair, tone)[0]).max() / 0.5)
    ripple = [max(abs(20 * np.log10(level / levels[0])) for level in levels[:n]) for n in (3, 4)]
    if rate_in > rate_out:
        outside = [narrow * 1.02, narrow * 1.2]
        left = [
            spectrum(run(make, pair, 0.9 * np.sin(2 * np.pi * f * time_in))[0]).max() / 0.9
            for f in outside
        ]
    else:
        out = run(make, pair, 0.9 * np.sin(2 * np.pi * 0.85 * narrow * time_in))[0]
        lines = spectrum(out)
        where = np.linspace(0, rate_out / 2, len(lines))
        left = [lines[where > rate_in / 2].max() / 0.9]
    loud = [signal_to_noise(make, pair, hertz) for hertz in (1_000, 3_300)]
    behind = run(make, pair, np.zeros(rate_in))[1]
    data = sound(rate_in, rate_in)
    whole, parts = make(*pair), make(*pair)
    once = whole(data) + whole(None)
    cut = b"".join(parts(data[at : at + 322]) for at in range(0, len(data), 322)) + parts(None)
    off = len(once) // 2 - round(len(data) / 2 * rate_out / rate_in)
    return [
        f"{ripple[0]:.4f} / {ripple[1]:.4f}",
        decibels(max(left)),
        f"{loud[0]:.1f} / {loud[1]:.1f}",
        f"{behind:.1f}",
        "exact" if once == cut else "differs",
        f"{off:+d}",
    ]


def quality() -> None:
    for pair in [(48_000, 24_000), (24_000, 16_000), (8_000, 24_000)]:
        limits = " / ".join(f"{bound(pair, hertz):.1f}" for hertz in (1_000, 3_300))
        rows = {"limit of two roundings": ["-", "-", limits, "-", "-", "-"]}
        for name in STREAMS:
            try:
                rows[name] = quality_of(name, pair)
            except (ValueError, RuntimeError) as failure:
                rows[name] = [f"fails: {failure}"] + ["-"] * 5
        table(
            f"Quality through 16 bits, {pair[0] / 1000:g} to {pair[1] / 1000:g} kHz",
            [
                "ripple to 0.8 / 0.9 of the band, dB",
                "alias or image, dB",
                "SNR 1 / 3.3 kHz, dB",
                "behind, ms (20 ms chunks, most)",
                "chunked = whole",
                "frames off",
            ],
            rows,
        )


# --- small calls and bulk ------------------------------------------------------------------


def ulaw_table() -> np.ndarray:
    words = np.arange(-32_768, 32_768).astype(np.int16)
    codes = np.frombuffer(audio.ulaw_encode(words), np.uint8)
    return codes[np.arange(65_536).astype(np.uint16).view(np.int16).astype(int) + 32_768]


def small_cases(data: bytes, table_: np.ndarray) -> dict[str, dict[str, Case]]:
    """The same 20 ms as a chunk, an array and bytes; each peer gets what it takes best."""
    chunk = audio.AudioChunk(data, PCM24K)
    words = np.frombuffer(data, np.int16)
    floats = (words / np.float32(32_768)).astype(np.float32)
    float_chunk = audio.as_chunk(floats)
    codes = audio.ulaw_encode(chunk)
    byte_codes = np.frombuffer(codes, np.uint8)
    decode_table = np.frombuffer(bytes(audio.ulaw_decode(bytes(range(256)))), np.int16)
    framer = audio.Framer(PCM24K, frame_ms=20)
    wide = words.astype(np.int32)

    def clip(values: np.ndarray) -> np.ndarray:
        return np.clip(values, -32_768, 32_767).astype(np.int16)

    return {
        "pcm16 to float32": {
            "voxloop": lambda: audio.to_float32(chunk),
            "numpy": lambda: words.astype(np.float32) * np.float32(1 / 32_768),
        },
        "float32 to pcm16": {
            "voxloop": lambda: audio.to_pcm16(float_chunk),
            "numpy": lambda: clip(np.rint(floats * np.float32(32_768))),
        },
        "bytes to chunk": {
            "voxloop": lambda: audio.AudioChunk(data, PCM24K),
            "numpy": lambda: np.frombuffer(data, np.int16),
        },
        "u-law encode": {
            "voxloop": lambda: audio.ulaw_encode(chunk),
            "numpy": lambda: table_.take(words.view(np.uint16)),
            "audioop": lambda: audioop.lin2ulaw(data, 2),
        },
        "u-law decode": {
            "voxloop": lambda: audio.ulaw_decode(codes),
            "numpy": lambda: decode_table.take(byte_codes),
            "audioop": lambda: audioop.ulaw2lin(codes, 2),
        },
        "gain": {
            "voxloop": lambda: audio.gain(chunk, 0.7),
            "numpy": lambda: clip(np.rint(words * np.float32(0.7))),
            "audioop": lambda: audioop.mul(data, 2, 0.7),
        },
        "mix": {
            "voxloop": lambda: audio.mix(chunk, chunk),
            "numpy": lambda: clip(wide + words),
            "audioop": lambda: audioop.add(data, data, 2),
        },
        "RMS": {
            "voxloop": lambda: audio.rms(chunk),
            "numpy": lambda: np.sqrt(np.mean(np.square(words, dtype=np.float32))),
            "audioop": lambda: audioop.rms(data, 2),
        },
        "peak": {
            "voxloop": lambda: audio.peak(chunk),
            "numpy": lambda: np.abs(words.astype(np.int32)).max(),
            "audioop": lambda: audioop.max(data, 2),
        },
        "frame": {
            "voxloop": lambda: framer.process(chunk),
            "numpy": lambda: words.reshape(-1, 480),
        },
    }


def measured(rounds: int, make: Callable[[], dict[str, dict[str, Case]]], calls: int) -> dict:
    times: dict[str, Times] = {}
    for _ in range(rounds):
        for name, cases in make().items():
            for peer in random.sample(list(cases), len(cases)):
                cases[peer]()
                found = times.setdefault(name, {}).setdefault(peer, [])
                found.append(timed(cases[peer], calls))
    return times


def peers_table(title: str, times: dict[str, Times], scale: float, digits: int) -> None:
    peers = list(dict.fromkeys(peer for cases in times.values() for peer in cases))
    peers.sort(key=lambda peer: peer != "voxloop")
    rows = {
        name: [
            shown(cases[peer], cases["voxloop"], scale, digits) if peer in cases else "-"
            for peer in peers
        ]
        for name, cases in times.items()
    }
    table(title, peers, rows)


def small(rounds: int) -> None:
    codes = ulaw_table()
    times = measured(rounds, lambda: small_cases(sound(480, 24_000), codes), 2_000)
    title = "One call on 20 ms (480 samples): us, minimum / median (ratio to voxloop)"
    peers_table(title, times, 1e6, 3)


def bulk_cases(codes: np.ndarray) -> dict[str, dict[str, Case]]:
    data = sound(60 * 24_000, 24_000)
    cases = small_cases(data, codes)
    kept = ("u-law encode", "u-law decode", "gain", "mix", "RMS", "float32 to pcm16")
    return {name: cases[name] for name in kept}


def bulk(rounds: int) -> None:
    codes = ulaw_table()
    times = measured(rounds, lambda: bulk_cases(codes), 5)
    title = "One call on 60 s at 24 kHz: ns per sample, minimum / median (ratio to voxloop)"
    peers_table(title, times, 1e9 / (60 * 24_000), 3)


def wav_cases() -> dict[str, dict[str, Case]]:
    data = sound(60 * 24_000, 24_000)
    file = audio.encode_wav(audio.AudioChunk(data, PCM24K))
    wide = io.BytesIO()
    soundfile.write(wide, np.frombuffer(data, np.int16), 24_000, "PCM_24", format="WAV")
    wide_file = wide.getvalue()

    def standard() -> bytes:
        with wave.open(io.BytesIO(file)) as reader:
            return reader.readframes(reader.getnframes())

    def standard_header() -> int:
        with wave.open(io.BytesIO(file)) as reader:
            return reader.getnframes()

    def standard_write(samples: bytes) -> bytes:
        out = io.BytesIO()
        with wave.open(out, "wb") as writer:
            writer.setparams((1, 2, 24_000, 0, "NONE", ""))
            writer.writeframes(samples)
        return out.getvalue()

    chunk = audio.AudioChunk(data, Format(24_000))
    second = data[:48_000]
    short_chunk = audio.AudioChunk(second, Format(24_000))
    return {
        "header": {
            "voxloop": lambda: audio.wav_info(file),
            "wave": standard_header,
            "soundfile": lambda: soundfile.info(io.BytesIO(file)),
        },
        "read PCM16": {
            "voxloop": lambda: audio.decode_wav(file),
            "wave": standard,
            "soundfile": lambda: soundfile.read(io.BytesIO(file), dtype="int16"),
        },
        "read 24 bits as float32": {
            "voxloop": lambda: audio.decode_wav(wide_file, encoding="float32"),
            "soundfile": lambda: soundfile.read(io.BytesIO(wide_file), dtype="float32"),
        },
        "write PCM16": {
            "voxloop": lambda: audio.encode_wav(chunk),
            "wave": lambda: standard_write(data),
        },
        "write PCM16, one second": {
            "voxloop": lambda: audio.encode_wav(short_chunk),
            "wave": lambda: standard_write(second),
        },
    }


def wav(rounds: int) -> None:
    times = measured(rounds, wav_cases, 20)
    title = "WAV of 60 s in memory: us, minimum / median (ratio to voxloop)"
    peers_table(title, times, 1e6, 2)


TABLES: dict[str, Callable[[int], None]] = {
    "streaming": lambda rounds: streaming(rounds, 4.0),
    "one-shot": lambda rounds: one_shot(max(2, rounds // 2)),
    "quality": lambda rounds: quality(),
    "small": lambda rounds: small(rounds * 2),
    "bulk": bulk,
    "wav": wav,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=TABLES, action="append")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PEERS)
    simd = audio.Resampler(48_000, 24_000)._native.simd
    print(
        f"Python {platform.python_version()}, {versions}; voxloop resamples with {simd}; ", end=""
    )
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.rounds} rounds")
    for name in options.only or TABLES:
        TABLES[name](options.rounds)


if __name__ == "__main__":
    main()
