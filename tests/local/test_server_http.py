"""The HTTP face of the local server over real sockets: who is let in, what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
import trio

from support.server_client import WEATHER
from voxloop import audio
from voxloop._errors import ConfigError, ConnectFailed
from voxloop.local.server import Server, serve


class Answer:
    """A parsed HTTP/1.1 answer."""

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self.body = _dechunked(body) if self.headers.get("transfer-encoding") == "chunked" else body

    @property
    def error(self) -> dict[str, object]:
        error: dict[str, object] = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole


async def _raw(server: Server, request: bytes, *, seconds: float = 15.0) -> bytes:
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    received = b""
    async with stream:
        with trio.fail_after(seconds):
            with suppress(trio.BrokenResourceError):  # it may hang up before it has heard all
                await stream.send_all(request)
            with suppress(trio.BrokenResourceError):
                async for data in stream:
                    received += data
    return received


async def _ask(
    server: Server,
    method: str,
    path: str,
    body: bytes | dict[str, object] = b"",
    **headers: str | None,
) -> Answer:
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    fields: dict[str, str | None] = {
        "host": f"127.0.0.1:{server.port}",
        "connection": "close",
        "content_type": "application/json" if data else None,
        "content_length": str(len(data)) if data else None,
    }
    fields |= headers
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value is not None
    ]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
    return Answer(await _raw(server, head.encode() + data))


def _form(data: bytes, name: str = "a.wav", **fields: str) -> tuple[bytes, str]:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return b"".join(
        [*parts, head.encode(), data, b"\r\n--x--\r\n"]
    ), "multipart/form-data; boundary=x"


async def test_models_are_the_real_ones() -> None:
    async with serve() as server:
        answer = await _ask(server, "GET", "/v1/models")
        assert [model["id"] for model in json.loads(answer.body)["data"]] == [
            "moonshine-tiny-en",
            "hibari-heart",
            "voxloop-router",
        ]
        assert (await _ask(server, "GET", "/v1/models/hibari-heart")).status == 200
        missing = await _ask(server, "GET", "/v1/models/gpt-9")
        assert (missing.status, missing.error["code"]) == (404, "model_not_found")
        assert (await _ask(server, "GET", "/")).error["code"] == "not_found"
        assert (await _ask(server, "DELETE", "/v1/models")).status == 405


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example"}, 403, "host_not_allowed"),
        ({"host": "127.0.0.1"}, 403, "host_not_allowed"),
        ({"host": "127.0.0.1:1"}, 403, "host_not_allowed"),
        ({"origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"origin": "null"}, 403, "origin_not_allowed"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_strangers_are_refused(
    headers: dict[str, str], status: int, code: str, kind: str
) -> None:
    upgrade: dict[str, str] = {}
    if kind == "websocket":
        upgrade = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec_websocket_version": "13",
        }
    path = "/v1/realtime" if upgrade else "/v1/models"
    async with serve(origins=["https://mine.example"]) as server:
        answer = await _ask(server, "GET", path, **{**upgrade, **headers})
        assert (answer.status, answer.error["code"]) == (status, code)
        assert "access-control-allow-origin" not in answer.headers
        if not upgrade:
            own = await _ask(server, "GET", path, origin="https://mine.example")
            assert own.status == 200


async def test_no_host_is_a_bad_request() -> None:
    async with serve() as server:
        assert (await _ask(server, "GET", "/v1/models", host=None)).status == 400


async def test_the_key_is_wanted_when_there_is_one() -> None:
    async with serve(api_key="local-key") as server:
        for given in (
            None,
            "Bearer wrong",
            "Bearer ",
            "local-key",
            "Basic local-key",
            "Bearer local-keyy",
        ):
            answer = await _ask(server, "GET", "/v1/models", authorization=given)
            assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
            assert b"local-key" not in answer.body
        assert (
            await _ask(server, "GET", "/v1/models", authorization="Bearer local-key")
        ).status == 200
    with pytest.raises(ConfigError):
        async with serve(api_key=" "):
            pass


async def test_posts_need_their_content_type() -> None:
    async with serve() as server:
        for path in ("/v1/responses", "/v1/audio/speech"):
            for kind in ("text/plain", "application/x-www-form-urlencoded", None):
                answer = await _ask(server, "POST", path, {"input": "hi"}, content_type=kind)
                assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
        answer = await _ask(server, "POST", "/v1/audio/transcriptions", {"input": "hi"})
        assert answer.status == 415


async def test_large_bodies_are_refused_and_the_server_lives() -> None:
    async with serve() as server:
        announced = await _ask(server, "POST", "/v1/responses", b"{}", content_length=str(10**9))
        assert (announced.status, announced.error["code"]) == (413, "request_too_large")
        head = (
            f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        raw = await _raw(server, head.encode() + chunk * 12)
        assert raw == b"" or Answer(raw).status == 413  # reset before it was read, or told
        assert (await _ask(server, "GET", "/v1/models")).status == 200


async def test_an_unread_body_does_not_hold_a_connection() -> None:
    async with serve() as server:
        body = b"{" + b" " * (3 * 2**20)
        for _ in range(3):
            answer = await _ask(server, "POST", "/v1/nowhere", body)
            assert answer.status == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 70_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_nonsense_ends_its_own_connection_only(request_bytes: bytes) -> None:
    async with serve() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stream:
            await stream.send_all(request_bytes)
            with trio.move_on_after(0.5):
                async for _ in stream:
                    pass
        assert (await _ask(server, "GET", "/v1/models")).status == 200


async def test_a_slow_header_does_not_delay_others() -> None:
    async with serve() as server:
        slow = [await trio.open_tcp_stream("127.0.0.1", server.port) for _ in range(100)]
        for stream in slow:
            await stream.send_all(b"GET /v1/models HTTP/1.1\r\nX")
        began = trio.current_time()
        assert (await _ask(server, "GET", "/v1/models")).status == 200
        assert trio.current_time() - began < 2
        for stream in slow:
            await stream.aclose()


async def test_silence_gives_an_empty_text() -> None:
    quiet = audio.encode_wav(audio.silence(audio.PCM16K, 3.0))
    async with serve() as server:
        for kind, check in _shapes().items():
            body, content_type = _form(quiet, model="whisper-1", response_format=kind)
            answer = await _ask(
                server, "POST", "/v1/audio/transcriptions", body, content_type=content_type
            )
            assert answer.status == 200
            check(answer.body)


def _shapes() -> dict[str, Callable[[bytes], None]]:
    def as_json(body: bytes) -> None:
        assert json.loads(body) == {"text": "", "usage": {"type": "duration", "seconds": 3.0}}

    def as_text(body: bytes) -> None:
        assert body == b"\n"

    def as_verbose(body: bytes) -> None:
        assert json.loads(body)["segments"] == []
        assert json.loads(body)["duration"] == 3.0

    return {"json": as_json, "text": as_text, "verbose_json": as_verbose}


async def test_uploads_that_cannot_be_used() -> None:
    quiet = audio.encode_wav(audio.silence(audio.PCM16K, 0.5))
    bad = [
        (_form(b"ID3 not a wav", name="a.mp3"), "unsupported_format"),
        (_form(b""), "unsupported_format"),
        (_form(quiet[:30]), "unsupported_format"),
        (_form(quiet, response_format="srt"), "invalid_value"),
        (_form(quiet, language="de"), "unsupported_language"),
        ((b"--x--\r\n", "multipart/form-data; boundary=x"), "missing_required_parameter"),
        ((b"not multipart at all", "multipart/form-data; boundary=x"), None),
        ((b"", "multipart/form-data"), None),
    ]
    async with serve() as server:
        for (body, content_type), code in bad:
            answer = await _ask(
                server, "POST", "/v1/audio/transcriptions", body,
                content_type=content_type, content_length=str(len(body)),
            )  # fmt: skip
            assert answer.status == 400, (body[:60], answer.body)
            assert code is None or answer.error["code"] == code


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "response_format", "unsupported_format"),
        ({"response_format": "opus"}, "response_format", "unsupported_format"),
        ({"response_format": "wav", "voice": "nobody"}, "voice", "invalid_value"),
        ({"response_format": "wav", "speed": 4}, "speed", "invalid_value"),
        ({"response_format": "wav", "input": ""}, "input", "string_below_min_length"),
        ({"response_format": "wav", "input": "a" * 4097}, "input", "string_above_max_length"),
        ({"response_format": "wav", "input": None}, "input", "invalid_type"),
    ],
)
async def test_speech_that_cannot_be_made(fields: dict[str, object], param: str, code: str) -> None:
    async with serve() as server:
        body: dict[str, object] = {"model": "tts-1", "input": "Hello.", "voice": "alloy", **fields}
        answer = await _ask(server, "POST", "/v1/audio/speech", body)
        assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)


async def test_streamed_wav_can_be_read() -> None:
    async with serve() as server:
        body: dict[str, object] = {
            "input": "One. Two. Three.",
            "voice": "alloy",
            "response_format": "wav",
        }
        answer = await _ask(server, "POST", "/v1/audio/speech", body)
        assert answer.headers["content-type"] == "audio/wav"
        chunk = audio.decode_wav(answer.body)
        assert (chunk.sample_rate, chunk.channels) == (24_000, 1)
        assert chunk.duration > 1.0
        pcm = await _ask(server, "POST", "/v1/audio/speech", body | {"response_format": "pcm"})
        assert pcm.body == bytes(chunk)
        nothing = await _ask(server, "POST", "/v1/audio/speech", body | {"input": "..."})
        assert nothing.status == 200
        assert audio.decode_wav(nothing.body).frames == 0, "a file all the same"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_type"),
        (b"\xff\xfe", "invalid_json"),
        ({"input": 5}, "invalid_type"),
        ({"input": ["text"]}, "invalid_type"),
        ({"input": "hi", "tools": [{"type": "file_search"}]}, "invalid_value"),
        ({"input": "hi", "previous_response_id": "resp_1"}, "unsupported_parameter"),
        ({"input": "hi", "stream": "yes"}, "invalid_type"),
    ],
)
async def test_responses_that_cannot_be_given(body: bytes | dict[str, object], code: str) -> None:
    async with serve() as server:
        answer = await _ask(server, "POST", "/v1/responses", body)
        assert (answer.status, answer.error["code"]) == (400, code)


async def test_events_of_a_response_are_numbered_and_ordered() -> None:
    async with serve() as server:
        body: dict[str, object] = {
            "input": "What is the weather in Paris?",
            "tools": [WEATHER],
            "stream": True,
        }
        answer = await _ask(server, "POST", "/v1/responses", body)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [
            json.loads(line[6:])
            for line in answer.body.decode().splitlines()
            if line.startswith("data: ")
        ]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert json.loads(events[-1]["response"]["output"][0]["arguments"]) == {"location": "Paris"}


async def test_a_port_in_use_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConnectFailed, match=f"port {port} .* in use"):
            async with serve(port=port):
                pass
    with pytest.raises(ConfigError):
        async with serve(port=70_000):
            pass


async def test_the_port_is_free_again_at_once() -> None:
    async with serve() as first:
        assert (await _ask(first, "GET", "/v1/models")).status == 200
    async with serve(port=first.port) as second:
        assert second.url == f"http://127.0.0.1:{first.port}/v1"
        assert (await _ask(second, "GET", "/v1/models")).status == 200


async def test_only_the_loopback_interface_listens() -> None:
    async with serve() as server:
        other = await trio.run_process(["hostname", "-I"], capture_stdout=True, check=False)
        for address in other.stdout.decode().split():
            with pytest.raises(OSError, match=r"all attempts to connect .* failed"):
                await trio.open_tcp_stream(address, server.port)


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with serve():
            raise ZeroDivisionError
    with trio.move_on_after(0.3) as scope:
        async with serve():
            await trio.sleep_forever()
    assert scope.cancelled_caught
