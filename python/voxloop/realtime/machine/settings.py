"""The settings that the server is told: all of them at first, afterwards only what has changed.

A payload is the JSON object of ``session`` as a tree of dicts, so that two of them can be compared
leaf by leaf and a rejected leaf can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast
from weakref import WeakValueDictionary

import msgspec

from voxloop.realtime.config import SessionModelSettings, wire_format
from voxloop.wire import realtime as rt

Payload: TypeAlias = dict[str, object]


class _Tree(dict[str, object]):
    """A part of a payload that several sessions may hold; it is never changed."""

    __slots__ = ("__weakref__",)


_trees: Final[WeakValueDictionary[bytes, _Tree]] = WeakValueDictionary()
"""Parts that sessions hold now, by their JSON."""

_VOICE = ("audio", "output", "voice")
_BRANCHES = frozenset({"audio", "input", "output"})
_OFF = frozenset({"turn_detection", "transcription"})
_NULLABLE = _OFF | {"noise_reduction", "tracing", "prompt", "truncation", "include"}


def payload(
    settings: SessionModelSettings,
    *,
    instructions: str,
    tools: Sequence[Mapping[str, object]],
    voice: str | Mapping[str, object] | None,
    attached: bool = False,
    gated: bool = False,
    prompt: Mapping[str, object] | None = None,
    tool_choice: object = None,
    parallel_tool_calls: bool | None = None,
) -> Payload:
    """The whole ``session`` object.

    Args:
        settings: What the session was configured with.
        instructions: The agent's, resolved; empty clears them.
        tools: The agent's tools and handoffs as JSON objects; none removes all.
        voice: The agent's own voice; it comes before that of the settings.
        attached: The session is attached to a call, whose formats are settled already.
        prompt: The agent's own prompt template; like the next two it comes before the settings'.
        tool_choice: The agent's own.
        parallel_tool_calls: The agent's own.
        gated: Turns wait for input guardrails: the server is not to answer by itself.
    """
    incoming: Payload = {
        "format": wire_format(settings.input_format),
        "turn_detection": _object(settings.turn_detection),
        "transcription": _object(settings.transcription),
        "noise_reduction": _object(settings.noise_reduction),
    }
    outgoing: Payload = {
        "format": wire_format(settings.output_format),
        "voice": _plain(voice if voice is not None else settings.voice),
        "speed": settings.speed,
    }
    detection = incoming["turn_detection"]
    if gated and isinstance(detection, dict):
        incoming["turn_detection"] = {**detection, "create_response": False}
    if attached:
        del incoming["format"], outgoing["format"]
    tree: Payload = {
        "type": "realtime",
        "instructions": instructions,
        "output_modalities": list(settings.output_modalities),
        "tools": list(tools),
        "audio": {"input": incoming, "output": outgoing},
        "tool_choice": _plain(settings.tool_choice if tool_choice is None else tool_choice),
        "parallel_tool_calls": settings.parallel_tool_calls
        if parallel_tool_calls is None
        else parallel_tool_calls,
        "max_output_tokens": settings.max_output_tokens,
        "reasoning": {"effort": settings.reasoning_effort} if settings.reasoning_effort else None,
        "prompt": _plain(settings.prompt if prompt is None else prompt),
        "tracing": _plain(settings.tracing),
        "truncation": _plain(settings.truncation),
        "include": list(settings.include) or None,
    }
    return _without_defaults(tree)


def _without_defaults(tree: Payload) -> Payload:
    """Leave out what the server is to choose; for these two None means off, and is said."""
    result: Payload = {}
    for key, inner in tree.items():
        branch = isinstance(inner, dict) and key in _BRANCHES
        value = _without_defaults(cast("Payload", inner)) if branch else inner
        if value is not None or key in _OFF:
            result[key] = value
    return result


def changed(old: Payload, new: Payload, *, voice_fixed: bool) -> Payload:
    """What of ``new`` the server has to be told, without the type; empty when nothing is.

    Args:
        old: What it was told before.
        new: What it is to know.
        voice_fixed: Audio exists: the server refuses a whole update that touches the voice.
    """
    tree = _difference(old, new)
    if voice_fixed:
        tree = without(tree, _VOICE)
    tree.pop("type", None)
    return tree


def _difference(old: Payload, new: Payload) -> Payload:
    result: Payload = {}
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key), new.get(key)
        if before == after and (key in old) == (key in new):
            continue
        if key in _BRANCHES and isinstance(before, dict):
            inner = _difference(before, cast("Payload", after or {}))
            if inner:
                result[key] = inner
        else:
            result[key] = after
    return result


def applied(old: Payload, changes: Payload) -> Payload:
    """What the server knows once it has taken ``changes``."""
    result = dict(old)
    for key, value in changes.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key in _BRANCHES:
            result[key] = applied(before, value)
        elif value is None and key not in _OFF:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def kept(known: Payload) -> Payload:
    """What the server knows, to be kept: what another session knows as well is kept once.

    Instructions may be each session's own; the settings of sound are much larger as dicts, and
    hardly ever differ.
    """
    sound = known.get("audio")
    if not isinstance(sound, dict) or isinstance(sound, _Tree):
        return known
    text = msgspec.json.encode(sound)
    held = _trees.get(text)
    if held is None or held != sound:  # a list and a tuple are one JSON
        held = _trees[text] = _Tree(sound)
    return {**known, "audio": held}


def without(tree: Payload, path: Sequence[str]) -> Payload:
    """The tree without one leaf, and without branches that are empty then."""
    head = path[0] if path else ""
    if head not in tree:
        return dict(tree)
    result = dict(tree)
    inner = result.pop(head)
    if len(path) > 1 and isinstance(inner, dict):
        rest = without(inner, path[1:])
        if rest:
            result[head] = rest
    return result


def to_wire(changes: Payload) -> rt.Session:
    """The struct to send. Where the wire has no null, a setting taken back is left as it is."""
    return msgspec.convert(_sendable({"type": "realtime", **changes}), rt.Session)


def _sendable(tree: Payload) -> Payload:
    return {
        key: _sendable(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None or key in _NULLABLE
    }


def param_path(param: str | None) -> tuple[str, ...]:
    """The leaf that an error of the server names, such as ``session.audio.output.voice``."""
    names = tuple((param or "").split("."))
    if names[0] == "session":
        names = names[1:]
    return _VOICE if names == ("voice",) else names


def _object(value: object) -> Payload | None:
    """A settings object as JSON, without what it leaves open."""
    if value is None:
        return None
    tree = cast("Payload", msgspec.to_builtins(value))
    return {key: item for key, item in tree.items() if item is not None and item not in ([], ())}


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
