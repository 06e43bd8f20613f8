"""What a turn would add to the history: committed whole, cut to what was heard, or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxloop.agents.agent import Agent
from voxloop.agents.conversation import (
    CANCELLED_OUTPUT,
    add_usage,
    assistant_item,
    output_item,
    text_of,
    user_item,
)
from voxloop.tools import JsonObject


@dataclass(slots=True)
class Draft:
    """The items of a turn under way.

    Attributes:
        agent: Who has the word.
        items: User message, then messages, calls and outputs in order.
        open_text: Text of the message that is being said.
        usage: What the models counted so far.
    """

    agent: Agent
    items: list[JsonObject]
    open_text: str = ""
    usage: JsonObject = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, *, agent: Agent) -> Draft:
        """The draft of a turn that answers `text`."""
        return cls(agent, [user_item(text)])

    def close_text(self, whole: str | None = None) -> None:
        """End the message that is being said; `whole` is its text if the model gave it."""
        text = self.open_text if whole is None else whole
        self.open_text = ""
        if text:
            self.items.append(assistant_item(text))

    def count(self, usage: Mapping[str, object] | None) -> None:
        """Add what one response cost."""
        if usage:
            self.usage = add_usage(self.usage, usage)

    def text(self) -> str:
        """All that was said, messages joined by a blank."""
        said = [text_of(item) for item in self.items]
        return " ".join(part.strip() for part in (*said, self.open_text) if part and part.strip())

    def cut(self, heard: int) -> list[JsonObject]:
        """The items of a turn that was interrupted.

        Assistant text ends after `heard` characters, counted over all messages of the turn; what
        was said after that is left out. Calls without an output get one that says so, as the API
        refuses a history with an open call.
        """
        items = list(self.items)
        if self.open_text:
            items.append(assistant_item(self.open_text))
        kept: list[JsonObject] = []
        left = heard
        for item in items:
            text = text_of(item)
            if text is None:
                kept.append(item)
                continue
            if left > 0:
                kept.append(item if len(text) <= left else assistant_item(text[:left]))
            left -= len(text)
        return _close_calls(kept)


def _close_calls(items: list[JsonObject]) -> list[JsonObject]:
    answered = {i.get("call_id") for i in items if i.get("type") == "function_call_output"}
    pending = [
        output_item(call_id=str(item["call_id"]), output=CANCELLED_OUTPUT)
        for item in items
        if item.get("type") == "function_call" and item.get("call_id") not in answered
    ]
    return [*items, *pending]
