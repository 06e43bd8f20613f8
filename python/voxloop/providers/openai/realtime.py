"""The realtime connection: address, headers and the WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from voxloop import net
from voxloop._errors import ConfigError, HandshakeRejected
from voxloop._scope import Entering
from voxloop.net import Secret, WebSocketOptions
from voxloop.providers.openai.endpoint import Endpoint, merge_headers
from voxloop.providers.openai.errors import error_from_handshake
from voxloop.providers.openai.models import REALTIME_MODEL
from voxloop.providers.protocols import RealtimeTarget, RealtimeTransport


def open_realtime(
    endpoint: Endpoint, target: RealtimeTarget
) -> AbstractAsyncContextManager[RealtimeTransport]:
    """Connect to the realtime API; leaving the block closes the connection.

    Headers of ``target`` replace ours of the same name. When they bring credentials of their own
    (``Authorization`` or ``api-key``), no key is looked for.

    Raises:
        ConfigError: The URL cannot be used, or both a call and a model are named.
        AuthenticationError: No key, or the server refused it.
        RateLimited, QuotaExceeded: The server refused the connection with status 429.
        HandshakeRejected: It refused with another status.
        NetworkError: It could not be reached.

    **Cancellation:** the attempt is given up and its socket closed.
    """
    if target.call_id is not None and target.model is not None:
        raise ConfigError("a call has its model already; give either call_id or model")
    return connect(
        endpoint,
        url=target.url,
        model=target.model or REALTIME_MODEL,
        call_id=target.call_id,
        query=target.query,
        headers=target.headers,
        transport=target.transport,
        decode_audio=True,
    )


def connect(
    endpoint: Endpoint,
    *,
    url: str | None = None,
    model: str | None = None,
    call_id: str | None = None,
    intent: str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    transport: WebSocketOptions | None = None,
    decode_audio: bool = False,
) -> AbstractAsyncContextManager[RealtimeTransport]:
    """Open the WebSocket; see `open_realtime`.

    A key from a function is asked for each time, and once more when the server refused it.

    **Cancellation:** the attempt is given up and its socket closed.
    """
    address = endpoint.realtime_url(
        url=url, model=model, call_id=call_id, intent=intent, more=query
    )
    options = endpoint.way.given_to(transport or WebSocketOptions())
    return _Block(endpoint, address, headers or {}, options, decode_audio)


class _Block(Entering):
    """The block of a connection; what it was opened with is not kept for as long as it is open."""

    __slots__ = ("_given",)

    def __init__(
        self,
        endpoint: Endpoint,
        address: str,
        headers: Mapping[str, str | Secret],
        options: WebSocketOptions,
        decode_audio: bool,
    ) -> None:
        self._given = endpoint, address, headers, options, decode_audio

    async def __aenter__(self) -> RealtimeTransport:
        endpoint, address, headers, options, decode_audio = self._given
        del self._given
        own = {name.lower() for name in headers}
        own |= {name.lower() for name in endpoint.more_headers}
        known = own & {"authorization", "api-key", endpoint.key_header.lower()}
        key = None if known else await endpoint.key()
        again = key is not None and callable(endpoint.api_key)
        while True:
            merged = merge_headers(endpoint.headers(key), headers)
            try:
                self._opened = opening = net.open_websocket(
                    address,
                    headers=merged,
                    options=options,
                    decode_audio=decode_audio,
                )
                return await opening.__aenter__()
            except HandshakeRejected as rejected:
                status, error = rejected.status, error_from_handshake(rejected, key=key)
            if status != 401 or not again:
                raise error  # outside of the handler: the original may quote the key
            again = False
            key = await endpoint.key()
