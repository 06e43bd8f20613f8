"""Cutting of long audio and long text into pieces that an engine takes at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["split_clauses", "split_quiet"]

_WINDOW_S: Final = 0.02
_FIRST_CLAUSE_WORDS: Final = 4
_REST_WORDS: Final = 3
_LONGEST_WORDS: Final = 50
_CLAUSE_END = re.compile(r"(?<=[,;:\u2014])\s+|\s+[-\u2013\u2014]+\s+")


def split_quiet(
    samples: npt.NDArray[np.float32], sample_rate: int, *, longest_s: float
) -> Iterator[tuple[int, int]]:
    """Cut audio at quiet places into pieces of at most ``longest_s``.

    Each cut is made at the quietest place of a piece's second half.

    Args:
        samples: Mono float32, shape ``(frames,)``.
        sample_rate: Frames a second.
        longest_s: Greatest length of a piece in seconds.

    Yields:
        ``(start, stop)`` in frames; together they cover the audio, in order, without a gap.
    """
    longest = int(longest_s * sample_rate)
    start = 0
    while len(samples) - start > longest:
        low = start + longest // 2
        stop = low + _quietest(samples[low : start + longest], int(_WINDOW_S * sample_rate))
        yield start, stop
        start = stop
    if start < len(samples):
        yield start, len(samples)


def _quietest(samples: npt.NDArray[np.float32], window: int) -> int:
    """Frame in the middle of the quietest stretch of about a quarter of a second."""
    count = len(samples) // window
    power = np.square(samples[: count * window].reshape(count, window)).mean(axis=1)
    # A pause between words is longer than one window; one quiet window may be a stop consonant.
    smooth = np.convolve(power, np.hanning(13)[1:-1], mode="same")
    # The convolution counts what lies outside as silence: leave its edges out of the search.
    edge = min(5, (count - 1) // 2)
    return (edge + int(smooth[edge : count - edge].argmin())) * window + window // 2


def split_clauses(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences to speak one by one, the first of them cut after its first clause.

    The cut is made at a comma, semicolon, colon or dash that has at least four words before it and
    three after it; a first sentence without one stays whole, since a cut elsewhere can be heard. A
    sentence of more than 50 words is cut at every 50th. Text without a letter or a digit is left
    out.
    """
    first = True
    for sentence in sentences:
        if not any(character.isalnum() for character in sentence):
            continue
        head, rest = _first_clause(sentence) if first else (sentence, "")
        first = False
        for part in (head, rest):
            words = part.split()
            for at in range(0, len(words), _LONGEST_WORDS):
                yield " ".join(words[at : at + _LONGEST_WORDS])


def _first_clause(sentence: str) -> tuple[str, str]:
    for match in _CLAUSE_END.finditer(sentence):
        head, rest = sentence[: match.start()], sentence[match.end() :]
        if len(head.split()) >= _FIRST_CLAUSE_WORDS and len(rest.split()) >= _REST_WORDS:
            return head.rstrip(), rest
    return sentence, ""
