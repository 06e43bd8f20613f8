"""Server events that are broken in any way: nothing is raised, nothing ends.

They are made from the type definitions of the `openai` package, every type and every alternative
of a field among them. ``VOXLOOP_MUTANTS`` says how many go through the reducer, and a tenth of that
over a real socket.
"""

from __future__ import annotations

import json
import logging
import os
import random
import zlib
from typing import Any

import pytest
import trio
from openai.types.realtime import RealtimeServerEvent

from support.realtime_driver import Driver
from support.sessions import until
from support.wire_samples import members, samples
from voxloop import realtime, testing
from voxloop._errors import ProtocolError
from voxloop.agents import Agent
from voxloop.realtime.machine import inputs
from voxloop.realtime.machine.effects import End
from voxloop.testing import script as s
from voxloop.tools import tool
from voxloop.wire import realtime as rt

TOTAL = int(os.environ.get("VOXLOOP_MUTANTS", "10000"))
PARTS = 10
NAMES = {
    "item_id": ("i1", "i2", "u1"),
    "previous_item_id": ("i1", "i2", "u1", None),
    "response_id": ("r1", "r2"),
    "call_id": ("c1", "c2"),
}
"""Ids that meet, so that the events have to do with each other."""
KINDS: dict[str, list[dict[str, Any]]] = {}
for _model in members(RealtimeServerEvent):
    for _sample in samples(_model):
        KINDS.setdefault(_sample["type"], []).append(_sample)
ODD: list[object] = [
    None,
    -1,
    2**70,
    1.5,
    "",
    "\ud83d\ude00",
    [],
    {},
    [None],
    {"x": 1},
    True,
    "AAA",
]


@tool
async def look() -> str:
    """Look."""
    return ""


def mutate(random_: random.Random, value: Any) -> Any:
    """Change, drop or add one thing somewhere inside."""
    if isinstance(value, dict) and value:
        key = random_.choice(list(value))
        roll = random_.random()
        if roll < 0.2:
            return {name: inner for name, inner in value.items() if name != key}
        if roll < 0.3:
            return {**value, "extra": random_.choice(ODD)}
        return {**value, key: mutate(random_, value[key])}
    if isinstance(value, list) and value:
        index = random_.randrange(len(value))
        return [*value[:index], mutate(random_, value[index]), *value[index + 1 :]]
    return random_.choice(ODD)


def broken_text(random_: random.Random, text: str) -> str:
    """Cut, double or change characters."""
    at = random_.randrange(len(text))
    return random_.choice(
        [text[:at], text[at:], text[:at] + text[at + 1 :], text[:at] + "\x00" + text[at:]]
    )


def related(random_: random.Random, value: Any) -> Any:
    """The same event, about one of a few things."""
    if isinstance(value, list):
        return [related(random_, inner) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {name: related(random_, inner) for name, inner in value.items()}
    for name in NAMES.keys() & made.keys():
        made[name] = random_.choice(NAMES[name])
    if "id" in made and made.get("type") in ("message", "function_call", "function_call_output"):
        made["id"] = random_.choice(NAMES["item_id"])
    elif "id" in made and made.get("object") == "realtime.response":
        made["id"] = random_.choice(NAMES["response_id"])
    return made


def mutant(random_: random.Random) -> str:
    """An event of any type, with up to three faults, and perhaps broken as text."""
    event = related(random_, random_.choice(KINDS[random_.choice(sorted(KINDS))]))
    for _ in range(random_.randint(0, 3)):
        event = mutate(random_, event)
    text = json.dumps(event)
    return broken_text(random_, text) if random_.random() < 0.2 else text


def taken(d: Driver, text: str) -> None:
    """What the session does with a frame."""
    try:
        given: inputs.Input = inputs.Received(rt.decode_server(text), d.at)
    except ProtocolError as error:
        given = inputs.BadFrame(error, d.at)
    d.feed(given)
    assert not d.did(End), text


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_events(part: int) -> None:
    random_ = random.Random(part)
    d = Driver(Agent("A", tools=[look])).start()
    for _ in range(TOTAL // PARTS):
        taken(d, mutant(random_))
        d.at += random_.random() * 0.2
        d.feed(inputs.Tick(d.at))
        d.clear()
    assert not d.state.link.over
    assert d.state.history.current() is not None


def test_every_event_as_it_should_be_is_taken() -> None:
    assert len(KINDS) == 46
    for kind, events in KINDS.items():
        for event in events:
            d = Driver(Agent("A", tools=[look])).start()
            d.created("response_id café")
            decoded = rt.decode_server(json.dumps(event))
            assert not isinstance(decoded, (rt.Unknown, rt.Invalid)), event
            d.feed(inputs.Received(decoded, d.at))
            assert not d.did(End), kind


async def test_mutated_events_over_a_socket_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    random_ = random.Random(zlib.crc32(b"socket"))
    texts = [mutant(random_) for _ in range(TOTAL // 10)]
    steps = (*[s.Emit(text) for text in texts], s.Emit({"type": "that.was.all"}))
    over = trio.Event()

    async def watch(frames: realtime.Subscription[realtime.WireEvent]) -> None:
        async for frame in frames:
            if "that.was.all" in str(frame.data):
                over.set()

    plan = s.conversation(s.Write("Still here."), steps=steps)
    with trio.fail_after(60 + TOTAL / 100), caplog.at_level(logging.ERROR, "voxloop.realtime"):
        async with (
            testing.RealtimeServer(plan) as server,
            realtime.open_session(Agent("A", tools=[look]), provider=server.provider()) as session,
            session.wire_events() as frames,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(watch, frames)
            await over.wait()
            # A mutant may have begun a response of any name, the empty one among them.
            for response_id in {*NAMES["response_id"], *session._runner.state.turn.responses}:
                done = {"id": response_id, "status": "completed"}
                taken_ = {"type": "response.done", "response": done}
                await server.peers[-1].send_event(taken_)
            await session.send_message("Are you?")
            while "Still here." not in [entry.text for entry in session.history]:
                await until(session, realtime.AgentEndEvent)
            nursery.cancel_scope.cancel()
    assert "could not be handled" not in caplog.text
    assert len(server.peers) == 1, "no connection was lost over it"
