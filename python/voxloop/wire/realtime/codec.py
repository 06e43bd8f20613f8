"""JSON text to structs and back.

A known event of the right shape takes one pass of a compiled decoder. Everything else takes a
second, slower look: older event names, fields that a server left out or wrote as ``null``, parts
that cannot be read. What can be understood is; what cannot is kept whole as ``Unknown`` or
``Invalid``, so that no event of the peer ends a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from voxloop.wire._base import Event, JsonObject, Unknown, by_tag, raw_event
from voxloop.wire.realtime import _lenient
from voxloop.wire.realtime.client import ClientEvent
from voxloop.wire.realtime.server import ServerEvent
from voxloop.wire.text import tellable


@dataclass(frozen=True, slots=True)
class Invalid:
    """An event of a known type whose content cannot be used.

    Attributes:
        type: Its type.
        error: What is wrong with it, and where.
        raw: The whole JSON object.
    """

    type: str
    error: str
    raw: JsonObject


ServerMessage: TypeAlias = ServerEvent | Unknown | Invalid
ClientMessage: TypeAlias = ClientEvent | Unknown | Invalid

SERVER_EVENTS: Final = by_tag(ServerEvent)
"""Every server event by its wire type."""
CLIENT_EVENTS: Final = by_tag(ClientEvent)
"""Every client event by its wire type."""

_SERVER: Final[msgspec.json.Decoder[ServerEvent]] = msgspec.json.Decoder(ServerEvent)
_CLIENT: Final[msgspec.json.Decoder[ClientEvent]] = msgspec.json.Decoder(ClientEvent)
_ENCODER: Final = msgspec.json.Encoder()


def decode_server(data: str | bytes) -> ServerMessage:
    """Decode one message of the server.

    Args:
        data: JSON text (UTF-8 if bytes).

    Returns:
        The event; ``Unknown`` for a type that is not known; ``Invalid`` for a known type whose
        content cannot be used (audio that is not base64, for one). Names of the beta protocol give
        the events of today. Missing indexes, ids and counts become 0 or ``""``; parts that cannot
        be read are left out when the event makes sense without them.

    Raises:
        ProtocolError: Not JSON, not an object, or no ``type``.
    """
    try:
        return _SERVER.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        name, raw = raw_event(data)
    known = SERVER_EVENTS.get(_lenient.SERVER_ALIASES.get(name, name))
    if known is None:
        return Unknown(name, raw)
    try:
        return _lenient.convert(raw, known)  # type: ignore[return-value]  # a member of the union
    except msgspec.ValidationError as error:
        return Invalid(name, str(error), raw)


def decode_client(data: str | bytes) -> ClientMessage:
    """Decode one message of a client. Nothing is guessed: a server has to tell what is wrong.

    Args:
        data: JSON text (UTF-8 if bytes).

    Returns:
        The event, ``Unknown`` or ``Invalid``.

    Raises:
        ProtocolError: Not JSON, not an object, or no ``type``.
    """
    try:
        return _CLIENT.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        reason = str(error)
    name, raw = raw_event(data)
    if name not in CLIENT_EVENTS:
        return Unknown(name, raw)
    return Invalid(name, reason, raw)


def encode(event: Event | Unknown | Invalid | JsonObject) -> str:
    """Encode one event as JSON text; a ``None`` that is the default and ``UNSET`` are left out.

    Half a surrogate pair, which a file's name may bring, cannot be told in UTF-8 and stands as
    U+FFFD.

    Args:
        event: An event, or a JSON object to be sent as it is.

    Raises:
        TypeError: An object of the application's own making holds what is no JSON.
    """
    whole = event.raw if isinstance(event, (Unknown, Invalid)) else event
    try:
        return _ENCODER.encode(whole).decode()
    except UnicodeEncodeError:
        return _ENCODER.encode(tellable(msgspec.to_builtins(whole))).decode()
