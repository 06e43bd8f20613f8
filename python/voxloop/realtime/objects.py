"""Settings that are JSON objects of the API, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxloop._errors import ConfigError

_PROMPT = {"id", "version", "variables"}
_TRACING = {"workflow_name", "group_id", "metadata"}
_TRUNCATION = {"type", "retention_ratio", "token_limits"}


def check_objects(
    prompt: object,
    tracing: object,
    truncation: object,
    include: object,
    tool_choice: object,
) -> None:
    """Refuse what the API would refuse.

    Raises:
        ConfigError: One of them has another shape.
    """
    if prompt is not None:
        _known("prompt", prompt, _PROMPT, need="id")
    if tracing is not None and tracing != "auto":
        _known("tracing", tracing, _TRACING)
    if truncation is not None and truncation not in ("auto", "disabled"):
        found = _known("truncation", truncation, _TRUNCATION, need="type")
        ratio: Any = found.get("retention_ratio")
        bad = not isinstance(ratio, (int, float)) or not 0.0 <= ratio <= 1.0
        if found["type"] != "retention_ratio" or bad:
            raise ConfigError(
                "truncation is 'auto', 'disabled' or {'type': 'retention_ratio', "
                "'retention_ratio': 0 to 1}"
            )
    names = include if isinstance(include, (tuple, list)) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"include is {include!r}; give a list of names")
    if not (tool_choice is None or isinstance(tool_choice, (str, Mapping))):
        raise ConfigError(f"tool_choice is {tool_choice!r}; give a mode, or an object with a type")
    if isinstance(tool_choice, Mapping):
        kind = tool_choice.get("type")
        needs = {"function": "name", "mcp": "server_label"}.get(str(kind))
        if needs is None or not tool_choice.get(needs):
            raise ConfigError(
                "a tool_choice object is {'type': 'function', 'name': ...} or "
                "{'type': 'mcp', 'server_label': ...}"
            )


def check_voice(voice: object) -> None:
    """Refuse what names no voice.

    Raises:
        ConfigError: It is neither a name nor the id of a custom voice.
    """
    name = voice.get("id") if isinstance(voice, Mapping) else voice
    if not isinstance(name, str) or not name.strip():
        raise ConfigError("voice is a name, or {'id': ...} of a custom voice")


def _known(name: str, value: object, keys: set[str], *, need: str = "") -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not set(value) <= keys or (need and not value.get(need)):
        raise ConfigError(f"{name} is {value!r}; give an object with {', '.join(sorted(keys))}")
    return value
