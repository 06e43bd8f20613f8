"""The realtime connection over real sockets: address, headers, refusals."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from websockets.http11 import Request
from websockets.trio.server import ServerConnection, serve

import voxloop
from voxloop._errors import (
    AuthenticationError,
    ConfigError,
    HandshakeRejected,
    QuotaExceeded,
    RateLimited,
)
from voxloop.providers import RealtimeTarget
from voxloop.testing import HttpServer
from voxloop.testing.http_script import Answer, refusal
from voxloop.wire import realtime as rt


@asynccontextmanager
async def echo_server() -> AsyncIterator[tuple[str, list[Request]]]:
    """A WebSocket server that greets and sends back what it gets."""
    requests: list[Request] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        requests.append(connection.request)
        created = rt.SessionCreated(event_id="e", session=rt.Session(type="realtime", id="s"))
        await connection.send(rt.encode(created))
        async for message in connection:
            await connection.send(message)

    async with trio.open_nursery() as nursery:
        server = await nursery.start(functools.partial(serve, handler, 0, host="127.0.0.1"))
        port = server.listeners[0].socket.getsockname()[1]
        try:
            yield f"127.0.0.1:{port}", requests
        finally:
            nursery.cancel_scope.cancel()


async def test_a_session_is_opened_at_the_base_url() -> None:
    async with echo_server() as (host, requests):
        provider = voxloop.OpenAI(
            api_key="sk-test", base_url=f"http://{host}/v1", organization="org"
        )
        async with provider.realtime(RealtimeTarget()) as transport:
            (frame, *_) = await transport.receive_batch()
            assert isinstance(rt.decode_server(frame.data), rt.SessionCreated)
            assert 0 <= time.monotonic() - frame.at < 5
            await transport.send(rt.encode(rt.ResponseCancel(response_id="ü")))
            (frame, *_) = await transport.receive_batch()
            assert json.loads(frame.data) == {"type": "response.cancel", "response_id": "ü"}
    (request,) = requests
    assert request.path == "/v1/realtime?model=gpt-realtime"
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.headers["OpenAI-Organization"] == "org"
    assert "OpenAI-Beta" not in request.headers


async def test_url_model_call_and_headers_of_the_target() -> None:
    async with echo_server() as (host, requests):
        provider = voxloop.OpenAI(api_key="sk-test", base_url="https://example.invalid/v1")
        targets = [
            RealtimeTarget(model="m 1", url=f"ws://{host}/x?tenant=a%20b"),
            RealtimeTarget(call_id="rtc_1", url=f"http://{host}/v1/realtime"),
            RealtimeTarget(url=f"ws://{host}/?model=own"),
            RealtimeTarget(
                url=f"ws://{host}/", headers={"authorization": "Bearer mine", "X-Tenant": "7"}
            ),
        ]
        for target in targets:
            async with provider.realtime(target) as transport:
                await transport.receive_batch()
    assert [request.path for request in requests] == [
        "/x?tenant=a%20b&model=m%201",
        "/v1/realtime?call_id=rtc_1",
        "/?model=own",
        "/?model=gpt-realtime",
    ]
    assert requests[3].headers.get_all("Authorization") == ["Bearer mine"]
    assert requests[3].headers["X-Tenant"] == "7"


async def test_own_credentials_need_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    async with echo_server() as (host, requests):
        target = RealtimeTarget(url=f"ws://{host}/", headers={"Api-Key": "mine"})
        async with voxloop.OpenAI().realtime(target) as transport:
            await transport.receive_batch()
        assert requests[0].headers["api-key"] == "mine"
        assert "Authorization" not in requests[0].headers
        with pytest.raises(AuthenticationError, match="CODEX_API_KEY"):
            async with voxloop.OpenAI().realtime(RealtimeTarget(url=f"ws://{host}/")):
                raise AssertionError("entered without a key")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(401, "invalid_api_key", "bad key sk-abcdefgh"), AuthenticationError),
        (refusal(429, "insufficient_quota", type="insufficient_quota"), QuotaExceeded),
        (refusal(429, "rate_limit_exceeded", retry_after="3"), RateLimited),
        (Answer(status=404, body=b"no such model"), HandshakeRejected),
        (Answer(status=503, body=b""), HandshakeRejected),
    ],
)
async def test_a_refused_upgrade_is_a_typed_error(answer: Answer, kind: type) -> None:
    with HttpServer(answer) as server:
        provider = voxloop.OpenAI(api_key="sk-abcdefgh", base_url=server.base_url)
        with pytest.raises(kind) as caught:
            async with provider.realtime(RealtimeTarget()):
                raise AssertionError("entered after a refusal")
    assert "abcdefgh" not in str(caught.value)
    assert len(server.requests) == 1
    assert server.requests[0].target == "/v1/realtime?model=gpt-realtime"


async def test_targets_that_make_no_sense() -> None:
    provider = voxloop.OpenAI(api_key="k")
    for target in (
        RealtimeTarget(call_id="c", model="m"),
        RealtimeTarget(url="ftp://host/"),
        RealtimeTarget(url="nonsense"),
    ):
        with pytest.raises(ConfigError):
            async with provider.realtime(target):
                raise AssertionError("entered")
