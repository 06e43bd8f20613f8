"""`voxloop serve` with a client that is not ours."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.speech_clips import clip_path
from voxloop import audio


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "voxloop", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "http://" in line)
        yield next(word for word in line.split() if word.startswith("http://"))
    finally:
        process.terminate()
        process.communicate()


CLIENT = """
import asyncio, base64, json, sys, wave
from openai import AsyncOpenAI

TOOL = {
    "type": "function", "name": "get_weather", "description": "Current weather for a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}},
                   "required": ["location"]},
}

async def main(url, clip):
    client = AsyncOpenAI(api_key="none", base_url=url)
    said, sound, calls = "", b"", []
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={
            "type": "realtime", "tools": [TOOL],
            "audio": {"input": {"turn_detection": {"type": "server_vad"}}}})
        with wave.open(clip) as file:
            assert file.getframerate() == 24_000
            pcm = file.readframes(file.getnframes())
        pcm += bytes(48_000)
        for start in range(0, len(pcm), 9_600):
            part = base64.b64encode(pcm[start:start + 9_600]).decode()
            await connection.input_audio_buffer.append(audio=part)
        async for event in connection:
            if event.type == "response.function_call_arguments.done":
                calls.append([event.name, json.loads(event.arguments)])
                await connection.conversation.item.create(item={
                    "type": "function_call_output", "call_id": event.call_id,
                    "output": "It is raining cats and dogs."})
            elif event.type == "response.output_audio_transcript.delta":
                said += event.delta
            elif event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            elif event.type == "response.done":
                if said:
                    break
                await connection.response.create()
            elif event.type == "error":
                raise SystemExit(event.error.message)
    print(json.dumps({"calls": calls, "said": said, "seconds": len(sound) / 48_000}))

asyncio.run(main(*sys.argv[1:]))
"""


def test_the_openai_client_completes_a_spoken_turn_with_a_tool(
    address: str, tmp_path: Path
) -> None:
    clip = tmp_path / "question.wav"
    audio.write_wav(clip, audio.resample(audio.read_wav(clip_path("azure_weather")), 24_000))
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, str(clip)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [name for name, _ in result["calls"]] == ["get_weather"]
    assert "raining cats and dogs" in result["said"]
    assert result["seconds"] > 0.8


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "voxloop", "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(port) in done.stderr
    assert "in use" in done.stderr


def test_live_is_the_same_demo_over_the_network(address: str, tmp_path: Path) -> None:
    """`--live` against a server that speaks OpenAI's API, which ours does."""
    canary = "sk-canary-0123456789"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "voxloop", "demo", "--live", "--debug", "--json"),
            *("--out", str(tmp_path), str(clip_path("v2j_lamp"))),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CODEX_API_KEY": canary, "OPENAI_BASE_URL": address},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for engine in ("realtime", "pipeline"):
        assert [c["name"] for c in report[engine]["tool_calls"]] == ["set_lamp"]
        assert report[engine]["answer"] == "The living room lamp is on now."
        assert (tmp_path / f"v2j_lamp-{engine}.wav").stat().st_size > 40_000
    assert canary not in done.stdout + done.stderr
