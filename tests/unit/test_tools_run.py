from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import msgspec
import pytest
import trio

from voxloop._errors import ToolError
from voxloop.tools import RunContext, Tool, ToolOutcome, run_tool, to_text, tool, unknown_tool

CONTEXT = RunContext({"seen": 1}, agent_name="Greeter")


async def run(made: Tool, arguments: str = "{}", **kwargs: Any) -> ToolOutcome:
    return await run_tool(made, arguments, context=CONTEXT, **kwargs)


async def test_a_coroutine_function_runs_on_the_trio_thread() -> None:
    @tool
    async def where(city: str) -> str:
        await trio.lowlevel.checkpoint()
        return f"{city} {threading.current_thread() is threading.main_thread()}"

    outcome = await run(where, '{"city": "Oslo"}')
    assert (outcome.output, outcome.status, outcome.error) == ("Oslo True", "ok", None)
    assert outcome.duration >= 0


async def test_a_plain_function_runs_in_a_worker_thread_and_blocks_nobody() -> None:
    @tool
    def slow() -> bool:
        time.sleep(0.2)
        return threading.current_thread() is threading.main_thread()

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.01)
            ticks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        outcome = await run(slow)
        nursery.cancel_scope.cancel()
    assert outcome.output == "false"
    assert ticks >= 5


async def test_the_limiter_bounds_how_many_plain_functions_run_at_once() -> None:
    running = [0, 0]
    lock = threading.Lock()

    @tool
    def count() -> None:
        with lock:
            running[0] += 1
            running[1] = max(running)
        time.sleep(0.03)
        with lock:
            running[0] -= 1

    limiter = trio.CapacityLimiter(2)
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: run(count, limiter=limiter))
    assert running == [0, 2]


async def test_the_context_tells_the_call() -> None:
    @tool
    def with_context(context: RunContext[dict[str, int]], n: int = 4) -> list[object]:
        return [context.value["seen"], context.agent_name, context.call_id, n]

    context = CONTEXT.for_call(tool_name="with_context", call_id="c1", arguments="{}")
    outcome = await run_tool(with_context, "", context=context)
    assert outcome.output == '[1,"Greeter","c1",4]'
    assert context.for_agent("Tech") == RunContext({"seen": 1}, agent_name="Tech")


async def test_positional_only_parameters() -> None:
    @tool
    def f(a: int, b: int = 5, /, *, c: int = 7) -> list[int]:
        return [a, b, c]

    assert (await run(f, '{"a": 1, "c": 2}')).output == "[1,5,2]"


async def test_handlers_by_hand_take_keywords() -> None:
    def handler(context: RunContext[Any], **values: Any) -> object:
        return [context.agent_name, values]

    made = Tool("f", handler=handler)
    assert (await run(made, '{"a": 1}')).output == '["Greeter",{"a":1}]'

    async def strict(a: int) -> int:
        return a

    outcome = await run(Tool("g", handler=strict), '{"b": 1}')
    assert (outcome.status, outcome.output) == ("error", "Tool 'g' failed: TypeError.")


async def test_a_wrapper_that_hands_back_a_coroutine_is_awaited() -> None:
    async def inner(n: int) -> int:
        await trio.lowlevel.checkpoint()
        return n + 1

    @tool
    def outer(n: int) -> object:
        return inner(n)

    assert (await run(outer, '{"n": 1}')).output == "2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"n": "three"}', "Expected `int`, got `str` - at `$.n`"),
        ("{}", "missing required field `n`"),
        ('{"n": 1, "m": 2}', "unknown field `m`"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"n": ', "not valid JSON"),
        ("n=1", "not valid JSON"),
        ('{"n": 1} {}', "not valid JSON"),
        ('{"n": "\ud800"}', "not valid JSON"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: str, words: str) -> None:
    calls: list[int] = []

    @tool
    def f(n: int) -> None:
        calls.append(n)

    outcome = await run(f, arguments)
    assert outcome.status == "error"
    assert words in outcome.output
    assert "'f' was not run" in outcome.output
    assert calls == []


async def test_an_exception_is_named_but_its_text_stays_here() -> None:
    @tool
    async def f() -> None:
        raise ValueError("key sk-123 refused")

    outcome = await run(f)
    assert (outcome.output, outcome.status) == ("Tool 'f' failed: ValueError.", "error")
    assert isinstance(outcome.error, ValueError)


async def test_a_tool_error_speaks_to_the_model() -> None:
    @tool
    def f() -> None:
        raise ToolError("There is no such room.", tool="f")

    assert (await run(f)).output == "There is no such room."


async def test_a_failing_nursery_inside_a_tool_is_a_failed_tool() -> None:
    @tool
    async def f() -> None:
        async with trio.open_nursery():
            raise KeyError("x")

    assert (await run(f)).output == "Tool 'f' failed: ExceptionGroup."


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_timeout_gives_the_call_up(kind: str) -> None:
    async def slow_async() -> None:
        await trio.sleep(30)

    def slow_sync() -> None:
        time.sleep(2.0)

    made = tool(name="slow", timeout=0.05)(slow_async if kind == "async" else slow_sync)
    started = time.monotonic()
    outcome = await run(made)
    assert time.monotonic() - started < 1.5
    assert outcome.status == "timeout"
    assert outcome.output == "Tool 'slow' took longer than 0.05 s and was stopped."


async def test_a_handler_that_must_not_be_abandoned_is_waited_for() -> None:
    done = threading.Event()

    @tool(timeout=0.02, on_cancel="wait")
    def careful() -> str:
        time.sleep(0.15)
        done.set()
        return "kept"

    outcome = await run(careful)
    assert done.is_set()
    assert (outcome.output, outcome.status) == ("kept", "ok")


async def test_cancellation_is_the_one_thing_that_comes_out() -> None:
    @tool
    async def forever() -> None:
        await trio.sleep_forever()

    with trio.move_on_after(0.02) as scope:
        await run(forever)
    assert scope.cancelled_caught


async def test_a_tool_of_the_application_has_no_handler_here() -> None:
    outcome = await run(Tool("lookup"))
    assert (outcome.status, outcome.output) == (
        "error",
        "Tool 'lookup' has no handler here; answer without it.",
    )


class Weather(msgspec.Struct):
    sky: str


@dataclass
class Place:
    name: str
    since: date


class Sky(Enum):
    CLEAR = "clear"


class Odd:
    def __str__(self) -> str:
        return "odd one"


class Modelled:
    def model_dump(self, *, mode: str) -> dict[str, str]:
        return {"mode": mode}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        (Weather("clear"), '{"sky":"clear"}'),
        (Place("Oslo", date(2026, 1, 2)), '{"name":"Oslo","since":"2026-01-02"}'),
        (Sky.CLEAR, '"clear"'),
        ([Odd()], '["odd one"]'),
        (Modelled(), '{"mode":"json"}'),
    ],
)
def test_outputs_become_text(value: object, text: str) -> None:
    assert to_text(value) == text


async def test_an_output_that_json_cannot_carry_is_told_in_words() -> None:
    loop: list[object] = []
    loop.append(loop)
    made: Callable[[], object] = lambda: loop  # noqa: E731
    outcome = await run(tool(name="f")(made))
    assert (outcome.status, outcome.output) == ("ok", "[[...]]")


def test_the_text_for_an_unknown_tool_names_the_others() -> None:
    assert unknown_tool("x", ["b", "a"]) == (
        "Tool 'x' does not exist. Tools that can be called: a, b."
    )
    assert unknown_tool("x", []).endswith("Tools that can be called: none.")
