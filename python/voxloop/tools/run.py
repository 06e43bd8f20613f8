"""Running one tool call: whatever happens, the model gets a text."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import CoroutineType, FunctionType
from typing import Any, Literal, TypeAlias, cast

import trio
from msgspec import Struct

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


class ToolOutcome(Struct, frozen=True):
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
    run = ToolRun(tool, arguments, context, limiter=limiter, formatter=formatter, on_start=on_start)
    with trio.CancelScope() as scope:
        await run.work(scope)
    return await run.finish()


class ToolRun:
    """One call under way, in two parts: `work` in a scope of the caller's, and `finish` after it.

    `run_tool` is both. A caller that is in a hurry opens the scope before there is a call, and has
    the output from ``outcome`` before it closes the scope: each takes as long as a short tool.

    Attributes:
        outcome: What it came to, once that is known and nothing has to be awaited for it.
    """

    outcome: ToolOutcome | None = None
    _scope: trio.CancelScope | None = None
    _failure: tuple[str, FailureKind, Exception | None] | None = None
    _result: object = None

    def __init__(
        self,
        tool: Tool,
        arguments: str,
        context: RunContext[Any],
        *,
        limiter: trio.CapacityLimiter | None = None,
        formatter: FailureFormatter | None = None,
        on_start: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._tool = tool
        self._arguments = arguments
        self._context = context
        self._limiter = limiter
        self._formatter = formatter
        self._on_start = on_start
        self._started = time.monotonic()

    async def work(self, scope: trio.CancelScope) -> None:
        """Do all up to the end of the handler. Of what goes wrong, `finish` tells.

        Args:
            scope: A scope around this call and nothing else. The time limit is its deadline, and
                stays so: leave it before something else is awaited.

        **Cancellation:** as `run_tool`.
        """
        tool, text = self._tool, self._arguments
        if tool.handler is None or tool.binding is None:
            said = f"Tool {tool.name!r} has no handler here; answer without it."
            self._failure = (said, "error", None)
            return
        try:
            values = tool.binding.parse(text)
        except ArgumentsError as error:
            said = f"Tool {tool.name!r} was not run: {error}. Call it again."
            self._failure = (said, "arguments", error)
            return
        if tool.input_guardrails:
            self.outcome = await self._checked(tool.input_guardrails, text)
            if self.outcome is not None:
                return
        if self._on_start is not None:
            await self._on_start()
        self._scope = scope
        try:
            if tool.timeout is not None:
                scope.deadline = trio.current_time() + tool.timeout
            context, limiter = self._context, self._limiter
            result = await _invoke(tool, tool.handler, tool.binding, values, context, limiter)
        except Exception as error:
            _log.debug("tool %r failed", tool.name, exc_info=error)
            said = (error.message if isinstance(error, ToolError) else None) or (
                f"Tool {tool.name!r} failed: {type(error).__name__}."
            )
            self._failure = (said, "error", error)
            return
        self._result = result
        if not tool.output_guardrails:
            self.outcome = self._ok(to_text(result))

    async def finish(self) -> ToolOutcome:
        """What the call came to, now that the scope has been left.

        **Cancellation:** as `run_tool`.
        """
        tool = self._tool
        if self.outcome is not None:
            return self.outcome
        if self._scope is not None and self._scope.cancelled_caught:
            said = f"Tool {tool.name!r} took longer than {tool.timeout:g} s and was stopped."
            late = ToolError(said, tool=tool.name, code="tool_timeout")
            return await self._failed(said, "timeout", late)
        if self._failure is not None:
            return await self._failed(*self._failure)
        output = to_text(self._result)
        stopped = await self._checked(tool.output_guardrails, output)
        return self._ok(output) if stopped is None else stopped

    def _ok(self, output: str) -> ToolOutcome:
        return self._over(output, "ok", parts=parts_of(self._result))

    def _over(
        self,
        output: str,
        status: ToolStatus,
        error: Exception | None = None,
        *,
        fatal: bool = False,
        parts: tuple[ToolPart, ...] = (),
    ) -> ToolOutcome:
        return ToolOutcome(output, status, time.monotonic() - self._started, error, fatal, parts)

    async def _failed(self, text: str, kind: FailureKind, error: Exception | None) -> ToolOutcome:
        tool = self._tool
        failure = ToolFailure(
            kind=kind, tool=tool.name, text=text, call_id=self._context.call_id, error=error
        )
        output = await format_failure(failure, tool.failure, self._formatter)
        if kind == "timeout":
            fatal = tool.timeout_behavior == "raise"
            return self._over(output, "timeout", error, fatal=fatal)
        # What the model got wrong ends no run, nor does a tool that is not here.
        fatal = kind == "error" and error is not None and tool.error_behavior == "raise"
        return self._over(output, "error", error, fatal=fatal)

    async def _checked(self, guardrails: Iterable[Guardrail], text: str) -> ToolOutcome | None:
        """What the guardrails put in the place of `text`; None if they let it pass."""
        verdict = await run_guardrails(guardrails, self._context, self._tool, text)
        check = verdict.stopped
        if check is None:
            return None
        error = verdict.error()
        message = check.result.message or f"Tool {self._tool.name!r} was stopped by a guardrail."
        return self._over(message, "rejected", error, fatal=error is not None)


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
