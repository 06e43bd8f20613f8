from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
import trio

from support.voice_runs import cancel_after
from voxloop._errors import ConcurrencyError, ConfigError, MaxTurnsExceeded, ModelBehaviorError
from voxloop.agents import (
    Agent,
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    Conversation,
    RunContext,
    run_turn,
)
from voxloop.providers import ModelDone, TextDone
from voxloop.testing.scripted import Pause, ScriptedLLM, call
from voxloop.tools import tool


@tool
async def get_weather(location: str) -> str:
    """Weather."""
    return f"Sunny in {location}."


@tool
async def slow(seconds: float) -> str:
    """Wait."""
    await trio.sleep(seconds)
    return f"waited {seconds}"


@tool
async def broken() -> str:
    """Fail."""
    raise ValueError("secret")


async def turn(
    conversation: Conversation, text: str, model: ScriptedLLM, **kwargs: Any
) -> list[AgentEvent]:
    async with run_turn(conversation, text, model=model, **kwargs) as events:
        return [event async for event in events]


def kinds(conversation: Conversation) -> list[str]:
    return [str(item.get("role") or item["type"]) for item in conversation.history]


async def test_a_spoken_answer() -> None:
    model = ScriptedLLM(["Hel", "lo.", ModelDone(usage={"total_tokens": 7})])
    conversation = Conversation(Agent("Greeter", "Be brief.", model="m1"))
    assert await turn(conversation, "Hi", model) == [
        AgentText("Hel"),
        AgentText("lo."),
        AgentTextEnd(),
        AgentDone(text="Hello.", agent="Greeter"),
    ]
    request = model.requests[0]
    assert (request.model, request.instructions) == ("m1", "Be brief.")
    assert request.items == (conversation.history[0],)
    assert conversation.history == (
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi"}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello."}],
        },
    )
    assert conversation.usage == {"total_tokens": 7}


async def test_a_tool_call_and_the_answer_that_uses_it() -> None:
    model = ScriptedLLM(
        ["Let me see.", call("get_weather", location="Oslo")],
        ["It is sunny."],
    )
    conversation = Conversation(Agent("Greeter", tools=[get_weather]))
    events = await turn(conversation, "Weather?", model)
    assert [type(event) for event in events] == [
        AgentText, AgentTextEnd, AgentToolCall, AgentToolResult,
        AgentText, AgentTextEnd, AgentDone,
    ]  # fmt: skip
    result = events[3]
    assert isinstance(result, AgentToolResult)
    assert (result.output, result.status) == ("Sunny in Oslo.", "ok")
    assert events[-1] == AgentDone(text="Let me see. It is sunny.", agent="Greeter")
    assert kinds(conversation) == [
        "user", "assistant", "function_call", "function_call_output", "assistant",
    ]  # fmt: skip
    assert model.requests[1].items == conversation.history[:-1]


async def test_memory_of_earlier_turns_is_sent() -> None:
    model = ScriptedLLM("one", "two")
    conversation = Conversation(Agent("A"), history=[{"role": "system", "content": "x"}])
    await turn(conversation, "first", model)
    await turn(conversation, "second", model)
    assert kinds(conversation) == ["system", "user", "assistant", "user", "assistant"]
    assert model.requests[1].items == conversation.history[:4]


async def test_tools_start_at_their_call_and_run_in_parallel() -> None:
    model = ScriptedLLM(
        [
            call("slow", call_id="a", seconds=0.5),
            call("slow", call_id="b", seconds=0.5),
            Pause(0.5),
            ModelDone(),
        ],
        ["done"],
    )
    conversation = Conversation(Agent("A", tools=[slow]))
    started = time.monotonic()
    await turn(conversation, "go", model)
    assert time.monotonic() - started < 1.3  # one after the other: 1.5 s
    outputs = [i for i in conversation.history if i["type"] == "function_call_output"]
    assert [o["call_id"] for o in outputs] == ["a", "b"]


async def test_outputs_stand_in_the_order_of_the_calls() -> None:
    model = ScriptedLLM(
        [call("slow", call_id="a", seconds=0.05), call("slow", call_id="b", seconds=0)],
        "done",
    )
    conversation = Conversation(Agent("A", tools=[slow]))
    events = await turn(conversation, "go", model)
    results = [e.call_id for e in events if isinstance(e, AgentToolResult)]
    assert results == ["b", "a"]
    outputs = [i["call_id"] for i in conversation.history if i["type"] == "function_call_output"]
    assert outputs == ["a", "b"]


async def test_no_more_tools_run_at_once_than_allowed() -> None:
    running = [0, 0]

    @tool
    async def count() -> None:
        running[0] += 1
        running[1] = max(running)
        await trio.sleep(0.01)
        running[0] -= 1

    calls = [call("count", call_id=str(n)) for n in range(7)]
    conversation = Conversation(Agent("A", tools=[count]))
    await turn(conversation, "go", ScriptedLLM(calls, "done"), max_parallel_tools=3)
    assert running == [0, 3]


async def test_a_handoff_is_followed_and_stays() -> None:
    seen: list[str] = []

    async def note(context: RunContext[Any]) -> None:
        seen.append(f"{context.value} {context.agent_name}")

    sales = Agent("Sales", "Sell.", model="m2")
    greeter = Agent("Greeter", "Greet.").add_handoff(sales, on_handoff=note)
    model = ScriptedLLM([call("transfer_to_sales")], "What do you need?", "Ten euros.")
    conversation = Conversation(greeter, context="ctx")
    events = await turn(conversation, "Prices?", model)
    assert events[0] == AgentHandoff(from_agent="Greeter", to_agent="Sales")
    assert events[-1] == AgentDone(text="What do you need?", agent="Sales")
    assert [r.instructions for r in model.requests] == ["Greet.", "Sell."]
    assert seen == ["ctx Greeter"]
    output = next(i for i in conversation.history if i["type"] == "function_call_output")
    assert json.loads(str(output["output"])) == {"assistant": "Sales"}
    await turn(conversation, "And now?", model)
    assert (model.requests[2].instructions, model.requests[2].model) == ("Sell.", "m2")
    assert conversation.agent is sales


async def test_the_first_of_two_handoffs_wins() -> None:
    agent = Agent("Greeter").add_handoff(Agent("Sales")).add_handoff(Agent("Tech"))
    model = ScriptedLLM([call("transfer_to_tech"), call("transfer_to_sales")], "ok")
    conversation = Conversation(agent)
    events = await turn(conversation, "x", model)
    assert [e for e in events if isinstance(e, AgentHandoff)] == [
        AgentHandoff(from_agent="Greeter", to_agent="Tech")
    ]
    outputs = [i["output"] for i in conversation.history if i["type"] == "function_call_output"]
    assert outputs == ['{"assistant": "Tech"}', "Not followed: already handing over to Tech."]


async def test_a_failing_handoff_leaves_the_agent_where_it_is() -> None:
    def fail(context: RunContext[Any]) -> None:
        raise KeyError("x")

    agent = Agent("Greeter").add_handoff(Agent("Sales"), on_handoff=fail)
    conversation = Conversation(agent)
    events = await turn(conversation, "x", ScriptedLLM([call("transfer_to_sales")], "Sorry."))
    assert not [e for e in events if isinstance(e, AgentHandoff)]
    assert conversation.agent is agent
    assert conversation.history[2]["output"] == "The handoff to Sales failed: KeyError."


async def test_what_goes_wrong_with_a_tool_is_told_to_the_model() -> None:
    model = ScriptedLLM(
        [
            call("nothing", call_id="1"),
            call("broken", call_id="2"),
            call("slow", call_id="3", seconds="x"),
        ],
        "Sorry.",
    )
    conversation = Conversation(Agent("A", tools=[broken, slow]))
    events = await turn(conversation, "go", model)
    results = {e.call_id: e for e in events if isinstance(e, AgentToolResult)}
    assert {r.status for r in results.values()} == {"error"}
    assert results["1"].output == (
        "Tool 'nothing' does not exist. Tools that can be called: broken, slow."
    )
    assert results["2"].output == "Tool 'broken' failed: ValueError."
    assert "Expected `float`" in results["3"].output


async def test_too_many_rounds_are_an_error_and_leave_no_trace() -> None:
    model = ScriptedLLM(*[[call("get_weather", location="x")]] * 3)
    conversation = Conversation(Agent("A", tools=[get_weather]))
    with pytest.raises(MaxTurnsExceeded, match="after 3 responses"):
        await turn(conversation, "go", model, max_turns=3)
    assert conversation.history == ()
    assert model.remaining == 0


async def test_a_tool_that_wants_no_answer_ends_the_turn() -> None:
    @tool(respond=False)
    async def hang_up() -> None: ...

    model = ScriptedLLM(["Bye.", call("hang_up")])
    conversation = Conversation(Agent("A", tools=[hang_up]))
    events = await turn(conversation, "bye", model)
    assert events[-1] == AgentDone(text="Bye.", agent="A")
    assert kinds(conversation)[-1] == "function_call_output"


async def test_one_call_said_twice_runs_once_and_two_calls_of_one_id_are_refused() -> None:
    count: list[str] = []

    @tool
    async def note(text: str) -> None:
        count.append(text)

    agent = Agent("A", tools=[note])
    conversation = Conversation(agent)
    await turn(conversation, "x", ScriptedLLM([call("note", text="a")], "ok"))
    same = [call("note", call_id="1", text="b"), call("note", call_id="1", text="b")]
    await turn(conversation, "x", ScriptedLLM(same, "ok"))
    assert count == ["a", "b"]
    two = ScriptedLLM([call("note", call_id="1", text="c"), call("note", call_id="1", text="d")])
    with pytest.raises(ModelBehaviorError, match="two calls"):
        await turn(conversation, "x", two)


async def test_a_failing_model_leaves_no_trace_and_the_next_turn_works() -> None:
    model = ScriptedLLM(["Hal", OSError("gone")], "Fine.")
    conversation = Conversation(Agent("A"))
    with pytest.raises(OSError, match="gone"):
        await turn(conversation, "one", model)
    assert conversation.history == ()
    await turn(conversation, "two", model)
    assert kinds(conversation) == ["user", "assistant"]
    assert model.open_streams == 0


async def test_a_failing_model_cancels_the_tools_of_its_round() -> None:
    ended: list[str] = []

    @tool
    async def forever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("forever")

    conversation = Conversation(Agent("A", tools=[forever]))
    with pytest.raises(OSError, match="gone"):
        await turn(conversation, "x", ScriptedLLM([call("forever"), Pause(0.02), OSError("gone")]))
    assert ended == ["forever"]


async def test_an_answer_without_its_end_is_refused() -> None:
    class Cut(ScriptedLLM):
        def respond(self, request):  # type: ignore[no-untyped-def]
            inner = super().respond(request)

            class Without:
                async def __aenter__(self):  # type: ignore[no-untyped-def]
                    stream = await inner.__aenter__()
                    return self.cut(stream)

                async def cut(self, stream):  # type: ignore[no-untyped-def]
                    async for event in stream:
                        if not isinstance(event, ModelDone):
                            yield event

                async def __aexit__(self, *details):  # type: ignore[no-untyped-def]
                    return await inner.__aexit__(*details)

            return Without()

    with pytest.raises(ModelBehaviorError, match="without ModelDone"):
        await turn(Conversation(Agent("A")), "x", Cut("text"))


async def test_text_in_one_piece_and_a_cut_answer() -> None:
    model = ScriptedLLM([TextDone("All."), ModelDone(status="incomplete", reason="max")])
    assert await turn(Conversation(Agent("A")), "x", model) == [
        AgentText("All."),
        AgentTextEnd(),
        AgentDone(text="All.", agent="A", status="incomplete"),
    ]


async def test_an_empty_answer_is_a_turn_without_text() -> None:
    conversation = Conversation(Agent("A"))
    assert await turn(conversation, "x", ScriptedLLM([])) == [AgentDone(text="", agent="A")]
    assert kinds(conversation) == ["user"]


async def test_leaving_early_keeps_what_was_read() -> None:
    model = ScriptedLLM(["One. ", "Two. ", Pause(5), "Three."])
    conversation = Conversation(Agent("A"))
    async with run_turn(conversation, "x", model=model) as events:
        async for event in events:
            if event == AgentText("Two. "):
                break
    assert model.open_streams == 0
    assert conversation.history[1]["content"] == [{"type": "output_text", "text": "One. Two. "}]


async def test_an_interruption_keeps_what_was_heard_and_closes_open_calls() -> None:
    model = ScriptedLLM(["I will look. ", call("slow", seconds=30)])
    conversation = Conversation(Agent("A", tools=[slow]))
    with trio.move_on_after(0.05):
        async with run_turn(conversation, "x", model=model) as events:
            async for event in events:
                if isinstance(event, AgentToolCall):
                    events.interrupt(heard="I will")
    assert kinds(conversation) == [
        "user", "assistant", "function_call", "function_call_output",
    ]  # fmt: skip
    assert conversation.history[1]["content"] == [{"type": "output_text", "text": "I will"}]
    assert "cancelled" in str(conversation.history[3]["output"])


async def test_an_interruption_cuts_the_message_in_which_it_fell() -> None:
    model = ScriptedLLM(["First. ", call("get_weather", location="x")], ["Second."], "again")
    conversation = Conversation(Agent("A", tools=[get_weather]))
    async with run_turn(conversation, "x", model=model) as events:
        async for _ in events:
            pass
        events.interrupt(heard="First. Sec")
    said = [i["content"] for i in conversation.history if i.get("role") == "assistant"]
    assert said == [
        [{"type": "output_text", "text": "First. "}],
        [{"type": "output_text", "text": "Sec"}],
    ]


async def test_a_cancelled_or_failing_reader_leaves_the_history_alone() -> None:
    conversation = Conversation(Agent("A"))
    with trio.move_on_after(0.05):
        await turn(conversation, "x", ScriptedLLM(["One. ", Pause(5)]))
    assert conversation.history == ()
    with pytest.raises(ZeroDivisionError):
        await _fail_while_reading(conversation)
    assert conversation.history == ()


async def _fail_while_reading(conversation: Conversation) -> None:
    async with run_turn(conversation, "x", model=ScriptedLLM("One.")) as events:
        async for _ in events:
            raise ZeroDivisionError


async def test_a_cancel_at_every_step_leaves_nothing_behind() -> None:
    agent = Agent("A", tools=[get_weather]).add_handoff(Agent("B"))
    for steps in itertools.count(1):
        model = ScriptedLLM(
            ["One. ", call("get_weather", location="x"), call("transfer_to_b")], ["Two."]
        )
        conversation = Conversation(agent)
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as scope, cancel_after(scope, steps=steps):
            await turn(conversation, "x", model)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert model.open_streams == 0
        assert len(conversation.history) in (0, 7)
        if not scope.cancelled_caught:
            break
    assert steps > 10


async def test_one_turn_at_a_time() -> None:
    conversation = Conversation(Agent("A"))
    async with run_turn(conversation, "x", model=ScriptedLLM([Pause(1)])):
        with pytest.raises(ConcurrencyError):
            async with run_turn(conversation, "y", model=ScriptedLLM("z")):
                pytest.fail("a second turn began")
    await turn(conversation, "x", ScriptedLLM("ok"))


async def test_limits_are_checked() -> None:
    conversation = Conversation(Agent("A"))
    for limits in ({"max_turns": 0}, {"max_parallel_tools": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            await turn(conversation, "x", ScriptedLLM("ok"), **limits)


async def test_usage_is_added_up() -> None:
    conversation = Conversation(Agent("A"))
    usage = {"total": 2, "details": {"cached": 1}, "model": "m"}
    for _ in range(2):
        await turn(conversation, "x", ScriptedLLM(["a", ModelDone(usage=usage)]))
    assert conversation.usage == {"total": 4, "details": {"cached": 2}, "model": "m"}


async def test_the_history_cannot_be_changed_from_outside() -> None:
    conversation = Conversation(Agent("A"))
    await turn(conversation, "x", ScriptedLLM("ok"))
    conversation.history[0].clear()
    assert conversation.history[0]["role"] == "user"
