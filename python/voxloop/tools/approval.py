"""Approvals: which calls a person must allow, and what was decided."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from voxloop._errors import ConfigError
from voxloop.tools.context import RunContext
from voxloop.tools.schema import ArgumentsError

if TYPE_CHECKING:
    from voxloop.tools.tool import Tool

NeedsApproval: TypeAlias = (
    "bool | Callable[[RunContext[Any], Mapping[str, object], str], bool | Awaitable[bool]]"
)
"""Whether a call needs approval, or a callable ``(context, arguments, call_id)`` that says so."""

NOT_APPROVED = "The call was not approved."
"""What the model reads about a call that was rejected without a message."""

KEPT_DECISIONS = 256
"""Decisions about single calls that are remembered; older ones are forgotten first."""

_log = logging.getLogger("voxloop.tools")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a call.

    Attributes:
        approved: Whether it may run.
        message: What the model reads about a rejected call; empty for the usual words.
        always: Whether it holds for all later calls of the tool.
    """

    approved: bool
    message: str = ""
    always: bool = False


def _nothing() -> Mapping[str, Decision]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Approvals:
    """All decisions so far: a value, each decision gives a new one.

    A decision about one call comes before one about its tool. Decisions of a tool are kept until
    they are replaced, those of single calls only for the last `KEPT_DECISIONS` calls.

    Attributes:
        tools: Lasting decisions by tool name.
        calls: Decisions by call id.
    """

    tools: Mapping[str, Decision] = field(default_factory=_nothing, hash=False)
    calls: Mapping[str, Decision] = field(default_factory=_nothing, hash=False)

    def decision(self, tool: str, call_id: str) -> Decision | None:
        """What holds for this call; None if nothing was decided."""
        return self.calls.get(call_id) or self.tools.get(tool)

    def approve(self, tool: str, call_id: str, *, always: bool = False) -> Approvals:
        """The value in which the call may run, and with `always` every later call of the tool."""
        return self._with(tool, call_id, Decision(True, "", always))

    def reject(
        self, tool: str, call_id: str, *, always: bool = False, message: str = ""
    ) -> Approvals:
        """The value in which the call must not run; `message` is what the model reads.

        With `always` every later call of the tool is rejected with the same message.
        """
        return self._with(tool, call_id, Decision(False, message, always))

    def forget(self, tool: str) -> Approvals:
        """The value without a lasting decision about the tool."""
        kept = {name: decision for name, decision in self.tools.items() if name != tool}
        return replace(self, tools=MappingProxyType(kept))

    def _with(self, tool: str, call_id: str, decision: Decision) -> Approvals:
        calls = {**self.calls, call_id: decision}
        for oldest in list(calls)[: max(0, len(calls) - KEPT_DECISIONS)]:
            del calls[oldest]
        tools = {**self.tools, tool: decision} if decision.always else self.tools
        return Approvals(MappingProxyType(dict(tools)), MappingProxyType(calls))


async def approval_needed(tool: Tool, arguments: str, *, context: RunContext[Any]) -> bool:
    """Whether a call of `tool` must be approved before it runs.

    A callable ``needs_approval`` sees the arguments as decoded JSON, defaults not filled in. It
    fails closed: arguments that do not fit, an exception and anything but a bool need approval.
    Whether a decision is there already is asked first, of `Approvals.decision`.

    Args:
        tool: The tool.
        arguments: JSON text as the model wrote it.
        context: Of the call; its ``call_id`` is passed on.

    **Cancellation:** an async callable is cancelled; may be called again.
    """
    policy = tool.needs_approval
    if isinstance(policy, bool):
        return policy
    try:
        values = msgspec.json.decode(arguments.strip() or "{}", type=dict[str, object])
        if tool.binding is not None:
            tool.binding.parse(arguments)
    except (ArgumentsError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return True
    try:
        answer = policy(context, values, context.call_id)
        needed: object = await answer if inspect.isawaitable(answer) else answer
    except Exception as error:
        _log.warning(
            "needs_approval of tool %r failed (%s): the call waits for approval",
            tool.name,
            type(error).__name__,
        )
        return True
    return needed is not False


def check_policy(policy: object, *, tool: str) -> None:
    """Refuse what is neither a bool nor a callable.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(policy, bool) and not callable(policy):
        raise ConfigError(
            f"needs_approval of tool {tool!r} is {policy!r}; "
            "give a bool or a callable (context, arguments, call_id)"
        )
