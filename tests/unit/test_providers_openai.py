"""Settings, keys, addresses and error texts of the OpenAI provider, without a socket."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path

import pytest

import voxloop
from voxloop import providers
from voxloop._errors import ApiError, AuthenticationError, ConfigError, QuotaExceeded, RateLimited
from voxloop.net import Secret
from voxloop.providers import STTSettings, TTSSettings
from voxloop.providers.openai import models
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_response, redact, retry_after
from voxloop.providers.openai.realtime import merge_headers


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID",
                 "OPENAI_PROJECT_ID"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    return tmp_path


def test_no_key_names_every_place_and_the_way_without_one(no_key: Path) -> None:
    with pytest.raises(AuthenticationError) as caught:
        providers.default_provider()
    for name in ("CODEX_API_KEY", "auth.json", "CODEX_HOME", "OPENAI_API_KEY", "voxloop.Local()"):
        assert name in str(caught.value)


async def test_the_key_is_looked_for_in_order(
    no_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "  third  ")
    provider = providers.default_provider()
    assert isinstance(provider, voxloop.OpenAI)
    endpoint = provider._endpoint
    assert (await endpoint.key()).reveal() == "third"
    (no_key / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "second"}))
    assert (await endpoint.key()).reveal() == "second"
    monkeypatch.setenv("CODEX_API_KEY", "first")
    assert (await endpoint.key()).reveal() == "first"
    explicit = voxloop.OpenAI(api_key="explicit")
    assert (await explicit._endpoint.key()).reveal() == "explicit"
    assert "explicit" not in repr(explicit) + repr(explicit._endpoint) + repr(vars(explicit))


async def test_warm_up_finds_a_missing_key(no_key: Path) -> None:
    with pytest.raises(AuthenticationError):
        await voxloop.OpenAI().warm_up()
    await voxloop.OpenAI(api_key=lambda: "k").warm_up()


def test_a_provider_is_a_provider() -> None:
    provider = voxloop.OpenAI(api_key="k")
    assert isinstance(provider, providers.Provider)
    assert isinstance(provider.speech_to_text(), providers.SpeechToText)
    assert isinstance(provider.text_to_speech(), providers.TextToSpeech)
    assert isinstance(provider.language_model(), providers.LanguageModel)


@pytest.mark.parametrize("url", ["example.com/v1", "ftp://x/", "https://", "https://u:p@host/v1"])
def test_base_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError):
        voxloop.OpenAI(api_key="k", base_url=url)


def test_base_url_from_the_environment(no_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert voxloop.OpenAI().base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/openai/v1/")
    assert voxloop.OpenAI().base_url == "https://proxy.example/openai/v1"
    assert voxloop.OpenAI(base_url="http://localhost:1/").base_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("base", "url", "model", "call_id", "expected"),
    [
        ("https://a/v1", None, "m", None, "wss://a/v1/realtime?model=m"),
        ("http://a/p/v1", None, "m", None, "ws://a/p/v1/realtime?model=m"),
        ("https://a/v1", None, None, "c", "wss://a/v1/realtime?call_id=c"),
        ("https://a/v1?api-version=1", None, "m", None, "wss://a/v1/realtime?api-version=1&model=m"),
        ("https://a/v1", "wss://b/r?model=own", "m", None, "wss://b/r?model=own"),
        ("https://a/v1", "wss://b/r?call_id=c", "m", None, "wss://b/r?call_id=c"),
        ("https://a/v1", "https://b/r?x=%2F&y=#f", "m/1", None, "wss://b/r?x=%2F&y=&model=m%2F1"),
        ("https://a/v1", "wss://b/r?k=1&k=2&call_id=o", None, "c", "wss://b/r?k=1&k=2&call_id=c"),
        ("https://a/v1", "wss://b/r?intent=transcription", None, None, "wss://b/r?intent=transcription"),
    ],
)  # fmt: skip
def test_realtime_urls(base: str, url: str, model: str, call_id: str, expected: str) -> None:
    built = Endpoint(base_url=base).realtime_url(url=url, model=model, call_id=call_id)
    assert built == expected


def test_headers_merge_by_name_in_any_case() -> None:
    base = {"Authorization": Secret("a"), "User-Agent": "u"}
    assert merge_headers(base, {"user-agent": "mine", "X": "1"}) == {
        "Authorization": base["Authorization"],
        "user-agent": "mine",
        "X": "1",
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    hint = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert hint is not None
    assert 27 < hint <= 30
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0.0


def test_errors_carry_what_the_server_said() -> None:
    body = json.dumps({"error": {"message": "too long", "type": "t", "code": "c", "param": "p"}})
    error = error_from_response(400, {"x-request-id": "req_1"}, body, doing="speech with m")
    assert type(error) is ApiError
    assert (error.status, error.code, error.type, error.param) == (400, "c", "t", "p")
    assert error.request_id == "req_1"
    assert str(error) == "speech with m: the server answered 400: too long (request req_1)"
    assert not error.retryable
    assert error_from_response(503, {}, b"", doing="x").retryable
    limited = error_from_response(429, {"retry-after": "7"}, b"", doing="x")
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == 7.0
    spent = b'{"error":{"type":"insufficient_quota","code":null}}'
    quota = error_from_response(429, {}, spent, doing="x")
    assert isinstance(quota, QuotaExceeded)
    assert quota.code == "insufficient_quota"
    assert not quota.retryable


def test_keys_are_cut_out_of_messages() -> None:
    assert redact("key sk-proj-abc_DEF-123 is bad") == "key sk-*** is bad"
    assert redact("you sent sk-ab***wxyz.") == "you sent sk-***"
    assert redact("token hunter2 is bad", Secret("hunter2")) == "token *** is bad"
    assert redact("a task-based ask") == "a task-based ask"


def test_the_table_of_models() -> None:
    assert models.speech_to_text_model("gpt-transcribe").language_list
    assert not models.speech_to_text_model("whisper-1").language_list
    assert not models.speech_to_text_model("gpt-4o-transcribe-diarize").prompt
    assert not models.text_to_speech_model("tts-1-hd").instructions
    assert models.text_to_speech_model("gpt-4o-mini-tts-2025-12-15").instructions
    assert models.text_to_speech_model("a-later-one").instructions
    assert models.text_model("gpt-5.2-chat-latest") == models.TextModel()
    assert models.text_model(models.LANGUAGE_MODEL).effort == "none"


@pytest.mark.parametrize("speed", [0.2, 4.1, -1.0, float("nan")])
def test_speed_is_checked(speed: float) -> None:
    with pytest.raises(ConfigError, match="speed"):
        TTSSettings(speed=speed)


def test_temperature_is_checked() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        STTSettings(temperature=1.1)
    assert STTSettings(temperature=0).temperature == 0
