"""The stream of ``POST /chat/completions``, as OpenAI and the servers that follow it speak it."""

from __future__ import annotations

from typing import Final

import msgspec

from voxloop._errors import ProtocolError
from voxloop.wire._base import JsonObject

__all__ = ["Chunk", "Delta", "Failure", "ToolDelta", "decode_chunk"]


class FunctionDelta(msgspec.Struct, frozen=True):
    """More of a call."""

    name: str | None = None
    arguments: str | None = None


class ToolDelta(msgspec.Struct, frozen=True):
    """More of one of the calls; ``index`` says of which."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct, frozen=True):
    """More of the answer."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolDelta] | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; only the first is asked for."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """An error in the middle of the stream."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of the stream."""

    choices: list[Choice] | None = None
    usage: JsonObject | None = None
    error: Failure | str | None = None


_DECODER: Final[msgspec.json.Decoder[Chunk]] = msgspec.json.Decoder(Chunk)


def decode_chunk(data: str | bytes) -> Chunk:
    """Decode the data of one server-sent event; fields that are not known are passed over.

    Raises:
        ProtocolError: It is no JSON object, or a field has another type.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"the chat stream holds an unusable event: {error}") from None
