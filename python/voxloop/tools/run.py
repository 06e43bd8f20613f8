"""Running one tool call: whatever happens, the model gets a text."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import trio

from voxloop._errors import ToolError
from voxloop.tools.context import RunContext
from voxloop.tools.output import to_text
from voxloop.tools.schema import ArgumentsError, Binding
from voxloop.tools.tool import Handler, Tool

_log = logging.getLogger("voxloop.tools")


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to.

    Attributes:
        output: Text for the model.
        status: ``"ok"``, ``"error"`` or ``"timeout"``.
        duration: Seconds that the call took.
        error: What was raised, for the application; the model sees no more than ``output``.
    """

    output: str
    status: Literal["ok", "error", "timeout"]
    duration: float
    error: Exception | None = None


async def run_tool(
    tool: Tool,
    arguments: str,
    *,
    context: RunContext[Any],
    limiter: trio.CapacityLimiter | None = None,
) -> ToolOutcome:
    """Run `tool` and turn every outcome into text for the model.

    The text of an exception stays here: only its class is told to the model, as its message may
    hold anything. A handler that has something to say to the model raises
    `ToolError` (its message is passed on) or returns it.

    Args:
        tool: The tool; one without a handler answers with an error text.
        arguments: JSON text as the model wrote it.
        context: Given to handlers that ask for it.
        limiter: Bounds the worker threads of synchronous handlers; default trio's own (40). An
            abandoned thread holds its place until its function returns.

    **Cancellation:** a coroutine handler is cancelled; a synchronous one follows
    ``tool.on_cancel``. Nothing else is ever raised.
    """
    started = time.monotonic()

    def outcome(
        output: str,
        status: Literal["ok", "error", "timeout"] = "error",
        error: Exception | None = None,
    ) -> ToolOutcome:
        return ToolOutcome(output, status, time.monotonic() - started, error)

    if tool.handler is None or tool.binding is None:
        return outcome(f"Tool {tool.name!r} has no handler here; answer without it.")
    try:
        values = tool.binding.parse(arguments)
    except ArgumentsError as error:
        return outcome(f"Tool {tool.name!r} was not run: {error}. Call it again.", error=error)
    try:
        with trio.move_on_after(float("inf") if tool.timeout is None else tool.timeout):
            result = await _invoke(tool, tool.handler, tool.binding, values, context, limiter)
            return outcome(to_text(result), "ok")
        text = f"Tool {tool.name!r} took longer than {tool.timeout:g} s and was stopped."
        return outcome(text, "timeout")
    except ToolError as error:
        return outcome(error.message, error=error)
    except Exception as error:
        _log.debug("tool %r failed", tool.name, exc_info=error)
        return outcome(f"Tool {tool.name!r} failed: {type(error).__name__}.", error=error)


async def _invoke(
    tool: Tool,
    handler: Handler,
    binding: Binding,
    values: Mapping[str, object],
    context: RunContext[Any],
    limiter: trio.CapacityLimiter | None,
) -> object:
    if _is_async(handler):
        result = binding.call(handler, values, context)
    else:
        # In a tuple: trio refuses a bare coroutine as a thread's result.
        (result,) = await trio.to_thread.run_sync(
            lambda: (binding.call(handler, values, context),),
            limiter=limiter,
            abandon_on_cancel=tool.on_cancel == "abandon",
        )
    # A plain function may hand back a coroutine (a partial, a wrapper): it is awaited here.
    return await cast("Any", result) if inspect.isawaitable(result) else result


def _is_async(handler: Handler) -> bool:
    # A callable object counts by its class's method; a function's own is a plain slot wrapper.
    target: Any = handler
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(target.__call__)


def unknown_tool(name: str, known: Iterable[str]) -> str:
    """Text for the model that called a tool which is not there."""
    names = ", ".join(sorted(known)) or "none"
    return f"Tool {name!r} does not exist. Tools that can be called: {names}."
