"""The table of models: what each takes, and what happens when its time is over."""

from __future__ import annotations

import datetime
import logging

import pytest

from voxloop._errors import ConfigError, ModelRetired
from voxloop.net import Part
from voxloop.providers import STTSettings, TTSSettings
from voxloop.providers.openai import FileOptions, models
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.transcript import form
from voxloop.providers.openai.tts import speech_request

FILE = Part("file", b"", "audio.wav", "audio/wav")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_told", set())


def at(monkeypatch: pytest.MonkeyPatch, year: int, month: int, day: int) -> None:
    monkeypatch.setattr(models, "today", lambda: datetime.date(year, month, day))


@pytest.mark.parametrize(
    ("name", "date", "replacement"),
    [
        ("whisper-1", (2027, 2, 26), "gpt-transcribe"),
        ("gpt-4o-transcribe", (2027, 2, 26), "gpt-transcribe"),
        ("gpt-4o-mini-transcribe-2025-12-15", (2028, 1, 1), "gpt-transcribe"),
        ("gpt-4o-transcribe-diarize", (2027, 2, 26), None),
    ],
)
def test_a_recogniser_ends_on_its_day(
    monkeypatch: pytest.MonkeyPatch, name: str, date: tuple[int, int, int], replacement: str | None
) -> None:
    at(monkeypatch, *date)
    with pytest.raises(ModelRetired, match="2027-02-26") as caught:
        models.speech_to_text_model(name, official=True)
    error = caught.value
    assert isinstance(error, ConfigError)
    assert (error.code, error.model, error.replacement) == ("model_retired", name, replacement)
    assert (replacement or "choose another") in str(error)
    # A server of one's own may keep it for ever.
    assert models.speech_to_text_model(name, official=False).retires is not None


@pytest.mark.parametrize("name", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts"])
def test_a_voice_ends_on_its_day(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    at(monkeypatch, 2027, 1, 5)
    models.text_to_speech_model(name, official=True)
    at(monkeypatch, 2027, 1, 6)
    with pytest.raises(ModelRetired, match="model="):
        speech_request("x", TTSSettings(model=name), official=True)


def test_the_end_is_told_once_before_it_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at(monkeypatch, 2026, 11, 23)
    with caplog.at_level(logging.WARNING, "voxloop.providers"):
        for _ in range(3):
            models.speech_to_text_model("whisper-1", official=True)
            models.speech_to_text_model("whisper-1", official=False)
            models.speech_to_text_model("gpt-transcribe", official=True)
    (record,) = caplog.records
    assert "2027-02-26" in record.getMessage()
    assert "gpt-transcribe" in record.getMessage()


@pytest.mark.parametrize("official", [True, False])
def test_an_unknown_model_is_sent_as_it_is(
    official: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "voxloop.providers"):
        for _ in range(2):
            model = models.speech_to_text_model("my-own", official=official)
    assert model.prompt
    assert len(caplog.records) == 1
    assert "'my-own'" in caplog.records[0].getMessage()


def test_the_defaults_are_in_the_table_and_the_recogniser_stays() -> None:
    assert models.speech_to_text_model(models.STT_MODEL).retires is None
    assert models.text_to_speech_model(models.TTS_MODEL).instructions


@pytest.mark.parametrize(
    ("url", "official"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.example.org/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_who_is_openai(url: str, official: bool) -> None:
    endpoint = Endpoint.resolve(api_key="k", base_url=url, organization=None, project=None)
    assert endpoint.official is official


def fields(model: str, options: FileOptions, *, stream: bool = False, **settings: object):
    given = STTSettings(model=model, **settings)
    parts = form(FILE, given, options, name=model, official=False, stream=stream)
    return [(part.name, part.content) for part in parts[1:]]


def test_the_form_of_a_file_with_everything() -> None:
    own = {"type": "server_vad", "threshold": 0.5}
    options = FileOptions(timestamps=("word", "segment"), chunking=own)
    assert fields("whisper-1", options, language="en", temperature=0.5, prompt="p") == [
        ("model", "whisper-1"),
        ("response_format", "verbose_json"),
        ("language", "en"),
        ("prompt", "p"),
        ("temperature", "0.5"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("chunking_strategy", '{"type":"server_vad","threshold":0.5}'),
    ]
    speakers = {"Ann": "data:audio/wav;base64,AA", "Bo": "data:audio/wav;base64,BB"}
    assert fields("gpt-4o-transcribe-diarize", FileOptions(speakers=speakers), stream=True) == [
        ("model", "gpt-4o-transcribe-diarize"),
        ("response_format", "diarized_json"),
        ("stream", "true"),
        ("chunking_strategy", "auto"),
        ("known_speaker_names[]", "Ann"),
        ("known_speaker_names[]", "Bo"),
        ("known_speaker_references[]", speakers["Ann"]),
        ("known_speaker_references[]", speakers["Bo"]),
    ]
    assert fields("gpt-4o-transcribe", FileOptions(logprobs=True), languages=("de", "en")) == [
        ("model", "gpt-4o-transcribe"),
        ("response_format", "json"),
        ("language", "de"),
        ("include[]", "logprobs"),
    ]
    assert fields("gpt-transcribe", FileOptions(), languages=("de", "en"), keywords=("Oslo",)) == [
        ("model", "gpt-transcribe"),
        ("response_format", "json"),
        ("languages[]", "de"),
        ("languages[]", "en"),
        ("keywords[]", "Oslo"),
    ]


@pytest.mark.parametrize(
    ("model", "options", "stream"),
    [
        ("gpt-transcribe", {"response_format": "srt"}, False),
        ("gpt-4o-transcribe", {"timestamps": ("word",)}, False),
        ("whisper-1", {}, True),
        ("whisper-1", {"logprobs": True}, False),
    ],
)
def test_what_a_model_does_not_have_is_an_error(
    model: str, options: dict[str, object], stream: bool
) -> None:
    with pytest.raises(ConfigError, match=model):
        fields(model, FileOptions(**options), stream=stream)


@pytest.mark.parametrize(
    "options",
    [
        {"timestamps": "word"},
        {"timestamps": ("letter",)},
        {"timestamps": ("word",), "response_format": "json"},
        {"logprobs": True, "response_format": "text"},
        {"chunking": "often"},
        {"speakers": dict.fromkeys("abcde", "data:")},
    ],
)
def test_options_that_exclude_each_other(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        FileOptions(**options)


def test_a_list_is_no_text() -> None:
    with pytest.raises(ConfigError, match="keywords"):
        STTSettings(keywords="Oslo")  # type: ignore[arg-type]
    assert STTSettings(language="en").spoken == ("en",)
    assert STTSettings(language="en", languages=["no"]).spoken == ("no",)  # type: ignore[arg-type]
