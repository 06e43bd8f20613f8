"""Words, numbers and sounds of English: the small helpers under the router."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "STOP_WORDS",
    "Number",
    "Token",
    "content_words",
    "find_numbers",
    "name_words",
    "sound_key",
    "stem",
    "tokens",
    "word_set",
]


def word_set(text: str) -> frozenset[str]:
    """The words of ``text``, which stand in it between blanks."""
    return frozenset(text.split())


STOP_WORDS: Final = word_set(
    """
    a about am an and any are as at be been but by can could d did do does for from get give
    had has have he her here him his how i if in into is it its just know let like ll m may
    me might must my need no not now of off on or our out over please re s shall she should
    so some t tell than that the their them then there these they this those to under up us
    ve want was we were what when where which who whom whose why will with would yes you
    your hey ok okay kindly
    """
)

_UNIT_WORDS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TEN_WORDS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS: Final = tuple(_UNIT_WORDS.split())
_TENS: Final = tuple(_TEN_WORDS.split())
_SMALL: Final = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_LARGE: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a number of an utterance.

    Attributes:
        text: Lower-case text.
        start: First character in the utterance.
        stop: One past the last character.
    """

    text: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number found in a token sequence.

    Attributes:
        value: The number.
        start: First token.
        stop: One past the last token.
        digits: The digits as said, for identifiers: "four seven one one" is ``"4711"``.
    """

    value: float
    start: int
    stop: int
    digits: str


def tokens(text: str) -> tuple[Token, ...]:
    """Words (with their apostrophes) and numbers of ``text``, in order."""
    return tuple(
        Token(match[0].lower().replace("\u2019", "'"), match.start(), match.end())
        for match in _TOKEN.finditer(text)
    )


def name_words(name: str) -> list[str]:
    """Words of an identifier: ``set_lamp``, ``setLamp`` and ``SetLamp`` are all "set", "lamp"."""
    return [word.lower() for word in re.split(r"[\W_]+", _CAMEL.sub(" ", name)) if word]


def content_words(text: str) -> list[str]:
    """The words of ``text`` that carry meaning, without repeats, in order."""
    found = (token.text.split("'")[0] for token in tokens(text))
    return list(dict.fromkeys(word for word in found if word not in STOP_WORDS))


def stem(word: str) -> str:
    """A crude stem: plural and verb endings are cut, so that "lights" and "light" are one word."""
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            cut = word[: -len(ending)]
            return cut + "y" if ending == "ies" else cut.rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word


def sound_key(word: str) -> str:
    """What is left of a word when a recogniser's usual confusions are taken away.

    Vowels go, but for a first one; voiced and unvoiced consonants become one. "whether" and
    "weather" share a key, and so do "lamb" and "lamp". After the idea of Soundex.
    """
    text = re.sub(r"[^a-z]", "", word.lower())
    for old, new in (("wh", "w"), ("ph", "f"), ("th", "0"), ("gh", ""), ("ck", "k"), ("kn", "n")):
        text = text.replace(old, new)
    text = text.translate(str.maketrans("bcdgqvxz", "pktkkfks"))
    first = text[:1]
    key = first + re.sub(r"[aeiouyhw]", "", text[1:])
    return re.sub(r"(.)\1+", r"\1", key)


def find_numbers(sequence: Sequence[Token]) -> list[Number]:
    """Numbers in digits and in words, from zero to the millions, decimals included."""
    found: list[Number] = []
    at = 0
    while at < len(sequence):
        number = _number_at(sequence, at)
        if number is None:
            at += 1
        else:
            found.append(number)
            at = number.stop
    return found


def _number_at(sequence: Sequence[Token], start: int) -> Number | None:
    text = sequence[start].text
    if text[0].isdigit():
        stop = start + 1
        digits = re.sub(r"[.,]", "", text)
        while stop < len(sequence) and sequence[stop].text.isdigit() and len(digits) < 20:
            digits += sequence[stop].text
            stop += 1
        value = (
            float(text.replace(",", ""))
            if stop == start + 1 and text.count(".") < 2
            else float(digits)
        )
        return Number(value, start, stop, digits)
    if text not in _SMALL:
        return None
    return _digit_row(sequence, start) or _worded(sequence, start)


def _digit_row(sequence: Sequence[Token], start: int) -> Number | None:
    """Three or more single digits said one after the other."""
    stop = start
    while stop < len(sequence) and _SMALL.get(sequence[stop].text, 10) < 10:
        stop += 1
    if stop - start < 3:
        return None
    digits = "".join(str(_SMALL[token.text]) for token in sequence[start:stop])
    return Number(float(digits), start, stop, digits)


def _worded(sequence: Sequence[Token], start: int) -> Number:
    """A cardinal number in words: "one hundred and twenty five", "two point five"."""
    total = 0.0
    group = 0.0
    at = start
    while at < len(sequence):
        text = sequence[at].text
        if text in _SMALL and (at == start or _may_follow(sequence[at - 1].text, text)):
            group += _SMALL[text]
        elif text == "hundred":
            group = max(group, 1.0) * 100
        elif text in _LARGE:
            total += max(group, 1.0) * _LARGE[text]
            group = 0.0
        elif text != "and" or not _continues(sequence, at):
            break
        at += 1
    value = total + group
    if at + 1 < len(sequence) and sequence[at].text == "point" and sequence[at + 1].text in _SMALL:
        value += _SMALL[sequence[at + 1].text] / 10
        at += 2
    return Number(value, start, at, f"{value:g}")


def _may_follow(before: str, text: str) -> bool:
    if before in _LARGE or before == "and":
        return True
    return _SMALL.get(before, 0) >= 20 and _SMALL[text] < 10


def _continues(sequence: Sequence[Token], at: int) -> bool:
    """Whether the "and" at ``at`` is part of a number: after "hundred", before a small one."""
    return (
        sequence[at - 1].text in _LARGE
        and at + 1 < len(sequence)
        and sequence[at + 1].text in _SMALL
    )
