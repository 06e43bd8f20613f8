"""What a tool may give beside text: pictures and files, as the Responses API takes them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voxloop._errors import ConfigError
from voxloop.tools.schema import JsonObject


@dataclass(frozen=True, slots=True)
class ToolText:
    """Text beside pictures and files; a plain string in a list does as well."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolImage:
    """A picture for the model; give one of `data`, `url` and `file_id`.

    Attributes:
        data: The bytes of the picture.
        media_type: Of `data`.
        url: Where the server finds it, or a data URL.
        file_id: Of a file that the server has.
        detail: How closely the model is to look.

    Raises:
        ConfigError: None or several of the three are given.
    """

    data: bytes | None = None
    media_type: str = "image/png"
    url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high"] | None = None

    def __post_init__(self) -> None:
        _check_one("ToolImage", self.data, self.url, self.file_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFile:
    """A file for the model; give one of `data`, `url` and `file_id`.

    Attributes:
        data: The bytes of the file; `filename` says what they are.
        filename: Such as ``"bill.pdf"``.
        media_type: Of `data`.
        url: Where the server finds it.
        file_id: Of a file that the server has.

    Raises:
        ConfigError: None or several of the three are given, or bytes without a name.
    """

    data: bytes | None = None
    filename: str | None = None
    media_type: str = "application/pdf"
    url: str | None = None
    file_id: str | None = None

    def __post_init__(self) -> None:
        _check_one("ToolFile", self.data, self.url, self.file_id)
        if self.data is not None and not self.filename:
            raise ConfigError("ToolFile(data=...) needs a filename, which says what the bytes are")


ToolPart: TypeAlias = ToolText | ToolImage | ToolFile
"""A part of what a tool gives."""

ToolContent: TypeAlias = "str | list[JsonObject]"
"""An output as it stands in a history: text, or parts as the Responses API has them."""


def parts_of(value: object) -> tuple[ToolPart, ...]:
    """The parts that a tool gave, alone or in a list with strings; empty for anything else."""
    if isinstance(value, str):
        return ()
    if isinstance(value, ToolPart):
        return (value,)
    if not isinstance(value, (list, tuple)) or not any(isinstance(x, ToolPart) for x in value):
        return ()
    parts = tuple(ToolText(part) if isinstance(part, str) else part for part in value)
    return parts if all(isinstance(part, ToolPart) for part in parts) else ()


def content_of(parts: Sequence[ToolPart]) -> list[JsonObject]:
    """The parts in the shape of a ``function_call_output``'s content."""
    return [_wire(part) for part in parts]


def words_of(parts: Sequence[ToolPart]) -> str:
    """The parts in words, for events, guardrails and models that take text only."""
    return "\n".join(_words(part) for part in parts)


def _wire(part: ToolPart) -> JsonObject:
    if isinstance(part, ToolText):
        return {"type": "input_text", "text": part.text}
    place: JsonObject = {"type": "input_image" if isinstance(part, ToolImage) else "input_file"}
    if part.file_id is not None:
        place["file_id"] = part.file_id
    if isinstance(part, ToolImage):
        if part.file_id is None:
            place["image_url"] = part.url or _data_url(part.data or b"", part.media_type)
        if part.detail is not None:
            place["detail"] = part.detail
        return place
    if part.filename is not None and part.file_id is None:
        place["filename"] = part.filename
    if part.url is not None:
        place["file_url"] = part.url
    elif part.data is not None:
        place["file_data"] = _data_url(part.data, part.media_type)
    return place


def _words(part: ToolPart) -> str:
    if isinstance(part, ToolText):
        return part.text
    if isinstance(part, ToolImage):
        return "(an image)"
    return f"(a file: {part.filename})" if part.filename else "(a file)"


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _check_one(name: str, *places: object) -> None:
    if sum(place is not None for place in places) != 1:
        raise ConfigError(f"give {name} one of data, url and file_id")
