"""Turns under guardrails, approvals and hooks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio

from support.voice_runs import cancel_after, pipeline, question
from voxloop import voice
from voxloop._errors import ConfigError, GuardrailTripped, ToolError
from voxloop.agents import (
    Agent,
    AgentDone,
    AgentEvent,
    AgentHooks,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    Conversation,
    GuardrailResult,
    InputGuardrail,
    MemoryStore,
    OutputGuardrail,
    RunHooks,
    RunOptions,
    run_turn,
)
from voxloop.testing.scripted import Pause, ScriptedLLM, call
from voxloop.tools import ToolFailure, tool


async def turn(
    conversation: Conversation, text: str, model: ScriptedLLM, **options: Any
) -> list[AgentEvent]:
    async with run_turn(conversation, text, model=model, options=RunOptions(**options)) as events:
        return [event async for event in events]


def said(events: list[AgentEvent]) -> list[str]:
    return [event.delta for event in events if isinstance(event, AgentText)]


def refuse(word: str, *, after: float = 0.0) -> Any:
    async def decide(context: Any, agent: Any, text: str) -> GuardrailResult:
        await trio.sleep(after)
        return GuardrailResult.reject("I may not.") if word in text else GuardrailResult.allow()

    return decide


def trip(context: Any, agent: Any, text: str) -> GuardrailResult:
    return GuardrailResult.trip("Enough.")


@tool
async def look() -> str:
    """Look."""
    return "seen"


async def test_an_input_guardrail_cancels_the_call_and_its_message_is_said() -> None:
    ran: list[str] = []

    @tool
    async def act() -> None:
        ran.append("act")

    guard = InputGuardrail(function=refuse("bomb", after=0.05), name="words")
    model = ScriptedLLM(["Take ", call("act"), Pause(60), "three"], "Hello.")
    conversation = Conversation(Agent("A", tools=[act], input_guardrails=[guard]))
    events = await turn(conversation, "a bomb", model)
    assert events == [
        AgentText("I may not."),
        AgentTextEnd(),
        AgentDone(text="I may not.", agent="A", status="rejected", guardrail="words"),
    ]
    assert (len(model.requests), model.open_streams, ran) == (1, 0, [])
    assert [item["role"] for item in conversation.history] == ["user", "assistant"]
    assert said(await turn(conversation, "hello", model)) == ["Hello."]


async def test_a_blocking_guardrail_is_asked_before_the_model() -> None:
    guard = InputGuardrail(function=refuse("bomb"), blocking=True)
    model = ScriptedLLM("Hello.")
    conversation = Conversation(Agent("A"))
    events = await turn(conversation, "a bomb", model, input_guardrails=[guard])
    assert (said(events), model.requests) == (["I may not."], [])
    assert said(await turn(conversation, "hello", model, input_guardrails=[guard])) == ["Hello."]


async def test_a_guardrail_on_agent_and_run_is_asked_once() -> None:
    asked: list[str] = []

    async def note(context: Any, agent: Any, text: str) -> GuardrailResult:
        asked.append(f"{agent.name} {context.agent_name} {context.value} {text}")
        return GuardrailResult.allow()

    guard = InputGuardrail(function=note)
    conversation = Conversation(Agent("A", input_guardrails=[guard]), context="ctx")
    await turn(conversation, "x", ScriptedLLM("ok"), input_guardrails=[guard])
    assert asked == ["A A ctx x"]


@pytest.mark.parametrize("kind", ["input", "output"])
async def test_a_guardrail_that_trips_ends_the_turn_and_leaves_no_trace(kind: str) -> None:
    guards: Any = {
        "input": {"input_guardrails": [InputGuardrail(function=trip)]},
        "output": {"output_guardrails": [OutputGuardrail(function=trip)]},
    }[kind]
    conversation = Conversation(Agent("A"))
    with pytest.raises(GuardrailTripped, match="Enough") as caught:
        await turn(conversation, "x", ScriptedLLM("Hello."), **guards)
    assert (caught.value.guardrail, caught.value.stage) == ("trip", kind)
    assert conversation.history == ()


async def test_sentences_are_said_when_they_have_passed() -> None:
    seen: list[str] = []

    async def note(context: Any, agent: Any, text: str) -> GuardrailResult:
        seen.append(text)
        return GuardrailResult.reject("Let me stop.") if "secret" in text else GuardrailResult()

    guard = OutputGuardrail(function=note, name="g")
    deltas = ["All is ", "well. The", " secret is 7. And ", "more."]
    conversation = Conversation(Agent("A", output_guardrails=[guard]))
    events = await turn(conversation, "x", ScriptedLLM(deltas))
    assert said(events) == ["All is well.", "Let me stop."]
    assert events[-1] == AgentDone(
        text="All is well. Let me stop.", agent="A", status="rejected", guardrail="g"
    )
    assert seen == ["All is well.", "All is well. The secret is 7."]
    texts = [item["content"] for item in conversation.history[1:]]
    assert texts == [
        [{"type": "output_text", "text": "All is well."}],
        [{"type": "output_text", "text": "Let me stop."}],
    ]


@pytest.mark.parametrize(
    ("release", "every", "expected"),
    [
        ("turn", 5, ["Stop."]),
        ("at_once", 8, ["One. ", "secret two.", "Stop."]),
        ("sentence", 100, ["One.", "Stop."]),
    ],
)
async def test_how_much_is_held_back(release: Any, every: int, expected: list[str]) -> None:
    async def decide(context: Any, agent: Any, text: str) -> GuardrailResult:
        return GuardrailResult.reject("Stop.") if "secret" in text else GuardrailResult()

    guard = OutputGuardrail(function=decide, release=release, every=every)
    model = ScriptedLLM(["One. ", "secret two.", " three"])
    events = await turn(Conversation(Agent("A", output_guardrails=[guard])), "x", model)
    assert said(events) == expected


@pytest.mark.parametrize("release", ["turn", "at_once", "sentence"])
async def test_what_passes_is_said_whole(release: Any) -> None:
    guard = OutputGuardrail(function=refuse("secret"), release=release, every=3)
    deltas = ["One. T", "wo. Thr", "ee"]
    events = await turn(
        Conversation(Agent("A", output_guardrails=[guard])), "x", ScriptedLLM(deltas)
    )
    assert "".join(said(events)) == "One. Two. Three"
    assert events[-1] == AgentDone(text="One. Two. Three", agent="A")


async def test_a_rejected_answer_cancels_its_tools_and_closes_their_calls() -> None:
    ended: list[str] = []

    @tool
    async def forever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("x")

    guard = OutputGuardrail(function=refuse("secret"))
    model = ScriptedLLM([call("forever"), Pause(0.02), "The secret."])
    conversation = Conversation(Agent("A", tools=[forever], output_guardrails=[guard]))
    events = await turn(conversation, "x", model)
    assert (said(events), ended) == (["I may not."], ["x"])
    assert [i["type"] for i in conversation.history] == [
        "message", "function_call", "message", "function_call_output",
    ]  # fmt: skip


async def test_a_call_waits_until_it_is_approved() -> None:
    ran: list[int] = []

    @tool(needs_approval=lambda context, arguments, call_id: arguments["euros"] > 10)  # type: ignore[operator]
    async def pay(euros: int) -> str:
        ran.append(euros)
        return "paid"

    model = ScriptedLLM(
        [call("pay", call_id="1", euros=5), call("pay", call_id="2", euros=50)], "Done."
    )
    conversation = Conversation(Agent("A", tools=[pay]))
    seen: list[AgentEvent] = []
    async with run_turn(conversation, "x", model=model) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, AgentToolCall) and event.needs_approval:
                assert event.call_id == "2"
                events.approve("2")
                with pytest.raises(ConfigError, match="no call '1' waits"):
                    events.approve("1")
    assert sorted(ran) == [5, 50]
    assert said(seen) == ["Done."]


async def test_a_rejected_call_does_not_run_and_always_holds() -> None:
    @tool(needs_approval=True)
    async def pay() -> str:
        raise AssertionError

    model = ScriptedLLM([call("pay", call_id="1")], "Pity.", [call("pay", call_id="2")], "Again.")
    conversation = Conversation(Agent("A", tools=[pay]))
    async with run_turn(conversation, "x", model=model) as events:
        async for event in events:
            if isinstance(event, AgentToolCall):
                events.reject(event.call_id, always=True, message="Ask the bank.")
    later = await turn(conversation, "y", model)
    assert isinstance(later[0], AgentToolCall)
    assert later[0].needs_approval is False
    outputs = [i["output"] for i in conversation.history if i["type"] == "function_call_output"]
    assert outputs == ["Ask the bank.", "Ask the bank."]
    assert isinstance(later[1], AgentToolResult)
    assert later[1].status == "rejected"


async def test_a_lasting_approval_wakes_the_other_calls_of_the_tool() -> None:
    ran: list[str] = []

    @tool(needs_approval=True)
    async def pay(who: str) -> None:
        ran.append(who)

    model = ScriptedLLM([call("pay", call_id="1", who="a"), call("pay", call_id="2", who="b")], "k")
    async with run_turn(Conversation(Agent("A", tools=[pay])), "x", model=model) as events:
        async for event in events:
            if isinstance(event, AgentToolCall) and event.call_id == "2":
                events.approve("2", always=True)
    assert sorted(ran) == ["a", "b"]


async def test_an_approval_that_does_not_come_is_a_rejection() -> None:
    def words(failure: ToolFailure) -> str:
        return f"{failure.kind}: {failure.text}"

    @tool(needs_approval=True)
    async def pay() -> None: ...

    conversation = Conversation(Agent("A", tools=[pay]))
    await turn(
        conversation,
        "x",
        ScriptedLLM([call("pay")], "k"),
        approval_timeout=0.01,
        failure=words,
    )
    assert conversation.history[2]["output"] == "rejected: The call was not approved in time."


async def test_a_failure_that_is_to_be_raised_is_raised() -> None:
    @tool(timeout=0.01, timeout_behavior="raise")
    async def forever() -> None:
        await trio.sleep_forever()

    conversation = Conversation(Agent("A", tools=[forever]))
    with pytest.raises(ToolError, match="took longer"):
        await turn(conversation, "x", ScriptedLLM([call("forever")]))
    assert conversation.history == ()


class Notes:
    """Both kinds of hooks, written down."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def hooks(self, kind: type, name: str) -> Any:
        notes = self

        class Noting(kind):  # type: ignore[misc]
            async def on_start(self, context: Any, agent: Any) -> None:
                notes.seen.append(f"{name} start {agent.name}")

            async def on_end(self, context: Any, agent: Any, output: str) -> None:
                notes.seen.append(f"{name} end {agent.name} {output}")

            def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
                notes.seen.append(f"{name} handoff {from_agent.name} {to_agent.name}")

            async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
                notes.seen.append(f"{name} tool {context.call_id} {tool.name}")

            async def on_tool_end(self, context: Any, agent: Any, tool: Any, outcome: Any) -> None:
                notes.seen.append(f"{name} tool end {outcome.output}")
                raise RuntimeError("a hook that fails ends nothing")

            async def on_llm_start(
                self, context: Any, agent: Any, instructions: str, items: Any
            ) -> None:
                notes.seen.append(f"{name} llm {instructions} {len(items)}")

            async def on_llm_end(self, context: Any, agent: Any, status: str) -> None:
                notes.seen.append(f"{name} llm end {status}")

        return Noting()


async def test_hooks_are_called_at_every_step() -> None:
    notes = Notes()
    sales = Agent("Sales", "Sell.", hooks=notes.hooks(AgentHooks, "agent"))
    greeter = Agent("Greeter", "Greet.", tools=[look], handoffs=[sales])
    model = ScriptedLLM([call("look")], [call("transfer_to_sales")], "Yes?")
    await turn(Conversation(greeter), "x", model, hooks=notes.hooks(RunHooks, "run"))
    assert notes.seen == [
        "run start Greeter",
        "run llm Greet. 1",
        "run tool call_look look",
        "run tool end seen",
        "run llm end completed",
        "run llm Greet. 3",
        "run llm end completed",
        "run handoff Greeter Sales",
        "agent handoff Greeter Sales",
        "run start Sales",
        "agent start Sales",
        "run llm Sell. 5",
        "agent llm Sell. 5",
        "run llm end completed",
        "agent llm end completed",
        "run end Sales Yes?",
        "agent end Sales Yes?",
    ]


async def test_a_cancel_at_every_step_leaves_nothing_behind() -> None:
    @tool(needs_approval=True, on_interrupt="keep")
    async def pay() -> str:
        await trio.sleep(0)
        return "paid"

    async def pays(conversation: Conversation, model: ScriptedLLM, options: RunOptions) -> None:
        async with run_turn(conversation, "x", model=model, options=options) as events:
            async for event in events:
                if isinstance(event, AgentToolCall):
                    events.approve(event.call_id)

    guards = [InputGuardrail(function=refuse("bomb", after=0.0))]
    checks = [OutputGuardrail(function=refuse("secret"))]
    options = RunOptions(input_guardrails=guards, output_guardrails=checks, hooks=RunHooks())
    agent = Agent("A", tools=[pay], handoffs=[Agent("B")])
    for steps in itertools.count(1):
        model = ScriptedLLM(["One. ", call("pay"), call("transfer_to_b")], ["Two."])
        store = MemoryStore()
        conversation = Conversation(agent, store=store, conversation_id="7")
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as scope, cancel_after(scope, steps=steps):
            await pays(conversation, model, options)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert model.open_streams == 0
        assert len(conversation.history) in (0, 7)
        assert (await store.load("7")).items == conversation.history
        assert conversation.desk.waiting == ()
        if not scope.cancelled_caught:
            break
    assert steps > 20


async def test_a_call_is_approved_through_a_pipeline() -> None:
    @tool(needs_approval=True)
    async def pay() -> str:
        return "paid"

    model = ScriptedLLM([call("pay")], "Done.")
    workflow = voice.AgentWorkflow(Agent("A", tools=[pay]))
    results: list[str] = []
    async with pipeline(workflow, llm=model) as line, line.run(question()) as result:
        async for event in result:
            match event:
                case voice.ToolEvent(kind="call", needs_approval=True, call_id=call_id):
                    workflow.approve_tool_call(call_id)
                case voice.ToolEvent(kind="result", output=output):
                    results.append(output)
    assert results == ["paid"]
    with pytest.raises(ConfigError, match="no call 'x' waits"):
        workflow.reject_tool_call("x")


async def test_a_refusal_is_spoken() -> None:
    guard = InputGuardrail(function=refuse("hello"))  # what the scripted recogniser hears
    workflow = voice.AgentWorkflow(Agent("A", input_guardrails=[guard]))
    async with pipeline(workflow, llm=ScriptedLLM("Hi.")) as line:
        reply = await line.run_to_end(question())
    assert reply.text.strip() == "I may not."
    assert reply.audio.frames > 0
