"""The user's audio that is kept: every byte at its place, in less room than it came in."""

from __future__ import annotations

import random
import sys

import pytest

from support.speech_clips import require_clips
from voxloop import audio
from voxloop.realtime.machine import ring
from voxloop.realtime.machine.ring import Piece, Ring


def joined(pieces: tuple[Piece, ...]) -> bytes:
    return b"".join(map(bytes, pieces))


def voice(seconds: float) -> bytes:
    """PCM16 that changes slowly, with some noise, as speech does."""
    rng, value, slope, made = random.Random(5), 0, 0, []
    for _ in range(int(seconds * 24_000)):
        slope = max(-300, min(300, slope + rng.randint(-40, 40)))
        value = max(-20_000, min(20_000, value + slope))
        made.append(value)
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in made)


VOICE = voice(8.0)


def filled(kept: Ring, data: bytes, size: int = 960) -> Ring:
    for at in range(0, len(data), size):
        kept = ring.append(kept, data[at : at + size])
    return kept


def test_voice_takes_two_thirds_and_silence_next_to_nothing() -> None:
    for data, most in ((VOICE, 0.67), (bytes(len(VOICE)), 0.05)):
        kept = filled(ring.empty(30.0), data)
        assert joined(kept.pieces) == data
        held = sum(sys.getsizeof(piece) for piece in kept.pieces)
        assert held < most * len(data)


def test_packed_bytes_are_compared_by_what_they_are() -> None:
    assert audio.Packed(VOICE[:960]) == audio.Packed(VOICE[:960]) != audio.Packed(VOICE[2:962])
    assert bytes(audio.Packed(b"odd")) == b"odd"
    assert "960 bytes in" in repr(audio.Packed(VOICE[:960]))


@pytest.mark.parametrize("size", [2, 202, 960, 4_800, 30_000])
def test_a_full_ring_keeps_the_newest_to_the_byte(size: int) -> None:
    kept = ring.empty(2.0)
    for at in range(0, 250_000, size):
        kept = ring.append(kept, VOICE[at : at + size])
        end = min(at + size, len(VOICE))
        assert kept.nbytes == kept.open_bytes == min(end, 96_000)
        assert kept.dropped == end - kept.nbytes
    assert joined(kept.pieces) == VOICE[end - 96_000 : end]


def test_turns_are_cut_out_at_any_byte() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        kept, sent, behind = ring.empty(1.0), 0, 0  # sent in all; and what became messages
        for turn in range(5):
            for _ in range(rng.randrange(16)):
                size = rng.choice((2, 320, 960, 4_800))
                kept = ring.append(kept, VOICE[sent : sent + size])
                sent += size
            until = rng.randrange(behind, sent + 2, 2)
            lost = kept.dropped
            kept = ring.taken(kept, f"item_{turn}", until)
            said = {segment.name: joined(segment.pieces) for segment in kept.said}
            if f"item_{turn}" in said:
                assert lost == 0
                assert said[f"item_{turn}"] == VOICE[behind:until]
            behind = max(behind, min(until, sent))
            assert kept.start == behind
            assert joined(kept.pieces) == VOICE[behind + kept.dropped : sent]
            assert kept.nbytes == sum(s.nbytes for s in kept.said) + kept.open_bytes
            assert kept.nbytes <= kept.limit
            if rng.random() < 0.5:
                kept = ring.known(kept, f"item_{turn}")


def test_real_speech_takes_about_half_and_comes_back_to_the_byte() -> None:
    whole = held = 0
    for clip in require_clips():
        data = bytes(audio.resample(audio.to_mono(audio.read_wav(clip.path)), 24_000))
        kept = filled(ring.empty(120.0), data)
        assert joined(kept.pieces) == data
        whole += len(data)
        held += sum(sys.getsizeof(piece) for piece in kept.pieces)
    print(f"{held / whole:.2f} of {whole} bytes")
    assert held < 0.6 * whole
