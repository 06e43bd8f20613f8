"""The local provider behind the protocols, and realtime over the project's own transport."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import trio

from support.server_client import WEATHER, spoken
from support.speech_clips import clip_path, require_clips
from voxloop import audio, telemetry
from voxloop._errors import ConfigError, MissingExtra, ModelFileError
from voxloop.local import Local, serve
from voxloop.local.engines import load_engines, run_inference
from voxloop.net import Frame
from voxloop.providers import (
    ModelDone,
    ModelEvent,
    ModelRequest,
    Provider,
    RealtimeTarget,
    STTSettings,
    TextDelta,
    TextDone,
    ToolCall,
    TTSSettings,
)


def test_it_is_a_provider() -> None:
    assert isinstance(Local(), Provider)
    assert repr(Local()) == "Local()"


async def test_engines_are_loaded_once() -> None:
    first, second = await load_engines(), await load_engines()
    assert second.speech_to_text is first.speech_to_text
    assert second.text_to_speech is first.text_to_speech
    assert second.router is first.router


async def test_speech_becomes_text() -> None:
    stt = Local().speech_to_text()
    clip = audio.read_wav(clip_path("v2j_lamp"))
    heard = await stt.transcribe(clip, STTSettings(language="en-US"))
    assert "living room lamp" in heard.text.lower()
    assert heard.language == "en"
    stereo = audio.as_chunk(
        np.repeat(clip.float32()[:, None], 2, axis=1), format=audio.Format(16_000, 2, "float32")
    )
    again = await stt.transcribe(audio.resample(stereo, 48_000), STTSettings())
    assert "lamp" in again.text.lower()


@pytest.mark.parametrize("kind", ["nothing", "silence", "noise"])
async def test_no_speech_no_text(kind: str) -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.05, 48_000).astype(np.float32)
    chunk = {
        "nothing": audio.silence(audio.PCM16K, 0.0),
        "silence": audio.silence(audio.PCM16K, 3.0),
        "noise": audio.as_chunk(noise, format=audio.PCM16K),
    }[kind]
    assert (await Local().speech_to_text().transcribe(chunk, STTSettings())).text == ""


async def test_other_languages_are_refused() -> None:
    with pytest.raises(ConfigError, match="English"):
        await (
            Local()
            .speech_to_text()
            .transcribe(audio.silence(audio.PCM16K, 1.0), STTSettings(language="de"))
        )


async def test_long_recordings_go_piece_by_piece() -> None:
    seen: list[float] = []
    telemetry.attach("t", ["local.stt.progress"], lambda name, m, meta: seen.append(m["speech_s"]))
    try:
        clips = [audio.read_wav(clip.path) for clip in require_clips("command")]
        pause = audio.silence(audio.PCM16K, 1.0)
        long = audio.concat([part for clip in clips for part in (clip, pause)])
        heard = await Local().speech_to_text().transcribe(long, STTSettings())
    finally:
        telemetry.detach("t")
    assert len(seen) >= len(clips)
    assert seen == sorted(seen)
    for word in ("room", "mountain", "weather", "lamp"):
        assert word in heard.text.lower()


async def test_text_becomes_speech_clause_by_clause() -> None:
    tts = Local().text_to_speech()
    async with tts.synthesize("One thing. Another thing.", TTSSettings(voice="nova")) as chunks:
        pieces = [chunk async for chunk in chunks]
    assert len(pieces) == 2
    assert {piece.format for piece in pieces} == {audio.PCM24K}
    async with tts.synthesize("...", TTSSettings()) as chunks:
        assert [chunk async for chunk in chunks] == []
    with pytest.raises(ConfigError, match="nobody"):
        async with tts.synthesize("Hi.", TTSSettings(voice="nobody")) as chunks:
            pass


async def test_speech_can_be_left_at_any_time() -> None:
    text = "One thing after another. " * 50
    began = time.monotonic()
    async with Local().text_to_speech().synthesize(text, TTSSettings()) as chunks:
        async for _ in chunks:
            break
    with trio.move_on_after(0.02):
        async with Local().text_to_speech().synthesize(text, TTSSettings()) as chunks:
            async for _ in chunks:
                pass
    assert time.monotonic() - began < 1.0


async def _events(request: ModelRequest) -> list[ModelEvent]:
    async with Local().language_model().respond(request) as events:
        return [event async for event in events]


async def test_the_model_calls_tools_and_speaks() -> None:
    question = {"type": "message", "role": "user", "content": "What is the weather in Rome?"}
    call, done = await _events(ModelRequest(items=(question,), tools=(WEATHER,)))
    assert isinstance(call, ToolCall)
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"location": "Rome"})
    assert done == ModelDone()
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Warm."}
    made = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": "{}"}
    assert await _events(ModelRequest(items=(question, made, output), tools=(WEATHER,))) == [
        TextDelta("Warm."),
        TextDone("Warm."),
        ModelDone(),
    ]


async def test_inference_is_bounded_and_survives_abandoned_threads() -> None:
    release = threading.Event()
    running: list[int] = []

    def work() -> None:
        running.append(1)
        release.wait(5)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(run_inference, work)
        await trio.sleep(0.2)
        assert len(running) == 2
        nursery.cancel_scope.cancel()
    release.set()
    with trio.fail_after(5):
        await run_inference(lambda: None)


def test_a_thread_that_outlives_its_run_does_not_block_the_next() -> None:
    release = threading.Event()

    async def abandon() -> None:
        with trio.move_on_after(0.05):
            await run_inference(lambda: release.wait(5))

    async def use() -> None:
        with trio.fail_after(2):
            await run_inference(lambda: None)

    for _ in range(3):
        trio.run(abandon)
    try:
        trio.run(use)
    finally:
        release.set()


def decoded(frames: Sequence[Frame]) -> list[Any]:
    return [json.loads(data) for frame in frames for data, _at in frame.messages]


async def test_a_realtime_session_over_our_own_transport() -> None:
    await Local().warm_up()
    pcm = spoken(audio.read_wav(clip_path("v2j_lamp")))
    began = trio.current_time()
    async with Local().realtime(RealtimeTarget(model="mine")) as transport:
        assert trio.current_time() - began < 1.0
        for at in range(0, len(pcm), 960):
            data = base64.b64encode(pcm[at : at + 960]).decode()
            await transport.send(json.dumps({"type": "input_audio_buffer.append", "audio": data}))
        said = ""
        model = ""
        with trio.fail_after(10):
            while not said:
                for event in decoded(await transport.receive_batch()):
                    if event["type"] == "session.created":
                        model = event["session"]["model"]
                    if event["type"] == "response.output_audio_transcript.done":
                        said = event["transcript"]
        left = trio.current_time()
    assert trio.current_time() - left < 1.0
    assert model == "mine"
    assert "lamp" in said


async def test_a_running_server_can_be_named() -> None:
    async with serve(api_key="k") as server:
        url = f"{server.websocket_url}/realtime?model=m"
        target = RealtimeTarget(url=url, headers={"authorization": "Bearer k"})
        async with Local().realtime(target) as transport:
            (frame, *_) = await transport.receive_batch()
            assert json.loads(frame.data)["type"] == "session.created"


async def test_there_are_no_calls_to_attach_to() -> None:
    with pytest.raises(ConfigError, match="call_id"):
        async with Local().realtime(RealtimeTarget(call_id="rtc_1")):
            pass


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Local().realtime(RealtimeTarget()):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("prelude", "error"),
    [
        ("sys.modules['hypercorn'] = None", MissingExtra),
        ("sys.modules['onnxruntime'] = None", MissingExtra),
    ],
)
def test_a_missing_package_is_named(prelude: str, error: type[Exception]) -> None:
    program = f"""
import sys
{prelude}
import trio
from voxloop.local import Local
from voxloop.providers import RealtimeTarget
async def main():
    async with Local().realtime(RealtimeTarget()):
        pass
try:
    trio.run(main)
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(error.__name__), done.stdout + done.stderr
    assert 'pip install "voxloop[local]"' in done.stdout


def test_an_altered_model_file_is_refused(tmp_path: object) -> None:
    folder = str(tmp_path)
    with open(os.path.join(folder, "encoder_model.ort"), "wb") as file:
        file.write(b"not the model")
    program = """
import trio
from voxloop.local import Local
try:
    trio.run(Local().warm_up)
except Exception as error:
    print(type(error).__name__, error.code, error)
"""
    environment = {**os.environ, "VOXLOOP_MODELS": folder}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.startswith(f"{ModelFileError.__name__} model_file"), (
        done.stdout + done.stderr
    )
