"""One accepted TCP connection, with limits that the HTTP server under us does not have."""

from __future__ import annotations

from typing import Final

import trio

__all__ = ["Connection", "LimitedStream"]

_WRITE_S: Final = 10.0
_CLOSING_S: Final = 2.0
_CLOSING_BYTES: Final = 64 * 1024
_UPGRADED: Final = b"HTTP/1.1 101"
_CLOSE_FRAME: Final = b"\x88"


class LimitedStream:
    """A TCP stream with bounded writes, which hears little after it has said goodbye.

    A client that does not read would otherwise hold a writer for ever: the HTTP server shields its
    writes from cancellation. A client that goes on sending after the server's close frame would
    otherwise be read, and its unfinished message kept, without end.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._upgraded = False
        self._closing = False
        self._heard = 0

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket under the stream."""
        return self._stream.socket

    async def send_all(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            trio.BrokenResourceError: The peer has gone, or did not read for 10 s.
        """
        if self._upgraded and data[:1] == _CLOSE_FRAME:
            self._closing = True
        elif data.startswith(_UPGRADED):
            self._upgraded = True
        with trio.move_on_after(_WRITE_S) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.close()
            raise trio.BrokenResourceError(f"the client did not read for {_WRITE_S:g} s")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, ``b""`` at the end."""
        if not self._closing:
            return bytes(await self._stream.receive_some(max_bytes))
        data = b""
        with trio.move_on_after(_CLOSING_S):
            data = bytes(await self._stream.receive_some(max_bytes))
        self._heard += len(data)
        return data if self._heard <= _CLOSING_BYTES else b""

    async def send_eof(self) -> None:
        """Close the sending side."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    def close(self) -> None:
        """Close at once; whoever waits on the stream is woken with an error."""
        self._stream.socket.close()


class Connection:
    """An open connection and the means to give it up.

    Attributes:
        stream: Its stream.
        scope: Covers all tasks of the connection.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = LimitedStream(stream)
        self.scope = trio.CancelScope()

    def abort(self) -> None:
        """Close it at once and cancel its tasks."""
        self.scope.cancel()
        self.stream.close()
