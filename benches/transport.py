"""Realtime clients against one load generator: CPU, pace, tools, interruptions, memory, stalls.

Each figure is taken with one client in a process of its own against ``benches/load`` (a Rust
process on the same machine, which serves the protocol and measures what only the server's side can
see). Clients take turns within each round, in an order that changes. Figures are minimum and median
over the rounds, ratios are of minima to voxloop's in the same call: above 1, voxloop is cheaper.
Run it with ``make bench-transport``; ``ARGS="--quick"`` takes a minute or two.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import transport_tables as tables

from peers import ATTACHED, CALLBACK, FLOORS, NAMES

ROOT = Path(__file__).resolve().parents[1]
CLIENT = Path(__file__).with_name("transport_client.py")
CANARY = Path(__file__).with_name("canary.py")
GENERATOR = ROOT / "target" / "load" / "release" / "voxloop-load"
FLOOR = GENERATOR.with_name("floor")
PACED_ONLY = frozenset({CALLBACK, *FLOORS})
"""How Python gets sound matters to pace alone, and the sockets alone do nothing else."""
TIMEOUT = 120.0
Result = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is run."""

    burst_rounds: int = 7
    burst_turns: int = 10
    loads: tuple[int, ...] = (20, 100, 200, 500)
    paced_rounds: int = 2
    seconds: float = 3.0
    tls_load: int = 100
    tool_rounds: int = 2
    turns: int = 200
    barge_sessions: int = 20
    barge_turns: int = 5
    memory_sessions: int = 50
    stalls: int = 10
    blocked_s: float = 2.0


QUICK = Size(
    burst_rounds=1,
    burst_turns=2,
    loads=(20,),
    paced_rounds=1,
    seconds=2.0,
    tls_load=0,
    tool_rounds=1,
    turns=50,
    barge_sessions=5,
    barge_turns=3,
    memory_sessions=20,
    stalls=1,
    blocked_s=1.0,
)


class Bench:
    """The generator, and what runs against it."""

    def __init__(self, folder: Path, peers: list[str], size: Size, workers: int) -> None:
        self.size = size
        self.peers = peers
        self.results: list[Result] = []
        self._runs = 0
        self._environment = {
            **os.environ,
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "VOXLOOP_BENCH_RAMP": str(write_ramp(folder / "ramp.wav")),
        }
        command = [str(GENERATOR), "--ca", str(folder / "ca.pem"), "--workers", str(workers)]
        self.generator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.generator.stdout is not None
        ports = json.loads(self.generator.stdout.readline())
        self.stats = f"http://127.0.0.1:{ports['ws']}"
        self.urls = {
            False: f"ws://127.0.0.1:{ports['ws']}",
            True: f"wss://localhost:{ports['wss']}",
        }

    def close(self) -> None:
        self.generator.terminate()
        self.generator.communicate()

    def order(self, without: frozenset[str] = PACED_ONLY) -> list[str]:
        """Who is measured, in an order of chance."""
        return random.sample(kept := [p for p in self.peers if p not in without], len(kept))

    def run(self, peer: str, scenario: str, *, tls: bool = False, **orders: Any) -> Result:
        """One client process; a failure is a result too."""
        self._runs += 1
        run = f"r{self._runs}"
        whole = {
            "peer": peer,
            "scenario": scenario,
            "run": run,
            "url": self.urls[tls],
            "stats": self.stats,
            **orders,
        }
        result: Result = {"peer": peer, "scenario": scenario, "tls": tls, **orders}
        command = [str(FLOOR)] if peer in FLOORS else [interpreter(peer), str(CLIENT)]
        command.append(json.dumps(whole))
        try:
            done = subprocess.run(
                command,
                check=False,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
            result["client"] = json.loads(done.stdout) if done.returncode == 0 else None
            if done.returncode:
                result["failure"] = (done.stderr.strip().splitlines() or ["?"])[-1]
        except subprocess.TimeoutExpired:
            result["failure"] = f"not over after {TIMEOUT:g} s"
        if "failure" in result:
            print(f"!! {peer}, {scenario}: {result['failure']}", file=sys.stderr)
        result["server"] = None if scenario == "memory" else self._seen(run)
        self.results.append(result)
        return result

    def _seen(self, run: str) -> Result | None:
        try:
            with urllib.request.urlopen(f"{self.stats}/stats?run={run}&forget=1") as answer:
                seen: Result = json.load(answer)
                return seen
        except OSError:
            return None

    # -- scenarios ----------------------------------------------------------------------------

    def burst(self) -> None:
        without = PACED_ONLY | {ATTACHED}
        for number in range(self.size.burst_rounds + 1):
            # The last round is over TLS.
            tls = number == self.size.burst_rounds
            for peer in self.order(without):
                self.run(peer, "burst", tls=tls, turns=self.size.burst_turns)

    def paced(self) -> None:
        """From few sessions to many; who has lost the pace is not asked for more."""
        behind: set[str] = set()
        for load in self.size.loads:
            rounds = self.size.paced_rounds if load <= 200 else 1
            for _ in range(rounds):
                for peer in self.order(frozenset(behind)):
                    orders = {"sessions": load, "seconds": self.size.seconds}
                    result = self.run(peer, "paced", rest_ms=FLOORS.get(peer), **orders)
                    if tables.lost_the_pace(result):
                        behind.add(peer)
        if self.size.tls_load:
            for peer in self.order(frozenset(FLOORS)):
                load = self.size.tls_load
                self.run(peer, "paced", tls=True, sessions=load, seconds=self.size.seconds)

    def tool(self) -> None:
        for _ in range(self.size.tool_rounds):
            for peer in self.order(PACED_ONLY | {ATTACHED}):
                self.run(peer, "tool", sessions=1, turns=self.size.turns)

    def barge(self) -> None:
        size = self.size
        for blocked in (False, True):
            for peer in self.order():
                turns, sessions = size.barge_turns, size.barge_sessions
                self.run(peer, "barge", sessions=sessions, turns=turns, blocked=blocked)

    def memory(self) -> None:
        for peer in self.order():
            self.run(peer, "memory", sessions=self.size.memory_sessions)

    def stall(self) -> None:
        """Three clients at a time: they are idle for most of it."""
        size = self.size
        for held in (False, True):
            with canary("the GIL held" if held else "time.sleep"), ThreadPoolExecutor(3) as pool:
                for peer in self.order():
                    orders = {"sessions": 20, "stalls": size.stalls, "blocked_s": size.blocked_s}
                    pool.submit(self.run, peer, "stall", held=held, **orders)


@contextmanager
def canary(what: str) -> Iterator[None]:
    """Say how late the machine itself was while the block ran."""
    command = [sys.executable, str(CANARY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield
        print(f"Stalls by {what}. {process.communicate('.')[0].strip()}", flush=True)


def write_ramp(path: Path) -> Path:
    """A WAV file of samples that count up by one, which fits to itself when it is looped."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(b"".join(n.to_bytes(2, "little") for n in range(65_536)))
    return path


def interpreter(peer: str) -> str:
    """The Python to run a client with: `websockets.trio` is newer than openai-agents allows."""
    other = ROOT / ".venv" / "bin" / "python"
    if peer == "websockets.trio by hand" and not _has("websockets.trio") and other.exists():
        return str(other)
    return sys.executable


def _has(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def available(peers: list[str]) -> list[str]:
    """The clients that can be run; what is left out is said aloud."""
    found = []
    for peer in peers:
        if peer in FLOORS:
            found.append(peer)
            continue
        program = f"import peers.{NAMES[peer]} as m; print(getattr(m, 'MISSING', False))"
        done = subprocess.run(
            [interpreter(peer), "-c", program],
            check=False,
            cwd=CLIENT.parent,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f"!! {peer} is left out: {done.stderr.strip().splitlines()[-1]}", flush=True)
        elif done.stdout.strip() == "True":
            print(f"!! {peer} is left out: this build has no Session.attach", flush=True)
        else:
            found.append(peer)
    return found


def main() -> None:
    scenarios = ["burst", "paced", "tool", "barge", "memory", "stall"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute or two, figures are rough")
    parser.add_argument("--peer", action="append", choices=[*NAMES, *FLOORS])
    parser.add_argument("--scenario", action="append", choices=scenarios)
    parser.add_argument("--load", action="append", type=int, help="numbers of sessions")
    parser.add_argument("--workers", type=int, default=1, help="threads of the generator")
    parser.add_argument("--json", type=Path, help="write every result here")
    given = parser.parse_args()
    size = QUICK if given.quick else Size()
    if given.load:
        size = replace(size, loads=tuple(given.load), memory_sessions=max(given.load))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was over"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), available(given.peer or [*NAMES, *FLOORS]), size, given.workers)
        try:
            for scenario in given.scenario or scenarios:
                try:
                    getattr(bench, scenario)()
                finally:
                    # What there is is shown when the rest is cut short.
                    tables.show(scenario, [r for r in bench.results if r["scenario"] == scenario])
                print(f"\n({time.monotonic() - began:.0f} s so far)", flush=True)
        finally:
            bench.close()
            if given.json:
                given.json.write_text(json.dumps(bench.results, indent=1))


if __name__ == "__main__":
    main()
