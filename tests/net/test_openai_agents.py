"""Agents of the openai-agents package, over real sockets to a scripted Responses API."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from support.voice_runs import events_of, pipeline
from voxloop import voice
from voxloop._errors import (
    AgentError,
    ConcurrencyError,
    ConfigError,
    GuardrailTripped,
    MaxTurnsExceeded,
    UseAfterClose,
)
from voxloop.agents import (
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    OpenAIAgentsWorkflow,
)
from voxloop.testing import HttpServer
from voxloop.testing.http_script import Answer

SSE = {"Content-Type": "text/event-stream"}


def event(number: int, type: str, **fields: Any) -> bytes:
    body = {"type": type, "sequence_number": number, **fields}
    return f"event: {type}\ndata: {json.dumps(body)}\n\n".encode()


def response(*output: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    details = {"cached_tokens": 0, "reasoning_tokens": 0, "cache_write_tokens": 0}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status,
        "output": list(output), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
            "input_tokens_details": details, "output_tokens_details": details,
        },
    }  # fmt: skip


def says(*deltas: str, **options: Any) -> Answer:
    item = {
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "".join(deltas), "annotations": []}],
    }  # fmt: skip
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    opened = {**item, "content": [], "status": "in_progress"}
    pieces = [
        event(0, "response.created", response=response(status="in_progress")),
        event(1, "response.output_item.added", output_index=0, item=opened),
        *(
            event(2, "response.output_text.delta", **place, delta=delta, logprobs=[])
            for delta in deltas
        ),
        event(3, "response.output_text.done", **place, text="".join(deltas), logprobs=[]),
        event(4, "response.output_item.done", output_index=0, item=item),
        event(5, "response.completed", response=response(item)),
    ]
    return Answer(status=200, body=pieces, headers=SSE, chunked=True, **options)


def calls(name: str, arguments: str = "{}") -> Answer:
    item = {
        "type": "function_call", "id": "fc_1", "call_id": f"call_{name}", "name": name,
        "arguments": arguments, "status": "completed",
    }  # fmt: skip
    pieces = [
        event(0, "response.created", response=response(status="in_progress")),
        event(1, "response.output_item.added", output_index=0, item=item),
        event(2, "response.output_item.done", output_index=0, item=item),
        event(3, "response.completed", response=response(item)),
    ]
    return Answer(status=200, body=pieces, headers=SSE, chunked=True)


@pytest.fixture(scope="module")
def agents() -> Any:
    found = pytest.importorskip("agents", reason="the package openai-agents is not installed")
    found.set_tracing_disabled(True)
    return found


class Bench:
    """Agents of the package whose models share one client."""

    def __init__(self, agents: Any, url: str) -> None:
        from openai import AsyncOpenAI

        self.agents = agents
        self.client = AsyncOpenAI(api_key="sk-test", base_url=url, max_retries=0)
        self.model = agents.OpenAIResponsesModel(model="m", openai_client=self.client)

    def agent(self, **settings: Any) -> Any:
        given = {"name": "Clerk", "instructions": "Help.", "model": self.model, **settings}
        return self.agents.Agent(**given)

    @asynccontextmanager
    async def workflow(self, agent: Any = None, **settings: Any) -> AsyncIterator[Any]:
        chosen = agent or self.agent()
        async with OpenAIAgentsWorkflow(chosen, on_close=self.client.close, **settings) as workflow:
            yield workflow


async def collect(workflow: OpenAIAgentsWorkflow, text: str) -> list[AgentEvent]:
    async with workflow.run(text) as turn:
        return [event async for event in turn]


async def test_an_answer_and_the_memory_of_it(agents: Any) -> None:
    with HttpServer(says("Hel", "lo."), says("Again.")) as server:
        async with Bench(agents, server.base_url).workflow() as workflow:
            assert await collect(workflow, "Hi") == [
                AgentText("Hel"),
                AgentText("lo."),
                AgentTextEnd(),
                AgentDone(text="Hello.", agent="Clerk"),
            ]
            assert [item["role"] for item in workflow.history] == ["user", "assistant"]
            await collect(workflow, "And?")
    sent = server.requests[1].json
    assert sent["instructions"] == "Help."
    assert [item["role"] for item in sent["input"]] == ["user", "assistant", "user"]


async def test_tools_run_and_handoffs_stay(agents: Any) -> None:
    threads: list[int] = []

    @agents.function_tool  # type: ignore[untyped-decorator]
    def look(place: str) -> str:
        """Look."""
        threads.append(threading.get_ident())
        return f"Sunny in {place}."

    script = (
        calls("look", '{"place": "Oslo"}'), calls("transfer_to_sales"), says("Yes?"), says("Ten."),
    )  # fmt: skip
    with HttpServer(*script) as server:
        bench = Bench(agents, server.base_url)
        sales = bench.agent(name="Sales", instructions="Sell.")
        first = bench.agent(tools=[look], handoffs=[sales])
        async with bench.workflow(first) as workflow:
            events = await collect(workflow, "x")
            assert [type(e) for e in events] == [
                AgentToolCall, AgentToolResult, AgentHandoff, AgentText, AgentTextEnd, AgentDone,
            ]  # fmt: skip
            assert isinstance(events[0], AgentToolCall)
            assert (events[0].name, events[0].arguments) == ("look", '{"place": "Oslo"}')
            assert isinstance(events[1], AgentToolResult)
            assert (events[1].name, events[1].output) == ("look", "Sunny in Oslo.")
            assert events[2] == AgentHandoff(from_agent="Clerk", to_agent="Sales")
            await collect(workflow, "y")
            assert workflow.foreign_agent is sales
    assert [r.json["instructions"] for r in server.requests] == ["Help.", "Help.", "Sell.", "Sell."]
    assert threads != [threading.get_ident()]


async def test_leaving_early_keeps_what_was_read(agents: Any) -> None:
    with HttpServer(says(*["word "] * 200, gap=0.05), says("ok")) as server:
        async with Bench(agents, server.base_url).workflow() as workflow:
            with trio.fail_after(60):
                async with workflow.run("x") as turn:
                    assert await anext(turn) == AgentText("word ")
                while not server.broken:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert [i["role"] for i in workflow.history] == ["user", "assistant"]
            assert workflow.history[1]["content"] == [{"type": "output_text", "text": "word "}]
            async with workflow.run("y") as turn:
                async for _ in turn:
                    pass
                turn.interrupt(heard="o")
            assert workflow.history[-1]["content"] == [{"type": "output_text", "text": "o"}]


async def test_a_cancelled_turn_leaves_no_trace(agents: Any) -> None:
    with HttpServer(says(*["word "] * 200, gap=0.05), says("ok")) as server:
        async with Bench(agents, server.base_url).workflow() as workflow:
            with trio.move_on_after(0.5) as scope:
                await collect(workflow, "x")
            assert scope.cancelled_caught
            assert workflow.history == ()
            assert (await collect(workflow, "y"))[-1] == AgentDone(text="ok", agent="Clerk")


async def test_failures_are_typed(agents: Any) -> None:
    @agents.input_guardrail  # type: ignore[untyped-decorator]
    async def no_bombs(context: Any, agent: Any, text: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    @agents.function_tool  # type: ignore[untyped-decorator]
    def look() -> str:
        """Look."""
        return "x"

    with HttpServer(says("Hello."), Answer(status=500, body=b"no")) as server:
        bench = Bench(agents, server.base_url)
        async with bench.workflow(bench.agent(input_guardrails=[no_bombs])) as workflow:
            with pytest.raises(GuardrailTripped, match="no_bombs"):
                await collect(workflow, "a bomb")
            assert workflow.history == ()
    with HttpServer(calls("look"), Answer(status=500, body=b"no")) as server:
        bench = Bench(agents, server.base_url)
        async with bench.workflow(bench.agent(tools=[look]), max_turns=1) as workflow:
            with pytest.raises(MaxTurnsExceeded):
                await collect(workflow, "x")
    with HttpServer(Answer(status=500, body=b"no")) as server:
        async with Bench(agents, server.base_url).workflow() as workflow:
            with pytest.raises(AgentError, match="InternalServerError"):
                await collect(workflow, "x")


async def test_behind_a_pipeline(agents: Any) -> None:
    with HttpServer(says("Hello there.")) as server:
        async with Bench(agents, server.base_url).workflow() as workflow:
            events, error = await events_of(pipeline(workflow))
    assert error is None
    assert any(isinstance(e, voice.AudioEvent) for e in events)


class Runner:
    """A runner that needs no package."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps
        self.cancelled = 0
        self.ended = threading.Event()

    def run_streamed(self, agent: Any, input: Any, **settings: Any) -> Any:
        runner = self

        class Result:
            last_agent = SimpleNamespace(name="A")

            async def stream_events(self) -> Any:
                try:
                    async for step in runner.steps():
                        data = SimpleNamespace(type="response.output_text.delta", delta=step)
                        yield SimpleNamespace(type="raw_response_event", data=data)
                finally:
                    runner.ended.set()

            def cancel(self) -> None:
                runner.cancelled += 1

            def to_input_list(self) -> Any:
                return [*input, {"role": "assistant", "content": "x"}]

        return Result()


async def test_a_reader_that_waits_holds_the_other_side_back() -> None:
    given: list[int] = []

    async def many() -> Any:
        for number in range(500):
            given.append(number)
            yield f"{number} "

    async with opened(many) as workflow, workflow.run("x") as turn:
        await anext(turn)
        await trio.sleep(0.2)
        assert len(given) < 50
        with trio.fail_after(60):
            rest = [event async for event in turn]
    assert len(given) == 500
    assert isinstance(rest[-1], AgentDone)


def opened(steps: Any, **settings: Any) -> OpenAIAgentsWorkflow:
    return OpenAIAgentsWorkflow(None, runner=Runner(steps), **settings)


async def one() -> Any:
    yield "a"


async def test_a_runner_that_will_not_end_is_left_alone() -> None:
    stop = threading.Event()

    async def stubborn() -> Any:
        yield "a"
        while not stop.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    try:
        with trio.fail_after(30):
            async with opened(stubborn, close_timeout=0.05) as workflow:
                async with workflow.run("x") as turn:
                    assert await anext(turn) == AgentText("a")
    finally:
        stop.set()
    assert workflow.history[1]["content"] == [{"type": "output_text", "text": "a"}]


async def test_one_turn_at_a_time_and_only_inside_the_block() -> None:
    workflow = opened(one)
    with pytest.raises(UseAfterClose, match="async with"):
        await collect(workflow, "x")
    async with workflow:
        async with workflow.run("x"):
            with pytest.raises(ConcurrencyError):
                async with workflow.run("y"):
                    pass
        assert (await collect(workflow, "z"))[-1] == AgentDone(text="a", agent="A")
    with pytest.raises(UseAfterClose):
        await collect(workflow, "x")
    with pytest.raises(ConcurrencyError, match="opened already"):
        async with workflow:
            pass


async def test_what_is_to_be_closed_is_closed_in_the_loop() -> None:
    loops: list[object] = []

    async def close() -> None:
        loops.append(asyncio.get_running_loop())

    async with opened(one, on_close=close) as workflow:
        await collect(workflow, "x")
        assert loops == []
    assert len(loops) == 1
    with trio.fail_after(5):  # a thread that has ended may be listed for a moment
        while [t for t in threading.enumerate() if "asyncio" in t.name]:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_a_cancel_at_any_moment_ends_the_thread() -> None:
    async def slow() -> Any:
        for _ in range(20):
            await asyncio.sleep(0.002)
            yield "a"

    for step in range(12):
        with trio.move_on_after(0.004 * step):
            async with opened(slow) as workflow:
                await collect(workflow, "x")


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="run_streamed"):
        OpenAIAgentsWorkflow(None, runner=object())
    with pytest.raises(ConfigError, match="max_turns"):
        opened(one, max_turns=0)
