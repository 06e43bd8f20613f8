"""Other servers: spellings, bare errors, files in place of samples."""

from __future__ import annotations

import pytest

from voxloop import audio
from voxloop._errors import ApiError, ProtocolError, QuotaExceeded
from voxloop.providers import STTSettings, TTSSettings
from voxloop.testing import HttpServer, http
from voxloop.wire import responses as rs
from voxloop.wire.audio import StreamError, decode_stream_event

TONE = audio.AudioChunk(bytes(range(256)) * 30, audio.Format(16_000))
EVENTS = {"Content-Type": "Text/Event-Stream; Charset=UTF-8"}


async def speak(server: HttpServer, *, usage: bool = False) -> bytes:
    voice = server.provider().text_to_speech()
    async with voice.synthesize("Hello.", TTSSettings(usage=usage)) as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


async def test_a_quota_is_not_asked_for_again_however_it_is_worded() -> None:
    bare = http.json_answer({"code": "insufficient_quota", "message": "spent"}, 429)
    async with HttpServer(bare, http.transcript("hi")) as server:
        with pytest.raises(QuotaExceeded):
            await server.provider().speech_to_text().transcribe(TONE, STTSettings())
        assert len(server.requests) == 1


async def test_media_types_are_the_same_in_any_case() -> None:
    samples = bytes(range(256)) * 4
    speech = http.speech_events(samples)
    shouted = http.Answer(body=speech.body, headers=EVENTS, chunked=True)
    async with HttpServer(shouted) as server:
        assert await speak(server, usage=True) == samples
    words = http.transcript_events("hello there")
    shouted = http.Answer(body=words.body, headers=EVENTS, chunked=True)
    async with HttpServer(shouted) as server:
        stt = server.provider().speech_to_text()
        async with stt.stream_file(TONE, STTSettings(model="gpt-4o-transcribe")) as events:
            assert [event async for event in events][-1].text == "hello there"


@pytest.mark.parametrize("kind", ["Application/JSON", "TEXT/HTML"])
async def test_an_error_is_not_spoken_whatever_the_case_of_its_type(kind: str) -> None:
    answer = http.Answer(body=b'{"error":{"message":"no"}} ', headers={"Content-Type": kind})
    async with HttpServer(answer) as server:
        with pytest.raises(ProtocolError, match="where audio was expected"):
            await speak(server)


@pytest.mark.parametrize(
    ("body", "kind", "named"),
    [
        (audio.encode_wav(TONE), "audio/wav", "a WAV file"),
        (audio.encode_wav(TONE), "application/octet-stream", "a WAV file"),
        (b"ID3\x04" + bytes(400), "audio/pcm", "an MP3 file"),
        (b"\xff\xfb\x90\xc4" + bytes(400), "audio/mpeg", "an MP3 file"),
        (b"OggS" + bytes(400), "audio/ogg", "an Ogg file"),
        (b"fLaC" + bytes(400), "audio/flac", "a FLAC file"),
    ],
)
@pytest.mark.parametrize("piece", [1, 4_096])
async def test_a_file_is_not_played_as_noise(
    body: bytes, kind: str, named: str, piece: int
) -> None:
    pieces = [body[at : at + piece] for at in range(0, min(len(body), 400 * piece), piece)]
    answer = http.Answer(body=pieces, headers={"Content-Type": kind}, chunked=True)
    async with HttpServer(answer) as server:
        with pytest.raises(ProtocolError, match=named):
            await speak(server)


@pytest.mark.parametrize("samples", [b"\1\2", b"\xff\xfb\1\2", b"\xff\xfb" * 300])
async def test_samples_are_taken_however_few_and_whatever_they_look_like(samples: bytes) -> None:
    async with HttpServer(http.speech(samples)) as server:
        assert await speak(server) == samples


BARE = [
    ('{"error":{"message":"overload","code":"server_error"}}', "server_error"),
    ('{"error":{"message":"overload","code":503}}', "503"),
    ('{"type":"error","error":{"message":"overload","code":503}}', "503"),
    ('{"error":"overload"}', None),
    ('{"type":"error","message":"overload","code":7}', "7"),
]


@pytest.mark.parametrize(("data", "code"), BARE)
def test_an_error_in_a_stream_says_what_it_is(data: str, code: str | None) -> None:
    event = decode_stream_event(data)
    assert isinstance(event, StreamError)
    assert (event.said.message, event.said.code) == ("overload", code)
    assert rs.decode_event(data) == rs.ErrorEvent(message="overload", code=code)


async def test_a_bare_error_ends_a_stream_with_its_words() -> None:
    answer = http.sse(f"event: error\ndata: {BARE[0][0]}\n\n")
    async with HttpServer(answer) as server:
        stt = server.provider().speech_to_text()
        async with stt.stream_file(TONE, STTSettings(model="gpt-4o-transcribe")) as events:
            with pytest.raises(ApiError, match="overload") as caught:
                await anext(events)
    assert caught.value.retryable


def test_the_type_of_a_nested_error_is_its_code_when_it_has_no_other() -> None:
    data = '{"type":"error","error":{"type":"insufficient_quota","message":"spent"}}'
    assert rs.decode_event(data) == rs.ErrorEvent(message="spent", code="insufficient_quota")


async def test_a_redirect_says_where_it_points() -> None:
    where = "https://u:secret@api.example.com/v1/audio/transcriptions?key=secret"
    async with HttpServer(http.Answer(status=301, headers={"Location": where})) as server:
        with pytest.raises(ApiError) as caught:
            await server.provider().speech_to_text().transcribe(TONE, STTSettings())
    assert "points to https://api.example.com/v1/audio/transcriptions" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fault", ["long", "cut"])
async def test_a_refusal_that_is_long_or_cut_is_read_as_far_as_it_goes(fault: str) -> None:
    said = b"<html><h1>the gateway is overworked</h1>"
    body = [said, b"x" * 200_000] if fault == "long" else [said]
    cut = "reset" if fault == "cut" else None
    async with HttpServer(http.Answer(status=400, body=body, chunked=True, cut=cut)) as server:
        with pytest.raises(ApiError, match="the gateway is overworked") as caught:
            await server.provider().speech_to_text().transcribe(TONE, STTSettings())
    assert caught.value.status == 400
