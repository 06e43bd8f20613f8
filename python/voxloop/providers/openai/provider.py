"""`OpenAI`: one account, all engines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from voxloop.net import ApiKey, ConnectOptions, Secret
from voxloop.providers.openai.azure import KEY_HEADER, azure_base_url, azure_key
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.realtime import open_realtime
from voxloop.providers.protocols import (
    LanguageModel,
    RealtimeTarget,
    RealtimeTransport,
)

if TYPE_CHECKING:
    from voxloop.providers.openai.stt import OpenAISpeechToText
    from voxloop.providers.openai.tts import OpenAITextToSpeech


class OpenAI:
    """Realtime sessions, transcription, speech and responses of one OpenAI account.

    Also for servers that speak the same protocol. The object is light and holds no connection;
    one may serve any number of sessions.

    Args:
        api_key: The key, or a function (sync or async) that is asked for one before each request.
            Without it `CODEX_API_KEY`, `auth.json` under `CODEX_HOME` and `OPENAI_API_KEY` are
            tried in this order, when the first request is made.
        base_url: With its path prefix; default `OPENAI_BASE_URL`, else OpenAI's own.
        organization: Default `OPENAI_ORG_ID`.
        project: Default `OPENAI_PROJECT_ID`.
        key_header: The header that carries the key: ``"Authorization"`` (as a bearer token), or
            such as ``"api-key"``, bare.
        query: Added to the query of every address, such as ``{"api-version": "preview"}``.
        headers: Added to every request; the same name (any case) replaces one of ours.
        realtime_url: Address of realtime sessions, where it is not ``/realtime`` under the base
            URL.
        connect: Whom to trust, our certificate, the proxy: for requests and realtime sessions
            alike. A `net.WebSocketOptions` says of WebSockets how often they are asked for a sign
            of life, and their limits, as well.

    Raises:
        ConfigError: The base URL cannot be used.

    Example::

        provider = voxloop.OpenAI(api_key=fetch_key)
        async with voxloop.realtime.open_session(agent, provider=provider) as session: ...

    On Azure see `azure`.
    """

    def __init__(
        self,
        api_key: ApiKey | None = None,
        *,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        key_header: str = "Authorization",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        realtime_url: str | None = None,
        connect: ConnectOptions | None = None,
    ) -> None:
        self._endpoint = Endpoint.resolve(
            api_key=api_key,
            base_url=base_url,
            organization=organization,
            project=project,
            key_header=key_header,
            query=query,
            headers=headers,
            realtime_url=realtime_url,
            connect=connect,
        )

    @classmethod
    def azure(
        cls,
        endpoint: str,
        *,
        api_key: ApiKey | None = None,
        api_version: str | None = None,
        key_header: str = KEY_HEADER,
        headers: Mapping[str, str | Secret] | None = None,
        connect: ConnectOptions | None = None,
    ) -> OpenAI:
        """A resource on Azure, by its current API; models are named by their deployments.

        Args:
            endpoint: Such as ``https://NAME.openai.azure.com``.
            api_key: Key of the resource, or a function that gives one; default
                ``AZURE_OPENAI_API_KEY``. Keys of OpenAI's own accounts are never sent there.
            api_version: Sent as ``api-version``, where the resource wants one.
            key_header: ``"Authorization"`` for tokens of a directory, which ``api_key`` then gives.
            headers: As for `OpenAI`.
            connect: As for `OpenAI`.

        Raises:
            ConfigError: The endpoint cannot be used.

        Example::

            provider = voxloop.OpenAI.azure("https://NAME.openai.azure.com", api_key=key)
            model = realtime.ModelConfig(model="my-deployment")
        """
        return cls(
            api_key=azure_key if api_key is None else api_key,
            base_url=azure_base_url(endpoint),
            key_header=key_header,
            query=None if api_version is None else {"api-version": api_version},
            headers=headers,
            connect=connect,
        )

    @property
    def base_url(self) -> str:
        """Where requests go, without a trailing slash."""
        return self._endpoint.base_url

    def realtime(self, target: RealtimeTarget) -> AbstractAsyncContextManager[RealtimeTransport]:
        """Open a realtime connection; leaving the block closes it.

        Raises `ConfigError` for a target that cannot be used; entering the block raises that,
        `AuthenticationError`, `RateLimited`, `QuotaExceeded`, `HandshakeRejected` or another
        `NetworkError`.
        """
        return open_realtime(self._endpoint, target)

    def speech_to_text(self) -> OpenAISpeechToText:
        """The recogniser: ``/audio/transcriptions``, and ``/realtime`` for streams."""
        # Here and below: loaded when it is asked for; a realtime session asks for none of them.
        from voxloop.providers.openai.stt import OpenAISpeechToText

        return OpenAISpeechToText(self._endpoint)

    def text_to_speech(self) -> OpenAITextToSpeech:
        """The voice: ``/audio/speech``."""
        from voxloop.providers.openai.tts import OpenAITextToSpeech

        return OpenAITextToSpeech(self._endpoint)

    def language_model(self) -> LanguageModel:
        """The language model: ``/responses``."""
        from voxloop.providers.openai.llm import OpenAILanguageModel

        return OpenAILanguageModel(self._endpoint)

    async def warm_up(self) -> None:
        """Resolve the key once, so that a missing one is known before the first turn.

        Raises:
            AuthenticationError: There is none.

        **Cancellation:** may be called again.
        """
        await self._endpoint.key()

    def __repr__(self) -> str:
        return f"OpenAI(base_url={self.base_url!r})"
