"""`voxloop demo` as a newcomer runs it: real recordings, real sockets, the command itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from support.speech_clips import require_clips
from support.word_errors import errors
from voxloop import audio
from voxloop.local import Local
from voxloop.providers import STTSettings, TTSSettings

VOXLOOP = [sys.executable, "-m", "voxloop"]


def demo(*arguments: object, timeout: float = 110.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VOXLOOP, "demo", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def command_reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    clips = require_clips("command")
    out = tmp_path_factory.mktemp("demo")
    done = demo("--json", "--out", out, *(clip.path for clip in clips))
    assert done.returncode == 0, done.stderr
    return {Path(report["clip"]).stem: report for report in objects(done)}


ENGINES = ("realtime", "pipeline")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_people_say_is_understood(
    command_reports: dict[str, dict[str, Any]], engine: str
) -> None:
    pairs = [
        (clip.text, command_reports[clip.path.stem][engine]["transcript"])
        for clip in require_clips("command")
    ]
    counts = [errors(said, heard) for said, heard in pairs]
    assert sum(wrong for wrong, _ in counts) / sum(words for _, words in counts) <= 0.12, pairs


@pytest.mark.parametrize("engine", ENGINES)
def test_the_right_tool_runs_and_no_other(
    command_reports: dict[str, dict[str, Any]], engine: str
) -> None:
    expected = {"azure_weather": ["get_weather"], "v2j_lamp": ["set_lamp"]}
    for name, report in command_reports.items():
        calls = [call["name"] for call in report[engine]["tool_calls"]]
        assert calls == expected.get(name, []), (name, report[engine])
    lamp = command_reports["v2j_lamp"][engine]["tool_calls"][0]["arguments"]
    assert lamp == {"room": "living room", "state": "on"}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_question_gets_a_spoken_answer(
    command_reports: dict[str, dict[str, Any]], engine: str
) -> None:
    for report in command_reports.values():
        outcome = report[engine]
        assert outcome["answer"]
        sound = audio.read_wav(outcome["audio"])
        assert sound.sample_rate == 24_000
        assert sound.duration > 0.5
        assert -35 < audio.rms_dbfs(sound) < -9
        assert outcome["agent"] == "Greeter"
        assert outcome["handoffs"] == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("clip", "words"), [("azure_weather", {"sunny", "degrees"}), ("v2j_lamp", {"lamp", "on"})]
)
async def test_the_sound_says_what_the_tool_said(
    command_reports: dict[str, dict[str, Any]], engine: str, clip: str, words: set[str]
) -> None:
    sound = audio.read_wav(command_reports[clip][engine]["audio"])
    heard = await Local().speech_to_text().transcribe(sound, STTSettings())
    assert words <= set(heard.text.lower().replace(".", " ").replace(",", " ").split()), heard


@pytest.mark.parametrize("engine", ENGINES)
def test_the_parts_of_the_latency_add_up(
    command_reports: dict[str, dict[str, Any]], engine: str
) -> None:
    for report in command_reports.values():
        latency = report[engine]["latency_ms"]
        assert latency["end_of_speech"] == 0
        assert sum(latency["parts"].values()) == pytest.approx(latency["total"], abs=0.5)
        assert latency["last_audio"] == latency["total"]
        assert 0 < latency["first_audio"] <= latency["last_audio"]
        for mark in ("end_of_turn", "transcript", "first_text", "first_audio", "last_audio"):
            assert mark in latency, latency


def test_it_asks_its_own_question_where_there_is_no_clip(tmp_path: Path) -> None:
    done = demo("--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("get_weather(location=", "sunny and 22 degrees in Paris", "end of speech"):
        assert words in done.stdout
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"question.wav", "question-realtime.wav", "question-pipeline.wav"}


async def test_a_caller_with_another_concern_is_handed_over(tmp_path: Path) -> None:
    clip = tmp_path / "problem.wav"
    words = "I have a technical problem with my router."
    async with Local().text_to_speech().synthesize(words, TTSSettings()) as stream:
        audio.write_wav(clip, audio.concat([chunk async for chunk in stream]))
    done = await trio.to_thread.run_sync(demo, "--json", "--out", tmp_path / "out", clip)
    assert done.returncode == 0, done.stderr
    for engine in ENGINES:
        outcome = objects(done)[0][engine]
        assert outcome["handoffs"] == ["TechSupport"]
        assert outcome["agent"] == "TechSupport"
        assert outcome["tool_calls"] == []
        assert outcome["answer"]
        assert outcome["audio"]


def test_clips_of_any_rate_channels_and_encoding_will_do(tmp_path: Path) -> None:
    clip = audio.read_wav(next(c.path for c in require_clips() if c.id == "azure_weather"))
    odd = audio.resample(clip, 11_025).numpy()
    stereo = audio.as_chunk(np.stack([odd, odd], 1), format=audio.Format(11_025, 2))
    float32 = audio.resample(clip, 48_000).float32()
    audio.write_wav(tmp_path / "stereo.wav", stereo)
    audio.write_wav(
        tmp_path / "float.wav", audio.as_chunk(float32, format=audio.Format(48_000, 1, "float32"))
    )
    done = demo("--json", "--out", tmp_path / "out", *sorted(tmp_path.glob("*.wav")))
    assert done.returncode == 0, done.stderr
    for report in objects(done):
        for engine in ENGINES:
            assert "weather" in report[engine]["transcript"]
            assert [c["name"] for c in report[engine]["tool_calls"]] == ["get_weather"]


def write(path: Path, samples: np.ndarray) -> Path:
    audio.write_wav(path, audio.as_chunk(samples.astype(np.int16), format=audio.PCM16K))
    return path


def test_silence_and_noise_hold_no_words(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(0, 300, 32_000)
    clips = [
        write(tmp_path / "silence.wav", np.zeros(32_000)),
        write(tmp_path / "noise.wav", noise),
    ]
    done = demo("--json", "--out", tmp_path / "out", *clips)
    assert done.returncode == 3
    for report in objects(done):
        for engine in ENGINES:
            assert report[engine]["transcript"] == ""
            assert report[engine]["tool_calls"] == []
    assert done.stderr.count("no speech was found in") == 2


def not_a_wav(folder: Path) -> Path:
    path = folder / "text.wav"
    path.write_text("hello", encoding="utf-8")
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.wav"
    path.write_bytes(b"")
    return path


def no_frames(folder: Path) -> Path:
    return write(folder / "frames.wav", np.zeros(0))


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (lambda folder: folder / "absent.wav", "No such file"),
        (not_a_wav, "not a WAV file"),
        (empty, "not a WAV file"),
        (no_frames, "holds no audio"),
        (lambda folder: folder, "Is a directory"),
    ],
    ids=["absent", "text", "empty", "no frames", "folder"],
)
def test_a_clip_that_cannot_be_used_is_one_line(
    tmp_path: Path, clip: Callable[[Path], Path], words: str
) -> None:
    done = demo("--out", tmp_path / "out", clip(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("voxloop: ")
    assert words in done.stderr
    with_trace = demo("--debug", "--out", tmp_path / "out", clip(tmp_path))
    assert with_trace.returncode == 1
    assert "Traceback" in with_trace.stderr


def test_live_without_a_key_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    done = demo("--live", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    for words in ("CODEX_API_KEY", "auth.json", "CODEX_HOME", "OPENAI_API_KEY"):
        assert words in done.stderr


def test_an_altered_model_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "encoder_model.ort").write_bytes(b"not the released file")
    monkeypatch.setenv("VOXLOOP_MODELS", str(folder))
    done = demo("--out", tmp_path / "out")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 2, "what it does, and what went wrong"
    assert "encoder_model.ort" in done.stderr
    assert "SHA-256" in done.stderr


BASE = ["trio", "msgspec", "attr", "attrs", "outcome", "sniffio", "sortedcontainers", "idna"]


def test_without_the_extra_the_command_to_get_it_is_named(tmp_path: Path) -> None:
    """In an environment where nothing but the base dependencies and click can be imported."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in [*BASE, "docstring_parser", "click", "voxloop", "typing_extensions"]:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            home = origin.parent if origin.name == "__init__.py" else origin
            (packages / home.name).symlink_to(home)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "voxloop", "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(packages), "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "pip install" in last
    assert "voxloop[local]" in last
    assert "Traceback" not in done.stderr


def test_two_clips_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    clips = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        clips.append(write(tmp_path / folder / "same.wav", np.zeros(8_000)))
    done = demo("--out", tmp_path / "out", *clips)
    assert done.returncode == 1
    assert "same name" in done.stderr
