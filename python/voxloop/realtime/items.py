"""What the application hands in, in the shape of the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from voxloop._errors import ConfigError
from voxloop.tools import Tool
from voxloop.wire import realtime as rt

_ROLES = ("user", "assistant", "system")
_IMAGES = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


def as_item(item: rt.Item | Mapping[str, object]) -> rt.Item:
    """An item of the conversation, also of a mapping with its fields.

    A mapping with a role is a message, and its content may be one text, as in a history of the
    Responses API.

    Raises:
        ConfigError: It is none.
    """
    try:
        given = msgspec.to_builtins(item) if isinstance(item, rt.Item) else _spelled_out(item)
        made = msgspec.convert(given, rt.Item)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise ConfigError(f"this is no conversation item: {error}") from None
    missing = _missing(made)
    if missing:
        raise ConfigError(f"this is no conversation item: {missing}")
    return made


def _spelled_out(item: Mapping[str, object]) -> dict[str, object]:
    given = dict(item)
    if "role" in given:
        given.setdefault("type", "message")
    text = given.get("content")
    if isinstance(text, str) and text:
        kind = "output_text" if given.get("role") == "assistant" else "input_text"
        given["content"] = [{"type": kind, "text": text}]
    return given


def _missing(item: rt.Item) -> str:
    """What the API would miss in an item; empty for one that it takes, or does not check."""
    if item.type == "message":
        if item.role not in _ROLES:
            return f"its role is {item.role!r}; give one of {', '.join(_ROLES)}"
        if not item.content:
            return "a message needs content, a list of parts"
        wrong = (_missing_in(part, item.role) for part in item.content)
        return next((text for text in wrong if text), "")
    if item.type == "function_call" and not item.name:
        return "a function_call needs a name"
    if item.type == "function_call_output" and (not item.call_id or item.output is None):
        return "a function_call_output needs a call_id and an output"
    return "" if item.type else "it needs a type, such as 'message'"


def _missing_in(part: rt.ContentPart, role: str) -> str:
    if not part.type:
        return "a part of a message needs a type, such as 'input_text'"
    if part.type in ("input_text", "output_text") and part.text is None:
        return f"a part of type {part.type!r} needs a text"
    if part.type == "input_image" and not _is_address(part.image_url or ""):
        return "a part of type 'input_image' needs an image_url, data: or https:"
    if part.type == "input_audio" and not part.audio:
        return "a part of type 'input_audio' needs audio"
    if role == "assistant" and part.type == "output_audio":
        return "sound of the assistant cannot be given; give its words as 'output_text'"
    return ""


def _is_address(url: str) -> bool:
    return url.startswith("https:") or (url.startswith("data:") and "," in url)


def definition(tool: Tool | Mapping[str, object]) -> dict[str, object]:
    """A tool as the API takes it."""
    return tool.schema() if isinstance(tool, Tool) else dict(tool)


def image_url(image: bytes | bytearray | memoryview | str) -> str:
    """The address of an image, or the image itself as one.

    Raises:
        ConfigError: It is no PNG, JPEG, GIF or WebP, and no ``data:`` or ``https:`` URL.
    """
    if isinstance(image, str) and _is_address(image):
        return image
    if not isinstance(image, (bytes, bytearray, memoryview)):
        raise ConfigError("an image is given as bytes, or as a data: or https: URL")
    image = bytes(image)
    kind = next((name for magic, name in _IMAGES if image.startswith(magic)), None)
    if kind is None:
        raise ConfigError("these bytes are no PNG, JPEG, GIF or WebP image")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def mcp_answer(request_id: str, *, approve: bool, reason: str | None) -> rt.Item:
    """The answer to an approval request of an MCP tool."""
    return rt.Item(
        type="mcp_approval_response",
        approval_request_id=request_id,
        approve=approve,
        reason=reason,
    )
