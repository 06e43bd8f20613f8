"""From a history of Responses API items to the messages of a chat endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from voxloop._errors import ConfigError
from voxloop.providers.protocols import JsonObject

_NO_OUTPUT = "There is no output."


def chat_messages(instructions: str, items: Iterable[JsonObject]) -> list[JsonObject]:
    """The history as messages.

    Calls stand in one assistant message with the text before them, and each is followed by its
    output, as chat endpoints want; a call without one gets a text that says so, an output without
    its call is left out, and so are items that only the Responses API knows.

    Args:
        instructions: System text; none if it is empty.
        items: Responses API input items.

    Raises:
        ConfigError: A message holds something that a chat endpoint has no place for.
    """
    todo = list(items)
    outputs = {
        str(item.get("call_id")): item.get("output")
        for item in todo
        if item.get("type") == "function_call_output"
    }
    messages: list[JsonObject] = []
    if instructions:
        messages.append({"role": "system", "content": instructions})
    calls: list[JsonObject] = []
    for item in todo:
        kind = item.get("type", "message")
        if kind == "function_call":
            calls.append(item)
            continue
        if kind != "function_call_output" and calls:
            _add_calls(messages, calls, outputs)
            calls = []
        if kind == "message":
            messages.append(_message(item))
    if calls:
        _add_calls(messages, calls, outputs)
    return messages


def chat_tool(tool: JsonObject) -> JsonObject:
    """A function definition as a chat endpoint takes it.

    Raises:
        ConfigError: It is a hosted tool.
    """
    if tool.get("type") != "function":
        raise ConfigError(
            f"a chat endpoint has no hosted tool {tool.get('type')!r}; use the Responses API, "
            "or a function of your own"
        )
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def chat_choice(choice: str | JsonObject | None) -> str | JsonObject | None:
    """``tool_choice`` as a chat endpoint takes it."""
    if isinstance(choice, Mapping) and choice.get("type") == "function" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _add_calls(
    messages: list[JsonObject], calls: list[JsonObject], outputs: Mapping[str, object]
) -> None:
    made = [
        {
            "id": call.get("call_id"),
            "type": "function",
            "function": {"name": call.get("name"), "arguments": call.get("arguments") or "{}"},
        }
        for call in calls
    ]
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and "tool_calls" not in last:
        last["tool_calls"] = made
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": made})
    for call in calls:
        call_id = str(call.get("call_id"))
        output = outputs.get(call_id, _NO_OUTPUT)
        text = output if isinstance(output, str) else _text(output)
        messages.append({"role": "tool", "tool_call_id": call_id, "content": text})


def _message(item: JsonObject) -> JsonObject:
    role = str(item.get("role", "user"))
    content = item.get("content")
    role = "system" if role == "developer" else role
    if isinstance(content, str):
        return {"role": role, "content": content}
    parts = [_part(part) for part in content] if isinstance(content, list) else []
    if all(part["type"] == "text" for part in parts):
        return {"role": role, "content": "".join(str(part["text"]) for part in parts)}
    return {"role": role, "content": parts}


def _part(part: object) -> JsonObject:
    if isinstance(part, Mapping):
        kind = part.get("type")
        if kind in ("input_text", "output_text", "text"):
            return {"type": "text", "text": part.get("text") or ""}
        if kind == "refusal":
            return {"type": "text", "text": part.get("refusal") or ""}
        if kind == "input_image" and part.get("image_url"):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        raise ConfigError(f"a chat endpoint has no place for a part of type {kind!r}")
    raise ConfigError("a message holds a part that is no object")


def _text(output: object) -> str:
    """An output in words: a chat endpoint takes neither pictures nor files from a tool."""
    parts = output if isinstance(output, list) else []
    return "\n".join(_said(part) for part in parts if isinstance(part, Mapping))


def _said(part: Mapping[str, object]) -> str:
    if part.get("type") == "input_image":
        return "(an image)"
    if part.get("type") == "input_file":
        return f"(a file: {part['filename']})" if part.get("filename") else "(a file)"
    return str(part.get("text", ""))
