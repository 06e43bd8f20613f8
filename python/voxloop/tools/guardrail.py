"""Guardrails: checks that let a text pass, put another in its place, or end the run."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, overload

import trio

from voxloop._errors import ConfigError, GuardrailTripped
from voxloop.tools.context import RunContext

Behavior: TypeAlias = Literal["allow", "reject", "raise"]
"""What a guardrail decides: pass, replace by a message, or end the run with an error."""

Stage: TypeAlias = Literal["input", "output", "tool_input", "tool_output"]
"""Which text a guardrail looks at."""

_BEHAVIORS = ("allow", "reject", "raise")
_REFUSAL = "I cannot help with that."
_log = logging.getLogger("voxloop.guardrails")


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """What a guardrail decided; made by `allow`, `reject` and `trip`.

    Attributes:
        behavior: ``"allow"``, ``"reject"`` or ``"raise"``.
        message: Stands in the place of a rejected text; the error's text when the run ends.
        info: Anything for the application, such as the scores of a classifier.
    """

    behavior: Behavior = "allow"
    message: str = ""
    info: object = field(default=None, hash=False)

    @classmethod
    def allow(cls, info: object = None) -> GuardrailResult:
        """Let the text pass."""
        return cls("allow", "", info)

    @classmethod
    def reject(cls, message: str = _REFUSAL, *, info: object = None) -> GuardrailResult:
        """Put `message` in the place of the text: it is said, or given to the model."""
        return cls("reject", message, info)

    @classmethod
    def trip(cls, message: str = "", *, info: object = None) -> GuardrailResult:
        """End the run with `GuardrailTripped`."""
        return cls("raise", message, info)


GuardrailFunction: TypeAlias = (
    "Callable[[RunContext[Any], Any, str], GuardrailResult | Awaitable[GuardrailResult]]"
)
"""``(context, subject, text)``: the subject is the agent, or for a tool's guardrail the tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """What all guardrails share; use one of the four kinds.

    Attributes:
        function: Decides. A coroutine function runs on the trio thread, another in a worker
            thread, so that a classifier blocks nothing.
        name: Shown in errors, results and logs; default the function's.
        on_error: What an exception, a wrong answer or a timeout counts as: ``"allow"`` lets the
            text pass and writes to the log, ``"reject"`` and ``"raise"`` fail closed.
        timeout: Seconds that a decision may take; None waits for ever.

    Raises:
        ConfigError: A field cannot be used.
    """

    function: GuardrailFunction
    name: str = ""
    on_error: Behavior = "allow"
    timeout: float | None = 10.0

    stage: ClassVar[Stage] = "input"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ConfigError(f"a guardrail needs a function, not {self.function!r}")
        if not self.name:
            own = getattr(self.function, "__name__", type(self.function).__name__)
            object.__setattr__(self, "name", own)
        if self.on_error not in _BEHAVIORS:
            raise ConfigError(
                f"on_error of guardrail {self.name!r} is {self.on_error!r}; "
                "give 'allow', 'reject' or 'raise'"
            )
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(
                f"timeout of guardrail {self.name!r} is {self.timeout}; "
                "give seconds above 0, or None"
            )

    def __call__(self, context: RunContext[Any], subject: Any, text: str) -> Any:
        """Call the decorated function as if it had not been decorated."""
        return self.function(context, subject, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInputGuardrail(Guardrail):
    """Looks at the arguments of a call, right before the tool runs.

    The function gets ``(context, tool, arguments)``, the arguments as JSON text. A rejection is
    the call's output: the tool does not run, and the model reads the message.
    """

    stage: ClassVar[Stage] = "tool_input"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutputGuardrail(Guardrail):
    """Looks at the output of a tool, before the model or an event shows it.

    The function gets ``(context, tool, output)``. The message of a rejection takes the output's
    place.
    """

    stage: ClassVar[Stage] = "tool_output"


@dataclass(frozen=True, slots=True)
class GuardrailCheck:
    """One guardrail and what it decided.

    Attributes:
        guardrail: Who decided.
        result: What; ``on_error`` has been applied to a failure.
        error: What the function raised, `TimeoutError` among it.
    """

    guardrail: Guardrail
    result: GuardrailResult
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What several guardrails decided about one text.

    Attributes:
        checks: All of them, in the order in which they were given.
    """

    checks: tuple[GuardrailCheck, ...] = ()

    @property
    def stopped(self) -> GuardrailCheck | None:
        """The check that counts: the first that ends the run, else the first that rejects."""
        for wanted in ("raise", "reject"):
            for check in self.checks:
                if check.result.behavior == wanted:
                    return check
        return None

    @property
    def tripped(self) -> tuple[GuardrailCheck, ...]:
        """All checks that did not let the text pass."""
        return tuple(check for check in self.checks if check.result.behavior != "allow")

    def error(self) -> GuardrailTripped | None:
        """The error with which the run ends; None if no guardrail asks for that."""
        check = self.stopped
        if check is None or check.result.behavior != "raise":
            return None
        name = check.guardrail.name
        return GuardrailTripped(
            check.result.message or f"guardrail {name!r} ended the run",
            guardrail=name,
            stage=check.guardrail.stage,
            info=check.result.info,
        )


async def run_guardrails(
    guardrails: Iterable[Guardrail],
    context: RunContext[Any],
    subject: Any,
    text: str,
    *,
    limiter: trio.CapacityLimiter | None = None,
) -> Verdict:
    """Ask all guardrails about `text`, at once; the same object twice is asked once.

    Args:
        guardrails: Of one stage: those of the agent and those of the run, for example.
        context: Given to each.
        subject: The agent, or for a tool's guardrails the tool.
        text: What they look at.
        limiter: Bounds worker threads; default trio's own (40).

    Returns:
        All decisions; no exception of a guardrail comes out, see `Guardrail.on_error`.

    **Cancellation:** coroutine functions are cancelled, threads are left to run out unseen.
    """
    unique = list({id(guardrail): guardrail for guardrail in guardrails}.values())
    checks: dict[int, GuardrailCheck] = {}

    async def ask(index: int, guardrail: Guardrail) -> None:
        checks[index] = await _check(guardrail, context, subject, text, limiter)

    if len(unique) == 1:
        await ask(0, unique[0])
    elif unique:
        async with trio.open_nursery() as nursery:
            for index, guardrail in enumerate(unique):
                nursery.start_soon(ask, index, guardrail)
    return Verdict(tuple(checks[index] for index in range(len(unique))))


async def _check(
    guardrail: Guardrail,
    context: RunContext[Any],
    subject: Any,
    text: str,
    limiter: trio.CapacityLimiter | None,
) -> GuardrailCheck:
    limit = float("inf") if guardrail.timeout is None else guardrail.timeout
    error: Exception
    try:
        with trio.move_on_after(limit):
            result = await _decide(guardrail.function, context, subject, text, limiter)
            if isinstance(result, GuardrailResult) and result.behavior in _BEHAVIORS:
                return GuardrailCheck(guardrail, result)
            raise TypeError(f"a guardrail gives a GuardrailResult, not {type(result).__name__}")
        error = TimeoutError(f"no decision within {guardrail.timeout:g} s")
    except Exception as failure:
        error = failure
    # The name and the class only: the message may quote the text that was checked.
    _log.warning(
        "guardrail %r failed (%s): %s",
        guardrail.name,
        type(error).__name__,
        "the text passes" if guardrail.on_error == "allow" else "the text is stopped",
    )
    _log.debug("guardrail %r failed", guardrail.name, exc_info=error)
    message = _REFUSAL if guardrail.on_error == "reject" else ""
    return GuardrailCheck(guardrail, GuardrailResult(guardrail.on_error, message), error)


async def _decide(
    function: GuardrailFunction,
    context: RunContext[Any],
    subject: Any,
    text: str,
    limiter: trio.CapacityLimiter | None,
) -> object:
    target: Any = function
    if inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(target.__call__):
        return await target(context, subject, text)
    # In a tuple: trio refuses a bare coroutine as a thread's result.
    (result,) = await trio.to_thread.run_sync(
        lambda: (target(context, subject, text),), limiter=limiter, abandon_on_cancel=True
    )
    return await result if inspect.isawaitable(result) else result


GuardrailT = TypeVar("GuardrailT", bound=Guardrail)


@overload
def tool_input_guardrail(function: GuardrailFunction, /) -> ToolInputGuardrail: ...


@overload
def tool_input_guardrail(
    *, name: str = "", on_error: Behavior = "allow", timeout: float | None = 10.0
) -> Callable[[GuardrailFunction], ToolInputGuardrail]: ...


def tool_input_guardrail(
    function: GuardrailFunction | None = None, /, **settings: Any
) -> ToolInputGuardrail | Callable[[GuardrailFunction], ToolInputGuardrail]:
    """Make a `ToolInputGuardrail` of a function ``(context, tool, arguments)``.

    Args:
        function: The function, when used without parentheses.
        **settings: ``name``, ``on_error`` and ``timeout``, see `Guardrail`.

    Raises:
        ConfigError: A setting cannot be used.

    Example::

        @tool_input_guardrail
        def only_small_sums(context, tool, arguments) -> GuardrailResult:
            if json.loads(arguments)["euros"] > 100:
                return GuardrailResult.reject("Sums above 100 euros need a person.")
            return GuardrailResult.allow()
    """
    return decorated(ToolInputGuardrail, function, settings)


@overload
def tool_output_guardrail(function: GuardrailFunction, /) -> ToolOutputGuardrail: ...


@overload
def tool_output_guardrail(
    *, name: str = "", on_error: Behavior = "allow", timeout: float | None = 10.0
) -> Callable[[GuardrailFunction], ToolOutputGuardrail]: ...


def tool_output_guardrail(
    function: GuardrailFunction | None = None, /, **settings: Any
) -> ToolOutputGuardrail | Callable[[GuardrailFunction], ToolOutputGuardrail]:
    """Make a `ToolOutputGuardrail` of a function ``(context, tool, output)``.

    Args:
        function: The function, when used without parentheses.
        **settings: ``name``, ``on_error`` and ``timeout``, see `Guardrail`.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return decorated(ToolOutputGuardrail, function, settings)


def decorated(
    kind: type[GuardrailT], function: GuardrailFunction | None, settings: dict[str, Any]
) -> GuardrailT | Callable[[GuardrailFunction], GuardrailT]:
    """Use `kind` as a decorator, with or without parentheses."""

    def decorate(target: GuardrailFunction) -> GuardrailT:
        return kind(function=target, **settings)

    return decorate if function is None else decorate(function)


def as_guardrails(items: object, kind: type[GuardrailT], *, owner: str) -> tuple[GuardrailT, ...]:
    """`items` as a tuple of guardrails of one kind.

    Raises:
        ConfigError: They are no list, or one is of another kind.
    """
    if isinstance(items, (str, Guardrail)) or not isinstance(items, Iterable):
        raise ConfigError(f"guardrails of {owner} must be a list, not {type(items).__name__}")
    found = tuple(items)
    for item in found:
        if not isinstance(item, kind):
            raise ConfigError(
                f"{owner} cannot use {item!r} as a guardrail here; give a {kind.__name__}"
            )
    return found
