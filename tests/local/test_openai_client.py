"""The `openai` package, pointed at the local server, as a user of it would."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import openai
import pytest
import trio
from openai.types.realtime import RealtimeServerEvent

from support.server_client import WEATHER, spoken
from support.speech_clips import clip_path, folder
from voxloop import audio
from voxloop.local.server import Server, serve
from voxloop.local.services import LocalSpeechToText, LocalTextToSpeech
from voxloop.providers import STTSettings, TTSSettings

T = TypeVar("T")


async def _with_client(server: Server, use: Callable[[openai.AsyncOpenAI], Awaitable[T]]) -> T:
    """Run an asyncio function in a thread of its own: the server keeps trio to itself."""

    async def run() -> T:
        async with openai.AsyncOpenAI(api_key="any", base_url=server.url, max_retries=0) as client:
            return await use(client)

    with trio.fail_after(40):
        return await trio.to_thread.run_sync(lambda: asyncio.run(run()), abandon_on_cancel=True)


async def _question() -> audio.AudioChunk:
    """A real recording, or the same question in the local voice."""
    if folder() is not None:
        return audio.read_wav(clip_path("azure_weather"))
    return await _local_voice("What is the weather like?")


async def _local_voice(text: str) -> audio.AudioChunk:
    async with LocalTextToSpeech().synthesize(text, TTSSettings()) as chunks:
        return audio.concat([chunk async for chunk in chunks])


async def _spoken_turn(
    client: openai.AsyncOpenAI, pcm: bytes, output: str
) -> tuple[list[RealtimeServerEvent], bytes]:
    """Ask aloud, answer the tool call, hear the spoken answer."""
    events: list[RealtimeServerEvent] = []
    sound = bytearray()
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "tools": [WEATHER],  # type: ignore[list-item]
                "audio": {
                    "input": {
                        "transcription": {"model": "whisper-1"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                    },
                    "output": {"voice": "marin"},
                },
            }
        )
        for at in range(0, len(pcm), 960):
            await connection.input_audio_buffer.append(
                audio=base64.b64encode(pcm[at : at + 960]).decode()
            )
        async for event in connection:
            events.append(event)
            if event.type == "error":
                raise AssertionError(event.error.message)
            if event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            if event.type == "response.done":
                items = event.response.output or []
                calls = [item for item in items if item.type == "function_call"]
                if not calls:
                    break
                await connection.conversation.item.create(
                    item={
                        "type": "function_call_output",
                        "call_id": calls[0].call_id or "",
                        "output": output,
                    }
                )
                await connection.response.create()
    return events, bytes(sound)


def _check_turn(events: list[RealtimeServerEvent], output: str) -> None:
    by_type = {event.type: event for event in events}
    heard = by_type["conversation.item.input_audio_transcription.completed"]
    assert "weather" in heard.transcript.lower()  # type: ignore[union-attr]
    call = by_type["response.function_call_arguments.done"]
    assert call.name == "get_weather"  # type: ignore[union-attr]
    said = by_type["response.output_audio_transcript.done"]
    assert said.transcript == output  # type: ignore[union-attr]
    session = by_type["session.created"].session  # type: ignore[union-attr]
    assert session.type == "realtime"


async def test_a_spoken_turn_with_a_tool_call() -> None:
    pcm = spoken(await _question())
    output = "Sunny and 22 degrees."
    async with serve() as server:
        events, sound = await _with_client(server, lambda client: _spoken_turn(client, pcm, output))
    _check_turn(events, output)
    chunk = audio.AudioChunk(sound, audio.PCM24K)
    heard = await LocalSpeechToText().transcribe(chunk, STTSettings())
    assert "sunny" in heard.text.lower()


async def test_a_spoken_turn_in_the_local_voice() -> None:
    pcm = spoken(await _local_voice("What is the weather in Paris?"))
    async with serve() as server:
        events, _ = await _with_client(
            server, lambda client: _spoken_turn(client, pcm, "It is cold.")
        )
    _check_turn(events, "It is cold.")
    call = next(event for event in events if event.type == "response.function_call_arguments.done")
    assert json.loads(call.arguments) == {"location": "Paris"}


async def test_two_clients_speak_at_once() -> None:
    pcm = spoken(await _question())

    async def both(client: openai.AsyncOpenAI) -> None:
        turns = await asyncio.gather(
            _spoken_turn(client, pcm, "It rains."), _spoken_turn(client, pcm, "It snows.")
        )
        for (events, _), output in zip(turns, ("It rains.", "It snows."), strict=True):
            _check_turn(events, output)

    async with serve() as server:
        await _with_client(server, both)


async def test_transcription_and_speech() -> None:
    async def use(client: openai.AsyncOpenAI) -> None:
        spoken = await client.audio.speech.create(
            model="gpt-4o-mini-tts", voice="nova", input="The lamp is on.", response_format="wav"
        )
        chunk = audio.decode_wav(spoken.content)
        assert chunk.sample_rate == 24_000
        wav = audio.encode_wav(chunk)
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav))
        assert "lamp" in heard.text.lower()
        text = await client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", wav), response_format="text"
        )
        assert text.strip() == heard.text
        stream = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", wav), stream=True
        )
        kinds = [event.type async for event in stream]
        assert kinds == ["transcript.text.delta", "transcript.text.done"]
        quiet = audio.encode_wav(audio.silence(audio.PCM16K, 2.0))
        nothing = await client.audio.transcriptions.create(
            model="whisper-1", file=("q.wav", io.BytesIO(quiet))
        )
        assert nothing.text == ""

    async with serve() as server:
        await _with_client(server, use)


async def test_speech_is_streamed() -> None:
    async def use(client: openai.AsyncOpenAI) -> None:
        sentences = (
            "First sentence here. Second sentence here. Third sentence here. Fourth one here."
        )
        pieces: list[bytes] = []
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=sentences, response_format="pcm"
        ) as response:
            async for piece in response.iter_bytes():
                pieces.append(piece)
        assert len(pieces) > 1
        assert len(b"".join(pieces)) % 2 == 0

    async with serve() as server:
        await _with_client(server, use)


async def test_responses_with_a_tool_call() -> None:
    async def use(client: openai.AsyncOpenAI) -> None:
        first = await client.responses.create(
            model="gpt-5-mini",
            input="How is the weather in Oslo?",
            tools=[WEATHER],  # type: ignore[list-item]
        )
        (call,) = first.output
        assert call.type == "function_call"
        assert json.loads(call.arguments) == {"location": "Oslo"}
        history = [
            {"role": "user", "content": "How is the weather in Oslo?"},
            call.model_dump(exclude_none=True),
            {"type": "function_call_output", "call_id": call.call_id, "output": "Snow."},
        ]
        second = await client.responses.create(model="gpt-5-mini", input=history, tools=[WEATHER])  # type: ignore[call-overload]
        assert second.output_text == "Snow."
        stream = await client.responses.create(model="gpt-5-mini", input="thank you", stream=True)
        kinds = [event.type async for event in stream]
        assert kinds[0] == "response.created"
        assert "response.output_text.delta" in kinds
        assert kinds[-1] == "response.completed"

    async with serve() as server:
        await _with_client(server, use)


async def test_errors_are_those_of_the_client() -> None:
    async def use(client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
        assert refused.value.code == "invalid_api_key"
        mine = client.with_options(api_key="key of the server")
        assert [model.id async for model in await mine.models.list()]
        with pytest.raises(openai.NotFoundError):
            await mine.models.retrieve("gpt-9")
        with pytest.raises(openai.BadRequestError) as wrong:
            await mine.audio.speech.create(
                model="tts-1", voice="alloy", input="Hi", response_format="opus"
            )
        assert wrong.value.code == "unsupported_format"
        with pytest.raises(openai.BadRequestError):
            await mine.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"ID3"))
        async with mine.realtime.connect(model="x") as connection:
            assert (await connection.recv()).type == "session.created"
        with pytest.raises(Exception, match="401"):
            async with client.realtime.connect(model="x"):
                pass

    async with serve(api_key="key of the server") as server:
        await _with_client(server, use)
