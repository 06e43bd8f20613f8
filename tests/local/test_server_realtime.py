"""Realtime sessions over real sockets, with a client that is not ours and real speech."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
import trio
from websockets.exceptions import ConnectionClosed

from support.server_client import WEATHER, Client, session, spoken
from support.speech_clips import clip_path
from voxloop import audio
from voxloop.local.server import Server, serve
from voxloop.local.services import LocalSpeechToText
from voxloop.providers import STTSettings

LONG = "Tell me " + "one two three four five six seven, " * 40


def _clip(name: str) -> bytes:
    return spoken(audio.read_wav(clip_path(name)))


def _item(text: str, role: str = "user") -> dict[str, object]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


async def _answer(client: Client, output: str) -> None:
    """Answer the next function call and ask for the spoken result."""
    done = await client.until("response.function_call_arguments.done")
    await client.until("response.done")
    item = {"type": "function_call_output", "call_id": done["call_id"], "output": output}
    await client.send("conversation.item.create", item=item)
    await client.send("response.create")


async def test_a_spoken_question_is_answered_aloud() -> None:
    pcm = _clip("azure_weather")
    async with serve() as server, session(server) as client:
        transcription = {"input": {"transcription": {"model": "whisper-1"}}}
        await client.update(tools=[WEATHER], audio=transcription)
        await client.append(pcm)
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert "weather" in str(heard["transcript"]).lower()
        assert heard["usage"]["type"] == "duration"  # type: ignore[index]
        await _answer(client, "Sunny and 22 degrees in Paris.")
        said = await client.until("response.output_audio_transcript.done")
        assert said["transcript"] == "Sunny and 22 degrees in Paris."
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"  # type: ignore[index]
        assert "usage" not in done["response"]  # type: ignore[operator]
    types = client.types()
    order = [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert [name for name in types if name in order][: len(order)] == order
    assert "error" not in types
    ids = [event["event_id"] for event in client.seen]
    assert len(set(ids)) == len(ids)
    chunk = audio.AudioChunk(bytes(client.audio), audio.PCM24K)
    again = await LocalSpeechToText().transcribe(chunk, STTSettings())
    assert "sunny" in again.text.lower()


async def test_silence_and_noise_are_nobody() -> None:
    rng = np.random.default_rng(2)
    noise = (rng.normal(0.0, 0.05, 72_000) * 32767).astype("<i2").tobytes()
    async with serve() as server, session(server) as client:
        await client.append(bytes(48 * 3000), frame_ms=100)
        await client.append(noise, frame_ms=100)
        await client.send("conversation.item.create", item=_item("hello", "system"))
        await client.until("conversation.item.done")
        assert client.types() == [
            "session.created",
            "conversation.item.added",
            "conversation.item.done",
        ]


async def test_a_committed_silence_has_an_empty_transcript_and_no_invented_words() -> None:
    async with serve() as server, session(server) as client:
        quiet = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        await client.update(audio=quiet)
        await client.append(bytes(48 * 2000), frame_ms=200)
        await client.send("input_audio_buffer.commit")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"] == ""
        await client.send("response.create", response={"output_modalities": ["text"]})
        said = await client.until("response.output_text.done")
        assert "did not hear" in str(said["text"])


async def test_commit_clear_and_append_by_hand() -> None:
    pcm = _clip("google_mountain_view")
    async with serve() as server, session(server) as client:
        manual = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        await client.update(audio=manual)
        await client.append(pcm)
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.commit", event_id="mine")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")
        await client.append(pcm, frame_ms=500)
        await client.send("input_audio_buffer.commit")
        committed = await client.until("input_audio_buffer.committed")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert heard["item_id"] == committed["item_id"]
        assert "mountain" in str(heard["transcript"]).lower()


async def test_malformed_frames_are_told_and_the_session_goes_on() -> None:
    frames: list[tuple[str | bytes, str | None]] = [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ('"text"', "invalid_json"),
        ("{}", "invalid_json"),
        ('{"type": 5}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        (b"\x00\x01", "invalid_message"),
        ('{"type": "session.update", "event_id": "e"}', "invalid_value"),
        ('{"type": "no.such.event", "event_id": "e"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": "%%%", "event_id": "e"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": 7, "event_id": "e"}', "invalid_value"),
        (
            '{"type": "session.update", "event_id": "e", "session": {"type": "realtime", "x": 1}}',
            "unknown_parameter",
        ),
        (
            '{"type": "conversation.item.delete", "event_id": "e", "item_id": "none"}',
            "item_delete_invalid_item_id",
        ),
        ('{"type": "response.cancel", "event_id": "e"}', "response_cancel_not_active"),
        ('{"type": "output_audio_buffer.clear", "event_id": "e"}', "invalid_event"),
        (
            '{"type": "response.create", "event_id": "e", "response": {"input": [5]}}',
            "invalid_value",
        ),
    ]
    async with serve() as server, session(server) as client:
        for frame, code in frames:
            await client.socket.send(frame)
            error = await client.error()
            assert error["code"] == code, frame[:80]
            assert error["type"] == "invalid_request_error"
            assert error.get("event_id") == (
                "e" if isinstance(frame, str) and '"e"' in frame else None
            )
        await client.update(instructions="still here")
        updated = await client.until("session.updated")
        assert updated["session"]["instructions"] == "still here"  # type: ignore[index]


async def test_cancel_in_the_middle_of_an_answer() -> None:
    async with serve() as server, session(server) as client:
        await client.send("conversation.item.create", item=_item(LONG))
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.create")
        assert (await client.error())["code"] == "conversation_already_has_active_response"
        await client.send("response.cancel")
        done = await client.until("response.done")
        response = done["response"]
        assert isinstance(response, dict)
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert response["output"][0]["status"] == "incomplete"
        assert len(client.audio) / 48_000 < 60
        await client.send("conversation.item.create", item=_item("thank you"))
        await client.send("response.create", response={"output_modalities": ["text"]})
        said = await client.until("response.output_text.done")
        assert said["text"] == "You are welcome."
        assert (await client.until("response.done"))["response"]["status"] == "completed"  # type: ignore[index]


async def test_speech_cancels_the_answer_and_is_answered_itself() -> None:
    pcm = _clip("google_two_people")
    async with serve() as server, session(server) as client:
        await client.send("conversation.item.create", item=_item(LONG))
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.append(pcm)
        await client.until("input_audio_buffer.speech_started")
        cancelled = await client.until("response.done")
        assert cancelled["response"]["status_details"]["reason"] == "turn_detected"  # type: ignore[index]
        said = await client.until("response.output_audio_transcript.done")
        assert "Two people" in str(said["transcript"])


async def test_truncation_over_the_wire() -> None:
    async with serve() as server, session(server) as client:
        await client.send("conversation.item.create", item=_item("thank you"))
        await client.send("response.create")
        done = await client.until("response.done")
        item_id = done["response"]["output"][0]["id"]  # type: ignore[index]
        cut = {"item_id": item_id, "content_index": 0, "audio_end_ms": 200}
        await client.send("conversation.item.truncate", **cut)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 200
        await client.send("conversation.item.truncate", **cut | {"audio_end_ms": 10**6})
        assert "already shorter" in str((await client.error())["message"])
        await client.update(audio={"output": {"voice": "marin"}})
        assert (await client.error())["code"] == "cannot_update_voice"


async def test_a_transcription_session() -> None:
    pcm = _clip("v2j_lamp")
    async with serve() as server, session(server, query="?intent=transcription") as client:
        assert client.seen[0]["session"]["type"] == "transcription"  # type: ignore[index]
        await client.append(pcm)
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert "lamp" in str(heard["transcript"]).lower()
        assert "response.created" not in client.types()


async def test_four_sessions_at_once() -> None:
    pcm = _clip("azure_weather")

    async def talk(server: Server, city: str) -> None:
        async with session(server) as client:
            await client.update(tools=[WEATHER])
            await client.append(pcm, paced=True)
            await _answer(client, f"Sunny in {city}.")
            said = await client.until("response.output_audio_transcript.done")
            assert said["transcript"] == f"Sunny in {city}."

    with trio.fail_after(40):
        async with serve() as server, trio.open_nursery() as nursery:
            for city in ("Paris", "Rome", "Oslo", "Lima"):
                nursery.start_soon(talk, server, city)


async def test_stopping_says_goodbye_within_a_second() -> None:
    goodbyes: list[int] = []

    async def talk(server: Server, *, task_status: trio.TaskStatus[None]) -> None:
        async with session(server) as client:
            task_status.started()
            with pytest.raises(ConnectionClosed) as caught:
                await client.receive()
            assert caught.value.rcvd is not None
            goodbyes.append(caught.value.rcvd.code)

    async with trio.open_nursery() as nursery:
        async with serve() as server:
            slow = await trio.open_tcp_stream("127.0.0.1", server.port)
            await slow.send_all(b"GET /v1/models HTTP/1.1\r\n")
            await nursery.start(talk, server)
            began = trio.current_time()
        assert trio.current_time() - began < 1.0
        await slow.aclose()
    assert goodbyes == [1001]


async def test_a_client_that_never_reads_does_not_hold_the_server() -> None:
    upgrade = (
        "GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    async with serve() as server:
        deaf = await trio.open_tcp_stream("127.0.0.1", server.port)
        await deaf.send_all(upgrade.format(port=server.port).encode())
        assert b" 101 " in await deaf.receive_some()
        with trio.move_on_after(5) as flood:  # its unread pongs fill every buffer on the way
            while True:
                await deaf.send_all(ping * 100)
        assert flood.cancelled_caught
        async with session(server) as good:
            await good.update(instructions="alive")
            await good.until("session.updated", seconds=2)
        began = trio.current_time()
    assert trio.current_time() - began < 1.0
    await deaf.aclose()


async def test_an_endless_message_ends_with_1009() -> None:
    async with serve() as server, session(server, max_size=None) as client:
        part = json.dumps({"type": "x", "pad": "a" * (17 * 2**20)})
        with suppress(ConnectionClosed):  # it may hang up before it has heard all
            await client.socket.send(part)
        with pytest.raises(ConnectionClosed) as caught:
            await client.receive()
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
        async with session(server) as other:
            await other.update(instructions="unharmed")
            await other.until("session.updated")
