"""What a tool is about: phrases derived from its name, description and schema.

Nothing here knows any particular tool. The sentence templates follow from the first word of the
name: a tool that gets something answers questions about it, a tool that does something is asked for
by its verb and the values of its enumerations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voxloop.local.words import STOP_WORDS, name_words, tokens, word_set

__all__ = [
    "OTHER_PHRASES",
    "ToolProfile",
    "choice_properties",
    "enum_values",
    "profile",
    "properties_of",
]

_ASKING: Final = word_set(
    """
    get fetch find lookup look search show list check read query tell current describe
    """
)
_DOING: Final = word_set(
    """
    add book buy call cancel change close control convert create delete lock make open order
    pause play put remove reserve send set start stop switch toggle turn update write
    """
)
_HANDOFF_NAME: Final = re.compile(r"^(?:transfer|hand_?off)_to_", re.IGNORECASE)
_HANDOFF_SENTENCE: Final = re.compile(
    r"^\s*(?:hand\s?off|hand over|transfer)\b.*?(?:\bto\b).*?(?:[.:]|$)\s*", re.IGNORECASE
)
_LABEL: Final = re.compile(r"^\s*[A-Za-z ]{2,20}:\s*")
_HANDOFF_AGENT: Final = re.compile(
    r"^\s*(?:hand\s?off|hand over|transfer)\b.*?\bto\s+(?:the\s+)?"
    r"([A-Za-z][\w -]*?)(?:\s+agent\b|[.:]|$)",
    re.IGNORECASE,
)
_MOST_ENUM_PHRASES: Final = 6

OTHER_PHRASES: Final = (
    "what time is it",
    "what day is it today",
    "set an alarm",
    "start a timer",
    "remind me to do something",
    "what is on my calendar",
    "make an appointment",
    "book a table at a restaurant",
    "book a hotel room",
    "book a flight",
    "where is the nearest restaurant",
    "order some food",
    "I would like a drink",
    "how do I cook this",
    "play some music",
    "stop the music",
    "turn the volume up",
    "turn on the television",
    "what is on television",
    "watch a film",
    "tell me the news",
    "who won the game",
    "tell me a joke",
    "sing a song",
    "tell me a story",
    "tell me about the history of something",
    "how tall is the tower",
    "who was the president",
    "who wrote the book",
    "what is the capital of a country",
    "how many people live in a city",
    "where is this city",
    "how far away is it",
    "what is two plus two",
    "convert dollars to euro",
    "what is the price of a share",
    "what does this word mean",
    "translate this into another language",
    "do you speak another language",
    "what is your name",
    "how are you",
    "what is your favourite colour",
    "what is the meaning of life",
    "send a message",
    "call somebody on the phone",
    "read my emails",
    "add something to my shopping list",
    "buy something in the shop",
    "where is my package",
    "cancel my order",
    "when do you open",
    "open the door",
    "lock the door",
    "turn on the light",
    "set the heating",
    "what is the weather",
    "turn left at the corner",
    "how do I get to the station",
    "when does the train leave",
    "take a picture",
    "he said that she was young",
    "once upon a time there was a king",
)
"""What people say that is not meant for a given set of tools: a class of its own, which an
utterance may be nearer to than to any tool. The entries near to a tool at hand are left out, so
none shuts a tool out."""


@dataclass(frozen=True, slots=True)
class ToolProfile:
    """What a tool is about.

    Attributes:
        name: Name of the tool.
        phrases: Sentences that ask for it.
        heads: Words of the name that say what it is about, without its verb.
        verb: First word of the name when it is a verb, else empty.
        handoff: Whether the tool hands the conversation to another agent.
        parameters: Its JSON schema.
    """

    name: str
    phrases: tuple[str, ...]
    heads: tuple[str, ...]
    verb: str
    handoff: bool
    parameters: Mapping[str, object]


def profile(tool: Mapping[str, object]) -> ToolProfile:
    """Derive the profile of a function tool in the shape of the Realtime and Responses APIs.

    Args:
        tool: ``{"type": "function", "name", "description", "parameters"}``.
    """
    name = str(tool["name"])
    description = str(tool.get("description") or "")
    parameters = tool.get("parameters")
    schema = parameters if isinstance(parameters, Mapping) else {}
    if _HANDOFF_NAME.match(name):
        # The description writes the agent's name as its author did: "TechSupport" is two words.
        agent = _HANDOFF_AGENT.search(description)
        about = " ".join(name_words(agent[1] if agent else _HANDOFF_NAME.sub("", name)))
        condition = _LABEL.sub("", _HANDOFF_SENTENCE.sub("", description))
        heads = tuple(
            dict.fromkeys(
                word for word in about.split() + _words(condition) if word not in STOP_WORDS
            )
        )
        phrases = (about, condition, f"I need {about}", f"I have a question about {about}")
        return ToolProfile(name, _clean(phrases), heads, "", True, schema)
    words = name_words(name)
    verb = words[0] if len(words) > 1 and words[0] in _ASKING | _DOING else ""
    noun = " ".join(words[1:] if verb else words)
    heads = tuple(word for word in noun.split() if word not in STOP_WORDS)
    asked = (
        *re.split(r"(?<=[.!?])\s+", description),
        " ".join(words),
        *_templates(verb, noun, enum_values(schema)),
    )
    return ToolProfile(name, _clean(asked), heads, verb, False, schema)


def _templates(verb: str, noun: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if verb in _ASKING:
        return (f"what is the {noun}", f"tell me the {noun}", f"how is the {noun}")
    if not verb:
        return (f"what are the {noun}",)
    asked = tuple(f"{verb} the {noun} {value}" for value in values[:_MOST_ENUM_PHRASES])
    if {"on", "off"} <= set(values):
        asked += (f"turn the {noun} on", f"turn the {noun} off")
    return (f"{verb} the {noun}", *asked)


def _clean(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for phrase in phrases if (text := phrase.strip())))


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def properties_of(schema: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Properties of an object schema, by name, in order."""
    found = schema.get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, Mapping)}


def choice_properties(schema: Mapping[str, object]) -> frozenset[str]:
    """Names of the properties that are enumerations."""
    return frozenset(
        name for name, spec in properties_of(schema).items() if isinstance(spec.get("enum"), list)
    )


def enum_values(schema: Mapping[str, object]) -> tuple[str, ...]:
    """Every text value that an enumeration of the schema's properties allows."""
    values: list[str] = []
    for spec in properties_of(schema).values():
        allowed = spec.get("enum")
        if isinstance(allowed, (list, tuple)):
            values.extend(value for value in allowed if isinstance(value, str))
    return tuple(dict.fromkeys(values))
