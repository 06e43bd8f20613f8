"""Stretches of an utterance that a string argument is taken from: places and what is left over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voxloop.local.embed import SentenceEncoder
from voxloop.local.profile import ToolProfile, enum_values
from voxloop.local.words import (
    STOP_WORDS,
    Token,
    content_words,
    name_words,
    sound_key,
    stem,
    word_set,
)

__all__ = ["Span", "named_span", "place_span", "rest_span"]

_BEFORE_PLACE: Final = word_set("in at for near around inside")
_FROM: Final = frozenset(("from",))
_TO: Final = frozenset(("to",))
_ORIGIN: Final = word_set("origin from departure start source")
_DESTINATION: Final = word_set("destination to arrival target")
_ARTICLES: Final = word_set("the a an my our your this that")
# Words about time, manner and politeness that may follow a place but are no part of it.
_AFTER_PLACE: Final = word_set(
    """
    today tomorrow tonight now right please currently like this next week weekend morning
    afternoon evening monday tuesday wednesday thursday friday saturday sunday on off going
    be is are look looks looking out outside here there right just at in for from to with
    and then thanks thank you
    """
)
_JOINING: Final = word_set("of the la le de upon")
_RELATED: Final = 0.45
_CLAUSE_BREAK: Final = re.compile(r"[,;:.!?]")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of words.

    Attributes:
        start: First token.
        stop: One past the last token.
        text: The text to pass.
    """

    start: int
    stop: int
    text: str


def place_span(
    text: str,
    words: Sequence[Token],
    tool: ToolProfile,
    *,
    name: str,
    taken: Sequence[Span],
    encoder: SentenceEncoder,
) -> Span | None:
    """The place that fills the property ``name``.

    In this order: "MODIFIER room" where the property is called ``room``; what stands after a
    preposition; what stands before the word the tool is about ("kitchen light"); a name in capitals
    or what no word of the tool explains.
    """
    named = set(name_words(name))
    free = _free(words, taken)
    about = _tool_words(text, words, tool, encoder)
    if (span := _before_head(text, words, named, free)) is not None:
        return span
    if named & _ORIGIN:
        return _after(text, words, _FROM, free, about)
    if named & _DESTINATION and (span := _after(text, words, _TO, free, about)) is not None:
        return span
    return (
        _after(text, words, _BEFORE_PLACE, free, about)
        or _before_noun(text, words, free, about)
        or _left_over(text, words, free, about)
    )


def named_span(
    text: str, words: Sequence[Token], named: set[str], taken: Sequence[Span]
) -> Span | None:
    """The property's own name with the words before it: "the back door" for ``door``."""
    return _before_head(text, words, named, _free(words, taken))


def rest_span(
    text: str,
    words: Sequence[Token],
    tool: ToolProfile,
    taken: Sequence[Span],
    encoder: SentenceEncoder,
) -> Span | None:
    """The longest run of words that neither the tool nor ordinary speech explains.

    Words that only come near to the tool in meaning are passed over first: "jazz" is near to
    "music", and still what is to be played.
    """
    free = _free(words, taken)
    for related in (True, False):
        about = _tool_words(text, words, tool, encoder if related else None)
        open_words = [
            free[at] and not about[at] and (at > 0 or len(words) == 1) and _modifies(token.text)
            for at, token in enumerate(words)
        ]
        runs: list[tuple[int, int]] = []
        for at in range(len(words)):
            if open_words[at]:
                start = runs.pop()[0] if runs and runs[-1][1] == at else at
                runs.append((start, at + 1))
        if runs:
            start, stop = max(runs, key=lambda run: (run[1] - run[0], -run[0]))
            return Span(start, stop, text[words[start].start : words[stop - 1].stop])
    return None


def _free(words: Sequence[Token], taken: Sequence[Span]) -> list[bool]:
    return [not any(span.start <= at < span.stop for span in taken) for at in range(len(words))]


def _tool_words(
    text: str, words: Sequence[Token], tool: ToolProfile, encoder: SentenceEncoder | None
) -> list[bool]:
    """Whether each word speaks of the tool: by stem, sound or, with an encoder, meaning."""
    own = [*tool.heads, *((tool.verb,) if tool.verb else ()), *enum_values(tool.parameters)]
    listed = {stem(word) for phrase in tool.phrases for word in content_words(phrase)}
    stems = listed | {stem(word) for word in own}
    sounds = {sound_key(word) for word in tool.heads if len(word) > 3}
    heard = [token.text for token in words]
    near = [False] * len(heard)
    open_words = [word for word in heard if word not in STOP_WORDS]
    if encoder is not None and tool.heads and open_words:
        scores = (encoder.encode(open_words) @ encoder.encode(list(tool.heads)).T).max(axis=1)
        related = {word for word, score in zip(open_words, scores, strict=True) if score > _RELATED}
        near = [word in related for word in heard]
    # A name in capitals is a name, whatever it is like: "Rome" is no "room".
    named = [at > 0 and text[token.start].isupper() for at, token in enumerate(words)]
    return [
        stem(word) in stems or (not named[at] and (near[at] or sound_key(word) in sounds))
        for at, word in enumerate(heard)
    ]


def _span(text: str, words: Sequence[Token], start: int, stop: int) -> Span | None:
    while start < stop and words[start].text in _ARTICLES:
        start += 1
    while start < stop and words[stop - 1].text in _AFTER_PLACE | _JOINING:
        stop -= 1
    if start >= stop:
        return None
    said = text[words[start].start : words[stop - 1].stop]
    return Span(start, stop, said)


def _before_head(
    text: str, words: Sequence[Token], named: set[str], free: Sequence[bool]
) -> Span | None:
    """Such as "living room" for the property ``room``: its own name with the words before it."""
    for at, token in enumerate(words):
        if token.text not in named or not free[at]:
            continue
        start = at
        while start > 0 and _modifies(words[start - 1].text):
            start -= 1
        if start < at:
            return _span(text, words, start, at + 1)
    return None


def _modifies(word: str) -> bool:
    return word not in STOP_WORDS and word not in _AFTER_PLACE and not word[0].isdigit()


def _after(
    text: str,
    words: Sequence[Token],
    prepositions: frozenset[str],
    free: Sequence[bool],
    about: Sequence[bool],
) -> Span | None:
    """What stands after the last of the prepositions that has a place after it."""
    for at in range(len(words) - 2, -1, -1):
        if words[at].text not in prepositions:
            continue
        start = stop = at + 1
        while stop < len(words) and free[stop] and _goes_on(text, words, start, stop):
            stop += 1
        # "in the kitchen lamp": the tool's own word at the end is not part of the place.
        while stop > start and about[stop - 1]:
            stop -= 1
        span = _span(text, words, start, stop)
        if span is not None and not all(about[span.start : span.stop]):
            return span
    return None


def _goes_on(text: str, words: Sequence[Token], start: int, stop: int) -> bool:
    word = words[stop].text
    if word in _AFTER_PLACE or (stop > start and word in STOP_WORDS - _JOINING):
        return False
    between = text[words[stop - 1].stop : words[stop].start]
    # "Paris, France" goes on over a comma; a lower-case word after one does not.
    return (
        stop == start
        or not _CLAUSE_BREAK.search(between)
        or ("," in between and text[words[stop].start].isupper())
    )


def _before_noun(
    text: str, words: Sequence[Token], free: Sequence[bool], about: Sequence[bool]
) -> Span | None:
    """Such as "kitchen" of "the kitchen light": what stands before the tool's noun."""
    for at in range(1, len(words)):
        if not about[at] or about[at - 1] or not free[at - 1]:
            continue
        start = at
        while start > 0 and _modifies(words[start - 1].text) and not about[start - 1]:
            start -= 1
        if start < at:
            return _span(text, words, start, at)
    return None


def _left_over(
    text: str, words: Sequence[Token], free: Sequence[bool], about: Sequence[bool]
) -> Span | None:
    """A name in capitals that no word of the tool explains."""
    for at in range(1, len(words)):
        if (
            not text[words[at].start].isupper()
            or about[at]
            or not free[at]
            or not _modifies(words[at].text)
        ):
            continue
        stop = at + 1
        while stop < len(words) and text[words[stop].start].isupper():
            stop += 1
        return _span(text, words, at, stop)
    return None
