"""The provider that needs no key and no network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from voxloop import net
from voxloop._errors import ConfigError
from voxloop.local.engines import load_engines
from voxloop.local.services import LocalLanguageModel, LocalSpeechToText, LocalTextToSpeech
from voxloop.providers import RealtimeTarget

__all__ = ["Local"]


class Local:
    """Speech, a deterministic agent and realtime sessions on this machine (extra ``local``).

    The language model is a router: it calls tools and speaks their results, and says so when no
    tool fits. Engines are loaded on first use, once a process; `warm_up` does it ahead of time.

    Example:
        >>> import voxloop
        >>> voxloop.Local()
        Local()
    """

    def __repr__(self) -> str:
        return "Local()"

    def speech_to_text(self) -> LocalSpeechToText:
        """The recogniser: English, behind a voice activity detector."""
        return LocalSpeechToText()

    def text_to_speech(self) -> LocalTextToSpeech:
        """The voice: one, English."""
        return LocalTextToSpeech()

    def language_model(self) -> LocalLanguageModel:
        """The router agent."""
        return LocalLanguageModel()

    async def warm_up(self) -> None:
        """Load all engines.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.

        **Cancellation:** may be called again.
        """
        await load_engines()

    @asynccontextmanager
    async def realtime(self, target: RealtimeTarget) -> AsyncIterator[net.WebSocket]:
        """Start a local server on a free port of the loopback interface and connect to it.

        The session so runs the same client code as against OpenAI, over a real socket. With
        ``target.url`` no server is started: it names one that runs already.

        Raises:
            ConfigError: ``target.call_id`` is set; there are no calls to attach to.
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.
            ConnectFailed: No port could be opened.

        **Cancellation:** the server and the socket are closed.
        """
        if target.call_id is not None:
            raise ConfigError("the local provider has no calls; leave call_id out")
        headers = dict(target.headers)
        if target.url is not None:
            async with net.open_websocket(target.url, headers=headers, decode_audio=True) as socket:
                yield socket
            return
        from voxloop.local.server import serve  # the HTTP packages are needed for this alone

        async with serve() as server:
            query = f"?{urlencode({'model': target.model})}" if target.model else ""
            url = f"{server.url.replace('http', 'ws', 1)}/realtime{query}"
            async with net.open_websocket(url, headers=headers, decode_audio=True) as socket:
                yield socket
