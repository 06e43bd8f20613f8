"""What a session update may change, and how it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.server_client import WEATHER
from voxloop.local.server.realtime.settings import (
    SessionSettings,
    initial,
    merge,
    response_settings,
)
from voxloop.local.server.refusal import Refusal


def _new() -> SessionSettings:
    return initial(session_id="sess_1", model="gpt-realtime", expires_at=1)


def _input(**fields: object) -> dict[str, object]:
    return {"audio": {"input": fields}}


def test_defaults_are_those_of_the_protocol() -> None:
    settings = _new()
    assert settings.speaks
    assert settings.answers
    assert not settings.transcribes
    assert settings.turns is not None
    assert (settings.turns.threshold, settings.turns.silence_duration_ms) == (0.5, 500)
    assert settings.wire["audio"]["input"]["turn_detection"]["prefix_padding_ms"] == 300  # type: ignore[index]


def test_only_present_fields_change() -> None:
    first = merge(_new(), {"instructions": "Be brief.", "tools": [WEATHER]})
    second = merge(first, _input(transcription={"model": "whisper-1", "language": "en"}))
    assert second.instructions == "Be brief."
    assert second.tools == (WEATHER,)
    assert second.transcribes
    assert second.turns == first.turns
    assert first.wire is not second.wire
    assert not first.transcribes


def test_empty_and_null_clear() -> None:
    full = merge(_new(), {"instructions": "x", "tools": [WEATHER]} | _input(transcription={}))
    clear = merge(
        full, {"instructions": "", "tools": []} | _input(transcription=None, turn_detection=None)
    )
    assert clear.instructions == ""
    assert clear.tools == ()
    assert not clear.transcribes
    assert clear.turns is None
    assert merge(clear, {"instructions": None}).instructions == ""


def test_eagerness_becomes_a_window() -> None:
    windows = [
        merge(_new(), _input(turn_detection={"type": "semantic_vad", "eagerness": name})).turns
        for name in ("low", "medium", "auto", "high")
    ]
    assert [turns.silence_duration_ms for turns in windows if turns] == [1000, 600, 600, 300]


@pytest.mark.parametrize(
    ("update", "param", "code"),
    [
        ({"temperature": 0.8}, "session.temperature", "unknown_parameter"),
        ({"voice": "marin"}, "session.voice", "unknown_parameter"),
        ({"model": "other"}, "session.model", "cannot_update_model"),
        ({"type": "transcription"}, "session.type", "cannot_update_session_type"),
        ({"type": "nonsense"}, "session.type", "invalid_value"),
        ({"output_modalities": ["audio", "text"]}, "session.output_modalities", "invalid_value"),
        ({"instructions": 5}, "session.instructions", "invalid_type"),
        ({"tools": {}}, "session.tools", "invalid_type"),
        ({"tools": [{"type": "mcp"}]}, "session.tools[0].type", "invalid_value"),
        ({"tools": [WEATHER, WEATHER]}, "session.tools[1].name", "invalid_value"),
        ({"tool_choice": "sometimes"}, "session.tool_choice", "invalid_value"),
        ({"max_output_tokens": 0}, "session.max_output_tokens", "invalid_value"),
        ({"max_output_tokens": True}, "session.max_output_tokens", "invalid_type"),
        (
            _input(turn_detection={"type": "vad"}),
            "session.audio.input.turn_detection.type",
            "invalid_value",
        ),
        (
            _input(turn_detection={"type": "server_vad", "threshold": 2}),
            "session.audio.input.turn_detection.threshold",
            "invalid_value",
        ),
        (
            _input(turn_detection={"type": "server_vad", "eagerness": "low"}),
            "session.audio.input.turn_detection.eagerness",
            "unknown_parameter",
        ),
        (
            _input(turn_detection={"type": "server_vad", "idle_timeout_ms": 4999}),
            "session.audio.input.turn_detection.idle_timeout_ms",
            "invalid_value",
        ),
        (
            _input(transcription={"language": "de"}),
            "session.audio.input.transcription.language",
            "unsupported_language",
        ),
        (
            _input(format={"type": "audio/pcm", "rate": 16000}),
            "session.audio.input.format.rate",
            "invalid_value",
        ),
        ({"audio": {"output": {"voice": "nobody"}}}, "session.audio.output.voice", "invalid_value"),
        ({"audio": {"output": {"speed": 3}}}, "session.audio.output.speed", "invalid_value"),
    ],
)
def test_refusals_name_the_field(update: dict[str, object], param: str, code: str) -> None:
    settings = _new()
    with pytest.raises(Refusal) as caught:
        merge(settings, {"instructions": "kept out", **update})
    assert (caught.value.param, caught.value.code) == (param, code)
    assert settings == _new()  # refused whole


def test_telephone_formats_have_one_rate_which_is_not_shown() -> None:
    update: dict[str, object] = {
        "audio": {
            "input": {"format": {"type": "audio/pcmu", "rate": 8000}},
            "output": {"format": "audio/pcma"},
        }
    }
    settings = merge(_new(), update)
    assert (settings.input_format, settings.output_format) == ("audio/pcmu", "audio/pcma")
    audio = settings.wire["audio"]
    assert audio["input"]["format"] == {"type": "audio/pcmu"}  # type: ignore[index]
    with pytest.raises(Refusal, match="must be 8000"):
        merge(_new(), {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 24000}}}})


def test_voice_is_fixed_after_the_first_audio() -> None:
    started = replace(_new(), audio_started=True)
    with pytest.raises(Refusal) as caught:
        merge(started, {"audio": {"output": {"voice": "marin"}}})
    assert caught.value.code == "cannot_update_voice"
    assert merge(started, {"audio": {"output": {"voice": "heart"}}}).voice == "heart"
    assert merge(_new(), {"audio": {"output": {"voice": "marin"}}}).voice == "marin"


def test_a_response_overrides_for_itself_alone() -> None:
    session = merge(_new(), {"instructions": "session"})
    response = response_settings(
        session, {"instructions": "response", "output_modalities": ["text"]}
    )
    assert response.instructions == "response"
    assert not response.speaks
    assert session.speaks
    with pytest.raises(Refusal) as caught:
        response_settings(session, {"speed": 1})
    assert caught.value.param == "response.speed"
