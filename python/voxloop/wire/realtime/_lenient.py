"""The second look at a server event: older shapes, missing fields, parts that cannot be read."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from voxloop.wire._base import Event, JsonObject

E = TypeVar("E", bound=Event)

SERVER_ALIASES: Final = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "input_audio_transcription_completed": "conversation.item.input_audio_transcription.completed",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
"""Beta names of events that only changed their name."""

_FORMATS: Final[dict[str, JsonObject]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
# What an event still makes sense with when a server leaves it out.
_FILL: Final[JsonObject] = {
    "content_index": 0,
    "output_index": 0,
    "audio_start_ms": 0,
    "audio_end_ms": 0,
    "item_id": "",
    "response_id": "",
    "call_id": "",
    "transcript": "",
    "response": {},
    "error": {},
    "conversation": {},
    "rate_limits": [],
    "part": {},
}
# The id is all that these two say.
_NEEDS_ITEM_ID: Final = frozenset({"conversation.item.deleted", "conversation.item.truncated"})
# null switches these off, elsewhere it says as much as an absent key.
_NULL_COUNTS: Final = frozenset(
    {"turn_detection", "transcription", "noise_reduction", "tracing", "truncation", "prompt"}
)
# The application's own JSON: not ours to clean.
_OPAQUE: Final = frozenset({"tools", "metadata", "tool_choice", "prompt", "tracing"})
_MAX_REPAIRS: Final = 16
_AT: Final = re.compile(r"`(\$[^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def convert(raw: JsonObject, cls: type[E]) -> E:
    """Make ``cls`` of ``raw``, leaving out nested parts that cannot be read.

    Raises:
        msgspec.ValidationError: A field that the event cannot do without is missing or wrong.
    """
    tree = _prepared(raw, cls)
    required = {field.encode_name for field in msgspec.structs.fields(cls) if field.required}
    for _ in range(_MAX_REPAIRS):
        try:
            return msgspec.convert(tree, cls, strict=False)
        except msgspec.ValidationError as error:
            if not _drop(tree, str(error), required):
                raise
    return msgspec.convert(tree, cls, strict=False)


def _prepared(raw: JsonObject, cls: type[Event]) -> JsonObject:
    tree = _without_nulls(raw)
    name = str(cls.__struct_config__.tag)
    if name.startswith("session."):
        session = tree.get("session")
        if isinstance(session, dict):
            kind = "transcription" if str(tree["type"]).startswith("transcr") else "realtime"
            tree["session"] = _session(session, kind)
    item = tree.get("item")
    if isinstance(item, dict) and not isinstance(item.get("type"), str):
        item["type"] = _item_type(item)
    tree["type"] = name
    for key in _FILL.keys() - tree.keys():
        _reset(tree, key)
    return tree


def _reset(tree: JsonObject, key: str) -> bool:
    if key not in _FILL or (key == "item_id" and tree["type"] in _NEEDS_ITEM_ID):
        return False
    already = key in tree and tree[key] == _FILL[key]
    tree[key] = _FILL[key]
    return not already


def _without_nulls(value: JsonObject) -> JsonObject:
    return {
        key: item if key in _OPAQUE else _clean(item)
        for key, item in value.items()
        if item is not None or key in _NULL_COUNTS
    }


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return _without_nulls(value)
    if isinstance(value, list):
        return [_clean(item) for item in value if item is not None]
    return value


def _session(session: JsonObject, kind: str) -> JsonObject:
    """The beta's flat session in the nested shape; a session of today is returned as it is."""
    if isinstance(session.get("type"), str):
        return session
    flat = dict(session)
    incoming: JsonObject = {}
    outgoing: JsonObject = {}
    moves = (
        ("input_audio_format", incoming, "format"),
        ("input_audio_transcription", incoming, "transcription"),
        ("input_audio_noise_reduction", incoming, "noise_reduction"),
        ("turn_detection", incoming, "turn_detection"),
        ("output_audio_format", outgoing, "format"),
        ("voice", outgoing, "voice"),
        ("speed", outgoing, "speed"),
    )
    for old, side, new in moves:
        if old in flat:
            value = flat.pop(old)
            side[new] = _FORMATS.get(value, value) if isinstance(value, str) else value
    if "max_response_output_tokens" in flat:
        flat["max_output_tokens"] = flat.pop("max_response_output_tokens")
    modalities = flat.pop("modalities", None)
    if isinstance(modalities, list):
        flat["output_modalities"] = ["audio"] if "audio" in modalities else modalities
    audio = flat.get("audio")
    if not isinstance(audio, dict):
        flat["audio"] = {"input": incoming, "output": outgoing}
    flat["type"] = kind
    return flat


def _item_type(item: JsonObject) -> str:
    if "output" in item:
        return "function_call_output"
    return "function_call" if "call_id" in item else "message"


def _drop(tree: JsonObject, error: str, required: set[str]) -> bool:
    """Remove the value that ``error`` points at, or set it to what it defaults to.

    Returns:
        False if the event cannot do without it.
    """
    found = _AT.search(error)
    steps: list[str | int] = []
    for name, index in _STEP.findall(found[1] if found else ""):
        steps.append(int(index) if index else name)
    if len(steps) == 1 and steps[0] in required:
        return _reset(tree, str(steps[0]))
    if not steps:
        return False
    node: object = tree
    for step in steps[:-1]:
        node = _child(node, step)
    last = steps[-1]
    if isinstance(node, dict) and isinstance(last, str):
        return node.pop(last, None) is not None
    if isinstance(node, list) and isinstance(last, int) and last < len(node):
        return node.pop(last) is not None
    return False


def _child(node: object, step: str | int) -> object:
    """The value below ``node``, None if there is none (nulls are gone by now)."""
    if isinstance(node, dict) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None
