"""Whatever a session is handed: it is taken, or refused with an error that says what would do."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.sessions import until
from voxloop import realtime, testing
from voxloop._errors import AudioFormatError, ConfigError
from voxloop.agents import Agent
from voxloop.realtime.items import as_item
from voxloop.testing import script as s
from voxloop.wire import realtime as rt

Session = realtime.Session
Call = Callable[[Session, Any], Awaitable[object]]

ODD: tuple[Any, ...] = (
    None,
    "",
    b"x",
    3,
    -1,
    2.5,
    math.nan,
    math.inf,
    [],
    [1],
    {},
    {"a": 1},
    object(),
    ("x",),
    10**30,
)
PICTURE = "https://example.org/a.png"
MESSAGE = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "x"}],
}


async def report(session: Session, value: Any) -> None:
    session.report_playback(value, 3)


async def report_ms(session: Session, value: Any) -> None:
    session.report_playback("i", value)


CALLS: dict[str, tuple[Call, tuple[Any, ...]]] = {
    "send_audio": (lambda x, v: x.send_audio(v), ()),
    "send_audio.format": (lambda x, v: x.send_audio(bytes(2), format=v), (None,)),
    "commit_audio": (lambda x, v: x.commit_audio(respond=v), (None,)),
    "report_playback": (report, ()),
    "report_playback.ms": (report_ms, (3, 2.5, 10**30)),
    "send_message": (lambda x, v: x.send_message(v, respond=False), ()),
    "send_message.role": (lambda x, v: x.send_message("x", role=v, respond=False), ()),
    "send_message.respond": (lambda x, v: x.send_message("x", respond=v), ()),
    "send_image": (lambda x, v: x.send_image(v, respond=False), ()),
    "send_image.text": (lambda x, v: x.send_image(PICTURE, text=v, respond=False), (None,)),
    "send_image.detail": (lambda x, v: x.send_image(PICTURE, detail=v, respond=False), ()),
    "add_item": (lambda x, v: x.add_item(v), ()),
    "add_item.previous": (lambda x, v: x.add_item(MESSAGE, previous_item_id=v), (None,)),
    "delete_item": (lambda x, v: x.delete_item(v), ()),
    "respond.instructions": (
        lambda x, v: x.respond(instructions=v, conversation="none"),
        (None, ""),
    ),
    "respond.output_modalities": (
        lambda x, v: x.respond(output_modalities=v, conversation="none"),
        (None,),
    ),
    "respond.conversation": (lambda x, v: x.respond(conversation=v), (None,)),
    "respond.input": (lambda x, v: x.respond(input=v, conversation="none"), (None, [])),
    "respond.metadata": (lambda x, v: x.respond(metadata=v, conversation="none"), (None, {})),
    "respond.tools": (lambda x, v: x.respond(tools=v, conversation="none"), (None, [])),
    "respond.tool_choice": (lambda x, v: x.respond(tool_choice=v, conversation="none"), (None,)),
    "respond.max_output_tokens": (
        lambda x, v: x.respond(max_output_tokens=v, conversation="none"),
        (None, 3),
    ),
    "respond.voice": (lambda x, v: x.respond(voice=v, conversation="none"), (None,)),
    "respond.reasoning_effort": (
        lambda x, v: x.respond(reasoning_effort=v, conversation="none"),
        (None,),
    ),
    "respond.prompt": (lambda x, v: x.respond(prompt=v, conversation="none"), (None,)),
    "send_tool_result": (lambda x, v: x.send_tool_result(v, "x"), ()),
    "approve_tool_call": (lambda x, v: x.approve_tool_call(v), ()),
    "reject_tool_call": (lambda x, v: x.reject_tool_call(v), ()),
    "answer_mcp_approval": (lambda x, v: x.answer_mcp_approval(v, approve=True), ()),
    "answer_mcp_approval.approve": (lambda x, v: x.answer_mcp_approval("r", approve=v), ()),
    "update_agent": (lambda x, v: x.update_agent(v), ()),
    "update_settings": (lambda x, v: x.update_settings(v), ({},)),
    "send_raw": (lambda x, v: x.send_raw(v), ()),
}


async def test_an_argument_is_taken_or_refused_and_the_session_goes_on() -> None:
    wrong: list[str] = []
    async with (
        testing.RealtimeServer(s.conversation(*[s.Write("Hi.")] * 200)) as server,
        realtime.open_session(Agent("A"), provider=server.provider()) as session,
    ):
        for name, (call, fine) in CALLS.items():
            for value in ODD:
                try:
                    await call(session, value)
                    taken = True
                except (ConfigError, AudioFormatError):
                    taken = False
                same = any(type(one) is type(value) and one == value for one in fine)
                if taken != same:
                    wrong.append(f"{name}({value!r}) was {'taken' if taken else 'refused'}")
        assert wrong == []
        async with session.subscribe() as events:
            await session.send_message("Still there?")
            async for event in events:
                if isinstance(event, realtime.AgentEndEvent) and event.status == "completed":
                    break


@pytest.mark.parametrize("name", ["agent", "config", "model_config", "provider", "initial_items"])
async def test_what_a_session_is_opened_with_is_checked_before_anything_is_connected(
    name: str,
) -> None:
    fine: dict[str, tuple[Any, ...]] = {
        "config": (None, {}),
        "model_config": (None, {}),
        "initial_items": ([],),
    }
    async with testing.RealtimeServer() as server:
        for value in ODD:
            if value is None and name == "provider":
                continue
            if any(type(one) is type(value) and one == value for one in fine.get(name, ())):
                continue
            given: dict[str, Any] = {"agent": Agent("A"), "provider": server.provider()}
            given[name] = value
            agent = given.pop("agent")
            with pytest.raises(ConfigError):
                async with realtime.open_session(agent, **given):
                    pass
        assert server.peers == []


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"type": "message", "content": []}, "role"),
        ({"type": "message", "role": "bystander", "content": []}, "role"),
        ({"type": "message", "role": "user", "content": []}, "content"),
        ({**MESSAGE, "content": [{"type": "input_text"}]}, "text"),
        ({**MESSAGE, "content": [{"type": "input_image", "image_url": ""}]}, "image_url"),
        ({**MESSAGE, "content": [{"type": "input_image", "image_url": "data:"}]}, "image_url"),
        ({**MESSAGE, "content": [{"type": "input_audio"}]}, "audio"),
        ({**MESSAGE, "content": [{"text": "x"}]}, "type"),
        ({**MESSAGE, "content": ""}, "content"),
        ({**MESSAGE, "content": 3}, "content"),
        ({"type": "message", "role": "assistant", "content": [{"type": "output_audio"}]}, "words"),
        ({"type": "function_call"}, "name"),
        ({"type": "function_call_output", "output": "x"}, "call_id"),
        ({"type": ""}, "type"),
        (rt.Item(type=3), "type"),  # type: ignore[arg-type]
    ],
)
def test_an_item_that_the_api_would_refuse_is_refused_here(item: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        as_item(item)


def test_a_message_may_be_written_short() -> None:
    assert as_item({"role": "user", "content": "x"}) == as_item(MESSAGE)
    (part,) = as_item({"role": "assistant", "content": "y"}).content or []
    assert (part.type, part.text) == ("output_text", "y")


def test_items_of_kinds_that_are_not_known_pass() -> None:
    assert as_item({"type": "something_new", "name": "x"}).type == "something_new"
    part = {"type": "input_something", "text": "x"}
    assert as_item({**MESSAGE, "content": [part]}).content is not None
    assert as_item({**MESSAGE, "previous": 1}) == as_item(MESSAGE)


async def test_a_response_may_have_settings_of_its_own() -> None:
    async with (
        testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server,
        realtime.open_session(Agent("A"), provider=server.provider()) as session,
    ):
        await session.respond(
            instructions="Be brief.",
            output_modalities=["audio"],
            input=[MESSAGE],
            metadata={"topic": "x"},
            tool_choice="none",
            max_output_tokens="inf",
            voice="cedar",
            parallel_tool_calls=False,
            reasoning_effort="low",
            prompt={"id": "p"},
        )
        await until(session, realtime.AgentEndEvent)
    (request,) = [e["response"] for e in server.received if e["type"] == "response.create"]
    assert request == {
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "input": [MESSAGE],
        "metadata": {"topic": "x"},
        "tool_choice": "none",
        "max_output_tokens": "inf",
        "audio": {"output": {"voice": "cedar"}},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "prompt": {"id": "p"},
    }


def test_what_was_said_is_not_quoted_by_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        as_item({**MESSAGE, "content": [{"type": "input_image", "text": "my secret"}]})
    assert "secret" not in str(caught.value)
