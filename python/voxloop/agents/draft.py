"""What a turn would add to the history: committed whole, cut to what was heard, or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxloop.agents.agent import Agent, Handoff
from voxloop.agents.items import (
    CANCELLED_OUTPUT,
    add_usage,
    assistant_item,
    output_item,
    text_of,
    user_item,
)
from voxloop.agents.store import Change
from voxloop.tools import JsonObject, ToolContent


@dataclass(slots=True)
class Draft:
    """The items of a turn under way.

    Attributes:
        agent: Who has the word.
        history: The conversation before the turn.
        items: User message, then messages, calls and outputs in order.
        open_text: Text of the message that is being said.
        usage: What the models counted so far.
        outputs: Outputs of finished calls by call id, also of those not among the items yet.
    """

    agent: Agent
    history: tuple[JsonObject, ...]
    items: list[JsonObject]
    open_text: str = ""
    usage: JsonObject = field(default_factory=dict)
    outputs: dict[str, ToolContent] = field(default_factory=dict)
    _kept: tuple[JsonObject, ...] | None = None
    _since: int = 0

    @classmethod
    def of(cls, text: str, *, agent: Agent, history: tuple[JsonObject, ...] = ()) -> Draft:
        """The draft of a turn that answers `text`."""
        return cls(agent, history, [user_item(text)])

    def input(self) -> tuple[JsonObject, ...]:
        """What the model gets: the conversation, or what a handoff kept of it, and the turn."""
        base = self.history if self._kept is None else self._kept
        return (*base, *self.items[self._since :])

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

    async def hand_over(self, handoff: Handoff, outputs: list[JsonObject]) -> None:
        """Append `outputs`, keep what the handoff's filter chooses, and give the word on.

        Raises:
            ConfigError: The filter gave no items; what it raises itself comes out. The draft is
                as it was.

        **Cancellation:** the draft is as it was.
        """
        if handoff.input_filter is not None:
            kept = await handoff.filtered((*self.input(), *outputs))
            self._kept, self._since = kept, len(self.items) + len(outputs)
        self.items += outputs
        self.agent = handoff.agent

    def whole(self) -> Change:
        """The turn as it is, for a turn that ended well."""
        if self._kept is None:
            return self._change(self._closed(self.items))
        return self._change((*self._kept, *self._closed(self.items[self._since :])), replace=True)

    def cut(self, heard: int) -> Change:
        """The turn as far as it was heard, for one that was interrupted.

        Assistant text ends after `heard` characters, counted over all messages of the turn; what
        was said after that is left out. Calls without an output get one that says so, as the API
        refuses a history with an open call. What a handoff kept of the history counts only if the
        user heard what came before it.
        """
        items = list(self.items)
        if self.open_text:
            items.append(assistant_item(self.open_text))
        before = sum(len(text_of(item) or "") for item in items[: self._since])
        if self._kept is None or heard < before:
            return self._change(self._closed(_up_to(items, heard)))
        rest = self._closed(_up_to(items[self._since :], heard - before))
        return self._change((*self._kept, *rest), replace=True)

    def _change(
        self, items: list[JsonObject] | tuple[JsonObject, ...], *, replace: bool = False
    ) -> Change:
        return Change(items=tuple(items), replace=replace, agent=self.agent.name, usage=self.usage)

    def _closed(self, items: list[JsonObject]) -> list[JsonObject]:
        answered = {i.get("call_id") for i in items if i.get("type") == "function_call_output"}
        calls = [str(i["call_id"]) for i in items if i.get("type") == "function_call"]
        pending = [
            output_item(call_id=call_id, output=self.outputs.get(call_id, CANCELLED_OUTPUT))
            for call_id in calls
            if call_id not in answered
        ]
        return [*items, *pending]


def _up_to(items: list[JsonObject], heard: int) -> list[JsonObject]:
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
    return kept
