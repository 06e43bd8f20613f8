"""The Responses stream and request against the type definitions of the `openai` package."""

from __future__ import annotations

import json
from typing import Any, get_args

import pydantic
import pytest
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from support.wire_samples import members, minimal
from voxloop._errors import ProtocolError
from voxloop.wire import responses as rs

MODELS = {
    model.model_fields["type"].annotation.__args__[0]: model
    for model in members(ResponseStreamEvent)
}
KNOWN = {str(cls.__struct_config__.tag): cls for cls in get_args(rs.StreamEvent)}


def subset(ours: Any, theirs: Any) -> bool:
    """Whether ``ours`` holds nothing that ``theirs`` does not say."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(key in theirs and subset(value, theirs[key]) for key, value in ours.items())
    return bool(ours == theirs)


def test_the_events_that_a_voice_needs_are_events_of_the_api() -> None:
    assert set(KNOWN) <= set(MODELS)
    assert len(MODELS) > len(KNOWN)


@pytest.mark.parametrize("wire_type", sorted(MODELS))
def test_every_event_of_the_stream_can_be_decoded(wire_type: str) -> None:
    sample = minimal(MODELS[wire_type])
    event = rs.decode_event(json.dumps(sample))
    if wire_type not in KNOWN:
        assert event == rs.Unknown(wire_type, sample)
        return
    assert type(event) is KNOWN[wire_type]
    back = json.loads(rs.encode(event))
    assert back["type"] == wire_type
    assert subset(back, sample)
    # Nothing but the insides of a response is left out.
    assert set(sample) - set(back) <= {"logprobs"}


def test_what_is_sent_is_what_the_api_takes() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    body = rs.encode(
        rs.CreateResponse(
            model="gpt-5.4-mini",
            input=[
                {"role": "user", "content": "hi"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "x"},
            ],
            instructions="be brief",
            tools=[tool],
            tool_choice="auto",
            stream=True,
            store=False,
            reasoning={"effort": "none"},
            text={"verbosity": "low"},
        )
    )
    params = ResponseCreateParamsStreaming
    names = params.__required_keys__ | params.__optional_keys__
    assert set(json.loads(body)) <= names
    pydantic.TypeAdapter(params, config=None).validate_json(body)


def test_servers_that_leave_things_out() -> None:
    event = rs.decode_event(
        '{"type":"response.output_text.delta","delta":"x","content_index":null}'
    )
    assert event == rs.ResponseOutputTextDelta(delta="x", output_index=0, content_index=0)
    nested = rs.decode_event(
        '{"type":"error","error":{"code":"rate_limit_exceeded","message":"slow"}}'
    )
    assert nested == rs.ErrorEvent(code="rate_limit_exceeded", message="slow")
    assert rs.decode_event('{"type":"error"}') == rs.ErrorEvent()


@pytest.mark.parametrize(
    "data",
    ["", "x", "[]", "{}", '{"type":1}', '{"type":"response.completed"}',
     '{"type":"response.output_text.delta","delta":7}', b"\xff", "[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_used_is_a_protocol_error(data: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        rs.decode_event(data)
