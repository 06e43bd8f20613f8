"""Voice pipelines over one scripted server: time to sound, requests, failures, leaving, CPU.

The server (`voice_server.py`) answers at a stated pace in a process of its own; each client runs in
a process of its own, in an order that changes. Run it with ``make bench-voice``.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

from voxloop.testing import utterance

HERE = Path(__file__).parent
PEERS = ("voxloop", "openai-agents")
STORY = "It is a fine day. The sun is up over the hills, and there is no wind at all today."
MANY = " ".join(
    f"This is sentence {n} of the very long story that I tell you." for n in range(1, 41)
)
CALL = {"text": "Let me check that for you.", "call": "lookup"}

SCENARIOS: dict[str, dict[str, Any]] = {
    "turn": {"script": {"answers": [STORY]}},
    "many": {"script": {"answers": [MANY], "word_s": 0.001, "times_real": 40, "ms_per_char": 20}},
    # The second request for speech is refused while the model writes on for 3 s.
    "failure": {"script": {"answers": [MANY], "word_s": 0.01, "times_real": 4, "fail_at": 2}},
    "leave": {"script": {"answers": [STORY], "times_real": 1}, "leave": True},
    "tool": {"script": {"answers": [CALL, "It is fine."]}, "tool_s": 2.0},
}
Row = dict[str, Any]


def run(peer: str, scenario: str, url: str, wav: str, turns: int) -> list[Row]:
    orders = {"leave": False, "tool_s": 0.0, **SCENARIOS[scenario]}
    orders |= {"peer": peer, "url": url, "wav": wav, "turns": turns}
    done = subprocess.run(
        [sys.executable, str(HERE / "voice_client.py"), json.dumps(orders)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        print(f"!! {peer}, {scenario}: {done.stderr.strip()[-600:]}", file=sys.stderr)
        return []
    rows: list[Row] = json.loads(done.stdout)
    return rows


def figures(scenario: str, row: Row) -> dict[str, float]:
    """The figures of one turn; times in milliseconds."""
    seen, out = row["seen"], {}
    first = row["first_audio"]
    match scenario:
        case "turn":
            out["end of speech to first audio, ms"] = (first - row["began"]) * 1000
            out["first TTS byte to first audio, ms"] = (first - seen["first_bytes"][0]) * 1000
            out["audio events"] = row["events"]
            out["CPU of the turn, ms"] = row["cpu"] * 1000
        case "many":
            out["most TTS requests in flight"] = seen["most_in_flight"]
            out["segments out of order"] = float(row["levels"] != sorted(row["levels"]))
            out["TTS requests"] = len(seen["speech_at"])
            out["CPU of the turn, ms"] = row["cpu"] * 1000
        case "failure":
            out["failure to error, ms"] = (row["failed"] - seen["failed_at"]) * 1000
            later = [at for at in seen["speech_at"] if at > seen["failed_at"]]
            out["TTS requests after it"] = len(later)
        case "leave":
            cut = seen["cut_at"]
            out["leaving to the last request cut, ms"] = (
                (cut - row["left"]) * 1000 if cut else float("nan")
            )
            out["leaving to all sockets closed, ms"] = (
                (seen["closed_at"] - row["left"]) * 1000 if seen["closed_at"] else float("nan")
            )
            out["sockets open 0.3 s later"] = seen["open"]
        case "tool":
            out["first audio after the tool began, ms"] = (first - row["tool"][0]) * 1000
            out["silent until the tool returned"] = float(not row["audio_before_tool_ended"])
    return out


def show(scenario: str, results: dict[str, list[Row]]) -> None:
    print(f"\n## {scenario}\n\n| | {' | '.join(PEERS)} |\n|---|{'---|' * len(PEERS)}")
    table: dict[str, dict[str, list[float]]] = {}
    for peer, rows in results.items():
        for row in rows:
            for name, value in figures(scenario, row).items():
                table.setdefault(name, {}).setdefault(peer, []).append(value)
    for name, by_peer in table.items():
        cells = []
        for peer in PEERS:
            values = by_peer.get(peer, [])
            cells.append(f"{min(values):.4g} / {statistics.median(values):.4g}" if values else "-")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3, help="of each client in each round")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--json", type=Path, help="write every result here")
    given = parser.parse_args()
    every: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "question.wav")
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(24_000)
            file.writeframes(bytes(utterance(1.0, sample_rate=24_000)))
        server = subprocess.Popen(
            [sys.executable, str(HERE / "voice_server.py")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            for scenario in given.scenario or SCENARIOS:
                results: dict[str, list[Row]] = {peer: [] for peer in PEERS}
                for _ in range(given.rounds):
                    for peer in random.sample(PEERS, len(PEERS)):
                        results[peer] += run(peer, scenario, url, path, given.turns)
                show(scenario, results)
                every[scenario] = results
        finally:
            server.terminate()
            server.communicate()
    if given.json:
        given.json.write_text(json.dumps(every))


if __name__ == "__main__":
    main()
