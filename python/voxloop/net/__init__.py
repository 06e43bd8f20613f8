"""WebSocket and HTTP clients as trio context managers; the sockets live in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._errors import (
    AuthenticationError,
    ConnectFailed,
    ConnectionClosed,
    HandshakeRejected,
    NetworkError,
    NetworkTimeout,
    ProtocolError,
    TlsFailed,
)
from voxloop._lazy import lazy
from voxloop._native import AudioDelta, CutItem, MediaCut
from voxloop.net._auth import KEY_SOURCES, ApiKey, Secret, find_api_key, resolve_api_key
from voxloop.net._frame import Frame
from voxloop.net._media import (
    Interruption,
    MediaLink,
    MediaOptions,
    MediaReport,
    MediaStats,
    Tapped,
)
from voxloop.net._options import ConnectOptions
from voxloop.net._retry import QUOTA_CODES, retry_delay
from voxloop.net._runtime import configure
from voxloop.net._websocket import WebSocket, WebSocketOptions, open_websocket

if TYPE_CHECKING:
    from voxloop.net._http import HttpOptions, HttpResponse, Part, SseEvent, request

__all__ = [
    "KEY_SOURCES",
    "QUOTA_CODES",
    "ApiKey",
    "AudioDelta",
    "AuthenticationError",
    "ConnectFailed",
    "ConnectOptions",
    "ConnectionClosed",
    "CutItem",
    "Frame",
    "HandshakeRejected",
    "HttpOptions",
    "HttpResponse",
    "Interruption",
    "MediaCut",
    "MediaLink",
    "MediaOptions",
    "MediaReport",
    "MediaStats",
    "NetworkError",
    "NetworkTimeout",
    "Part",
    "ProtocolError",
    "Secret",
    "SseEvent",
    "Tapped",
    "TlsFailed",
    "WebSocket",
    "WebSocketOptions",
    "configure",
    "find_api_key",
    "open_websocket",
    "request",
    "resolve_api_key",
    "retry_delay",
]

# The HTTP client, which a realtime session does without.
__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    dict.fromkeys(("HttpOptions", "HttpResponse", "Part", "SseEvent", "request"), "_http"),
)
