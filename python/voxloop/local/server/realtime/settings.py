"""The configuration of a session: what it is, what an update may change, and how it is shown.

An update changes only the fields that are present. ``""`` clears the instructions, ``[]`` the
tools, ``null`` turns transcription or turn detection off. An update with one field at fault is
refused whole.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Final, cast

from voxloop.local.server.realtime import checks
from voxloop.local.server.realtime.audio_settings import TurnSettings, merge_audio
from voxloop.local.server.refusal import Refusal
from voxloop.providers import JsonObject

__all__ = ["SessionSettings", "TurnSettings", "initial", "merge", "response_settings"]

_PLAIN_KEYS: Final = (
    "include",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "tracing",
    "truncation",
)
_SESSION_KEYS: Final = frozenset(
    {
        "type", "id", "object", "model", "instructions", "output_modalities", "audio", "tools",
        "tool_choice", "max_output_tokens", "expires_at", *_PLAIN_KEYS,
    }
)  # fmt: skip
_RESPONSE_KEYS: Final = frozenset(
    {
        "instructions", "output_modalities", "audio", "tools", "tool_choice", "max_output_tokens",
        "conversation", "metadata", "input", "parallel_tool_calls", "prompt", "reasoning",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """A session's configuration.

    Attributes:
        wire: The ``session`` object as clients see it.
        turns: Turn detection, None when the client commits by itself.
        audio_started: Whether the session has sent audio, after which the voice is fixed.
    """

    wire: JsonObject
    turns: TurnSettings | None
    audio_started: bool = False

    @property
    def answers(self) -> bool:
        """False for a transcription session."""
        return self.wire["type"] == "realtime"

    @property
    def transcribes(self) -> bool:
        """Whether transcription events were asked for."""
        return self._input["transcription"] is not None

    @property
    def voice(self) -> str:
        """Name of the voice."""
        return str(self._output["voice"])

    @property
    def speed(self) -> float:
        """Rate of speech."""
        return cast("float", self._output["speed"])

    @property
    def speaks(self) -> bool:
        """Whether responses are spoken; otherwise they are text."""
        return self.wire["output_modalities"] == ["audio"]

    @property
    def input_format(self) -> str:
        """Name of the format of appended audio."""
        return str(cast("JsonObject", self._input["format"])["type"])

    @property
    def output_format(self) -> str:
        """Name of the format of spoken audio."""
        return str(cast("JsonObject", self._output["format"])["type"])

    @property
    def instructions(self) -> str:
        """System text."""
        return str(self.wire["instructions"])

    @property
    def tools(self) -> tuple[JsonObject, ...]:
        """Function tools."""
        return tuple(cast("list[JsonObject]", self.wire["tools"]))

    @property
    def tool_choice(self) -> str | JsonObject:
        """Which tools may or must be called."""
        return cast("str | JsonObject", self.wire["tool_choice"])

    @property
    def _input(self) -> JsonObject:
        return cast("JsonObject", cast("JsonObject", self.wire["audio"])["input"])

    @property
    def _output(self) -> JsonObject:
        return cast("JsonObject", cast("JsonObject", self.wire["audio"])["output"])


def initial(
    *, session_id: str, model: str, expires_at: int, transcription_only: bool = False
) -> SessionSettings:
    """The configuration of a new session: PCM at 24 kHz both ways, server VAD, no tools."""
    pcm: JsonObject = {"type": "audio/pcm", "rate": 24_000}
    wire: JsonObject = {
        "type": "transcription" if transcription_only else "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "expires_at": expires_at,
        "instructions": "",
        "output_modalities": ["audio"],
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "audio": {
            "input": {
                "format": dict(pcm),
                "noise_reduction": None,
                "transcription": {"model": "moonshine-tiny-en"} if transcription_only else None,
                "turn_detection": None,
            },
            "output": {"format": dict(pcm), "voice": "heart", "speed": 1.0},
        },
    }
    settings = SessionSettings(wire=wire, turns=None)
    return merge(settings, {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}})


def merge(settings: SessionSettings, update: JsonObject) -> SessionSettings:
    """The configuration after ``session.update``.

    Raises:
        Refusal: One field is unknown, out of range or may not change; nothing was applied.
    """
    checks.known_keys(update, _SESSION_KEYS, "session")
    update = {
        key: value for key, value in update.items() if value is not None or key in _PLAIN_KEYS
    }
    wire = copy.deepcopy(settings.wire)
    kind = update.get("type", wire["type"])
    if kind != wire["type"]:
        checks.choice(kind, "session.type", ("realtime", "transcription"))
        raise Refusal(
            f"session.type is '{wire['type']}' and cannot change; open the socket with "
            "?intent=transcription for a transcription session",
            code="cannot_update_session_type",
            param="session.type",
        )
    if update.get("model", wire["model"]) != wire["model"]:
        raise Refusal(
            f"session.model is fixed for the session ('{wire['model']}'); connect again with "
            "?model= to have another",
            code="cannot_update_model",
            param="session.model",
        )
    _apply_common(wire, update, "session")
    for key in _PLAIN_KEYS:
        if key in update:
            wire[key] = update[key]
    turns = settings.turns
    if "audio" in update:
        given = checks.object_of(update["audio"], "session.audio")
        turns = merge_audio(wire, given, turns, path="session.audio", fixed=settings.audio_started)
    return replace(settings, wire=wire, turns=turns)


def response_settings(settings: SessionSettings, params: JsonObject) -> SessionSettings:
    """The configuration of one response: the session's, overridden by the parameters given.

    Raises:
        Refusal: One parameter is unknown or out of range.
    """
    checks.known_keys(params, _RESPONSE_KEYS, "response")
    wire = copy.deepcopy(settings.wire)
    params = {key: value for key, value in params.items() if value is not None}
    _apply_common(wire, params, "response")
    if "audio" in params:
        given = checks.object_of(params["audio"], "response.audio")
        checks.known_keys(given, ("output",), "response.audio")
        output = checks.object_of(given.get("output") or {}, "response.audio.output")
        checks.known_keys(output, ("format", "voice"), "response.audio.output")
        merge_audio(
            wire,
            {"output": output},
            settings.turns,
            path="response.audio",
            fixed=settings.audio_started,
        )
    return replace(settings, wire=wire)


def _apply_common(wire: JsonObject, update: JsonObject, path: str) -> None:
    """Fields that a session and a response share."""
    if "instructions" in update:
        wire["instructions"] = checks.text(update["instructions"], f"{path}.instructions")
    if "output_modalities" in update:
        modalities = update["output_modalities"]
        if modalities not in (["audio"], ["text"]):
            raise Refusal(
                f"{path}.output_modalities must be ['audio'] or ['text'], got {modalities!r}",
                param=f"{path}.output_modalities",
            )
        wire["output_modalities"] = modalities
    if "tools" in update:
        wire["tools"] = _tools(update["tools"], f"{path}.tools")
    if "tool_choice" in update:
        wire["tool_choice"] = _tool_choice(update["tool_choice"], f"{path}.tool_choice")
    if "max_output_tokens" in update:
        limit = update["max_output_tokens"]
        if limit != "inf":
            checks.integer(limit, f"{path}.max_output_tokens", low=1, high=4096)
        wire["max_output_tokens"] = limit


def _tools(value: object, path: str) -> list[JsonObject]:
    if not isinstance(value, list):
        raise Refusal(f"{path} must be an array", code="invalid_type", param=path)
    seen: set[str] = set()
    for index, entry in enumerate(value):
        where = f"{path}[{index}]"
        tool = checks.object_of(entry, where)
        kind = tool.get("type")
        if kind != "function":
            raise Refusal(
                f"{where}.type is {kind!r}; the local server runs 'function' tools only",
                param=f"{where}.type",
            )
        name = checks.text(tool.get("name"), f"{where}.name")
        if not name or name in seen:
            raise Refusal(f"{where}.name {name!r} is empty or used twice", param=f"{where}.name")
        seen.add(name)
        if tool.get("parameters") is not None:
            checks.object_of(tool["parameters"], f"{where}.parameters")
    return cast("list[JsonObject]", copy.deepcopy(value))


def _tool_choice(value: object, path: str) -> str | JsonObject:
    if isinstance(value, dict):
        if value.get("type") != "function" or not isinstance(value.get("name"), str):
            raise Refusal(f"{path} must name a function: {{type: function, name}}", param=path)
        return cast("JsonObject", dict(value))
    return checks.choice(value, path, ("auto", "none", "required"))
