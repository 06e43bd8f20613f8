from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from voxloop._errors import ConfigError
from voxloop.tools import (
    Approvals,
    Decision,
    RunContext,
    Tool,
    ToolFailure,
    approval_needed,
    format_failure,
    is_enabled,
    run_tool,
    tool,
)
from voxloop.tools.approval import KEPT_DECISIONS

CONTEXT: RunContext[Any] = RunContext(None, agent_name="A", call_id="c1")


def test_a_decision_is_about_one_call() -> None:
    before = Approvals()
    after = before.approve("pay", "c1")
    assert before.decision("pay", "c1") is None
    assert after.decision("pay", "c1") == Decision(True, "")
    assert after.decision("pay", "c2") is None
    assert after.reject("pay", "c2").decision("pay", "c2") == Decision(False)


def test_a_lasting_decision_is_about_the_tool_and_keeps_its_message() -> None:
    approvals = Approvals().reject("pay", "c1", always=True, message="Never.")
    assert approvals.decision("pay", "c9") == Decision(False, "Never.", always=True)
    assert approvals.decision("other", "c9") is None
    assert approvals.approve("pay", "c3").decision("pay", "c3") == Decision(True, "")
    assert approvals.forget("pay").decision("pay", "c9") is None
    turned = approvals.approve("pay", "c4", always=True)
    assert turned.decision("pay", "c9") == Decision(True, "", always=True)


def test_decisions_of_single_calls_do_not_pile_up() -> None:
    approvals = Approvals().approve("pay", "first", always=True)
    for number in range(KEPT_DECISIONS):
        approvals = approvals.reject("pay", str(number))
    assert len(approvals.calls) == KEPT_DECISIONS
    assert approvals.decision("pay", "first") == Decision(True, "", always=True)


async def test_a_policy_judges_the_arguments() -> None:
    seen: list[object] = []

    async def large(context: Any, arguments: Mapping[str, object], call_id: str) -> bool:
        seen.append((dict(arguments), call_id))
        return int(str(arguments["euros"])) > 100

    @tool(needs_approval=large)
    async def pay(euros: int, note: str = "") -> None: ...

    assert not await approval_needed(pay, '{"euros": 5}', context=CONTEXT)
    assert await approval_needed(pay, '{"euros": 500}', context=CONTEXT)
    assert seen == [({"euros": 5}, "c1"), ({"euros": 500}, "c1")]


@pytest.mark.parametrize("arguments", ['{"euros": "5"}', "{}", "[1]", '{"euros": ', "\ud800"])
async def test_arguments_that_do_not_fit_need_approval(arguments: str) -> None:
    @tool(needs_approval=lambda context, arguments, call_id: False)
    async def pay(euros: int) -> None: ...

    assert await approval_needed(pay, arguments, context=CONTEXT)


async def test_a_policy_that_fails_or_answers_oddly_needs_approval() -> None:
    @tool(needs_approval=lambda context, arguments, call_id: 1 / 0)  # type: ignore[arg-type,return-value]
    async def one() -> None: ...

    @tool(needs_approval=lambda context, arguments, call_id: None)  # type: ignore[arg-type,return-value]
    async def two() -> None: ...

    assert await approval_needed(one, "{}", context=CONTEXT)
    assert await approval_needed(two, "{}", context=CONTEXT)
    assert await approval_needed(Tool("x", needs_approval=True), "{}", context=CONTEXT)
    assert not await approval_needed(Tool("x"), "not json", context=CONTEXT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("needs_approval", "yes"),
        ("is_enabled", 1),
        ("respond", "later"),
        ("on_interrupt", "finish"),
        ("on_cancel", None),
        ("timeout_behavior", "error"),
        ("error_behavior", True),
        ("failure", "text"),
        ("input_guardrails", [print]),
        ("output_guardrails", "x"),
    ],
)
def test_settings_are_checked_when_a_tool_is_made(field: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        Tool("x", **{field: value})


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="no setting time_out"):
        tool(time_out=3)(print)  # type: ignore[call-overload]


async def test_enabled_is_asked() -> None:
    async def later(context: Any, agent: Any) -> bool:
        return agent == "A"

    assert await is_enabled(True, CONTEXT, "B")
    assert await is_enabled(later, CONTEXT, "A")
    assert not await is_enabled(lambda context, agent: False, CONTEXT, "A")
    with pytest.raises(ConfigError, match="gave str"):
        await is_enabled(lambda context, agent: "yes", CONTEXT, "A")  # type: ignore[arg-type,return-value]


async def test_failures_are_worded_by_the_tool_then_by_the_run() -> None:
    async def of_tool(failure: ToolFailure) -> str:
        return f"tool: {failure.kind} {failure.call_id}"

    def of_run(failure: ToolFailure) -> str:
        return f"run: {failure.kind} {type(failure.error).__name__}"

    @tool(failure=of_tool)
    async def own() -> None:
        raise ValueError("secret")

    @tool
    async def plain() -> None:
        raise ValueError("secret")

    async def run(one: Tool, arguments: str = "{}") -> str:
        return (await run_tool(one, arguments, context=CONTEXT, formatter=of_run)).output

    assert await run(own) == "tool: error c1"
    assert await run(own, "{") == "tool: arguments c1"
    assert await run(plain) == "run: error ValueError"


@pytest.mark.parametrize("formatter", [lambda failure: 1 / 0, lambda failure: None])
async def test_a_formatter_that_fails_counts_as_none(formatter: Any) -> None:
    failure = ToolFailure(kind="unknown", tool="x", text="There is no x.")
    assert await format_failure(failure, None, formatter) == "There is no x."


async def test_a_tool_may_ask_that_its_failure_is_raised() -> None:
    import trio

    @tool(timeout=0.01, timeout_behavior="raise", error_behavior="raise")
    async def f(*, wait: bool) -> None:
        if wait:
            await trio.sleep_forever()
        raise ValueError("x")

    late = await run_tool(f, '{"wait": true}', context=CONTEXT)
    assert (late.status, late.fatal, getattr(late.error, "code", "")) == (
        "timeout", True, "tool_timeout",
    )  # fmt: skip
    failed = await run_tool(f, '{"wait": false}', context=CONTEXT)
    assert (failed.status, failed.fatal, type(failed.error)) == ("error", True, ValueError)
