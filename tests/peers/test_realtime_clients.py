"""Other clients against our servers: they behave as they do elsewhere, and all see the same.

`openai-agents` cannot live in one environment with what our own tests need, so it has one of its
own: `make test-peers` makes it and runs this. Without it these tests are skipped, loudly.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from voxloop import testing
from voxloop.local.server import serve
from voxloop.testing import script

CLIENTS = Path(__file__).parent / "clients"
PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
QUESTIONS = (
    "What is the weather like in Paris?",
    "I have a technical problem with my computer.",
)


def interpreter(client: str) -> str:
    if client == "voxloop_realtime":
        return sys.executable
    if not PEERS.exists():
        pytest.skip("NO PEERS: run `make test-peers` to test other clients against our servers")
    return str(PEERS)


async def run_client(client: str, url: str, key: str) -> dict[str, Any]:
    command = [interpreter(client), str(CLIENTS / f"{client}.py"), url, key, *QUESTIONS]
    env = {**os.environ, "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    with trio.fail_after(100):
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, env=env
        )
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def check(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    assert seen["tools"] == [["get_weather", "It is sunny in Paris."]]
    assert seen["handoffs"] == [["Greeter", "TechSupport"]]
    assert all(milliseconds > 400 for milliseconds in seen["audio_ms"]), seen
    assert len(seen["audio_ms"]) == len(seen["said"]) == 2
    assert seen["said"][0] == "It is sunny in Paris."


ALL = ("voxloop_realtime", "openai_realtime", "agents_realtime")


@pytest.mark.parametrize("client", ALL)
async def test_against_the_scripted_server(client: str) -> None:
    plan = script.conversation(
        script.Call("get_weather", {"location": "Paris"}, "call_1"),
        script.Say("It is sunny in Paris."),
        script.Call("transfer_to_techsupport", {}, "call_2"),
        script.Say("TechSupport is here."),
    )
    async with testing.RealtimeServer(plan) as server:
        url = server.base_url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime"
        seen = await run_client(client, url, "sk-test")
        assert server.violations == []
        outputs = [
            event["item"]
            for event in server.received
            if event["type"] == "conversation.item.create"
        ]
        assert server.headers[0]["authorization"] == "Bearer sk-test"
    check(seen)
    assert seen["said"][1] == "TechSupport is here."
    answered = [item["call_id"] for item in outputs if item["type"] == "function_call_output"]  # type: ignore[index]
    assert answered == ["call_1", "call_2"]


@pytest.mark.parametrize("client", ALL)
async def test_against_the_local_server(client: str) -> None:
    async with serve() as server:
        url = f"{server.websocket_url}/realtime?model=gpt-realtime"
        seen = await run_client(client, url, "any")
    check(seen)
    assert "techsupport" in seen["said"][1].lower()
