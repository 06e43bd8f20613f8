"""Turns of an agent over real sockets to a scripted Responses API."""

from __future__ import annotations

import json
from typing import Any

import trio

import voxloop
from support.scripted_http import Answer, scripted
from voxloop.agents import (
    Agent,
    AgentDone,
    AgentText,
    Conversation,
    GuardrailResult,
    InputGuardrail,
    Prompt,
    run_turn,
)
from voxloop.tools import FileSearch, tool

SSE = {"Content-Type": "text/event-stream"}
DONE = {"type": "response.completed", "response": {"id": "r", "status": "completed"}}


def sent(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def says(text: str, kind: str = "output_text") -> list[dict[str, Any]]:
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    done = {"text": text} if kind == "output_text" else {"refusal": text}
    return [
        {"type": f"response.{kind}.delta", **place, "delta": text},
        {"type": f"response.{kind}.done", **place, **done},
    ]


def calls(name: str) -> dict[str, Any]:
    item = {
        "type": "function_call", "id": "fc", "call_id": f"call_{name}", "name": name,
        "arguments": "{}", "status": "completed",
    }  # fmt: skip
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


async def test_what_an_agent_asks_for_reaches_the_server() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    agent = Agent(
        "A",
        tools=[
            look,
            FileSearch(vector_store_ids=("vs_1",), include_search_results=True),
            {"type": "web_search"},
        ],
        prompt=Prompt("pmpt_1", "2", {"name": "Ann"}),
        tool_choice="look",
        parallel_tool_calls=False,
    )
    script = (
        Answer(200, sent(calls("look"), DONE), SSE),
        Answer(200, sent(*says("I may not say.", "refusal"), DONE), SSE),
    )
    with scripted(*script) as server:
        model = voxloop.OpenAI(api_key="sk-test", base_url=server.url).language_model()
        async with run_turn(Conversation(agent), "x", model=model) as turn:
            events = [event async for event in turn]
    assert AgentText("I may not say.") in events  # a refusal is spoken
    first, second = (request.json for request in server.requests)
    assert first["prompt"] == {"id": "pmpt_1", "version": "2", "variables": {"name": "Ann"}}
    assert first["tool_choice"] == {"type": "function", "name": "look"}
    assert first["parallel_tool_calls"] is False
    assert first["include"] == ["file_search_call.results"]
    assert [t["type"] for t in first["tools"]] == ["function", "file_search", "web_search"]
    assert "instructions" not in first
    assert "tool_choice" not in second
    assert [item["type"] for item in second["input"]] == [
        "message", "function_call", "function_call_output",
    ]  # fmt: skip


async def test_a_rejected_input_closes_the_socket_of_the_call() -> None:
    decide = trio.Event()

    async def late(context: Any, agent: Any, text: str) -> GuardrailResult:
        await decide.wait()
        return GuardrailResult.reject("No.")

    agent = Agent("A", input_guardrails=[InputGuardrail(function=late)])
    pieces = [sent(says("word ")[0])] * 400
    with scripted(Answer(200, pieces, SSE, gap=0.05, chunked=True)) as server:
        model = voxloop.OpenAI(api_key="sk-test", base_url=server.url).language_model()
        with trio.fail_after(30):
            async with run_turn(Conversation(agent), "x", model=model) as turn:
                while not server.requests:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                await trio.sleep(0.2)  # the server speaks by now
                decide.set()
                events = [event async for event in turn]
            while not server.broken:  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert [e.delta for e in events if isinstance(e, AgentText)] == ["No."]
    assert isinstance(events[-1], AgentDone)
