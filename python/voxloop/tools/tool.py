"""`Tool` and the `@tool` decorator."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

from voxloop._errors import ConfigError
from voxloop.tools.schema import Binding, JsonObject, bind_by_hand, describe

Handler: TypeAlias = Callable[..., object]
"""A function or coroutine function that does a tool's work."""

OnCancel: TypeAlias = Literal["abandon", "wait"]
"""What becomes of a synchronous handler whose call is cancelled or times out."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
        respond: Whether the model is asked to go on once the output is there.
        on_cancel: For a synchronous handler: ``"abandon"`` lets its thread run out unseen,
            ``"wait"`` holds the cancellation until it has returned.

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
    respond: bool = True
    on_cancel: OnCancel = "abandon"
    binding: Binding | None = field(default=None, repr=False, compare=False)

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
        if self.on_cancel not in ("abandon", "wait"):
            raise ConfigError(
                f"on_cancel of tool {self.name!r} is {self.on_cancel!r}; give 'abandon' or 'wait'"
            )
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


@overload
def tool(function: Handler, /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = 60.0,
    respond: bool = True,
    strict: bool = True,
    on_cancel: OnCancel = "abandon",
) -> Callable[[Handler], Tool]: ...


def tool(
    function: Handler | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = 60.0,
    respond: bool = True,
    strict: bool = True,
    on_cancel: OnCancel = "abandon",
) -> Tool | Callable[[Handler], Tool]:
    """Make a tool of a function: its signature and docstring give name, description and schema.

    Parameters may be ``str``, ``int``, ``float``, ``bool``, lists, dicts, tuples, ``Literal``,
    ``Enum``, ``Optional`` and other unions, dataclasses, TypedDicts, msgspec structs and pydantic
    models. A first parameter annotated `RunContext` gets the context and is not in the schema.

    Args:
        function: The function, when used without parentheses.
        name: Tool name; default the function's.
        description: Default the docstring without its sections.
        timeout: Seconds after which a call is given up; None waits for ever.
        respond: Whether the model is asked to go on once the output is there.
        strict: List all properties as required, as the API's strict mode wants. Defaults stay in
            the schema, and an argument left out still takes its default.
        on_cancel: See `Tool`.

    Raises:
        ConfigError: The signature cannot be expressed as JSON schema.

    Example::

        @tool
        async def get_weather(location: str) -> str:
            "Current weather for a place."
            return f"Sunny in {location}."
    """
    # String annotations may name what is local to the function that defines the tool.
    namespace = sys._getframe(1).f_locals

    def decorate(target: Handler) -> Tool:
        return _make(target, namespace, name, description, timeout, respond, strict, on_cancel)

    return decorate if function is None else decorate(function)


def _make(
    function: Handler,
    namespace: Mapping[str, object],
    name: str | None,
    description: str | None,
    timeout: float | None,
    respond: bool,
    strict: bool,
    on_cancel: OnCancel,
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
        timeout=timeout,
        respond=respond,
        on_cancel=on_cancel,
        binding=binding,
    )
