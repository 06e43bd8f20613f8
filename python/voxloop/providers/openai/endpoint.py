"""One account at one base URL: addresses, headers, and the rules for trying again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import trio

from voxloop import net, telemetry
from voxloop._errors import (
    ConfigError,
    NetworkError,
    ProtocolError,
    QuotaExceeded,
    VoxloopError,
)
from voxloop._version import __version__
from voxloop.net import ConnectOptions, Secret, WebSocketOptions
from voxloop.providers.openai.errors import error_from_response

if TYPE_CHECKING:
    from voxloop.net import HttpOptions, HttpResponse, Part

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
USER_AGENT: Final = f"voxloop/{__version__}"
RETRY_BUDGET: Final = 60.0
_ERROR_BODY_LIMIT: Final = 64 * 1024
_SCHEMES: Final = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}

T = TypeVar("T")


class Refused(Exception):
    """An answer that is not 2xx, with what decides whether to try again. Never leaves `retrying`.

    Attributes:
        error: What the caller is to see.
    """

    def __init__(
        self, error: VoxloopError, status: int, headers: Mapping[str, str], body: str
    ) -> None:
        super().__init__(status)
        self.error = error
        self.status = status
        self.headers = headers
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go and in whose name.

    Attributes:
        base_url: With its path prefix, without a trailing slash.
        api_key: A key, a function that gives one, or None for the usual sources.
        organization: Sent as ``OpenAI-Organization``.
        project: Sent as ``OpenAI-Project``.
        key_header: The header that carries the key; all but ``Authorization`` carry it bare.
        query: Added to the query of every address.
        more_headers: Added to every request; the same name (any case) replaces one of ours.
        realtime: WebSocket address instead of ``/realtime`` under the base URL.
        way: Whom to trust, who we are, and through which proxy.
    """

    base_url: str
    api_key: net.ApiKey | None = field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None
    key_header: str = "Authorization"
    query: Mapping[str, str] = field(default_factory=dict)
    more_headers: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    realtime: str | None = None
    way: ConnectOptions = field(default_factory=ConnectOptions, repr=False)

    @classmethod
    def resolve(
        cls,
        *,
        api_key: net.ApiKey | None,
        base_url: str | None,
        organization: str | None,
        project: str | None,
        key_header: str = "Authorization",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        realtime_url: str | None = None,
        connect: ConnectOptions | None = None,
    ) -> Endpoint:
        """Fill in what was left open from the environment.

        Raises:
            ConfigError: The base URL is not ``http://`` or ``https://``.
        """
        url = (base_url or _environment("OPENAI_BASE_URL") or DEFAULT_BASE_URL).strip()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"the base URL must begin with http:// or https:// and a host; its scheme is "
                f"{parts.scheme or 'missing'!r}"
            )
        if parts.username or parts.password:
            raise ConfigError("the base URL holds a user name or password; give api_key= instead")
        return cls(
            base_url=url.rstrip("/"),
            api_key=Secret(api_key) if isinstance(api_key, str) else api_key,
            organization=organization or _environment("OPENAI_ORG_ID"),
            project=project or _environment("OPENAI_PROJECT_ID"),
            key_header=key_header,
            query=dict(query or {}),
            more_headers=dict(headers or {}),
            realtime=realtime_url,
            way=connect or ConnectOptions(),
        )

    @property
    def official(self) -> bool:
        """Whether this is OpenAI itself, rather than a server that speaks its protocol."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    async def key(self) -> Secret:
        """The key to use now.

        Raises:
            AuthenticationError: There is none.

        **Cancellation:** may be called again.
        """
        return await net.resolve_api_key(self.api_key)

    def headers(self, key: Secret | None) -> dict[str, str | Secret]:
        """The headers of every request."""
        headers: dict[str, str | Secret] = {"User-Agent": USER_AGENT}
        if key is not None:
            bearer = self.key_header.lower() == "authorization"
            headers[self.key_header] = Secret(f"Bearer {key.reveal()}") if bearer else key
        if self.organization:
            headers["OpenAI-Organization"] = self.organization
        if self.project:
            headers["OpenAI-Project"] = self.project
        return merge_headers(headers, self.more_headers)

    def url(self, path: str) -> str:
        """The address of ``path``; a query of the base URL is kept, ``query`` is added."""
        parts = urlsplit(self.base_url)
        text = self._query(parts.query)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, query=text))

    def _query(self, given: str) -> str:
        if not self.query:
            return given
        pairs = parse_qsl(given, keep_blank_values=True)
        names = {name for name, _ in pairs}
        pairs += [(name, value) for name, value in self.query.items() if name not in names]
        return urlencode(pairs, quote_via=quote)

    def realtime_url(
        self,
        *,
        url: str | None = None,
        model: str | None = None,
        call_id: str | None = None,
        intent: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """The WebSocket address; an existing query is kept, what is given here is added.

        Names in ``more`` replace those of the query.

        Raises:
            ConfigError: The URL is not of ws, wss, http or https.
        """
        if url is None and self.realtime is not None:
            parts = urlsplit(self.realtime)
            parts = parts._replace(query=self._query(parts.query))
        else:
            parts = urlsplit(url or self.url("/realtime"))
        scheme = _SCHEMES.get(parts.scheme)
        if scheme is None or not parts.netloc:
            raise ConfigError(
                "the realtime URL must begin with wss://, ws://, https:// or http:// and a host"
            )
        query = parse_qsl(parts.query, keep_blank_values=True)
        if more:
            query = [(name, value) for name, value in query if name not in more]
            query += more.items()
        names = {name for name, _ in query}
        if call_id is not None:
            query = [(name, value) for name, value in query if name != "call_id"]
            query.append(("call_id", call_id))
        elif model is not None and not names & {"model", "call_id"}:
            query.append(("model", model))
        if intent is not None and "intent" not in names:
            query.append(("intent", intent))
        text = urlencode(query, quote_via=quote)
        return urlunsplit(parts._replace(scheme=scheme, query=text, fragment=""))

    @property
    def websocket_options(self) -> WebSocketOptions:
        """Times and limits of a WebSocket, and the way to it."""
        if isinstance(self.way, WebSocketOptions):
            return self.way
        return self.way.given_to(WebSocketOptions())

    @asynccontextmanager
    async def post(
        self,
        path: str,
        *,
        doing: str,
        idempotency_key: str,
        options: HttpOptions,
        content: bytes | None = None,
        multipart: list[Part] | None = None,
        accept: str = "application/json",
    ) -> AsyncIterator[HttpResponse]:
        """Send one request once; the block is entered only with a 2xx answer.

        Args:
            path: Under the base URL.
            doing: What is asked for, for messages.
            idempotency_key: Sent as ``Idempotency-Key``, so that a server that has done the work
                already, though its answer was lost, need not do it twice.
            options: Times and limits; their way to the server is replaced by that of the account.
            content: A JSON body.
            multipart: The parts of a form.
            accept: The kind of answer.

        Raises:
            Refused: Any other status; for `retrying` alone.
        """
        own = {name.lower() for name in self.more_headers}
        key = None if self.key_header.lower() in own else await self.key()
        headers = self.headers(key)
        headers["Accept"] = accept
        if "idempotency-key" not in own:
            headers["Idempotency-Key"] = idempotency_key
        if content is not None:
            headers["Content-Type"] = "application/json"
        async with net.request(
            "POST",
            self.url(path),
            headers=headers,
            content=content,
            multipart=multipart,
            options=self.way.given_to(options),
        ) as response:
            if not 200 <= response.status < 300:
                body = await _error_body(response)
                error = error_from_response(
                    response.status, response.headers, body, doing=doing, key=key
                )
                raise Refused(error, response.status, response.headers, body)
            yield response

    async def retrying(
        self,
        once: Callable[[str], Awaitable[T]],
        *,
        doing: str,
        budget: float = RETRY_BUDGET,
    ) -> T:
        """Call ``once`` until it succeeds or trying again makes no sense.

        A key that comes from a function is asked for once more when the server refused it. Each
        wait is told to ``voice.http.retry`` listeners.

        Args:
            once: Makes the request. It is given the idempotency key of all its attempts.
            doing: What is asked for, for telemetry.
            budget: Seconds from the first attempt within which the last one must begin; a deadline
                of a cancel scope around this cuts it short. Rather than begin a wait that does not
                fit, the failure is raised at once.

        Raises:
            VoxloopError: The last failure.

        **Cancellation:** as ``once`` has it.
        """
        key = f"voxloop-{uuid4()}"
        deadline = min(trio.current_time() + budget, trio.current_effective_deadline())
        waited = 0.0
        failed = 0
        refreshed = not callable(self.api_key)
        while True:
            failed += 1
            error: VoxloopError
            status: int | None
            headers: Mapping[str, str]
            try:
                return await once(key)
            except Refused as refused:
                error = refused.error
                if refused.status == 401 and not refreshed:
                    refreshed = True
                    continue
                status, headers, body = refused.status, refused.headers, refused.body
            except NetworkError as lost:
                if not lost.retryable:
                    raise
                error, status, headers, body = lost, None, {}, ""
            left = deadline - trio.current_time()
            delay = net.retry_delay(failed, status=status, headers=headers, body=body, budget=left)
            if delay is None or isinstance(error, QuotaExceeded):  # however that was worded
                try:
                    raise error
                finally:
                    del error  # its traceback holds this frame
            waited += delay
            telemetry.emit(
                "voice.http.retry",
                {"attempt": failed, "delay_ms": delay * 1000, "waited_ms": waited * 1000},
                {"doing": doing, "code": error.code},
            )
            del error
            await trio.sleep(delay)


def merge_headers(
    base: Mapping[str, str | Secret], more: Mapping[str, str | Secret]
) -> dict[str, str | Secret]:
    """``base`` with ``more``; a name of ``more`` in any case replaces the one of ``base``."""
    replaced = {name.lower() for name in more}
    merged = {name: value for name, value in base.items() if name.lower() not in replaced}
    merged.update(more)
    return merged


async def _error_body(response: HttpResponse) -> str:
    """What came of it; the status has to do where nothing did."""
    body = bytearray()
    try:
        async for piece in response.iter_bytes():
            body += piece
            if len(body) >= _ERROR_BODY_LIMIT:
                break
    except (NetworkError, ProtocolError):
        pass
    return body[:_ERROR_BODY_LIMIT].decode("utf-8", "replace")


def _environment(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None
