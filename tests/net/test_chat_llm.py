"""Any chat endpoint, over real sockets."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio

from support.scripted_http import Answer, answer_json, refusal, scripted
from voxloop._errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    ConnectionClosed,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
)
from voxloop.agents import Agent, AgentDone, AgentText, Conversation, run_turn
from voxloop.agents.items import assistant_item, call_item, output_item, user_item
from voxloop.providers import (
    ChatCompletionsModel,
    LanguageModel,
    ModelDone,
    ModelRequest,
    TextDelta,
    TextDone,
    ToolCall,
)
from voxloop.providers.chat_items import chat_messages
from voxloop.tools import tool

SSE = {"Content-Type": "text/event-stream"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def piece(index: int | None, **fields: Any) -> dict[str, Any]:
    function = {k: fields.pop(k) for k in ("name", "arguments") if k in fields}
    place = {} if index is None else {"index": index}
    return chunk(tool_calls=[{**place, **fields, "function": function}])


def stream(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(c) if isinstance(c, dict) else c}\n\n" for c in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def answer(*chunks: Any, done: bool = True, **options: Any) -> Answer:
    return Answer(200, stream(*chunks, done=done), SSE, **options)


def model_at(url: str, **settings: Any) -> ChatCompletionsModel:
    return ChatCompletionsModel(base_url=url, model="m1", **settings)


async def respond(url: str, request: ModelRequest | None = None, **settings: Any) -> list[Any]:
    async with model_at(url, **settings).respond(request or ModelRequest()) as events:
        return [event async for event in events]


TALK = (
    chunk(role="assistant", content=""),
    chunk(content="Hel"),
    chunk(content="lo."),
    chunk("stop"),
    {"choices": [], "usage": USAGE},
)
SAID = [
    TextDelta("Hel"),
    TextDelta("lo."),
    TextDone("Hello."),
    ModelDone(usage={"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}),
]


async def test_text_and_what_is_sent() -> None:
    with scripted(answer(*TALK)) as server:
        model = model_at(server.url, api_key="sk-x", extra={"temperature": 0.2})
        assert isinstance(model, LanguageModel)
        lookup = {"type": "function", "name": "f", "description": "d", "parameters": {}}
        request = ModelRequest(
            instructions="Be brief.",
            items=(user_item("Hi"),),
            tools=(lookup,),
            tool_choice={"type": "function", "name": "f"},
            parallel_tool_calls=False,
        )
        async with model.respond(request) as events:
            assert [event async for event in events] == SAID
    sent = server.requests[0]
    assert (sent.target, sent.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-x")
    assert sent.json == {
        "model": "m1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "temperature": 0.2,
    }


async def test_no_key_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-account")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    with scripted(answer(*TALK)) as server:
        assert await respond(server.url) == SAID
    headers = server.requests[0].headers
    assert "authorization" not in headers
    assert not any("openai" in name for name in headers)


async def test_calls_are_put_together_by_index() -> None:
    pieces = [
        chunk(content="One moment."),
        piece(0, id="a", name="first", arguments=""),
        piece(1, id="b", name="second", arguments='{"x"'),
        piece(0, arguments='{"y":'),
        piece(1, arguments=":1}"),
        piece(0, arguments="2}"),
        chunk("tool_calls"),
    ]
    with scripted(answer(*pieces)) as server:
        assert await respond(server.url) == [
            TextDelta("One moment."),
            TextDone("One moment."),
            ToolCall(call_id="a", name="first", arguments='{"y":2}'),
            ToolCall(call_id="b", name="second", arguments='{"x":1}'),
            ModelDone(),
        ]


async def test_servers_that_leave_out_index_or_id() -> None:
    pieces = [
        piece(None, id="a", name="first", arguments='{"y":'),
        piece(None, arguments="2}"),
        piece(None, id="b", name="second", arguments="{}"),
        piece(7, name="third"),
        chunk("tool_calls"),
    ]
    with scripted(answer(*pieces, done=False)) as server:
        *calls, done = await respond(server.url)
    assert [(c.name, c.arguments) for c in calls] == [
        ("first", '{"y":2}'), ("second", "{}"), ("third", "{}"),
    ]  # fmt: skip
    assert [c.call_id for c in calls[:2]] == ["a", "b"]
    assert calls[2].call_id.startswith("call_")
    assert done == ModelDone()


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("length", ModelDone(status="incomplete", reason="max_output_tokens")),
        ("content_filter", ModelDone(status="incomplete", reason="content_filter")),
        ("stop", ModelDone()),
        ("some_new_reason", ModelDone()),
    ],
)
async def test_why_it_ended(finish: str, expected: ModelDone) -> None:
    with scripted(answer(chunk(refusal="No"), chunk(finish))) as server:
        assert await respond(server.url) == [TextDelta("No"), TextDone("No"), expected]


async def test_a_call_that_a_limit_cut_off_is_left_out() -> None:
    pieces = [
        piece(0, id="a", name="f", arguments="{}"),
        piece(1, id="b", name="f", arguments='{"x'),
        chunk("length"),
    ]
    with scripted(answer(*pieces)) as server:
        events = await respond(server.url)
    assert [type(e) for e in events] == [ToolCall, ModelDone]


async def test_any_cut_of_the_bytes_gives_the_same_events() -> None:
    data = stream(*TALK)
    rng = random.Random(7)
    for _ in range(5):
        marks = sorted(rng.sample(range(1, len(data)), 20))
        pieces = [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]
        with scripted(Answer(200, pieces, SSE, chunked=True)) as server:
            assert await respond(server.url) == SAID


async def test_a_stream_that_is_cut_short_is_an_error() -> None:
    for options in ({"done": False}, {"done": True}):
        with scripted(answer(chunk(content="Hal"), **options)) as server:  # type: ignore[arg-type]
            with pytest.raises(ConnectionClosed, match="before the answer did"):
                await respond(server.url)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ({"message": "x", "code": "insufficient_quota"}, QuotaExceeded),
        ({"message": "x", "code": "rate_limit_exceeded"}, RateLimited),
        ({"message": "x", "type": "server_error", "code": 500}, ApiError),
        ("out of memory", ApiError),
    ],
)
async def test_errors_inside_the_stream(failure: Any, kind: type[Exception]) -> None:
    with scripted(answer(chunk(content="Hal"), {"error": failure})) as server:
        with pytest.raises(kind):
            await respond(server.url)
    assert len(server.requests) == 1


async def test_refusals_are_typed_and_passing_ones_tried_again() -> None:
    with scripted(refusal(401, "invalid_api_key")) as server:
        with pytest.raises(AuthenticationError):
            await respond(server.url)
    with scripted(refusal(400, "bad")) as server:
        with pytest.raises(ApiError) as caught:
            await respond(server.url)
        assert caught.value.status == 400
    with scripted(refusal(503, "busy", retry_after_ms="1"), answer(*TALK)) as server:
        assert await respond(server.url) == SAID
        assert len(server.requests) == 2


@pytest.mark.parametrize("data", ["nonsense", "[1]", '{"choices": 3}', '{"choices":[{"delta":5}]}'])
async def test_events_that_cannot_be_used(data: str) -> None:
    with scripted(answer(data)) as server:
        with pytest.raises(ProtocolError, match="unusable event"):
            await respond(server.url)
    with scripted(answer_json({"choices": []})) as server:
        with pytest.raises(ProtocolError, match="event stream was expected"):
            await respond(server.url)


async def test_leaving_the_block_ends_the_request() -> None:
    many = [chunk(content="word ")] * 200
    with scripted(
        Answer(200, [stream(c, done=False) for c in many], SSE, gap=0.05, chunked=True)
    ) as server:
        with trio.fail_after(30):
            async with model_at(server.url).respond(ModelRequest()) as events:
                assert await anext(events) == TextDelta("word ")
            while not server.broken:  # noqa: ASYNC110
                await trio.sleep(0.01)


@pytest.mark.parametrize(
    "request_",
    [
        ModelRequest(tools=({"type": "web_search"},)),
        ModelRequest(prompt={"id": "p"}),
        ModelRequest(items=({"type": "message", "role": "user", "content": [{"type": "x"}]},)),
    ],
)
async def test_what_only_the_responses_api_knows_is_refused(request_: ModelRequest) -> None:
    with pytest.raises(ConfigError):
        await respond("http://127.0.0.1:9/v1", request_)


def test_settings_are_checked() -> None:
    for wrong in ({"base_url": "ftp://x", "model": "m"}, {"base_url": "", "model": "m"}):
        with pytest.raises(ConfigError):
            ChatCompletionsModel(**wrong)
    with pytest.raises(ConfigError):
        ChatCompletionsModel(base_url="http://x/v1", model="")


def test_a_history_becomes_messages() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
    items: list[dict[str, object]] = [
        {"role": "developer", "content": "Rules."},
        {"role": "user", "content": [{"type": "input_text", "text": "See:"}, image]},
        assistant_item("I look."),
        call_item(name="f", arguments="{}", call_id="1"),
        call_item(name="g", arguments="", call_id="2"),
        {"type": "reasoning", "summary": []},
        assistant_item("Wait."),
        output_item(call_id="1", output="one"),
        output_item(call_id="9", output="of no call"),
        call_item(name="f", arguments="{}", call_id="3"),
    ]
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    third = {"id": "3", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert chat_messages("", items) == [
        {"role": "system", "content": "Rules."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
            ],
        },
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": "There is no output."},
        {"role": "assistant", "content": "Wait.", "tool_calls": [third]},
        {"role": "tool", "tool_call_id": "3", "content": "There is no output."},
    ]


async def test_an_agent_calls_a_tool_over_a_chat_endpoint() -> None:
    @tool
    async def get_weather(location: str) -> str:
        """Weather."""
        return f"Sunny in {location}."

    first = [piece(0, id="c1", name="get_weather", arguments='{"location": "Oslo"}')]
    with scripted(answer(*first, chunk("tool_calls")), answer(*TALK)) as server:
        conversation = Conversation(Agent("A", "Help.", tools=[get_weather]))
        async with run_turn(conversation, "Weather?", model=model_at(server.url)) as turn:
            events = [event async for event in turn]
    assert "".join(e.delta for e in events if isinstance(e, AgentText)) == "Hello."
    assert isinstance(events[-1], AgentDone)
    assert [m["role"] for m in server.requests[1].json["messages"]] == [
        "system", "user", "assistant", "tool",
    ]  # fmt: skip
    assert conversation.usage["total_tokens"] == 12
