"""Telephone audio (G.711 at 8,000 Hz) and callers who say nothing, at the local server."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import pytest

from support.server_client import WEATHER, session
from support.speech_clips import clip_path
from voxloop import audio
from voxloop.local.server import serve
from voxloop.local.server.realtime.core import SessionCore
from voxloop.local.server.realtime.effects import Effect, Respond, Send
from voxloop.local.server.realtime.settings import initial, merge
from voxloop.local.server.realtime.telephone import Encoder, InputDecoder
from voxloop.local.services import LocalSpeechToText
from voxloop.providers import STTSettings
from voxloop.wire import realtime as rt

LAWS: list[tuple[str, Callable[[audio.AudioChunk], bytes], Callable[[bytes], audio.AudioChunk]]] = [
    ("audio/pcmu", audio.ulaw_encode, audio.ulaw_decode),
    ("audio/pcma", audio.alaw_encode, audio.alaw_decode),
]


@pytest.mark.parametrize(("format", "encode", "decode"), LAWS)
async def test_a_call_is_understood_and_answered_in_its_own_format(
    format: str,
    encode: Callable[[audio.AudioChunk], bytes],
    decode: Callable[[bytes], audio.AudioChunk],
) -> None:
    clip = audio.resample(audio.to_mono(audio.read_wav(clip_path("azure_weather"))), 8_000)
    said = encode(clip) + encode(audio.AudioChunk(bytes(2 * 8_000), clip.format))
    kind = {"format": {"type": format}}
    async with serve() as server, session(server) as client:
        wanted = {"input": {**kind, "transcription": {"model": "whisper-1"}}, "output": kind}
        await client.update(tools=[WEATHER], audio=wanted)
        for at in range(0, len(said), 160):  # 20 ms, a byte a sample
            data = base64.b64encode(said[at : at + 160]).decode()
            await client.send("input_audio_buffer.append", audio=data)
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert "weather" in str(heard["transcript"]).lower()
        call = await client.until("response.function_call_arguments.done")
        await client.until("response.done")
        output = "Sunny and 22 degrees in Paris."
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
        await client.send("conversation.item.create", item=item)
        await client.send("response.create")
        await client.until("response.done")
    answer = decode(bytes(client.audio))
    assert 1.0 < answer.duration < 6.0
    transcript = await LocalSpeechToText().transcribe(answer, STTSettings())
    assert "22" in transcript.text
    assert "Paris" in transcript.text


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_pieces_of_any_size_join_without_seams(format: str) -> None:
    clip = audio.resample(audio.to_mono(audio.read_wav(clip_path("azure_weather"))), 24_000)
    pcm = bytes(clip)
    whole = Encoder(format)
    wire = whole.process(pcm) + whole.flush()
    assert len(wire) == round(clip.frames / 3)
    cut = Encoder(format)
    pieces = b"".join(cut.process(pcm[at : at + 962]) for at in range(0, len(pcm), 962))
    assert pieces + cut.flush() == wire
    decoder = InputDecoder(format)
    back = b"".join(decoder.process(wire[at : at + 77]) for at in range(0, len(wire), 77))
    back += decoder.flush()
    assert len(back) == 2 * 3 * len(wire)
    one, other = (np.frombuffer(data, "<i2").astype(float) for data in (pcm, back))
    size = min(len(one), len(other))
    band = np.fft.rfft(one[:size]), np.fft.rfft(other[:size])
    speech = slice(size * 100 // 24_000, size * 3_400 // 24_000)  # below the telephone's Nyquist
    error = np.abs(band[0][speech] - band[1][speech]) ** 2
    assert 10 * np.log10((np.abs(band[0][speech]) ** 2).sum() / error.sum()) > 30


def _core(idle_ms: int) -> SessionCore:
    settings = initial(session_id="sess_1", model="m", expires_at=1)
    turns = {"type": "server_vad", "idle_timeout_ms": idle_ms}
    return SessionCore(merge(settings, {"audio": {"input": {"turn_detection": turns}}}))


def _quiet(core: SessionCore, seconds: float) -> list[Effect]:
    found: list[Effect] = []
    for _ in range(round(seconds * 50)):
        found += core.append(bytes(960))
    return found


def test_silence_after_an_answer_is_answered_once_it_has_been_heard() -> None:
    core = _core(5_000)
    assert not _quiet(core, 20)  # before the first answer nobody is kept waiting
    answering = list(core.step(rt.ResponseCreate(), {}))
    (plan,) = [effect.plan for effect in answering if isinstance(effect, Respond)]
    assert not _quiet(core, 8)  # while it answers
    assert not list(core.finished(plan.response_id, audio_ms=3_000))
    assert not _quiet(core, 7.9)
    effects = _quiet(core, 0.2)
    names = [str(e.event.__struct_config__.tag) for e in effects if isinstance(e, Send)]
    assert names[:2] == ["input_audio_buffer.timeout_triggered", "input_audio_buffer.committed"]
    triggered = next(e.event for e in effects if isinstance(e, Send))
    assert isinstance(triggered, rt.InputAudioBufferTimeoutTriggered)
    assert triggered.audio_end_ms - triggered.audio_start_ms == pytest.approx(5_000, abs=40)
    assert sum(isinstance(effect, Respond) for effect in effects) == 1
    assert not _quiet(core, 20)  # its own answer is under way
