"""Handoffs and tool calls, one after the other, under a microphone that never pauses.

``VOXLOOP_HANDOFFS`` says how many; `make soak-handoffs` runs ten thousand.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import trio

from voxloop import realtime, testing
from voxloop.agents import Agent, Handoff
from voxloop.testing import script as s
from voxloop.tools import tool

TOTAL = int(os.environ.get("VOXLOOP_HANDOFFS", "200"))
PIECE = 960
"""Bytes of 20 ms."""


@tool
async def look() -> str:
    """Look."""
    await trio.sleep(0)
    return "blue"


def agents() -> Agent:
    one, two = Agent("One", tools=[look]), Agent("Two", tools=[look])
    # Two agents that know each other: what a user builds with two steps, here in one.
    object.__setattr__(one, "handoffs", (Handoff(agent=two),))
    object.__setattr__(two, "handoffs", (Handoff(agent=one),))
    return one


def plan() -> s.Script:
    replies: list[s.Reply] = []
    for number in range(TOTAL):
        target = ("two", "one")[number % 2]
        calls = (
            s.Call("look", {}, f"l{number}"),
            s.Call(f"transfer_to_{target}", {}, f"t{number}"),
        )
        replies.append(s.Reply(calls))
    return s.conversation(*replies, s.Write("Done."))


async def speak(session: realtime.Session, done: trio.Event) -> int:
    """Say numbers, 20 ms at a time, until the agents are through."""
    sent = 0
    while not done.is_set():
        data = b"".join(((sent + n) % 2**16).to_bytes(2, "little") for n in range(PIECE // 2))
        await session.send_audio(data)
        sent += PIECE // 2
        await trio.sleep(0.002)
    return sent


async def test_many_handoffs_and_calls_lose_no_sound_and_leave_no_call_open() -> None:
    done = trio.Event()
    sent = 0
    seen: Counter[str] = Counter()
    config = realtime.RunConfig(
        max_handoffs=TOTAL + 1,
        model_settings=realtime.SessionModelSettings(turn_detection=None),
    )
    with trio.fail_after(60.0 + TOTAL):
        async with (
            testing.RealtimeServer(plan()) as server,
            realtime.open_session(agents(), provider=server.provider(), config=config) as session,
            trio.open_nursery() as nursery,
        ):

            async def microphone() -> None:
                nonlocal sent
                sent = await speak(session, done)
                await session.send_message("over", respond=False)

            nursery.start_soon(microphone)
            await session.send_message("Begin.")
            async for event in session:
                seen[type(event).__name__] += 1
                if isinstance(event, realtime.TranscriptEvent) and event.final:
                    break
            done.set()
            await server.wait_for("conversation.item.create", 2 * TOTAL + 2)
    assert server.violations == []
    assert seen["HandoffEvent"] == seen["ToolResultEvent"] == TOTAL
    assert seen["ErrorEvent"] == 0
    answered: Counter[str] = Counter()
    for event in server.received:
        item: Any = event.get("item")
        if isinstance(item, dict) and item["type"] == "function_call_output":
            answered[item["call_id"]] += 1
    wanted = [f"{kind}{number}" for number in range(TOTAL) for kind in "lt"]
    assert answered == Counter(wanted)
    heard = bytes(server.peers[0].audio)
    words = memoryview(heard).cast("H")
    assert len(words) == sent
    assert all(word == place % 2**16 for place, word in enumerate(words))
    print(f"\n{TOTAL} handoffs and calls, {sent / 24_000:.0f} s of sound, none lost")
