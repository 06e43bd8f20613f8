"""Calls of the model: answered once each, in order, and the model goes on when all are."""

from __future__ import annotations

import pytest

from support.realtime_driver import Driver
from voxloop._errors import ConfigError, ModelBehaviorError
from voxloop.agents import Agent
from voxloop.realtime import AgentStateEvent, ErrorEvent, RunConfig, ToolCallEvent, ToolResultEvent
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.machine.toolcalls import KEPT_CALLS, LATEST_CALLS
from voxloop.tools import Tool, tool


@tool
async def look(place: str) -> str:
    """Look at a place."""
    return place


@tool(respond=False)
async def note(text: str) -> str:
    """Write something down."""
    return text


ORDER = Tool(
    "lookup_order",
    "Find an order",
    {"type": "object", "properties": {"order_id": {"type": "string"}}},
    timeout=30.0,
)
AGENT = Agent("Clerk", "Help.", tools=[look, note, ORDER])


def responding(config: RunConfig | None = None) -> Driver:
    d = Driver(AGENT, config).start()
    d.respond()
    d.created()
    d.clear()
    return d


def outputs(d: Driver) -> list[tuple[str, str]]:
    items = [e["item"] for e in d.sent if e["type"] == "conversation.item.create"]
    return [(i["call_id"], i["output"]) for i in items if i["type"] == "function_call_output"]


def test_a_call_runs_and_its_output_leads_to_one_response() -> None:
    d = responding()
    d.call("look", '{"place": "sea"}')
    (run,) = d.did(effects.RunTool)
    assert (run.tool, run.call.arguments) == (look, '{"place": "sea"}')
    (event,) = d.of(ToolCallEvent)
    assert (event.name, event.args, event.call_id, event.handled) == (
        "look",
        {"place": "sea"},
        "c1",
        True,
    )
    d.done()
    assert d.types() == []
    d.finish(output="blue")
    assert d.types() == ["conversation.item.create", "response.create"]
    assert outputs(d) == [("c1", "blue")]
    (result,) = d.of(ToolResultEvent)
    assert (result.output, result.status, result.duration) == ("blue", "ok", 0.5)


def test_an_output_is_sent_at_once_but_the_response_waits_for_the_end() -> None:
    d = responding()
    d.call("look")
    d.finish()
    assert d.types() == ["conversation.item.create"]
    d.done()
    assert d.types() == ["conversation.item.create", "response.create"]


def test_parallel_calls_lead_to_one_response_after_all_outputs() -> None:
    d = responding()
    d.call("look", call_id="c1")
    d.call("look", call_id="c2")
    d.call("look", call_id="c3")
    d.done()
    d.finish("c2")
    d.finish("c1")
    assert "response.create" not in d.types()
    d.finish("c3")
    assert d.types().count("response.create") == 1
    assert [call_id for call_id, _ in outputs(d)] == ["c2", "c1", "c3"]


def test_a_tool_that_wants_no_answer_gets_none_unless_another_does() -> None:
    d = responding()
    d.call("note", call_id="c1")
    d.finish("c1")
    d.done()
    assert d.types() == ["conversation.item.create"]
    d = responding()
    d.call("note", call_id="c1")
    d.call("look", call_id="c2")
    d.finish("c1")
    d.finish("c2")
    d.done()
    assert d.types().count("response.create") == 1


def test_an_unknown_tool_is_answered_without_a_response() -> None:
    d = responding()
    d.call("fly")
    d.done()
    assert d.types() == ["conversation.item.create"]
    ((_, text),) = outputs(d)
    assert "fly" in text
    assert "lookup_order" in text
    assert isinstance(d.of(ErrorEvent)[0].error, ModelBehaviorError)


def test_the_same_call_again_is_ignored_and_another_under_its_id_is_an_error() -> None:
    d = responding()
    d.call("look", '{"place": "sea"}')
    d.call("look", '{"place": "sea"}')
    assert d.did(effects.RunTool) == []
    d.finish()
    d.call("look", '{"place": "sea"}')
    assert d.did(effects.RunTool) == []
    assert d.of(ErrorEvent) == []
    d.call("look", '{"place": "land"}')
    assert d.did(effects.RunTool) == []
    assert len(d.of(ErrorEvent)) == 1
    assert len(outputs(d)) == 1


def test_a_call_without_id_is_an_error() -> None:
    d = responding()
    d.call("look", call_id="")
    assert d.did(effects.RunTool) == []
    assert len(d.of(ErrorEvent)) == 1


def test_an_incomplete_call_is_not_carried_out() -> None:
    d = responding()
    d.call("look", '{"pla', status="incomplete")
    d.done(status="cancelled")
    assert d.of(ToolCallEvent) == []


def test_a_call_that_only_the_end_of_the_response_tells_is_carried_out() -> None:
    d = responding()
    item = {"id": "f", "type": "function_call", "name": "look", "call_id": "c1", "arguments": "{}"}
    d.done(output=[item])
    assert len(d.did(effects.RunTool)) == 1
    d.finish()
    assert d.types() == ["conversation.item.create", "response.create"]


def test_the_application_answers_what_has_no_handler() -> None:
    d = responding()
    d.call("lookup_order", '{"order_id": "7"}')
    (event,) = d.of(ToolCallEvent)
    assert (event.handled, event.args) == (False, {"order_id": "7"})
    assert d.did(effects.RunTool) == []
    d.done()
    d.feed(inputs.Answer("c1", "shipped", d.at))
    assert outputs(d) == [("c1", "shipped")]
    assert d.types()[-1] == "response.create"
    d.feed(inputs.Answer("c1", "again", d.at))
    assert isinstance(d.refusal(), ConfigError)
    assert len(outputs(d)) == 1


def test_an_answer_to_no_call_is_refused() -> None:
    d = responding()
    d.call("look")
    for call_id in ("c1", "c9"):
        d.feed(inputs.Answer(call_id, "x", d.at))
        assert isinstance(d.refusal(), ConfigError)
    assert outputs(d) == []


def test_an_application_that_does_not_answer_is_answered_for() -> None:
    d = responding()
    d.call("lookup_order")
    d.done()
    d.tick(29.0)
    assert outputs(d) == []
    d.tick(2.0)
    ((call_id, text),) = outputs(d)
    assert call_id == "c1"
    assert "in time" in text
    assert d.of(ToolResultEvent)[0].status == "timeout"
    d.feed(inputs.Answer("c1", "late", d.at))
    assert isinstance(d.refusal(), ConfigError)


def test_arguments_that_are_no_object_are_not_shown_to_the_application() -> None:
    d = responding()
    d.call("lookup_order", "[1]")
    assert d.of(ToolCallEvent) == []
    assert "JSON object" in outputs(d)[0][1]


APPROVAL = RunConfig(tools_to_approve=frozenset({"look"}), approval_timeout=60.0)


def test_a_call_waits_for_approval_and_runs_then() -> None:
    d = responding(APPROVAL)
    d.call("look")
    assert d.did(effects.RunTool) == []
    assert d.of(ToolCallEvent)[0].needs_approval
    d.feed(inputs.Decide("c1", True, None, d.at))
    assert len(d.did(effects.RunTool)) == 1
    d.feed(inputs.Decide("c1", True, None, d.at))
    assert isinstance(d.refusal(), ConfigError)


@pytest.mark.parametrize("message", [None, "Not today."])
def test_a_rejected_call_is_answered_without_running(message: str | None) -> None:
    d = responding(APPROVAL)
    d.call("look")
    d.done()
    d.feed(inputs.Decide("c1", False, message, d.at))
    assert outputs(d) == [("c1", message or "The call was not approved.")]
    assert d.of(ToolResultEvent)[0].status == "rejected"
    assert d.types()[-1] == "response.create"


def test_an_approval_that_does_not_come_is_a_rejection() -> None:
    d = responding(APPROVAL)
    d.call("look")
    d.tick(61.0)
    assert d.of(ToolResultEvent)[0].status == "rejected"


def test_an_end_that_comes_after_the_answer_is_ignored() -> None:
    d = responding()
    d.call("look")
    d.finish()
    d.finish(output="again")
    assert len(outputs(d)) == 1


def test_answers_after_the_end_of_the_session_go_nowhere() -> None:
    d = responding()
    d.call("look")
    d.feed(inputs.Left(d.at))
    d.clear()
    d.finish()
    assert d.effects == []


def test_the_state_says_that_a_tool_runs() -> None:
    d = responding()
    d.call("look")
    d.done()
    d.finish()
    d.created("r2")
    d.done("r2")
    states = [e.state for e in d.of(AgentStateEvent)]
    assert states == ["tool_running", "thinking", "listening"]


def test_the_history_holds_the_call_with_its_output() -> None:
    d = responding()
    item = {"id": "fc_c1", "type": "function_call", "name": "look", "call_id": "c1"}
    d.server("conversation.item.added", item=item)
    d.call("look", '{"place": "sea"}')
    d.finish(output="blue")
    d.server(
        "conversation.item.added",
        item={"id": "o", "type": "function_call_output", "call_id": "c1", "output": "blue"},
    )
    (entry,) = d.state.history.current()
    assert (entry.arguments, entry.output, entry.status) == (
        '{"place": "sea"}',
        "blue",
        "completed",
    )


def test_a_call_that_comes_again_much_later_is_still_known() -> None:
    d = Driver(AGENT).start()
    for number in range(2 * KEPT_CALLS):
        response, call_id = f"r{number}", f"c{number}"
        d.created(response)
        d.call("note", '{"text": "x"}', call_id, response)
        d.done(response)
        d.finish(call_id)
    tools = d.state.tools
    assert len(tools.calls) <= LATEST_CALLS
    assert len(tools.past) == KEPT_CALLS
    d.clear()
    for back in (1, LATEST_CALLS, KEPT_CALLS):
        d.call("note", '{"text": "x"}', f"c{2 * KEPT_CALLS - back}")
    assert not d.did(effects.RunTool)
    d.call("note", '{"text": "x"}', "c0")  # nobody remembers
    assert len(d.did(effects.RunTool)) == 1


def test_the_calls_of_a_response_that_runs_stay_at_hand() -> None:
    d = responding()
    many = LATEST_CALLS + 5
    for number in range(many):
        d.call("look", '{"place": "sea"}', f"c{number}")
        d.finish(f"c{number}")
    assert len(d.state.tools.calls) == many
    assert not d.state.tools.past
    d.call("look", '{"place": "hill"}', "c0")  # other content under an id that is known
    assert isinstance(d.of(ErrorEvent)[-1].error, ModelBehaviorError)


def test_what_the_application_has_answered_long_ago_cannot_be_answered_again() -> None:
    d = responding()
    d.call("lookup_order", "{}", "first")
    d.feed(inputs.Answer("first", "sent", d.at))
    d.done()
    for number in range(LATEST_CALLS + 1):
        d.created(f"s{number}")
        d.call("note", "{}", f"n{number}", f"s{number}")
        d.finish(f"n{number}")
        d.done(f"s{number}")
    assert "first" in d.state.tools.past
    d.feed(inputs.Answer("first", "again", d.at))
    (refused,) = d.did(effects.Refuse)
    assert "answered already" in str(refused.error)
