"""Server events that are broken in any way: nothing is raised, nothing ends."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from support.realtime_driver import Driver
from voxloop._errors import ProtocolError
from voxloop.agents import Agent
from voxloop.realtime import inputs
from voxloop.realtime.effects import End
from voxloop.tools import tool
from voxloop.wire import realtime as rt

ITEM = {
    "id": "i1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": "hi"}, {"type": "output_text", "text": "x"}],
}
CALL = {"id": "f1", "type": "function_call", "name": "look", "call_id": "c1", "arguments": "{}"}
PLACE = {"item_id": "i1", "response_id": "r1", "output_index": 0, "content_index": 0}
RESPONSE = {
    "id": "r1",
    "status": "completed",
    "output": [ITEM, CALL],
    "conversation_id": "conv",
    "status_details": {"type": "failed", "error": {"type": "x", "code": "y", "message": "z"}},
    "usage": {"total_tokens": 3, "input_tokens": 2, "input_token_details": {"text_tokens": 2}},
    "metadata": {"a": "b"},
}
SPOKEN = "conversation.item.input_audio_transcription"
EVENTS: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"type": "realtime", "id": "s", "expires_at": 1}},
    {
        "type": "session.updated",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    },
    {"type": "error", "error": {"type": "t", "code": "c", "message": "m", "event_id": "e"}},
    {"type": "rate_limits.updated", "rate_limits": [{"name": "requests", "remaining": 1}]},
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.done", "response": RESPONSE},
    {"type": "response.output_item.added", "item": ITEM, **PLACE},
    {"type": "response.output_item.done", "item": CALL, **PLACE},
    {"type": "response.output_audio.delta", "delta": "AAAAAAAA", **PLACE},
    {"type": "response.output_audio.done", **PLACE},
    {"type": "response.output_audio_transcript.delta", "delta": "hi", **PLACE},
    {"type": "response.output_audio_transcript.done", "transcript": "hi", **PLACE},
    {"type": "response.output_text.delta", "delta": "hi", **PLACE},
    {"type": "response.output_text.done", "text": "hi", **PLACE},
    {"type": "conversation.item.added", "item": ITEM, "previous_item_id": None},
    {"type": "conversation.item.done", "item": CALL, "previous_item_id": "i1"},
    {"type": "conversation.item.retrieved", "item": ITEM},
    {"type": "conversation.item.deleted", "item_id": "i1"},
    {"type": "conversation.item.truncated", "audio_end_ms": 5, **PLACE},
    {"type": f"{SPOKEN}.delta", "item_id": "u1", "content_index": 0, "delta": "a"},
    {
        "type": f"{SPOKEN}.completed",
        "item_id": "u1",
        "content_index": 0,
        "transcript": "a",
        "usage": {"type": "duration", "seconds": 1},
    },
    {"type": f"{SPOKEN}.failed", "item_id": "u1", "content_index": 0, "error": {"message": "m"}},
    {"type": "input_audio_buffer.speech_started", "item_id": "u1", "audio_start_ms": 1},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "u1", "audio_end_ms": 2},
    {"type": "input_audio_buffer.committed", "item_id": "u1", "previous_item_id": None},
    {"type": "input_audio_buffer.cleared"},
    {
        "type": "input_audio_buffer.timeout_triggered",
        "item_id": "u1",
        "audio_start_ms": 1,
        "audio_end_ms": 2,
    },
]
ODD: list[object] = [
    None,
    -1,
    2**70,
    1.5,
    "",
    "\ud83d\ude00",
    [],
    {},
    [None],
    {"x": 1},
    True,
    "AAA",
]


@tool
async def look() -> str:
    """Look."""
    return ""


def mutate(random_: random.Random, value: Any) -> Any:
    """Change, drop or add one thing somewhere inside."""
    if isinstance(value, dict) and value:
        key = random_.choice(list(value))
        roll = random_.random()
        if roll < 0.2:
            return {name: inner for name, inner in value.items() if name != key}
        if roll < 0.3:
            return {**value, "extra": random_.choice(ODD)}
        return {**value, key: mutate(random_, value[key])}
    if isinstance(value, list) and value:
        index = random_.randrange(len(value))
        return [*value[:index], mutate(random_, value[index]), *value[index + 1 :]]
    return random_.choice(ODD)


def broken_text(random_: random.Random, text: str) -> str:
    """Cut, double or change characters."""
    at = random_.randrange(len(text))
    return random_.choice(
        [text[:at], text[at:], text[:at] + text[at + 1 :], text[:at] + "\x00" + text[at:]]
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_mutated_events(seed: int) -> None:
    random_ = random.Random(seed)
    d = Driver(Agent("A", tools=[look])).start()
    for _ in range(1000):
        event = random_.choice(EVENTS)
        for _ in range(random_.randint(0, 3)):
            event = mutate(random_, event)
        text = json.dumps(event)
        if random_.random() < 0.2:
            text = broken_text(random_, text)
        try:
            given: inputs.Input = inputs.Received(rt.decode_server(text), d.at)
        except ProtocolError as error:
            given = inputs.BadFrame(error, d.at)
        d.feed(given)
        assert not d.did(End), text
        d.at += random_.random() * 0.2
        d.feed(inputs.Tick(d.at))
    assert not d.state.link.over
    assert d.state.history.current() is not None


def test_every_event_as_it_should_be_is_taken() -> None:
    d = Driver(Agent("A", tools=[look])).start()
    for event in EVENTS:
        decoded = rt.decode_server(json.dumps(event))
        assert not isinstance(decoded, (rt.Unknown, rt.Invalid)), event
        d.feed(inputs.Received(decoded, d.at))
