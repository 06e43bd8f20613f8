"""Whole files over real sockets: transcripts in every shape, speech in every format, events."""

from __future__ import annotations

import pytest

from voxloop import audio, telemetry
from voxloop._errors import (
    ApiError,
    ConfigError,
    ConnectionClosed,
    ProtocolError,
    QuotaExceeded,
    TextToSpeechError,
)
from voxloop.providers import CustomVoice, STTSettings, TTSSettings
from voxloop.providers.openai import (
    FileOptions,
    FileTranscript,
    TranscriptDelta,
    TranscriptSegment,
)
from voxloop.testing import HttpServer, http

TONE = audio.AudioChunk(bytes(range(256)) * 30, audio.Format(16_000))
COUNTER = b"".join(n.to_bytes(2, "little") for n in range(12_000))
WHISPER = STTSettings(model="whisper-1")


def stt(server: HttpServer):
    return server.provider().speech_to_text()


def tts(server: HttpServer):
    return server.provider().text_to_speech()


async def test_a_verbose_transcript() -> None:
    segments = [{"id": 0, "start": 0.0, "end": 1.0, "text": "Hi"}]
    words = [{"word": "Hi", "start": 0.0, "end": 0.4}]
    answer = http.transcript("Hi", language="english", duration=1.0, segments=segments, words=words)
    async with HttpServer(answer) as server:
        heard = await stt(server).transcribe_file(
            b"ID3...", WHISPER, filename="/some/where/talk.MP3",
            options=FileOptions(timestamps=("word",)),
        )  # fmt: skip
    assert heard == FileTranscript(
        text="Hi",
        language="english",
        duration=1.0,
        segments=tuple(segments),
        words=tuple(words),
        usage={"type": "duration", "seconds": 1.0},
    )
    file = server.requests[0].parts[0]
    assert file[1:] == ("talk.MP3", "audio/mpeg", b"ID3...")


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
async def test_a_transcript_that_is_bare_text(format: str) -> None:
    body = "1\n00:00:00,000 --> 00:00:01,000\nHållo\n"
    answer = http.Answer(body=body.encode(), headers={"Content-Type": "text/plain"})
    async with HttpServer(answer, http.WEB_PAGE, http.Answer(body=b"\xff\xfe")) as server:
        options = FileOptions(response_format=format)  # type: ignore[arg-type]
        heard = await stt(server).transcribe_file(TONE, WHISPER, options=options)
        for _ in range(2):
            with pytest.raises(ProtocolError):
                await stt(server).transcribe_file(TONE, WHISPER, options=options)
    assert heard.text == body


async def test_a_file_of_an_unknown_kind() -> None:
    async with HttpServer() as server:
        with pytest.raises(ConfigError, match=r"\.flac"):
            await stt(server).transcribe_file(b"x", filename="notes.txt")
    assert server.requests == []


@pytest.mark.parametrize("seed", range(4))
async def test_a_streamed_transcript_cut_anywhere(seed: int) -> None:
    answer = http.transcript_events("Hello out there, wörld").split(seed)
    async with HttpServer(answer) as server:
        async with stt(server).stream_file(TONE) as events:
            got = [event async for event in events]
    *deltas, whole = got
    assert all(isinstance(delta, TranscriptDelta) for delta in deltas)
    assert isinstance(whole, FileTranscript)
    assert "".join(delta.text for delta in deltas) == whole.text == "Hello out there, wörld"
    assert ("stream", "true") in [
        (p.name, p.content.decode()) for p in server.requests[0].parts[1:]
    ]


async def test_speakers_come_as_segments_and_unknown_events_are_passed_over() -> None:
    segment = {"id": "s1", "start": 0.5, "end": 1.5, "speaker": "A", "text": "Hi"}
    answer = http.sse(
        {"type": "transcript.text.new_kind", "x": 1},
        {"type": "transcript.text.segment", **segment},
        {"type": "transcript.text.done", "text": "Hi"},
        done=True,
    )
    settings = STTSettings(model="gpt-4o-transcribe-diarize")
    options = FileOptions(response_format="diarized_json")
    async with HttpServer(answer) as server:
        async with stt(server).stream_file(TONE, settings, options=options) as events:
            got = [event async for event in events]
    assert got == [
        TranscriptSegment(text="Hi", speaker="A", start=0.5, end=1.5),
        FileTranscript(text="Hi"),
    ]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http.sse({"type": "transcript.text.delta", "delta": "He"}), ConnectionClosed),
        (http.sse({"type": "transcript.text.delta", "delta": 3}), ProtocolError),
        (http.GARBLED_EVENTS, ProtocolError),
        (http.WEB_PAGE, ProtocolError),
        (http.sse({"type": "error", "error": {"code": "insufficient_quota"}}), QuotaExceeded),
        (http.sse({"type": "error", "code": "boom", "message": "no"}), ApiError),
    ],
    ids=["no-end", "bad-field", "garbled", "html", "quota", "error"],
)
async def test_a_stream_that_is_none(answer: http.Answer, kind: type) -> None:
    async with HttpServer(answer) as server:
        with pytest.raises(kind):
            async with stt(server).stream_file(TONE) as events:
                [event async for event in events]


async def test_a_stream_is_tried_again_before_its_first_event_only() -> None:
    cut = http.transcript_events("Hello there")
    cut = http.Answer(body=cut.pieces[:1], headers=cut.headers, cut="reset")
    async with HttpServer(
        http.refusal(503, "overloaded", retry_after_ms="5"), cut, http.transcript_events("x")
    ) as server:
        with pytest.raises(ConnectionClosed):
            async with stt(server).stream_file(TONE) as events:
                [event async for event in events]
        assert len(server.requests) == 2
        assert server.remaining == 1


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_speech_as_a_file(format: str) -> None:
    odd = COUNTER[:4801]
    async with HttpServer(http.speech(odd, content_type=f"audio/{format}")) as server:
        body = await tts(server).speak_file("Hello.", format=format)  # type: ignore[arg-type]
    assert body == odd
    assert server.requests[0].json["response_format"] == format  # type: ignore[index]


async def test_files_of_speech_that_cannot_be() -> None:
    cut = http.Answer(body=[COUNTER], headers={"Content-Type": "audio/mpeg"}, cut="reset")
    async with HttpServer(cut) as server:
        with pytest.raises(ConnectionClosed):
            await tts(server).speak_file("Hello.")
        for text, kind in (("Hello.", "midi"), (" ", "mp3"), ("x" * 4097, "mp3")):
            with pytest.raises(ConfigError):
                await tts(server).speak_file(text, format=kind)  # type: ignore[arg-type]
    assert len(server.requests) == 1


async def test_a_voice_of_ones_own() -> None:
    async with HttpServer(http.speech(COUNTER)) as server:
        settings = TTSSettings(voice=CustomVoice("voice_1"))
        async with tts(server).synthesize("Hello.", settings) as chunks:
            assert b"".join([bytes(chunk) async for chunk in chunks]) == COUNTER
    assert server.requests[0].json["voice"] == {"id": "voice_1"}  # type: ignore[index]


@pytest.mark.parametrize("seed", range(4))
async def test_speech_as_events_tells_its_usage(seed: int) -> None:
    told: list[tuple[str, dict[str, float], dict[str, object]]] = []
    telemetry.attach("test", ["voice.tts.usage"], lambda *event: told.append(event))
    try:
        answer = http.speech_events(COUNTER, piece=1001).split(seed, most=300)
        async with HttpServer(answer) as server:
            async with tts(server).synthesize("Hello.", TTSSettings(usage=True)) as chunks:
                assert b"".join([bytes(chunk) async for chunk in chunks]) == COUNTER
    finally:
        telemetry.detach("test")
    assert told[0][1] == {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}
    assert server.requests[0].json["stream_format"] == "sse"  # type: ignore[index]
    assert server.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http.sse({"type": "speech.audio.delta", "audio": "AAAA"}), ConnectionClosed),
        (http.sse({"type": "speech.audio.delta", "audio": "!!!!"}), ProtocolError),
        (http.sse({"type": "speech.audio.done"}), TextToSpeechError),
        (http.sse({"type": "error", "error": {"code": "server_error"}}), ApiError),
        (http.speech(COUNTER), ProtocolError),
    ],
    ids=["no-end", "not-base64", "empty", "error", "not-events"],
)
async def test_events_without_speech_are_never_played(answer: http.Answer, kind: type) -> None:
    async with HttpServer(answer) as server:
        with pytest.raises(kind):
            async with tts(server).synthesize("Hello.", TTSSettings(usage=True)) as chunks:
                [chunk async for chunk in chunks]


async def test_a_model_that_cannot_tell_its_usage() -> None:
    async with HttpServer() as server:
        with pytest.raises(ConfigError, match="tts-1"):
            async with tts(server).synthesize("x", TTSSettings(model="tts-1", usage=True)):
                pass
