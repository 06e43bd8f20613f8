from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest
import trio

from voxloop._errors import ConfigError, ModelBehaviorError
from voxloop.agents import Agent, Handoff, Prompt, RunContext, resolve
from voxloop.tools import Tool, tool

CONTEXT: RunContext[Any] = RunContext("ctx", agent_name="Greeter")
SALES = Agent("Sales")


@dataclass
class Reason:
    """Why a caller is passed on."""

    why: str
    urgent: bool = False


class Typed(TypedDict):
    why: str


class Struct(msgspec.Struct):
    why: str


@pytest.mark.parametrize("kind", [Reason, Typed, Struct])
async def test_the_input_of_a_handoff_is_checked_and_given_on(kind: Any) -> None:
    got: list[object] = []

    async def on_handoff(context: RunContext[Any], given: Any) -> None:
        got.append((context.value, given))

    handoff = Handoff(agent=SALES, on_handoff=on_handoff, input_type=kind)
    parameters: Any = handoff.schema()["parameters"]
    assert parameters["additionalProperties"] is False
    assert set(parameters["required"]) == set(parameters["properties"])
    assert json.loads(await handoff.accept(CONTEXT, '{"why": "price"}')) == {"assistant": "Sales"}
    expected = {"why": "price"} if kind is Typed else kind(why="price")
    assert got == [("ctx", expected)]


async def test_pydantic_models_are_checked_strictly() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Reason", count=(int, ...))
    got: list[Any] = []
    handoff = Handoff(
        agent=SALES, on_handoff=lambda context, given: got.append(given), input_type=model
    )
    await handoff.accept(CONTEXT, '{"count": 3}')
    assert got == [model(count=3)]
    with pytest.raises(ModelBehaviorError, match="do not fit"):
        await handoff.accept(CONTEXT, '{"count": "3"}')


@pytest.mark.parametrize(
    "arguments", ["", "null", "[]", "{", '{"why": 3}', '{"why": null}', '{"urgent": true}']
)
async def test_an_input_that_does_not_fit_is_refused_before_the_callback(arguments: str) -> None:
    got: list[object] = []
    handoff = Handoff(
        agent=SALES, on_handoff=lambda context, given: got.append(given), input_type=Reason
    )
    with pytest.raises(ModelBehaviorError, match="no handoff to Sales"):
        await handoff.accept(CONTEXT, arguments)
    assert got == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"input_type": Reason}, "give on_handoff="),
        ({"input_type": int, "on_handoff": lambda a, b: None}, "that of a JSON object"),
        ({"input_type": object(), "on_handoff": lambda a, b: None}, "no JSON form"),
        ({"input_type": Reason, "on_handoff": lambda a: None}, r"must take \(context, input\)"),
        ({"on_handoff": lambda a, b: None}, r"must take \(context\)"),
        ({"on_handoff": 3}, "cannot be called"),
        ({"input_filter": 3}, "must be a callable"),
        ({"is_enabled": "yes"}, "give a bool or a callable"),
    ],
)
def test_a_handoff_is_checked_when_it_is_made(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Handoff(agent=SALES, **settings)


async def test_a_filter_chooses_the_history() -> None:
    items = ({"type": "message", "role": "user"}, {"type": "function_call"})

    async def messages(given: tuple[dict[str, object], ...]) -> list[dict[str, object]]:
        return [item for item in given if item["type"] == "message"]

    assert await Handoff(agent=SALES, input_filter=messages).filtered(items) == items[:1]
    assert await Handoff(agent=SALES).filtered(items) == items
    with pytest.raises(ConfigError, match="must give history items"):
        await Handoff(agent=SALES, input_filter=lambda given: [3]).filtered(items)  # type: ignore[arg-type,list-item,return-value]


def switched(on: bool) -> Any:
    return lambda context, agent: on


async def test_what_is_switched_off_is_not_offered_and_does_not_clash() -> None:
    first = tool(name="f", is_enabled=switched(False))(print_it)
    second = tool(name="f", is_enabled=switched(True))(print_it)
    agent = Agent(
        "A",
        tools=[first, second, Tool("g", is_enabled=False)],
        handoffs=[
            Handoff(agent=SALES, is_enabled=switched(True)),
            Handoff(agent=Agent("sales"), is_enabled=switched(False)),
        ],
    )
    resolved = await resolve(agent, CONTEXT)
    assert resolved.functions == {"f": second}
    assert [h.agent for h in resolved.handoffs.values()] == [SALES]
    assert [schema["name"] for schema in resolved.schemas] == ["f", "transfer_to_sales"]
    both = tool(name="f", is_enabled=switched(True))(print_it)
    with pytest.raises(ConfigError, match="two functions named 'f'"):
        await resolve(Agent("A", tools=[second, both]), CONTEXT)


def print_it() -> None:
    """Do nothing."""


async def test_a_failing_switch_cancels_the_other_questions() -> None:
    ended: list[str] = []

    async def slow(context: Any, agent: Any) -> bool:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("slow")
        return True

    async def fails(context: Any, agent: Any) -> bool:
        raise LookupError("no")

    agent = Agent(
        "A", tools=[Tool("a", is_enabled=slow)], handoffs=[Handoff(agent=SALES, is_enabled=fails)]
    )
    with pytest.raises(LookupError, match="no"):
        await resolve(agent, CONTEXT)
    assert ended == ["slow"]


async def test_each_callable_is_asked_once() -> None:
    asked: list[str] = []

    def instructions(context: Any, agent: Any) -> str:
        asked.append(f"instructions {context.value} {context.agent_name}")
        return "x"

    async def prompt(context: Any, agent: Any) -> Prompt:
        asked.append("prompt")
        return Prompt("pmpt_1", variables={"name": "Ann"})

    def on(context: Any, agent: Any) -> bool:
        asked.append(f"switch {agent.name}")
        return True

    agent = Agent("A", instructions, prompt=prompt, tools=[Tool("a", is_enabled=on)])
    resolved = await resolve(agent, CONTEXT)
    assert sorted(asked) == ["instructions ctx A", "prompt", "switch A"]
    assert resolved.prompt == {"id": "pmpt_1", "variables": {"name": "Ann"}}


def test_prompts_may_be_mappings_and_are_checked() -> None:
    agent = Agent("A", prompt={"id": "p", "version": "2"})
    assert agent.prompt == Prompt("p", "2")
    assert Prompt("p", "2").to_json() == {"id": "p", "version": "2"}
    for wrong in (
        {"version": "2"},
        {"id": "p", "x": 1},
        "p",
        {"id": ""},
        {"id": "p", "version": 2},
    ):
        with pytest.raises(ConfigError):
            Agent("A", prompt=wrong)  # type: ignore[arg-type]


def test_tool_choice_and_final_tools_name_tools_that_are_there() -> None:
    lookup = Tool("lookup")
    assert Agent("A", tools=[lookup], tool_choice="lookup").tool_choice == "lookup"
    Agent("A", tool_choice={"type": "mcp", "server_label": "x"})
    with pytest.raises(ConfigError, match="tool_choice of agent 'A' is 'look'"):
        Agent("A", tools=[lookup], tool_choice="look")
    with pytest.raises(ConfigError, match="no tool 'x' of its final_tools"):
        Agent("A", tools=[lookup], final_tools=["x"])
