"""Forks, exits and many runs: the network threads do not outlive or hold up the process."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest
import trio
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.servers import websocket_server
from voxloop import net

# Down from anything, the interpreter's own end included.
PROMISED_SECONDS = 5.0


async def echo(peer: ServerConnection) -> None:
    # Not a generator: one that is cancelled would complain of it.
    try:
        while True:
            await peer.send(await peer.recv())
    except PeerClosed:
        pass


async def run_program(program: str, url: str) -> tuple[str, str, int]:
    done = await trio.run_process(
        [sys.executable, "-W", "error", "-c", program, url],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return done.stdout.decode(), done.stderr.decode(), done.returncode


FORK = """
import os, sys, trio
from voxloop import net
from voxloop._errors import ForkedProcessError

url = sys.argv[1]

async def talk(text):
    async with net.open_websocket(url) as socket:
        await socket.send(text)
        return (await socket.receive()).data

held = []

async def main():
    async with net.open_websocket(url) as socket:
        await socket.send("before")
        assert (await socket.receive()).data == "before"
        pid = os.fork()
        if pid == 0:
            try:
                socket._native.try_send("from the child")
            except ForkedProcessError as error:
                sys.stdout.write("child: " + error.code + "; ")
                sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        await socket.send("after")
        print("parent:", (await socket.receive()).data)

trio.run(main)
pid = os.fork()
if pid == 0:
    print("new in the child:", trio.run(talk, "fresh"), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print("new in the parent:", trio.run(talk, "again"))
"""


async def test_a_fork_harms_neither_side() -> None:
    async with websocket_server(echo) as url:
        with trio.fail_after(30):
            out, errors, code = await run_program(FORK, url)
    assert code == 0, errors
    check_words(errors)
    assert "child: forked;" in out
    assert "parent: after" in out
    assert "new in the child: fresh" in out
    assert "new in the parent: again" in out


EXIT = """
import sys, time, trio
from voxloop import net

async def main():
    manager = net.open_websocket(sys.argv[1])
    socket = await manager.__aenter__()
    await socket.send("open")
    await socket.receive()
    print(time.time(), flush=True)
    raise SystemExit(7)

trio.run(main)
"""


async def test_an_exit_with_a_live_connection_is_clean_and_quick() -> None:
    times: list[float] = []
    async with websocket_server(echo) as url:
        for _ in range(5):
            with trio.fail_after(30):
                out, errors, code = await run_program(EXIT, url)
            assert code == 7
            check_words(errors)
            times.append(time.time() - float(out))
    check_times("exit with a live connection", times)


BUSY = """
import os, random, signal, sys, threading, time, trio
from voxloop import net

# A shell that starts the tests in the background has the interrupt ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

url, way, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])

async def talk():
    while True:
        async with net.open_websocket(url) as socket:
            for index in range(20):
                await socket.send("x" * 2000)
                await socket.receive()

async def ask():
    while True:
        try:
            async with net.request("GET", url.replace("ws", "http", 1)) as response:
                await response.read()
        except net.NetworkError:
            pass

async def leave():
    await trio.sleep(delay)
    if way == "exit":
        sys.exit(7)
    if way == "raise":
        raise RuntimeError("on purpose")
    if way == "thread":
        threading.Thread(target=os._exit, args=(7,)).start()
    await trio.sleep_forever()

async def main():
    async with trio.open_nursery() as nursery:
        for work in (talk, talk, talk, ask, ask):
            nursery.start_soon(work)
        async with net.open_websocket(url) as socket:
            await socket.send("here")
            await socket.receive()
        print(time.monotonic(), flush=True)
        nursery.start_soon(leave)

try:
    trio.run(main)
except* SystemExit:
    sys.exit(7)
"""


async def leave_busily(
    url: str, way: str, delay: float, *, interrupt: bool
) -> tuple[float, str, int]:
    """Seconds from the order to leave to the end, what was complained of, the exit status."""
    command = [sys.executable, "-c", BUSY, url, way, str(0.0 if interrupt else delay)]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = await process.stdout.receive_some()
        assert ready, await process.stderr.receive_some()
        await trio.sleep(delay)
        begun = time.monotonic()
        if interrupt:
            process.send_signal(signal.SIGINT)
        errors = b""
        while piece := await process.stderr.receive_some():
            errors += piece
        status = await process.wait()
        return time.monotonic() - begun, errors.decode(), status
    finally:
        process.kill()


def check_words(errors: str) -> None:
    """No word of a panic of ours or a crash of the interpreter."""
    for word in ("panic", "rust_backtrace", "fatal", "core dumped", "segmentation"):
        assert word not in errors.lower(), errors


def check_times(what: str, times: list[float]) -> None:
    worst = max(times)
    print(f"{what}: {len(times)} times, worst {worst:.2f} s")
    assert worst < PROMISED_SECONDS


@pytest.mark.parametrize("half", [0, 1])
async def test_an_interrupt_at_any_moment_ends_the_program(half: int) -> None:
    rng = random.Random(half)
    times: list[float] = []
    async with websocket_server(echo) as url:
        for _ in range(10):
            with trio.fail_after(60):
                seconds, errors, status = await leave_busily(
                    url, "never", rng.uniform(0, 0.4), interrupt=True
                )
            times.append(seconds)
            check_words(errors)
            assert "KeyboardInterrupt" in errors
            assert status != 0
    check_times("interrupt", times)


@pytest.mark.parametrize("way", ["exit", "raise", "thread"])
async def test_an_exit_in_the_middle_of_everything(way: str) -> None:
    rng = random.Random(way)
    times: list[float] = []
    async with websocket_server(echo) as url:
        for _ in range(7):
            with trio.fail_after(60):
                seconds, errors, status = await leave_busily(
                    url, way, rng.uniform(0, 0.3), interrupt=False
                )
            times.append(seconds)
            check_words(errors)
            assert status == (1 if way == "raise" else 7)
            assert ("on purpose" in errors) is (way == "raise")
    check_times(f"exit by {way}", times)


FORKS = """
import os, sys, time, trio
from voxloop import net

url = sys.argv[1]

async def talk(text):
    async with net.open_websocket(url) as socket:
        await socket.send(text)
        return (await socket.receive()).data

async def main():
    async with net.open_websocket(url) as socket:
        for turn in range(20):
            await socket.send(f"before {turn}")
            pid = os.fork()
            if pid == 0:
                os._exit(3)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == 3
            assert (await socket.receive()).data == f"before {turn}"

trio.run(main)
took = []
for turn in range(5):
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        assert trio.run(talk, f"child {turn}") == f"child {turn}"
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    took.append(time.monotonic() - begun)
print("parent:", trio.run(talk, "alive"))
print(*took)
"""


async def test_twenty_forks_of_a_live_connection() -> None:
    async with websocket_server(echo) as url:
        with trio.fail_after(60):
            out, errors, code = await run_program(FORKS, url)
    assert code == 0, errors
    check_words(errors)
    words, seconds = out.splitlines()
    assert words == "parent: alive"
    check_times("fork and end of the child", [float(second) for second in seconds.split()])


def test_runs_follow_each_other_in_one_process() -> None:
    async def main() -> str | bytes:
        async with websocket_server(echo) as url, net.open_websocket(url) as socket:
            await socket.send("x")
            return (await socket.receive()).data

    assert [trio.run(main) for _ in range(5)] == ["x"] * 5


def test_the_number_of_threads_is_fixed_once_they_run() -> None:
    program = """
import trio
from voxloop import net
net.configure(worker_threads=2)
async def main():
    try:
        async with net.open_websocket("ws://127.0.0.1:9/"):
            pass
    except net.ConnectFailed:
        pass
trio.run(main)
try:
    net.configure(worker_threads=3)
except ValueError as error:
    print(error.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "invalid_config"


@pytest.mark.parametrize("threads", [0])
def test_no_thread_is_too_few(threads: int) -> None:
    with pytest.raises(ValueError, match="thread"):
        net.configure(worker_threads=threads)
