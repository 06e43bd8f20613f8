"""What is not as the documents say: older servers, broken servers, bytes from nowhere."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime.realtime_server_event import RealtimeServerEvent

from support.wire_samples import PCM, members, samples
from voxloop._errors import ProtocolError
from voxloop.wire import realtime as rt


def decode(value: Any) -> Any:
    return rt.decode_server(json.dumps(value))


def test_an_unknown_type_is_kept_whole() -> None:
    raw = {"type": "response.hologram.delta", "delta": {"x": [1, None]}}
    event = decode(raw)
    assert event == rt.Unknown("response.hologram.delta", raw)
    assert json.loads(rt.encode(event)) == raw
    assert rt.decode_client(json.dumps(raw)) == event


def test_unknown_fields_and_values_are_no_failure() -> None:
    event = decode(
        {
            "type": "response.done",
            "event_id": "e",
            "response": {
                "id": "r",
                "status": "dreaming",
                "novel": {},
                "output": [{"type": "new_kind"}],
            },
            "extra": 1,
        }
    )
    assert isinstance(event, rt.ResponseDone)
    assert event.response.status == "dreaming"
    assert event.response.output == [rt.Item(type="new_kind")]


@pytest.mark.parametrize(
    ("old", "cls", "field", "value"),
    [
        ("response.text.delta", rt.ResponseOutputTextDelta, "delta", "x"),
        ("response.text.done", rt.ResponseOutputTextDone, "text", "x"),
        ("response.audio.delta", rt.ResponseOutputAudioDelta, "delta", PCM),
        ("response.audio_transcript.delta", rt.ResponseOutputAudioTranscriptDelta, "delta", "x"),
        ("response.audio_transcript.done", rt.ResponseOutputAudioTranscriptDone, "transcript", "x"),
    ],
)
def test_beta_names_give_the_events_of_today(old: str, cls: type, field: str, value: str) -> None:
    event = decode(
        {"type": old, "item_id": "i", "response_id": "r", "output_index": 1, field: value}
    )
    assert type(event) is cls
    assert (event.item_id, event.response_id, event.output_index) == ("i", "r", 1)
    expected = bytes(range(48)) if value == PCM else value
    assert getattr(event, field) == expected
    assert type(decode({"type": "response.audio.done"})) is rt.ResponseOutputAudioDone


def test_a_beta_session_takes_the_shape_of_today() -> None:
    event = decode(
        {
            "type": "session.created",
            "session": {
                "id": "sess_1",
                "object": "realtime.session",
                "model": "gpt-4o-realtime-preview",
                "modalities": ["text", "audio"],
                "voice": "ash",
                "input_audio_format": "g711_ulaw",
                "output_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1"},
                "turn_detection": None,
                "temperature": 0.8,
                "max_response_output_tokens": "inf",
                "tools": [],
                "expires_at": 1_800_000_000,
            },
        }
    )
    session = event.session
    assert (session.type, session.id, session.expires_at) == ("realtime", "sess_1", 1_800_000_000)
    assert session.output_modalities == ["audio"]
    assert session.max_output_tokens == "inf"
    assert session.audio.input.format == rt.AudioFormat(type="audio/pcmu")
    assert session.audio.output == rt.AudioOutput(
        format=rt.AudioFormat(type="audio/pcm", rate=24_000), voice="ash"
    )
    assert session.audio.input.transcription == rt.Transcription(model="whisper-1")
    assert session.audio.input.turn_detection is None  # off, not absent
    kind = decode({"type": "transcription_session.updated", "session": {"id": "s"}})
    assert isinstance(kind, rt.SessionUpdated)
    assert kind.session.type == "transcription"


def test_null_means_absent_for_previous_item_id() -> None:
    for value in ({"previous_item_id": None}, {}):
        event = decode({"type": "conversation.item.added", "item": {"type": "message"}, **value})
        assert isinstance(event, rt.ConversationItemAdded)
        assert event.previous_item_id is None


def test_required_fields_that_a_server_left_out() -> None:
    heard = decode(
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "i",
            "transcript": "hello",
        }
    )
    assert (heard.transcript, heard.content_index, heard.usage) == ("hello", 0, None)
    begun = decode({"type": "input_audio_buffer.speech_started"})
    assert (begun.item_id, begun.audio_start_ms) == ("", 0)
    failed = decode({"type": "error", "error": {"message": "no", "type": None, "code": None}})
    assert failed.error == rt.ErrorDetail(message="no")
    bare = decode({"type": "error"})
    assert bare.error == rt.ErrorDetail()
    late = decode(
        {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 7.0}
    )
    assert late.audio_end_ms == 7


def test_a_part_that_cannot_be_read_is_left_out() -> None:
    event = decode(
        {
            "type": "response.done",
            "response": {
                "id": "r",
                "status": "completed",
                "usage": "none of your business",
                "metadata": {"n": 3},
                "output": [
                    {"type": "message", "content": [{"type": "output_audio", "audio": "!!!!"}]},
                    {"id": "no type"},
                    {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
                ],
            },
        }
    )
    assert isinstance(event, rt.ResponseDone)
    response = event.response
    assert (response.id, response.status, response.usage) == ("r", "completed", None)
    assert response.output == [
        rt.Item(type="message", content=[rt.ContentPart(type="output_audio")]),
        rt.Item(type="function_call", name="f", call_id="c", arguments="{}"),
    ]


@pytest.mark.parametrize(
    "delta", ["!!!!", "AAA", "AA=A", "AAA=\n", "AA AA", "ÄÄÄÄ", 7, None, ["AAAA"]]
)
def test_audio_that_is_not_base64_never_becomes_other_audio(delta: Any) -> None:
    raw = {"type": "response.output_audio.delta", "item_id": "i", "delta": delta}
    event = decode(raw)
    assert isinstance(event, rt.Invalid)
    assert event.type == "response.output_audio.delta"
    assert event.raw == raw
    assert "delta" in event.error


def test_the_two_events_that_are_only_an_id_need_it() -> None:
    for name in ("conversation.item.deleted", "conversation.item.truncated"):
        assert isinstance(decode({"type": name}), rt.Invalid)


@pytest.mark.parametrize(
    "data",
    ["", "{", "[]", "1", "null", '"x"', "{}", '{"type": 3}', '{"type": ""}', b"\xff\xfe",
     b'{"type": "\xff"}', "[" * 100_000, '{"type":' + '{"a":' * 50_000, '{"a": NaN}', "\ud800"],
)  # fmt: skip
def test_what_is_not_an_event_is_a_protocol_error(data: str | bytes) -> None:
    for decoder in (rt.decode_server, rt.decode_client):
        with pytest.raises(ProtocolError):
            decoder(data)


def test_a_client_is_not_guessed_at() -> None:
    for raw, wanted in [
        ({"type": "conversation.item.delete"}, "item_id"),
        ({"type": "input_audio_buffer.append", "audio": "!!"}, "base64"),
        ({"type": "session.update", "session": {"voice": "ash"}}, "type"),
    ]:
        event = rt.decode_client(json.dumps(raw))
        assert isinstance(event, rt.Invalid)
        assert wanted in event.error


CORPUS = [sample for model in members(RealtimeServerEvent) for sample in list(samples(model))[:3]]


def mutate(rng: random.Random, value: Any, depth: int) -> Any:
    """Change, drop or wrap one random spot of a JSON tree, mostly below its top."""
    if isinstance(value, dict) and value and rng.random() < (0.85 if depth else 0.995):
        keys = [key for key in value if key != "type" or depth or rng.random() < 0.1]
        key = rng.choice(keys or ["type"])
        copy = dict(value)
        if rng.random() < 0.15:
            del copy[key]
        elif rng.random() < 0.1:
            copy[key + "x"] = copy.pop(key)
        else:
            copy[key] = mutate(rng, value[key], depth + 1)
        return copy
    if isinstance(value, list) and value and rng.random() < 0.85:
        copy = list(value)
        index = rng.randrange(len(copy))
        copy[index] = mutate(rng, copy[index], depth + 1)
        return copy
    return rng.choice(
        [None, "", "x", "ü" * 3, 0, -1, 2**70, 1.5, 1e308, True, [], {}, [value], {"v": value}]
    )


def test_ten_thousand_mutants_end_no_session() -> None:
    rng = random.Random(20)
    kinds: dict[str, int] = {}
    for _ in range(10_000):
        raw = rng.choice(CORPUS)
        for _ in range(rng.randint(1, 4)):
            raw = mutate(rng, raw, depth=0)
        try:
            event = rt.decode_server(json.dumps(raw))
        except ProtocolError:
            kind = "ProtocolError"
        else:
            kind = type(event).__name__ if isinstance(event, (rt.Unknown, rt.Invalid)) else "event"
        kinds[kind] = kinds.get(kind, 0) + 1
    # All four ways out are taken, and most mutants are still understood.
    assert set(kinds) == {"event", "Unknown", "Invalid", "ProtocolError"}
    assert kinds["event"] > 7_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_typed_error(data: bytes) -> None:
    for decoder in (rt.decode_server, rt.decode_client):
        try:
            decoder(data)
        except ProtocolError:
            continue
