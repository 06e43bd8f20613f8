"""One client of `voice.py` in a process of its own: some turns of one scenario, as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
import urllib.request
import wave
from typing import Any


class Turn:
    """What user code saw of one turn."""

    def __init__(self) -> None:
        self.first_audio: float | None = None
        self.levels: list[int] = []
        self.failed: float | None = None
        self.left: float | None = None
        self.tool: tuple[float, float] | None = None
        self.audio_before_tool_ended = False
        self.events = 0

    def audio(self, pcm: Any) -> None:
        self.events += 1
        if self.first_audio is None:
            self.first_audio = time.monotonic()
        for level in (int(pcm[0]), int(pcm[-1])):
            if level and (not self.levels or self.levels[-1] != level):
                self.levels.append(level)

    def tool_called(self, began: float) -> None:
        self.tool = (began, time.monotonic())
        self.audio_before_tool_ended = self.first_audio is not None


def measured(run: Any, orders: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the turns of a scenario; the first one only warms up."""
    out = []
    for number in range(orders["turns"] + 1):
        post(orders["url"], orders["script"])
        turn = Turn()
        before, began = cpu(), time.monotonic()
        run(turn)
        used, ended = cpu() - before, time.monotonic()
        time.sleep(0.3)
        with urllib.request.urlopen(f"{orders['url']}/seen") as answer:
            seen = json.load(answer)
        if number:
            out.append({**vars(turn), "began": began, "ended": ended, "cpu": used, "seen": seen})
    return out


def post(url: str, value: Any) -> None:
    request = urllib.request.Request(f"{url}/script", json.dumps(value).encode(), method="POST")
    urllib.request.urlopen(request).close()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def samples(path: str) -> bytes:
    with wave.open(path) as file:
        return file.readframes(file.getnframes())


def main() -> None:
    orders = json.loads(sys.argv[1])
    if orders["peer"] == "voxloop":
        from peers.voxloop_voice import runner
    else:
        from peers.openai_agents_voice import runner
    with runner(orders, samples(orders["wav"])) as run:
        print(json.dumps(measured(run, orders)))


if __name__ == "__main__":
    main()
