"""Sizes in headers buy no memory: hostile files in a process whose memory is limited."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, struct, sys
from voxloop import audio

LIMIT = 1 << 20

def resident():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024

def chunk(name, size, body):
    return name + struct.pack("<I", size & 0xFFFFFFFF) + body

def fmt(tag=1, channels=1, bits=16, rate=24000):
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)

HUGE = [0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0x7FFFFFFF, 0xFFFFFF00]
SOUND = bytes(range(256)) * 8
files = []
for size in HUGE:
    head = b"RIFF" + struct.pack("<I", size) + b"WAVE"
    for form in (fmt(), fmt(3, 2, 32), fmt(7, 1, 8), fmt(1, 32, 24, 768000), fmt(3, 1, 64)):
        files.append(head + chunk(b"fmt ", 16, form) + chunk(b"data", size, SOUND))
        files.append(head + chunk(b"fmt ", size, form) + chunk(b"data", size, SOUND))
        files.append(head + chunk(b"LIST", size, SOUND))
        files.append(head + chunk(b"fmt ", 16, form) + chunk(b"JUNK", size, SOUND))
    for sizes in [(2**64 - 1,) * 3, (2**63, 2**62, 2**61), (2**48,) * 3]:
        ds64 = struct.pack("<QQQI", *sizes, 0xFFFFFFFF)
        files.append(b"RF64" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE"
                     + chunk(b"ds64", 28, ds64) + chunk(b"fmt ", 16, fmt())
                     + chunk(b"data", 0xFFFFFFFF, SOUND))

def whole(file):
    audio.wav_info(file)
    return audio.decode_wav(file, encoding="float32").frames + audio.decode_wav(file).frames

def fed(file, size):
    decoder = audio.WavDecoder(encoding="float32")
    frames = sum(decoder.feed(file[at:at + size]).frames for at in range(0, len(file), size))
    return frames + decoder.finish().frames

def tried(call, *arguments):
    try:
        return call(*arguments)
    except audio.WavError:
        return None

good = audio.encode_wav(audio.silence(audio.PCM24K, 0.1))
for size in (1, 64, len(good)):  # what loads code and tables once
    fed(good, size), whole(good), tried(fed, b"OggS" + bytes(99), size)
before = resident()
held = resource.getrlimit(resource.RLIMIT_AS)[1]
virtual = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
# Nothing of a claimed size could be had now, not even without touching it.
resource.setrlimit(resource.RLIMIT_AS, (virtual + 64 * LIMIT, held))
decoded = refused = 0
for file in files:
    for found in [tried(whole, file)] + [tried(fed, file, size) for size in (1, 2, 3, 7, 64)]:
        decoded, refused = decoded + (found is not None), refused + (found is None)
grown = resident() - before
print(len(files), decoded, refused, grown)
assert decoded and refused, (decoded, refused)
assert grown <= max(map(len, files)) + LIMIT, grown
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_claimed_size_is_never_allocated() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
