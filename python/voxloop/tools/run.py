"""Running one tool call: whatever happens, the model gets a text."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CoroutineType, FunctionType
from typing import Any, Literal, TypeAlias, cast

import trio

from voxloop._errors import ToolError
from voxloop.tools.context import RunContext
from voxloop.tools.failure import FailureFormatter, FailureKind, ToolFailure, format_failure
from voxloop.tools.guardrail import Guardrail, run_guardrails
from voxloop.tools.output import to_text
from voxloop.tools.parts import ToolContent, ToolPart, content_of, parts_of
from voxloop.tools.schema import ArgumentsError, Binding
from voxloop.tools.tool import Handler, Tool

_log = logging.getLogger("voxloop.tools")

ToolStatus: TypeAlias = Literal["ok", "error", "timeout", "rejected"]
"""What a call came to; a call that a person or a guardrail stopped is rejected."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to.

    Attributes:
        output: Text for the model.
        status: ``"ok"``, ``"error"``, ``"timeout"`` or ``"rejected"``.
        duration: Seconds that the call took.
        error: What was raised, for the application; the model sees no more than ``output``.
        fatal: Whether the run is to end with ``error``: the tool or a guardrail of it asks for
            that.
        parts: Pictures and files that the tool gave, with the text beside them; ``output`` is then
            what is said of them in words.
    """

    output: str
    status: ToolStatus
    duration: float
    error: Exception | None = None
    fatal: bool = False
    parts: tuple[ToolPart, ...] = ()

    @property
    def content(self) -> ToolContent:
        """What stands in the history of a model that takes pictures and files."""
        return content_of(self.parts) if self.parts else self.output


async def run_tool(
    tool: Tool,
    arguments: str,
    *,
    context: RunContext[Any],
    limiter: trio.CapacityLimiter | None = None,
    formatter: FailureFormatter | None = None,
    on_start: Callable[[], Awaitable[object]] | None = None,
) -> ToolOutcome:
    """Run `tool` and turn every outcome into text for the model.

    In this order: the arguments are checked, then the tool's input guardrails run, `on_start`, the
    handler, and the tool's output guardrails. Approval is the caller's, before all this.

    The text of an exception stays here: only its class is told to the model, as its message may
    hold anything. A handler that has something to say to the model raises
    `ToolError` (its message is passed on) or returns it.

    Args:
        tool: The tool; one without a handler answers with an error text.
        arguments: JSON text as the model wrote it.
        context: Given to handlers that ask for it.
        limiter: Bounds the worker threads of synchronous handlers; default trio's own (40). An
            abandoned thread holds its place until its function returns.
        formatter: Words failures for the model where the tool has no formatter of its own.
        on_start: Awaited when the guardrails have let the call pass.

    Returns:
        The outcome; where ``fatal`` is set, the caller raises its ``error``.

    **Cancellation:** a coroutine handler is cancelled; a synchronous one follows
    ``tool.on_cancel``. Nothing else is ever raised, except by `on_start`.
    """
    call = _Run(tool, context, formatter)
    if tool.handler is None or tool.binding is None:
        return await call.failed(f"Tool {tool.name!r} has no handler here; answer without it.")
    try:
        values = tool.binding.parse(arguments)
    except ArgumentsError as error:
        text = f"Tool {tool.name!r} was not run: {error}. Call it again."
        return await call.failed(text, "arguments", error)
    if tool.input_guardrails:
        stopped = await call.checked(tool.input_guardrails, arguments)
        if stopped is not None:
            return stopped
    if on_start is not None:
        await on_start()
    result: object = None
    try:
        with trio.move_on_after(float("inf") if tool.timeout is None else tool.timeout) as scope:
            result = await _invoke(tool, tool.handler, tool.binding, values, context, limiter)
    except Exception as error:
        _log.debug("tool %r failed", tool.name, exc_info=error)
        said = error.message if isinstance(error, ToolError) else None
        text = said or f"Tool {tool.name!r} failed: {type(error).__name__}."
        return await call.failed(text, "error", error, fatal=tool.error_behavior == "raise")
    if scope.cancelled_caught:
        text = f"Tool {tool.name!r} took longer than {tool.timeout:g} s and was stopped."
        late = ToolError(text, tool=tool.name, code="tool_timeout")
        return await call.failed(text, "timeout", late, fatal=tool.timeout_behavior == "raise")
    output = to_text(result)
    if tool.output_guardrails:
        stopped = await call.checked(tool.output_guardrails, output)
        if stopped is not None:
            return stopped
    return call.outcome(output, "ok", parts=parts_of(result))


@dataclass(slots=True)
class _Run:
    """One call under way."""

    tool: Tool
    context: RunContext[Any]
    formatter: FailureFormatter | None
    started: float = field(default_factory=time.monotonic)

    def outcome(
        self,
        output: str,
        status: ToolStatus,
        error: Exception | None = None,
        *,
        fatal: bool = False,
        parts: tuple[ToolPart, ...] = (),
    ) -> ToolOutcome:
        return ToolOutcome(output, status, time.monotonic() - self.started, error, fatal, parts)

    async def failed(
        self,
        text: str,
        kind: FailureKind = "error",
        error: Exception | None = None,
        *,
        fatal: bool = False,
    ) -> ToolOutcome:
        failure = ToolFailure(
            kind=kind, tool=self.tool.name, text=text, call_id=self.context.call_id, error=error
        )
        output = await format_failure(failure, self.tool.failure, self.formatter)
        return self.outcome(output, "timeout" if kind == "timeout" else "error", error, fatal=fatal)

    async def checked(self, guardrails: Iterable[Guardrail], text: str) -> ToolOutcome | None:
        """What the guardrails put in the place of `text`; None if they let it pass."""
        verdict = await run_guardrails(guardrails, self.context, self.tool, text)
        check = verdict.stopped
        if check is None:
            return None
        error = verdict.error()
        message = check.result.message or f"Tool {self.tool.name!r} was stopped by a guardrail."
        return self.outcome(message, "rejected", error, fatal=error is not None)


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
    if type(result) is CoroutineType or inspect.isawaitable(result):
        return await cast("Any", result)
    return result


def _is_async(handler: Handler) -> bool:
    if type(handler) is FunctionType and handler.__code__.co_flags & inspect.CO_COROUTINE:
        return True  # as most are, and `inspect` takes its time to find out
    # A callable object counts by its class's method; a function's own is a plain slot wrapper.
    target: Any = handler
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(target.__call__)


def unknown_tool(name: str, known: Iterable[str]) -> str:
    """Text for the model that called a tool which is not there."""
    names = ", ".join(sorted(known)) or "none"
    return f"Tool {name!r} does not exist. Tools that can be called: {names}."
