"""Connections lost at random moments, again and again: nothing is lost with them.

``VOXLOOP_RECONNECTS`` says how many; `make soak-reconnect` runs a thousand.
"""

from __future__ import annotations

import os
import random
import statistics
import struct
from dataclasses import dataclass, field

import trio

from support.realtime_live import counted, eventually, only
from voxloop import realtime, testing
from voxloop.agents import Agent
from voxloop.testing import script as s
from voxloop.tools import tool

TOTAL = int(os.environ.get("VOXLOOP_RECONNECTS", "100"))
AT_ONCE = 4
FRAMES = 1_200
"""Numbers in one piece of audio: 4,800 bytes, 100 ms."""
WINDOW = 25 * 48_000
"""Bytes of audio that a session has not been rid of, above which it is not spoken into."""
SLOWEST = 2.0 if TOTAL >= 1_000 else 10.0
"""Seconds that 99 of 100 may take; the small run shares its machine with other tests."""


@dataclass
class Findings:
    """What one session went through."""

    recovered: int = 0
    delays: list[float] = field(default_factory=list)
    audio_bytes: int = 0
    messages: int = 0
    calls: int = 0


@tool
async def lookup(word: str) -> str:
    """Look a word up."""
    await trio.sleep(0.02)
    return f"{word}!"


def numbers(peer: testing.Peer) -> list[int]:
    return [n for (n,) in struct.iter_unpack("<I", bytes(peer.audio))]


def check_audio(peers: list[testing.Peer], sent: int) -> None:
    """No number twice within a session, and none missing that its server had not committed."""
    needed = 0  # the first number that no server has committed
    for peer in peers:
        got = numbers(peer)
        if not got:
            continue
        assert got == list(range(got[0], got[0] + len(got))), "repeated, lost or out of order"
        assert got[0] <= needed, f"{needed - got[0]} numbers of uncommitted audio were lost"
        if peer.commits:
            needed = max(needed, got[0] + peer.commits[-1] // 4)
    assert numbers(peers[-1])[-1] + 1 == sent or needed == sent


def check_conversation(peer: testing.Peer, sent: list[str], history: list[str]) -> None:
    """The last server knows every message, once, in order; and so does the session."""
    texts = []
    for item in peer.items:
        content = item.get("content")
        if item.get("role") == "user" and isinstance(content, list):
            texts.append(content[0].get("text"))
    assert [text for text in texts if text in sent] == sent
    assert [text for text in history if text in sent] == sent
    calls = [str(item["call_id"]) for item in peer.items if item["type"] == "function_call"]
    outputs = [item["call_id"] for item in peer.items if item["type"] == "function_call_output"]
    assert len(calls) == len(set(calls))
    assert len(outputs) == len(set(outputs))
    assert set(outputs) <= set(calls)


async def talk(session: realtime.Session, chance: random.Random, over: trio.Event) -> list[str]:
    """Speak, write and ask until it is over; the messages written."""
    position, committed = 0, 0
    written: list[str] = []
    while not over.is_set():
        # A machine that is too slow for its server must not make the window too small.
        if session._runner.state.ring.nbytes < WINDOW:
            await session.send_audio(counted(position, FRAMES))
            position += FRAMES
        match chance.randrange(12):
            case 0 if position > committed:
                committed = position
                await session.commit_audio(respond=False)
            case 1 | 2:
                text = f"message {len(written)}"
                written.append(text)
                await session.send_message(text, respond=chance.random() < 0.5)
            case 3:
                await session.interrupt()
            case _:
                pass
        await trio.sleep(0.02 + chance.random() * 0.08)  # at about twice the pace of speech
    session.audio_position = position  # type: ignore[attr-defined]
    return written


async def one(seed: int, count: int, findings: Findings) -> None:
    chance = random.Random(seed)
    replies = tuple(
        s.Reply((s.Call("lookup", {"word": f"w{n}"}, f"call_{n}"),))
        if n % 3 == 0
        else s.Reply((s.Say("So it is.", pace=0.1),))
        for n in range(count * 200)
    )
    plan = s.Script(
        replies=replies,
        faults=s.Faults(seed=seed, low=0.0, high=0.4, count=count),
        committed_text="spoken",
    )
    settings = realtime.SessionModelSettings(turn_detection=None)
    policy = realtime.Reconnect(stable_after=0.0)
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(
            Agent("A", tools=[lookup]),
            provider=server.provider(),
            config=realtime.RunConfig(model_settings=settings),
            model_config=realtime.ModelConfig(reconnect=policy),
        ) as session:
            over, done = trio.Event(), trio.Event()
            events: list[realtime.Event] = []
            written: list[str] = []

            async def collect() -> None:
                async for event in session:
                    events.append(event)

            async def watch() -> None:
                async with session.wire_events() as frames:
                    async for frame in frames:
                        first = '"session.created"' in str(frame.data)[:80]
                        broken = [when for when in server.broken_at if when < frame.at]
                        if first and frame.direction == "in" and broken:
                            findings.delays.append(frame.at - broken[-1])

            async def speak() -> None:
                written.extend(await talk(session, chance, over))
                done.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect)
                nursery.start_soon(watch)
                nursery.start_soon(speak)
                await eventually(lambda: len(only(events, realtime.ReconnectedEvent)) >= count)
                over.set()
                await done.wait()
                position = session.audio_position  # type: ignore[attr-defined]
                await session.send_audio(counted(position, FRAMES))
                position += FRAMES
                await session.commit_audio(respond=False)
                await session.send_message("the last", respond=False)
                written.append("the last")
                last = server.peers[-1]
                await eventually(lambda: bool(last.audio) and "the last" in str(last.items[-2:]))
                await eventually(lambda: any(i.text == "the last" for i in session.history[-3:]))
                nursery.cancel_scope.cancel()
            history = [item.text for item in session.history]
    made = only(events, realtime.ReconnectedEvent)
    assert [event.dropped_audio_bytes for event in made] == [0] * len(made)
    assert [event.lost_items for event in made] == [0] * len(made)
    check_audio(server.peers, position)
    check_conversation(server.peers[-1], written, history)
    assert [v for v in server.violations if "commit_empty" not in v] == []
    findings.recovered += len(made)
    findings.audio_bytes += position * 4
    findings.messages += len(written)
    findings.calls += len(only(events, realtime.ToolResultEvent))


async def test_nothing_is_lost_with_a_connection() -> None:
    findings = Findings()
    each = max(1, TOTAL // AT_ONCE)
    with trio.fail_after(90 if TOTAL <= 100 else 3_000):
        async with trio.open_nursery() as nursery:
            for seed in range(AT_ONCE):
                nursery.start_soon(one, seed, each, findings)
    assert findings.recovered >= each * AT_ONCE
    percentiles = statistics.quantiles(findings.delays, n=100)
    print(
        f"\n{findings.recovered} connections lost and made again; {findings.audio_bytes} bytes of "
        f"audio, {findings.messages} messages, {findings.calls} calls; from the loss to the first "
        f"event: p50 {percentiles[49]:.3f} s, p99 {percentiles[98]:.3f} s, "
        f"most {max(findings.delays):.3f} s"
    )
    assert percentiles[98] < SLOWEST
