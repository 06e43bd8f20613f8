"""Whatever a settings object is made with: it is taken, or a `ConfigError` names the field."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from voxloop import net, realtime
from voxloop._errors import ConfigError
from voxloop.realtime import (
    ModelConfig,
    NoiseReduction,
    Prices,
    Reconnect,
    RunConfig,
    SessionModelSettings,
    Transcription,
    TurnDetection,
)
from voxloop.realtime.machine.settings import payload, to_wire
from voxloop.wire import realtime as rt

CLASSES: tuple[Any, ...] = (
    TurnDetection,
    Transcription,
    NoiseReduction,
    SessionModelSettings,
    RunConfig,
    ModelConfig,
    Reconnect,
    Prices,
)
ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    b"x",
    3,
    -1,
    0,
    2.5,
    math.nan,
    math.inf,
    True,
    [],
    [1],
    {},
    {"a": 1},
    object(),
    ("x",),
    {"type": "x"},
    10**30,
)
FIELDS = [(kind, field.name) for kind in CLASSES for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda v: getattr(v, "__name__", v))
def test_a_value_fits_or_is_named(kind: Any, name: str) -> None:
    refused: list[str] = []
    for value in ODD:
        try:
            made = kind(**{name: value})
        except ConfigError as error:
            refused.append(str(error))
        else:
            repr(made)
            if kind is SessionModelSettings:
                tree = payload(made, instructions="", tools=(), voice=None)
                assert json.loads(rt.encode(rt.SessionUpdate(session=to_wire(tree))))
    assert len(refused) > 3, f"{kind.__name__}.{name} takes nearly everything"
    assert all(len(told) > 10 for told in refused)


def test_parts_may_be_mappings_and_lists_may_stand_for_tuples() -> None:
    settings: Any = {
        "output_modalities": ["text"],
        "turn_detection": {"type": "server_vad", "threshold": 0.4},
        "transcription": {"model": "gpt-transcribe", "languages": ["en", "de"]},
        "noise_reduction": {"type": "far_field"},
    }
    config = RunConfig(model_settings=settings, tools_to_approve=["pay"])  # type: ignore[arg-type]
    made = config.model_settings
    assert made.output_modalities == ("text",)
    assert made.turn_detection == TurnDetection(type="server_vad", threshold=0.4)
    assert made.transcription == Transcription(model="gpt-transcribe", languages=("en", "de"))
    assert made.noise_reduction == NoiseReduction(type="far_field")
    assert config.tools_to_approve == {"pay"}
    target = ModelConfig(transport={"ping_interval": 5.0})  # type: ignore[arg-type]
    assert target.transport == net.WebSocketOptions(ping_interval=5.0)
    with pytest.raises(ConfigError, match="no field 'treshold'"):
        SessionModelSettings(turn_detection={"type": "server_vad", "treshold": 1})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="semantic_vad"):
        SessionModelSettings(turn_detection={"eagerness": "low", "type": "server_vad"})  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    made = SessionModelSettings(speed=np.float32(0.5), max_output_tokens=np.int64(7))
    assert (type(made.speed), type(made.max_output_tokens)) == (float, int)


@pytest.mark.parametrize("secret", [b"sk-canary-1", ["sk-canary-1"]])
def test_a_key_of_a_wrong_kind_is_not_shown(secret: Any) -> None:
    for given in ({"api_key": secret}, {"headers": {"api-key": secret}}, {"headers": secret}):
        with pytest.raises(ConfigError) as caught:
            ModelConfig(**given)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        ({"model": "whisper-1", "languages": ("en",)}, "languages"),
        ({"keywords": ("voxloop",)}, "keywords"),
        ({"model": "gpt-transcribe", "delay": "low"}, "delay"),
        ({"model": "gpt-realtime-whisper", "prompt": "names"}, "prompt"),
    ],
)
def test_what_a_model_is_known_not_to_take_is_refused(
    given: Mapping[str, Any], absent: str
) -> None:
    with pytest.raises(ConfigError, match=absent):
        Transcription(**given)
    Transcription(**{**given, "model": "my-own"})


def test_a_setting_of_one_vendor_is_told() -> None:
    settings = SessionModelSettings(turn_detection=TurnDetection(model_version="v2"))
    tree = payload(settings, instructions="", tools=(), voice=None)
    told = json.loads(rt.encode(rt.SessionUpdate(session=to_wire(tree))))
    assert told["session"]["audio"]["input"]["turn_detection"]["model_version"] == "v2"
    assert realtime.TurnDetection().model_version is None
