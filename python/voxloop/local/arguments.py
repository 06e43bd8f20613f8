"""Arguments of a function call, read from an utterance by the tool's JSON schema.

Each property is filled by its kind: enumerations and booleans by the words for their values,
numbers by the figure that stands nearest to the property's name, identifiers by digits, places by
"in CITY" and the like, other strings by what is left of the sentence. What is not said comes from
the schema's ``default`` or ``examples``. A place that is not said is ``"here"``: people leave it
out when they mean where they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from voxloop.local.embed import SentenceEncoder
from voxloop.local.profile import ToolProfile, properties_of
from voxloop.local.spans import Span, named_span, place_span, rest_span
from voxloop.local.words import (
    Number,
    Token,
    content_words,
    find_numbers,
    name_words,
    sound_key,
    stem,
    tokens,
    word_set,
)

__all__ = ["HERE", "Arguments", "JsonValue", "fill"]

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

HERE: Final = "here"

_PLACES: Final = word_set(
    """
    location place city town village country region address area room house building venue
    destination origin where
    """
)
_INDOORS: Final = frozenset(("room", "area", "house", "building"))
_IDENTIFIERS: Final = word_set("id number code reference digits phone zip")
_ON: Final = word_set("on enable enabled open yes true start activate")
_OFF: Final = word_set("off disable disabled close no not false stop out deactivate")
_SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_TIME: Final = re.compile(
    r"\b(?:at\s+)?(\d{1,2}(?::\d{2})?\s*(?:a\.?m\.?|p\.?m\.?|o'clock)"
    r"|\d{1,2}:\d{2}|noon|midnight)(?!\w)",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"\b(today|tomorrow|yesterday|tonight|(?:next |this )?(?:week(?:end)?|month|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)|\d{4}-\d{2}-\d{2})\b",
    re.IGNORECASE,
)
_NEAR_MARGIN: Final = 0.03


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments read from an utterance.

    Attributes:
        values: By property name, ready for ``json.dumps``.
        missing: Required properties that were neither said nor have a default.
        said: Properties that the utterance itself gave.
    """

    values: dict[str, JsonValue]
    missing: tuple[str, ...]
    said: frozenset[str]


@dataclass(slots=True)
class _Reading:
    """One utterance being read: what is still free to be taken."""

    text: str
    words: tuple[Token, ...]
    numbers: list[Number]
    tool: ToolProfile
    encoder: SentenceEncoder
    taken: list[Span]
    claims: dict[str, Number] = field(default_factory=dict)


def fill(text: str, tool: ToolProfile, encoder: SentenceEncoder) -> Arguments:
    """Read the arguments of ``tool`` from ``text``.

    Args:
        text: What was heard.
        tool: The tool that was picked.
        encoder: Sentence vectors, for values that are meant but not named.
    """
    words = tokens(text)
    numbers = find_numbers(words)
    taken = [Span(number.start, number.stop, number.digits) for number in numbers]
    reading = _Reading(text, words, numbers, tool, encoder, taken)
    properties = properties_of(tool.parameters)
    _claim_numbers(reading, properties)
    listed = tool.parameters.get("required")
    required = set(listed) if isinstance(listed, (list, tuple)) else set()
    values: dict[str, JsonValue] = {}
    missing: list[str] = []
    said: set[str] = set()
    # Numbers and enumerations first: they are sure, and what they take is no part of a string.
    for name in sorted(properties, key=lambda name: _is_free_text(properties[name])):
        spec = properties[name]
        value = _read(reading, name, spec)
        if value is not None:
            values[name] = value
            said.add(name)
        elif (fallback := _fallback(name, spec, required=name in required)) is not None:
            values[name] = fallback
        elif name in required:
            missing.append(name)
    ordered = {name: values[name] for name in properties if name in values}
    return Arguments(ordered, tuple(missing), frozenset(said))


def _kind(spec: Mapping[str, object]) -> str:
    kind = spec.get("type")
    if isinstance(kind, (list, tuple)):
        kind = next((one for one in kind if one != "null"), "string")
    if isinstance(kind, str):
        return kind
    options = spec.get("anyOf") or spec.get("oneOf")
    if isinstance(options, (list, tuple)):
        for option in options:
            if isinstance(option, Mapping) and option.get("type") != "null":
                return _kind(option)
    return "string"


def _choices(spec: Mapping[str, object]) -> list[JsonValue]:
    found = [spec["const"]] if "const" in spec else spec.get("enum")
    options = spec.get("anyOf") or spec.get("oneOf")
    if found is None and isinstance(options, (list, tuple)):
        return [value for one in options if isinstance(one, Mapping) for value in _choices(one)]
    values = cast("list[JsonValue]", found) if isinstance(found, list) else []
    return [value for value in values if value is not None]


def _is_free_text(spec: Mapping[str, object]) -> bool:
    return _kind(spec) == "string" and not _choices(spec)


def _read(reading: _Reading, name: str, spec: Mapping[str, object]) -> JsonValue:
    kind = _kind(spec)
    if choices := _choices(spec):
        return _choice(reading, choices)
    if kind == "boolean":
        return _boolean(reading)
    if kind in ("integer", "number"):
        return _number(reading, name, spec, whole=kind == "integer")
    if kind == "array":
        items = spec.get("items")
        one = _read(reading, name, items if isinstance(items, Mapping) else {"type": "string"})
        return None if one is None else [one]
    if kind == "object":
        said: dict[str, JsonValue] = {}
        for one, sub in properties_of(spec).items():
            if (value := _read(reading, one, sub)) is not None:
                said[one] = value
        return said or None
    return _string(reading, name, spec)


def _choice(reading: _Reading, choices: Sequence[JsonValue]) -> JsonValue:
    """The enumeration value that is named, sounds named, or is meant."""
    heard = [stem(token.text) for token in reading.words]
    best: tuple[int, int, JsonValue] | None = None
    for value in choices:
        wanted = [stem(token.text) for token in tokens(str(value).replace("_", " "))]
        at = _last_index(heard, wanted)
        if at is not None and (best is None or (len(wanted), at) > best[:2]):
            best = (len(wanted), at, value)
    if best is not None:
        return best[2]
    sounds = {sound_key(token.text) for token in reading.words}
    alike = [value for value in choices if sound_key(str(value)) in sounds]
    if len(alike) == 1:
        return alike[0]
    for family in (_OFF, _ON):
        named = [value for value in choices if str(value).lower() in family]
        if len(named) == 1 and family & {token.text for token in reading.words}:
            return named[0]
    return _meant(reading, choices)


def _last_index(heard: Sequence[str], wanted: Sequence[str]) -> int | None:
    for at in range(len(heard) - len(wanted), -1, -1):
        if wanted and list(heard[at : at + len(wanted)]) == list(wanted):
            return at
    return None


def _meant(reading: _Reading, choices: Sequence[JsonValue]) -> JsonValue:
    """The value whose sentence is clearly nearest to the utterance, or None."""
    tool = reading.tool
    about = " ".join(tool.heads)
    sentences = [f"{tool.verb} the {about} {value}".strip() for value in choices]
    if len(sentences) < 2:
        return None
    scores = reading.encoder.encode(sentences) @ reading.encoder.encode([reading.text])[0]
    order = scores.argsort()
    if float(scores[order[-1]] - scores[order[-2]]) < _NEAR_MARGIN:
        return None
    return choices[int(order[-1])]


def _boolean(reading: _Reading) -> bool | None:
    heard = {token.text for token in reading.words}
    if heard & _OFF or any(word.endswith("n't") for word in heard):
        return False
    return True if heard & _ON else None


def _claim_numbers(reading: _Reading, properties: Mapping[str, Mapping[str, object]]) -> None:
    """Give each number that stands beside a word of a property to that property, nearest first."""
    pairs = [
        (distance, name, number)
        for name, spec in properties.items()
        if _kind(spec) in ("integer", "number") and not _choices(spec)
        for number in reading.numbers
        if _in_range(number.value, spec)
        and (distance := _distance(number, reading.words, _about(name, spec))) is not None
    ]
    for _, name, number in sorted(pairs, key=lambda pair: pair[0]):
        if name not in reading.claims and number in reading.numbers:
            reading.claims[name] = number
            reading.numbers.remove(number)


def _distance(number: Number, words: Sequence[Token], about: Sequence[str]) -> int | None:
    hints = {stem(word) for word in about}
    for rank, at in enumerate((number.stop, number.stop + 1, number.start - 1)):
        if 0 <= at < len(words) and stem(words[at].text) in hints:
            return rank
    return None


def _number(
    reading: _Reading, name: str, spec: Mapping[str, object], *, whole: bool
) -> int | float | None:
    """The number that the property has claimed, else the first that is free."""
    number = reading.claims.get(name)
    if number is None:
        free = [one for one in reading.numbers if _in_range(one.value, spec)]
        if not free:
            return None
        number = free[0]
        reading.numbers.remove(number)
    value = _in_unit(number, reading.words, {stem(word) for word in _about(name, spec)})
    return round(value) if whole or value == int(value) else value


def _in_unit(number: Number, words: Sequence[Token], hints: set[str]) -> float:
    """A duration in the unit that the property asks for: "two hours" for ``minutes`` is 120."""
    wanted = next((size for unit, size in _SECONDS.items() if stem(unit) in hints), None)
    said = stem(words[number.stop].text) if number.stop < len(words) else ""
    given = next((size for unit, size in _SECONDS.items() if stem(unit) == said), None)
    return number.value if wanted is None or given is None else number.value * given / wanted


def _in_range(value: float, spec: Mapping[str, object]) -> bool:
    low, high = spec.get("minimum"), spec.get("maximum")
    return not (isinstance(low, (int, float)) and value < low) and not (
        isinstance(high, (int, float)) and value > high
    )


def _about(name: str, spec: Mapping[str, object]) -> list[str]:
    return [*name_words(name), *content_words(str(spec.get("description") or ""))]


def _string(reading: _Reading, name: str, spec: Mapping[str, object]) -> str | None:
    about = set(_about(name, spec))
    named = set(name_words(name))
    form = spec.get("format")
    if form == "time" or "time" in named:
        match = _TIME.search(reading.text)
        return match[1] if match else None
    if form in ("date", "date-time") or named & {"date", "day"}:
        match = _DATE.search(reading.text)
        return match[1].lower() if match else None
    if _PLACES & named or (_PLACES & about and not _IDENTIFIERS & named):
        return _place(reading, name)
    if _IDENTIFIERS & about and reading.numbers:
        return reading.numbers.pop(0).digits
    if _IDENTIFIERS & named:
        return None
    span = named_span(reading.text, reading.words, named, reading.taken) or rest_span(
        reading.text, reading.words, reading.tool, reading.taken, reading.encoder
    )
    return _take(reading, span)


def _place(reading: _Reading, name: str) -> str | None:
    span = place_span(
        reading.text,
        reading.words,
        reading.tool,
        name=name,
        taken=reading.taken,
        encoder=reading.encoder,
    )
    text = _take(reading, span)
    if text is not None and text.islower() and not _INDOORS & set(name_words(name)):
        return text.title()
    return text


def _take(reading: _Reading, span: Span | None) -> str | None:
    if span is None:
        return None
    reading.taken.append(span)
    # The capital of a sentence's first word says nothing about the word.
    return span.text[0].lower() + span.text[1:] if span.start == 0 else span.text


def _fallback(name: str, spec: Mapping[str, object], *, required: bool) -> JsonValue:
    """What to pass for a property that was not said, or None for nothing."""
    if "default" in spec:
        default = spec["default"]
        return default if isinstance(default, (str, int, float, bool, list, dict)) else None
    if not required:
        return None
    examples = spec.get("examples")
    if isinstance(examples, (list, tuple)) and examples:
        first = examples[0]
        return first if isinstance(first, (str, int, float, bool)) else None
    if _is_free_text(spec) and _PLACES & set(_about(name, spec)):
        return HERE
    choices = _choices(spec)
    return choices[0] if len(choices) == 1 else None
