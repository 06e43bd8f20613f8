"""The demo's report: for people, or one JSON object per clip."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from voxloop.cli._outcome import MARKS, Outcome

_WORDS = {
    "end_of_speech": "end of speech",
    "end_of_turn": "end of turn",
    "transcript": "transcript",
    "first_text": "first text",
    "first_audio": "first audio",
    "last_audio": "last audio",
}


@dataclass(frozen=True, slots=True)
class ClipReport:
    """One clip through both engines."""

    clip: str
    realtime: Outcome
    realtime_audio: Path | None
    pipeline: Outcome
    pipeline_audio: Path | None

    @property
    def heard_nothing(self) -> bool:
        """Whether neither engine found speech."""
        return not self.realtime.transcript and not self.pipeline.transcript


def as_json(report: ClipReport) -> str:
    """One line of JSON."""
    return json.dumps(
        {
            "clip": report.clip,
            "realtime": report.realtime.as_json(report.realtime_audio),
            "pipeline": report.pipeline.as_json(report.pipeline_audio),
        },
        ensure_ascii=False,
    )


def as_text(report: ClipReport) -> str:
    """What a person reads."""
    lines = [f"\n{report.clip}"]
    for name, outcome, file in (
        ("realtime session", report.realtime, report.realtime_audio),
        ("voice pipeline", report.pipeline, report.pipeline_audio),
    ):
        lines.append(f"  {name}")
        lines += [f"    {label:<8} {text}" for label, text in _facts(outcome, file)]
    lines += ["", *_latency_table(report)]
    return "\n".join(lines)


def _facts(outcome: Outcome, file: Path | None) -> list[tuple[str, str]]:
    if not outcome.transcript:
        return [("heard", "no speech was found")]
    facts = [("heard", f'"{outcome.transcript}"')]
    for use in outcome.tool_calls:
        arguments = ", ".join(f"{k}={v!r}" for k, v in use.arguments.items())
        facts.append(("tool", f"{use.name}({arguments}) -> {use.output!r}"))
    if not outcome.tool_calls:
        facts.append(("tool", "none"))
    facts += [("handoff", f"to {name}") for name in outcome.handoffs]
    facts.append(("said", f'"{outcome.answer}" ({outcome.agent})'))
    if file is not None:
        facts.append(("sound", f"{file} ({outcome.audio.duration:.1f} s)"))
    return facts


def _latency_table(report: ClipReport) -> list[str]:
    columns = [report.realtime.latency, report.pipeline.latency]
    parts = [latency.parts() for latency in columns]
    sums = [latency.since_speech() for latency in columns]
    if not any(sums):
        return []
    lines = ["  latency, ms           realtime            pipeline"]
    lines.append("                      part      sum       part      sum")
    for mark in MARKS:
        cells = [
            f"{_cell(part.get(mark))}{_cell(total.get(mark))}"
            for part, total in zip(parts, sums, strict=True)
        ]
        lines.append(f"    {_WORDS[mark]:<14}{cells[0]}  {cells[1]}")
    return lines


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.0f'):>9}"
