"""Random lives of a session over real sockets: whatever is done in whatever order, rules hold."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import Any

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.sessions import ORDER
from voxloop import realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent
from voxloop.testing import script as s

CASES = int(os.environ.get("VOXLOOP_MACHINE_CASES", "25"))
REPLIES = (
    s.Say("Good day to you."),
    s.Call("lookup_order", {"order_id": "7"}),
    s.Write("Very well."),
    (s.Call("lookup_order", {"order_id": "8"}), s.Call("lookup_order", {"order_id": "9"})),
)
STEPS = st.sampled_from(
    ["audio", "commit", "clear", "message", "respond", "answer", "interrupt", "drop", "wait"]
)


class Life:
    """One session, and what is known of it from outside."""

    def __init__(self, server: testing.RealtimeServer, session: realtime.Session) -> None:
        self.server = server
        self.session = session
        self.waiting: list[str] = []
        self.said: list[str] = []
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    async def watch(self, events: realtime.Subscription[realtime.Event]) -> None:
        async for event in events:
            match event:
                case realtime.ToolCallEvent(call_id=call_id):
                    self.waiting.append(call_id)
                case realtime.AgentStartEvent(response_id=response_id):
                    self.starts[response_id] += 1
                case realtime.AgentEndEvent(response_id=response_id):
                    self.ends[response_id] += 1
                case _:
                    pass

    async def do(self, step: str) -> None:
        session = self.session
        match step:
            case "audio":
                await session.send_audio(bytes(4_800))
            case "commit":
                with contextlib.suppress(ConfigError):  # nothing to commit
                    await session.commit_audio()
            case "clear":
                await session.clear_audio()
            case "message":
                self.said.append(f"message {len(self.said)}")
                await session.send_message(self.said[-1])
            case "respond":
                await session.respond()
            case "answer" if self.waiting:
                await session.send_tool_result(self.waiting.pop(0), "shipped")
            case "interrupt":
                await session.interrupt()
            case "drop":
                await self.server.drop()
            case _:
                await trio.sleep(0.01)

    async def settle(self) -> None:
        """Answer what is asked until nothing is going on any more."""
        with trio.fail_after(20):
            quiet = 0
            while quiet < 5:
                await trio.sleep(0.02)
                while self.waiting:
                    await self.session.send_tool_result(self.waiting.pop(0), "shipped")
                quiet = quiet + 1 if self.session.state in ("listening", "speaking") else 0

    def check(self) -> None:
        assert self.server.violations == []
        assert self.starts == self.ends
        assert max(self.starts.values(), default=1) == 1
        history = self.session.history
        texts = [entry.text for entry in history if entry.role == "user" and entry.text]
        assert [text for text in texts if text.startswith("message")] == self.said
        calls = [entry for entry in history if entry.type == "function_call"]
        open_calls = [c.call_id for c in calls if c.status == "completed" and c.output is None]
        assert open_calls == []
        last: Any = self.server.peers[-1]
        created = [i["call_id"] for i in last.items if i["type"] == "function_call_output"]
        assert len(created) == len(set(created))


async def live(steps: list[str]) -> None:
    config = realtime.RunConfig(
        model_settings=realtime.SessionModelSettings(turn_detection=None),
    )
    model = realtime.ModelConfig(
        reconnect=realtime.Reconnect(base=0.01, stable_after=0.0, max_attempts=50)
    )
    plan = s.conversation(*(REPLIES * 8))
    with trio.fail_after(60):
        async with (
            testing.RealtimeServer(plan) as server,
            realtime.open_session(
                Agent("Clerk", tools=[ORDER]),
                provider=server.provider(),
                config=config,
                model_config=model,
            ) as session,
            session.subscribe() as events,
            trio.open_nursery() as nursery,
        ):
            life = Life(server, session)
            nursery.start_soon(life.watch, events)
            for step in steps:
                await life.do(step)
            await life.settle()
            life.check()
            nursery.cancel_scope.cancel()


@settings(
    max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.lists(STEPS, max_size=14))
def test_whatever_is_done_in_whatever_order_the_rules_hold(steps: list[str]) -> None:
    trio.run(live, steps)
