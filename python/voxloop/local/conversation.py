"""The state of a conversation, read from its items."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voxloop.local.words import name_words

__all__ = ["ASKING_PREFIX", "Situation", "ToolOutput", "read_items"]

ASKING_PREFIX: Final = "Please tell me the "
_HANDOFF: Final = re.compile(r"^(?:transfer|hand_?off)_to_", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The output of a call that has not been answered yet.

    Attributes:
        name: Name of the tool, empty when its call is not among the items.
        output: The output as the tool gave it.
    """

    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision is made from.

    Attributes:
        utterance: What the user said last, empty when nothing was said or nothing understood. When
            the assistant had asked back for an argument, the request it asked about comes first.
        outputs: Tool outputs at the end of the conversation.
        handed_over_to: Name of the agent that has just taken over, else empty.
        started: Whether anything was said before.
    """

    utterance: str
    outputs: tuple[ToolOutput, ...]
    handed_over_to: str
    started: bool


def read_items(items: Sequence[Mapping[str, object]]) -> Situation:
    """Read items in the shape of the Responses API or of the Realtime API, oldest first."""
    names = {
        str(item.get("call_id")): str(item.get("name") or "")
        for item in items
        if item.get("type") == "function_call"
    }
    outputs: list[ToolOutput] = []
    for item in reversed(items):
        if item.get("type") == "function_call_output":
            name = names.get(str(item.get("call_id")), "")
            outputs.insert(0, ToolOutput(name, _output_text(item.get("output"))))
        elif item.get("type") in ("message", None):
            break
    handoff = next((one.name for one in outputs if _HANDOFF.match(one.name)), "")
    agent = " ".join(word.capitalize() for word in name_words(_HANDOFF.sub("", handoff)))
    return Situation(
        utterance=_utterance(items),
        outputs=tuple(one for one in outputs if not _HANDOFF.match(one.name)),
        handed_over_to=agent if handoff and len(outputs) == 1 else "",
        started=bool(items),
    )


def _utterance(items: Sequence[Mapping[str, object]]) -> str:
    messages = [
        (str(item.get("role")), _message_text(item))
        for item in items
        if item.get("type", "message") == "message" and item.get("role") in ("user", "assistant")
    ]
    last = max((at for at, (role, _) in enumerate(messages) if role == "user"), default=-1)
    if last < 0:
        return ""
    text = messages[last][1]
    if (
        text
        and last >= 2
        and messages[last - 1][0] == "assistant"
        and messages[last - 1][1].startswith(ASKING_PREFIX)
        and messages[last - 2][0] == "user"
    ):
        return f"{messages[last - 2][1].rstrip('.?! ')} {text}"
    return text


def _message_text(item: Mapping[str, object]) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content.strip()
    texts: list[str] = []
    if isinstance(content, (list, tuple)):
        for part in content:
            if isinstance(part, Mapping):
                text = part.get("text") or part.get("transcript")
                if isinstance(text, str):
                    texts.append(text.strip())
    return " ".join(text for text in texts if text)


def _output_text(output: object) -> str:
    if isinstance(output, str):
        return output
    if isinstance(output, (list, tuple)):
        return " ".join(
            str(part.get("text") or "") for part in output if isinstance(part, Mapping)
        ).strip()
    return "" if output is None else str(output)
