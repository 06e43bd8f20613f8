"""The router agent: deterministic rules that pick a tool, fill its arguments and speak its result.

It is not a chat model and says so when asked for more than its tools do. An utterance is compared
with phrases derived from each tool's name, description and schema; the nearest tool is called when
it is near enough. With the same conversation and tools the decision is always the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from voxloop.local import answers
from voxloop.local.arguments import Arguments, fill
from voxloop.local.conversation import Situation, read_items
from voxloop.local.embed import SentenceEncoder
from voxloop.local.profile import OTHER_PHRASES, ToolProfile, choice_properties, profile
from voxloop.local.words import content_words, sound_key, tokens

__all__ = ["CallTool", "Decision", "Router", "Say", "Score"]

THRESHOLD: Final = 0.53
_ASK_THRESHOLD: Final = 0.65
_WORD_WEIGHT: Final = 0.5
_OTHER_WEIGHT: Final = 1.0
_OTHER_SAME: Final = 0.62
_MISHEARD_COST: Final = 0.05
_SPELLED_ALIKE: Final = 0.7
_UNSAID_COST: Final = 0.1
_UNSAID_CHOICE_COST: Final = 0.35


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool (or make a handoff, which is a tool as well).

    Attributes:
        name: Name of the tool.
        arguments: A JSON object, as text.
    """

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with words.

    Attributes:
        text: What to say.
    """

    text: str


Decision = CallTool | Say


@dataclass(frozen=True, slots=True)
class Score:
    """How well a tool fits an utterance; it fits when ``total`` reaches 0.53.

    Attributes:
        tool: The tool.
        sentence: Greatest cosine similarity of the utterance with a phrase of the tool.
        word: Greatest cosine similarity of a word of the utterance with a word of the tool's name.
        other: Greatest similarity with a phrase that means none of the tools.
        total: What the decision is made on: the first two, less a penalty when the utterance is
            nearer to something else, was only repaired to fit, or leaves out required arguments.
        arguments: The tool's arguments as read from the utterance.
    """

    tool: ToolProfile
    sentence: float
    word: float
    other: float
    total: float
    arguments: Arguments


class Router:
    """Decides what to say or call next. Thread-safe; keeps no state but a cache of vectors.

    Example:
        >>> router = Router(MiniLm.load())                                          # doctest: +SKIP
        >>> router.decide(items=items, tools=tools)                                 # doctest: +SKIP
        CallTool(name='get_weather', arguments='{"location": "Paris"}')
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder

    def prepare(self, tools: Sequence[Mapping[str, object]]) -> None:
        """Compute the vectors of the tools' phrases ahead of the first utterance."""
        profiles = _profiles(tools)
        self._encoder.encode([text for one in profiles for text in (*one.phrases, *one.heads)])
        self._encoder.encode(OTHER_PHRASES)

    def decide(
        self,
        *,
        items: Sequence[Mapping[str, object]],
        tools: Sequence[Mapping[str, object]] = (),
        instructions: str = "",
        tool_choice: object = "auto",
    ) -> Decision:
        """Decide the next step of a conversation.

        Args:
            items: Conversation items in the shape of the Responses API or of the Realtime API,
                oldest first.
            tools: Function tools with JSON schemas; tools of other types are passed over.
            instructions: The agent's instructions. They are not understood, only a first greeting
                uses them.
            tool_choice: ``"auto"``, ``"none"``, ``"required"`` or the name of a function in the
                shape ``{"type": "function", "name": ...}``.

        Returns:
            The call to make, or what to say.
        """
        situation = read_items(items)
        if situation.outputs and not situation.handed_over_to:
            return Say(answers.from_outputs(situation.outputs))
        profiles = _chosen(_profiles(tools), tool_choice)
        if situation.handed_over_to:
            profiles = [one for one in profiles if not one.handoff]
        if not situation.utterance:
            return Say(answers.opening(situation, instructions))
        forced = _is_forced(tool_choice)
        if not forced and (reply := answers.small_talk(situation.utterance)) is not None:
            return Say(reply)
        return self._route(situation, profiles, forced=forced)

    def scores(self, text: str, tools: Sequence[ToolProfile]) -> list[Score]:
        """How well each tool fits ``text``, best first."""
        found = [self._score(text, one, self._others(tools)) for one in tools]
        repaired = _repair(text, tools)
        if repaired != text:
            again = [self._score(repaired, one, self._others(tools)) for one in tools]
            found = [
                max(heard, _misheard(heard, fixed), key=lambda score: score.total)
                for heard, fixed in zip(found, again, strict=True)
            ]
        return sorted(found, key=lambda score: -score.total)

    def _route(
        self, situation: Situation, tools: Sequence[ToolProfile], *, forced: bool
    ) -> Decision:
        text = situation.utterance
        ranked = self.scores(text, tools)
        if not ranked or (ranked[0].total < THRESHOLD and not forced):
            if situation.handed_over_to:
                return Say(answers.after_handoff(situation.handed_over_to))
            return Say(answers.nothing_fits(text))
        best = ranked[0]
        if best.arguments.missing and not forced:
            if best.total < _ASK_THRESHOLD:
                return Say(answers.nothing_fits(text))
            return Say(answers.ask_for(best.arguments.missing))
        return CallTool(best.tool.name, json.dumps(best.arguments.values, ensure_ascii=False))

    def _others(self, tools: Sequence[ToolProfile]) -> list[str]:
        """The phrases that mean none of ``tools``."""
        phrases = [phrase for tool in tools for phrase in tool.phrases]
        if not phrases:
            return []
        near = self._encoder.encode(OTHER_PHRASES) @ self._encoder.encode(phrases).T
        return [
            phrase
            for phrase, score in zip(OTHER_PHRASES, near.max(axis=1), strict=True)
            if score < _OTHER_SAME
        ]

    def _score(self, text: str, tool: ToolProfile, others: Sequence[str]) -> Score:
        encoder = self._encoder
        vector = encoder.encode([text.lower()])[0]
        sentence = float((encoder.encode(tool.phrases) @ vector).max()) if tool.phrases else 0.0
        heard = content_words(text)
        word = 0.0
        if heard and tool.heads:
            word = float((encoder.encode(heard) @ encoder.encode(tool.heads).T).max())
        other = float((encoder.encode(others) @ vector).max()) if others else 0.0
        total = sentence + _WORD_WEIGHT * word - _OTHER_WEIGHT * max(0.0, other - sentence)
        arguments = fill(text, tool, encoder)
        total -= _unsaid_cost(tool, arguments)
        return Score(tool, sentence, word, other, total, arguments)


def _misheard(heard: Score, fixed: Score) -> Score:
    """The score of a repaired utterance; the word that was put in does not count for itself."""
    lost = _WORD_WEIGHT * max(0.0, fixed.word - heard.word)
    return replace(fixed, word=heard.word, total=fixed.total - lost - _MISHEARD_COST)


def _unsaid_cost(tool: ToolProfile, arguments: Arguments) -> float:
    """A request that leaves out what it should choose between is rarely one for this tool."""
    choices = choice_properties(tool.parameters)
    return sum(
        _UNSAID_CHOICE_COST if name in choices else _UNSAID_COST for name in arguments.missing
    )


def _repair(text: str, tools: Sequence[ToolProfile]) -> str:
    """``text`` with what sounds and is spelled like a word of a tool's name replaced by it."""
    known = {sound_key(word): word for tool in tools for word in tool.heads if len(word) > 3}
    names = set(known.values())
    repaired = text
    for token in reversed(tokens(text)):
        word = known.get(sound_key(token.text))
        is_name = token.start > 0 and text[token.start].isupper()
        if word is None or is_name or token.text in names or len(token.text) < 4:
            continue
        if SequenceMatcher(None, token.text, word).ratio() >= _SPELLED_ALIKE:
            repaired = repaired[: token.start] + word + repaired[token.stop :]
    return repaired


def _profiles(tools: Sequence[Mapping[str, object]]) -> list[ToolProfile]:
    return [
        profile(tool)
        for tool in tools
        if tool.get("type", "function") == "function" and "name" in tool
    ]


def _is_forced(tool_choice: object) -> bool:
    return tool_choice == "required" or isinstance(tool_choice, Mapping)


def _chosen(tools: list[ToolProfile], tool_choice: object) -> list[ToolProfile]:
    if tool_choice == "none":
        return []
    if isinstance(tool_choice, Mapping) and "name" in tool_choice:
        return [tool for tool in tools if tool.name == tool_choice["name"]]
    return tools
