"""What a tool says about itself: who approves, what an interruption does, when to go on."""

from __future__ import annotations

import pytest

from support.realtime_driver import Driver
from voxloop._errors import ConfigError, GuardrailTripped
from voxloop.agents import Agent
from voxloop.realtime import ErrorEvent, RunConfig, ToolCallEvent, ToolResultEvent
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.machine.dispatch import INTERRUPTED
from voxloop.tools import Tool, ToolFailure, tool


@tool(needs_approval=True)
async def delete(name: str) -> str:
    """Delete a file."""
    return name


@tool(needs_approval=lambda _context, args, _call_id: args["euros"] > 100)
async def pay(euros: int) -> str:
    """Pay."""
    return str(euros)


@tool(is_enabled=lambda _context, _agent: True)
async def seasonal() -> str:
    """Works in summer only."""
    return "ok"


@tool(on_interrupt="cancel")
async def search() -> str:
    """Search for long."""
    return "ok"


@tool(on_interrupt="report")
async def book() -> str:
    """Book."""
    return "booked"


@tool
async def keep() -> str:
    """Goes on."""
    return "kept"


@tool(respond="when_idle")
async def later() -> str:
    """Nothing urgent."""
    return "ok"


ORDER = Tool("order", "Find an order", on_interrupt="cancel", timeout=30.0)
AGENT = Agent("A", tools=[delete, pay, seasonal, search, book, keep, later, ORDER])


def responding(config: RunConfig | None = None) -> Driver:
    d = Driver(AGENT, config).start()
    d.respond()
    d.created()
    d.clear()
    return d


def decide(
    d: Driver, call_id: str, approved: bool, message: str = "", always: bool = False
) -> None:
    d.feed(inputs.Decide(call_id, approved, message, d.at, always))


def outputs(d: Driver) -> dict[str, str]:
    items = [e["item"] for e in d.sent if e["type"] == "conversation.item.create"]
    return {i["call_id"]: i["output"] for i in items if i["type"] == "function_call_output"}


def test_a_tool_says_by_itself_that_it_waits_for_approval() -> None:
    d = responding()
    d.call("delete", '{"name": "a"}')
    (event,) = d.of(ToolCallEvent)
    assert event.needs_approval
    assert d.did(effects.RunTool) == []
    decide(d, "c1", approved=True)
    assert [run.call.call_id for run in d.did(effects.RunTool)] == ["c1"]


def test_a_callable_policy_is_asked_before_anything_is_told() -> None:
    d = responding()
    d.call("pay", '{"euros": 500}')
    (question,) = d.did(effects.Examine)
    assert (question.tool, d.of(ToolCallEvent)) == (pay, [])
    d.feed(inputs.Examined("c1", True, True, d.at))
    assert [e.needs_approval for e in d.of(ToolCallEvent)] == [True]
    d.call("pay", '{"euros": 5}', "c2")
    d.feed(inputs.Examined("c2", True, False, d.at))
    assert [run.call.call_id for run in d.did(effects.RunTool)] == ["c2"]


def test_always_holds_for_the_calls_that_wait_and_for_those_to_come() -> None:
    d = responding()
    for number in (1, 2):
        d.call("delete", '{"name": "a"}', f"c{number}")
    decide(d, "c1", approved=True, always=True)
    assert [run.call.call_id for run in d.did(effects.RunTool)] == ["c1", "c2"]
    d.call("delete", '{"name": "b"}', "c3")
    assert [run.call.call_id for run in d.did(effects.RunTool)] == ["c3"]
    assert [e.needs_approval for e in d.of(ToolCallEvent)] == [True, True, False]


def test_a_lasting_rejection_keeps_its_words_and_asks_nobody() -> None:
    d = responding()
    d.call("pay", '{"euros": 500}', "c1")
    d.feed(inputs.Examined("c1", True, True, d.at))
    decide(d, "c1", approved=False, message="No money.", always=True)
    d.call("pay", '{"euros": 1}', "c2")
    assert d.did(effects.Examine) == []
    assert outputs(d) == {"c1": "No money.", "c2": "No money."}
    assert [e.status for e in d.of(ToolResultEvent)] == ["rejected", "rejected"]


def test_a_decision_that_comes_while_the_policy_is_asked_wins() -> None:
    d = responding()
    d.call("pay", '{"euros": 500}', "c1")
    d.feed(inputs.Examined("c1", True, True, d.at))
    d.call("pay", '{"euros": 600}', "c2")
    decide(d, "c1", approved=False, message="Never.", always=True)
    d.feed(inputs.Examined("c2", True, True, d.at))
    assert outputs(d)["c2"] == "Never."


def test_decisions_of_one_call_do_not_hold_for_another_tool() -> None:
    d = responding()
    d.call("pay", '{"euros": 500}', "c1")
    d.feed(inputs.Examined("c1", True, True, d.at))
    decide(d, "c1", approved=True, always=True)
    d.call("delete", '{"name": "a"}', "c2")
    assert d.of(ToolCallEvent)[-1].needs_approval


def test_a_tool_that_was_switched_off_meanwhile_is_not_there() -> None:
    d = responding()
    d.call("seasonal")
    assert len(d.did(effects.Examine)) == 1
    d.feed(inputs.Examined("c1", False, True, d.at))
    d.done()
    assert "does not exist" in outputs(d)["c1"]
    assert [e.error.code for e in d.of(ErrorEvent)] == ["model_behavior"]
    assert "response.create" not in d.types()


def test_a_formatter_words_what_nobody_has_worded() -> None:
    def word(failure: ToolFailure) -> str:
        return failure.kind

    d = responding(RunConfig(failure=word))
    d.call("delete", '{"name": "a"}')
    decide(d, "c1", approved=False)
    (explain,) = d.did(effects.Explain)
    assert (explain.failure.kind, explain.status) == ("rejected", "rejected")
    d.call("unheard_of", call_id="c2")
    (explain,) = d.did(effects.Explain)
    assert (explain.failure.kind, explain.respond) == ("unknown", False)


def test_an_interruption_stops_keeps_or_reports() -> None:
    d = responding()
    for name in ("search", "book", "keep", "order"):
        d.call(name, call_id=name)
    d.done()
    d.speech("started")
    assert [e.call_id for e in d.did(effects.CancelTool)] == ["search", "order"]
    assert outputs(d) == {"search": INTERRUPTED, "order": INTERRUPTED}
    assert [e.status for e in d.of(ToolResultEvent)] == ["cancelled", "cancelled"]
    d.finish("search")  # too late: it was answered
    d.finish("book", "booked")
    assert outputs(d)["book"] == "booked"
    assert "response.create" not in d.types()
    d.feed(inputs.Answer("order", "late", d.at))
    assert isinstance(d.refusal(), ConfigError)


@pytest.mark.parametrize(("name", "asked"), [("book", 0), ("keep", 1)])
def test_only_what_is_kept_lets_the_model_go_on(name: str, asked: int) -> None:
    d = responding()
    d.call(name)
    d.done()
    d.feed(inputs.Interrupt(d.at))
    d.finish("c1")
    assert d.types().count("response.create") == asked


def test_speech_that_does_not_interrupt_stops_no_tool() -> None:
    d = responding(RunConfig(barge_in=False))
    d.call("search")
    d.done()
    d.speech("started")
    assert d.did(effects.CancelTool) == []


def test_when_idle_waits_until_nobody_speaks() -> None:
    d = responding()
    d.audio(1000.0)
    d.call("later")
    d.finish()
    d.done()
    assert "response.create" not in d.types()  # a second of sound is still to play
    d.tick(0.5)
    assert "response.create" not in d.types()
    d.tick(0.6)
    assert d.types().count("response.create") == 1


def test_a_response_that_comes_first_covers_what_waited_for_a_quiet_moment() -> None:
    d = responding()
    d.call("later")
    d.speech("started")
    d.finish()
    d.done()
    d.speech("stopped")
    d.committed()
    d.created("r2")
    d.done("r2")
    d.tick(5.0)
    assert "response.create" not in d.types()


def test_a_fatal_outcome_ends_the_session_with_its_error() -> None:
    d = responding()
    d.call("keep")
    error = GuardrailTripped("no", guardrail="g", stage="tool_input")
    d.feed(inputs.ToolFinished("c1", "no", "rejected", 0.1, d.at, fatal=error))
    (end,) = d.did(effects.End)
    assert end.error is error
    assert outputs(d) == {"c1": "no"}
