"""A PulseAudio server of one's own, with a sink that nobody hears: devices without hardware."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

needs_pulseaudio = pytest.mark.skipif(
    shutil.which("pulseaudio") is None or shutil.which("pactl") is None,
    reason="MICROPHONE AND SPEAKER ARE NOT TESTED: install pulseaudio and pulseaudio-utils",
)
RATE = 48_000


class Server:
    """The running server; its sink is ``out``, and the sink's monitor ``out.monitor``."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.address = f"unix:{folder}/native"
        self.folder = folder

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PULSE_SERVER": self.address, "HOME": str(self.folder)}

    def pactl(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    @contextmanager
    def recording(self, path: Path) -> Iterator[subprocess.Popen[bytes]]:
        """What the sink plays, into a file of raw samples, while the block runs."""
        words = ["parec", "-d", "out.monitor", "--rate=48000", "--channels=1", "--format=s16le"]
        with (
            path.open("wb") as file,
            subprocess.Popen(
                [*words, "--latency-msec=20", "--raw"], env=self.environment(), stdout=file
            ) as process,
        ):
            try:
                while path.stat().st_size == 0 and process.poll() is None:
                    time.sleep(0.01)
                yield process
            finally:
                process.terminate()

    def play(self, samples: bytes, sink: str = "out") -> subprocess.Popen[bytes]:
        """Start playing PCM16 mono at 48,000 Hz on the sink; ends when it is played."""
        words = ["pacat", "--playback", "-d", sink, "--rate=48000", "--channels=1", "--raw"]
        process = subprocess.Popen(
            [*words, "--format=s16le", "--latency-msec=50"],
            env=self.environment(),
            stdin=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(samples)
        process.stdin.close()
        return process


@contextmanager
def pulse_server(folder: Path) -> Iterator[Server]:
    words = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    modules = [
        f"--load=module-native-protocol-unix socket={folder}/native auth-anonymous=1",
        f"--load=module-null-sink sink_name=out rate={RATE}",
    ]
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*words, *modules], env=environment, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + 30
            while not (folder / "native").exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "the sound server does not start"
                time.sleep(0.02)
            yield Server(process, folder)
        finally:
            process.kill()


def captured(path: Path) -> np.ndarray:
    data = path.read_bytes()
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64)


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 8_000.0) -> bytes:
    times = np.arange(round(seconds * rate)) / rate
    return np.round(np.sin(2 * np.pi * hertz * times) * level).astype("<i2").tobytes()


def sounding(samples: np.ndarray, threshold: float = 50.0) -> np.ndarray:
    """From the first loud sample to the last."""
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples[:0]


def frequency(samples: np.ndarray, rate: int = RATE) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum)) * rate / samples.size


def worst_gap_ms(samples: np.ndarray, rate: int = RATE, threshold: float = 50.0) -> float:
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return float(np.diff(loud).max(initial=0)) * 1000 / rate
