"""The bridge against `websockets` under trio, TLS on both sides, interleaved.

One server process (`websockets` on asyncio, so that neither client meets its own code there) sends
messages of one 20 ms audio delta; each client runs in a process of its own:

- ``flat``: as fast as they come. CPU microseconds per message, all threads; wakes per message.
- ``paced``: 50 messages a second, an otherwise idle loop. CPU per message and lateness.
- ``busy``: 1,000 messages a second while the trio loop works in slices of 0.5 ms.
- ``blocked``: 50 messages a second while a C call holds the GIL for 100 ms, again and again.

In the last two the server pings all the time: the time to the pong is how long the side that
answers was held up by Python. Run it with ``make bench-bridge``.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

CLIENTS = ("voxloop", "websockets")
CASES = {"flat": 20_000, "paced": 150, "busy": 3_000, "blocked": 150}
PAYLOAD = json.dumps({"type": "response.output_audio.delta", "at": 0.0, "delta": "A" * 1_280})


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


# --- the server ------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    import asyncio
    import ssl

    from websockets.asyncio.server import ServerConnection
    from websockets.asyncio.server import serve as listen

    async def handler(peer: ServerConnection) -> None:
        case = str(await peer.recv())
        pings: list[float] = []
        pinger = asyncio.create_task(ping(peer, pings)) if case in {"busy", "blocked"} else None
        interval = {"flat": 0.0, "paced": 0.02, "busy": 0.001, "blocked": 0.02}[case]
        start = time.monotonic()
        for index in range(CASES[case]):
            if interval:
                await asyncio.sleep(start + index * interval - time.monotonic())
            await peer.send(PAYLOAD.replace("0.0", repr(time.monotonic()), 1))
        if pinger is not None:
            pinger.cancel()
        await peer.send(json.dumps({"type": "end", "pings": pings}))
        await peer.wait_closed()

    async def ping(peer: ServerConnection, pings: list[float]) -> None:
        while True:
            started = time.monotonic()
            await (await peer.ping())
            pings.append(time.monotonic() - started)
            await asyncio.sleep(0.005)

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        async with listen(handler, "127.0.0.1", 0, ssl=context, compression=None) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()

    asyncio.run(main())


# --- the clients -----------------------------------------------------------------------------


async def receive_by_voxloop(url: str, ca: str, case: str) -> tuple[list[float], list[float], int]:
    from voxloop import net

    late: list[float] = []
    async with net.open_websocket(url, options=net.WebSocketOptions(ca_file=ca)) as socket:
        await socket.send(case)
        while True:
            for frame in await socket.receive_batch():
                text = str(frame.data)
                if text.startswith('{"type": "end"'):
                    return late, json.loads(text)["pings"], socket.stats().wakes
                late.append(time.monotonic() - sent_at(text))


async def receive_by_websockets(
    url: str, ca: str, case: str
) -> tuple[list[float], list[float], int]:
    import ssl

    from websockets.trio.client import connect

    late: list[float] = []
    context = ssl.create_default_context(cafile=ca)
    async with connect(url, ssl=context, compression=None, max_size=None) as socket:
        await socket.send(case)
        while True:
            text = str(await socket.recv())
            if text.startswith('{"type": "end"'):
                return late, json.loads(text)["pings"], len(late)
            late.append(time.monotonic() - sent_at(text))


def sent_at(text: str) -> float:
    start = text.index('"at": ') + 6
    return float(text[start : text.index(",", start)])


async def burn(slice_seconds: float) -> None:
    """Keep the trio loop busy in slices, as user code would."""
    while True:
        end = time.perf_counter() + slice_seconds
        while time.perf_counter() < end:
            pass
        await trio.sleep(0.000_5)


async def hold_the_gil() -> None:
    libc = ctypes.PyDLL(None)
    while True:
        libc.usleep(100_000)
        await trio.sleep(0.1)


def client(name: str, case: str, url: str, ca: str) -> None:
    receive = receive_by_voxloop if name == "voxloop" else receive_by_websockets

    async def main() -> dict[str, object]:
        async with trio.open_nursery() as nursery:
            if case == "busy":
                nursery.start_soon(burn, 0.000_5)
            if case == "blocked":
                nursery.start_soon(hold_the_gil)
            cpu = time.process_time()
            late, pings, wakes = await receive(url, ca, case)
            cpu = time.process_time() - cpu
            nursery.cancel_scope.cancel()
        count = len(late)
        return {
            "messages": count,
            "cpu_us": cpu / count * 1e6,
            "wakes": wakes / count,
            "late_p50_ms": percentile(late, 0.5) * 1e3,
            "late_p99_ms": percentile(late, 0.99) * 1e3,
            "pong_p50_ms": percentile(pings, 0.5) * 1e3,
            "pong_max_ms": percentile(pings, 1.0) * 1e3,
        }

    print(json.dumps(trio.run(main)))


# --- the comparison --------------------------------------------------------------------------


def make_certificates(folder: Path) -> str:
    import trustme

    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return str(folder / "ca.pem")


def compare(rounds: int, cases: list[str]) -> None:
    me = [sys.executable, str(Path(__file__).resolve())]
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ca = make_certificates(Path(folder))
        server = subprocess.Popen([*me, "--serve", folder], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            url = f"wss://localhost:{int(server.stdout.readline())}/"
            for number in range(rounds):
                for case in cases:
                    for name in CLIENTS if number % 2 == 0 else CLIENTS[::-1]:
                        out = subprocess.check_output([*me, "--client", name, case, url, ca])
                        results.setdefault((case, name), []).append(json.loads(out))
        finally:
            server.kill()
            server.communicate()
    report(results, cases, rounds)


def report(
    results: dict[tuple[str, str], list[dict[str, float]]], cases: list[str], rounds: int
) -> None:
    print(f"{rounds} interleaved rounds, {os.cpu_count()} cores, min / median\n")
    columns = ["cpu_us", "wakes", "late_p50_ms", "late_p99_ms", "pong_p50_ms", "pong_max_ms"]
    print("| case | client | " + " | ".join(columns) + " |")
    print("|---|---" + "|---" * len(columns) + "|")
    for case in cases:
        for name in CLIENTS:
            cells = []
            for column in columns:
                values = [run[column] for run in results[case, name]]
                if (column.startswith("pong") and case in {"flat", "paced"}) or (
                    column == "wakes" and name == "websockets"
                ):
                    cells.append("-")
                else:
                    cells.append(f"{min(values):.3g} / {statistics.median(values):.3g}")
            print(f"| {case} | {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(Path(arguments.serve))
    elif arguments.client:
        client(*arguments.client)
    else:
        compare(arguments.rounds, arguments.case or list(CASES))


if __name__ == "__main__":
    main()
