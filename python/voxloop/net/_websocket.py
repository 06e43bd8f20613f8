"""The WebSocket client: reader and writer are tokio tasks, this is their face to trio."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast

import trio

from voxloop import _native
from voxloop._bridge import Inbox, Outbox, checkpoint, notify_closing
from voxloop._errors import ConfigError, NetworkError, UseAfterClose
from voxloop.net._auth import Secret
from voxloop.net._frame import Frame
from voxloop.net._options import ConnectOptions, check_seconds

MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024

if TYPE_CHECKING:
    from voxloop.net._media import MediaLink


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions(ConnectOptions):
    """Limits and times of one connection, and those of `ConnectOptions`.

    The defaults suit a voice session.

    Attributes:
        open_timeout: Seconds for name, TCP, TLS and upgrade together.
        close_timeout: Seconds that leaving the block waits for the peer's close frame.
        ping_interval: Seconds between pings; None sends none.
        ping_timeout: Seconds a pong may take before the connection counts as lost. With the
            defaults a dead peer is noticed within 25 s.
        max_message_bytes: A larger message ends the connection with close code 1009. At most
            256 MiB.
        inbox_bytes: Received and not yet taken; beyond it the socket is not read on.
        outbox_bytes: Queued and not yet written; beyond it `send` waits.
        coalesce_ms: With ``decode_audio``: after a wake-up for sound, more sound waits up to this
            long for company, so that one wake-up is for several pieces. The first piece after a
            pause, and every other message, wakes at once. 0 turns it off.
    """

    open_timeout: float = 10.0
    close_timeout: float = 0.25
    ping_interval: float | None = 15.0
    ping_timeout: float | None = 10.0
    max_message_bytes: int = 16 * 1024 * 1024
    inbox_bytes: int = 8 * 1024 * 1024
    outbox_bytes: int = 4 * 1024 * 1024
    coalesce_ms: float = 20.0

    def __post_init__(self) -> None:
        ConnectOptions.__post_init__(self)
        check_seconds(self, "open_timeout", "close_timeout", "ping_interval", "ping_timeout")
        if not 0 <= self.coalesce_ms <= 1000:
            raise ConfigError(f"coalesce_ms must be 0 to 1000, not {self.coalesce_ms!r}")
        for name in ("max_message_bytes", "inbox_bytes", "outbox_bytes"):
            if getattr(self, name) < 1024:
                raise ConfigError(f"{name} must be at least 1024, not {getattr(self, name)!r}")
        if self.max_message_bytes > MAX_MESSAGE_BYTES:
            raise ConfigError(
                f"max_message_bytes must be at most {MAX_MESSAGE_BYTES}, "
                f"not {self.max_message_bytes!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketStats:
    """Counters of one connection.

    Attributes:
        messages_in, messages_out, bytes_in, bytes_out: Whole messages and their payload.
        wakes: How often the descriptor was made readable for the receiver.
        rtt: Seconds of the last ping's round trip, None before the first pong.
        pongs: Pings that were answered.
        inbox_bytes, outbox_bytes: What lies in the queues now.
    """

    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    wakes: int
    rtt: float | None
    pongs: int
    inbox_bytes: int
    outbox_bytes: int


class WebSocket:
    """An open connection, made by `open_websocket`.

    One task receives; any number may send, and their messages keep the order of the calls.
    """

    __slots__ = (
        "_close_timeout",
        "_closed",
        "_head",
        "_inbox",
        "_native",
        "_outbox",
        "_ready",
        "handshake_seconds",
    )

    def __init__(
        self,
        native: _native.WebSocket,
        inbox: Inbox[_native.WebSocketItem],
        opening: list[_native.WebSocketItem],
        close_timeout: float,
    ) -> None:
        self._native = native
        self._inbox = inbox
        self._outbox = Outbox(native)
        self._close_timeout = close_timeout
        self._closed = False
        handshake = opening[0]
        assert isinstance(handshake, _native.Handshake)  # noqa: S101 - the transport's first item
        # As one text, for few look at it.
        self._head = "\n".join(f"{name}:{value}" for name, value in handshake.headers.items())
        self.handshake_seconds = handshake.seconds
        """Seconds from the first packet to the open connection."""
        self._ready: list[Frame] = _frames(opening[1:])

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the upgrade's answer, lower-case names."""
        fields = (line.partition(":") for line in self._head.split("\n") if line)
        return {name: value for name, _, value in fields}

    def receive_batch(self) -> Coroutine[Any, Any, list[Frame]]:
        """Wait for messages and take all that have arrived.

        Returns:
            At least one frame, in order, each with its time of arrival.

        Raises:
            ConnectionClosed: The connection has ended, and its last frame was taken.
            ConcurrencyError: Another task is receiving.
            UseAfterClose: The block was left.

        **Cancellation:** nothing is lost; may be called again.
        """
        self._check_open()
        if self._ready:
            return self._at_once()
        return self._inbox.receive_as(_frames)

    async def _at_once(self) -> list[Frame]:
        await checkpoint()
        frames, self._ready = self._ready, []
        return frames

    async def receive(self) -> Frame:
        """Wait for one message; see `receive_batch`.

        **Cancellation:** nothing is lost; may be called again.
        """
        frames = await self.receive_batch()
        self._ready = frames[1:]
        return frames[0]

    async def send(self, data: str | bytes) -> None:
        """Queue one text (``str``) or binary (``bytes``) message.

        Returns once the message has its place in the queue, not once it is on the wire.

        Raises:
            ConnectionClosed: The connection has ended.
            UseAfterClose: The block was left.

        **Cancellation:** the message was then not queued; may be called again.
        """
        self._check_open()
        await self._outbox.send(data)

    def try_send(self, data: str | bytes) -> bool:
        """Queue one message now; False if there is no room, or if others wait for it.

        Raises:
            ConnectionClosed: The connection has ended.
            UseAfterClose: The block was left.
        """
        self._check_open()
        return self._outbox.try_send(data)

    def try_append(self, data: bytes) -> bool:
        """Queue ``input_audio_buffer.append`` with ``data``; False as in `try_send`.

        The event is made on the other side: its text never exists in Python.

        Args:
            data: Sound in the format of the session's input, whole samples.

        Raises:
            ConnectionClosed: The connection has ended.
            UseAfterClose: The block was left.
        """
        self._check_open()
        return not self._outbox.crowded and self._native.try_append(data)

    def bind_media(self, media: MediaLink) -> int:
        """Let media talk over this connection, which must have been opened with ``decode_audio``.

        Audio that an earlier connection of theirs may have lost is sent again first.

        Returns:
            How many samples of the user's audio that is.

        Raises:
            ConfigError: The connection does not decode audio.
            UseAfterClose: The block was left, or the media are closed.
        """
        self._check_open()
        return media.bind_native(self._native)

    def keep_messages(self, wanted: bool) -> None:
        """Whether sound that comes from now on keeps the messages it came in, as it does at first.

        Without them a connection that was opened with ``decode_audio`` holds, and copies, less
        than half as much.
        """
        self._native.keep_messages(wanted)

    def stats(self) -> WebSocketStats:
        """Counters so far."""
        return WebSocketStats(**self._native.stats())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        return await self.receive()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, wait briefly for the peer's, and let go of the socket.

        **Cancellation:** the socket is closed all the same, at the latest after
        ``close_timeout``.
        """
        if self._closed:
            await checkpoint()
            return
        self._closed = True
        self._native.close(code, reason)
        try:
            with trio.CancelScope(shield=True) as scope:
                scope.deadline = trio.current_time() + self._close_timeout
                while True:
                    # Whoever lets go while another task reads breaks the socket for the peer.
                    await self._inbox.free()
                    await self._inbox.receive_batch()
        except NetworkError:
            pass
        finally:
            _let_go(self._native)

    def _check_open(self) -> None:
        if self._closed:
            raise UseAfterClose("this WebSocket's block was left; open a new one")


def open_websocket(
    url: str,
    *,
    headers: Mapping[str, str | Secret] | None = None,
    subprotocols: Iterable[str] = (),
    options: WebSocketOptions | None = None,
    decode_audio: bool = False,
) -> AbstractAsyncContextManager[WebSocket]:
    """Connect, and close on leaving the block.

    Args:
        url: ``ws://`` or ``wss://``.
        headers: Added to the upgrade request. A `Secret` never appears in an error.
        subprotocols: Offered to the server, in order of preference.
        options: Limits and times.
        decode_audio: Understand the sound of the Realtime protocol: it is decoded on the network
            thread and comes as `AudioDelta`, in order with all other messages, and media can be
            bound to the connection.

    Raises:
        ConnectFailed: Name, route or listener.
        TlsFailed: The certificate or the handshake was refused.
        HandshakeRejected: The server answered with another status than 101.
        NetworkTimeout: It took longer than ``options.open_timeout``.
        ConfigError: The URL cannot be used, or a key would go over plain ``ws://``.

    **Cancellation:** the attempt is given up and its socket closed.
    """
    return _Block(url, headers, subprotocols, options or WebSocketOptions(), decode_audio)


class _Block:
    """The block of a WebSocket; what it was opened with is not kept for as long as it is open."""

    __slots__ = ("_given", "_socket")

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str | Secret] | None,
        subprotocols: Iterable[str],
        options: WebSocketOptions,
        decode_audio: bool,
    ) -> None:
        self._given = url, headers, subprotocols, options, decode_audio

    async def __aenter__(self) -> WebSocket:
        url, headers, subprotocols, options, decode_audio = self._given
        del self._given
        native = _native.WebSocket.open(
            url,
            headers=plain_headers(headers),
            subprotocols=list(subprotocols),
            open_timeout=options.open_timeout,
            close_timeout=options.close_timeout,
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_message_bytes=options.max_message_bytes,
            inbox_bytes=options.inbox_bytes,
            outbox_bytes=options.outbox_bytes,
            way=options.way(),
            coalesce=options.coalesce_ms / 1000.0,
            decode_audio=decode_audio,
        )
        inbox: Inbox[_native.WebSocketItem] = Inbox(native)
        try:
            opening = await inbox.receive_batch()
            self._socket = WebSocket(native, inbox, opening, options.close_timeout)
        except BaseException:
            _let_go(native)
            raise
        return self._socket

    async def __aexit__(self, *failure: object) -> None:
        await self._socket.aclose()


_frame = cast("Callable[[_native.WebSocketItem], Frame]", partial(tuple.__new__, Frame))
"""`Frame._make` without a call in Python, for floods."""


def _frames(items: list[_native.WebSocketItem]) -> list[Frame]:
    return list(map(_frame, items))


def _let_go(native: _native.WebSocket) -> None:
    notify_closing(native.fileno(), native.send_fileno())
    native.abort()


def plain_headers(headers: Mapping[str, str | Secret] | None) -> list[tuple[str, str, bool]]:
    """Headers as Rust takes them: name, value, and whether the value is a secret."""
    sensitive = {"authorization", "proxy-authorization", "cookie", "api-key"}
    return [
        (name, value.reveal(), True)
        if isinstance(value, Secret)
        else (name, value, name.lower() in sensitive)
        for name, value in (headers or {}).items()
    ]
