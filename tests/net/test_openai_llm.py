"""The response stream over real sockets."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio

import voxloop
from voxloop._errors import (
    ApiError,
    AuthenticationError,
    ConnectionClosed,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
)
from voxloop.providers import ModelDone, ModelRequest, TextDelta, TextDone, ToolCall
from voxloop.testing import HttpServer
from voxloop.testing.http_script import Answer, json_answer, refusal

SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}


def event(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, **fields}


def text(delta: str) -> dict[str, Any]:
    return event(
        "response.output_text.delta", item_id="m", output_index=0, content_index=0, delta=delta
    )


def call(name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    item = {
        "type": "function_call",
        "id": f"fc_{name}",
        "call_id": f"call_{name}",
        "name": name,
        "arguments": arguments,
        "status": status,
    }
    return event("response.output_item.done", output_index=1, item=item)


CREATED = event("response.created", response={"id": "r", "status": "in_progress"})
DONE = event("response.completed", response={"id": "r", "status": "completed", "usage": USAGE})


def stream(*events: dict[str, Any], end: str = "\n") -> bytes:
    return "".join(
        f"event: {e['type']}{end}data: {json.dumps(e)}{end}{end}" for e in events
    ).encode()


def answer(*events: dict[str, Any], **options: Any) -> Answer:
    return Answer(status=200, body=stream(*events), headers=SSE, **options)


async def collect(opening: Any, heard: list[Any]) -> None:
    async with opening as events:
        async for item in events:
            heard.append(item)


async def respond(url: str, request: ModelRequest | None = None) -> list[Any]:
    model = voxloop.OpenAI(api_key="sk-test", base_url=url).language_model()
    async with model.respond(request or ModelRequest()) as events:
        return [event async for event in events]


TALK = (
    CREATED,
    event("response.in_progress", response={"id": "r"}),
    event("response.output_item.added", output_index=0, item={"type": "message", "id": "m"}),
    event("response.reasoning_summary_text.delta", delta="thinking", item_id="x"),
    text("It is "),
    text("sunny. ☀"),
    text(""),
    event(
        "response.output_text.done",
        item_id="m",
        output_index=0,
        content_index=0,
        text="It is sunny. ☀",
    ),
    event("response.output_item.done", output_index=0, item={"type": "message", "id": "m"}),
    call("get_weather", '{"location": "Berlin"}'),
    event("response.hologram", anything=[1, 2]),
    DONE,
)
HEARD = [
    TextDelta("It is "),
    TextDelta("sunny. ☀"),
    TextDone("It is sunny. ☀"),
    ToolCall(
        call_id="call_get_weather",
        name="get_weather",
        arguments='{"location": "Berlin"}',
        item_id="fc_get_weather",
    ),
    ModelDone(usage=USAGE),
]


async def test_text_tool_call_and_end() -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    request = ModelRequest(
        instructions="be brief",
        items=({"role": "user", "content": "weather?"},),
        tools=(tool,),
        tool_choice="required",
    )
    with HttpServer(answer(*TALK)) as server:
        assert await respond(server.base_url, request) == HEARD
    (sent,) = server.requests
    assert (sent.method, sent.target) == ("POST", "/v1/responses")
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.json == {
        "model": "gpt-5.4-mini",
        "input": [{"role": "user", "content": "weather?"}],
        "instructions": "be brief",
        "tools": [tool],
        "tool_choice": "required",
        "stream": True,
        "store": False,
        "reasoning": {"effort": "none"},
        "text": {"verbosity": "low"},
    }


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gpt-4.1-mini", {}),
        ("gpt-5-nano", {"reasoning": {"effort": "minimal"}, "text": {"verbosity": "low"}}),
        ("gpt-5.2-2025-12-11", {"reasoning": {"effort": "none"}, "text": {"verbosity": "low"}}),
        ("somebody/else-7b", {}),
    ],
)
async def test_a_model_gets_only_what_it_takes(model: str, fields: dict[str, Any]) -> None:
    with HttpServer(answer(DONE)) as server:
        await respond(server.base_url, ModelRequest(model=model, tool_choice="auto"))
    expected = {"model": model, "input": [], "stream": True, "store": False}
    assert server.requests[0].json == {**expected, **fields}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("seed", range(3))
async def test_the_stream_may_be_split_anywhere(end: str, seed: int) -> None:
    rng = random.Random(seed)
    head = f": ping{end}{end}".encode()
    body, pieces = head + stream(*TALK, end=end) + f"data: [DONE]{end}{end}".encode(), []
    while body:
        size = rng.choice([1, 2, 3, 17, 200])
        pieces.append(body[:size])
        body = body[size:]
    with HttpServer(Answer(status=200, body=pieces, headers=SSE, chunked=True)) as server:
        assert await respond(server.base_url) == HEARD


async def test_a_delta_comes_before_the_stream_is_over() -> None:
    slow = Answer(
        status=200,
        body=[stream(CREATED, text("a")), stream(DONE)],
        headers=SSE,
        chunked=True,
        gap=1.0,
    )
    model_of = voxloop.OpenAI(api_key="k", base_url="http://127.0.0.1:9").language_model
    assert model_of()  # makes no connection
    with HttpServer(slow) as server:
        model = voxloop.OpenAI(api_key="k", base_url=server.base_url).language_model()
        async with model.respond(ModelRequest()) as events:
            started = trio.current_time()
            assert await anext(events) == TextDelta("a")
            assert trio.current_time() - started < 0.9
            assert await anext(events) == ModelDone(usage=USAGE)
            assert await anext(events, "end") == "end"


async def test_a_refusal_is_spoken_and_a_limit_is_told() -> None:
    refusal_delta = event("response.refusal.delta", output_index=0, content_index=0, delta="No.")
    refusal_done = event("response.refusal.done", output_index=0, content_index=0, refusal="No.")
    details = {"reason": "max_output_tokens"}
    cut = event("response.incomplete", response={"id": "r", "incomplete_details": details})
    half = call("half", '{"x": ', status="incomplete")
    with HttpServer(answer(CREATED, refusal_delta, refusal_done, half, cut)) as server:
        assert await respond(server.base_url) == [
            TextDelta("No."),
            TextDone("No."),
            ModelDone(status="incomplete", reason="max_output_tokens"),
        ]


@pytest.mark.parametrize(
    ("last", "kind", "code"),
    [
        (event("error", code="server_error", message="boom"), ApiError, "server_error"),
        (event("error", error={"code": "slow_down", "message": "m"}), RateLimited, "slow_down"),
        (
            event("response.failed", response={"error": {"code": "server_error", "message": "b"}}),
            ApiError,
            "server_error",
        ),
        (
            event("response.failed", response={"error": {"code": "insufficient_quota"}}),
            QuotaExceeded,
            "insufficient_quota",
        ),
        (event("response.failed", response={}), ApiError, "api_error"),
    ],
)
async def test_a_failure_in_the_stream(last: dict[str, Any], kind: type, code: str) -> None:
    heard: list[Any] = []
    with HttpServer(answer(CREATED, text("a"), last)) as server:
        model = voxloop.OpenAI(api_key="k", base_url=server.base_url).language_model()
        with pytest.raises(kind) as caught:
            await collect(model.respond(ModelRequest()), heard)
    assert heard == [TextDelta("a")]
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (answer(CREATED, text("a")), ConnectionClosed),
        (answer(CREATED, text("a"), cut="reset"), ConnectionClosed),
        (Answer(status=200, body=b"data: {not json\n\n", headers=SSE), ProtocolError),
        (Answer(status=200, body=b"data: []\n\n", headers=SSE), ProtocolError),
        (json_answer({"id": "r"}), ProtocolError),
        (Answer(status=200, body=b"<html>", headers={"Content-Type": "text/html"}), ProtocolError),
        (refusal(401, "invalid_api_key"), AuthenticationError),
        (refusal(400, "context_length_exceeded"), ApiError),
    ],
    ids=["no-end", "cut", "not-json", "array", "json", "html", "401", "400"],
)
async def test_a_bad_answer_is_a_typed_error_and_is_not_asked_for_again(
    bad: Answer, kind: type
) -> None:
    with HttpServer(bad, answer(DONE)) as server, pytest.raises(kind):
        await respond(server.base_url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [refusal(429, "rate_limit_exceeded", retry_after_ms="10"), Answer(drop=True),
     Answer(headers=SSE), Answer(body=b": hello\n\n", headers=SSE, cut="reset")],
    ids=["429", "dropped", "empty", "cut"],
)  # fmt: skip
async def test_tried_again_before_the_first_event(fault: Answer) -> None:
    with HttpServer(fault, answer(*TALK)) as server:
        assert await respond(server.base_url) == HEARD
    assert len(server.requests) == 2


async def test_leaving_the_block_ends_the_request() -> None:
    endless = Answer(
        status=200, body=[stream(text("a"))] * 5000, headers=SSE, chunked=True, gap=0.005
    )
    with HttpServer(endless) as server:
        model = voxloop.OpenAI(api_key="k", base_url=server.base_url).language_model()
        async with model.respond(ModelRequest()) as events:
            await anext(events)
        with trio.fail_after(2):
            while not server.broken:  # noqa: ASYNC110 - it is another thread's counter
                await trio.sleep(0.01)
