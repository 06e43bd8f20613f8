"""Answers and error bodies of the audio endpoints, in all the shapes that servers write."""

from __future__ import annotations

import json

import pytest
from openai.types.audio import Transcription as ApiTranscription

from support.wire_samples import samples
from voxloop._errors import ProtocolError
from voxloop.wire import audio


def test_every_answer_of_the_api_is_read() -> None:
    for sample in samples(ApiTranscription):
        answer = audio.decode_transcription(json.dumps(sample).encode())
        assert answer.text == sample["text"]
        assert answer.usage == sample.get("usage")
        assert answer.languages == sample.get("languages")


def test_language_is_taken_from_where_it_is() -> None:
    assert audio.decode_transcription(b'{"text":"x"}').detected is None
    assert audio.decode_transcription(b'{"text":"x","language":"de"}').detected == "de"
    both = b'{"text":"x","language":"de","languages":[{"code":"fr"},{"code":"de"}]}'
    assert audio.decode_transcription(both).detected == "fr"
    assert audio.decode_transcription(b'{"text":"x","languages":[{}]}').detected is None


def test_only_the_text_is_needed() -> None:
    odd = b'{"text":"x","usage":[1],"languages":"en","duration":"long","novel":1}'
    assert audio.decode_transcription(odd) == audio.Transcription(text="x")


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"<html></html>", b"[]", b"{}", b'{"text":null}', b'{"text":"cut', b"\xff"],
)
def test_an_answer_without_text_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        audio.decode_transcription(body)


@pytest.mark.parametrize(
    ("body", "message", "code", "type_"),
    [
        ('{"error":{"message":"no","type":"t","param":null,"code":"c"}}', "no", "c", "t"),
        ('{"error":{"message":"no","code":404}}', "no", "404", None),
        ('{"error":"plain"}', "plain", None, None),
        ('[{"error":{"message":"in a list","status":"X"}}]', "in a list", None, None),
        ('{"detail":"Not Found"}', "Not Found", None, None),
        ('{"detail":[{"loc":["body"],"msg":"field required"}]}', "field required", None, None),
        ('{"message":"m","type":"t"}', "m", None, "t"),
        ('"a string"', "a string", None, None),
        ("upstream connect error", "upstream connect error", None, None),
        ("<html><style>x{}</style><h1>502</h1>Bad Gateway", "502 Bad Gateway", None, None),
        ("", "", None, None),
        ("null", "", None, None),
        ("{}", "", None, None),
    ],
)  # fmt: skip
def test_error_bodies(body: str, message: str, code: str | None, type_: str | None) -> None:
    said = audio.decode_error(body.encode())
    assert message in said.message
    assert bool(said.message) == bool(message)
    assert (said.code, said.type) == (code, type_)
    assert audio.decode_error(body) == said


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"[" * 100_000, b"x" * 10_000_000, b"<" * 1_000_000]
)
def test_no_body_is_too_strange(body: bytes) -> None:
    assert len(audio.decode_error(body).message) <= 500
