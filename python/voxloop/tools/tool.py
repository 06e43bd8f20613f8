"""`Tool` and the `@tool` decorator."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

from voxloop._errors import ConfigError
from voxloop.tools.approval import NeedsApproval, check_policy
from voxloop.tools.enabled import Enabled, check_enabled
from voxloop.tools.failure import FailureFormatter
from voxloop.tools.guardrail import ToolInputGuardrail, ToolOutputGuardrail, as_guardrails
from voxloop.tools.schema import Binding, JsonObject, bind_by_hand, describe

Handler: TypeAlias = Callable[..., object]
"""A function or coroutine function that does a tool's work."""

OnCancel: TypeAlias = Literal["abandon", "wait"]
"""What becomes of a synchronous handler whose call is cancelled or times out."""

OnInterrupt: TypeAlias = Literal["keep", "cancel", "report"]
"""What becomes of a running call when the user interrupts.

``"keep"``: it runs on, and its output counts as if nothing had happened. ``"cancel"``: it is
cancelled, and the model reads that. ``"report"``: it runs on, its output is put into the history,
but the model is not asked to go on with it.
"""

Respond: TypeAlias = bool | Literal["when_idle"]
"""Whether the model is asked to go on with an output: at once, never, or when nobody speaks."""

OnFailure: TypeAlias = Literal["result", "raise"]
"""Whether a failure is told to the model, or raised where the run is read."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "respond": (True, False, "when_idle"),
    "on_cancel": ("abandon", "wait"),
    "on_interrupt": (None, "keep", "cancel", "report"),
    "timeout_behavior": ("result", "raise"),
    "error_behavior": ("result", "raise"),
}


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call.

    Attributes:
        name: 1 to 64 of ``A-Z a-z 0-9 _ -``.
        description: When and how to use it, for the model.
        parameters: JSON schema of the arguments, an object schema.
        handler: Does the work: called with the arguments as keywords, a `RunContext` first if its
            first parameter is annotated so. Coroutine functions run on the trio thread, others in
            a worker thread. None leaves the answer to the application.
        timeout: Seconds after which a call is given up; None waits for ever.
        respond: Whether the model is asked to go on once the output is there; ``"when_idle"``
            waits until nobody speaks, which is at once behind a voice pipeline.
        on_cancel: For a synchronous handler: ``"abandon"`` lets its thread run out unseen,
            ``"wait"`` holds the cancellation until it has returned.
        on_interrupt: What becomes of a running call when the user interrupts, see `OnInterrupt`;
            None goes by the engine: a realtime session keeps it, a voice pipeline cancels it with
            its turn.
        timeout_behavior: ``"result"`` tells the model of a timeout, ``"raise"`` raises `ToolError`
            where the run is read.
        error_behavior: The same for an exception of the handler, which is then raised as it is.
        failure: Words what the model reads about a failed call; None takes the run's formatter.
        needs_approval: Whether a person must allow a call: a bool, or a callable
            ``(context, arguments, call_id)``. Arguments that do not fit always need approval.
        is_enabled: Whether the tool is offered: a bool, or a callable ``(context, agent)`` that is
            asked for each response and again when the model calls. One that is not enabled
            does not exist for the model.
        input_guardrails: Look at the arguments right before the tool runs.
        output_guardrails: Look at the output before anything shows it.

    Raises:
        ConfigError: A field cannot be used.

    Example::

        lookup = Tool("lookup_order", "Find an order", {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        })
    """

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(
        default_factory=lambda: {"type": "object", "properties": {}}, hash=False
    )
    handler: Handler | None = None
    timeout: float | None = 60.0
    respond: Respond = True
    on_cancel: OnCancel = "abandon"
    binding: Binding | None = field(default=None, repr=False, compare=False)
    _: KW_ONLY
    on_interrupt: OnInterrupt | None = None
    timeout_behavior: OnFailure = "result"
    error_behavior: OnFailure = "result"
    failure: FailureFormatter | None = None
    needs_approval: NeedsApproval = False
    is_enabled: Enabled = True
    input_guardrails: tuple[ToolInputGuardrail, ...] = ()
    output_guardrails: tuple[ToolOutputGuardrail, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"tool name {self.name!r} cannot be used; give 1 to 64 letters, digits, '_' or '-'"
            )
        if not isinstance(self.parameters, Mapping) or self.parameters.get("type") != "object":
            raise ConfigError(
                f"parameters of tool {self.name!r} must be a JSON schema of type 'object'"
            )
        if self.handler is not None and not callable(self.handler):
            raise ConfigError(f"handler of tool {self.name!r} cannot be called: {self.handler!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(
                f"timeout of tool {self.name!r} is {self.timeout}; give seconds above 0, or None"
            )
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if not any(value is choice or value == choice for choice in choices):
                words = ", ".join(repr(choice) for choice in choices)
                raise ConfigError(f"{name} of tool {self.name!r} is {value!r}; give one of {words}")
        if self.failure is not None and not callable(self.failure):
            raise ConfigError(f"failure of tool {self.name!r} must be a callable (failure)")
        owner = f"tool {self.name!r}"
        check_policy(self.needs_approval, tool=self.name)
        check_enabled(self.is_enabled, owner=owner)
        guards = as_guardrails(self.input_guardrails, ToolInputGuardrail, owner=owner)
        object.__setattr__(self, "input_guardrails", guards)
        checks = as_guardrails(self.output_guardrails, ToolOutputGuardrail, owner=owner)
        object.__setattr__(self, "output_guardrails", checks)
        if self.binding is None and self.handler is not None:
            object.__setattr__(self, "binding", bind_by_hand(self.handler))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the decorated function as if it had not been decorated.

        Raises:
            ConfigError: The tool has no handler.
        """
        if self.handler is None:
            raise ConfigError(f"tool {self.name!r} has no handler; the application answers it")
        return self.handler(*args, **kwargs)

    def schema(self) -> JsonObject:
        """The definition in the shape that the Realtime and the Responses API take."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }


class ToolSettings(TypedDict, total=False):
    """Fields of a `Tool` that `tool` passes on; each is described there."""

    timeout: float | None
    respond: Respond
    on_cancel: OnCancel
    on_interrupt: OnInterrupt | None
    timeout_behavior: OnFailure
    error_behavior: OnFailure
    failure: FailureFormatter | None
    needs_approval: NeedsApproval
    is_enabled: Enabled
    input_guardrails: Iterable[ToolInputGuardrail]
    output_guardrails: Iterable[ToolOutputGuardrail]


@overload
def tool(function: Handler, /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
    **settings: Unpack[ToolSettings],
) -> Callable[[Handler], Tool]: ...


def tool(
    function: Handler | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
    **settings: Unpack[ToolSettings],
) -> Tool | Callable[[Handler], Tool]:
    """Make a tool of a function: its signature and docstring give name, description and schema.

    Parameters may be ``str``, ``int``, ``float``, ``bool``, lists, dicts, tuples, ``Literal``,
    ``Enum``, ``Optional`` and other unions, dataclasses, TypedDicts, msgspec structs and pydantic
    models. A first parameter annotated `RunContext` gets the context and is not in the schema.

    Args:
        function: The function, when used without parentheses.
        name: Tool name; default the function's.
        description: Default the docstring without its sections.
        strict: List all properties as required, as the API's strict mode wants. Defaults stay in
            the schema, and an argument left out still takes its default.
        **settings: Any of the fields ``timeout``, ``respond``, ``on_cancel``, ``on_interrupt``,
            ``timeout_behavior``, ``error_behavior``, ``failure``, ``needs_approval``,
            ``is_enabled``, ``input_guardrails`` and ``output_guardrails`` of `Tool`.

    Raises:
        ConfigError: The signature cannot be expressed as JSON schema, or a setting cannot be used.

    Example::

        @tool
        async def get_weather(location: str) -> str:
            "Current weather for a place."
            return f"Sunny in {location}."
    """
    # String annotations may name what is local to the function that defines the tool.
    namespace = sys._getframe(1).f_locals
    unknown = sorted(set(settings) - set(ToolSettings.__annotations__))
    if unknown:
        raise ConfigError(f"@tool has no setting {', '.join(unknown)}")

    def decorate(target: Handler) -> Tool:
        return _make(target, namespace, name, description, strict, settings)

    return decorate if function is None else decorate(function)


def _make(
    function: Handler,
    namespace: Mapping[str, object],
    name: str | None,
    description: str | None,
    strict: bool,
    settings: Mapping[str, Any],
) -> Tool:
    if not callable(function):
        raise ConfigError(f"@tool takes a function, not {type(function).__name__}")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigError(
            f"@tool cannot use the generator {function.__name__!r}; return the whole output"
        )
    found = name or getattr(function, "__name__", "")
    if not found or found == "<lambda>":
        raise ConfigError("this callable has no name; write @tool(name=...)")
    binding, schema, summary = describe(function, namespace=namespace, strict=strict)
    return Tool(
        name=found,
        description=summary if description is None else description,
        parameters=schema,
        handler=function,
        binding=binding,
        **settings,
    )
