"""What the router agent says: outputs put into words, and its few fixed sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from voxloop.local.conversation import ASKING_PREFIX, Situation, ToolOutput
from voxloop.local.words import name_words, tokens

__all__ = [
    "after_handoff",
    "ask_for",
    "from_outputs",
    "nothing_fits",
    "opening",
    "small_talk",
]

_GREETINGS: Final = frozenset(
    (
        "hello",
        "hi",
        "hey",
        "hello there",
        "hi there",
        "good morning",
        "good afternoon",
        "good evening",
    )
)
_THANKS: Final = frozenset(
    ("thanks", "thank you", "thank you very much", "thanks a lot", "many thanks")
)
_PARTINGS: Final = frozenset(
    ("bye", "goodbye", "bye bye", "good bye", "see you", "see you later", "good night")
)
_HEALTH: Final = frozenset(
    (
        "how are you",
        "how are you doing",
        "how are you today",
        "how are you doing today",
        "how do you do",
        "how is it going",
        "how's it going",
        "how are things",
        "nice to meet you",
    )
)
_KINDS: Final = (
    (_GREETINGS, "Hello."),
    (_HEALTH, "I am well, thank you."),
    (_THANKS, "You are welcome."),
    (_PARTINGS, "Goodbye."),
)
_LONGEST_TALK: Final = 5  # words of a phrase
_ERROR_TEXT: Final = re.compile(
    r"^\s*(?:error|an error|failed|failure|exception)\b[:\s]*", re.IGNORECASE
)
_ERROR_KEYS: Final = ("error", "errors", "exception")
_LONGEST: Final = 600
_MOST_ENTRIES: Final = 8


def small_talk(text: str) -> str | None:
    """The answer to what is nothing but greeting, asking after one, thanks and goodbye, else None.

    Args:
        text: What was said; its punctuation is not looked at, as speech has none.
    """
    words = [token.text.replace("\u2019", "'") for token in tokens(text)]
    answers: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST_TALK, len(words) - at), 0, -1):
            said = " ".join(words[at : at + length])
            answer = next((answer for phrases, answer in _KINDS if said in phrases), None)
            if answer is not None:
                answers.append(answer)
                at += length
                break
        else:
            return None
    if not answers:
        return None
    reply = " ".join(dict.fromkeys(answers))
    return (
        reply if answers[-1] in ("You are welcome.", "Goodbye.") else f"{reply} How can I help you?"
    )


def opening(situation: Situation, instructions: str) -> str:
    """What to say when there is no utterance to answer."""
    if situation.handed_over_to:
        return after_handoff(situation.handed_over_to)
    if situation.started:
        return "I did not hear any words."
    return "Hello. How can I help you?"


def nothing_fits(text: str) -> str:
    """Says what was heard and that no tool fits it."""
    return f"I heard: {text.rstrip('.?!, ')}. I have no tool for that."


def after_handoff(agent: str) -> str:
    """Says who is on the line now."""
    return f"You are now talking to {agent}. How can I help you?"


def ask_for(missing: Sequence[str]) -> str:
    """Asks for arguments that were not said."""
    named = [" ".join(name_words(name)) for name in missing]
    return f"{ASKING_PREFIX}{' and the '.join(named)}."


def from_outputs(outputs: Sequence[ToolOutput]) -> str:
    """Puts the outputs of tools into words, one sentence or more for each."""
    return " ".join(_spoken(one) for one in outputs)


def _spoken(output: ToolOutput) -> str:
    text = output.output.strip()
    if not text:
        return "Done."
    try:
        value: object = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, Mapping):
        problem = next((value[key] for key in _ERROR_KEYS if value.get(key)), None)
        if problem is not None:
            return _problem(_flat(problem))
    if isinstance(value, str) and (match := _ERROR_TEXT.match(value)):
        return _problem(value[match.end() :] or value)
    return _sentence(_flat(value))


def _problem(text: str) -> str:
    return _sentence(f"That did not work: {text}")


def _sentence(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rsplit(" ", 1)[0]
    if not text:
        return "Done."
    return text if text[-1] in ".?!" else f"{text}."


def _flat(value: object) -> str:
    """JSON as speech: "temperature is 22, sky is clear"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        pairs = [
            f"{' '.join(name_words(str(key)))} is {_flat(inner)}" for key, inner in value.items()
        ]
        return ", ".join(pairs[:_MOST_ENTRIES])
    if isinstance(value, (list, tuple)):
        if not value:
            return "nothing"
        parts = [_flat(inner) for inner in value[:_MOST_ENTRIES]]
        more = len(value) - len(parts)
        return ", ".join(parts) + (f", and {more} more" if more else "")
    return str(value)
