"""Items of a history, in the shape of Responses API input items."""

from __future__ import annotations

from collections.abc import Mapping

from voxloop.tools import JsonObject, ToolContent

CANCELLED_OUTPUT = "The call was cancelled: the user interrupted."


def add_usage(total: Mapping[str, object], more: Mapping[str, object]) -> JsonObject:
    """Add the numbers of two usage objects, level by level; other values are replaced."""
    result: JsonObject = dict(total)
    for key, value in more.items():
        old = result.get(key)
        if isinstance(value, Mapping):
            result[key] = add_usage(old if isinstance(old, Mapping) else {}, value)
        elif isinstance(value, (int, float)) and isinstance(old, (int, float)):
            result[key] = old + value
        else:
            result[key] = value
    return result


def user_item(text: str) -> JsonObject:
    """A user message."""
    return _message("user", "input_text", text)


def assistant_item(text: str) -> JsonObject:
    """An assistant message."""
    return _message("assistant", "output_text", text)


def call_item(*, name: str, arguments: str, call_id: str) -> JsonObject:
    """A function call as it is sent back to the model."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output_item(*, call_id: str, output: ToolContent) -> JsonObject:
    """The output of a function call."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _message(role: str, kind: str, text: str) -> JsonObject:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def text_of(item: JsonObject) -> str | None:
    """Text of an assistant message, None for every other item."""
    if item.get("type") != "message" or item.get("role") != "assistant":
        return None
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))
