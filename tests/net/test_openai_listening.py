"""Streamed transcription over real sockets: what is sent, in which order turns are told, drops."""

from __future__ import annotations

import time

import pytest
import trio

from support.listening import KIND, VAD, chunks, engine, listen, texts
from support.transcription_server import (
    Session,
    speech,
    transcription_server,
)
from voxloop._errors import (
    AuthenticationError,
    ConfigError,
    NetworkTimeout,
    QuotaExceeded,
    UseAfterClose,
    VoxloopError,
)
from voxloop.audio import PCM24K, AudioChunk, Format
from voxloop.providers import (
    ServerTurns,
    SpeechStarted,
    SpeechStopped,
    StreamError,
    StreamingSpeechToText,
    STTSettings,
    TranscriptionEvent,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)
from voxloop.providers.openai import StreamOptions


async def test_turns_of_the_server_come_with_their_words() -> None:
    async with transcription_server() as server:
        assert isinstance(engine(server), StreamingSpeechToText)
        settings = STTSettings(
            languages=("en", "no"), prompt="p", keywords=("Oslo",), noise_reduction="near_field"
        )
        events = await listen(server, speech(1, 2), settings=settings)
    kinds = [type(event) for event in events]
    one = [SpeechStarted, SpeechStopped, TurnPartial, TurnHeard]
    assert kinds == one * 2
    assert texts(events) == ["w1x4800", "w2x4800"]
    started, stopped = events[0], events[1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert (started.audio_ms, stopped.audio_ms) == (0.0, 300.0)
    partial, heard = events[2], events[3]
    assert isinstance(partial, TurnPartial)
    assert isinstance(heard, TurnHeard)
    assert (partial.delta, partial.text) == ("w1x4800 ", "w1x4800 ")
    assert heard.usage == {"type": "duration", "seconds": 1.0}
    assert server.paths == ["/v1/realtime?intent=transcription"]
    assert server.headers[0]["authorization"] == "Bearer sk-canary"
    assert "openai-beta" not in server.headers[0]
    assert server.sessions[0].settings == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": {"type": "near_field"},
                "transcription": {
                    "model": "gpt-transcribe",
                    "languages": ["en", "no"],
                    "prompt": "p",
                    "keywords": ["Oslo"],
                },
                "turn_detection": {"type": "server_vad"},
            }
        },
    }
    ends = [event["type"] for event in server.sent[-2:]]
    assert ends == ["input_audio_buffer.commit", "input_audio_buffer.clear"]


async def test_turns_of_the_caller() -> None:
    async with transcription_server() as server:
        pieces = [speech(n, pause_ms=0) for n in (1, 2, 3)]
        settings = STTSettings(model="gpt-realtime-whisper", language="en", delay="low", prompt="x")
        events = await listen(server, *pieces, turns=None, settings=settings)
    assert texts(events) == ["w1x4800", "w2x4800", "w3x4800"]
    given = server.sessions[0].settings["audio"]["input"]
    assert given["turn_detection"] is None
    assert given["transcription"] == {
        "model": "gpt-realtime-whisper",
        "language": "en",
        "delay": "low",
    }


async def test_what_is_left_at_the_end_is_a_turn_and_silence_is_none() -> None:
    async with transcription_server() as server:
        assert texts(await listen(server, speech(5, pause_ms=0), turns=VAD)) == ["w5x4800"]
        assert texts(await listen(server, speech(6), bytes(48 * 300), turns=VAD)) == ["w6x4800"]
        assert await listen(server, turns=VAD) == []


async def test_other_rates_and_shapes_are_converted() -> None:
    quiet = AudioChunk(bytes(2 * 8000), Format(8_000))
    stereo = AudioChunk(bytes(8 * 48_000), Format(48_000, channels=2, encoding="float32"))
    async with transcription_server() as server:
        async with engine(server).open_transcription(STTSettings(), turns=None) as session:
            for chunk in (quiet, stereo, quiet[:0], AudioChunk(bytes(480), PCM24K)):
                await session.send(chunk)
            await session.end_input()
            assert [event async for event in session] == []
            with pytest.raises(UseAfterClose):
                await session.send(quiet)
    assert len(server.sessions[0].heard) == 2 * (24_000 + 24_000) + 480


async def test_a_turn_has_all_the_audio_that_was_given_before_its_end() -> None:
    second = AudioChunk(speech(1, ms=1000, pause_ms=0)[: 2 * 16_000], Format(16_000))
    async with transcription_server() as server:
        async with engine(server).open_transcription(STTSettings(), turns=None) as session:
            for _ in range(3):
                await session.send(second)
                await session.commit()
            await session.end_input()
            with trio.fail_after(30):
                events = [event async for event in session]
        assert len(texts(events)) == 3
        assert len(server.sessions[0].heard) == 3 * 2 * 24_000


async def test_transcripts_come_in_the_order_of_speech() -> None:
    held: list[tuple[Session, str, str]] = []

    async def reverse(session: Session, item: str, text: str) -> None:
        held.append((session, item, text))
        if len(held) == 3:
            for entry in reversed(held):
                await server.say(*entry)

    async with transcription_server() as server:
        server.transcribe = reverse
        pieces = [speech(n, pause_ms=0) for n in (1, 2, 3)]
        events = await listen(server, *pieces, turns=None)
    assert texts(events) == ["w1x4800", "w2x4800", "w3x4800"]


async def test_one_transcript_that_never_comes_holds_the_others_up_for_a_while_only() -> None:
    async def forget_the_first(session: Session, item: str, text: str) -> None:
        if "w1" not in text:
            await server.say(session, item, text)

    async with transcription_server() as server:
        server.transcribe = forget_the_first
        opened = engine(server).open_transcription(
            STTSettings(), turns=None, options=StreamOptions(order_timeout=0.3, end_timeout=0.5)
        )
        with trio.fail_after(30):
            async with opened as session:
                for n in (1, 2):
                    await session.send(AudioChunk(speech(n, pause_ms=0), PCM24K))
                    await session.commit()
                heard = [e async for e in _until_heard(session)]
                assert texts(heard) == ["w2x4800"]
                await session.end_input()
                with pytest.raises(NetworkTimeout) as caught:
                    [e async for e in session]
    assert caught.value.phase == "end_of_input"


async def _until_heard(session):
    async for event in session:
        yield event
        if isinstance(event, TurnHeard):
            return


async def test_one_failed_turn_and_a_harmless_error_end_nothing() -> None:
    async def stumble(session: Session, item: str, text: str) -> None:
        if "w2" in text:
            error = {"type": "server_error", "code": "audio_unintelligible", "message": "what?"}
            await session.send(f"{KIND}.failed", item_id=item, content_index=0, error=error)
            await session.error("invalid_value", None, "invalid_request_error")
        else:
            await server.say(session, item, text)

    async with transcription_server() as server:
        server.transcribe = stumble
        events = await listen(server, speech(1, 2, 3))
    assert texts(events) == ["w1x4800", "w3x4800"]
    (failure,) = [event for event in events if isinstance(event, TurnFailed)]
    assert failure.error.code == "audio_unintelligible"
    assert failure.item_id is not None
    (trouble,) = [event for event in events if isinstance(event, StreamError)]
    assert trouble.error.code == "invalid_value"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("insufficient_quota", QuotaExceeded), ("invalid_api_key", AuthenticationError)],
)
async def test_what_no_turn_can_survive_is_raised_after_what_was_heard(
    code: str, kind: type[VoxloopError]
) -> None:
    async def refuse(session: Session, item: str, text: str) -> None:
        if "w2" in text:
            await session.error(code)
        else:
            await server.say(session, item, text)

    async with transcription_server() as server:
        server.transcribe = refuse
        events: list[TranscriptionEvent] = []
        with trio.fail_after(30):
            async with engine(server).open_transcription(STTSettings(), turns=VAD) as session:
                await session.send(AudioChunk(speech(1, 2, 3), PCM24K))
                with pytest.raises(kind):
                    async for event in session:
                        events.append(event)
                with pytest.raises(kind):
                    await session.send(AudioChunk(bytes(480), PCM24K))
    assert texts(events) == ["w1x4800"]
    assert len(server.sessions) == 1


async def test_a_refused_commit_is_told_and_the_next_one_counts() -> None:
    async with transcription_server() as server:
        events = await listen(server, speech(1, ms=20, pause_ms=0), speech(2, pause_ms=0),
                              turns=None)  # fmt: skip
    assert texts(events) == ["w1x480 w2x4800"]
    (failure,) = [event for event in events if isinstance(event, TurnFailed)]
    assert failure.error.code == "input_audio_buffer_commit_empty"


async def test_cleared_audio_is_not_transcribed() -> None:
    async with transcription_server() as server:
        async with engine(server).open_transcription(STTSettings(), turns=None) as session:
            await session.send(AudioChunk(speech(1, pause_ms=0), PCM24K))
            await session.commit()
            await session.send(AudioChunk(speech(2, pause_ms=0), PCM24K))
            await session.clear()
            await session.send(AudioChunk(speech(3, pause_ms=0), PCM24K))
            await session.end_input()
            await session.end_input()
            with trio.fail_after(30):
                events = [event async for event in session]
    assert texts(events) == ["w1x4800", "w3x4800"]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("turns", [VAD, None], ids=["server", "caller"])
async def test_drops_at_any_moment_lose_and_repeat_nothing(
    seed: int, turns: ServerTurns | None
) -> None:
    pieces = [speech(n, ms=100 + 20 * n, pause_ms=200) for n in range(1, 9)]
    async with transcription_server(seed, drops=4) as server:
        events = await listen(server, *pieces, turns=turns, pause=0.002, reconnects=8)
    assert texts(events) == [f"w{n}x{24 * (100 + 20 * n)}" for n in range(1, 9)]
    assert not [event for event in events if isinstance(event, TurnFailed)]
    assert len(server.sessions) > 2


async def test_audio_beyond_the_window_is_reported_as_lost() -> None:
    async def never(_session: Session, _item: str, _text: str) -> None:
        pass

    async with transcription_server() as server:
        server.transcribe = never
        options = StreamOptions(replay_seconds=1.0)
        opened = engine(server).open_transcription(STTSettings(), turns=None, options=options)
        with trio.fail_after(30):
            async with opened as session:
                for chunk in chunks(speech(1, ms=3000, pause_ms=0)):
                    await session.send(chunk)
                while len(server.sessions[0].heard) < 3000 * 48:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                server.transcribe = server.say
                await server.sessions[0].socket.close_stream()
                await session.end_input()
                events = [event async for event in session]
    (failure,) = [event for event in events if isinstance(event, TurnFailed)]
    assert failure.error.code == "audio_lost"
    assert "2.0 s" in str(failure.error) or "1.9 s" in str(failure.error)
    (text,) = texts(events)
    assert text.startswith("w1x2")


async def test_a_session_is_renewed_before_its_end() -> None:
    async with transcription_server() as server:
        server.created = {"expires_at": int(time.time()) + 4}
        opened = engine(server).open_transcription(STTSettings(), turns=VAD)
        with trio.fail_after(30):
            async with opened as session:
                await session.send(AudioChunk(speech(1), PCM24K))
                first = [e async for e in _until_heard(session)]
                server.created = {}
                while len(server.sessions) < 2:  # noqa: ASYNC110
                    await trio.sleep(0.05)
                await session.send(AudioChunk(speech(2), PCM24K))
                await session.end_input()
                rest = [event async for event in session]
    assert texts(first + rest) == ["w1x4800", "w2x4800"]


async def test_an_expired_session_goes_on_in_a_new_one() -> None:
    async def expire(session: Session, _item: str, _text: str) -> None:
        server.transcribe = server.say
        await session.error("session_expired")
        await session.socket.aclose(1001, "time is up")

    async with transcription_server() as server:
        server.transcribe = expire
        assert texts(await listen(server, speech(1, 2))) == ["w1x4800", "w2x4800"]
        assert len(server.sessions) == 2


async def test_a_server_that_says_nothing() -> None:
    async def nothing(_session: Session, _item: str, _text: str) -> None:
        pass

    async with transcription_server() as server:
        server.transcribe = nothing
        opened = engine(server).open_transcription(
            STTSettings(), turns=VAD, options=StreamOptions(inactivity_timeout=0.3)
        )
        with trio.fail_after(30):
            async with opened as session:
                with pytest.raises(NetworkTimeout) as caught:
                    await anext(session)
    assert caught.value.phase == "inactivity"


async def test_a_server_that_does_not_set_up() -> None:
    async with transcription_server() as server:
        server.say = None  # type: ignore[method-assign]

        async def mute(_self: Session, _event: object) -> None:
            await trio.sleep_forever()

        original, Session.take = Session.take, mute  # type: ignore[method-assign, assignment]
        try:
            with pytest.raises(NetworkTimeout, match="SessionUpdated"), trio.fail_after(30):
                options = StreamOptions(setup_timeout=0.2, reconnects=0)
                async with engine(server).open_transcription(
                    STTSettings(), turns=VAD, options=options
                ):
                    pass
        finally:
            Session.take = original  # type: ignore[method-assign]


async def test_nobody_listens() -> None:
    async with transcription_server() as server:
        pass
    with pytest.raises(VoxloopError) as caught, trio.fail_after(30):
        async with engine(server).open_transcription(STTSettings(), turns=VAD):
            pass
    assert caught.value.code == "connect_failed"


async def test_a_model_without_turns_of_the_server() -> None:
    async with transcription_server() as server:
        with pytest.raises(ConfigError, match="turns=None"):
            engine(server).open_transcription(
                STTSettings(model="gpt-live-transcribe"), turns=ServerTurns()
            )


async def test_cancelling_a_wait_loses_nothing_and_leaving_ends_all() -> None:
    async with transcription_server() as server:
        events: list[TranscriptionEvent] = []
        cancelled = 0
        async with engine(server).open_transcription(STTSettings(), turns=VAD) as session:
            async with trio.open_nursery() as nursery:

                async def feed() -> None:
                    for chunk in chunks(speech(*range(1, 9))):
                        await session.send(chunk)
                        await trio.sleep(0.004)

                nursery.start_soon(feed)
                with trio.fail_after(30):
                    while len(texts(events)) < 8:
                        with trio.move_on_after(0.001) as scope:
                            events.append(await anext(session))
                        cancelled += scope.cancelled_caught
        with pytest.raises(UseAfterClose):
            await session.commit()
    assert texts(events) == [f"w{n}x4800" for n in range(1, 9)]
    assert cancelled > 3


async def test_an_error_of_the_callers_leaves_the_block_as_it_is() -> None:
    async with transcription_server() as server:
        with pytest.raises(KeyError, match="mine"):
            async with engine(server).open_transcription(STTSettings(), turns=VAD):
                raise KeyError("mine")
