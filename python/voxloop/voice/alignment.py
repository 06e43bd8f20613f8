"""Where a segment ends in the text it was made of, though its splitter may have changed it."""

from __future__ import annotations

# Beyond its own length, how far a segment is looked for as it is.
_SLACK = 64


def end_of(segment: str, source: str, start: int) -> int:
    """Where `segment` ends in `source`, of which everything before `start` has been used up.

    A splitter may trim, drop marks or put words in the place of signs. Where the segment is not
    found as it is, its letters and digits are counted off.
    """
    if source.startswith(segment, start):
        return start + len(segment)
    words = segment.strip()
    found = source.find(words, start, start + 2 * len(segment) + _SLACK) if words else -1
    end = start
    if found >= 0:
        end = found + len(words)
    else:
        left = sum(character.isalnum() for character in segment)
        while left and end < len(source):
            left -= source[end].isalnum()
            end += 1
    if end == start:
        return end
    while end < len(source) and not source[end].isalnum() and not source[end].isspace():
        end += 1
    return end
