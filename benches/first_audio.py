"""From the end of the turn to the first audio of the answer, as `voxloop demo` measures it.

Runs the command on recordings (those of the group ``command`` in the speech folder, or the files
given) and reports each engine's time beyond the VAD's silence window: STT, the agent with its tool
call, and the first clause of speech. Engines are warm: the demo loads them before it asks.

Run it with ``make bench-first-audio``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.speech_clips import clips


def measure(files: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    waits: dict[str, dict[str, list[float]]] = {"realtime": {}, "pipeline": {}}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, "-m", "voxloop", "demo", "--json", "--out", out, *files],
                capture_output=True,
                text=True,
                check=True,
            )
        for line in done.stdout.splitlines():
            report = json.loads(line)
            for engine, by_clip in waits.items():
                latency = report[engine]["latency_ms"]
                wait = latency["first_audio"] - latency["end_of_turn"]
                by_clip.setdefault(Path(report["clip"]).stem, []).append(wait)
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="WAV files; the group `command` by default")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    files = arguments.files or [str(clip.path) for clip in clips("command")]
    if not files:
        parser.error("there is no speech folder here: name WAV files")
    waits = measure(files, arguments.rounds)
    print(
        f"{arguments.rounds} rounds, ms from the end of the turn to the first audio, min / median\n"
    )
    print("| clip | realtime | pipeline |\n|---|---|---|")
    for clip in waits["realtime"]:
        cells = [f"{min(w[clip]):.0f} / {statistics.median(w[clip]):.0f}" for w in waits.values()]
        print(f"| {clip} | {cells[0]} | {cells[1]} |")
    medians = [
        statistics.median(statistics.median(values) for values in w.values())
        for w in waits.values()
    ]
    print(f"| median over the clips | {medians[0]:.0f} | {medians[1]:.0f} |")


if __name__ == "__main__":
    main()
