from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

from support.voice_runs import events_of, events_of_stream, pipeline
from voxloop import Agent, audio, telemetry, tool, voice
from voxloop._errors import RateLimited
from voxloop.testing import ScriptedLLM, ScriptedSTT, ScriptedTTS, call
from voxloop.voice.probe import Probe

Told: TypeAlias = list[tuple[str, dict[str, float], dict[str, object]]]


@contextmanager
def told(*names: str) -> Iterator[Told]:
    seen: Told = []
    telemetry.attach(
        "test",
        names or ["voice.*"],
        lambda name, measured, known: seen.append((name, dict(measured), dict(known))),
    )
    try:
        yield seen
    finally:
        telemetry.detach("test")


def says(text: str) -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda heard: text)


async def test_telemetry_tells_the_stages() -> None:
    with told() as seen:
        await events_of(
            pipeline(
                says("Yes, it is."), workflow_name="mine", group_id="g", metadata={"caller": 7}
            )
        )
    assert list(dict.fromkeys(name for name, _, _ in seen)) == [
        "voice.pipeline.start",
        "voice.turn.start",
        "voice.stt.start",
        "voice.stt.complete",
        "voice.workflow.start",
        "voice.workflow.first_text",
        "voice.tts.start",
        "voice.tts.first_byte",
        "voice.tts.chunk",
        "voice.tts.complete",
        "voice.workflow.stop",
        "voice.turn.stop",
        "voice.pipeline.stop",
    ]
    done = {name: measured for name, measured, _ in seen}
    assert done["voice.tts.complete"]["audio_ms"] == pytest.approx(110, abs=1)
    assert done["voice.stt.complete"]["chars"] == 5
    common = {"workflow_name": "mine", "group_id": "g", "caller": 7}
    assert all(common.items() <= known.items() for _, _, known in seen)
    assert seen[-1][2] == {**common, "status": "completed"}
    assert not any("Yes" in str(entry) or "hello" in str(entry) for entry in seen)
    assert not any("audio" in known for _, _, known in seen)


async def test_parts_of_a_turns_time_sum_to_its_total() -> None:
    with told("voice.turn.stop") as seen:
        line = pipeline(says("Yes. It is."), stt=ScriptedSTT("a", delay=0.02))
        await events_of(line)
    ((_, measured, known),) = seen
    assert known["status"] == "ok"
    parts = {
        name: measured[f"{name}_ms"]
        for name in ("end_of_turn", "transcript", "first_text", "first_audio", "last_audio")
    }
    assert sum(parts.values()) == pytest.approx(measured["total_ms"])
    latency = measured["turn_latency_ms"] + parts["last_audio"]
    assert latency == pytest.approx(measured["total_ms"])
    assert measured["duration_ms"] >= measured["total_ms"] - 1


async def test_text_and_sound_are_told_where_the_settings_say_so() -> None:
    for text, sound in ((True, False), (False, True)):
        with told() as seen:
            line = pipeline(says("Yes, it is."), telemetry_text=text, telemetry_audio=sound)
            await events_of(line)
        texts = {name for name, _, known in seen if "text" in known}
        sounds = {name for name, _, known in seen if "audio" in known}
        assert texts == (
            {"voice.stt.complete", "voice.workflow.start", "voice.tts.start"} if text else set()
        )
        assert sounds == ({"voice.stt.start", "voice.tts.chunk"} if sound else set())
        kinds = {type(known["audio"]) for _, _, known in seen if "audio" in known}
        assert kinds <= {audio.AudioChunk}


async def test_tools_and_handoffs_are_told() -> None:
    @tool
    def lookup(word: str) -> str:
        """Look up."""
        return "found it"

    agent = Agent("A", tools=[lookup]).add_handoff(Agent("B"))
    for text in (False, True):
        llm = ScriptedLLM([call("lookup", word="secret")], [call("transfer_to_b")], "Done.")
        with told("voice.tool.*", "voice.handoff") as seen:
            line = pipeline(voice.AgentWorkflow(agent), llm=llm, telemetry_text=text)
            await events_of(line)
        assert [name for name, _, _ in seen] == [
            "voice.tool.start",
            "voice.tool.stop",
            "voice.handoff",
        ]
        assert seen[1][2]["status"] == "ok"
        assert (seen[2][2]["from_agent"], seen[2][2]["to_agent"]) == ("A", "B")
        assert ("secret" in str(seen)) is text
        assert ("found it" in str(seen)) is text


@pytest.mark.parametrize(
    ("engines", "name"),
    [
        ({"stt": ScriptedSTT(RateLimited("wait for hello"))}, "voice.stt.error"),
        (
            {"tts": ScriptedTTS(failures={"Yes.": RateLimited("wait for hello")})},
            "voice.tts.error",
        ),
    ],
)
async def test_a_failure_is_told_by_its_stage_and_by_the_run(
    engines: dict[str, Any], name: str
) -> None:
    with told() as seen:
        await events_of(pipeline(says("Yes."), **engines))
    known = {entry: meta for entry, _, meta in seen}
    for entry in (name, "voice.pipeline.exception"):
        assert (known[entry]["error"], known[entry]["code"]) == ("RateLimited", "rate_limited")
    assert known["voice.turn.stop"]["status"] == "failed"
    assert known["voice.pipeline.stop"]["status"] == "failed"
    assert "wait for hello" not in str(seen), "an error's message may quote what was said"


async def test_a_handler_that_fails_disturbs_nobody() -> None:
    def broken(*_: object) -> None:
        raise KeyError("mine")

    telemetry.attach("test", ["voice.*"], broken)
    try:
        _, error = await events_of_stream(pipeline(says("Yes.")), 1)
    finally:
        telemetry.detach("test")
    assert error is None


async def test_nothing_is_computed_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    emitted: list[str] = []
    monkeypatch.setattr(telemetry, "emit", lambda name, *_: emitted.append(name))
    figures = []
    monkeypatch.setattr("voxloop.voice.output.Output._figures", lambda *_: figures.append(1) or {})
    _, error = await events_of(pipeline(says("Yes.")))
    assert error is None
    assert (emitted, figures) == ([], [])
    probe = Probe(voice.Config())
    assert not probe.wants("voice.tts.chunk")
