"""The measured side of ``make bench-transport``: one client, one scenario, one process.

Called by ``transport.py`` with a JSON object; prints a JSON object. CPU is ``getrusage`` of this
process, all threads. What only the generator can see is asked of it by ``transport.py``.
"""

from __future__ import annotations

import array
import ctypes
import functools
import gc
import importlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent))

import transport_loops
from transport_loops import Loop, Spawn

from peers import ATTACHED, NAMES, SENDING, Link, Sink

FRAME = 0.02
WARM = 1.0
"""Seconds after the beginning that no figure counts."""
OPENING = 20
"""Sessions that connect at the same time."""
GIVE_UP = 60.0

Orders = dict[str, Any]


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss() -> int:
    """Bytes of resident memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@functools.cache
def ramp() -> list[bytes]:
    """Frames of samples that count up by one; after 2,048 frames they fit to the first again."""
    # One frame after the other: a million numbers in a list would be resident ever after, as ours.
    return [
        array.array("H", (n % 65_536 for n in range(at, at + 480))).tobytes()
        for at in range(0, 2_048 * 480, 480)
    ]


def go(orders: Orders, run: str) -> None:
    # By hand: an HTTP client would be a megabyte of what is measured.
    place = urlsplit(orders["stats"])
    with socket.create_connection((place.hostname, place.port)) as line:
        line.sendall(f"GET /go?run={run} HTTP/1.0\r\nHost: {place.netloc}\r\n\r\n".encode())
        while line.recv(4_096):
            pass


def url(orders: Orders, run: str, **query: object) -> str:
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{orders['url']}/v1/realtime?model=m&start=go&run={run}&{pairs}"


class Client:
    """The client under test, on its loop."""

    def __init__(self, orders: Orders, loop: Loop) -> None:
        self.orders = orders
        self.loop = loop
        self.module = importlib.import_module(f"peers.{NAMES[orders['peer']]}")
        self.attached = orders["peer"] == ATTACHED

    @asynccontextmanager
    async def sessions(
        self, count: int, where: str, *, timed: bool = False
    ) -> AsyncIterator[tuple[list[Sink], list[Link], Spawn]]:
        """Open sessions that listen; leaving the block closes them."""
        sinks = [Sink(timed=timed) for _ in range(count)]
        links: list[Link] = []
        async with AsyncExitStack() as stack:
            # One after the other: each stack of context managers belongs to one task.
            for sink in sinks:
                links.append(await stack.enter_async_context(self.module.open_link(where, sink)))
            async with self.loop.group() as spawn:
                for link in links:
                    spawn(link.listen)
                yield sinks, links, spawn

    def feed(self, links: list[Link], spawn: Spawn) -> None:
        """Send 20 ms every 20 ms; what has a source does so by itself."""
        if self.orders["peer"] not in SENDING:
            start = time.monotonic()
            for index, link in enumerate(links):
                spawn(self._send, link, start + index * 0.007919 % FRAME)

    async def _send(self, link: Link, start: float) -> None:
        frames, number = ramp(), 0
        while True:
            await self.loop.sleep(start + number * FRAME - time.monotonic())
            await link.append(frames[number % len(frames)])
            number += 1

    def finish(self, result: Orders) -> None:
        """Print the result and end the process: how a client closes is not what is measured."""
        print(json.dumps(result), flush=True)
        os._exit(0)

    async def until(self, done: Any) -> bool:
        end = time.monotonic() + GIVE_UP
        while not done():
            if time.monotonic() > end:
                return False
            await self.loop.sleep(0.01)
        return True


# --- scenarios -------------------------------------------------------------------------------


async def burst(client: Client) -> None:
    """Deltas as fast as they are read: CPU of each."""
    orders, run = client.orders, client.orders["run"]
    turns, frames = orders["turns"], 2_000
    where = url(orders, run, mode="burst", turns=turns, frames=frames)
    async with client.sessions(1, where) as (sinks, _, _):
        await client.loop.sleep(0.2)
        begin, used = time.monotonic(), cpu()
        go(orders, run)
        whole = await client.until(lambda: sinks[0].deltas >= turns * frames)
        used, took = cpu() - used, time.monotonic() - begin
        count = max(1, sinks[0].deltas)
        result = {"whole": whole, "cpu_us": used / count * 1e6, "per_second": count / took}
        client.finish(result)


async def paced(client: Client) -> None:
    """20 ms up and down: CPU, lateness, and who holds the pace."""
    orders, run, count = client.orders, client.orders["run"], client.orders["sessions"]
    ramp()  # takes a second, which the clients that send by themselves do not spend
    query = {"mode": "paced", "frames": 1_000_000, "check": 1, "warm_ms": int(WARM * 1000)}
    async with client.sessions(count, url(orders, run, **query), timed=True) as opened:
        sinks, links, spawn = opened
        gc.collect()
        go(orders, run)
        client.feed(links, spawn)
        await client.loop.sleep(WARM)
        for sink in sinks:
            sink.late, sink.deltas = [], 0
        used, begin = cpu(), time.monotonic()
        await client.loop.sleep(orders["seconds"])
        used, took = cpu() - used, time.monotonic() - begin
        seen = [(sink.deltas, sorted(sink.late)) for sink in sinks]
        client.finish(_pace(seen, used, took, client.attached))


def _pace(seen: list[tuple[int, list[int]]], used: float, took: float, attached: bool) -> Orders:
    due = took / FRAME
    held = sum(
        len(late) >= 0.98 * due and late[int(len(late) * 0.99)] <= FRAME * 1e9
        for _, late in seen
        if late
    )
    return {
        "cpu_ms": used / took / len(seen) * 1e3,
        "due": due * len(seen),
        "deltas": sum(number for number, _ in seen),
        "down_ms": spread([one / 1e6 for _, late in seen for one in late]),
        "held": None if attached else held,
    }


async def tool(client: Client) -> None:
    """Calls, one after the other; the generator times them."""
    await _counted(client, "tool", lambda sink: sink.tools, {})


async def barge(client: Client) -> None:
    """Interruptions at random moments, perhaps while Python is held up; the generator times."""
    query = {"frames": 1_000, "lead": 50}
    await _counted(client, "barge", lambda sink: sink.barges, query)


async def _counted(client: Client, mode: str, count: Any, query: Orders) -> None:
    orders, run, turns = client.orders, client.orders["run"], client.orders["turns"]
    where = url(orders, run, mode=mode, turns=turns, **query)
    async with client.sessions(orders["sessions"], where) as (sinks, links, spawn):
        await client.loop.sleep(0.2)
        go(orders, run)
        if orders.get("blocked"):
            spawn(_hold, client.loop)
        whole = await client.until(lambda: all(count(sink) >= turns for sink in sinks))
        await client.loop.sleep(0.3)
        client.finish({"whole": whole, "cuts_us": cuts(links) if client.attached else None})


def cuts(links: list[Link]) -> dict[str, float] | None:
    """From the arrival of what interrupts to silence and a queued truncation, by the media."""
    media: list[Any] = [link.media for link in links]  # type: ignore[attr-defined]
    took = sorted(one.seconds * 1e6 for each in media for one in each.stats().recent)
    if not took:
        return None
    return {"p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1]}


async def _hold(loop: Loop) -> None:
    """Hold the GIL for 100 ms of every 200."""
    libc = ctypes.PyDLL(None)
    while True:
        libc.usleep(100_000)
        await loop.sleep(0.1)


async def memory(client: Client) -> None:
    """Resident memory with two sessions, and what each further one adds while it talks."""
    orders, run, more = client.orders, client.orders["run"], client.orders["sessions"]
    own = 0 if client.attached else sum(map(len, ramp())) + 33 * len(ramp())
    query = {"mode": "paced", "frames": 1_000_000}
    async with client.sessions(2, url(orders, f"{run}a", **query)) as (_, few, spawn):
        go(orders, f"{run}a")
        client.feed(few, spawn)
        await client.loop.sleep(2.0)
        gc.collect()
        base = rss()
        async with client.sessions(more, url(orders, f"{run}b", **query)) as (_, many, spawn_more):
            go(orders, f"{run}b")
            client.feed(many, spawn_more)
            await client.loop.sleep(2.0)
            gc.collect()
            each = (rss() - base) / more / 1e3
            client.finish({"base_mb": (base - own) / 1e6, "session_kb": each})


async def stall(client: Client) -> None:
    """The loop's thread is blocked again and again, with the GIL let go or held."""
    orders, run = client.orders, client.orders["run"]
    query = {"mode": "paced", "frames": 1_000_000, "check": 1, "ping_ms": 100}
    libc = ctypes.PyDLL(None)
    query["warm_ms"] = int(WARM * 1000)
    where = url(orders, run, **query)
    async with client.sessions(orders["sessions"], where, timed=True) as (sinks, links, spawn):
        go(orders, run)
        client.feed(links, spawn)
        await client.loop.sleep(WARM)
        for sink in sinks:
            sink.late, sink.deltas = [], 0
        before = played(links) if client.attached else {}
        for _ in range(orders["stalls"]):
            if orders["held"]:
                libc.usleep(int(orders["blocked_s"] * 1e6))
            else:
                time.sleep(orders["blocked_s"])  # noqa: ASYNC251 - that is the point
            await client.loop.sleep(1.0)
        late = [one / 1e6 for sink in sinks for one in sink.late]
        result = {
            "deltas": len(late),
            "late": sum(one > FRAME * 1e3 for one in late),
            "lost": sum(sink.lost for sink in sinks),
            "down_ms": spread(late),
        }
        if client.attached:
            result |= {name: now - before[name] for name, now in played(links).items()}
        client.finish(result)


def played(links: list[Any]) -> dict[str, int]:
    """What attached sinks have been given so far: blocks, late ones, and pieces that were lost."""
    stats = [link.media.stats() for link in links]
    return {
        "deltas": sum(one.blocks_down for one in stats),
        "late": sum(one.late_blocks_down for one in stats),
        "lost": sum(one.overruns + one.late_pieces for one in stats),
    }


def spread(values: list[float]) -> dict[str, float | None]:
    ordered = sorted(values)

    def at(part: float) -> float | None:
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)}


SCENARIOS = {scenario.__name__: scenario for scenario in (burst, paced, tool, barge, memory, stall)}


def main() -> None:
    orders: Orders = json.loads(sys.argv[1])
    module = importlib.import_module(f"peers.{NAMES[orders['peer']]}")

    async def scenario(loop: Loop) -> None:
        await SCENARIOS[orders["scenario"]](Client(orders, loop))

    transport_loops.run(module.LOOP, scenario)


if __name__ == "__main__":
    main()
