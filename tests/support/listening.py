"""Short ways to drive a streamed transcription over real sockets."""

from __future__ import annotations

import trio

import voxloop
from support.transcription_server import TranscriptionServer
from voxloop.audio import PCM24K, AudioChunk
from voxloop.providers import ServerTurns, STTSettings, TranscriptionEvent, TurnHeard
from voxloop.providers.openai import StreamOptions
from voxloop.providers.openai.stt import OpenAISpeechToText

KIND = "conversation.item.input_audio_transcription"
VAD = ServerTurns(type="server_vad")


def engine(server: TranscriptionServer) -> OpenAISpeechToText:
    return voxloop.OpenAI(api_key="sk-canary", base_url=server.url).speech_to_text()


def chunks(pcm: bytes, size: int = 4800) -> list[AudioChunk]:
    return [AudioChunk(pcm[n : n + size], PCM24K) for n in range(0, len(pcm), size)]


def texts(events: list[TranscriptionEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TurnHeard)]


async def listen(
    server: TranscriptionServer,
    *pieces: bytes,
    turns: ServerTurns | None = VAD,
    settings: STTSettings | None = None,
    pause: float = 0.0,
    **options: object,
) -> list[TranscriptionEvent]:
    """Send each piece (and commit it, if the server finds no turns), end, give all events."""
    opened = engine(server).open_transcription(
        settings or STTSettings(), turns=turns, options=StreamOptions(**options)
    )
    events: list[TranscriptionEvent] = []
    with trio.fail_after(60):
        async with opened as session, trio.open_nursery() as nursery:

            async def feed() -> None:
                for piece in pieces:
                    for chunk in chunks(piece):
                        await session.send(chunk)
                        await trio.sleep(pause)
                    if turns is None:
                        await session.commit()
                await session.end_input()

            nursery.start_soon(feed)
            events.extend([event async for event in session])
    return events
