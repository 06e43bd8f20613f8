"""Transcription over real sockets: what is sent, what is understood, what is tried again."""

from __future__ import annotations

import io
import json
import time
import wave

import pytest
import trio
import trio.lowlevel

import voxloop
from voxloop import audio, telemetry
from voxloop._errors import (
    ApiError,
    AuthenticationError,
    NetworkError,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
)
from voxloop.providers import STTSettings, Transcript
from voxloop.testing import HttpServer
from voxloop.testing.http_script import Answer, json_answer, refusal

KEY = "sk-canary0123456789"
TONE = audio.AudioChunk(bytes(range(256)) * 30, audio.Format(16_000))


def recogniser(url: str, key: object = KEY):
    return voxloop.OpenAI(api_key=key, base_url=url).speech_to_text()


async def test_the_utterance_goes_up_as_wav_and_comes_back_as_text() -> None:
    answer = json_answer(
        {"text": " Hello. ", "usage": {"type": "duration", "seconds": 1.0}, "languages": []}
    )
    with HttpServer(answer) as server:
        heard = await recogniser(server.base_url).transcribe(
            TONE, STTSettings(language="en", prompt="names", temperature=0.0)
        )
    assert heard == Transcript(text="Hello.", usage={"type": "duration", "seconds": 1.0})
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/audio/transcriptions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("voxloop/")
    parts = {name: (filename, kind, content) for name, filename, kind, content in request.parts}
    assert list(parts) == [
        "file",
        "model",
        "response_format",
        "languages[]",
        "prompt",
        "temperature",
    ]
    filename, kind, content = parts["file"]
    assert (filename, kind) == ("audio.wav", "audio/wav")
    with wave.open(io.BytesIO(content)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16_000, 1, 2)
        assert wav.readframes(wav.getnframes()) == bytes(TONE)
    texts = {name: part[2].decode() for name, part in parts.items() if name != "file"}
    assert texts == {
        "model": "gpt-transcribe",
        "response_format": "json",
        "languages[]": "en",
        "prompt": "names",
        "temperature": "0",
    }


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("whisper-1", ["language", "prompt"]),
        ("gpt-transcribe", ["languages[]", "prompt"]),
        ("gpt-live-transcribe", ["languages[]", "prompt"]),
        ("gpt-4o-transcribe-diarize", ["language"]),
        ("gpt-4o-mini-transcribe-2025-12-15", ["language", "prompt"]),
    ],
)
async def test_a_model_gets_only_what_it_takes(model: str, fields: list[str]) -> None:
    with HttpServer(json_answer({"text": "x"})) as server:
        settings = STTSettings(model=model, language="de", prompt="p")
        await recogniser(server.base_url).transcribe(TONE, settings)
    names = [name for name, *_ in server.requests[0].parts]
    assert names == ["file", "model", "response_format", *fields]


async def test_nothing_is_sent_for_nothing() -> None:
    with HttpServer() as server:
        heard = await recogniser(server.base_url).transcribe(
            audio.AudioChunk(b"", audio.PCM16K), STTSettings()
        )
    assert heard.text == ""
    assert server.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        refusal(429, "rate_limit_exceeded", retry_after_ms="20"),
        refusal(503, "overloaded", retry_after_ms="20"),
        refusal(500, "server_error", retry_after_ms="20"),
        Answer(status=408, body=b"", headers={"retry-after-ms": "20"}),
        Answer(drop=True),
        Answer(
            status=200,
            body=b'{"text": "hel',
            headers={"Content-Type": "application/json"},
            cut="reset",
        ),
    ],
    ids=["429", "503", "500", "408", "dropped", "cut"],
)
async def test_a_passing_fault_is_tried_again_with_the_same_body(fault: Answer) -> None:
    with HttpServer(fault, json_answer({"text": "again"})) as server:
        heard = await recogniser(server.base_url).transcribe(TONE, STTSettings())
    assert heard.text == "again"
    first, second = server.requests
    assert [part[3] for part in first.parts] == [part[3] for part in second.parts]


async def test_the_server_says_how_long_to_wait() -> None:
    fault = refusal(429, "rate_limit_exceeded", retry_after="0.4")
    told: list[tuple[str, dict[str, float], dict[str, object]]] = []
    telemetry.attach("test", ["voice.http.*"], lambda *event: told.append(event))
    try:
        with HttpServer(fault, json_answer({"text": "x"})) as server:
            await recogniser(server.base_url).transcribe(TONE, STTSettings())
    finally:
        telemetry.detach("test")
    waited = server.requests[1].at - server.requests[0].at
    assert 0.4 <= waited < 1.5
    assert told == [
        (
            "voice.http.retry",
            {"attempt": 1, "delay_ms": 400.0, "waited_ms": 400.0},
            {"doing": "transcription with gpt-transcribe", "code": "rate_limit_exceeded"},
        )
    ]


async def test_it_gives_up_after_three() -> None:
    faults = [refusal(500, "server_error", "boom", retry_after_ms="5", x_request_id="req_9")] * 5
    with HttpServer(*faults) as server, pytest.raises(ApiError) as caught:
        await recogniser(server.base_url).transcribe(TONE, STTSettings())
    assert len(server.requests) == 3
    error = caught.value
    assert (error.status, error.code, error.request_id) == (500, "server_error", "req_9")
    assert error.retryable
    assert "boom" in str(error)
    assert "req_9" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(429, "insufficient_quota", type="insufficient_quota"), QuotaExceeded),
        (refusal(429, "credit_balance_exhausted"), QuotaExceeded),
        (refusal(429, "rate_limit_exceeded", retry_after="500"), RateLimited),
        (refusal(401, "invalid_api_key"), AuthenticationError),
        (refusal(400, "audio_too_short"), ApiError),
        (refusal(403, "unsupported_country_region_territory"), ApiError),
        (refusal(404, "model_not_found"), ApiError),
        (
            Answer(
                status=413, body=b"<html>too large</html>", headers={"Content-Type": "text/html"}
            ),
            ApiError,
        ),
        (Answer(status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}), ApiError),
    ],
    ids=["quota", "credit", "too-long", "401", "400", "403", "404", "html", "redirect"],
)
async def test_what_waiting_does_not_mend_is_tried_once(answer: Answer, kind: type) -> None:
    script = (answer, json_answer({"text": "never"}))
    with HttpServer(*script) as server, pytest.raises(kind) as caught:
        await recogniser(server.base_url).transcribe(TONE, STTSettings())
    assert len(server.requests) == 1
    assert type(caught.value) is kind
    if kind is RateLimited:
        assert caught.value.retry_after == 500.0
    else:
        assert not caught.value.retryable


async def test_the_key_is_in_no_message() -> None:
    echo = f"Incorrect API key provided: {KEY}. And sk-other_1234567."
    with HttpServer(refusal(401, "invalid_api_key", echo)) as server:
        provider = voxloop.OpenAI(api_key=KEY, base_url=server.base_url)
        with pytest.raises(AuthenticationError) as caught:
            await provider.speech_to_text().transcribe(TONE, STTSettings())
    seen = [str(caught.value), repr(caught.value), repr(provider), repr(vars(caught.value))]
    seen += [repr(provider.speech_to_text()), repr(vars(provider))]
    for text in seen:
        assert "canary" not in text
        assert "1234567" not in text
    assert "Incorrect API key" in str(caught.value)


async def test_a_function_gives_the_key_anew_for_each_request() -> None:
    keys = iter(["sk-old", "sk-new", "sk-third"])

    async def fetch() -> str:
        await trio.lowlevel.checkpoint()
        return next(keys)

    with HttpServer(refusal(401, "invalid_api_key"), json_answer({"text": "in"})) as server:
        heard = await recogniser(server.base_url, fetch).transcribe(TONE, STTSettings())
    assert heard.text == "in"
    assert [r.headers["authorization"] for r in server.requests] == [
        "Bearer sk-old",
        "Bearer sk-new",
    ]


async def test_a_refreshed_key_is_refused_once_only() -> None:
    script = [refusal(401, "invalid_api_key")] * 4
    with HttpServer(*script) as server, pytest.raises(AuthenticationError):
        await recogniser(server.base_url, lambda: "sk-same").transcribe(TONE, STTSettings())
    assert len(server.requests) == 2


@pytest.mark.parametrize("body", [b"<html>login</html>", b"{}", b"[1]", b'{"text": 3}'])
async def test_an_answer_that_is_none(body: bytes) -> None:
    with HttpServer(Answer(status=200, body=body)) as server, pytest.raises(ProtocolError):
        await recogniser(server.base_url).transcribe(TONE, STTSettings())


async def test_nobody_listens() -> None:
    with HttpServer() as server:
        url = server.base_url
    with pytest.raises(NetworkError) as caught:
        await recogniser(url).transcribe(TONE, STTSettings())
    assert caught.value.code == "connect_failed"


async def test_cancelling_drops_the_request_at_once() -> None:
    with HttpServer(Answer(hang=30.0)) as server:
        started = time.monotonic()
        with trio.move_on_after(0.2) as scope:
            await recogniser(server.base_url).transcribe(TONE, STTSettings())
        assert scope.cancelled_caught
        assert time.monotonic() - started < 1.0
        assert len(server.requests) == 1


async def test_organization_and_project_travel_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-env")
    with HttpServer(json_answer({"text": "x"})) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url + "/")
        provider = voxloop.OpenAI(api_key=KEY, project="proj-2")
        await provider.speech_to_text().transcribe(TONE, STTSettings())
    headers = server.requests[0].headers
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-2"
    assert server.requests[0].target == "/v1/audio/transcriptions"
    assert json.dumps(headers).count(KEY) == 1
