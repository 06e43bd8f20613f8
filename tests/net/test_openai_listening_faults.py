"""Streamed transcription: what a server says that is wrong, old or belongs to no turn."""

from __future__ import annotations

import pytest
import trio
from websockets.trio.server import ServerConnection

import voxloop
from support.listening import VAD, engine, listen, texts
from support.servers import websocket_server
from support.transcription_server import Session, speech, transcription_server
from voxloop._errors import NetworkTimeout, ProtocolError
from voxloop.audio import PCM24K, AudioChunk, Format
from voxloop.providers import StreamError, STTSettings, TurnFailed
from voxloop.providers.openai import StreamOptions, listening


@pytest.mark.parametrize(
    "frame",
    [
        '{"type": "conversation.item.deleted"}',
        "{not json",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"type": 5}',
        "",
        "\x00",
        "[" * 2000,
    ],
)
async def test_a_frame_that_cannot_be_read_takes_no_turn_with_it(frame: str) -> None:
    async def garble(session: Session, item: str, text: str) -> None:
        await session.socket.send(frame)
        await server.say(session, item, text)

    async with transcription_server() as server:
        server.transcribe = garble
        events = await listen(server, speech(1, 2))
    assert texts(events) == ["w1x4800", "w2x4800"]
    troubles = [event for event in events if isinstance(event, StreamError)]
    assert len(troubles) >= 2
    assert all(isinstance(trouble.error, ProtocolError) for trouble in troubles)
    assert len(server.sessions) == 1, "nothing was connected anew"


async def test_names_of_the_beta_are_understood() -> None:
    async def as_of_old(session: Session, item: str, text: str) -> None:
        await session.send("input_audio_transcription_completed", item_id=item, transcript=text)

    async with transcription_server() as server:
        server.transcribe = as_of_old
        assert texts(await listen(server, speech(1, 2))) == ["w1x4800", "w2x4800"]


@pytest.mark.parametrize("how", ["end", "commit"])
async def test_an_end_that_is_cancelled_may_be_said_again(how: str) -> None:
    """The window is full, so the rest of the resampler waits; cancelling drops none of it."""
    async with transcription_server() as server:
        held = trio.Event()

        async def hold(session: Session, item: str, text: str) -> None:
            held.set()
            await server.say(session, item, text)

        server.transcribe = hold
        options = StreamOptions(replay_seconds=1)
        stream = engine(server).open_transcription(STTSettings(), turns=None, options=options)
        with trio.fail_after(30):
            async with stream as session:
                sound = AudioChunk(bytes(2 * 16_000), Format(16_000))  # a second, full scale below
                loud = AudioChunk(b"\x00\x40" * 16_000, Format(16_000))
                for chunk in (sound, loud):
                    await session.send(chunk)
                say = session.end_input if how == "end" else session.commit
                for _ in range(20):
                    with trio.CancelScope() as scope:
                        scope.cancel()
                        await say()
                await say()
                if how == "commit":
                    await session.end_input()
                events = [event async for event in session]
    assert len(texts(events)) == 1
    (served,) = server.sessions
    assert len(served.heard) == pytest.approx(2 * PCM24K.sample_rate * 2, abs=4)


async def test_troubles_beside_turns_of_the_server_are_not_turns() -> None:
    async def complain(session: Session, item: str, text: str) -> None:
        await session.error("rate_limit_exceeded")
        await server.say(session, item, text)

    async with transcription_server() as server:
        server.transcribe = complain
        for turns, pieces in ((VAD, [speech(1, 2)]), (None, [speech(1), speech(2)])):
            events = await listen(server, *pieces, turns=turns)
            assert texts(events) == ["w1x4800", "w2x4800"]
            assert not [event for event in events if isinstance(event, TurnFailed)]
            codes = [event.error.code for event in events if isinstance(event, StreamError)]
            assert codes[:2] == ["rate_limit_exceeded"] * 2


async def test_a_server_that_accepts_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait for its first word is no time during which a session lasted."""
    monkeypatch.setattr(listening, "_STEADY_SECONDS", 0.05)
    connections = 0

    async def mute(_: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await trio.sleep_forever()

    async with websocket_server(mute) as url:
        provider = voxloop.OpenAI(api_key="sk-test", base_url=url.replace("ws", "http", 1))
        stream = provider.speech_to_text().open_transcription(
            STTSettings(), turns=None, options=StreamOptions(setup_timeout=0.1)
        )
        with trio.fail_after(30), pytest.raises(NetworkTimeout, match="SessionCreated"):
            async with stream:
                pass
    assert connections == 3
