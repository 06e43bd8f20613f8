"""The scripted HTTP server: answers beyond its script, and what it says of itself."""

from __future__ import annotations

import trio

from voxloop import net
from voxloop.testing import HttpRequest, HttpServer, http


async def ask(server: HttpServer, path: str = "/audio/speech") -> tuple[int, bytes]:
    async with net.request("POST", server.base_url + path, content=b"x") as response:
        return response.status, await response.read()


async def test_a_request_beyond_the_script_is_answered_by_a_function() -> None:
    def respond(request: HttpRequest) -> http.Answer:
        return http.json_answer({"asked": request.target, "body": request.body.decode()})

    async with HttpServer(http.refusal(404, "no"), respond=respond) as server:
        assert (await ask(server))[0] == 404, "the script comes first"
        assert await ask(server) == (200, b'{"asked": "/v1/audio/speech", "body": "x"}')
        assert len(server.requests) == 2


async def test_a_function_that_fails_is_told_to_the_client() -> None:
    def respond(request: HttpRequest) -> http.Answer:
        raise KeyError(request.target)

    async with HttpServer(respond=respond) as server:
        assert await ask(server) == (500, b"respond() raised KeyError")
        assert await ask(server) == (500, b"respond() raised KeyError"), "and it goes on"


async def test_connections_are_counted_and_closed_where_the_answer_says_so() -> None:
    slow = http.Answer(body=[b"a", b"b"], gap=0.1, chunked=True)
    last = http.Answer(body=b"bye", headers={"Connection": "close"})
    async with HttpServer(slow, last) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, server)
            with trio.fail_after(10):
                while not server.answering:  # noqa: ASYNC110 - another thread's counter
                    await trio.sleep(0.005)
            assert server.connections == 1
        assert await ask(server) == (200, b"bye")
        with trio.fail_after(10):
            while server.connections:  # noqa: ASYNC110
                await trio.sleep(0.005)
        assert server.answering == 0
