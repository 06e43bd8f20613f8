from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from voxloop._errors import ConfigError, GuardrailTripped
from voxloop.agents import (
    InputGuardrail,
    OutputGuardrail,
    TextDebounce,
    input_guardrail,
    output_guardrail,
)
from voxloop.agents.guardrail import strictest
from voxloop.tools import (
    Guardrail,
    GuardrailResult,
    RunContext,
    Tool,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    run_guardrails,
    run_tool,
    tool,
    tool_input_guardrail,
    tool_output_guardrail,
)

CONTEXT: RunContext[Any] = RunContext(None, agent_name="A")


def guard(behavior: str, **settings: Any) -> InputGuardrail:
    async def decide(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        await trio.sleep(0)
        if behavior == "fail":
            raise KeyError("secret")
        return GuardrailResult(behavior, f"no {text}")  # type: ignore[arg-type]

    return InputGuardrail(function=decide, name=behavior, **settings)


async def test_all_are_asked_and_the_gravest_counts() -> None:
    verdict = await run_guardrails(
        [guard("allow"), guard("reject"), guard("raise"), guard("allow")], CONTEXT, None, "x"
    )
    assert [check.result.behavior for check in verdict.checks] == [
        "allow", "reject", "raise", "allow",
    ]  # fmt: skip
    assert [check.guardrail.name for check in verdict.tripped] == ["reject", "raise"]
    error = verdict.error()
    assert isinstance(error, GuardrailTripped)
    assert (error.guardrail, error.stage, error.message) == ("raise", "input", "no x")


async def test_they_run_at_once_and_the_same_object_runs_once() -> None:
    arrived = 0
    both = trio.Event()

    async def meet(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            both.set()
        await both.wait()
        return GuardrailResult.allow()

    first, second = InputGuardrail(function=meet), InputGuardrail(function=meet)
    verdict = await run_guardrails([first, second, first], CONTEXT, None, "x")
    assert (arrived, len(verdict.checks), verdict.stopped) == (2, 2, None)


async def test_none_at_all_let_everything_pass() -> None:
    verdict = await run_guardrails([], CONTEXT, None, "x")
    assert (verdict.checks, verdict.stopped, verdict.error()) == ((), None, None)


@pytest.mark.parametrize("on_error", ["allow", "reject", "raise"])
async def test_a_failing_guardrail_does_what_it_was_told(
    on_error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = await run_guardrails([guard("fail", on_error=on_error)], CONTEXT, None, "my secret")
    assert verdict.checks[0].result.behavior == on_error
    assert isinstance(verdict.checks[0].error, KeyError)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "'fail' failed (KeyError)" in warnings[0]
    assert "secret" not in warnings[0]


async def test_a_wrong_answer_and_a_timeout_are_failures() -> None:
    async def wrong(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        return True  # type: ignore[return-value]

    async def slow(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        await trio.sleep_forever()
        raise AssertionError

    guards = [
        InputGuardrail(function=wrong, on_error="reject"),
        InputGuardrail(function=slow, on_error="raise", timeout=0.01),
    ]
    verdict = await run_guardrails(guards, CONTEXT, None, "x")
    assert [type(check.error) for check in verdict.checks] == [TypeError, TimeoutError]
    assert [check.result.behavior for check in verdict.checks] == ["reject", "raise"]


async def test_plain_functions_run_in_a_thread() -> None:
    threads: list[int] = []

    @input_guardrail
    def plain(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        threads.append(threading.get_ident())
        return GuardrailResult.reject("No.", info={"score": 1})

    verdict = await run_guardrails([plain], CONTEXT, None, "x")
    assert threads != [threading.get_ident()]
    assert verdict.stopped is not None
    assert verdict.stopped.result.info == {"score": 1}
    assert plain(CONTEXT, None, "x") == verdict.stopped.result


async def test_a_cancelled_check_ends_its_guardrails() -> None:
    ended: list[str] = []

    async def wait(context: RunContext[Any], agent: object, text: str) -> GuardrailResult:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("x")
        raise AssertionError

    with trio.move_on_after(0.02) as scope:
        guards = [InputGuardrail(function=wait), InputGuardrail(function=wait)]
        await run_guardrails(guards, CONTEXT, None, "x")
    assert scope.cancelled_caught
    assert ended == ["x", "x"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"function": 3}, "needs a function"),
        ({"on_error": "ignore"}, "give 'allow', 'reject' or 'raise'"),
        ({"timeout": 0}, "seconds above 0"),
        ({"every": 0}, "at least 1"),
        ({"release": "later"}, "give 'at_once', 'sentence' or 'turn'"),
    ],
)
def test_a_guardrail_is_checked_when_it_is_made(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OutputGuardrail(**{"function": print, **settings})


def test_decorators_take_settings() -> None:
    @output_guardrail(name="words", every=10, release="turn")
    def check(context: Any, agent: Any, text: str) -> GuardrailResult:
        return GuardrailResult.allow()

    assert (check.name, check.every, check.release, check.stage) == ("words", 10, "turn", "output")
    assert strictest([check, OutputGuardrail(function=print)]) == "turn"  # type: ignore[arg-type]
    assert strictest([]) == "at_once"


async def test_tool_guardrails_stand_around_the_call() -> None:
    order: list[str] = []

    @tool_input_guardrail
    async def before(context: Any, subject: Any, arguments: str) -> GuardrailResult:
        order.append(f"input {subject.name} {arguments}")
        return GuardrailResult.reject("Too far.") if "Mars" in arguments else GuardrailResult()

    @tool_output_guardrail
    async def after(context: Any, subject: Any, output: str) -> GuardrailResult:
        order.append(f"output {output}")
        return GuardrailResult.reject("[removed]") if "phone" in output else GuardrailResult()

    @tool(input_guardrails=[before], output_guardrails=[after])
    async def look(place: str) -> str:
        order.append("run")
        return f"phone of {place}" if place == "Rome" else place

    async def started() -> None:
        order.append("start")

    async def run(arguments: str) -> tuple[str, str]:
        outcome = await run_tool(look, arguments, context=CONTEXT, on_start=started)
        return outcome.output, outcome.status

    assert await run('{"place": "Oslo"}') == ("Oslo", "ok")
    assert order == ['input look {"place": "Oslo"}', "start", "run", "output Oslo"]
    order.clear()
    assert await run('{"place": "Mars"}') == ("Too far.", "rejected")
    assert order == ['input look {"place": "Mars"}']
    assert await run('{"place": "Rome"}') == ("[removed]", "rejected")


async def test_the_time_of_a_tool_is_not_that_of_its_guardrails() -> None:
    async def slow(context: Any, subject: Any, text: str) -> GuardrailResult:
        await trio.sleep(0.3)
        return GuardrailResult.reject("Looked at.") if text == "late" else GuardrailResult.allow()

    @tool(
        timeout=0.1,
        input_guardrails=[ToolInputGuardrail(function=slow)],
        output_guardrails=[ToolOutputGuardrail(function=slow)],
    )
    async def look() -> str:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return "late"  # its time is over, and it has an answer all the same
        return ""

    outcome = await run_tool(look, "{}", context=CONTEXT)
    assert (outcome.output, outcome.status) == ("Looked at.", "rejected")


async def test_a_tool_guardrail_that_raises_ends_the_run() -> None:
    def stop(context: Any, subject: Any, text: str) -> GuardrailResult:
        return GuardrailResult.trip("That is enough.")

    for kind, field in ((ToolInputGuardrail, "input"), (ToolOutputGuardrail, "output")):
        settings: Any = {f"{field}_guardrails": [kind(function=stop)]}

        @tool(**settings)
        async def look() -> str:
            return "secret"

        outcome = await run_tool(look, "{}", context=CONTEXT)
        assert (outcome.status, outcome.fatal) == ("rejected", True)
        assert isinstance(outcome.error, GuardrailTripped)
        assert outcome.error.stage == f"tool_{field}"
        assert "secret" not in outcome.output


def test_guardrails_of_another_stage_are_refused() -> None:
    wrong: Guardrail = InputGuardrail(function=print)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="give a ToolInputGuardrail"):
        Tool("x", input_guardrails=[wrong])  # type: ignore[arg-type]


def test_debounce_counts_characters() -> None:
    debounce = TextDebounce(5)
    assert [debounce.push(delta) for delta in ("abc", "d", "ef", "g")] == [
        None, None, "abcdef", None,
    ]  # fmt: skip
    assert debounce.finish() == "abcdefg"
    assert debounce.finish() is None


def test_a_delta_over_several_marks_makes_one_check_due() -> None:
    debounce = TextDebounce(5)
    assert debounce.push("a" * 17) == "a" * 17
    assert debounce.push("b") is None  # the marks at 5, 10 and 15 are behind
    assert debounce.push("cc") == "a" * 17 + "bcc"


def test_a_short_text_is_checked_at_its_end() -> None:
    debounce = TextDebounce(100)
    assert debounce.push("No.") is None
    assert debounce.finish() == "No."


def test_debounce_stops_at_sentences() -> None:
    debounce = TextDebounce(None, sentences=True)
    assert debounce.push("It costs 3.5 euros") is None
    assert debounce.push(". And") == "It costs 3.5 euros."
    assert debounce.push(" more! Then") == "It costs 3.5 euros. And more!"
    assert debounce.checked == len("It costs 3.5 euros. And more!")
    assert debounce.push("好。") == "It costs 3.5 euros. And more! Then好。"
    assert debounce.finish() is None
    with pytest.raises(ConfigError, match="sentences=True"):
        TextDebounce(None)
