"""The common root of all wire structs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, get_args

import msgspec

from voxloop._errors import ProtocolError

JsonObject: TypeAlias = dict[str, object]
"""A JSON object that is handed on as it is."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON object of the API.

    A field that is ``None`` by default is left out of the JSON when it is ``None``. Where JSON
    ``null`` has a meaning of its own (it switches something off), the default is ``msgspec.UNSET``:
    ``UNSET`` is left out, ``None`` is written as ``null``. Unknown fields are ignored on input.
    """


class Event(Wire, frozen=True, kw_only=True, tag_field="type"):
    """An event; the struct's tag is the ``type`` of the JSON.

    Attributes:
        event_id: Id that the sender gave to the event.
    """

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a type that this version does not know.

    Attributes:
        type: Its type.
        raw: The whole JSON object.
    """

    type: str
    raw: JsonObject


def by_tag(union: object) -> dict[str, type[Event]]:
    """The members of a union of events by their wire type."""
    return {str(cls.__struct_config__.tag): cls for cls in get_args(union)}


def raw_event(data: str | bytes) -> tuple[str, JsonObject]:
    """The type and the whole object of an event that no struct was made of.

    Raises:
        ProtocolError: Not JSON, not an object, or no ``type``.
    """
    raw = _raw_object(data)
    return _name(raw), raw


def raw_streamed(data: str | bytes) -> tuple[str, JsonObject]:
    """As `raw_event`; a bare ``{"error": ...}``, as many servers give up a stream, is an error.

    Raises:
        ProtocolError: As `raw_event` raises.
    """
    raw = _raw_object(data)
    if "type" not in raw and raw.get("error"):
        return "error", raw
    return _name(raw), raw


def _name(raw: JsonObject) -> str:
    name = raw.get("type")
    if not isinstance(name, str) or not name:
        raise ProtocolError("the peer sent an event without a type")
    return name


def _raw_object(data: str | bytes) -> JsonObject:
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ProtocolError(f"the peer sent an event that is not JSON: {error}") from None
    except RecursionError:
        raise ProtocolError("the peer sent an event that is nested too deep") from None
    if not isinstance(raw, dict):
        raise ProtocolError(
            f"the peer sent a JSON {type(raw).__name__} where an event object was expected"
        )
    return raw
