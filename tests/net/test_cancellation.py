"""Cancellation at any moment: nothing is left of what was cancelled, and nothing is lost."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.servers import read_request, tcp_server, websocket_server
from voxloop import _native, net

POINTS = 200
# What a cancel takes is measured, and held to far more than it is: 0.1 s is the aim, and a machine
# under load may take three times as long for anything.
WORST_SECONDS = 1.0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


async def settled(before: tuple[int, int, int]) -> tuple[int, int, int]:
    """Tasks, descriptors and threads once what was cancelled had time to go."""
    now = before
    for _ in range(300):
        gc.collect()
        now = (_native.live_tasks(), descriptors(), threads())
        if now[0] <= before[0] and now[1] <= before[1] and now[2] <= before[2]:
            break
        await trio.sleep(0.02)
    return now


async def echo(peer: ServerConnection) -> None:
    # Not a generator: one that is cancelled would complain of it.
    try:
        while True:
            await peer.send(await peer.recv())
    except PeerClosed:
        pass


async def drip(stream: trio.SocketStream) -> None:
    """An answer that takes a few milliseconds from beginning to end."""
    try:
        while await read_request(stream):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
            for _ in range(20):
                await stream.send_all(bytes(100))
                await trio.sleep(0.000_3)
    except trio.BrokenResourceError:
        pass


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[str, str]]:
    async with websocket_server(echo) as websocket, tcp_server(drip) as port:
        yield websocket, f"http://localhost:{port}/"


async def connect(websocket: str, http: str) -> None:
    async with net.open_websocket(websocket):
        pass


async def send(websocket: str, http: str) -> None:
    async with net.open_websocket(websocket) as socket:
        for _ in range(50):
            await socket.send(bytes(20_000))


async def receive(websocket: str, http: str) -> None:
    async with net.open_websocket(websocket) as socket:
        for index in range(50):
            await socket.send(str(index))
        for index in range(50):
            assert (await socket.receive()).data == str(index)


async def request(websocket: str, http: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(1_000)

    async with net.request("POST", http, content=body(), content_length=10_000) as response:
        await response.read()


@contextmanager
def watched() -> Iterator[list[float]]:
    """How late a thread that only sleeps woke up at worst: the share of the machine."""
    late = [0.0]
    done = threading.Event()

    def watch() -> None:
        before = time.monotonic()
        while not done.wait(0.001):
            now = time.monotonic()
            late[0] = max(late[0], now - before - 0.001)
            before = now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield late
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("work", [connect, send, receive, request])
async def test_a_cancel_at_any_point_leaves_nothing(
    work: Callable[[str, str], Awaitable[None]], record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(work.__name__)
    async with servers() as urls:
        await work(*urls)  # the threads and pools are there from now on
        begun = time.monotonic()
        await work(*urls)
        usual = time.monotonic() - begun
        await trio.sleep(0.2)
        before = (_native.live_tasks(), descriptors(), threads())
        worst = 0.0
        cancelled = 0
        tries = 0
        with watched() as late:
            while cancelled < POINTS and tries < 20 * POINTS:
                tries += 1
                with trio.CancelScope() as scope:
                    scope.deadline = trio.current_time() + rng.uniform(0, usual)
                    await work(*urls)
                if scope.cancelled_caught:
                    cancelled += 1
                    worst = max(worst, trio.current_time() - scope.deadline)
        after = await settled(before)
        await work(*urls)  # and the next one is as good as the first
    record_property("worst_ms", worst * 1000)
    print(
        f"{work.__name__}: {cancelled} cancelled, worst {worst * 1000:.1f} ms; "
        f"a sleeping thread was up to {late[0] * 1000:.1f} ms late"
    )
    assert cancelled == POINTS
    assert after[0] <= before[0], "tasks were left"
    # A pooled connection may have been given up, or one more made.
    assert after[1] <= before[1] + 8, "descriptors were left"
    assert after[2] <= before[2] + 4, "threads were left"
    assert worst < WORST_SECONDS


async def test_no_message_is_lost_to_20_000_cancels() -> None:
    total = 20_000
    rng = random.Random(7)

    async def count(peer: ServerConnection) -> None:
        for index in range(total):
            await peer.send(str(index))
            if index % 10 == 0:
                await trio.sleep(0)
        await peer.recv()

    taken: list[str | bytes] = []
    cancels = 0
    async with websocket_server(count) as url, net.open_websocket(url) as socket:
        while len(taken) < total:
            with trio.CancelScope() as scope:
                if rng.random() < 0.5:
                    scope.cancel()
                else:
                    scope.deadline = trio.current_time() + rng.uniform(0, 0.000_2)
                taken.append((await socket.receive()).data)
            cancels += scope.cancelled_caught
        await socket.send("done")
    assert taken == [str(index) for index in range(total)]
    print(f"{cancels} cancels")
    assert cancels >= total / 4


async def test_no_piece_of_a_body_is_lost_to_cancels() -> None:
    rng = random.Random(7)
    body = bytes(rng.randrange(256) for _ in range(200_000))

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        await stream.send_all(head.encode())
        for begin in range(0, len(body), 1_000):
            await stream.send_all(body[begin : begin + 1_000])
            await trio.sleep(0)

    taken = b""
    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            pieces = response.iter_bytes()
            while len(taken) < len(body):
                with trio.move_on_after(rng.uniform(0, 0.000_3)):
                    taken += await anext(pieces)
    assert taken == body


async def test_a_cancelled_send_is_sent_whole_or_not_at_all() -> None:
    rng = random.Random(7)
    arrived: list[str] = []
    done = trio.Event()

    async def slow(peer: ServerConnection) -> None:
        try:
            while True:
                arrived.append(str(await peer.recv())[:6])
                await trio.sleep(0.000_2)
        except PeerClosed:
            pass
        done.set()

    options = net.WebSocketOptions(outbox_bytes=20_000, close_timeout=30.0)
    sent: list[str] = []
    async with websocket_server(slow, max_queue=1) as url:
        async with net.open_websocket(url, options=options) as socket:
            for index in range(500):
                name = f"{index:06d}"
                with trio.move_on_after(rng.uniform(0, 0.001)):
                    await socket.send(name * 1_000)
                    sent.append(name)
        with trio.fail_after(30):
            await done.wait()
    assert arrived == sent


def test_other_threads_of_the_program_are_none_of_ours() -> None:
    names = {thread.name for thread in threading.enumerate()}
    assert not any("voxloop-net" in name for name in names)
