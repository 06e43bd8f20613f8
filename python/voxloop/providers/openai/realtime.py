"""The realtime connection: address, headers and the WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from voxloop import net
from voxloop._errors import ConfigError, HandshakeRejected
from voxloop.net import Secret
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_handshake
from voxloop.providers.openai.models import REALTIME_MODEL
from voxloop.providers.protocols import RealtimeTarget, RealtimeTransport


@asynccontextmanager
async def open_realtime(
    endpoint: Endpoint, target: RealtimeTarget
) -> AsyncIterator[RealtimeTransport]:
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
    url = endpoint.realtime_url(
        url=target.url, model=target.model or REALTIME_MODEL, call_id=target.call_id
    )
    own = {name.lower() for name in target.headers}
    key = None if own & {"authorization", "api-key"} else await endpoint.key()
    headers = merge_headers(endpoint.headers(key), target.headers)
    async with AsyncExitStack() as stack:
        try:
            socket = await stack.enter_async_context(
                net.open_websocket(url, headers=headers, decode_audio=True)
            )
        except HandshakeRejected as rejected:
            error = error_from_handshake(rejected, key=key)
            if error is rejected:
                raise
            raise error from rejected
        yield socket


def merge_headers(
    base: Mapping[str, str | Secret], more: Mapping[str, str]
) -> dict[str, str | Secret]:
    """``base`` with ``more``; a name of ``more`` in any case replaces the one of ``base``."""
    replaced = {name.lower() for name in more}
    merged = {name: value for name, value in base.items() if name.lower() not in replaced}
    merged.update(more)
    return merged
