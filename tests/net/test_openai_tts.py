"""Speech over real sockets: every byte in order, whatever the pieces, or an error."""

from __future__ import annotations

import random
import time

import pytest
import trio

import voxloop
from voxloop import audio
from voxloop._errors import (
    ConfigError,
    ConnectionClosed,
    ProtocolError,
    QuotaExceeded,
    TextToSpeechError,
)
from voxloop.providers import TTSSettings
from voxloop.testing import HttpServer
from voxloop.testing.http_script import Answer, json_answer, refusal

# A counter as samples: a lost, repeated or shifted byte shows.
COUNTER = b"".join(n.to_bytes(2, "little") for n in range(24_000))
PCM = {"Content-Type": "audio/pcm"}


def voice(url: str):
    return voxloop.OpenAI(api_key="sk-test", base_url=url).text_to_speech()


async def speak(url: str, text: str = "Hello.", **settings: object) -> list[audio.AudioChunk]:
    async with voice(url).synthesize(text, TTSSettings(**settings)) as chunks:
        return [chunk async for chunk in chunks]


async def collect(url: str, heard: list[audio.AudioChunk]) -> None:
    async with voice(url).synthesize("x", TTSSettings()) as chunks:
        async for chunk in chunks:
            heard.append(chunk)


def joined(chunks: list[audio.AudioChunk]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks)


async def test_what_is_asked_for() -> None:
    with HttpServer(
        Answer(status=200, body=COUNTER, headers=PCM), Answer(status=200, body=COUNTER, headers=PCM)
    ) as server:
        chunks = await speak(server.base_url, voice="nova", speed=1.25, instructions="calm")
        await speak(server.base_url, model="tts-1", instructions="cannot")
    assert all(chunk.format == audio.PCM24K for chunk in chunks)
    assert joined(chunks) == COUNTER
    first, second = server.requests
    assert (first.method, first.target) == ("POST", "/v1/audio/speech")
    assert first.headers["content-type"] == "application/json"
    assert first.json == {
        "model": "gpt-4o-mini-tts",
        "input": "Hello.",
        "voice": "nova",
        "response_format": "pcm",
        "instructions": "calm",
        "speed": 1.25,
    }
    assert second.json == {
        "model": "tts-1",
        "input": "Hello.",
        "voice": "ash",
        "response_format": "pcm",
    }


@pytest.mark.parametrize("seed", range(6))
async def test_pieces_of_any_size_give_the_same_samples(seed: int) -> None:
    rng = random.Random(seed)
    body, pieces = COUNTER[: rng.randrange(2, 8000, 2)], []
    while body:
        size = rng.choice([1, 1, 2, 3, 7, 64, 999, 4096])
        pieces.append(body[:size])
        body = body[size:]
    with HttpServer(
        Answer(status=200, body=pieces, headers=PCM, chunked=True, gap=0.0005)
    ) as server:
        chunks = await speak(server.base_url)
    assert joined(chunks) == b"".join(pieces)
    assert all(chunk.frames > 0 for chunk in chunks)


async def test_the_first_chunk_does_not_wait_for_the_last() -> None:
    answer = Answer(status=200, body=[COUNTER[:960]] * 5, headers=PCM, chunked=True, gap=0.5)
    with HttpServer(answer) as server:
        started = time.monotonic()
        async with voice(server.base_url).synthesize("x", TTSSettings()) as chunks:
            first = await anext(chunks)
            assert first.frames == 480
            assert time.monotonic() - started < 1.5
            assert len([chunk async for chunk in chunks]) == 4


@pytest.mark.parametrize(
    "fault",
    [refusal(429, "rate_limit_exceeded", retry_after_ms="10"), Answer(drop=True),
     Answer(status=200, body=b"", headers=PCM, cut="reset")],
    ids=["429", "dropped", "cut-before-the-first-byte"],
)  # fmt: skip
async def test_tried_again_before_the_first_byte(fault: Answer) -> None:
    with HttpServer(fault, Answer(status=200, body=COUNTER, headers=PCM)) as server:
        assert joined(await speak(server.base_url)) == COUNTER
    assert len(server.requests) == 2


async def test_never_tried_again_after_the_first_byte() -> None:
    cut = Answer(status=200, body=[COUNTER[:4800]], headers=PCM, cut="reset")
    heard: list[audio.AudioChunk] = []
    with (
        HttpServer(cut, Answer(status=200, body=COUNTER, headers=PCM)) as server,
        pytest.raises(ConnectionClosed),
    ):
        await collect(server.base_url, heard)
    assert joined(heard) == COUNTER[:4800]
    assert len(server.requests) == 1


async def test_quota_is_never_tried_again() -> None:
    script = [refusal(429, "insufficient_quota", type="insufficient_quota")] * 3
    with HttpServer(*script) as server, pytest.raises(QuotaExceeded):
        await speak(server.base_url)
    assert len(server.requests) == 1


async def test_half_a_sample_at_the_end_is_a_cut() -> None:
    heard: list[audio.AudioChunk] = []
    cut = pytest.raises(TextToSpeechError, match="middle of a sample")
    with HttpServer(Answer(status=200, body=COUNTER[:101], headers=PCM)) as server, cut:
        await collect(server.base_url, heard)
    assert joined(heard) == COUNTER[:100]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=200, body=b"", headers=PCM), TextToSpeechError),
        (json_answer({"detail": "hello"}), ProtocolError),
        (
            Answer(
                status=200, body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}
            ),
            ProtocolError,
        ),
    ],
    ids=["empty", "json", "html"],
)
async def test_an_answer_without_audio_is_never_played(answer: Answer, kind: type) -> None:
    with HttpServer(answer) as server, pytest.raises(kind):
        await speak(server.base_url)


async def test_blank_text_is_silence_and_long_text_an_error() -> None:
    with HttpServer() as server:
        assert await speak(server.base_url, "  \n") == []
        with pytest.raises(ConfigError, match="4096"):
            await speak(server.base_url, "x" * 4097)
    assert server.requests == []


async def test_leaving_the_block_ends_the_request() -> None:
    endless = Answer(status=200, body=[COUNTER[:4800]] * 4000, headers=PCM, chunked=True, gap=0.005)
    with HttpServer(endless) as server:
        async with voice(server.base_url).synthesize("x", TTSSettings()) as chunks:
            await anext(chunks)
        with trio.fail_after(2):
            while not server.broken:  # noqa: ASYNC110 - it is another thread's counter
                await trio.sleep(0.01)


async def test_a_cancelled_wait_loses_nothing() -> None:
    pieces = [COUNTER[n : n + 481] for n in range(0, 24_050, 481)]
    heard: list[audio.AudioChunk] = []
    with HttpServer(
        Answer(status=200, body=pieces, headers=PCM, chunked=True, gap=0.004)
    ) as server:
        async with voice(server.base_url).synthesize("x", TTSSettings()) as chunks:
            cancelled = 0
            while True:
                with trio.move_on_after(0.001) as scope:
                    chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    heard.append(chunk)
                cancelled += scope.cancelled_caught
    assert joined(heard) == b"".join(pieces)
    assert cancelled > 5
