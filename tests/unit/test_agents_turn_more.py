"""Turns: tools that outlive an interruption, filtered handoffs, agents as tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import trio

from voxloop._errors import ConfigError
from voxloop.agents import (
    Agent,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentToolCall,
    AgentToolResult,
    Conversation,
    Handoff,
    RunContext,
    RunOptions,
    run_turn,
)
from voxloop.testing.scripted import Pause, ScriptedLLM, call
from voxloop.tools import JsonObject, Tool, tool


async def turn(
    conversation: Conversation, text: str, model: ScriptedLLM, **options: Any
) -> list[AgentEvent]:
    async with run_turn(conversation, text, model=model, options=RunOptions(**options)) as events:
        return [event async for event in events]


@tool
async def look() -> str:
    """Look."""
    return "seen"


@pytest.mark.parametrize(
    ("policy", "runs_on"), [("keep", True), ("report", True), ("cancel", False)]
)
async def test_what_an_interruption_does_to_a_running_tool(policy: Any, runs_on: bool) -> None:
    ended: list[str] = []
    go = trio.Event()

    @tool(on_interrupt=policy)
    async def book() -> str:
        go.set()
        await trio.sleep(0.02)
        ended.append("booked")
        return "booked"

    model = ScriptedLLM([call("book"), Pause(60)])
    conversation = Conversation(Agent("A", tools=[book]))
    async with run_turn(conversation, "x", model=model) as events:
        async for event in events:
            if isinstance(event, AgentToolCall):
                await go.wait()
                break
    assert ended == (["booked"] if runs_on else [])
    output = conversation.history[2]["output"]
    assert output == ("booked" if runs_on else "The call was cancelled: the user interrupted.")


async def test_the_output_of_a_finished_tool_survives_an_interruption() -> None:
    model = ScriptedLLM([call("look"), Pause(60)])
    conversation = Conversation(Agent("A", tools=[look]))
    async with run_turn(conversation, "x", model=model) as events:
        async for event in events:
            if isinstance(event, AgentToolResult):
                break
    assert conversation.history[2]["output"] == "seen"


async def messages(items: tuple[JsonObject, ...]) -> list[JsonObject]:
    return [item for item in items if item.get("type") == "message"]


async def test_a_filter_decides_what_the_next_agent_and_later_turns_see() -> None:
    sales = Agent("Sales", "Sell.")
    greeter = Agent("Greeter", tools=[look], handoffs=[Handoff(agent=sales, input_filter=messages)])
    model = ScriptedLLM([call("look")], ["Bye. ", call("transfer_to_sales")], "Yes?", "More?")
    conversation = Conversation(greeter)
    await turn(conversation, "x", model)
    assert [i["type"] for i in model.requests[2].items] == ["message", "message"]
    assert [i["type"] for i in conversation.history] == ["message", "message", "message"]
    await turn(conversation, "y", model)
    assert len(model.requests[3].items) == 4


async def test_an_interruption_before_the_handoff_was_heard_keeps_all() -> None:
    sales = Agent("Sales")
    greeter = Agent("Greeter", handoffs=[Handoff(agent=sales, input_filter=messages)])
    for heard, kinds in (("By", 4), ("Bye. Ye", 3)):
        model = ScriptedLLM(["Bye. ", call("transfer_to_sales")], "Yes?")
        conversation = Conversation(greeter)
        async with run_turn(conversation, "x", model=model) as events:
            async for _ in events:
                pass
            events.interrupt(heard=heard)
        assert len(conversation.history) == kinds
        text: Any = conversation.history[-1 if kinds == 3 else 1]["content"]
        assert text[0]["text"] == ("Ye" if kinds == 3 else "By")


async def test_a_filter_that_fails_leaves_the_agent_where_it_is() -> None:
    def fail(items: Any) -> Any:
        raise LookupError("x")

    greeter = Agent("Greeter", handoffs=[Handoff(agent=Agent("Sales"), input_filter=fail)])
    conversation = Conversation(greeter)
    await turn(conversation, "x", ScriptedLLM([call("transfer_to_sales")], "Sorry."))
    assert conversation.agent is greeter
    assert conversation.history[2]["output"] == "The handoff to Sales failed: LookupError."


@dataclass
class Reason:
    why: str


async def test_the_input_of_a_handoff_reaches_its_callback_or_the_model() -> None:
    got: list[str] = []

    def note(context: RunContext[Any], reason: Reason) -> None:
        got.append(f"{context.call_id} {reason.why}")

    sales = Agent("Sales")
    greeter = Agent("Greeter").add_handoff(sales, on_handoff=note, input_type=Reason)
    model = ScriptedLLM(
        [call("transfer_to_sales", call_id="1", why=3)],
        [call("transfer_to_sales", call_id="2", why="price")],
        "Yes?",
    )
    conversation = Conversation(greeter)
    await turn(conversation, "x", model)
    assert got == ["2 price"]
    first = str(conversation.history[2]["output"])
    assert first.startswith("no handoff to Sales: the arguments do not fit")
    assert conversation.agent is sales


async def test_agents_do_not_hand_over_for_ever() -> None:
    chain = Agent("D")
    for name in "CBA":
        chain = Agent(name, handoffs=[chain])
    steps = [[call(f"transfer_to_{name}", call_id=name)] for name in "bcd"]
    conversation = Conversation(chain)
    events = await turn(conversation, "x", ScriptedLLM(*steps, "Here."), max_handoffs=2)
    assert len([e for e in events if isinstance(e, AgentHandoff)]) == 2
    outputs = [i["output"] for i in conversation.history if i["type"] == "function_call_output"]
    assert outputs[-1] == "Not followed: too many handoffs in one turn. Answer yourself."


async def test_a_tool_that_must_be_called_is_asked_for_once() -> None:
    agent = Agent("A", tools=[look], tool_choice="look", parallel_tool_calls=False)
    model = ScriptedLLM([call("look")], "Seen.")
    await turn(Conversation(agent), "x", model)
    assert [r.tool_choice for r in model.requests] == [{"type": "function", "name": "look"}, None]
    assert model.requests[0].parallel_tool_calls is False
    kept = Agent("A", tools=[look], tool_choice="required", reset_tool_choice=False)
    model = ScriptedLLM([call("look")], "Seen.")
    await turn(Conversation(kept), "x", model)
    assert [r.tool_choice for r in model.requests] == ["required", "required"]


async def test_the_output_of_a_final_tool_is_the_answer() -> None:
    agent = Agent("A", tools=[look], final_tools=["look"])
    events = await turn(Conversation(agent), "x", ScriptedLLM([call("look")]))
    assert [e.delta for e in events if isinstance(e, AgentText)] == ["seen"]


async def test_a_tool_switched_off_meanwhile_does_not_exist() -> None:
    asked: list[str] = []

    def once(context: Any, agent: Any) -> bool:
        asked.append(context.call_id)
        return len(asked) == 1

    agent = Agent("A", tools=[Tool("gone", is_enabled=once, handler=lambda: "ran")])
    events = await turn(Conversation(agent), "x", ScriptedLLM([call("gone")], "Sorry."))
    result = next(e for e in events if isinstance(e, AgentToolResult))
    assert result.output.startswith("Tool 'gone' does not exist.")
    assert asked == ["", "call_gone", ""]


async def test_an_agent_may_be_a_tool_of_another() -> None:
    expert = Agent("Tax Expert", "Know taxes.", tools=[look], handoff_description="Knows taxes.")
    asks = expert.as_tool(timeout=5.0)
    assert (asks.name, asks.description, asks.timeout) == ("ask_tax_expert", "Knows taxes.", 5.0)
    assert list(asks.parameters["properties"]) == ["input"]  # type: ignore[call-overload]
    model = ScriptedLLM(
        [call("ask_tax_expert", input="VAT?")], [call("look")], "19 percent.", "It is 19 percent."
    )
    conversation = Conversation(Agent("Clerk", "Help.", tools=[asks]))
    events = await turn(conversation, "x", model)
    assert [e.delta for e in events if isinstance(e, AgentText)] == ["It is 19 percent."]
    assert [r.instructions for r in model.requests] == [
        "Help.", "Know taxes.", "Know taxes.", "Help.",
    ]  # fmt: skip
    assert len(model.requests[1].items) == 1
    assert conversation.history[2]["output"] == "19 percent."


async def test_an_agent_as_a_tool_may_have_a_model_of_its_own() -> None:
    own = ScriptedLLM("From my own.")
    asks = Agent("Expert").as_tool("expert", model=own)
    await turn(
        Conversation(Agent("A", tools=[asks])), "x", ScriptedLLM([call("expert", input="?")], "k")
    )
    assert len(own.requests) == 1


def test_options_are_checked() -> None:
    for wrong in (
        {"max_turns": 0},
        {"max_parallel_tools": True},
        {"max_handoffs": -1},
        {"approval_timeout": 0},
        {"failure": "x"},
        {"input_guardrails": [print]},
    ):
        with pytest.raises(ConfigError):
            RunOptions(**wrong)  # type: ignore[arg-type]


async def test_instructions_are_asked_when_the_agent_gets_the_word() -> None:
    asked: list[str] = []

    async def instructions(context: RunContext[Any], agent: Agent) -> str:
        asked.append(f"{agent.name} {context.value}")
        return f"Number {len(asked)}."

    sales = Agent("Sales", instructions, tools=[look])
    greeter = Agent("Greeter", instructions, tools=[look], handoffs=[sales])
    model = ScriptedLLM([call("look")], [call("transfer_to_sales")], [call("look")], "Yes?", "No?")
    conversation = Conversation(greeter, context="ctx")
    await turn(conversation, "x", model)
    await turn(conversation, "y", model)
    assert asked == ["Greeter ctx", "Sales ctx", "Sales ctx"]
    assert [r.instructions for r in model.requests] == [
        "Number 1.", "Number 1.", "Number 2.", "Number 2.", "Number 3.",
    ]  # fmt: skip
