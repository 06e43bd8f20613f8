"""What the model reads when a call came to nothing."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

FailureKind: TypeAlias = Literal["error", "timeout", "rejected", "arguments", "unknown"]
"""The tool raised, took too long, was not approved, got wrong arguments, or is not there."""

_log = logging.getLogger("voxloop.tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailure:
    """A call that came to nothing.

    Attributes:
        kind: Why.
        tool: Name as the model wrote it.
        text: What the model reads if no formatter says otherwise.
        call_id: Id of the call.
        error: What was raised; its message may hold anything, so `text` names only its class.
    """

    kind: FailureKind
    tool: str
    text: str
    call_id: str = ""
    error: Exception | None = None


FailureFormatter: TypeAlias = Callable[[ToolFailure], "str | Awaitable[str]"]
"""Gives the text for the model; sync or async, asked for every `FailureKind`."""


async def format_failure(failure: ToolFailure, *formatters: FailureFormatter | None) -> str:
    """The text for the model: of the first formatter that is there, else ``failure.text``.

    A formatter that raises or gives something other than text counts as none.

    **Cancellation:** an async formatter is cancelled; may be called again.
    """
    formatter = next((f for f in formatters if f is not None), None)
    if formatter is None:
        return failure.text
    try:
        answer = formatter(failure)
        text: object = await answer if inspect.isawaitable(answer) else answer
    except Exception as error:
        _log.warning(
            "the failure formatter of tool %r failed: %s", failure.tool, type(error).__name__
        )
        return failure.text
    return text if isinstance(text, str) else failure.text
