"""The WebSocket client against the Autobahn test suite: every case but those of compression.

The suite's server (``wstest -m fuzzingserver``) sends what each case has it send; the client does
what it is to do in all of them, which is to echo, and the server judges. The result is written to
``benches/results/autobahn.json``: how many cases ended how, and each that is not plainly OK. Run
it with ``make autobahn``, which sets the suite up in an environment of its own, and on a calm
machine, as the cases of section 9 have time limits.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import trio

from voxloop import net

AGENT = "voxloop"
# Sections 12 and 13 are about permessage-deflate, which is not offered.
EXCLUDED = ["12.*", "13.*"]
FINE = {"OK", "INFORMATIONAL", "NON-STRICT"}
RESULT = Path(__file__).parent / "results" / "autobahn.json"
OPTIONS = net.WebSocketOptions(
    open_timeout=30.0,
    close_timeout=5.0,
    ping_interval=None,
    max_message_bytes=64 << 20,
    inbox_bytes=64 << 20,
    outbox_bytes=64 << 20,
)


async def echo(url: str) -> None:
    """Answer every message with itself until the server ends the case."""
    try:
        async with net.open_websocket(url, options=OPTIONS) as peer:
            while True:
                for frame in await peer.receive_batch():
                    await peer.send(frame.data)
    except net.NetworkError:
        pass  # every case ends in one way or another; the server knows in which it should


async def ask(url: str) -> str:
    async with net.open_websocket(url, options=OPTIONS) as peer:
        return str((await peer.receive()).data)


async def run_cases(base: str, *, each: float) -> int:
    count = int(await ask(f"{base}/getCaseCount"))
    for case in range(1, count + 1):
        with trio.move_on_after(each) as scope:
            await echo(f"{base}/runCase?case={case}&agent={AGENT}")
        if scope.cancelled_caught:
            print(f"case number {case} took more than {each:.0f} s")
        if case % 50 == 0 or case == count:
            print(f"{case} of {count}", flush=True)
    await echo(f"{base}/updateReports?agent={AGENT}")
    return count


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the test suite's server did not start") from None
            time.sleep(0.2)


def summary(index: dict[str, dict[str, dict[str, object]]], seconds: float) -> dict[str, object]:
    cases = index[AGENT]
    behavior = Counter(str(case["behavior"]) for case in cases.values())
    closing = Counter(str(case["behaviorClose"]) for case in cases.values())
    notable = {
        name: {"behavior": case["behavior"], "close": case["behaviorClose"]}
        for name, case in sorted(cases.items(), key=lambda item: [*map(int, item[0].split("."))])
        if case["behavior"] != "OK" or case["behaviorClose"] != "OK"
    }
    return {
        "command": "make autobahn",
        "suite": "autobahntestsuite 25.10.1",
        "cases": len(cases),
        "excluded": EXCLUDED,
        "behavior": dict(sorted(behavior.items())),
        "close": dict(sorted(closing.items())),
        "not_ok": notable,
        "seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wstest", required=True, help="the suite's command")
    parser.add_argument("--cases", nargs="*", default=["*"], help="such as 1.* 2.*; all by default")
    parser.add_argument("--each", type=float, default=120.0, help="seconds a case may take")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "url": f"ws://127.0.0.1:{port}",
            "outdir": folder,
            "cases": given.cases,
            "exclude-cases": EXCLUDED,
            "exclude-agent-cases": {},
        }
        (Path(folder) / "spec.json").write_text(json.dumps(spec))
        command = [given.wstest, "-m", "fuzzingserver", "-s", f"{folder}/spec.json"]
        log = (Path(folder) / "server.log").open("wb")
        with log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as server:
            try:
                wait_for(port, server)
                begun = time.monotonic()
                trio.run(lambda: run_cases(f"ws://127.0.0.1:{port}", each=given.each))
                seconds = time.monotonic() - begun
            finally:
                server.kill()
        report = summary(json.loads((Path(folder) / "index.json").read_text()), seconds)
    text = json.dumps(report, indent=2)
    print(text)
    if given.cases == ["*"]:
        given.result.parent.mkdir(exist_ok=True)
        given.result.write_text(text + "\n")
    behaved = {str(name) for name in report["behavior"]}  # type: ignore[attr-defined]
    sys.exit(0 if behaved <= FINE else "cases failed")


if __name__ == "__main__":
    main()
