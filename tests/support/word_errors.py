"""Word error rate, after lower-casing, dropping punctuation and spelling out digits."""

from __future__ import annotations

import re

_SMALL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_SMALL = _SMALL_WORDS.split()
_TEN_WORDS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = _TEN_WORDS.split()


def spell(number: int) -> str:
    """A cardinal below a million in words; a year of the last centuries as people read it."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return _TENS[number // 10] + (f" {_SMALL[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" {spell(number % 100)}" if number % 100 else ""
        return f"{_SMALL[number // 100]} hundred{rest}"
    if 1100 <= number < 2000 and number % 100:
        return f"{spell(number // 100)} {spell(number % 100)}"
    rest = f" {spell(number % 1000)}" if number % 1000 else ""
    return f"{spell(number // 1000)} thousand{rest}"


def words(text: str) -> list[str]:
    """The words that are compared."""
    spelled = re.sub(r"\d+", lambda match: f" {spell(int(match[0]))} ", text.lower())
    spelled = re.sub(r"\bmr\b\.?", "mister", spelled)
    return re.sub(r"[^a-z' ]", "", spelled.replace("-", " ")).split()


def errors(reference: str, heard: str) -> tuple[int, int]:
    """Levenshtein distance over words, and the number of words of the reference."""
    wanted, got = words(reference), words(heard)
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, start=1):
        diagonal, row[0] = row[0], at
        for column, other in enumerate(got, start=1):
            cost = min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
            diagonal, row[column] = row[column], cost
    return row[-1], len(wanted)
