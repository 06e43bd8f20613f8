"""G.711 on every input, against tables built from the recommendation and against `audioop`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from voxloop import audio

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

WORDS = np.arange(-32_768, 32_768).astype(np.int16)
CODES = bytes(range(256))


def intervals(segments: int, first: int, unit: int, start: int) -> tuple[list[int], list[int]]:
    """Lower bounds and output values of tables 1a and 2a, in 16-bit words.

    Each segment has 16 intervals of one step, and the step doubles from segment to segment; the
    first one of A-law is the same as the second, that of u-law has `first` intervals after 0.
    """
    bounds, values, low = ([0], [0], 1) if start else ([], [], 0)
    for segment in range(segments):
        step = 2 << segment
        for _ in range(first if segment == 0 else 16):
            bounds.append(low * unit)
            values.append((low + step // 2) * unit)
            low += step
    return bounds, values


TABLES = {
    "ulaw": intervals(8, 15, 4, 1),
    "alaw": intervals(7, 32, 8, 0),
}


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_word_comes_back_as_the_tables_say(law: str) -> None:
    bounds, values = TABLES[law]
    assert len(bounds) == 128
    # The interval below zero mirrors the one above it by one's complement, as in G.191.
    folded = np.where(WORDS < 0, ~WORDS, WORDS)
    nearest = np.array(values)[np.searchsorted(bounds, folded, side="right") - 1]
    encoded = getattr(audio, f"{law}_encode")(WORDS)
    decoded = getattr(audio, f"{law}_decode")(encoded).numpy()
    assert np.array_equal(decoded, np.where(WORDS < 0, -nearest, nearest))


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_decoding_is_the_same_as_audioop(law: str) -> None:
    peer = getattr(audioop, f"{law}2lin")(CODES, 2)
    assert bytes(getattr(audio, f"{law}_decode")(CODES)) == peer


def test_a_law_encoding_is_the_same_as_audioop() -> None:
    assert audio.alaw_encode(WORDS) == audioop.lin2alaw(WORDS.tobytes(), 2)


def test_u_law_encoding_differs_from_audioop_only_at_negative_decision_values() -> None:
    ours = np.frombuffer(audio.ulaw_encode(WORDS), np.uint8)
    theirs = np.frombuffer(audioop.lin2ulaw(WORDS.tobytes(), 2), np.uint8)
    where = np.flatnonzero(ours != theirs)
    assert len(where) == 508
    assert np.all(WORDS[where] < 0)
    # There the two take neighbouring codes, and neither is further from the word than a step.
    assert np.all(np.abs(ours[where].astype(int) - theirs[where]) == 1)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_whatever_holds_the_bytes(law: str) -> None:
    decode = getattr(audio, f"{law}_decode")
    wanted = decode(CODES)
    assert decode(bytearray(CODES)) == wanted
    assert decode(memoryview(CODES)) == wanted
    assert decode(np.frombuffer(CODES * 2, np.uint8)[:256]) == wanted
    assert decode(memoryview(CODES)[::-1]).numpy().tolist() == wanted.numpy()[::-1].tolist()
