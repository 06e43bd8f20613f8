"""What the application hands in, in the shape of the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import msgspec

from voxloop._errors import ConfigError
from voxloop.tools import Tool
from voxloop.wire import realtime as rt

_IMAGES = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


def as_item(item: rt.Item | Mapping[str, object]) -> rt.Item:
    """An item of the conversation, also of a mapping with its fields.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(item, rt.Item):
        return item
    try:
        return msgspec.convert(dict(item), rt.Item)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise ConfigError(f"this is no conversation item: {error}") from None


def as_json(event: Mapping[str, object]) -> dict[str, object]:
    """An event of the application's own making, as it will be sent whatever becomes of it later.

    Raises:
        ConfigError: It holds what is no JSON.
    """
    try:
        made: dict[str, object] = msgspec.json.decode(rt.encode(dict(event)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"this event cannot be told as JSON: {error}") from None
    return made


def definition(tool: Tool | Mapping[str, object]) -> dict[str, object]:
    """A tool as the API takes it."""
    return tool.schema() if isinstance(tool, Tool) else dict(tool)


def image_url(image: bytes | str) -> str:
    """The address of an image, or the image itself as one.

    Raises:
        ConfigError: It is no PNG, JPEG, GIF or WebP, and no ``data:`` or ``https:`` URL.
    """
    if isinstance(image, str):
        if image.startswith(("data:", "https:")):
            return image
        raise ConfigError("an image is given as bytes, or as a data: or https: URL")
    kind = next((name for magic, name in _IMAGES if image.startswith(magic)), None)
    if kind is None:
        raise ConfigError("these bytes are no PNG, JPEG, GIF or WebP image")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def response_params(
    *,
    instructions: str | None,
    output_modalities: Sequence[str] | None,
    conversation: str | None,
    input: Sequence[rt.Item] | None,
    metadata: Mapping[str, str] | None,
    tools: Sequence[Tool | Mapping[str, object]] | None,
    tool_choice: str | Mapping[str, object] | None,
    max_output_tokens: int | str | None,
) -> rt.ResponseParams | None:
    """The settings of one response, None if there are none; see `Session.respond`.

    Raises:
        ConfigError: They hold what is no JSON.
    """
    params = rt.ResponseParams(
        instructions=instructions,
        output_modalities=None if output_modalities is None else list(output_modalities),
        conversation=conversation,
        input=None if input is None else list(input),
        metadata=None if metadata is None else dict(metadata),
        tools=None if tools is None else [definition(tool) for tool in tools],
        tool_choice=dict(tool_choice) if isinstance(tool_choice, Mapping) else tool_choice,
        max_output_tokens=max_output_tokens,
    )
    try:
        rt.encode(rt.ResponseCreate(response=params))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"these settings cannot be told as JSON: {error}") from None
    return None if params == rt.ResponseParams() else params


def mcp_answer(request_id: str, *, approve: bool, reason: str | None) -> rt.Item:
    """The answer to an approval request of an MCP tool."""
    return rt.Item(
        type="mcp_approval_response",
        approval_request_id=request_id,
        approve=approve,
        reason=reason,
    )
