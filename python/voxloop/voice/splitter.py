"""Text that arrives in pieces, cut into segments that can be spoken.

The cut points depend on the text alone, not on how it was chopped on the way, and the segments
join to exactly the text that went in. The work is done in Rust, in one pass.
"""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from voxloop._errors import ConfigError
from voxloop._text import NativeSplitter

MAX_WEIGHT = 4096
"""The most characters of a segment: what the speech endpoint takes in one request."""


@runtime_checkable
class TextSplitter(Protocol):
    """Anything that cuts streamed text; `SentenceSplitter` is the one that is used by default.

    It may change the text as well, as by dropping marks that are not to be spoken. What an agent
    remembers of an answer that was broken off is then found by what the segments have in common
    with what was written.
    """

    def push(self, delta: str) -> list[str]:
        """Take the next piece of text; give the segments that are complete by now."""
        ...

    def flush(self) -> list[str]:
        """Give what is left: a message has ended."""
        ...


class SentenceSplitter(NativeSplitter):
    """Cuts streamed text into segments: the first one short, the later ones longer.

    A weight is a number of characters, where a wide one (Chinese, Japanese, Korean, emoji) counts
    as three, as it is spoken longer. A segment ends after a sentence or a line of enough weight;
    the first one may also end after a clause, so that speech can begin early. Where neither comes
    in time, it ends at the last clause or word before its greatest weight, and at worst between
    two graphemes. Full stops of abbreviations, initials, numbers, times, addresses and list items
    end nothing; those after which both may follow (``etc.``, ``...``) wait for the next word.

    Marks and blanks go with the words next to them, so that no segment but the last one of a
    message is without something to say (unless it is full of marks alone): see `is_speakable`.

    Time is linear in the text. What is held back is bounded by the greatest weight.

    Args:
        first_sentence: Weight from which a sentence may be the first segment.
        first_clause: Weight from which a clause may be the first segment.
        first_most: Greatest weight of the first segment, at most 4,096.
        sentence: Weight from which sentences may be a later segment.
        most: Greatest weight of a later segment, at most 4,096.

    Raises:
        ConfigError: A weight is not 1 or more, or above the one that bounds it.
    """

    def __new__(
        cls,
        *,
        first_sentence: int = 12,
        first_clause: int = 24,
        first_most: int = 100,
        sentence: int = 80,
        most: int = 200,
    ) -> Self:
        """Check the weights; see the class."""
        weights = {
            "first_sentence": first_sentence,
            "first_clause": first_clause,
            "first_most": first_most,
            "sentence": sentence,
            "most": most,
        }
        for name, value in weights.items():
            if not isinstance(value, int) or not 1 <= value <= MAX_WEIGHT:
                raise ConfigError(f"{name} must be a whole number of 1 to {MAX_WEIGHT}")
        return super().__new__(cls, **weights)


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a digit of any script."""
    return any(character.isalnum() for character in text)
