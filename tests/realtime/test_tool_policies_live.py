"""The same over real sockets: policies, guardrails of tools, hooks and handoffs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from support.sessions import only, until
from voxloop import realtime, testing
from voxloop._errors import ConfigError, GuardrailTripped, ToolError
from voxloop.agents import Agent, Handoff, Hooks
from voxloop.testing import script as s
from voxloop.tools import (
    GuardrailResult,
    RunContext,
    Tool,
    ToolFailure,
    ToolOutcome,
    tool,
    tool_input_guardrail,
    tool_output_guardrail,
)


@tool_input_guardrail
def small_sums(_context: object, _tool: object, arguments: str) -> GuardrailResult:
    return GuardrailResult.reject("Too much.") if "500" in arguments else GuardrailResult.allow()


@tool_output_guardrail
def no_numbers(_context: object, _tool: object, output: str) -> GuardrailResult:
    return GuardrailResult.reject("Hidden.") if output == "7" else GuardrailResult.allow()


async def results(
    plan: s.Script, agent: Agent, count: int, config: realtime.RunConfig | None = None
) -> tuple[list[realtime.Event], testing.RealtimeServer]:
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(agent, provider=server.provider(), config=config) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.AgentEndEvent, count)
    assert server.violations == []
    return events, server


async def test_guardrails_of_a_tool_stand_before_and_behind_it() -> None:
    ran: list[int] = []

    @tool(input_guardrails=[small_sums], output_guardrails=[no_numbers])
    async def pay(euros: int) -> str:
        """Pay."""
        ran.append(euros)
        return str(euros)

    calls = tuple(s.Call("pay", {"euros": n}, f"c{n}") for n in (500, 7, 8))
    events, _ = await results(s.conversation(calls, s.Write("ok")), Agent("A", tools=[pay]), 2)
    found = {e.call_id: (e.output, e.status) for e in only(events, realtime.ToolResultEvent)}
    assert found == {
        "c500": ("Too much.", "rejected"),
        "c7": ("Hidden.", "rejected"),
        "c8": ("8", "ok"),
    }
    assert sorted(ran) == [7, 8]


async def test_a_guardrail_that_trips_ends_the_iteration_with_its_error() -> None:
    @tool_input_guardrail
    def never(_context: object, _tool: object, _arguments: str) -> GuardrailResult:
        return GuardrailResult.trip("not here")

    @tool(input_guardrails=[never])
    async def pay() -> str:
        """Pay."""
        return "paid"

    plan = s.conversation(s.Call("pay"), s.Write("never said"))
    with pytest.raises(GuardrailTripped, match="not here"):
        await results(plan, Agent("A", tools=[pay]), 2)


async def test_a_tool_may_ask_to_end_the_session_when_it_fails() -> None:
    @tool(error_behavior="raise")
    async def broken() -> str:
        """Breaks."""
        raise KeyError("secret")

    plan = s.conversation(s.Call("broken"), s.Write("never said"))
    with pytest.raises(ToolError) as caught:
        await results(plan, Agent("A", tools=[broken]), 2)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "secret" not in str(caught.value)


async def test_arguments_that_are_no_json_need_approval() -> None:
    @tool(needs_approval=lambda _context, _args, _call_id: False)
    async def pay(euros: int) -> str:
        """Pay."""
        return str(euros)

    plan = s.conversation((s.Call("pay", '{"euros":', "c1"), s.Call("pay", {"euros": 1}, "c2")))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(Agent("A", tools=[pay]), provider=server.provider()) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.ToolCallEvent, 2)
        asks = {e.call_id: e.needs_approval for e in only(events, realtime.ToolCallEvent)}
        assert asks == {"c1": True, "c2": False}
        await session.reject_tool_call("c1", message="Say it again.", always=True)


async def test_a_tool_that_is_switched_off_is_neither_offered_nor_run() -> None:
    open_now = True

    @tool(is_enabled=lambda _context, _agent: open_now)
    async def order() -> str:
        """Order."""
        return "ordered"

    plan = s.conversation(s.Call("order"), s.Call("order"))
    agent = Agent("Shop", tools=[order])
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(agent, provider=server.provider()) as session,
    ):
        await session.send_message("One.")
        events = await until(session, realtime.ToolResultEvent)
        open_now = False
        events += await until(session, realtime.ToolResultEvent)
        assert [e.status for e in only(events, realtime.ToolResultEvent)] == ["ok", "error"]
        await session.update_agent(agent)
        events = await until(session, realtime.HandoffEvent)
    updates = [e["session"] for e in server.received if e["type"] == "session.update"]
    assert isinstance(updates[-1], dict)
    assert updates[-1]["tools"] == []


async def test_a_formatter_words_rejections_and_failures() -> None:
    async def word(failure: ToolFailure) -> str:
        return f"{failure.kind} of {failure.tool}"

    @tool
    async def broken() -> str:
        """Breaks."""
        raise RuntimeError

    @tool(needs_approval=True)
    async def delete() -> str:
        """Delete."""
        return "gone"

    plan = s.conversation((s.Call("broken"), s.Call("delete", {}, "c2")), s.Write("ok"))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(
            Agent("A", tools=[broken, delete]),
            provider=server.provider(),
            config=realtime.RunConfig(failure=word),
        ) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.ToolCallEvent, 2)
        await session.reject_tool_call("c2")
        events += await until(session, realtime.AgentEndEvent, 2)
    outputs = {e.output for e in only(events, realtime.ToolResultEvent)}
    assert outputs == {"error of broken", "rejected of delete"}


async def test_an_interruption_cancels_a_tool_that_wants_that() -> None:
    cancelled = trio.Event()

    @tool(on_interrupt="cancel")
    async def search() -> str:
        """Searches for ever."""
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()
        return ""

    plan = s.conversation(
        s.Call("search"), steps=(s.UntilSent("response.done"), s.Hears("Stop!", after=0.1))
    )
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(Agent("A", tools=[search]), provider=server.provider()) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.ToolResultEvent)
        with trio.fail_after(5):
            await cancelled.wait()
    assert only(events, realtime.ToolResultEvent)[0].status == "cancelled"


@dataclass
class Notes(Hooks):
    """Writes down every hook."""

    lines: list[str] = field(default_factory=list)
    over: trio.Event = field(default_factory=trio.Event)

    async def on_start(self, context: RunContext[Any], agent: Agent) -> None:
        self.lines.append(f"start {agent.name} {context.agent_name}")

    async def on_end(self, context: RunContext[Any], agent: Agent, output: str) -> None:
        self.lines.append(f"end {agent.name}: {output}")
        self.over.set()

    async def on_handoff(
        self, context: RunContext[Any], from_agent: Agent, to_agent: Agent
    ) -> None:
        self.lines.append(f"handoff {from_agent.name} {to_agent.name}")

    def on_tool_start(self, context: RunContext[Any], agent: Agent, tool: Tool) -> Any:
        self.lines.append(f"tool {tool.name} {context.call_id}")

    async def on_tool_end(
        self, context: RunContext[Any], agent: Agent, tool: Tool, outcome: ToolOutcome
    ) -> None:
        self.lines.append(f"tool over {tool.name} {outcome.status} {context.call_id}")
        raise RuntimeError("hooks end nothing")

    async def on_llm_start(self, *arguments: object) -> None:
        self.lines.append("llm")

    async def on_llm_end(self, context: RunContext[Any], agent: Agent, status: str) -> None:
        self.lines.append(f"llm over {status}")


async def test_hooks_are_called_in_the_order_of_what_happens() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "blue"

    run, own, other = Notes(), Notes(), Notes()
    tech = Agent("Tech", hooks=other)
    agent = Agent("Desk", tools=[look], hooks=own).add_handoff(tech)
    plan = s.conversation(
        s.Call("look", {}, "c1"), s.Call("transfer_to_tech"), s.Write("All is well.")
    )
    async with testing.RealtimeServer(plan) as server:
        config = realtime.RunConfig(hooks=run)
        async with realtime.open_session(
            agent, provider=server.provider(), config=config
        ) as session:
            await session.send_message("Help.")
            await until(session, realtime.AgentEndEvent, 3)
            with trio.fail_after(5):
                await run.over.wait()
    tools = [line for line in run.lines if line.startswith("tool")]
    assert tools == ["tool look c1", "tool over look ok c1"]
    assert [line for line in run.lines if line not in tools] == [
        "start Desk Desk",
        "llm",
        "llm over completed",
        "llm",
        "llm over completed",
        "handoff Desk Tech",
        "start Tech Tech",
        "llm",
        "llm over completed",
        "end Tech: All is well.",
    ]
    assert "handoff Desk Tech" not in own.lines
    assert other.lines[0] == "handoff Desk Tech"


async def test_a_handoff_takes_what_the_model_tells_and_checks_it() -> None:
    @dataclass
    class Reason:
        topic: str
        urgent: bool

    told: list[Reason] = []
    tech = Agent("Tech")
    agent = Agent("Desk").add_handoff(
        tech, input_type=Reason, on_handoff=lambda _context, reason: told.append(reason)
    )
    plan = s.conversation(
        s.Call("transfer_to_tech", {"topic": "screen", "urgent": "yes"}),
        s.Call("transfer_to_tech", {"topic": "screen", "urgent": True}),
        s.Write("Here."),
    )
    events, server = await results(plan, agent, 3)
    assert told == [Reason("screen", True)]
    assert [e.to_agent for e in only(events, realtime.HandoffEvent)] == ["Tech"]
    items = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
    outputs = [str(i["output"]) for i in items if isinstance(i, dict) and "output" in i]
    assert "no handoff to Tech" in outputs[0]
    assert outputs[1] == '{"assistant": "Tech"}'


async def test_a_handoff_that_is_switched_off_is_not_offered_and_not_followed() -> None:
    answers = iter([True, False])
    tech = Agent("Tech")
    agent = Agent("Desk", handoffs=[Handoff(agent=tech, is_enabled=lambda _c, _a: next(answers))])
    plan = s.conversation(s.Call("transfer_to_tech"))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(agent, provider=server.provider()) as session:
            await session.send_message("Help.")
            await until(session, realtime.ErrorEvent)
            assert session.current_agent is agent
    assert server.types().count("response.create") == 1


async def test_agents_that_pass_the_user_on_for_ever_are_stopped() -> None:
    one, two = Agent("One"), Agent("Two")
    object.__setattr__(one, "handoffs", (Handoff(agent=two),))
    object.__setattr__(two, "handoffs", (Handoff(agent=one),))
    calls = [s.Call(f"transfer_to_{name}") for name in ("two", "one", "two", "one")]
    plan = s.conversation(*calls, s.Write("I answer."))
    events, _ = await results(plan, one, 5, realtime.RunConfig(max_handoffs=3))
    assert len(only(events, realtime.HandoffEvent)) == 3
    assert [e.error.code for e in only(events, realtime.ErrorEvent)] == ["model_behavior"]


async def test_two_handoffs_of_one_name_are_refused() -> None:
    on = Handoff(agent=Agent("Tech"), is_enabled=lambda _c, _a: True)
    agent = Agent(
        "Desk", handoffs=[on, Handoff(agent=Agent("tech"), is_enabled=lambda _c, _a: True)]
    )
    async with testing.RealtimeServer(s.Script()) as server:
        with pytest.raises(ConfigError, match="transfer_to_tech"):
            async with realtime.open_session(agent, provider=server.provider()):
                pass


@pytest.mark.parametrize("kind", ["namespace", "tool_search"])
async def test_namespaces_and_deferred_tools_are_refused_before_anything_is_connected(
    kind: str,
) -> None:
    async with testing.RealtimeServer(s.Script()) as server:
        agent = Agent("Desk", tools=[{"type": kind, "name": "crm", "tools": []}])
        with pytest.raises(ConfigError, match="functions themselves"):
            async with realtime.open_session(agent, provider=server.provider()):
                pass
        with pytest.raises(ConfigError, match="defer_loading"):
            Agent("Desk", tools=[{"type": "function", "name": "f", "defer_loading": True}])
        assert server.peers == []
