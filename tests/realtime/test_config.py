"""Settings are checked when they are made, and their JSON is that of the GA protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from voxloop._errors import ConfigError
from voxloop.realtime import (
    ModelConfig,
    NoiseReduction,
    RunConfig,
    SessionModelSettings,
    Transcription,
    TurnDetection,
)
from voxloop.realtime.machine.settings import (
    applied,
    changed,
    param_path,
    payload,
    to_wire,
    without,
)
from voxloop.wire import realtime as rt


def tree(settings: SessionModelSettings | None = None, **given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"instructions": "Hi", "tools": (), "voice": None, **given}
    return payload(settings or SessionModelSettings(), **values)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TurnDetection(type="client_vad"),  # type: ignore[arg-type]
        lambda: TurnDetection(type="server_vad", threshold=1.5),
        lambda: TurnDetection(type="semantic_vad", threshold=0.5),
        lambda: TurnDetection(type="semantic_vad", idle_timeout_ms=100),
        lambda: TurnDetection(type="server_vad", silence_duration_ms=-1),
        lambda: TurnDetection(type="server_vad", eagerness="low"),
        lambda: TurnDetection(eagerness="eager"),  # type: ignore[arg-type]
        lambda: Transcription(language="en", languages=("de",)),
        lambda: Transcription(delay="huge"),
        lambda: NoiseReduction(type="room"),  # type: ignore[arg-type]
        lambda: SessionModelSettings(output_modalities=("audio", "text")),
        lambda: SessionModelSettings(output_modalities=()),
        lambda: SessionModelSettings(speed=2.0),
        lambda: SessionModelSettings(input_format="pcm8"),  # type: ignore[arg-type]
        lambda: SessionModelSettings(tool_choice="maybe"),
        lambda: SessionModelSettings(max_output_tokens=0),
        lambda: SessionModelSettings(max_output_tokens=5000),
        lambda: SessionModelSettings(reasoning_effort="extreme"),
        lambda: RunConfig(tool_concurrency=0),
        lambda: RunConfig(close_timeout=-1.0),
        lambda: ModelConfig(model="m", call_id="c"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(make: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(str(caught.value)) > 15


def test_every_setting_stands_at_its_path() -> None:
    settings = SessionModelSettings(
        output_modalities=("text",),
        voice={"id": "voice_1"},
        speed=0.8,
        turn_detection=TurnDetection(
            type="server_vad",
            threshold=0.4,
            prefix_padding_ms=200,
            silence_duration_ms=300,
            idle_timeout_ms=6000,
            create_response=False,
        ),
        transcription=Transcription(model="gpt-transcribe", languages=("en", "de"), prompt="x"),
        noise_reduction=NoiseReduction(type="far_field"),
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=True,
        max_output_tokens="inf",
        reasoning_effort="low",
        prompt={"id": "pmpt_1"},
        tracing="auto",
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        include=("item.input_audio_transcription.logprobs",),
    )
    session = rt.encode(rt.SessionUpdate(session=to_wire(tree(settings))))
    event = rt.decode_client(session)
    assert isinstance(event, rt.SessionUpdate)
    made = event.session
    assert made.output_modalities == ["text"]
    assert made.audio is not None
    incoming, outgoing = made.audio.input, made.audio.output
    assert outgoing is not None
    assert incoming is not None
    assert (outgoing.voice, outgoing.speed) == ({"id": "voice_1"}, 0.8)
    assert incoming.turn_detection == rt.TurnDetection(
        type="server_vad",
        threshold=0.4,
        prefix_padding_ms=200,
        silence_duration_ms=300,
        idle_timeout_ms=6000,
        create_response=False,
    )
    assert incoming.transcription == rt.Transcription(
        model="gpt-transcribe", languages=["en", "de"], prompt="x"
    )
    assert incoming.noise_reduction == rt.NoiseReduction(type="far_field")
    assert made.tool_choice == {"type": "function", "name": "f"}
    assert made.parallel_tool_calls is True
    assert made.max_output_tokens == "inf"
    assert made.reasoning == {"effort": "low"}
    assert made.prompt == {"id": "pmpt_1"}
    assert made.tracing == "auto"
    assert made.truncation == {"type": "retention_ratio", "retention_ratio": 0.8}
    assert made.include == ["item.input_audio_transcription.logprobs"]


def test_off_is_said_and_unset_is_not() -> None:
    settings = SessionModelSettings(turn_detection=None, transcription=None)
    text = rt.encode(rt.SessionUpdate(session=to_wire(tree(settings))))
    assert '"turn_detection":null' in text
    assert '"transcription":null' in text
    for absent in ("noise_reduction", "speed", "tool_choice", "tracing", "prompt", "include"):
        assert absent not in text


def test_the_agents_voice_comes_first() -> None:
    assert tree(voice="cedar")["audio"]["output"]["voice"] == "cedar"
    assert tree()["audio"]["output"]["voice"] == "marin"


def test_an_attached_session_leaves_the_formats_alone() -> None:
    audio = tree(attached=True)["audio"]
    assert "format" not in audio["input"]
    assert "format" not in audio["output"]


@pytest.mark.parametrize(
    "change",
    [
        {"speed": 1.5},
        {"turn_detection": None},
        {"transcription": None},
        {"turn_detection": TurnDetection(type="server_vad")},
        {"noise_reduction": NoiseReduction()},
        {"voice": "ash", "max_output_tokens": 10},
        {"tool_choice": "none", "tracing": "auto", "include": ("x",)},
    ],
)
def test_differences_lead_from_the_old_to_the_new_and_back(change: dict[str, Any]) -> None:
    old = SessionModelSettings()
    before, after = tree(old), tree(replace(old, **change))
    there = changed(before, after, voice_fixed=False)
    assert there
    assert applied(before, there) == after
    back = changed(after, before, voice_fixed=False)
    assert applied(after, back) == before
    assert changed(after, after, voice_fixed=False) == {}


def test_a_leaf_can_be_taken_out() -> None:
    path = param_path("session.audio.output.voice")
    assert without({"audio": {"output": {"voice": "x"}}, "tools": []}, path) == {"tools": []}
    assert without({"tools": []}, path) == {"tools": []}
    assert without({"tools": []}, param_path(None)) == {"tools": []}
    assert param_path("voice") == ("audio", "output", "voice")


def test_no_key_in_a_repr() -> None:
    config = ModelConfig(api_key="sk-secret", headers={"Authorization": "Bearer sk-secret"})
    assert "sk-secret" not in repr(config)
