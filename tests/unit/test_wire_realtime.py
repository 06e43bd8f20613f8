"""Every realtime event against the type definitions of the `openai` package."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pydantic
import pytest
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent

from support.wire_samples import PCM, members, samples
from voxloop.wire import realtime as rt

SERVER_MODELS = {
    m.model_fields["type"].annotation.__args__[0]: m for m in members(RealtimeServerEvent)
}
CLIENT_MODELS = {
    m.model_fields["type"].annotation.__args__[0]: m for m in members(RealtimeClientEvent)
}


def class_name(wire_type: str) -> str:
    """The rule of the contract: split at '.' and '_', capitalise, join."""
    if wire_type == "error":
        return "ErrorEvent"
    return "".join(word.capitalize() for word in wire_type.replace(".", "_").split("_"))


def test_every_event_of_the_api_has_its_class() -> None:
    assert len(rt.SERVER_EVENTS) == 46
    assert len(rt.CLIENT_EVENTS) == 11
    assert set(rt.SERVER_EVENTS) == set(SERVER_MODELS)
    assert set(rt.CLIENT_EVENTS) == set(CLIENT_MODELS)
    for table in (rt.SERVER_EVENTS, rt.CLIENT_EVENTS):
        for wire_type, cls in table.items():
            assert cls.__name__ == class_name(wire_type)
            assert getattr(rt, cls.__name__) is cls
            assert cls.__name__ in rt.__all__


@pytest.mark.parametrize("wire_type", sorted(SERVER_MODELS))
def test_server_events_keep_every_field(wire_type: str) -> None:
    """Decoding and encoding a sample gives the sample: no field is lost, renamed or reshaped."""
    count = 0
    for sample in samples(SERVER_MODELS[wire_type]):
        text = json.dumps(sample)
        event = rt.decode_server(text)
        assert type(event) is rt.SERVER_EVENTS[wire_type], event
        assert json.loads(rt.encode(event)) == sample
        assert rt.decode_server(text.encode()) == event
        count += 1
    assert count >= 2


@pytest.mark.parametrize("wire_type", sorted(CLIENT_MODELS))
def test_client_events_keep_every_field(wire_type: str) -> None:
    for sample in samples(CLIENT_MODELS[wire_type]):
        event = rt.decode_client(json.dumps(sample))
        assert type(event) is rt.CLIENT_EVENTS[wire_type], event
        assert json.loads(rt.encode(event)) == sample


FUNCTION = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather",
    "parameters": {"type": "object", "properties": {"x": {"type": "string", "default": None}}},
}
WRITTEN: list[Any] = [
    rt.SessionUpdate(
        event_id="e1",
        session=rt.Session(
            type="realtime",
            model="gpt-realtime",
            instructions="",
            output_modalities=["audio"],
            tools=[FUNCTION],
            tool_choice={"type": "function", "name": "get_weather"},
            tracing=None,
            truncation={"type": "retention_ratio", "retention_ratio": 0.5},
            max_output_tokens="inf",
            audio=rt.AudioConfig(
                input=rt.AudioInput(
                    format=rt.AudioFormat(type="audio/pcm", rate=24_000),
                    turn_detection=rt.TurnDetection(
                        type="server_vad", threshold=0.0, create_response=False
                    ),
                    transcription=rt.Transcription(model="gpt-4o-transcribe", language="en"),
                    noise_reduction=None,
                ),
                output=rt.AudioOutput(
                    format=rt.AudioFormat(type="audio/pcmu"), voice={"id": "voice_1"}, speed=1.5
                ),
            ),
        ),
    ),
    rt.SessionUpdate(
        session=rt.Session(
            type="transcription",
            audio=rt.AudioConfig(input=rt.AudioInput(turn_detection=None)),
            include=["item.input_audio_transcription.logprobs"],
        )
    ),
    rt.InputAudioBufferAppend(audio=b"\x00\x01\xff\xfe"),
    rt.InputAudioBufferCommit(),
    rt.InputAudioBufferClear(event_id="x"),
    rt.OutputAudioBufferClear(),
    rt.ConversationItemCreate(
        previous_item_id="root",
        item=rt.Item(
            type="message",
            id="item_1",
            role="user",
            content=[
                rt.ContentPart(type="input_text", text="hello"),
                rt.ContentPart(type="input_audio", audio=b"\x01\x02", transcript="hi"),
                rt.ContentPart(
                    type="input_image", image_url="data:image/png;base64,AA==", detail="low"
                ),
            ],
        ),
    ),
    rt.ConversationItemCreate(
        item=rt.Item(type="function_call_output", call_id="call_1", output="Sunny")
    ),
    rt.ConversationItemDelete(item_id="i"),
    rt.ConversationItemRetrieve(item_id="i"),
    rt.ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=0),
    rt.ResponseCancel(),
    rt.ResponseCancel(response_id="r"),
    rt.ResponseCreate(),
    rt.ResponseCreate(
        response=rt.ResponseParams(
            conversation="none",
            input=[rt.Item(type="function_call", name="f", call_id="c", arguments="{}")],
            metadata={"k": "v"},
            output_modalities=["text"],
            max_output_tokens=1,
        )
    ),
]


def unknown_fields(model: Any, path: str = "$") -> list[str]:
    """Fields that the API's own model does not define, anywhere below ``model``."""
    found = [f"{path}.{name}" for name in (getattr(model, "model_extra", None) or {})]
    if isinstance(model, pydantic.BaseModel):
        for name in type(model).model_fields:
            found += unknown_fields(getattr(model, name), f"{path}.{name}")
    elif isinstance(model, list):
        for index, value in enumerate(model):
            found += unknown_fields(value, f"{path}[{index}]")
    return found


@pytest.mark.parametrize("event", WRITTEN, ids=lambda event: type(event).__name__)
def test_what_we_send_is_what_the_api_defines(event: Any) -> None:
    text = rt.encode(event)
    wire_type = json.loads(text)["type"]
    model = pydantic.TypeAdapter(CLIENT_MODELS[wire_type]).validate_json(text)
    assert model.type == wire_type
    assert unknown_fields(model) == []
    assert rt.decode_client(text) == event


def test_every_client_event_is_written_above() -> None:
    assert {type(event) for event in WRITTEN} == set(rt.CLIENT_EVENTS.values())


def test_null_and_absent_are_two_things() -> None:
    off = rt.AudioInput(turn_detection=None)
    same = rt.AudioInput()
    assert msgspec.json.encode(off) == b'{"turn_detection":null}'
    assert msgspec.json.encode(same) == b"{}"
    assert msgspec.json.decode(b'{"turn_detection":null}', type=rt.AudioInput) == off
    assert msgspec.json.decode(b"{}", type=rt.AudioInput).turn_detection is msgspec.UNSET
    update = rt.SessionUpdate(session=rt.Session(type="realtime", instructions="", tools=[]))
    assert json.loads(rt.encode(update))["session"] == {
        "type": "realtime",
        "instructions": "",
        "tools": [],
    }


def test_audio_is_bytes_in_python_and_base64_on_the_wire() -> None:
    event = rt.decode_server(
        json.dumps(
            {
                "type": "response.output_audio.delta",
                "event_id": "e",
                "response_id": "r",
                "item_id": "i",
                "output_index": 0,
                "content_index": 0,
                "delta": PCM,
            }
        )
    )
    assert isinstance(event, rt.ResponseOutputAudioDelta)
    assert event.delta == bytes(range(48))
    assert json.loads(rt.encode(rt.InputAudioBufferAppend(audio=b"\xfb\xff")))["audio"] == "+/8="


def test_events_are_values() -> None:
    event = rt.ResponseCancel(response_id="r")
    assert event == rt.ResponseCancel(response_id="r")
    with pytest.raises(AttributeError):
        event.response_id = "s"  # type: ignore[misc]
