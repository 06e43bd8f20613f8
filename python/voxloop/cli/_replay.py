"""``voxloop replay``: what happened in a recorded session, or the same server again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import trio

from voxloop import testing

_SILENT = (".delta", "input_audio_buffer.append")
_WORDS = ("text", "transcript", "delta", "output", "arguments", "message", "instructions")


async def run_replay(path: Path, *, serving: bool, port: int, speed: float) -> int:
    """Print the recording, or serve it until cancelled."""
    recording = testing.replay(path)
    if serving:
        async with recording.server(speed=speed, port=port) as server:
            print(f"the recording is served at {server.base_url} (Ctrl-C ends it)", flush=True)
            await trio.sleep_forever()
    left_out = 0
    for frame in recording.frames:
        if frame.type.endswith(_SILENT):
            left_out += 1
            continue
        arrow = "<-" if frame.direction == "in" else "->"
        print(
            f"{frame.at:9.3f} s  {arrow} {frame.type or 'no event'}  {_words(frame.event)}".rstrip()
        )
    end = recording.frames[-1].at if recording.frames else 0.0
    print(
        f"{len(recording.frames)} frames in {end:.1f} s; {left_out} with pieces of sound and words "
        f"are not shown; {recording.dropped} are missing in the recording"
    )
    return 0


def _words(event: Mapping[str, object] | str) -> str:
    """What an event says, in one short line."""
    if isinstance(event, str):
        return event[:60]
    found: list[str] = []
    _collect(event, found)
    text = " ".join(" ".join(found).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _collect(value: object, found: list[str]) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, str) and name in (*_WORDS, "status", "name", "code"):
                found.append(inner)
            elif name not in ("tools", "audio"):
                _collect(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found)
