"""From a function's signature and docstring to a JSON schema and back to its arguments."""

from __future__ import annotations

import copy
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from voxloop._errors import ConfigError
from voxloop.tools.annotation import (
    documented,
    field_default,
    is_field,
    read_docstring,
    understood,
)
from voxloop.tools.context import RunContext
from voxloop.tools.flatten import flatten

JsonObject: TypeAlias = dict[str, object]
"""A decoded JSON object, such as a schema."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ArgumentsError(Exception):
    """Arguments that do not fit; the message is written for the model."""


@dataclass(frozen=True, slots=True)
class Binding:
    """How JSON arguments become a call of one function.

    Attributes:
        wants_context: Whether the first parameter takes the `RunContext`.
        struct: Type that the arguments are checked against; None passes them on as keywords.
        positional: Names of positional-only parameters, in order.
        defaults: Defaults that Python does not know, written as ``= Field(default)``.
    """

    wants_context: bool
    struct: type[msgspec.Struct] | None
    positional: tuple[str, ...] = ()
    defaults: Mapping[str, object] = field(default_factory=dict, hash=False)

    def parse(self, arguments: str | bytes) -> dict[str, object]:
        """Check `arguments` and convert them; parameters left out are absent from the answer.

        Raises:
            ArgumentsError: They are no JSON object or do not fit the signature.
        """
        text = arguments.strip() or "{}"
        try:
            if self.struct is None:
                return msgspec.json.decode(text, type=dict[str, object])
            values = _decoder(self.struct).decode(text)
        except msgspec.ValidationError as error:
            raise ArgumentsError(f"the arguments do not fit its schema: {error}") from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ArgumentsError(f"the arguments are not valid JSON: {error}") from error
        given: dict[str, object] = {}
        for name in self.struct.__struct_fields__:
            value = getattr(values, name)
            if value is not msgspec.UNSET:
                given[name] = value
        for name, value in self.defaults.items():
            if name not in given:
                given[name] = copy.deepcopy(value)
        return given

    def call(
        self,
        function: Callable[..., object],
        values: Mapping[str, object],
        context: RunContext[Any],
    ) -> object:
        """Call `function`; a coroutine function answers with its coroutine."""
        rest = dict(values)
        head: list[object] = [context] if self.wants_context else []
        for name in self.positional:
            if name not in rest:
                break
            head.append(rest.pop(name))
        return function(*head, **rest)


@functools.lru_cache(maxsize=1024)
def _decoder(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct, dec_hook=_from_model)


def describe(
    function: Callable[..., object], *, namespace: Mapping[str, object], strict: bool
) -> tuple[Binding, JsonObject, str]:
    """Read a function: how to call it, its parameters as JSON schema, and its summary.

    Args:
        function: A function, method or callable object; annotations may be strings.
        namespace: Local names in which string annotations may be found.
        strict: List every property as required, as the strict mode of the Responses API wants;
            a default stays in the schema, and an argument that is left out still takes it.

    Raises:
        ConfigError: The signature cannot be expressed: ``*args``, ``**kwargs``, a type without
            a JSON form, a `RunContext` that is not first, an annotation that cannot be read.
    """
    name = getattr(function, "__name__", type(function).__name__)
    parameters = list(inspect.signature(function).parameters.values())
    hints = _hints(function, parameters, name=name, namespace=namespace)
    wants_context = bool(parameters) and is_context(hints[parameters[0].name])
    if wants_context:
        del parameters[0]
    summary, descriptions = _docstring(function)
    fields: list[Any] = []
    written = {p.name: p.default for p in parameters if is_field(p.default)}
    parameters = [
        p.replace(default=field_default(p.default)) if p.name in written else p for p in parameters
    ]
    for parameter in parameters:
        _check_kind(parameter, hints[parameter.name], function=name)
        words = descriptions.get(parameter.name)
        extra = written.get(parameter.name)
        hint = understood(hints[parameter.name], words, *(() if extra is None else (extra,)))
        _check_type(hint, parameter.name, function=name)
        if parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, msgspec.field(default=msgspec.UNSET)))
    struct = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    schema = _schema(struct, parameters, strict=strict)
    defaults = {
        p.name: p.default
        for p in parameters
        if p.name in written and p.default is not inspect.Parameter.empty
    }
    positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
    return Binding(wants_context, struct, positional, defaults), schema, summary


def describe_type(kind: Any, *, owner: str) -> JsonObject:
    """JSON schema of a type whose values are JSON objects, strict.

    Args:
        kind: A dataclass, a TypedDict, a msgspec struct or a pydantic model.
        owner: Named in errors.

    Raises:
        ConfigError: It has no JSON form, or not that of an object.
    """
    try:
        (root,), components = msgspec.json.schema_components(
            [kind], schema_hook=_model_schema, ref_template="#/$defs/{name}"
        )
    except (TypeError, NotImplementedError) as error:
        raise ConfigError(f"the type of {owner} has no JSON form: {error}") from error
    definitions = {name: documented(entry) for name, entry in components.items()}
    schema = flatten({**documented(root), "$defs": definitions}, strict=True)
    if schema.get("type") != "object":
        raise ConfigError(
            f"the type of {owner} must be that of a JSON object: "
            "a dataclass, a TypedDict, a msgspec struct or a pydantic model"
        )
    return schema


def decode_type(kind: Any, text: str) -> Any:
    """Decode JSON `text` as a value of `kind`; nothing is coerced.

    Raises:
        ArgumentsError: It is not JSON, or does not fit.
    """
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_from_model)
    except msgspec.ValidationError as error:
        raise ArgumentsError(f"the arguments do not fit its schema: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ArgumentsError(f"the arguments are not valid JSON: {error}") from error


def bind_by_hand(function: Callable[..., object]) -> Binding:
    """The binding of a function whose schema was written by hand: arguments become keywords."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        return Binding(wants_context=False, struct=None)
    hints = _hints(function, parameters[:1], name="handler", namespace={})
    return Binding(is_context(hints[parameters[0].name]), struct=None)


def is_context(hint: object) -> bool:
    """Whether an annotation is `RunContext` or ``RunContext[...]``."""
    return hint is RunContext or typing.get_origin(hint) is RunContext


def _check_kind(parameter: inspect.Parameter, hint: object, *, function: str) -> None:
    if parameter.kind not in (*_NAMED, inspect.Parameter.POSITIONAL_ONLY):
        raise ConfigError(
            f"tool {function!r} takes {parameter}, which has no JSON schema; "
            "name each parameter, or use one of type dict[str, ...]"
        )
    if is_context(hint):
        raise ConfigError(
            f"tool {function!r} takes a RunContext as {parameter.name!r}; it must come first"
        )


def _check_type(hint: object, parameter: str, *, function: str) -> None:
    try:
        msgspec.json.schema_components([hint], schema_hook=_model_schema)
    except (TypeError, NotImplementedError) as error:
        raise ConfigError(
            f"parameter {parameter!r} of tool {function!r} has no JSON form: {error}"
        ) from error


def _hints(
    function: Callable[..., object],
    parameters: list[inspect.Parameter],
    *,
    name: str,
    namespace: Mapping[str, object],
) -> dict[str, Any]:
    hints = {
        p.name: Any if p.annotation is inspect.Parameter.empty else p.annotation for p in parameters
    }
    # A class stands in for the function: the return annotation need not be readable.
    stand_in = type("Parameters", (), {"__annotations__": hints})
    names = getattr(_code(function), "__globals__", {})
    try:
        return typing.get_type_hints(stand_in, names, dict(namespace), include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"an annotation of tool {name!r} cannot be read: {error}; "
            "import that name where the function is defined"
        ) from error


def _code(function: Callable[..., object]) -> Any:
    """The plain function behind a method, a partial or a callable object."""
    target: Any = inspect.unwrap(function)
    while isinstance(target, functools.partial):
        target = target.func
    if not hasattr(target, "__globals__") and not hasattr(target, "__func__"):
        target = target.__call__
    return getattr(target, "__func__", target)


def _docstring(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    text = inspect.getdoc(_code(function))
    if not text and not hasattr(function, "__name__"):
        text = inspect.getdoc(type(function))
    if not text:
        return "", {}
    return read_docstring(text)


def _schema(
    struct: type[msgspec.Struct], parameters: list[inspect.Parameter], *, strict: bool
) -> JsonObject:
    (root,), components = msgspec.json.schema_components(
        [struct], schema_hook=_model_schema, ref_template="#/$defs/{name}"
    )
    definitions = {name: documented(entry) for name, entry in components.items()}
    schema = flatten({**root, "$defs": definitions}, strict=strict)
    properties = typing.cast("dict[str, JsonObject]", schema.setdefault("properties", {}))
    for parameter in parameters:
        entry = properties[parameter.name]
        entry.pop("default", None)
        if parameter.default is inspect.Parameter.empty:
            continue
        try:
            entry["default"] = msgspec.to_builtins(parameter.default, str_keys=True)
        except TypeError:  # a default that only Python understands stays in Python
            continue
    schema["required"] = [
        p.name for p in parameters if strict or p.default is inspect.Parameter.empty
    ]
    schema["additionalProperties"] = False
    schema.pop("description", None)
    return schema


def _model_schema(kind: type) -> JsonObject:
    """JSON schema of a pydantic model, the one foreign kind of type that is understood."""
    if hasattr(kind, "model_json_schema"):
        return typing.cast("JsonObject", kind.model_json_schema())
    raise NotImplementedError(f"{kind.__name__} is not a type that JSON can carry")


def _from_model(kind: type, value: object) -> object:
    if hasattr(kind, "model_validate_json"):
        # As JSON and strict: "3" is no number, yet a date may be text.
        return kind.model_validate_json(msgspec.json.encode(value), strict=True)
    raise NotImplementedError(f"{kind.__name__} is not a type that JSON can carry")
