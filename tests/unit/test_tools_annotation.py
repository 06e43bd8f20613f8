from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import pytest

from voxloop._errors import ConfigError
from voxloop.tools import RunContext, Tool, run_tool, tool

CONTEXT: RunContext[Any] = RunContext(None, agent_name="A")


def properties(one: Tool) -> Any:
    return one.parameters["properties"]


async def run(one: Tool, **arguments: Any) -> str:
    return (await run_tool(one, json.dumps(arguments), context=CONTEXT)).output


async def test_fields_of_pydantic_describe_and_limit() -> None:
    pydantic = pytest.importorskip("pydantic")
    many = pydantic.Field(description="How many.", ge=1, le=5)
    short = pydantic.Field(min_length=2, max_length=3, pattern="^a")

    @tool
    def f(n: Annotated[int, many], word: Annotated[str, short]) -> str:
        """Do.

        Args:
            n: Not this text.
            word: A word.
        """
        return f"{n} {word}"

    assert properties(f) == {
        "n": {"type": "integer", "description": "How many.", "minimum": 1, "maximum": 5},
        "word": {
            "type": "string", "description": "A word.", "minLength": 2, "maxLength": 3,
            "pattern": "^a",
        },
    }  # fmt: skip
    assert await run(f, n=2, word="ab") == "2 ab"
    assert "Expected `int` <= 5" in await run(f, n=6, word="ab")
    assert "matching regex" in await run(f, n=2, word="bb")


async def test_a_field_as_default_is_no_value() -> None:
    pydantic = pytest.importorskip("pydantic")

    first = pydantic.Field(description="First.", ge=0)
    second = pydantic.Field(3, description="Second.")
    third = pydantic.Field(default_factory=list)

    @tool(strict=False)
    def f(
        a: int = first,
        b: int = second,
        c: list[int] = third,
    ) -> list[object]:
        c.append(1)
        return [a, b, c]

    assert f.parameters["required"] == ["a"]
    assert properties(f)["b"] == {"type": "integer", "description": "Second.", "default": 3}
    assert await run(f, a=1) == "[1,3,[1]]"
    assert await run(f, a=1) == "[1,3,[1]]"  # not the list of the call before
    assert "Expected `int` >= 0" in await run(f, a=-1)


def test_limits_of_annotated_types_count() -> None:
    limits = pytest.importorskip("annotated_types")

    @tool
    def f(n: Annotated[int, limits.Gt(3), limits.Lt(9)]) -> None: ...

    assert properties(f)["n"] == {
        "type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 9,
    }  # fmt: skip


def test_limits_that_do_not_fit_the_type_are_refused() -> None:
    with pytest.raises(ConfigError, match="parameter 'n' of tool 'f'"):

        @tool
        def f(n: Annotated[int, msgspec.Meta(min_length=3)]) -> None: ...


@dataclass
class Order:
    """One order.

    Attributes:
        name: What is ordered.
        sizes: In any order.
    """

    name: str
    sizes: list[Literal["s", "m"]] = field(default_factory=list)


def test_docstrings_of_classes_describe_their_fields() -> None:
    @tool
    def f(order: Order, spare: Order | None = None) -> None: ...

    expected = {
        "description": "One order.",
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What is ordered."},
            "sizes": {
                "type": "array", "items": {"enum": ["m", "s"]}, "description": "In any order.",
            },
        },
        "required": ["name", "sizes"],
        "additionalProperties": False,
    }  # fmt: skip
    assert properties(f)["order"] == expected
    assert properties(f)["spare"]["anyOf"][0] == expected


def test_object_is_anything() -> None:
    @tool
    def f(value: object, other: Annotated[object, "Whatever."] = None) -> None: ...

    assert properties(f) == {
        "value": {}, "other": {"description": "Whatever.", "default": None},
    }  # fmt: skip
