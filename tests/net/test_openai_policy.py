"""Rules of all endpoints: what is tried again, other servers' addresses, and keys out of sight."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
import trio
from trio.testing import MockClock
from websockets.http11 import Response
from websockets.trio.server import ServerConnection

import voxloop
from support.servers import websocket_server
from support.transcription_server import speech, transcription_server
from voxloop import audio, telemetry
from voxloop._errors import (
    ApiError,
    AuthenticationError,
    NetworkTimeout,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    VoxloopError,
)
from voxloop.providers import (
    ModelRequest,
    Provider,
    RealtimeTarget,
    STTSettings,
    TextDelta,
    TTSSettings,
    TurnHeard,
)
from voxloop.providers.openai.endpoint import Endpoint, Refused
from voxloop.testing import HttpServer, http
from voxloop.testing.http_script import Faults

CANARY = "sk-canary-0123456789abcdef"
TONE = audio.AudioChunk(bytes(range(256)) * 30, audio.Format(16_000))
SOUND = b"".join(n.to_bytes(2, "little") for n in range(12_000))

Call = Callable[[Provider], Awaitable[str]]


async def hear(provider: Provider) -> str:
    return (await provider.speech_to_text().transcribe(TONE, STTSettings())).text


async def say(provider: Provider) -> str:
    async with provider.text_to_speech().synthesize("x", TTSSettings()) as chunks:
        return str(len(b"".join([bytes(chunk) async for chunk in chunks])))


async def answer(provider: Provider) -> str:
    async with provider.language_model().respond(ModelRequest()) as events:
        return "".join([event.text async for event in events if isinstance(event, TextDelta)])


CALLS = pytest.mark.parametrize(
    ("call", "good", "expected"),
    [
        (hear, http.transcript("Hello"), "Hello"),
        (say, http.speech(SOUND), str(len(SOUND))),
        (answer, http.response("Hi there"), "Hi there"),
    ],
    ids=["stt", "tts", "llm"],
)


@CALLS
@pytest.mark.parametrize(
    "fault",
    [
        http.Answer(status=408, headers={"retry-after-ms": "5"}),
        http.refusal(409, "lock", retry_after_ms="5"),
        http.refusal(429, "rate_limit_exceeded", retry_after="0.01"),
        http.refusal(429, "slow_down", type="rate_limit_error", retry_after_ms="5"),
        http.refusal(500, "server_error", retry_after_ms="5"),
        http.refusal(503, "overloaded", retry_after_ms="nan", retry_after="0.01"),
        http.refusal(400, "odd", x_should_retry="true", retry_after_ms="5"),
        http.Answer(drop=True),
    ],
    ids=["408", "409", "429", "429-slow", "500", "503", "told-so", "dropped"],
)
async def test_what_passes_is_tried_again(
    call: Call, good: http.Answer, expected: str, fault: http.Answer
) -> None:
    async with HttpServer(fault, good, good) as server:
        assert await call(server.provider()) == expected
        assert await call(server.provider()) == expected
    assert len(server.requests) == 3
    assert server.requests[0].body.startswith(server.requests[1].body[:2])
    first, second, other = (request.headers["idempotency-key"] for request in server.requests)
    assert first == second != other, "one key for all attempts of a request, and for no other"
    assert re.fullmatch(r"voxloop-[0-9a-f-]{36}", first)


@CALLS
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (http.refusal(400, "invalid_value"), ApiError),
        (http.refusal(401, "invalid_api_key"), AuthenticationError),
        (http.refusal(403, "unsupported_country_region_territory"), ApiError),
        (http.refusal(404, "model_not_found"), ApiError),
        (http.refusal(413, "too_large"), ApiError),
        (http.refusal(422, "invalid"), ApiError),
        (http.refusal(429, "insufficient_quota", type="insufficient_quota"), QuotaExceeded),
        (http.refusal(429, "credit_balance_exhausted"), QuotaExceeded),
        (http.refusal(429, "organization_spend_limit_exceeded"), QuotaExceeded),
        (http.refusal(429, "project_spend_limit_exceeded"), QuotaExceeded),
        (http.refusal(429, "organization_usage_limit_exceeded"), QuotaExceeded),
        (http.refusal(429, "billing_hard_limit_reached"), QuotaExceeded),
        (http.refusal(429, "rate_limit_exceeded", retry_after="121"), RateLimited),
        (
            http.refusal(429, "rate_limit_exceeded", retry_after=formatdate(4e9, usegmt=True)),
            RateLimited,
        ),
        (http.refusal(503, "overloaded", x_should_retry="false"), ApiError),
        (http.WEB_PAGE, ProtocolError),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, http.Answer) else None,
)
async def test_what_does_not_pass_is_tried_once(
    call: Call, good: http.Answer, expected: str, fault: http.Answer, kind: type[VoxloopError]
) -> None:
    async with HttpServer(fault, good) as server:
        with pytest.raises(kind) as caught:
            await call(server.provider())
    assert type(caught.value) is kind
    assert len(server.requests) == 1


@CALLS
async def test_three_tries_and_no_more(call: Call, good: http.Answer, expected: str) -> None:
    told: list[dict[str, float]] = []
    telemetry.attach(
        "test", ["voice.http.retry"], lambda _name, values, _about: told.append(values)
    )
    try:
        async with HttpServer(*[http.refusal(500, "e", retry_after_ms="5")] * 3, good) as server:
            with pytest.raises(ApiError):
                await call(server.provider())
    finally:
        telemetry.detach("test")
    assert len(server.requests) == 3
    assert [values["attempt"] for values in told] == [1, 2]
    delays = [values["delay_ms"] for values in told]
    assert [values["waited_ms"] for values in told] == pytest.approx([delays[0], sum(delays)])


@CALLS
async def test_a_wait_that_does_not_fit_the_deadline_is_not_begun(
    call: Call, good: http.Answer, expected: str
) -> None:
    fault = http.refusal(429, "rate_limit_exceeded", retry_after="50")
    async with HttpServer(fault, fault, good) as server:
        with trio.fail_after(20), pytest.raises(RateLimited) as caught:
            await call(server.provider())
        assert caught.value.retry_after == 50
        fault = http.refusal(429, "rate_limit_exceeded", retry_after="100")
    async with HttpServer(fault, good) as server:
        with pytest.raises(RateLimited):
            await call(server.provider())  # nobody waits so long for an answer to what was said
    assert len(server.requests) == 1


def test_a_job_without_a_listener_waits_longer() -> None:
    endpoint = Endpoint(base_url="http://localhost:1/v1", api_key="k")
    keys: list[str] = []

    async def once(key: str) -> str:
        keys.append(key)
        if len(keys) < 3:
            error = RateLimited("busy", code=None, type=None, request_id=None, retry_after=100)
            raise Refused(error, 429, {"retry-after": "100"}, "")
        return "done"

    async def main() -> None:
        begun = trio.current_time()
        assert await endpoint.retrying(once, doing="x", budget=900) == "done"
        assert trio.current_time() - begun == pytest.approx(200)
        assert (len(keys), len(set(keys))) == (3, 1)
        keys.clear()
        with pytest.raises(RateLimited):
            await endpoint.retrying(once, doing="x", budget=150)
        assert (len(keys), len(set(keys))) == (2, 1)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@CALLS
@pytest.mark.parametrize("seed", range(3))
async def test_seeded_faults_never_reach_the_caller(
    call: Call, good: http.Answer, expected: str, seed: int
) -> None:
    script = [good.split(seed)] * 8
    async with HttpServer(*script, faults=Faults(seed=seed, rate=0.5)) as server:
        for _ in script:
            assert await call(server.provider()) == expected
    assert server.remaining == 0
    assert len(server.requests) > len(script)


async def test_a_first_byte_that_is_late_and_a_stall_are_no_failures() -> None:
    slow = http.Answer(
        body=[SOUND[:9600], SOUND[9600:]], headers={"Content-Type": "audio/pcm"},
        hang=0.3, stall=0.3,
    )  # fmt: skip
    async with HttpServer(slow) as server:
        assert await say(server.provider()) == str(len(SOUND))


async def test_a_body_that_ends_early_is_an_error() -> None:
    short = http.Answer(body=SOUND, headers={"Content-Type": "audio/pcm"}, cut="end")
    async with HttpServer(short) as server:
        with pytest.raises(VoxloopError) as caught:
            await say(server.provider())
    assert caught.value.code == "connection_closed"
    assert len(server.requests) == 1


def other(url: str, **options: object) -> Provider:
    """An account on a server that wants its key elsewhere and a version in each address."""
    return voxloop.OpenAI(
        api_key=CANARY, base_url=url, key_header="api-key", query={"api-version": "preview"},
        headers={"X-Region": "north", "user-agent": "mine"}, **options,
    )  # fmt: skip


@CALLS
async def test_addresses_and_headers_of_other_servers(
    call: Call, good: http.Answer, expected: str
) -> None:
    async with HttpServer(good, good) as server:
        assert await call(other(f"http://127.0.0.1:{server.port}/openai/v1")) == expected
        assert await call(other(f"{server.base_url}?api-version=2025&x=1")) == expected
    first, second = server.requests
    path, _, query = first.target.partition("?")
    assert path.startswith("/openai/v1/")
    assert query == "api-version=preview"
    assert second.target.endswith("?api-version=2025&x=1")
    assert first.headers["api-key"] == CANARY
    assert "authorization" not in first.headers
    assert (first.headers["x-region"], first.headers["user-agent"]) == ("north", "mine")


async def test_streams_of_other_servers() -> None:
    async with transcription_server() as server:
        for options in ({}, {"realtime_url": server.url.replace("http", "ws") + "/own?x=1"}):
            recogniser = other(server.url, **options).speech_to_text()
            async with recogniser.open_transcription(STTSettings(), turns=None) as session:
                await session.send(audio.AudioChunk(speech(1), audio.PCM24K))
                await session.end_input()
                with trio.fail_after(20):
                    heard = [e.text async for e in session if isinstance(e, TurnHeard)]
            assert heard == ["w1x4800"]
    assert server.paths == [
        "/v1/realtime?api-version=preview&intent=transcription",
        "/v1/own?x=1&api-version=preview&intent=transcription",
    ]
    assert [headers["api-key"] for headers in server.headers] == [CANARY] * 2
    assert "authorization" not in server.headers[0]


@asynccontextmanager
async def refusing(status: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A WebSocket server that refuses the upgrade and quotes the key."""
    keys: list[str] = []

    def refuse(connection: ServerConnection, request: object) -> Response:
        keys.append(request.headers["Authorization"])  # type: ignore[attr-defined]
        return connection.respond(status, f'{{"error": {{"message": "bad key {keys[-1]}"}}}}')

    async def never(_socket: ServerConnection) -> None:
        raise AssertionError

    async with websocket_server(never, process_request=refuse) as url:
        yield url.replace("ws://", "http://") + "v1", keys


async def test_a_key_from_a_function_is_asked_for_once_more_by_sockets_too() -> None:
    given = iter(["sk-one", "sk-two", "sk-three"])
    async with refusing(401) as (url, keys):
        provider = voxloop.OpenAI(api_key=lambda: next(given), base_url=url)
        with pytest.raises(AuthenticationError):
            async with provider.realtime(RealtimeTarget()):
                pass
    assert keys == ["Bearer sk-one", "Bearer sk-two"]


def all_of(error: BaseException | None) -> str:
    """Everything that can be seen of an error and of what it came from."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        texts += traceback.format_exception(error)
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_the_key_is_nowhere_to_be_seen(
    status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    telemetry.attach("test", ["*"], lambda *event: seen.append(repr(event)))
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "websockets")  # the server may see it
    echo = f"Incorrect API key provided: {CANARY}"
    never = {"x_should_retry": "false"}
    try:
        for call in (hear, say, answer):
            async with HttpServer(http.refusal(status, "c", echo, **never)) as server:
                provider = voxloop.OpenAI(api_key=CANARY, base_url=server.base_url)
                with pytest.raises(VoxloopError) as caught:
                    await call(provider)
            seen += [all_of(caught.value), repr(provider), repr(vars(provider))]
            seen += [repr(provider.speech_to_text()), repr(vars(provider.text_to_speech()))]
        async with refusing(status) as (url, _keys):
            provider = voxloop.OpenAI(api_key=CANARY, base_url=url)
            with pytest.raises(VoxloopError) as caught:
                async with provider.realtime(RealtimeTarget()):
                    pass
            seen.append(all_of(caught.value))
    finally:
        telemetry.detach("test")
    captured = capfd.readouterr()
    seen += [caplog.text, captured.out, captured.err]
    assert "canary" not in "\n".join(seen)


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with HttpServer(http.Answer(hang=60.0)) as server:
        with trio.move_on_after(0.3) as scope:
            await hear(server.provider())
        assert scope.cancelled_caught
    assert not issubclass(NetworkTimeout, trio.TooSlowError)
