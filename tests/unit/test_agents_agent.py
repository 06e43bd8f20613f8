from __future__ import annotations

from typing import Any

import pytest

from voxloop._errors import ConfigError
from voxloop.agents import Agent, Handoff, RunContext, resolve
from voxloop.tools import Tool, tool

CONTEXT: RunContext[Any] = RunContext({"user": "Ann"}, agent_name="?")


@tool
async def get_weather(location: str) -> str:
    """Current weather."""
    return location


def test_an_agent_is_frozen_and_keeps_tuples() -> None:
    tools = [get_weather]
    agent = Agent("Greeter", tools=tools)
    tools.clear()
    assert agent.tools == (get_weather,)
    with pytest.raises(AttributeError):
        agent.name = "x"  # type: ignore[misc]
    assert agent == Agent(name="Greeter", tools=[get_weather])
    assert hash(agent) == hash(Agent(name="Greeter", tools=[get_weather]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": 7}, "needs a name"),
        ({"name": "A", "instructions": 7}, "must be text or a callable"),
        ({"name": "A", "tools": "get"}, "must be a list"),
        ({"name": "A", "tools": get_weather}, "must be a list"),
        ({"name": "A", "tools": [lambda x: x]}, "decorate it with @tool"),
        ({"name": "A", "tools": [3]}, "give a Tool or a dict"),
        ({"name": "A", "tools": [{"type": ""}]}, "needs a 'type'"),
        ({"name": "A", "tools": [{"type": "function", "nam": "x"}]}, "unknown keys: nam"),
        ({"name": "A", "tools": [{"type": "function"}]}, "cannot be used"),
        ({"name": "A", "handoffs": [3]}, "cannot hand over"),
        ({"name": "A", "handoffs": Agent("B")}, "must be a list"),
        ({"name": "A", "tools": [get_weather, Tool("get_weather")]}, "two functions"),
        ({"name": "A", "handoffs": [Agent("Big Shop"), Agent("big-shop")]}, "two functions"),
        (
            {"name": "A", "tools": [Tool("transfer_to_b")], "handoffs": [Agent("B")]},
            "a tool and the handoff to 'B'",
        ),
    ],
)
def test_an_agent_is_checked_when_it_is_made(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Agent(**arguments)


def test_add_handoff_gives_a_new_agent() -> None:
    tech = Agent("Tech Support!", handoff_description="Repairs things.")
    before = Agent("Greeter")
    after = before.add_handoff(tech, condition="Technical issues")
    assert before.handoffs == ()
    (handoff,) = after.handoffs
    assert handoff.tool_name == "transfer_to_tech_support_"
    assert handoff.description == (
        "Hand over to Tech Support!. Repairs things. Use when: Technical issues"
    )
    with pytest.raises(ConfigError, match="two functions named 'transfer_to_tech_support_'"):
        after.add_handoff(tech)
    other = after.add_handoff(tech, tool_name="second_line", description="Ask again.")
    assert [h.tool_name for h in other.handoffs] == ["transfer_to_tech_support_", "second_line"]
    assert other.handoffs[1].description == "Ask again."
    with pytest.raises(ConfigError, match="goes to an Agent"):
        before.add_handoff("Tech")  # type: ignore[arg-type]


def test_handoff_defaults_and_checks() -> None:
    assert Handoff(agent=Agent("Zoë")).tool_name == "transfer_to_zo_"
    assert Handoff(agent=Agent("B")).description == "Hand over to B."
    assert len(Handoff(agent=Agent("x" * 200)).tool_name) == 64
    with pytest.raises(ConfigError, match="cannot be used"):
        Handoff(agent=Agent("B"), tool_name="no blanks")


async def test_resolve_lays_out_everything_a_response_needs() -> None:
    lookup = {
        "type": "function",
        "name": "lookup",
        "description": "Find.",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
    }
    search = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    agent = Agent("Greeter", "Welcome.", tools=[get_weather, lookup, search]).add_handoff(
        Agent("Sales"), condition="prices"
    )
    resolved = await resolve(agent, CONTEXT)
    assert resolved.instructions == "Welcome."
    assert list(resolved.functions) == ["get_weather", "lookup"]
    assert resolved.functions["lookup"].handler is None
    assert list(resolved.handoffs) == ["transfer_to_sales"]
    assert resolved.schemas == (
        get_weather.schema(),
        lookup,
        search,
        {
            "type": "function",
            "name": "transfer_to_sales",
            "description": "Hand over to Sales. Use when: prices",
            "parameters": {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
        },
    )


async def test_instructions_may_be_made_anew() -> None:
    def plain(context: RunContext[Any], agent: Agent) -> str:
        return f"{context.value['user']} {context.agent_name} {agent.name}"

    async def coroutine(context: RunContext[Any], agent: Agent) -> str:
        return plain(context, agent) + "!"

    class Callable:
        async def __call__(self, context: RunContext[Any], agent: Agent) -> str:
            return "object"

    assert (await resolve(Agent("A", plain), CONTEXT)).instructions == "Ann A A"
    assert (await resolve(Agent("A", coroutine), CONTEXT)).instructions == "Ann A A!"
    assert (await resolve(Agent("A", Callable()), CONTEXT)).instructions == "object"
    assert (await resolve(Agent("A", None), CONTEXT)).instructions == ""
    with pytest.raises(ConfigError, match="gave int"):
        await resolve(Agent("A", lambda context, agent: 3), CONTEXT)  # type: ignore[arg-type,return-value]
