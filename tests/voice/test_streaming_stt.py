from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from support.scripted_stream import ScriptedStream, ScriptedStreamingSTT
from support.voice_runs import SPEECH, outline, pipeline, talk
from voxloop import audio, telemetry, voice
from voxloop._errors import ApiError, ConfigError, ConnectionClosed, SpeechToTextError
from voxloop.providers import ServerTurns
from voxloop.testing import ScriptedSTT, ScriptedTTS


def echo(greeting: str | None = None) -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda text: f"You said {text}.", greeting=greeting)


def line_of(stt: ScriptedStreamingSTT, mode: str, **config: Any) -> voice.Pipeline:
    detection = voice.TurnDetection(mode=mode, **config.pop("detection", {}))  # type: ignore[arg-type]
    return pipeline(config.pop("workflow", echo()), stt=stt, turn_detection=detection, **config)


async def session_of(stt: ScriptedStreamingSTT) -> ScriptedStream:
    with trio.fail_after(10):
        await stt.opened.wait()
    return stt.sessions[0]


async def test_the_server_finds_the_turns() -> None:
    stt = ScriptedStreamingSTT()
    line = line_of(stt, "semantic_vad", detection={"eagerness": "high"})
    async with talk(line) as talking:
        session = await session_of(stt)
        await talking.stream.push(SPEECH)
        session.started("a")
        session.stopped("a")
        session.heard("a", "good ", "morning")
        session.started("b")
        session.stopped("b")
        session.heard("b", "")
        session.heard("c", "bye")
        await talking.until(lambda e: getattr(e, "text", "") == "bye")
        talking.stream.close()
        await session.ended.wait()
        session.finish()
    assert session.turns == ServerTurns(type="semantic_vad", eagerness="high")
    assert b"".join(session.sent) == bytes(SPEECH), "all of the stream, as it came"
    words = [word for word in outline(talking.events) if word not in ("audio", "metrics")]
    assert words.index("hearing good ") < words.index("turn_started:1")
    assert [word for word in words if not word.startswith("hearing")] == [
        "turn_started:1",
        "heard good morning",
        "text You said good morning. ",
        "turn_ended:1:ok",
        "turn_started:2",
        "heard ",
        "turn_ended:2:no_speech",
        "turn_started:3",
        "heard bye",
        "text You said bye. ",
        "turn_ended:3:ok",
        "completed",
    ]
    assert [event.turn_id for event in talking.of(voice.SpeechStartedEvent)] == [1, 2]
    assert [event.turn_id for event in talking.of(voice.SpeechStoppedEvent)] == [1, 2]
    assert stt.open_sessions == 0


async def test_settings_of_server_vad_reach_the_server() -> None:
    stt = ScriptedStreamingSTT()
    detection = {"threshold": 0.7, "prefix_padding_ms": 200, "silence_duration_ms": 250}
    async with talk(line_of(stt, "server_vad", detection=detection)) as talking:
        session = await session_of(stt)
        talking.stream.close()
        await session.ended.wait()
        session.finish()
    assert session.turns == ServerTurns(
        type="server_vad", threshold=0.7, prefix_padding_ms=200, silence_duration_ms=250
    )


async def test_the_servers_word_breaks_an_answer_off() -> None:
    stt = ScriptedStreamingSTT()
    line = line_of(
        stt, "semantic_vad", tts=ScriptedTTS(seconds_per_char=0.3), queue_policy="interrupt"
    )
    async with talk(line) as talking:
        session = await session_of(stt)
        session.heard("a", "hello")
        await talking.until(voice.AudioEvent)
        session.started("b")
        await talking.until(voice.InterruptedEvent)
        session.stopped("b")
        session.heard("b", "stop")
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 2)
        talking.stream.close()
        session.finish()
    assert (talking.ended(1), talking.ended(2)) == ("interrupted", "ok")


async def test_local_detection_commits_and_sends_only_speech() -> None:
    stt = ScriptedStreamingSTT("one", "two words", "three")
    async with talk(line_of(stt, "local")) as talking:
        for _ in range(3):
            await talking.say()
        talking.stream.close()
    (session,) = stt.sessions
    assert session.turns is None
    heard = [event.text.strip() for event in talking.of(voice.TranscriptEvent) if event.final]
    assert heard == ["one", "two words", "three"]
    partials = [event for event in talking.of(voice.TranscriptEvent) if not event.final]
    assert [(event.turn_id, event.text) for event in partials] == [(2, "two ")]
    assert len(session.commits) == 3
    # Each has 0.3 s before the voice and at most the 0.5 s of silence that ended it behind.
    assert 3 * 0.9 <= session.frames / 16_000 <= 3 * 1.7
    assert [talking.ended(n) for n in (1, 2, 3)] == ["ok", "ok", "ok"]


async def test_a_turn_that_cannot_be_transcribed_costs_that_turn() -> None:
    stt = ScriptedStreamingSTT("one", ApiError("cannot"), "three")
    async with talk(line_of(stt, "local")) as talking:
        for _ in range(3):
            await talking.say()
    assert [talking.ended(n) for n in (1, 2, 3)] == ["ok", "failed", "ok"]
    (failure,) = talking.of(voice.ErrorEvent)
    assert failure.turn_id == 2


@pytest.mark.parametrize("streamed", [True, False])
async def test_push_to_talk(streamed: bool) -> None:
    streaming, whole = (
        ScriptedStreamingSTT("one", "two", "three"),
        ScriptedSTT("one", "two", "three"),
    )
    stt: Any = streaming if streamed else whole
    async with talk(line_of(stt, "manual")) as talking:
        for _ in range(2):
            await talking.say()
            talking.stream.commit()
            talking.stream.commit()
        await talking.stream.push(bytes(1600))  # 50 ms: a finger that slipped
        talking.stream.commit()
        await talking.say()
        talking.stream.close()
    heard = [event.text.strip() for event in talking.of(voice.TranscriptEvent) if event.final]
    assert heard == ["one", "two", "three"]
    assert talking.of(voice.SpeechStartedEvent) == []
    if streamed:
        (session,) = streaming.sessions
        assert len(session.commits) == 3
        assert session.clears == 1
        assert session.commits[0] == SPEECH.frames
    else:
        assert [chunk.frames for chunk in whole.heard] == [SPEECH.frames] * 3


async def test_a_commit_ends_a_turn_of_local_detection_at_once() -> None:
    stt = ScriptedSTT("one", "two")
    async with talk(pipeline(echo(), stt=stt)) as talking:
        half = SPEECH[: round(1.1 * 16_000)]  # the voice, and no silence yet
        await talking.say(half)
        talking.stream.commit()
        await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        await talking.say(half)
        talking.stream.commit()
    assert [talking.ended(n) for n in (1, 2)] == ["ok", "ok"]


async def test_a_recogniser_of_both_is_streamed_to_on_request() -> None:
    class Both(ScriptedStreamingSTT):
        transcribe = ScriptedSTT("whole").transcribe

    for wanted, sessions in ((None, 0), (False, 0), (True, 1)):
        both = Both("streamed")
        Both.transcribe = ScriptedSTT("whole").transcribe  # type: ignore[method-assign]
        async with talk(line_of(both, "local", stream_stt=wanted)) as talking:
            await talking.say()
        assert len(both.sessions) == sessions
        assert talking.ended(1) == "ok"


async def test_the_recogniser_connects_while_the_greeting_is_made() -> None:
    stt = ScriptedStreamingSTT("one", connect=0.05)

    class Waits(ScriptedTTS):
        @asynccontextmanager
        async def synthesize(self, *arguments: Any) -> AsyncIterator[Any]:
            await session_of(stt)  # would fail if the greeting had to come first
            async with super().synthesize(*arguments) as chunks:
                yield chunks

    line = line_of(stt, "local", workflow=echo("Hello! I am listening."), tts=Waits())
    async with talk(line) as talking:
        await talking.say()
    assert (talking.ended(0), talking.ended(1)) == ("ok", "ok")


async def test_words_that_come_while_more_is_spoken_wait_for_it() -> None:
    heard: list[str] = []

    async def answer(text: str) -> str:
        heard.append(text)
        return "Sunny."

    stt = ScriptedStreamingSTT()
    workflow = voice.SimpleWorkflow(answer)
    line = line_of(stt, "semantic_vad", workflow=workflow, queue_policy="interrupt")
    async with talk(line) as talking:
        session = await session_of(stt)
        session.started("a")
        session.stopped("a")
        session.started("b")
        session.heard("a", "the weather")
        await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        session.stopped("b")
        session.heard("b", "in Oslo")
        await talking.until(voice.TextEvent)
        talking.stream.close()
        session.finish()
    assert heard == ["the weather in Oslo"]


async def test_a_turn_by_hand_breaks_an_answer_off() -> None:
    line = line_of(
        ScriptedSTT("one", "two"),  # type: ignore[arg-type]
        "manual",
        tts=ScriptedTTS(seconds_per_char=0.5),
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        talking.stream.commit()
        await talking.until(voice.AudioEvent)
        await talking.say()
        talking.stream.commit()
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 2)
    assert (talking.ended(1), talking.ended(2)) == ("interrupted", "ok")


async def test_a_stream_is_told_in_telemetry() -> None:
    names: list[str] = []
    telemetry.attach("test", ["voice.stt.*"], lambda name, *_: names.append(name))
    stt = ScriptedStreamingSTT("one word", ApiError("no"))
    try:
        async with talk(line_of(stt, "local")) as talking:
            await talking.say()
            await talking.say()
    finally:
        telemetry.detach("test")
    assert sorted(names) == [
        "voice.stt.complete",
        "voice.stt.error",
        "voice.stt.partial",
        "voice.stt.start",
        "voice.stt.start",
    ]


async def test_what_was_heard_before_a_loss_is_answered_first() -> None:
    stt = ScriptedStreamingSTT()
    line = line_of(stt, "semantic_vad")
    seen: list[voice.Event] = []
    async with line, line.run_streamed(voice.StreamedAudioInput()) as result:
        session = await session_of(stt)
        session.heard("a", "hello")
        session.say(ConnectionClosed("lost"))
        with pytest.raises(ConnectionClosed):
            async for event in result:
                seen.append(event)
    words = outline(seen)
    assert "turn_ended:1:ok" in words
    assert words[-2:] == ["error ConnectionClosed", "failed"]
    assert stt.open_sessions == 0


async def test_a_session_that_cannot_be_opened_ends_the_run_after_the_greeting() -> None:
    class Refuses:
        def open_transcription(self, settings: object, *, turns: object) -> Any:
            raise KeyError("x")

    line = pipeline(
        echo("Hello!"), stt=Refuses(), turn_detection=voice.TurnDetection(mode="semantic_vad")
    )
    seen: list[voice.Event] = []
    async with line, line.run_streamed(voice.StreamedAudioInput()) as result:
        with pytest.raises(SpeechToTextError):
            async for event in result:
                seen.append(event)
    assert outline(seen)[-4:] == ["metrics", "turn_ended:0:ok", "error SpeechToTextError", "failed"]


async def test_a_source_that_is_closed_already_just_ends() -> None:
    stt = ScriptedStreamingSTT()
    async with talk(line_of(stt, "local")) as talking:
        talking.stream.close()
    assert outline(talking.events) == ["completed"]


async def test_leaving_closes_the_session() -> None:
    stt = ScriptedStreamingSTT()
    line = line_of(stt, "server_vad")
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with line:
        async with line.run_streamed(voice.StreamedAudioInput()):
            await session_of(stt)
        assert stt.open_sessions == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks


class OnlyWhole:
    """Knows no streams."""

    transcribe = ScriptedSTT().transcribe


async def test_what_a_recogniser_cannot_do_is_refused_at_once() -> None:
    stream = voice.StreamedAudioInput()
    for mode, streamed, stt, words in (
        ("semantic_vad", None, OnlyWhole(), "does not find turns"),
        ("local", True, OnlyWhole(), "does not recognise streams"),
        ("server_vad", False, ScriptedStreamingSTT(), "needs a stream"),
    ):
        line = line_of(stt, mode, stream_stt=streamed)  # type: ignore[arg-type]
        async with line:
            with pytest.raises(ConfigError, match=words):
                line.run_streamed(stream)


async def test_telephone_streams_are_heard_at_their_own_rate() -> None:
    stt = ScriptedSTT("one", "two")
    clip = audio.resample(SPEECH, 8000)
    for law, encode in (("ulaw", audio.ulaw_encode), ("alaw", audio.alaw_encode)):
        async with talk(pipeline(echo(), stt=stt), format=law) as talking:
            data = encode(clip)
            for first in range(0, len(data), 160):
                await talking.stream.push(data[first : first + 160])
        assert talking.ended(1) == "ok"
    assert [chunk.sample_rate for chunk in stt.heard] == [8000, 8000]
    assert all(0.9 <= chunk.duration <= 1.3 for chunk in stt.heard)
