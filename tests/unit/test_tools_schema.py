from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict

import msgspec
import pytest

from voxloop._errors import ConfigError
from voxloop.tools import RunContext, Tool, tool


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """A place."""

    x: int
    y: float = 1.5


@dataclass
class Tree:
    name: str
    children: list[Tree]


class Window(TypedDict):
    title: str


def parameters(made: Tool) -> dict[str, Any]:
    return dict(made.parameters)


def schema_of(annotation: object, **kwargs: Any) -> Any:
    def function(value): ...

    function.__annotations__["value"] = annotation
    return parameters(tool(**kwargs)(function))["properties"]["value"]


NULL = {"type": "null"}
POINT = {
    "type": "object",
    "description": "A place.",
    "properties": {"x": {"type": "integer"}, "y": {"type": "number", "default": 1.5}},
    "required": ["x", "y"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["on", "off"], {"enum": ["off", "on"]}),
        (Colour, {"enum": ["blue", "red"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, NULL]}),  # noqa: UP045
        (str | None, {"anyOf": [{"type": "string"}, NULL]}),
        (Point, POINT),
        (list[Point], {"type": "array", "items": POINT}),
        (Point | None, {"anyOf": [POINT, NULL]}),
        (Annotated[str, "City name."], {"type": "string", "description": "City name."}),
        (Annotated[int, msgspec.Meta(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (
            Annotated[Colour, "Which."],
            {"enum": ["blue", "red"], "description": "Which."},
        ),
        (
            Window,
            {
                "type": "object",
                "properties": {"title": {"type": "string"}},
                "required": ["title"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_the_schema_of_each_kind_of_parameter(annotation: object, expected: object) -> None:
    assert schema_of(annotation) == expected


def test_name_description_and_parameters_come_from_the_function() -> None:
    @tool
    async def set_lamp(room: str, state: Literal["on", "off"] = "on") -> str:
        """Switch a lamp.

        Only lamps that are in the house.

        Args:
            room: Where the lamp
                stands.
            state: What it should be.

        Returns:
            What was done.
        """
        return f"{room} {state}"

    assert set_lamp.schema() == {
        "type": "function",
        "name": "set_lamp",
        "description": "Switch a lamp.\n\nOnly lamps that are in the house.",
        "parameters": {
            "type": "object",
            "properties": {
                "room": {"type": "string", "description": "Where the lamp stands."},
                "state": {
                    "enum": ["off", "on"],
                    "description": "What it should be.",
                    "default": "on",
                },
            },
            "required": ["room", "state"],
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize(
    "docstring",
    [
        "Do it.\n\nArgs:\n    n: How many.",
        "Do it.\n\nParameters\n----------\nn : int\n    How many.",
        "Do it.\n\n:param n: How many.",
    ],
)
def test_google_numpy_and_sphinx_docstrings(docstring: str) -> None:
    def f(n: int) -> None: ...

    f.__doc__ = docstring
    made = tool(f)
    assert made.description == "Do it."
    assert parameters(made)["properties"]["n"]["description"] == "How many."


def test_the_context_is_not_in_the_schema_and_must_come_first() -> None:
    @tool
    def with_context(context: RunContext[dict[str, int]], n: int) -> int:
        return n

    assert list(parameters(with_context)["properties"]) == ["n"]
    with pytest.raises(ConfigError, match="must come first"):

        @tool
        def wrong(n: int, context: RunContext[None]) -> int:
            return n


def test_string_annotations_may_name_local_types() -> None:
    @dataclass
    class Local:
        n: int

    @tool
    def f(value: Local) -> None: ...

    assert parameters(f)["properties"]["value"]["properties"] == {"n": {"type": "integer"}}


def test_without_strict_a_default_makes_a_parameter_optional() -> None:
    @tool(strict=False)
    def f(a: int, b: int = 2) -> None: ...

    assert parameters(f)["required"] == ["a"]
    assert parameters(f)["properties"]["b"] == {"type": "integer", "default": 2}


def test_a_type_that_contains_itself_keeps_its_reference() -> None:
    schema = parameters(tool(name="f")(lambda_over(Tree)))
    assert schema["properties"]["value"]["properties"]["children"] == {
        "type": "array",
        "items": {"$ref": "#/$defs/Tree"},
    }
    assert schema["$defs"]["Tree"]["required"] == ["name", "children"]


def lambda_over(annotation: object) -> Any:
    def f(value): ...

    f.__annotations__["value"] = annotation
    return f


def test_methods_partials_and_callable_objects() -> None:
    class House:
        def lamp(self, room: str) -> str:
            """Light it."""
            return room

        def __call__(self, door: str) -> str:
            """Open it."""
            return door

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    assert tool(House().lamp).description == "Light it."
    assert list(parameters(tool(House().lamp))["properties"]) == ["room"]
    opened = tool(name="open_door")(House())
    assert (opened.description, opened("front")) == ("Open it.", "front")
    assert tool(name="add_two")(functools.partial(add, 2)).description == "Add."
    with pytest.raises(ConfigError, match="has no name"):
        tool(functools.partial(add, 2))


def test_pydantic_models_are_understood_where_pydantic_is_installed() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Address(pydantic.BaseModel):
        street: str
        floor: int = 0

    schema = schema_of(Address)
    assert schema["required"] == ["street", "floor"]
    assert schema["additionalProperties"] is False
    made = tool(name="f")(lambda_over(Address))
    assert made.binding is not None
    value = made.binding.parse('{"value": {"street": "Main"}}')["value"]
    assert (value.street, value.floor) == ("Main", 0)


def refused_args(*values: int) -> None: ...
def refused_kwargs(**values: int) -> None: ...
def refused_type(value: pytest.MonkeyPatch) -> None: ...
def refused_name(value: NotThere) -> None: ...  # noqa: F821
def refused_generator(n: int):
    yield n


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (refused_args, "no JSON schema"),
        (refused_kwargs, "no JSON schema"),
        (refused_type, "no JSON form"),
        (refused_name, "cannot be read"),
        (refused_generator, "generator"),
        (lambda x: x, "has no name"),
        (7, "takes a function"),
    ],
)
def test_what_cannot_be_expressed_is_refused(function: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tool(function)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "get weather"}, "cannot be used"),
        ({"name": ""}, "cannot be used"),
        ({"name": "x" * 65}, "cannot be used"),
        ({"parameters": {"type": "string"}}, "type 'object'"),
        ({"timeout": 0}, "above 0"),
        ({"timeout": float("nan")}, "above 0"),
        ({"handler": "no"}, "cannot be called"),
        ({"on_cancel": "explode"}, "abandon"),
    ],
)
def test_a_tool_is_checked_when_it_is_made(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Tool(**{"name": "ok", **changes})


def test_tools_are_values() -> None:
    first = Tool("a", "b")
    assert first == Tool("a", "b")
    assert len({first, Tool("a", "b"), Tool("c")}) == 2
    with pytest.raises(AttributeError):
        first.name = "z"  # type: ignore[misc]
    with pytest.raises(ConfigError, match="application answers"):
        first()
