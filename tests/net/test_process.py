"""Forks, exits and many runs: the network threads do not outlive or hold up the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.servers import websocket_server
from voxloop import net


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
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
    raise SystemExit(7)

started = time.monotonic()
trio.run(main)
"""


async def test_an_exit_with_a_live_connection_is_clean_and_quick() -> None:
    async with websocket_server(echo) as url:
        for _ in range(5):
            with trio.fail_after(10):
                out, errors, code = await run_program(EXIT, url)
            assert code == 7
            assert "panic" not in errors
            assert out == ""


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
