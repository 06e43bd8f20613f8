"""The whole pipeline through `voxloop.OpenAI`, against scripted servers on real sockets."""

from __future__ import annotations

import array
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import trio

import voxloop
from support.transcription_server import speech, transcription_server
from support.voice_runs import assert_balanced, events_of, outline, talk
from voxloop import Agent, audio, tool, voice
from voxloop._errors import AuthenticationError, ConnectionClosed
from voxloop.testing import HttpServer, ScriptedProvider, ScriptedTTS, http, utterance

KIND = "conversation.item.input_audio_transcription"


def tone(level: int, seconds: float = 0.2) -> bytes:
    return array.array("h", [level] * round(24_000 * seconds)).tobytes()


def echo() -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda text: f"You said {text}.")


def over(server: HttpServer, workflow: Any = None, **config: Any) -> voice.Pipeline:
    settings = voice.Config(**config)
    return voice.Pipeline(workflow or echo(), provider=server.provider(), config=settings)


def targets(server: HttpServer) -> list[str]:
    return [request.target.rsplit("/", 1)[1] for request in server.requests]


@tool
async def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}."


async def test_speech_a_tool_and_speech_over_http() -> None:
    workflow = voice.AgentWorkflow(Agent("Clerk", "Be brief.", tools=[get_weather]))
    # The model is asked again while the first sentence is spoken: which comes first is chance.
    answers = {
        "responses": [
            http.response("Let me look. ", calls=[("get_weather", {"city": "Oslo"})]),
            http.response("It is sunny."),
        ],
        "speech": [http.speech(tone(1)), http.speech(tone(2))],
    }
    async with HttpServer(
        http.transcript("How is the weather in Oslo?"),
        respond=lambda request: answers[request.target.rsplit("/", 1)[1]].pop(0),
    ) as server:
        seen, error = await events_of(over(server, workflow, prefetch=1))
    assert error is None
    assert_balanced(seen)
    words = [word for word in outline(seen) if word not in ("audio", "metrics")]
    assert words[0:2] == ["turn_started:1", "heard How is the weather in Oslo?"]
    assert {"tool call get_weather", "tool result get_weather"} < set(words)
    assert [w for w in words if w.startswith("text")] == [
        "text Let me look. ",
        "text It is sunny. ",
    ]
    sound = audio.concat([e.data for e in seen if isinstance(e, voice.AudioEvent)])
    assert bytes(sound) == tone(1) + tone(2)
    upload = next(r for r in server.requests if r.target.endswith("/audio/transcriptions"))
    file = next(part for part in upload.parts if part.name == "file")
    assert 0.5 < audio.decode_wav(file.content).duration < 1.5
    spoken = [r.json for r in server.requests if r.target.endswith("/audio/speech")]
    assert [body["input"] for body in spoken] == ["Let me look.", "It is sunny."]  # type: ignore[index]
    second = [r.json for r in server.requests if r.target.endswith("/responses")][1]
    outputs = [i for i in second["input"] if i.get("type") == "function_call_output"]  # type: ignore[index]
    assert [item["output"] for item in outputs] == ["Sunny in Oslo."]
    assert workflow.history[-1]["role"] == "assistant"


async def test_a_key_that_expired_is_asked_for_anew_at_every_stage() -> None:
    keys = itertools.count()
    refused = http.refusal(401, "invalid_api_key")
    script = [refused, http.transcript("hi"), refused, http.speech(tone(1))]
    async with HttpServer(*script) as server:
        provider = voxloop.OpenAI(api_key=lambda: f"sk-{next(keys)}", base_url=server.base_url)
        seen, error = await events_of(voice.Pipeline(echo(), provider=provider))
    assert error is None
    assert "turn_ended:1:ok" in outline(seen)
    sent = [request.headers["authorization"] for request in server.requests]
    assert len(sent) == len(set(sent)) == 4


async def test_a_key_that_is_refused_twice_ends_the_run() -> None:
    async with HttpServer(*[http.refusal(401, "invalid_api_key")] * 4) as server:
        provider = voxloop.OpenAI(api_key=lambda: "sk-canary", base_url=server.base_url)
        seen, error = await events_of(voice.Pipeline(echo(), provider=provider))
    assert isinstance(error, AuthenticationError)
    assert "canary" not in str(error)
    assert outline(seen)[-1] == "failed"
    assert len(server.requests) == 2


async def test_speech_is_asked_for_again_before_its_first_byte_only() -> None:
    busy = http.refusal(503, "overloaded", retry_after_ms="5")
    async with HttpServer(http.transcript("hi"), busy, http.speech(tone(3))) as server:
        seen, error = await events_of(over(server))
    assert error is None
    assert targets(server) == ["transcriptions", "speech", "speech"]
    sound = audio.concat([e.data for e in seen if isinstance(e, voice.AudioEvent)])
    assert bytes(sound) == tone(3)
    cut = replace(http.speech(tone(3)), cut="reset")
    async with HttpServer(http.transcript("hi"), cut, http.speech(tone(4))) as server:
        seen, error = await events_of(over(server))
    assert isinstance(error, ConnectionClosed)
    assert_balanced(seen)
    assert targets(server) == ["transcriptions", "speech"], "nothing more is asked for"
    sound = audio.concat([e.data for e in seen if isinstance(e, voice.AudioEvent)])
    assert tone(3).startswith(bytes(sound)), "what had come is kept, and nothing said twice"


async def until(test: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not test():  # noqa: ASYNC110 - another thread's counter
            await trio.sleep(0.005)


@pytest.mark.parametrize("way", ["speech", "application", "leaving"])
async def test_breaking_an_answer_off_closes_its_socket(way: str) -> None:
    endless = replace(http.speech(tone(5, 60.0), piece=960), gap=0.02)
    async with HttpServer(
        http.transcript("a story"), endless, http.transcript("stop"), http.speech(tone(6))
    ) as server:
        async with talk(over(server)) as talking:
            await talking.say()
            await talking.until(voice.AudioEvent)
            assert server.broken == 0
            if way == "leaving":
                talking.result.cancel()
            elif way == "application":
                assert talking.result.interrupt()
            else:
                await talking.say()
                await talking.until(voice.InterruptedEvent)
            await until(lambda: server.broken == 1)
            if way == "speech":
                await talking.until(lambda e: getattr(e, "event", "") == "turn_ended" and e.turn_id)
        ended = {"speech": "interrupted", "application": "interrupted", "leaving": "cancelled"}
        assert talking.ended(1) == ended[way]
        if way == "speech":
            assert talking.ended(2) == "ok"


def listening(server: Any, mode: str, **config: Any) -> voice.Pipeline:
    config.setdefault("queue_policy", "queue")
    return voice.Pipeline(
        echo(),
        stt=voxloop.OpenAI(api_key="sk-test", base_url=server.url).speech_to_text(),
        tts=ScriptedTTS(),
        config=voice.Config(
            turn_detection=voice.TurnDetection(mode=mode),  # type: ignore[arg-type]
            stream_stt=True,
            **config,
        ),
    )


async def feed(talking: Any, pcm: bytes) -> None:
    for first in range(0, len(pcm), 4800):
        await talking.stream.push(pcm[first : first + 4800])


def heard(talking: Any) -> list[str]:
    return [event.text.strip() for event in talking.of(voice.TranscriptEvent) if event.final]


@pytest.mark.parametrize("mode", ["server_vad", "semantic_vad"])
async def test_turns_that_the_server_finds(mode: str) -> None:
    async with transcription_server() as server:
        async with talk(listening(server, mode), sample_rate=24_000) as talking:
            await feed(talking, speech(1, 2, 3))
        assert heard(talking) == ["w1x4800", "w2x4800", "w3x4800"]
        assert [talking.ended(n) for n in (1, 2, 3)] == ["ok"] * 3
        assert len(talking.of(voice.SpeechStartedEvent)) == 3
        (session,) = server.sessions
        assert session.settings["audio"]["input"]["turn_detection"]["type"] == mode


@pytest.mark.parametrize("mode", ["local", "manual"])
async def test_turns_that_are_found_here_are_committed(mode: str) -> None:
    count = 0

    async def number(session: Any, item: str, text: str) -> None:
        nonlocal count
        count += 1
        await server.say(session, item, f"number {count}")

    async with transcription_server() as server:
        server.transcribe = number
        async with talk(listening(server, mode)) as talking:
            for _ in range(3):
                await talking.say(utterance(0.6, before=2.0))
                if mode == "manual":
                    talking.stream.commit()
        assert heard(talking) == ["number 1", "number 2", "number 3"]
        assert [talking.ended(n) for n in (1, 2, 3)] == ["ok"] * 3
        (session,) = server.sessions
        assert session.settings["audio"]["input"]["turn_detection"] is None
        sent = [event["type"].rsplit(".", 1)[1] for event in session.received]
        # The last one belongs to the end of the input, and finds nothing left.
        assert sent.count("commit") == 4
        whole = utterance(0.6, before=2.0).duration * 3
        got = len(session.heard) / 48_000
        assert got == pytest.approx(whole, abs=0.05) if mode == "manual" else got < 0.7 * whole


@pytest.mark.parametrize("mode", ["server_vad", "manual"])
@pytest.mark.parametrize("seed", range(4))
async def test_connections_that_drop_lose_no_turn(mode: str, seed: int) -> None:
    async with transcription_server(seed, drops=3) as server:
        line = listening(server, mode)
        async with talk(line, sample_rate=24_000, patience=60) as talking:
            for word in range(1, 7):
                await feed(talking, speech(word, pause_ms=200 if mode == "server_vad" else 0))
                if mode == "manual":
                    talking.stream.commit()
        assert len(server.sessions) > 1, "there were drops"
        assert heard(talking) == [f"w{word}x4800" for word in range(1, 7)]
        assert [talking.ended(n) for n in range(1, 7)] == ["ok"] * 6
        starts = [event.turn_id for event in talking.of(voice.SpeechStartedEvent)]
        assert starts == (list(range(1, 7)) if mode == "server_vad" else []), "each told once"


async def test_leaving_closes_the_recognisers_socket() -> None:
    async with transcription_server() as server:
        line = listening(server, "server_vad")
        async with line:
            async with line.run_streamed(voice.StreamedAudioInput(sample_rate=24_000)):
                await until(lambda: len(server.sessions) == 1)
                socket = server.sessions[0].socket
                left = time.monotonic()
            with trio.fail_after(20):
                await socket.wait_closed()
        assert time.monotonic() - left < 10


async def test_connections_that_wait_for_a_request_end_with_the_last_pipeline() -> None:
    script = [http.transcript("hi"), http.speech(tone(1))] * 2
    async with HttpServer(*script) as server:
        async with over(server) as first, over(server) as second:
            for line in (first, second):
                await line.run_to_end(voice.AudioInput(utterance(0.3)))
            assert server.connections > 0, "kept for the next request"
            await first.__aexit__(None, None, None)
            await trio.sleep(0.05)
            assert server.connections > 0, "another pipeline may want them"
        left = time.monotonic()
        await until(lambda: server.connections == 0)
        assert time.monotonic() - left < 5, "and not when the pool gets tired of them"
        assert server.answering == 0


async def test_a_pipeline_that_cannot_be_opened_holds_nothing() -> None:
    async with HttpServer(http.transcript("hi"), http.speech(tone(1))) as server:
        with pytest.raises(RuntimeError, match="no engine"):
            async with voice.Pipeline(echo(), provider=_Broken()):
                raise AssertionError
        async with over(server) as line:
            await line.run_to_end(voice.AudioInput(utterance(0.3)))
        await until(lambda: server.connections == 0)


class _Broken(ScriptedProvider):
    async def warm_up(self) -> None:
        raise RuntimeError("no engine")
