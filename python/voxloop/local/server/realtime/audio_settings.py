"""The ``audio`` part of a session's configuration: format, voice, transcription, turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from voxloop.local.server.realtime import checks
from voxloop.local.server.realtime.telephone import FORMATS
from voxloop.local.server.refusal import Refusal
from voxloop.local.tts import VOICES
from voxloop.providers import JsonObject

__all__ = ["TurnSettings", "merge_audio"]

_IDLE_MS: Final = (5_000, 30_000)

_EAGERNESS_MS: Final = {"low": 1000, "medium": 600, "auto": 600, "high": 300}
"""Silence that ends a turn under ``semantic_vad``: the local server knows no meaning, so the
eagerness only sets the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """How the end of a turn is found.

    Attributes:
        threshold: Speech probability from which a frame counts as speech.
        prefix_padding_ms: Audio kept from before the speech began.
        silence_duration_ms: Silence after which the turn is over.
        create_response: Whether a turn's end starts a response.
        interrupt_response: Whether speech cancels the response under way.
        idle_timeout_ms: Quiet audio after an answer upon which the server speaks again; None: it
            waits for ever.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None


def merge_audio(
    wire: JsonObject, update: JsonObject, turns: TurnSettings | None, *, path: str, fixed: bool
) -> TurnSettings | None:
    """Merge ``audio.input`` and ``audio.output`` into ``wire``, a copy that the caller made.

    Args:
        wire: The session object to change.
        update: The ``audio`` object of the update.
        turns: Turn detection so far.
        path: Where ``update`` stands, for messages.
        fixed: Whether audio was sent already, after which the voice may not change.

    Returns:
        Turn detection from now on.

    Raises:
        Refusal: One field is unknown or out of range.
    """
    checks.known_keys(update, ("input", "output"), path)
    current = cast("JsonObject", wire["audio"])
    given = checks.object_of(update.get("input") or {}, f"{path}.input")
    target = cast("JsonObject", current["input"])
    checks.known_keys(
        given, ("format", "noise_reduction", "transcription", "turn_detection"), f"{path}.input"
    )
    if given.get("format") is not None:
        target["format"] = _format(given["format"], f"{path}.input.format")
    if "transcription" in given:
        target["transcription"] = _transcription(
            given["transcription"], f"{path}.input.transcription"
        )
    if given.get("noise_reduction") is not None:
        # Checked, not applied: there is no noise reduction here, and the answer shows null.
        reduction = checks.object_of(given["noise_reduction"], f"{path}.input.noise_reduction")
        checks.choice(
            reduction.get("type"), f"{path}.input.noise_reduction.type", ("near_field", "far_field")
        )
    if "turn_detection" in given:
        target["turn_detection"], turns = _turn_detection(
            given["turn_detection"], f"{path}.input.turn_detection"
        )
    output = checks.object_of(update.get("output") or {}, f"{path}.output")
    _merge_output(cast("JsonObject", current["output"]), output, path, fixed=fixed)
    return turns


def _merge_output(target: JsonObject, given: JsonObject, path: str, *, fixed: bool) -> None:
    checks.known_keys(given, ("format", "voice", "speed"), f"{path}.output")
    if given.get("format") is not None:
        target["format"] = _format(given["format"], f"{path}.output.format")
    if given.get("speed") is not None:
        target["speed"] = checks.number(given["speed"], f"{path}.output.speed", low=0.25, high=1.5)
    if given.get("voice") is not None:
        voice = checks.text(given["voice"], f"{path}.output.voice")
        if fixed and voice != target["voice"]:
            raise Refusal(
                f"Cannot update the voice from '{target['voice']}' to '{voice}': the session has "
                "already sent audio. Open a new session to change it.",
                code="cannot_update_voice",
                param=f"{path}.output.voice",
            )
        if voice.lower() not in VOICES:
            raise Refusal(
                f"there is no voice '{voice}'; use one of {', '.join(VOICES)}",
                param=f"{path}.output.voice",
            )
        target["voice"] = voice


def _format(value: object, path: str) -> JsonObject:
    given = checks.object_of({"type": value} if isinstance(value, str) else value, path)
    checks.known_keys(given, ("type", "rate"), path)
    kind = checks.choice(given.get("type"), f"{path}.type", tuple(FORMATS))
    rate = FORMATS[kind]
    if given.get("rate") not in (None, rate):
        raise Refusal(f"{path}.rate must be {rate}, got {given['rate']!r}", param=f"{path}.rate")
    # The rate of telephone formats is fixed, and the protocol does not name it.
    return {"type": kind, "rate": rate} if kind == "audio/pcm" else {"type": kind}


def _transcription(value: object, path: str) -> JsonObject | None:
    if value is None:
        return None
    given = checks.object_of(value, path)
    checks.known_keys(
        given, ("model", "language", "languages", "prompt", "keywords", "delay"), path
    )
    language = given.get("language")
    if language is not None and not checks.text(language, f"{path}.language").lower().startswith(
        "en"
    ):
        raise Refusal(
            f"{path}.language is '{language}'; the local engine knows English only ('en')",
            code="unsupported_language",
            param=f"{path}.language",
        )
    return {key: item for key, item in given.items() if item is not None}


def _turn_detection(value: object, path: str) -> tuple[JsonObject | None, TurnSettings | None]:
    if value is None:
        return None, None
    given = {k: v for k, v in checks.object_of(value, path).items() if v is not None}
    kind = checks.choice(given.get("type"), f"{path}.type", ("server_vad", "semantic_vad"))
    shared = {
        key: checks.boolean(given.get(key, True), f"{path}.{key}")
        for key in ("create_response", "interrupt_response")
    }
    if kind == "semantic_vad":
        checks.known_keys(given, ("type", "eagerness", *shared), path)
        eagerness = checks.choice(
            given.get("eagerness", "auto"), f"{path}.eagerness", tuple(_EAGERNESS_MS)
        )
        turns = TurnSettings(silence_duration_ms=_EAGERNESS_MS[eagerness], **shared)
        return {"type": kind, "eagerness": eagerness, **shared}, turns
    return _server_vad(given, shared, path)


def _server_vad(
    given: JsonObject, shared: dict[str, bool], path: str
) -> tuple[JsonObject, TurnSettings]:
    allowed = (
        "type",
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "idle_timeout_ms",
        *shared,
    )
    checks.known_keys(given, allowed, path)
    idle: int | None = None
    if "idle_timeout_ms" in given:
        low, high = _IDLE_MS
        idle = checks.integer(
            given["idle_timeout_ms"], f"{path}.idle_timeout_ms", low=low, high=high
        )
    turns = TurnSettings(
        threshold=checks.number(
            given.get("threshold", 0.5), f"{path}.threshold", low=0.0, high=1.0
        ),
        prefix_padding_ms=checks.integer(
            given.get("prefix_padding_ms", 300), f"{path}.prefix_padding_ms", low=0, high=5_000
        ),
        silence_duration_ms=checks.integer(
            given.get("silence_duration_ms", 500),
            f"{path}.silence_duration_ms",
            low=50,
            high=10_000,
        ),
        idle_timeout_ms=idle,
        **shared,
    )
    wire: JsonObject = {
        "type": "server_vad",
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
        "idle_timeout_ms": idle,
        **shared,
    }
    return wire, turns
