"""Text that arrives in pieces, cut into segments that can be spoken.

The cut points depend on the text alone, not on how it was chopped on the way, and the segments
join to exactly the text that went in.
"""

# ruff: noqa: RUF001 - the marks of other scripts are what this module is about

from __future__ import annotations

import unicodedata

_SENTENCE = frozenset(".!?…")
_SENTENCE_WIDE = frozenset("。！？｡")
_CLAUSE = frozenset(",;:—–")
_CLAUSE_WIDE = frozenset("、，；：")
_CLOSING = frozenset("\"')]}»”’」』）】》")
_OPENING = "\"'([{«“‘「『（【《*_"
# A full stop after one of these does not end a sentence.
_WORDS_WITH_STOP = (
    "dr mr mrs ms prof st sr jr vs etc e.g i.e inc ltd co no nr approx dept est fig gen hon "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ave blvd rd a.m p.m u.s u.k ph.d vol pp "
    "bzw usw z.b d.h ca"
)
_ABBREVIATIONS = frozenset(_WORDS_WITH_STOP.split())
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


class SentenceSplitter:
    """Cuts streamed text into segments: the first one short, the later ones longer.

    A wide character (Chinese, Japanese, Korean, emoji) counts as three, as it is spoken longer.
    A segment ends after a sentence or a line of enough weight; the first one may also end after a
    clause, so that speech can begin early. Where neither comes in time, it ends at the last
    clause or word before its greatest weight, and at worst between two characters that belong to
    different graphemes.

    Args:
        first_sentence: Weight from which a sentence may be the first segment.
        first_clause: Weight from which a clause may be the first segment.
        first_most: Greatest weight of the first segment.
        sentence: Weight from which sentences may be a later segment.
        most: Greatest weight of a later segment.
    """

    def __init__(
        self,
        *,
        first_sentence: int = 12,
        first_clause: int = 24,
        first_most: int = 100,
        sentence: int = 40,
        most: int = 240,
    ) -> None:
        self._limits = {
            True: (first_sentence, first_clause, first_most),
            False: (sentence, most + 1, most),
        }
        self._first = True
        self._reset([])

    def push(self, delta: str) -> list[str]:
        """Take the next piece of text; give the segments that are complete by now."""
        ready: list[str] = []
        for character in delta:
            segment = self._feed(character)
            if segment:
                ready.append(segment)
        return ready

    def flush(self) -> list[str]:
        """Give what is left; what follows is a new message, whose first segment is short again."""
        rest = "".join(self._text)
        self._reset([])
        self._first = True
        return [rest] if rest else []

    def _reset(self, text: list[str]) -> None:
        self._text = text
        self._weight = sum(map(_weight, text))
        self._pending: tuple[str, bool] | None = None  # kind of boundary, and whether it is wide
        self._cuts = {"sentence": 0, "clause": 0, "word": 0}

    def _feed(self, character: str) -> str | None:
        ready: str | None = None
        if self._pending is not None and not self._extends(character):
            kind, wide = self._pending
            self._pending = None
            if character.isspace():
                ready = self._boundary(kind, character)
                if ready:
                    return ready
            elif wide:
                ready = self._boundary(kind, "")
        taken = self._take(character)  # after a cut this is one character: no segment by itself
        return ready or taken

    def _extends(self, character: str) -> bool:
        """Whether `character` belongs to the boundary that is pending: ``?!``, ``."``."""
        if character in _CLOSING:
            return True
        marks = _SENTENCE | _SENTENCE_WIDE
        return self._pending is not None and self._pending[0] == "sentence" and character in marks

    def _take(self, character: str) -> str | None:
        self._text.append(character)
        self._weight += _weight(character)
        if character.isspace():
            self._cuts["word"] = len(self._text)
        if character == "\n":
            return self._boundary("sentence", "", line=True) or self._overflow()
        if character in _SENTENCE_WIDE or character in _SENTENCE:
            self._pending = ("sentence", character in _SENTENCE_WIDE)
        elif self._pending is None and (character in _CLAUSE or character in _CLAUSE_WIDE):
            self._pending = ("clause", character in _CLAUSE_WIDE)
        return self._overflow()

    def _boundary(self, kind: str, space: str, *, line: bool = False) -> str | None:
        """A boundary lies behind the text so far (and `space`): cut there if it is long enough."""
        if kind == "sentence" and not line and _is_abbreviation("".join(self._text[-24:])):
            return None
        sentence, clause, _ = self._limits[self._first]
        if self._weight >= (sentence if kind == "sentence" else clause):
            return self._cut(len(self._text), space)
        self._cuts[kind] = len(self._text)
        return None

    def _overflow(self) -> str | None:
        if self._weight <= self._limits[self._first][2]:
            return None
        for kind in ("sentence", "clause", "word"):
            if self._cuts[kind]:
                return self._cut(self._cuts[kind], "")
        position = len(self._text) - 1
        while position > 1 and _joined(self._text, position):
            position -= 1
        # One grapheme longer than the greatest weight goes on growing until it ends.
        return self._cut(position, "") if position > 1 else None

    def _cut(self, position: int, space: str) -> str:
        segment = "".join(self._text[:position]) + space
        pending, cuts = self._pending, self._cuts
        rest = self._text[position:]
        self._reset(rest)
        self._pending = pending if rest else None
        self._cuts = {kind: max(0, cut - position) for kind, cut in cuts.items()}
        self._first = False
        return segment


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a digit of any script."""
    return any(character.isalnum() for character in text)


def _weight(character: str) -> int:
    return 3 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_abbreviation(tail: str) -> bool:
    """Whether the full stop at the end of `tail` belongs to its last word."""
    if not tail.endswith(".") or tail.endswith(".."):
        return False
    words = tail.split()
    word = words[-1][:-1].lstrip(_OPENING) if words else ""
    if len(words) == 1 and word.isdigit():
        return True  # the number of a list item
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "I")


def _joined(text: list[str], position: int) -> bool:
    """Whether the characters before and at `position` belong to one grapheme."""
    before, after = text[position - 1], text[position]
    if after in _JOINERS or before == "\u200d" or unicodedata.category(after).startswith("M"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # skin tones
        return True
    flags = 0  # a flag is two regional indicators
    while flags < position and "\U0001f1e6" <= text[position - 1 - flags] <= "\U0001f1ff":
        flags += 1
    return flags % 2 == 1 and "\U0001f1e6" <= after <= "\U0001f1ff"
